//! Translation through four levels.

use super::probe::PAGE;
use rt::{
    Exception, Outcome, case, catch, check_eq, check_outcome, layout, mmio, names,
    paging::{self, ALL_RIGHTS, frame, table},
    tables::page_bit::{P, US},
    user, user_code,
    vocabulary::Text,
};

user_code!(read_quadword: "mov rax, [rdi]", "ret");
user_code!(write_quadword: "mov rax, rdi", "mov qword ptr [rdi], rax", "ret");

/// Indices into PML4, page-directory-pointer table, page directory and page table: each first, last and lone bits.
const INDICES: [[usize; 4]; 10] = [
    [2, 0, 0, 0],
    [2, 0, 0, 511],
    [2, 0, 511, 0],
    [2, 511, 0, 0],
    [255, 511, 511, 511],
    [256, 0, 0, 0],
    [511, 511, 511, 511],
    [3, 1, 2, 4],
    [64, 128, 256, 32],
    [341, 170, 341, 170],
];

/// Each nine bits of an address select an entry of a table: PML4, page-directory-pointer table, page directory, page
/// table; bits 63 to 48 repeat bit 47.
#[case(feature = PagingTranslation, spec = sdm3a("4-Level Paging and 5-Level Paging"))]
fn indices_select_entries() {
    const ROWS: &[Text] = names![
        "2.0.0.0",
        "2.0.0.511",
        "2.0.511.0",
        "2.511.0.0",
        "255.511.511.511",
        "256.0.0.0",
        "511.511.511.511",
        "3.1.2.4",
        "64.128.256.32",
        "341.170.341.170"
    ];
    let (tables, target) = ([frame(0), frame(1), frame(2)], frame(3));
    for (row, indices) in INDICES.into_iter().enumerate() {
        mmio::write_u64(target + 0x340, row as u64 + 0x5a00);
        table::write(layout::PML4, indices[0], tables[0] | ALL_RIGHTS);
        table::write(tables[0], indices[1], tables[1] | ALL_RIGHTS);
        table::write(tables[1], indices[2], tables[2] | ALL_RIGHTS);
        table::write(tables[2], indices[3], target | ALL_RIGHTS);
        let address = table::linear_address(indices, 0x340);
        check_eq!("CPL 0", [ROWS; row], catch(|| mmio::read_u64(address)).unwrap_or(0), row as u64 + 0x5a00);
        check_eq!("CPL 3", [ROWS; row], user::call(read_quadword, address).unwrap_or(0), row as u64 + 0x5a00);
        // The lower tables are reached by this row's indices only.
        table::write(tables[0], indices[1], 0);
        table::write(tables[1], indices[2], 0);
        table::write(tables[2], indices[3], 0);
        table::write(layout::PML4, indices[0], 0);
        table::reload_cr3();
    }
}

/// Bits 11 to 0 of an address select the byte in a 4 KiB page.
#[case(feature = PagingTranslation, spec = sdm3a("4-Level Paging and 5-Level Paging"))]
fn offset_selects_the_byte() {
    let address = paging::map(PAGE, frame(0), ALL_RIGHTS);
    for (row, offset) in [0, 1, 0x7ff, 0x800, 0xfff].into_iter().enumerate() {
        mmio::write_u8(frame(0) + offset, row as u8 + 1);
        check_eq!(
            "byte",
            [names!["000H", "001H", "7FFH", "800H", "FFFH"]; row],
            mmio::read_u8(address + offset),
            row as u64 + 1
        );
    }
}

/// Maps [`PAGE`] and the one behind it to frames that do not follow one another; the address of the border.
fn map_border(second: u64) -> u64 {
    paging::map(PAGE, frame(4), ALL_RIGHTS);
    paging::map(PAGE + 1, frame(2), second)
}

/// An access across a page border takes each part from the page it lies in.
#[case(feature = PagingTranslation, spec = sdm3a("4-Level Paging and 5-Level Paging"))]
fn access_across_a_border() {
    let border = map_border(ALL_RIGHTS);
    mmio::write_u64(frame(4) + 0xff8, 0x8877_6655_4433_2211);
    mmio::write_u64(frame(2), 0x1020_3040_5060_7080);
    // What stands behind frame 4 in physical memory must not be read.
    mmio::write_u64(frame(5), u64::MAX);
    for (row, (before, expected)) in
        [(1, 0x2030_4050_6070_8088), (4, 0x5060_7080_8877_6655), (7, 0x8088_7766_5544_3322_u64)].into_iter().enumerate()
    {
        let address = border - before;
        check_eq!(
            "CPL 0",
            [names!["1 byte before", "4 bytes before", "7 bytes before"]; row],
            mmio::read_u64(address),
            expected
        );
        check_eq!(
            "CPL 3",
            [names!["1 byte before", "4 bytes before", "7 bytes before"]; row],
            user::call(read_quadword, address).unwrap_or(0),
            expected
        );
    }
    let written = 0xa1a2_a3a4_a5a6_a7a8;
    mmio::write_u64(border - 3, written);
    check_eq!("written before the border", mmio::read_u64(frame(4) + 0xff8) >> 40, written & 0xff_ffff);
    check_eq!("written behind the border", mmio::read_u64(frame(2)) & 0xff_ffff_ffff, written >> 24);
}

/// A write across a page border into a page that forbids it writes nothing at all, and CR2 lies in that page.
///
/// The manual admits effects of a part only for x87 and SSE operands larger than a quadword.
#[case(feature = PagingTranslation, spec = [sdm3a("Interrupt 14—Page-Fault Exception (#PF)"),
       sdm3a("Guaranteed Atomic Operations")])]
fn denied_write_across_a_border() {
    const ROWS: &[Text] = names!["CPL 0, read-only", "CPL 0, absent", "CPL 3, read-only", "CPL 3, absent"];
    for (row, second) in [P | US, 0, P | US, 0].into_iter().enumerate() {
        let border = map_border(second);
        mmio::write_u64(frame(4) + 0xff8, 0);
        let is_user = row >= 2;
        let result: Result<(), Exception> = if is_user {
            user::call(write_quadword, border - 4).map(|_| ())
        } else {
            catch(|| mmio::write_u64(border - 4, u64::MAX))
        };
        let code = 2 | u32::from(is_user) << 2 | u32::from(second & P != 0);
        check_outcome!("write", [ROWS; row], result, Outcome::pf(code));
        check_eq!("page of CR2", [ROWS; row], result.map_or_else(|exception| exception.cr2 & !0xfff, |()| 0), border);
        check_eq!("first page", [ROWS; row], mmio::read_u64(frame(4) + 0xff8), 0);
    }
}

/// What is written through one linear address is read through another of the same frame, at either privilege level.
#[case(feature = PagingTranslation, spec = sdm3a("4-Level Paging and 5-Level Paging"))]
fn aliases_share_their_frame() {
    let first = paging::map(PAGE, frame(0), ALL_RIGHTS);
    let second = paging::map(PAGE + 1, frame(0), ALL_RIGHTS);
    mmio::write_u64(first, 0x1234);
    check_eq!("CPL 0 to CPL 3", user::call(read_quadword, second).unwrap_or(0), 0x1234);
    let _ = user::call(write_quadword, second);
    check_eq!("CPL 3 to CPL 0", mmio::read_u64(first), second);
    check_eq!("CPL 3 to the frame", mmio::read_u64(frame(0)), second);
}

/// An entry of the PML4 that refers to the PML4 itself makes the tables readable through the linear address space.
#[case(feature = PagingTranslation, spec = sdm3a("4-Level Paging and 5-Level Paging"))]
fn recursive_mapping() {
    const SLOT: usize = 300;
    table::write(layout::PML4, SLOT, layout::PML4 | ALL_RIGHTS);
    let page_table = table::linear_address([SLOT, 1, 0, 0], 0);
    paging::map(PAGE, frame(0), ALL_RIGHTS);
    let entry = catch(|| mmio::read_u64(page_table + PAGE as u64 * 8)).unwrap_or(0);
    check_eq!("frame in the page table", entry & !0xfff, frame(0));
    let pml4 = table::linear_address([SLOT; 4], 0);
    let entry = catch(|| mmio::read_u64(pml4 + SLOT as u64 * 8)).unwrap_or(0);
    check_eq!("table in the PML4", entry & !0xfff, layout::PML4);
    // A translation made through the linear address space is as good as any other.
    mmio::write_u64(frame(1), 0x4321);
    let written = catch(|| mmio::write_u64(page_table + PAGE as u64 * 8, frame(1) | ALL_RIGHTS));
    check_outcome!("write of an entry", written, Outcome::COMPLETED);
    paging::invalidate(paging::address(PAGE));
    check_eq!("through the new entry at CPL 0", mmio::read_u64(paging::address(PAGE)), 0x4321);
    check_eq!("through the new entry at CPL 3", user::call(read_quadword, paging::address(PAGE)).unwrap_or(0), 0x4321);
}
