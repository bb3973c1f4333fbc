//! Multiboot images: kernels that are entered in 32-bit protected mode, as those of kvm-unit-tests are.
//!
//! Sources: Multiboot Specification 0.6.96, § 3.1 "OS image format" and § 3.3 "Boot information format"; System V gABI, chapter 5
//! "Program Loading". As QEMU does it, the command line begins with the name of the file, and a module stands on the first
//! page behind the image.

#[cfg(test)]
mod tests;

use super::{ImageError, load_segment, with_program_headers};
use crate::{
    layout,
    memory::{GuestMemory, Template},
};
use goblin::{
    container::Container,
    elf::{
        Elf,
        header::{EM_386, EM_X86_64, ET_EXEC},
        program_header::PT_LOAD,
    },
};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The header's magic number.
const HEADER_MAGIC: u32 = 0x1bad_b002;
/// The header lies as a whole within so many bytes of the file, on a multiple of four.
const SEARCH_BYTES: usize = 8192;
/// Flags that an image may have set: modules on pages, and the amount of memory. Others of the low half are demands.
const FLAGS_MET: u32 = 0b11;
const FLAGS_DEMANDS: u32 = 0xffff;
/// The header tells addresses, which hold instead of those of the file's format.
const FLAG_ADDRESSES: u32 = 1 << 16;

/// Why a Multiboot image cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum MultibootError {
    /// A file could not be read.
    #[error("failed to read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no header.
    #[error(
        "{} is not a Multiboot image: no header (magic number {HEADER_MAGIC:#x} with a checksum) on a multiple of 4 within its \
         first {SEARCH_BYTES} bytes",
        path.display()
    )]
    NoHeader {
        /// The file.
        path: PathBuf,
    },
    /// The header demands what this VMM has not.
    #[error("{} demands features {flags:#x} by its Multiboot header at offset {offset:#x}, and there are only 0x3", path.display())]
    Demands {
        /// The file.
        path: PathBuf,
        /// Offset of the header.
        offset: usize,
        /// What it demands and there is not.
        flags: u32,
    },
    /// The addresses in the header contradict each other or the file.
    #[error("{} has a damaged Multiboot header at offset {offset:#x}: {detail}", path.display())]
    Addresses {
        /// The file.
        path: PathBuf,
        /// Offset of the header.
        offset: usize,
        /// What is wrong.
        detail: String,
    },
    /// It is an ELF file of another class.
    #[error(
        "{} is a 64-bit ELF file, and Multiboot images are entered in 32-bit mode; make one by objcopy -O elf32-i386",
        path.display()
    )]
    Elf64 {
        /// The file.
        path: PathBuf,
    },
    /// The ELF file cannot be used.
    #[error("{} cannot be used as a Multiboot image", path.display())]
    Elf {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<ImageError>,
    },
    /// What is loaded does not fit into memory.
    #[error(
        "{} does not fit into memory: it takes {size_bytes:#x} bytes from {address:#x} on, and the VM has {memory_size_bytes:#x}; \
         give it {} MiB or more",
        path.display(),
        address.saturating_add(*size_bytes).div_ceil(1 << 20)
    )]
    TooLarge {
        /// The file: the image or its module.
        path: PathBuf,
        /// Where it is loaded.
        address: u64,
        /// Its size.
        size_bytes: u64,
        /// Size of guest memory.
        memory_size_bytes: u64,
    },
}

/// A Multiboot image in guest memory.
#[derive(Clone, Debug)]
pub(crate) struct Multiboot {
    /// Physical address of the entry.
    pub(crate) entry: u32,
    /// What the command line begins with.
    pub(crate) name: String,
    /// First byte of the module and the one behind it.
    pub(crate) module: Option<(u32, u32)>,
}

/// The fields of the header.
struct Header {
    offset: usize,
    flags: u32,
    /// header_addr, load_addr, load_end_addr, bss_end_addr, entry_addr, as far as the file goes.
    addresses: Vec<u32>,
}

fn read(path: &Path) -> Result<Vec<u8>, MultibootError> {
    fs::read(path).map_err(|source| MultibootError::Read { path: path.into(), source })
}

/// Loads an image, and behind it a module.
pub(super) fn load(
    path: &Path,
    module: Option<&Path>,
    memory_size_bytes: u64,
) -> Result<(Template, Multiboot), ImageError> {
    let file = read(path)?;
    let module = module.map(|path| Ok::<_, MultibootError>((path, read(path)?))).transpose()?;
    let header = find_header(&file).ok_or_else(|| MultibootError::NoHeader { path: path.into() })?;
    let flags = header.flags & FLAGS_DEMANDS & !FLAGS_MET;
    if flags != 0 {
        return Err(MultibootError::Demands { path: path.into(), offset: header.offset, flags }.into());
    }
    let mut loaded = Multiboot { entry: 0, name: path.to_string_lossy().into_owned(), module: None };
    let template = Template::new::<ImageError>(memory_size_bytes, |memory| {
        let end;
        (loaded.entry, end) = match header.flags & FLAG_ADDRESSES != 0 {
            true => load_by_addresses(path, &file, &header, memory)?,
            false => load_elf(path, &file, memory)?,
        };
        if let Some((path, module)) = &module {
            let address = end.next_multiple_of(layout::PAGE_SIZE);
            write(path, address, module, module.len() as u64, memory)?;
            // All memory is below 4 GiB.
            loaded.module = Some((address as u32, address as u32 + module.len() as u32));
        }
        Ok(())
    })?;
    Ok((template, loaded))
}

fn find_header(file: &[u8]) -> Option<Header> {
    let words: Vec<u32> = file
        .chunks_exact(4)
        .take(SEARCH_BYTES / 4)
        .map(|bytes| bytes.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte)))
        .collect();
    let is_header = |at: &[u32]| at[0] == HEADER_MAGIC && at[0].wrapping_add(at[1]).wrapping_add(at[2]) == 0;
    let index = words.windows(3).position(is_header)?;
    let addresses = words.iter().skip(index + 3).take(5).copied().collect();
    Some(Header { offset: index * 4, flags: words[index + 1], addresses })
}

/// Writes what takes `size_bytes` in memory, of which the file gives `bytes`.
fn write(path: &Path, address: u64, bytes: &[u8], size_bytes: u64, memory: &GuestMemory) -> Result<(), MultibootError> {
    let memory_size_bytes = memory.size_bytes();
    let too_large = || MultibootError::TooLarge { path: path.into(), address, size_bytes, memory_size_bytes };
    if address.checked_add(size_bytes).is_none_or(|end| end > memory_size_bytes) {
        return Err(too_large());
    }
    memory.write(address, bytes).map_err(|_| too_large())
}

/// Gives the entry and where the image ends.
fn load_by_addresses(
    path: &Path,
    file: &[u8],
    header: &Header,
    memory: &GuestMemory,
) -> Result<(u32, u64), MultibootError> {
    let offset = header.offset;
    let damaged = |detail: &str| MultibootError::Addresses { path: path.into(), offset, detail: detail.to_owned() };
    let [header_at, load_at, load_end, bss_end, entry] = *header.addresses.as_slice() else {
        return Err(damaged("the file ends within it"));
    };
    let before = header_at.checked_sub(load_at).ok_or_else(|| damaged("it lies below the load address"))?;
    let start = offset.checked_sub(before as usize).ok_or_else(|| damaged("the load address is before the file"))?;
    let size = match load_end {
        // All of the file.
        0 => file.len() - start,
        end => end.checked_sub(load_at).ok_or_else(|| damaged("the image ends before it begins"))? as usize,
    };
    let bytes = file.get(start..start.saturating_add(size)).ok_or_else(|| damaged("the image ends behind the file"))?;
    let size_bytes = (size as u64).max(u64::from(bss_end.saturating_sub(load_at)));
    write(path, load_at.into(), bytes, size_bytes, memory)?;
    Ok((entry, u64::from(load_at) + size_bytes))
}

fn load_elf(path: &Path, file: &[u8], memory: &GuestMemory) -> Result<(u32, u64), MultibootError> {
    let broken = |source| MultibootError::Elf { path: path.into(), source: Box::new(source) };
    if !file.starts_with(goblin::elf::header::ELFMAG) {
        return Err(broken(ImageError::NotElf));
    }
    match file.get(4..6) {
        Some([1, 1]) => {}
        Some([2, _]) => return Err(MultibootError::Elf64 { path: path.into() }),
        _ => {
            return Err(broken(super::malformed(
                "bytes 4 and 5 name neither the 32-bit class nor little-endian order",
            )));
        }
    }
    let header = Elf::parse_header(file).map_err(|error| broken(super::malformed(error)))?;
    // QEMU takes both machines, and objcopy keeps that of the 64-bit file in some forms.
    if !matches!(header.e_machine, EM_386 | EM_X86_64) || header.e_type != ET_EXEC {
        let found = format!("its ELF machine is {} and its type {}", header.e_machine, header.e_type);
        return Err(broken(ImageError::NotX86_64 { found }));
    }
    let elf = with_program_headers(file, header, Container::Little).map_err(broken)?;
    let mut end = 0;
    for segment in elf.program_headers.iter().filter(|segment| segment.p_type == PT_LOAD && segment.p_memsz != 0) {
        let (address, size_bytes, memory_size_bytes) = (segment.p_paddr, segment.p_memsz, memory.size_bytes());
        // A 32-bit file: the sum does not overflow.
        if address + size_bytes > memory_size_bytes {
            return Err(MultibootError::TooLarge { path: path.into(), address, size_bytes, memory_size_bytes });
        }
        load_segment(file, segment, memory).map_err(broken)?;
        end = end.max(address + size_bytes);
    }
    Ok((elf.header.e_entry as u32, end))
}
