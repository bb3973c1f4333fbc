//! A guest image: an ELF file, a Linux kernel, a Multiboot image or firmware, laid out once in a template that all its VMs
//! share.
//!
//! Sources: System V gABI, chapter 4 "Object Files" and chapter 5 "Program Loading"; Xen, "docs/misc/pvh.pandoc" and
//! "xen/include/public/elfnote.h" (XEN_ELFNOTE_PHYS32_ENTRY).

mod linux;
mod multiboot;
mod rom;

pub use linux::{LinuxError, UnpackError, unpack_linux};
pub use multiboot::MultibootError;
pub use rom::RomError;

use crate::{
    layout,
    memory::{Backing, GuestMemory, MemoryError, MemoryMap, Rom, Template},
};
use goblin::container::{Container, Ctx, Endian};
use goblin::elf::{
    Elf,
    header::{EM_X86_64, ET_EXEC, Header, SELFMAG},
    program_header::{PT_LOAD, ProgramHeader},
};
pub(crate) use linux::Linux;
pub(crate) use multiboot::Multiboot;
use std::{fs, io, path::Path, path::PathBuf};

/// Name, with its NUL counted by the format and not here, and type of the note that holds the PVH entry.
const PVH_NOTE: (&str, u32) = ("Xen", 18);

/// Why an image cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The file could not be read.
    #[error("failed to read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file does not start as an ELF file does.
    #[error("the image is not an ELF file")]
    NotElf,
    /// The file is of another processor, class, byte order or type.
    #[error("the image is not a 64-bit executable for x86-64: {found}")]
    NotX86_64 {
        /// What the header says.
        found: String,
    },
    /// The file contradicts itself.
    #[error("the image's ELF structures are damaged: {detail}")]
    Malformed {
        /// Where.
        detail: String,
    },
    /// A segment does not fit.
    #[error(
        "the image's segment of {size_bytes:#x} bytes at {address:#x} is not within the {memory_size_bytes:#x} bytes of \
         guest memory"
    )]
    SegmentOutside {
        /// Physical address of the segment.
        address: u64,
        /// Its size in memory.
        size_bytes: u64,
        /// Size of guest memory.
        memory_size_bytes: u64,
    },
    /// A segment covers the page that the VMM writes to.
    #[error(
        "the image's segment of {size_bytes:#x} bytes at {address:#x} covers the page at {:#x}, which holds the PVH start \
         info",
        layout::START_INFO
    )]
    SegmentOverStartInfo {
        /// Physical address of the segment.
        address: u64,
        /// Its size in memory.
        size_bytes: u64,
    },
    /// The image has no PVH entry.
    #[error("the image has no PVH entry: no ELF note of the name Xen and type 18 (XEN_ELFNOTE_PHYS32_ENTRY)")]
    NoPvhEntry,
    /// The image was loaded as another kind than it is to be entered as.
    #[error("the image was not loaded as {kind}, and cannot be entered as that")]
    OtherKind {
        /// How it was to be entered.
        kind: &'static str,
    },
    /// The Linux kernel cannot be loaded.
    #[error(transparent)]
    Linux(#[from] LinuxError),
    /// The Multiboot image cannot be loaded.
    #[error(transparent)]
    Multiboot(#[from] MultibootError),
    /// The firmware cannot be loaded.
    #[error(transparent)]
    Rom(#[from] RomError),
    /// Its memory could not be made.
    #[error(transparent)]
    Memory(#[from] MemoryError),
}

/// What kind of image it is.
#[derive(Debug)]
enum Kind {
    Elf { entry: u64, pvh_entry: Option<u32> },
    Linux(Linux),
    Multiboot(Multiboot),
    Firmware(Rom),
}

/// A loaded image; share it among threads by an [`std::sync::Arc`] and start as many VMs from it as needed.
#[derive(Debug)]
pub struct Image {
    template: Template,
    kind: Kind,
}

impl Image {
    /// Loads the ELF file at `path` into guest memory of `memory_size_bytes`.
    ///
    /// # Errors
    /// See [`ImageError`]; [`ImageError::NoPvhEntry`] comes only when a VM asks for that entry.
    pub fn load(path: &Path, memory_size_bytes: u64) -> Result<Self, ImageError> {
        let file = fs::read(path).map_err(|source| ImageError::Read { path: path.into(), source })?;
        Self::from_bytes(&file, memory_size_bytes)
    }

    /// As [`Self::load`], from the bytes of an ELF file.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn from_bytes(file: &[u8], memory_size_bytes: u64) -> Result<Self, ImageError> {
        Self::from_bytes_in(file, MemoryMap::new(memory_size_bytes)?)
    }

    /// As [`Self::from_bytes`], where it is said where memory is.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn from_bytes_in(file: &[u8], memory: MemoryMap) -> Result<Self, ImageError> {
        let elf = elf64(file)?;
        let template = Template::of(memory, |memory| {
            elf.program_headers
                .iter()
                .filter(|segment| segment.p_type == PT_LOAD && segment.p_memsz != 0)
                .try_for_each(|segment| load_segment(file, segment, memory))
        })?;
        let kind = Kind::Elf { entry: elf.header.e_entry, pvh_entry: find_pvh_entry(&elf, file)? };
        Ok(Self { template, kind })
    }

    /// Loads a Linux kernel, a bzImage or a vmlinux, and perhaps an initial RAM disk, for [`crate::Entry::Linux`].
    ///
    /// # Errors
    /// [`ImageError::Linux`] and [`ImageError::Memory`].
    pub fn load_linux(kernel: &Path, initrd: Option<&Path>, memory_size_bytes: u64) -> Result<Self, ImageError> {
        let (template, linux) = linux::load(kernel, initrd, memory_size_bytes, false)?;
        Ok(Self { template, kind: Kind::Linux(linux) })
    }

    /// As [`Self::load_linux`], but the vmlinux in a bzImage is unpacked here and not by the guest: what the guest does before
    /// that (its move to another address, for one) does not happen.
    ///
    /// # Errors
    /// [`ImageError::Linux`] and [`ImageError::Memory`].
    pub fn load_linux_unpacked(
        kernel: &Path,
        initrd: Option<&Path>,
        memory_size_bytes: u64,
    ) -> Result<Self, ImageError> {
        let (template, linux) = linux::load(kernel, initrd, memory_size_bytes, true)?;
        Ok(Self { template, kind: Kind::Linux(linux) })
    }

    /// Loads a Multiboot image, and perhaps a module for it, for [`crate::Entry::Multiboot`].
    ///
    /// # Errors
    /// [`ImageError::Multiboot`] and [`ImageError::Memory`].
    pub fn load_multiboot(path: &Path, module: Option<&Path>, memory_size_bytes: u64) -> Result<Self, ImageError> {
        let (template, multiboot) = multiboot::load(path, module, memory_size_bytes)?;
        Ok(Self { template, kind: Kind::Multiboot(multiboot) })
    }

    /// Loads firmware, such as a BIOS, for [`crate::Entry::Reset`]: it ends at 4 GiB, and the end of it at 1 MiB too.
    ///
    /// # Errors
    /// [`ImageError::Rom`] and [`ImageError::Memory`].
    pub fn load_firmware(path: &Path, memory_size_bytes: u64) -> Result<Self, ImageError> {
        let (template, rom) = rom::load(path, memory_size_bytes)?;
        Ok(Self { template, kind: Kind::Firmware(rom) })
    }

    /// Size of guest memory in bytes.
    pub fn memory_size_bytes(&self) -> u64 {
        self.template.map().size_bytes()
    }

    /// Where guest memory is.
    pub fn memory_map(&self) -> MemoryMap {
        self.template.map()
    }

    /// Physical address of the PVH entry.
    ///
    /// # Errors
    /// [`ImageError::NoPvhEntry`] if there is no note with one.
    pub fn pvh_entry(&self) -> Result<u32, ImageError> {
        match self.kind {
            Kind::Elf { pvh_entry, .. } => pvh_entry.ok_or(ImageError::NoPvhEntry),
            _ => Err(ImageError::NoPvhEntry),
        }
    }

    /// The entry in the ELF header, of images that were loaded as ELF files and nothing else.
    pub fn elf_entry(&self) -> u64 {
        match self.kind {
            Kind::Elf { entry, .. } => entry,
            _ => 0,
        }
    }

    pub(crate) fn linux(&self) -> Result<&Linux, ImageError> {
        match &self.kind {
            Kind::Linux(linux) => Ok(linux),
            _ => Err(ImageError::OtherKind { kind: "a Linux kernel" }),
        }
    }

    pub(crate) fn multiboot(&self) -> Result<&Multiboot, ImageError> {
        match &self.kind {
            Kind::Multiboot(multiboot) => Ok(multiboot),
            _ => Err(ImageError::OtherKind { kind: "a Multiboot image" }),
        }
    }

    pub(crate) fn rom(&self) -> Result<&Rom, ImageError> {
        match &self.kind {
            Kind::Firmware(rom) => Ok(rom),
            _ => Err(ImageError::OtherKind { kind: "firmware" }),
        }
    }

    /// Memory of a VM that starts with this image.
    pub(crate) fn instantiate(&self, backing: Backing) -> Result<GuestMemory, MemoryError> {
        let memory = self.template.instantiate_in(backing)?;
        Ok(match &self.kind {
            Kind::Firmware(rom) => memory.with_rom(rom.clone()),
            _ => memory,
        })
    }
}

/// Reads the headers of a 64-bit executable.
fn elf64(file: &[u8]) -> Result<Elf<'_>, ImageError> {
    let header = parse_header(file)?;
    with_program_headers(file, header, Container::Big)
}

fn with_program_headers(file: &[u8], header: Header, container: Container) -> Result<Elf<'_>, ImageError> {
    let mut elf = Elf::lazy_parse(header).map_err(malformed)?;
    let (offset, count) = (elf.header.e_phoff, usize::from(elf.header.e_phnum));
    // goblin adds to the offset without a check.
    let offset = usize::try_from(offset).ok().filter(|offset| *offset <= file.len());
    let offset = offset.ok_or_else(|| malformed("the program headers are not within the file"))?;
    let context = Ctx::new(container, Endian::Little);
    elf.program_headers = ProgramHeader::parse(file, offset, count, context).map_err(malformed)?;
    Ok(elf)
}

fn malformed(detail: impl ToString) -> ImageError {
    ImageError::Malformed { detail: detail.to_string() }
}

fn parse_header(file: &[u8]) -> Result<Header, ImageError> {
    if !file.starts_with(&goblin::elf::header::ELFMAG[..SELFMAG]) {
        return Err(ImageError::NotElf);
    }
    // Class and byte order first: of another class the header has another size.
    let not_ours = |found: String| Err(ImageError::NotX86_64 { found });
    match file.get(4..6) {
        Some([2, 1]) => {}
        Some([class, order]) => {
            return not_ours(format!(
                "ELF class {class} and byte order {order} where both 64-bit class 2 and little-endian order 1 are needed"
            ));
        }
        _ => return Err(malformed("the file ends within its header")),
    }
    let header = Elf::parse_header(file).map_err(malformed)?;
    match (header.e_machine, header.e_type) {
        (EM_X86_64, ET_EXEC) => Ok(header),
        (EM_X86_64, other) => not_ours(format!("its ELF type is {other} and not 2, a file for fixed addresses")),
        (other, _) => not_ours(format!("its ELF machine is {other} and not 62")),
    }
}

fn load_segment(file: &[u8], segment: &ProgramHeader, memory: &GuestMemory) -> Result<(), ImageError> {
    let (address, size_bytes) = (segment.p_paddr, segment.p_memsz);
    let memory_size_bytes = memory.size_bytes();
    let end = address.checked_add(size_bytes).filter(|end| *end <= memory_size_bytes);
    let Some(end) = end else {
        return Err(ImageError::SegmentOutside { address, size_bytes, memory_size_bytes });
    };
    if address < layout::START_INFO + layout::PAGE_SIZE && end > layout::START_INFO {
        return Err(ImageError::SegmentOverStartInfo { address, size_bytes });
    }
    if segment.p_filesz > size_bytes {
        return Err(malformed(format!("the segment at {address:#x} is larger in the file than in memory")));
    }
    let bytes = bytes_of(file, segment)
        .ok_or_else(|| malformed(format!("the segment at {address:#x} is not within the file")))?;
    // What the file does not give is zero in a new template.
    memory.write(address, bytes).map_err(|_| ImageError::SegmentOutside { address, size_bytes, memory_size_bytes })
}

fn bytes_of<'a>(file: &'a [u8], segment: &ProgramHeader) -> Option<&'a [u8]> {
    let start = usize::try_from(segment.p_offset).ok()?;
    let end = start.checked_add(usize::try_from(segment.p_filesz).ok()?)?;
    file.get(start..end)
}

fn find_pvh_entry(elf: &Elf<'_>, file: &[u8]) -> Result<Option<u32>, ImageError> {
    let (name, n_type) = PVH_NOTE;
    for note in elf.iter_note_headers(file).into_iter().flatten() {
        let note = note.map_err(malformed)?;
        if note.name == name && note.n_type == n_type {
            // The format allows a descriptor of 4 or 8 bytes; the address has 32 bits in both.
            let address = note.desc.first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
            return address.map(Some).ok_or_else(|| malformed("the PVH note holds no 32-bit address"));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
