//! The page of the PVH start info, as bytes.
//!
//! Source: Xen, "xen/include/public/arch-x86/hvm/start_info.h".

use super::layout::{LEGACY_HOLE, LEGACY_HOLE_END, MEMORY_SIZE_BYTES, START_INFO};
use case::image::command_line::MAX_BYTES;

/// Size of the page in bytes.
pub(in super::super) const SIZE: usize = 0x1000;
/// Offset of a word that is 0 until the loader has run once: memory survives a reset.
pub(in super::super) const STARTED: u64 = 0xff8;

/// `XEN_HVM_START_MAGIC_VALUE`.
const MAGIC: u32 = 0x336e_c578;
/// The first version with a memory map.
const VERSION: u32 = 1;
/// Offset of the memory map.
const MAP: usize = 0x40;
/// Offset of the command line.
const COMMAND_LINE: usize = 0x100;
/// `XEN_HVM_MEMMAP_TYPE_RAM` and `XEN_HVM_MEMMAP_TYPE_RESERVED`.
const RAM: u32 = 1;
const RESERVED: u32 = 2;

const MEMORY_MAP: [(u64, u64, u32); 3] =
    [(0, LEGACY_HOLE, RAM), (LEGACY_HOLE, LEGACY_HOLE_END, RESERVED), (LEGACY_HOLE_END, MEMORY_SIZE_BYTES, RAM)];

const _: () = assert!(MAP + MEMORY_MAP.len() * 24 <= COMMAND_LINE && COMMAND_LINE + MAX_BYTES < STARTED as usize);

/// The command line does not fit.
#[derive(Debug, thiserror::Error)]
#[error("the command line has {length} bytes, more than {MAX_BYTES}")]
pub(in super::super) struct TooLong {
    length: usize,
}

/// The page with a command line.
///
/// # Errors
/// [`TooLong`].
pub(in super::super) fn page(command_line: &str) -> Result<Vec<u8>, TooLong> {
    if command_line.len() > MAX_BYTES {
        return Err(TooLong { length: command_line.len() });
    }
    let mut page = Vec::with_capacity(SIZE);
    let half = |page: &mut Vec<u8>, value: u32| page.extend(value.to_le_bytes());
    let word = |page: &mut Vec<u8>, value: u64| page.extend(value.to_le_bytes());
    // Magic number, version, flags, number of modules.
    for value in [MAGIC, VERSION, 0, 0] {
        half(&mut page, value);
    }
    // Modules, command line, RSDP, memory map.
    for value in [0, START_INFO + COMMAND_LINE as u64, 0, START_INFO + MAP as u64] {
        word(&mut page, value);
    }
    half(&mut page, MEMORY_MAP.len() as u32);
    page.resize(MAP, 0);
    for (start, end, kind) in MEMORY_MAP {
        word(&mut page, start);
        word(&mut page, end - start);
        half(&mut page, kind);
        half(&mut page, 0);
    }
    page.resize(COMMAND_LINE, 0);
    page.extend(command_line.as_bytes());
    page.resize(SIZE, 0);
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(page: &[u8], address: u64) -> u64 {
        let offset = usize::try_from(address).unwrap();
        u64::from_le_bytes(page[offset..offset + 8].try_into().unwrap())
    }

    #[test]
    fn start_info_leads_to_the_command_line_and_the_memory_map() {
        let page = page("a=1 b").unwrap();
        assert_eq!(page.len(), SIZE);
        assert_eq!(word(&page, 0), 1 << 32 | u64::from(MAGIC));
        let line = usize::try_from(word(&page, 24) - START_INFO).unwrap();
        assert_eq!(&page[line..line + 6], b"a=1 b\0");
        let map = word(&page, 40) - START_INFO;
        assert_eq!(word(&page, 48), 3);
        let fields: Vec<_> = (0..9).map(|index| word(&page, map + 8 * index)).collect();
        assert_eq!(fields, [0, 0xa_0000, 1, 0xa_0000, 0x6_0000, 2, 0x10_0000, 0x7f0_0000, 1]);
        assert_eq!(word(&page, STARTED), 0);
    }

    #[test]
    fn a_command_line_fits_up_to_the_limit() {
        assert!(page(&"x".repeat(MAX_BYTES)).is_ok());
        assert!(page(&"x".repeat(MAX_BYTES + 1)).is_err());
    }
}
