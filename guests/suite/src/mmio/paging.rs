//! Devices behind page tables: aliases, borders, rights.

use rt::{
    Outcome, case, catch, check_eq, check_outcome, instruction, mmio, names,
    paging::{self, ALL_RIGHTS},
    tables::page_bit::{A, D, P, PCD, PWT, RW, US},
    test_device::{self, Access, page_address, summary},
    user, user_code,
    vocabulary::{Needs, Text},
};

/// A device's page is not to be cached.
const UNCACHED: u64 = PCD | PWT;

/// Two linear addresses of one device reach the same registers.
#[case(feature = MmioPaging, spec = sdm3a("4-Level Paging and 5-Level Paging"), needs = Needs::TEST_DEVICE)]
fn aliases_reach_the_same_register() {
    let first = paging::map(3, page_address(0), ALL_RIGHTS | UNCACHED);
    let second = paging::map(200, page_address(0), ALL_RIGHTS | UNCACHED);
    test_device::clear_log();
    mmio::write_u32(first + 0x24, 0x1234_5678);
    check_eq!("other alias", mmio::read_u32(second + 0x24), 0x1234_5678);
    let expected = summary(&[Access::write(0x24, 4), Access::read(0x24, 4)]);
    check_eq!("log", test_device::read_summary(), expected);
    check_eq!("identity map", mmio::read_u32(page_address(0x24)), 0x1234_5678);
}

/// An access across the border between memory and a device takes each byte from, or puts it in, its own page.
#[case(feature = MmioPaging, spec = sdm3a("Guaranteed Atomic Operations"), needs = Needs::TEST_DEVICE)]
fn access_across_memory_and_device() {
    const NAMES: &[Text] = names!["memory below", "device below"];
    for (row, device_below) in [false, true].into_iter().enumerate() {
        let (ram, device) = (paging::frame(row), page_address(0));
        let (below, above) = if device_below { (device, ram) } else { (ram, device) };
        paging::map(0, below, ALL_RIGHTS | if device_below { UNCACHED } else { 0 });
        paging::map(1, above, ALL_RIGHTS | if device_below { 0 } else { UNCACHED });
        let border = paging::address(1);
        mmio::write_u64(border - 8, 0x1817_1615_1413_1211);
        mmio::write_u64(border, 0x2827_2625_2423_2221);
        check_eq!("64-bit load", [NAMES; row], mmio::read_u64(border - 3), 0x2524_2322_2118_1716_u64);
        check_eq!("32-bit load", [NAMES; row], mmio::read_u32(border - 1), 0x2322_2118_u64);
        check_eq!("16-bit load", [NAMES; row], mmio::read_u16(border - 1), 0x2118);
        mmio::write_u64(border - 5, 0x8786_8584_8382_8180);
        check_eq!("below, after a 64-bit store", [NAMES; row], mmio::read_u64(border - 8), 0x8483_8281_8013_1211_u64);
        check_eq!("above, after a 64-bit store", [NAMES; row], mmio::read_u64(border), 0x2827_2625_2487_8685_u64);
    }
}

/// An access across a border whose upper page is absent raises #PF with CR2 at the border, and a store then changes
/// nothing in the device.
#[case(feature = MmioPaging, spec = sdm3a("Interrupt 14—Page-Fault Exception (#PF)"), needs = Needs::TEST_DEVICE)]
fn fault_in_the_upper_page() {
    paging::map(0, page_address(0), ALL_RIGHTS | UNCACHED);
    paging::write_entry(paging::Level::Pt, 1, 0);
    let border = paging::address(1);
    mmio::write_u64(border - 8, 0x1817_1615_1413_1211);
    test_device::clear_log();
    let store = catch(|| mmio::write_u32(border - 2, 0xffff_ffff));
    let writes = test_device::read_nr_accesses();
    check_outcome!("store", store, Outcome::pf(2));
    check_eq!("CR2 of the store", store.map_or_else(|exception| exception.cr2, |()| 0), border);
    check_eq!("accesses of the store", writes, 0);
    let load = catch(|| mmio::read_u64(border - 2));
    check_outcome!("load", load, Outcome::pf(0));
    check_eq!("CR2 of the load", load.map_or_else(|exception| exception.cr2, |_| 0), border);
    check_eq!("device", mmio::read_u64(border - 8), 0x1817_1615_1413_1211_u64);
}

user_code!(user_read: "mov eax, [rdi]", "ret");
user_code!(user_write: "mov [rdi], edi", "ret");

/// Page rights hold for devices: an access that they forbid raises #PF, and the device never sees it.
#[case(feature = MmioPaging, spec = [sdm3a("Determination of Access Rights"),
                                     sdm3a("Interrupt 14—Page-Fault Exception (#PF)")], needs = Needs::TEST_DEVICE)]
fn page_rights_protect_devices() {
    let read_only = paging::map(0, page_address(0), P | US | UNCACHED);
    let supervisor = paging::map(1, page_address(0), P | RW | UNCACHED);
    let absent = paging::address(2);
    test_device::clear_log();
    check_outcome!("store to a read-only page", catch(|| mmio::write_u32(read_only, 1)), Outcome::pf(0b011));
    let add = instruction!("add dword ptr [rcx], 1", in("rcx") read_only);
    check_outcome!("ADD to a read-only page", add, Outcome::pf(0b011));
    check_outcome!("load from CPL 3", user::call(user_read, supervisor), Outcome::pf(0b101));
    check_outcome!("store from CPL 3", user::call(user_write, supervisor), Outcome::pf(0b111));
    check_outcome!("store from CPL 3 to read-only", user::call(user_write, read_only), Outcome::pf(0b111));
    check_outcome!("load from an absent page", catch(|| mmio::read_u32(absent)), Outcome::pf(0));
    // A processor may read the destination of ADD before it finds that it may not write it; it never writes.
    let mut nr_writes = 0;
    for index in 0..test_device::read_nr_accesses().min(8) {
        nr_writes += test_device::read_access(index as u32).0 >> 24 & 1;
    }
    check_eq!("writes that the device saw", nr_writes, 0);
    check_outcome!("load from the read-only page", catch(|| mmio::read_u32(read_only)), Outcome::COMPLETED);
}

/// A page that maps a device gets its accessed flag by a load, and its dirty flag only by a store.
#[case(feature = MmioPaging, spec = sdm3a("Accessed and Dirty Flags"), needs = Needs::TEST_DEVICE)]
fn accessed_and_dirty_flags() {
    let address = paging::map(0, page_address(0), ALL_RIGHTS | UNCACHED);
    let flags = || paging::read_entry(paging::Level::Pt, 0) & (A | D);
    check_eq!("before", flags(), 0);
    mmio::read_u32(address);
    check_eq!("after a load", flags(), A);
    mmio::write_u32(address, 1);
    check_eq!("after a store", flags(), A | D);
}

/// A page that mapped memory and now maps a device, and the reverse, reaches what it maps now.
#[case(feature = MmioPaging, spec = sdm3a("Invalidation of TLBs and Paging-Structure Caches"), needs = Needs::TEST_DEVICE)]
fn page_changes_between_memory_and_device() {
    let ram = paging::frame(0);
    mmio::write_u32(ram, 0x1111_1111);
    mmio::write_u32(page_address(0), 0x2222_2222);
    for turn in 0..3 {
        let address = paging::map(0, ram, ALL_RIGHTS);
        check_eq!("memory", [&[]; turn], mmio::read_u32(address), 0x1111_1111);
        paging::map(0, page_address(0), ALL_RIGHTS | UNCACHED);
        check_eq!("device", [&[]; turn], mmio::read_u32(address), 0x2222_2222);
    }
    test_device::clear_log();
    let address = paging::map(0, ram, ALL_RIGHTS);
    mmio::write_u32(address, 0x3333_3333);
    check_eq!("accesses that the device saw", test_device::read_nr_accesses(), 0);
    check_eq!("memory after the store", mmio::read_u32(ram), 0x3333_3333);
}
