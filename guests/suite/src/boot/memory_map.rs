//! The memory map of the start-of-day structure.

use super::{pvh_entry, start_info::field};
use case::Needs;
use rt::{case, check, check_eq, layout, mmio, skip};

const TYPE_RAM: u32 = 1;
/// XEN_HVM_MEMMAP_TYPE_PMEM: the largest that is defined.
const LARGEST_TYPE: u32 = 7;
/// Entries that a case looks at.
const MAX_ENTRIES: u32 = 32;
const GIB_4: u64 = 1 << 32;

#[derive(Clone, Copy)]
struct Entry {
    address: u64,
    size: u64,
    kind: u32,
    reserved: u32,
}

/// Calls `visit` with the number and content of each entry; false if the structure has no map.
fn each_entry(mut visit: impl FnMut(u32, Entry)) -> bool {
    let start_info = u64::from(pvh_entry().ebx);
    if mmio::read_u32(start_info + field::VERSION) == 0 {
        skip!("a start info of version 0 has no memory map");
        return false;
    }
    let nr_entries = mmio::read_u32(start_info + field::NR_MEMORY_MAP_ENTRIES);
    if nr_entries == 0 {
        skip!("the start info has no memory map");
        return false;
    }
    let map = mmio::read_u64(start_info + field::MEMORY_MAP);
    check!("memory map is not at 0", map != 0);
    check!("memory map is below 4 GiB", map < GIB_4);
    if map == 0 || map >= GIB_4 {
        return false;
    }
    for index in 0..nr_entries.min(MAX_ENTRIES) {
        let entry = map + u64::from(index) * 24;
        visit(
            index,
            Entry {
                address: mmio::read_u64(entry),
                size: mmio::read_u64(entry + 8),
                kind: mmio::read_u32(entry + 16),
                reserved: mmio::read_u32(entry + 20),
            },
        );
    }
    true
}

/// Each entry of the memory map has a defined type, a zero reserved field, and does not wrap around.
#[case(feature = PvhStartInfo, spec = pvh("struct hvm_memmap_table_entry"), needs = Needs::PVH_ENTRY, entry = Pvh)]
fn memory_map_entries_are_well_formed() {
    each_entry(|index, entry| {
        check!("type is defined", [&[]; index], (1..=LARGEST_TYPE).contains(&entry.kind));
        check_eq!("reserved", [&[]; index], entry.reserved, 0);
        check!("end is behind the start", [&[]; index], entry.address.checked_add(entry.size).is_some());
    });
}

/// The memory that the loader put the image into is RAM in the memory map.
#[case(feature = PvhStartInfo, spec = pvh("struct hvm_memmap_table_entry"), needs = Needs::PVH_ENTRY, entry = Pvh)]
fn image_lies_in_ram() {
    let mut ram_holds_image = false;
    let visited = each_entry(|_, entry| {
        let end = entry.address.saturating_add(entry.size);
        if entry.kind == TYPE_RAM && entry.address <= layout::VECTORS && end > layout::IMAGE_REST {
            ram_holds_image = true;
        }
    });
    if visited {
        check!("an entry of RAM holds it", ram_holds_image);
    }
}

/// What the memory map calls RAM keeps what is written to its first and last quadword.
#[case(feature = PvhStartInfo, spec = pvh("struct hvm_memmap_table_entry"), needs = Needs::PVH_ENTRY, entry = Pvh)]
fn ram_keeps_data() {
    each_entry(|index, entry| {
        let end = entry.address.saturating_add(entry.size);
        if entry.kind != TYPE_RAM || entry.size < 16 || end > GIB_4 {
            return;
        }
        check_eq!(
            "first quadword, inverted twice",
            [&[]; index],
            changed_bits(entry.address.next_multiple_of(8)),
            u64::MAX
        );
        check_eq!("last quadword, inverted twice", [&[]; index], changed_bits((end & !7) - 8), u64::MAX);
    });
}

/// Inverts a quadword of memory, undoes it, and tells which bits read back inverted.
fn changed_bits(address: u64) -> u64 {
    let before = mmio::read_u64(address);
    mmio::write_u64(address, !before);
    let inverted = mmio::read_u64(address);
    mmio::write_u64(address, before);
    inverted ^ before
}
