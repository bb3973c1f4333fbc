//! The PVH start info: what a guest is told about its memory and its command line.
//!
//! Source: Xen, "xen/include/public/arch-x86/hvm/start_info.h".

use crate::{
    layout,
    memory::{GuestMemory, MemoryMap, OutsideMemory},
};
use linux_loader::loader::elf::start_info::{hvm_memmap_table_entry, hvm_start_info};
use vm_memory::ByteValued;

/// `XEN_HVM_START_MAGIC_VALUE`.
const MAGIC: u32 = 0x336e_c578;
/// The first version with a memory map.
const VERSION: u32 = 1;

/// `XEN_HVM_MEMMAP_TYPE_RAM`.
const RAM: u32 = 1;
/// `XEN_HVM_MEMMAP_TYPE_RESERVED`.
const RESERVED: u32 = 2;

/// Writes the page at [`layout::START_INFO`]; the command line has been checked to fit.
///
/// `rsdp` is the address of ACPI's root pointer, or 0.
pub(crate) fn write(memory: &GuestMemory, command_line: &str, rsdp: u64) -> Result<(), OutsideMemory> {
    let map = memory_map(memory.map());
    let map_address = layout::START_INFO + layout::MEMORY_MAP_OFFSET;
    let info = hvm_start_info {
        magic: MAGIC,
        version: VERSION,
        cmdline_paddr: layout::START_INFO + layout::COMMAND_LINE_OFFSET,
        memmap_paddr: map_address,
        memmap_entries: map.len() as u32,
        rsdp_paddr: rsdp,
        ..Default::default()
    };
    memory.write(layout::START_INFO, info.as_slice())?;
    for (address, entry) in (map_address..).step_by(size_of::<hvm_memmap_table_entry>()).zip(&map) {
        memory.write(address, entry.as_slice())?;
    }
    // The NUL at the end is the template's: nothing else stands in this page.
    memory.write(layout::START_INFO + layout::COMMAND_LINE_OFFSET, command_line.as_bytes())
}

/// The most entries of a memory map.
pub(crate) const NR_ENTRIES_MAX: u64 = 4;

pub(crate) fn memory_map(memory: MemoryMap) -> Vec<hvm_memmap_table_entry> {
    let low_end = memory.low_bytes();
    let high_end = layout::HIGH_MEMORY + memory.high_bytes();
    let edges: [_; NR_ENTRIES_MAX as usize] = [
        (0, layout::LEGACY_HOLE.min(low_end), RAM),
        (layout::LEGACY_HOLE, layout::LEGACY_HOLE_END.min(low_end), RESERVED),
        (layout::LEGACY_HOLE_END, low_end, RAM),
        (layout::HIGH_MEMORY, high_end, RAM),
    ];
    edges
        .into_iter()
        .filter(|(start, end, _)| start < end)
        .map(|(addr, end, type_)| hvm_memmap_table_entry { addr, size: end - addr, type_, reserved: 0 })
        .collect()
}

const _: () = assert!(size_of::<hvm_start_info>() as u64 <= layout::MEMORY_MAP_OFFSET);
const _: () = assert!(
    layout::MEMORY_MAP_OFFSET + NR_ENTRIES_MAX * size_of::<hvm_memmap_table_entry>() as u64
        <= layout::COMMAND_LINE_OFFSET
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{MemoryError, Template};

    #[test]
    fn start_info_leads_to_the_command_line_and_the_memory_map() {
        let size = 0x20_0000;
        let memory = Template::new::<MemoryError>(size, |_| Ok(())).unwrap().instantiate().unwrap();
        write(&memory, "a=1 b", 0xf_0010).unwrap();
        let at = layout::START_INFO;
        assert_eq!(memory.read_u32(at).unwrap(), MAGIC);
        assert_eq!(memory.read_u32(at + 4).unwrap(), 1);
        let mut line = [0xff; 6];
        memory.read(memory.read_u64(at + 24).unwrap(), &mut line).unwrap();
        assert_eq!(&line, b"a=1 b\0");
        assert_eq!(memory.read_u64(at + 32), Ok(0xf_0010));
        let map = memory.read_u64(at + 40).unwrap();
        assert_eq!(memory.read_u32(at + 48).unwrap(), 3);
        let entries = [[0, 0xa_0000, 1], [0xa_0000, 0x6_0000, 2], [0x10_0000, size - 0x10_0000, 1]];
        for (index, fields) in entries.iter().enumerate() {
            for (field, expected) in fields.iter().enumerate() {
                let address = map + 24 * index as u64 + 8 * field as u64;
                assert_eq!(memory.read_u64(address).unwrap(), *expected, "entry {index}, field {field}");
            }
        }
    }

    #[test]
    fn small_memory_is_one_entry() {
        let map = memory_map(MemoryMap::new(layout::MEMORY_MIN).unwrap());
        assert_eq!(map.len(), 1);
        assert_eq!((map[0].addr, map[0].size), (0, layout::MEMORY_MIN));
    }

    #[test]
    fn memory_above_4_gib_is_the_last_entry() {
        let map = memory_map(MemoryMap::new(6 << 30).unwrap());
        let entries: Vec<_> = map.iter().map(|entry| (entry.addr, entry.size, entry.type_)).collect();
        let low = (0x10_0000, (3 << 30) - 0x10_0000, RAM);
        assert_eq!(entries, [(0, 0xa_0000, RAM), (0xa_0000, 0x6_0000, RESERVED), low, (4 << 30, 3 << 30, RAM)]);
    }
}
