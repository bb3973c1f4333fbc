//! Linux kernels: a bzImage, or the vmlinux that is in it, entered by the 64-bit boot protocol.
//!
//! Sources: Linux, "Documentation/arch/x86/boot.rst" § "The Real-Mode Kernel Header", § "Loading The Rest of The Kernel" and
//! § "64-bit Boot Protocol"; System V gABI, chapter 5 "Program Loading".

#[cfg(test)]
mod tests;
mod unpack;

pub use unpack::{UnpackError, unpack_linux};

use super::{ImageError, elf64, load_segment};
use crate::{
    layout::{self, linux as at},
    memory::{GuestMemory, Template},
};
use goblin::elf::program_header::PT_LOAD;
use linux_loader::{
    bootparam::{LOADED_HIGH, XLF_KERNEL_64, setup_header},
    loader::{KernelLoader, bzimage::BzImage},
};
use std::{
    fs,
    io::{self, Cursor},
    path::{Path, PathBuf},
};
use vm_memory::{ByteValued, GuestAddress};

/// Offset of the boot sector's signature, and the signature: every bzImage has it.
const BOOT_FLAG: (usize, [u8; 2]) = (0x1fe, [0x55, 0xaa]);
/// Offset of the setup header in the file.
const SETUP_HEADER: usize = 0x1f1;
/// Offset of the header's signature, and the signature.
const HEADER_MAGIC: (usize, [u8; 4]) = (0x202, *b"HdrS");
/// The first version of the protocol with a 64-bit entry that says so (xloadflags).
const VERSION_MIN: u16 = 0x20c;
/// Size of a sector of the setup code, in bytes.
const SECTOR_SIZE: u64 = 512;
/// Sectors of the setup code where the header says 0.
const SETUP_SECTORS_DEFAULT: u8 = 4;
/// Offset of the 64-bit entry from where the kernel is loaded.
const ENTRY_64: u64 = 0x200;
/// `type_of_loader` of a boot loader without a number of its own.
const LOADER_UNKNOWN: u8 = 0xff;
/// What the header of a vmlinux says, which has none: enough for Linux to believe the rest.
const BOOT_SIGNATURE: u16 = 0xaa55;
/// Where a vmlinux may have its initial RAM disk, at the highest.
const INITRD_MAX: u32 = 0x7fff_ffff;
const MIB: u64 = 1 << 20;

/// Why a kernel or its initial RAM disk cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LinuxError {
    /// A file could not be read.
    #[error("failed to read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is neither a bzImage nor an ELF file.
    #[error(
        "{} is not a kernel: it has neither the signature of a bzImage at offset {:#x} nor that of an ELF file at 0; give a \
         vmlinuz or a vmlinux, unpacked if it is compressed as a file",
        path.display(),
        HEADER_MAGIC.0
    )]
    NotKernel {
        /// The file.
        path: PathBuf,
    },
    /// The bzImage contradicts itself or ends too early.
    #[error("{} is a damaged bzImage at offset {offset:#x}: {detail}; get the file again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Offset in it.
        offset: u64,
        /// What is wrong.
        detail: String,
    },
    /// The kernel is one for 32-bit processors, or of before Linux 3.8.
    #[error(
        "{} has no 64-bit entry (boot protocol {version:#x} at offset 0x206, xloadflags {flags:#x} at 0x236); give a kernel for \
         x86-64 of Linux 3.8 or later",
        path.display()
    )]
    No64BitEntry {
        /// The file.
        path: PathBuf,
        /// The protocol's version.
        version: u16,
        /// Its flags.
        flags: u16,
    },
    /// The vmlinux in a bzImage cannot be had.
    #[error("{} cannot be unpacked", path.display())]
    Unpack {
        /// The file.
        path: PathBuf,
        /// Why.
        source: UnpackError,
    },
    /// The vmlinux cannot be used.
    #[error("{} cannot be used as a kernel", path.display())]
    Elf {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<ImageError>,
    },
    /// The kernel does not fit into memory.
    #[error(
        "the kernel {} is too large for memory: it unpacks to the {size_bytes:#x} bytes from {address:#x} on, and the VM has \
         {memory_size_bytes:#x}; give it {} MiB or more",
        path.display(),
        (address + size_bytes).div_ceil(MIB)
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Physical address.
        address: u64,
        /// What it needs there until it knows of memory.
        size_bytes: u64,
        /// Size of guest memory.
        memory_size_bytes: u64,
    },
    /// The initial RAM disk does not fit behind the kernel.
    #[error(
        "the initial RAM disk {} of {size_bytes:#x} bytes does not fit between the kernel's end at {kernel_end:#x} and {limit:#x}; \
         give the VM {} MiB or more, or a smaller disk",
        path.display(),
        (kernel_end + size_bytes + layout::PAGE_SIZE).div_ceil(MIB)
    )]
    InitrdTooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        size_bytes: u64,
        /// Where the kernel ends.
        kernel_end: u64,
        /// Where memory ends, or what the kernel allows.
        limit: u64,
    },
    /// The kernel takes no command line of this size.
    #[error("the kernel takes a command line of at most {max_bytes} bytes, and this one has {size_bytes}")]
    CommandLine {
        /// Size of the command line.
        size_bytes: usize,
        /// The most that the kernel takes.
        max_bytes: u32,
    },
}

/// A kernel in guest memory.
#[derive(Clone, Debug)]
pub(crate) struct Linux {
    /// Physical address of the 64-bit entry.
    pub(crate) entry: u64,
    /// The setup header, with what the loader has to fill in but the command line.
    pub(crate) header: setup_header,
}

impl Linux {
    /// Checks that the kernel takes a command line of this size.
    pub(crate) fn check_command_line(&self, size_bytes: usize) -> Result<(), LinuxError> {
        let max_bytes = self.header.cmdline_size;
        // A vmlinux does not say.
        match max_bytes != 0 && size_bytes > max_bytes as usize {
            true => Err(LinuxError::CommandLine { size_bytes, max_bytes }),
            false => Ok(()),
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, LinuxError> {
    fs::read(path).map_err(|source| LinuxError::Read { path: path.into(), source })
}

/// Loads a kernel, and behind it an initial RAM disk; `is_unpacked` says whether a bzImage is unpacked first.
pub(super) fn load(
    path: &Path,
    initrd: Option<&Path>,
    memory_size_bytes: u64,
    is_unpacked: bool,
) -> Result<(Template, Linux), ImageError> {
    let mut file = read(path)?;
    if is_unpacked && is_bzimage(&file) {
        file = unpack_linux(&file).map_err(|source| LinuxError::Unpack { path: path.into(), source })?;
    }
    let initrd = initrd.map(|path| Ok::<_, LinuxError>((path, read(path)?))).transpose()?;
    let mut linux = None;
    let template = Template::new::<ImageError>(memory_size_bytes, |memory| {
        let (mut loaded, end) = load_kernel(path, &file, memory)?;
        if let Some((path, initrd)) = &initrd {
            place_initrd(path, initrd, end, &mut loaded.header, memory)?;
        }
        linux = Some(loaded);
        Ok(())
    })?;
    // The closure was called, or there were an error.
    let linux = linux.ok_or_else(|| LinuxError::NotKernel { path: path.into() })?;
    Ok((template, linux))
}

fn is_bzimage(file: &[u8]) -> bool {
    let has = |offset: usize, magic: &[u8]| file.get(offset..offset + magic.len()) == Some(magic);
    has(HEADER_MAGIC.0, &HEADER_MAGIC.1) && has(BOOT_FLAG.0, &BOOT_FLAG.1)
}

/// Gives the kernel and where what it needs ends.
fn load_kernel(path: &Path, file: &[u8], memory: &GuestMemory) -> Result<(Linux, u64), LinuxError> {
    let (mut linux, end) = if is_bzimage(file) {
        load_bzimage(path, file, memory)?
    } else if file.starts_with(goblin::elf::header::ELFMAG) {
        load_vmlinux(path, file, memory)?
    } else {
        return Err(LinuxError::NotKernel { path: path.into() });
    };
    linux.header.type_of_loader = LOADER_UNKNOWN;
    Ok((linux, end))
}

fn load_bzimage(path: &Path, file: &[u8], memory: &GuestMemory) -> Result<(Linux, u64), LinuxError> {
    let damaged =
        |offset: u64, detail: &str| LinuxError::Damaged { path: path.into(), offset, detail: detail.to_owned() };
    let header = file.get(SETUP_HEADER..SETUP_HEADER + size_of::<setup_header>());
    let mut header = header
        .and_then(setup_header_from)
        .ok_or_else(|| damaged(file.len() as u64, "the file ends within the setup header"))?;
    let (version, flags) = (header.version, header.xloadflags);
    if version < VERSION_MIN || flags & XLF_KERNEL_64 == 0 || header.loadflags & LOADED_HIGH == 0 {
        return Err(LinuxError::No64BitEntry { path: path.into(), version, flags });
    }
    let sectors = if header.setup_sects == 0 { SETUP_SECTORS_DEFAULT } else { header.setup_sects };
    let setup_size = (u64::from(sectors) + 1) * SECTOR_SIZE;
    let size = (file.len() as u64).saturating_sub(setup_size);
    // In paragraphs of 16 bytes; a signature may follow.
    let told = u64::from(header.syssize) * 16;
    if size == 0 || size.next_multiple_of(16) < told {
        let detail = format!("the header tells of {told:#x} bytes from {setup_size:#x} on, and there are {size:#x}");
        return Err(damaged(file.len() as u64, &detail));
    }
    let address = match (header.relocatable_kernel, header.pref_address) {
        (0, _) | (_, 0) => u64::from(header.code32_start),
        (_, preferred) => preferred,
    };
    let needs = u64::from(header.init_size).max(size);
    let end = address.checked_add(needs).ok_or_else(|| damaged(0x258, "the preferred address is beyond all memory"))?;
    let memory_size_bytes = memory.size_bytes();
    if end > memory_size_bytes {
        return Err(LinuxError::TooLarge { path: path.into(), address, size_bytes: needs, memory_size_bytes });
    }
    if address < layout::LEGACY_HOLE_END {
        return Err(damaged(0x258, "the kernel wants to be loaded below 1 MiB"));
    }
    let loaded = BzImage::load(
        memory.before_start(),
        Some(GuestAddress(address)),
        &mut Cursor::new(file),
        Some(GuestAddress(layout::LEGACY_HOLE_END)),
    )
    .map_err(|error| damaged(setup_size, &error.to_string()))?;
    // What the crate read is the same, with the address where the kernel is.
    header = loaded.setup_header.unwrap_or(header);
    Ok((Linux { entry: address + ENTRY_64, header }, end))
}

fn setup_header_from(bytes: &[u8]) -> Option<setup_header> {
    let mut header = setup_header::default();
    // The header is plain data for the crate too, which reads it like this.
    header.as_mut_slice().copy_from_slice(bytes.get(..size_of::<setup_header>())?);
    Some(header)
}

fn load_vmlinux(path: &Path, file: &[u8], memory: &GuestMemory) -> Result<(Linux, u64), LinuxError> {
    let broken = |source| LinuxError::Elf { path: path.into(), source: Box::new(source) };
    let elf = elf64(file).map_err(broken)?;
    let segments = || elf.program_headers.iter().filter(|segment| segment.p_type == PT_LOAD && segment.p_memsz != 0);
    let start = segments().map(|segment| segment.p_paddr).min().unwrap_or(0);
    let end = segments().map(|segment| segment.p_paddr.saturating_add(segment.p_memsz)).max().unwrap_or(0);
    let memory_size_bytes = memory.size_bytes();
    if end > memory_size_bytes {
        return Err(LinuxError::TooLarge {
            path: path.into(),
            address: start,
            size_bytes: end - start,
            memory_size_bytes,
        });
    }
    if start < layout::LEGACY_HOLE_END {
        let detail = format!("the kernel's segment at {start:#x} is below 1 MiB; is it a kernel?");
        return Err(broken(super::malformed(detail)));
    }
    segments().try_for_each(|segment| load_segment(file, segment, memory)).map_err(broken)?;
    let header = setup_header {
        boot_flag: BOOT_SIGNATURE,
        header: u32::from_le_bytes(HEADER_MAGIC.1),
        version: VERSION_MIN,
        loadflags: LOADED_HIGH,
        initrd_addr_max: INITRD_MAX,
        kernel_alignment: 2 << 20,
        ..Default::default()
    };
    Ok((Linux { entry: elf.header.e_entry, header }, end))
}

/// Places an initial RAM disk as high as the kernel allows, which leaves most room between.
fn place_initrd(
    path: &Path,
    initrd: &[u8],
    kernel_end: u64,
    header: &mut setup_header,
    memory: &GuestMemory,
) -> Result<(), LinuxError> {
    let size_bytes = initrd.len() as u64;
    let limit = memory.size_bytes().min(u64::from(header.initrd_addr_max) + 1);
    let address = limit.checked_sub(size_bytes).map(|address| address / layout::PAGE_SIZE * layout::PAGE_SIZE);
    let too_large = || LinuxError::InitrdTooLarge { path: path.into(), size_bytes, kernel_end, limit };
    let address = address.filter(|address| *address >= kernel_end).ok_or_else(too_large)?;
    memory.write(address, initrd).map_err(|_| too_large())?;
    // Both are below 4 GiB, as all memory is.
    (header.ramdisk_image, header.ramdisk_size) = (address as u32, size_bytes as u32);
    Ok(())
}

const _: () = assert!(at::COMMAND_LINE_MAX_BYTES >= layout::COMMAND_LINE_MAX_BYTES);
