//! INVPCID and process-context identifiers.

use super::probe::PAGE;
use rt::{
    Outcome, case, check_eq, check_outcome,
    cpu::control::{self, cr4},
    instruction, layout, mmio, names,
    paging::{self, ALL_RIGHTS, Level, frame, table, write_entry_only},
    tables::page_bit::G,
    user, user_code,
    vocabulary::{Needs, Text},
};

user_code!(read_quadword: "mov rax, [rdi]", "ret");
user_code!(invalidate: "sub rsp, 24", "mov qword ptr [rsp], 0", "mov qword ptr [rsp + 8], 0", "mov eax, 2",
           "invpcid rax, [rsp]", "add rsp, 24", "ret");

/// Types of invalidation (SDM vol. 2, "INVPCID—Invalidate Process-Context Identifier").
const INDIVIDUAL: u64 = 0;
const SINGLE_CONTEXT: u64 = 1;
const ALL_WITH_GLOBAL: u64 = 2;
const ALL_BUT_GLOBAL: u64 = 3;

fn invpcid(kind: u64, pcid: u64, address: u64) -> Result<(), rt::Exception> {
    let descriptor = [pcid, address];
    instruction!("invpcid {0}, [{1}]", in(reg) kind, in(reg) &raw const descriptor)
}

/// Each type of INVPCID drops the translation of a page, that of all contexts also for a global page.
#[case(feature = PagingInvalidation, spec = sdm2("INVPCID—Invalidate Process-Context Identifier"),
       needs = Needs::INVPCID)]
fn invpcid_drops_translations() {
    const ROWS: &[Text] = names!["individual address", "single context", "all", "all, global page", "all but global"];
    let _pge = control::With::cr4(cr4::PGE, 0);
    mmio::write_u64(frame(0), 0);
    mmio::write_u64(frame(1), 1);
    let rows = [(INDIVIDUAL, 0), (SINGLE_CONTEXT, 0), (ALL_WITH_GLOBAL, 0), (ALL_WITH_GLOBAL, G), (ALL_BUT_GLOBAL, 0)];
    for (row, (kind, global)) in rows.into_iter().enumerate() {
        let address = paging::map(PAGE, frame(0), ALL_RIGHTS | global);
        check_eq!("before", [ROWS; row], mmio::read_u64(address) | user::call(read_quadword, address).unwrap_or(2), 0);
        write_entry_only(Level::Pt, PAGE, frame(1) | ALL_RIGHTS | global);
        check_outcome!("INVPCID", [ROWS; row], invpcid(kind, 0, address), Outcome::COMPLETED);
        check_eq!("CPL 3", [ROWS; row], user::call(read_quadword, address).unwrap_or(2), 1);
        check_eq!("CPL 0", [ROWS; row], mmio::read_u64(address), 1);
        paging::invalidate(address);
    }
}

/// INVPCID raises #GP(0) for an undefined type, reserved bits of the descriptor, a PCID while CR4.PCIDE is clear, and
/// an address that is not canonical; and at CPL 3.
#[case(feature = PagingInvalidation, spec = sdm2("INVPCID—Invalidate Process-Context Identifier"),
       needs = Needs::INVPCID)]
fn invpcid_operands() {
    let rows = [
        (4, 0, 0),
        (u64::MAX, 0, 0),
        (INDIVIDUAL, 1 << 12, 0),
        (SINGLE_CONTEXT, 1 << 63, 0),
        (ALL_WITH_GLOBAL, 1 << 12, 0),
        (INDIVIDUAL, 1, 0),
        (SINGLE_CONTEXT, 1, 0),
        // Bit 62, because the width that counts is the largest that the processor has, whatever CR4.LA57 is.
        (INDIVIDUAL, 0, 1 << 62),
    ];
    for (row, (kind, pcid, address)) in rows.into_iter().enumerate() {
        check_outcome!(
            "INVPCID",
            [names![
                "type 4",
                "type of all ones",
                "bit 12, individual",
                "bit 63, single context",
                "bit 12, all",
                "PCID 1, individual",
                "PCID 1, single context",
                "non-canonical address"
            ]; row],
            invpcid(kind, pcid, address),
            Outcome::GP
        );
    }
    // The address counts for the individual type only.
    check_outcome!("all, any address", invpcid(ALL_WITH_GLOBAL, 0, 1 << 62), Outcome::COMPLETED);
    check_outcome!("CPL 3", user::call(invalidate, 0), Outcome::GP);
}

/// With CR4.PCIDE set, CR3 takes a PCID in bits 11 to 0, and bit 63 of the value is not stored.
#[case(feature = PagingInvalidation, spec = sdm3a("Process-Context Identifiers (PCIDs)"), needs = Needs::PCID)]
fn pcid_in_cr3() {
    const ROWS: &[Text] = names!["PCID 0", "PCID 1", "PCID FFFH", "PCID 1, kept", "PCID 0, kept"];
    let pcide = control::With::cr4(cr4::PCIDE, 0);
    check_outcome!("PCIDE can be set", pcide.as_ref().map(|_| ()).map_err(|e| *e), Outcome::COMPLETED);
    for (row, value) in [0, 1, 0xfff, 1 | 1 << 63, 1 << 63].into_iter().enumerate() {
        check_outcome!("MOV to CR3", [ROWS; row], control::write_cr3(layout::PML4 | value), Outcome::COMPLETED);
        check_eq!("CR3", [ROWS; row], control::read_cr3(), layout::PML4 | value & 0xfff);
    }
    let _ = control::write_cr3(layout::PML4);
}

/// With CR4.PCIDE set, a write to CR3 with bit 63 clear drops what was cached for its PCID.
#[case(feature = PagingInvalidation, spec = sdm3a("Operations that Invalidate TLBs and Paging-Structure Caches"),
       needs = Needs::PCID)]
fn cr3_write_drops_its_pcid() {
    let _pcide = control::With::cr4(cr4::PCIDE, 0);
    mmio::write_u64(frame(0), 0x11);
    mmio::write_u64(frame(1), 0x22);
    for (row, pcid) in [0, 1, 0, 1].into_iter().enumerate() {
        let _ = control::write_cr3(layout::PML4 | pcid);
        let address = paging::map(PAGE, frame(0), ALL_RIGHTS);
        check_eq!(
            "before",
            [names!["PCID 0", "PCID 1", "PCID 0 again", "PCID 1 again"]; row],
            mmio::read_u64(address),
            0x11
        );
        write_entry_only(Level::Pt, PAGE, frame(1) | ALL_RIGHTS);
        let _ = control::write_cr3(layout::PML4 | pcid);
        check_eq!(
            "CPL 0",
            [names!["PCID 0", "PCID 1", "PCID 0 again", "PCID 1 again"]; row],
            mmio::read_u64(address),
            0x22
        );
        check_eq!(
            "CPL 3",
            [names!["PCID 0", "PCID 1", "PCID 0 again", "PCID 1 again"]; row],
            user::call(read_quadword, address).unwrap_or(0),
            0x22
        );
    }
    let _ = control::write_cr3(layout::PML4);
}

/// Translations made under one PCID are not used under another that has other tables.
#[case(feature = PagingInvalidation, spec = sdm3a("Process-Context Identifiers (PCIDs)"), needs = Needs::PCID)]
fn pcids_keep_translations_apart() {
    const ROWS: &[Text] = names!["PCID 1", "PCID 2", "PCID 1, kept", "PCID 2, kept"];
    let _pcide = control::With::cr4(cr4::PCIDE, 0);
    mmio::write_u64(frame(0), 0x11);
    mmio::write_u64(frame(1), 0x22);
    let address = paging::map(PAGE, frame(0), ALL_RIGHTS);
    table::write(frame(5), 0, table::read(layout::PML4, 0));
    table::write(frame(5), 1, frame(4) | ALL_RIGHTS);
    table::write(frame(4), 0, frame(3) | ALL_RIGHTS);
    table::write(frame(3), 0, frame(2) | ALL_RIGHTS);
    table::write(frame(2), PAGE, frame(1) | ALL_RIGHTS);
    const KEEP: u64 = 1 << 63;
    let rows =
        [(layout::PML4 | 1, 0x11), (frame(5) | 2, 0x22), (layout::PML4 | 1 | KEEP, 0x11), (frame(5) | 2 | KEEP, 0x22)];
    for (row, (root, expected)) in rows.into_iter().enumerate() {
        let _ = control::write_cr3(root);
        check_eq!("CPL 0", [ROWS; row], mmio::read_u64(address), expected);
        check_eq!("CPL 3", [ROWS; row], user::call(read_quadword, address).unwrap_or(0), expected);
    }
    let _ = control::write_cr3(layout::PML4);
}
