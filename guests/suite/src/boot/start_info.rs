//! The start-of-day structure that EBX points to.

use super::pvh_entry;
use case::{Needs, image::command_line::MAX_BYTES};
use rt::{case, check, check_eq, mmio, skip, user};

/// Offsets in `struct hvm_start_info`.
pub(super) mod field {
    pub(in super::super) const MAGIC: u64 = 0;
    pub(in super::super) const VERSION: u64 = 4;
    pub(in super::super) const NR_MODULES: u64 = 12;
    pub(in super::super) const MODULES: u64 = 16;
    pub(in super::super) const COMMAND_LINE: u64 = 24;
    pub(in super::super) const RSDP: u64 = 32;
    pub(in super::super) const MEMORY_MAP: u64 = 40;
    pub(in super::super) const NR_MEMORY_MAP_ENTRIES: u64 = 48;
    pub(in super::super) const RESERVED: u64 = 52;
}

const MAGIC: u32 = 0x336e_c578;
const GIB_4: u64 = 1 << 32;

/// EBX points to a structure with the magic number, of a version that is known, whose reserved field is zero.
#[case(feature = PvhStartInfo, spec = pvh("struct hvm_start_info"), needs = Needs::PVH_ENTRY, entry = Pvh)]
fn magic_and_version() {
    let start_info = u64::from(pvh_entry().ebx);
    check!("address is not 0", start_info != 0);
    check_eq!("magic", mmio::read_u32(start_info + field::MAGIC), MAGIC);
    let version = mmio::read_u32(start_info + field::VERSION);
    check!("version is 0 or 1", version <= 1);
    if version >= 1 {
        check_eq!("reserved", mmio::read_u32(start_info + field::RESERVED), 0);
    }
}

/// The command line is the one that the loader was given, and ends in a zero byte.
#[case(feature = PvhStartInfo, spec = pvh("struct hvm_start_info"), needs = Needs::PVH_ENTRY, entry = Pvh)]
fn command_line_is_passed() {
    let address = mmio::read_u64(u64::from(pvh_entry().ebx) + field::COMMAND_LINE);
    check!("address is not 0", address != 0);
    check!("address is below 4 GiB", address < GIB_4);
    if address == 0 || address >= GIB_4 {
        return;
    }
    let length = user::call(length_of, address).unwrap_or(u64::MAX);
    check!("a zero byte ends it", length < MAX_BYTES as u64);
    check_eq!("times that it names this case", user::call(occurrences, address).unwrap_or(u64::MAX), 1);
}

/// The number of bytes before the zero byte, at most [`MAX_BYTES`].
extern "C" fn length_of(address: u64) -> u64 {
    let mut length = 0;
    while length < MAX_BYTES as u64 && mmio::read_u8(address + length) != 0 {
        length += 1;
    }
    length
}

/// How often this case is named by the command line.
extern "C" fn occurrences(address: u64) -> u64 {
    let word = b"vp.case=boot::command_line_is_passed";
    let mut found = 0;
    for start in address..address + length_of(address) {
        let mut matching = 0;
        while let Some(&byte) = word.get(matching)
            && mmio::read_u8(start + matching as u64) == byte
        {
            matching += 1;
        }
        found += u64::from(matching == word.len());
    }
    found
}

/// A structure that tells of modules says where their list is, and where each of them is.
#[case(feature = PvhStartInfo, spec = pvh("struct hvm_modlist_entry"), needs = Needs::PVH_ENTRY, entry = Pvh)]
fn modules_have_addresses() {
    let start_info = u64::from(pvh_entry().ebx);
    let nr_modules = mmio::read_u32(start_info + field::NR_MODULES);
    let list = mmio::read_u64(start_info + field::MODULES);
    check!("list is not at 0 unless it is empty", nr_modules == 0 || list != 0);
    if list == 0 || list >= GIB_4 {
        return;
    }
    for index in 0..u64::from(nr_modules.min(8)) {
        check!("module is not at 0", [&[]; index], mmio::read_u64(list + index * 32) != 0);
    }
}

/// An address of the ACPI RSDP other than 0 leads to a valid RSDP.
#[case(
    feature = PvhStartInfo,
    spec = [pvh("struct hvm_start_info"), acpi("Root System Description Pointer (RSDP) Structure")],
    needs = Needs::PVH_ENTRY,
    entry = Pvh
)]
fn rsdp_is_valid() {
    let rsdp = mmio::read_u64(u64::from(pvh_entry().ebx) + field::RSDP);
    if rsdp == 0 {
        skip!("the start info names no RSDP");
        return;
    }
    check!("address is below 4 GiB", rsdp < GIB_4);
    if rsdp >= GIB_4 {
        return;
    }
    check_eq!("signature", mmio::read_u64(rsdp), u64::from_le_bytes(*b"RSD PTR "));
    check_eq!("checksum of the first 20 bytes", user::call(sum_of_20, rsdp).unwrap_or(u64::MAX), 0);
    let revision = mmio::read_u8(rsdp + 15);
    if revision >= 2 {
        check_eq!("length", mmio::read_u32(rsdp + 20), 36);
        check_eq!("checksum of 36 bytes", user::call(sum_of_36, rsdp).unwrap_or(u64::MAX), 0);
    }
}

extern "C" fn sum_of_20(address: u64) -> u64 {
    sum(address, 20)
}

extern "C" fn sum_of_36(address: u64) -> u64 {
    sum(address, 36)
}

fn sum(address: u64, length: u64) -> u64 {
    let mut sum = 0_u8;
    for offset in 0..length {
        sum = sum.wrapping_add(mmio::read_u8(address + offset));
    }
    u64::from(sum)
}
