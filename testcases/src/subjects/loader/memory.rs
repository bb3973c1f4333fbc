//! The image as it stands in memory, in one piece: hypervisors load few files.

use super::layout::{IMAGE, MEMORY_SIZE_BYTES};
use goblin::elf::{Elf, program_header::PT_LOAD};

/// Why an image cannot be laid out.
#[derive(Debug, thiserror::Error)]
pub(in super::super) enum LayoutError {
    /// The file is no ELF file.
    #[error("the ELF file is malformed")]
    Malformed {
        /// What is wrong.
        source: goblin::error::Error,
    },
    /// A segment cannot stand where it should.
    #[error(
        "the segment of {size:#x} bytes at {address:#x} does not lie between {IMAGE:#x} and {MEMORY_SIZE_BYTES:#x}"
    )]
    Outside {
        /// Its physical address.
        address: u64,
        /// Its size in memory in bytes.
        size: u64,
    },
}

/// What stands in memory from [`IMAGE`] on, up to the last byte that the file holds, and where memory of the image ends.
///
/// # Errors
/// [`LayoutError`].
pub(in super::super) fn lay_out(file: &[u8]) -> Result<(Vec<u8>, u32), LayoutError> {
    let elf = Elf::parse(file).map_err(|source| LayoutError::Malformed { source })?;
    let mut memory = Vec::new();
    let mut image_end = 0;
    for segment in elf.program_headers.iter().filter(|segment| segment.p_type == PT_LOAD) {
        let (address, size) = (segment.p_paddr, segment.p_memsz.max(segment.p_filesz));
        let outside = || LayoutError::Outside { address, size };
        let end = address.checked_add(size).filter(|&end| end <= MEMORY_SIZE_BYTES).ok_or_else(outside)?;
        let start = address.checked_sub(IMAGE).and_then(|start| usize::try_from(start).ok()).ok_or_else(outside)?;
        let bytes = file.get(segment.file_range()).ok_or_else(outside)?;
        memory.resize(memory.len().max(start + bytes.len()), 0);
        for (place, &byte) in memory.iter_mut().skip(start).zip(bytes) {
            *place = byte;
        }
        image_end = image_end.max(u32::try_from(end).map_err(|_| outside())?);
    }
    Ok((memory, image_end))
}
