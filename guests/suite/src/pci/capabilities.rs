//! The list of capabilities.

use super::{functions, row, with_msix};
use rt::{
    case, check, check_eq,
    pci::{CAPABILITIES_MAX, header, status},
    vocabulary::Needs,
};

/// Each function's list ends, stands behind the header at multiples of 4, and is there if the status says so.
#[case(feature = PciCapabilities, spec = [pci("Capabilities List"), pci("Device Status")], needs = Needs::PCI)]
fn lists_are_well_formed() {
    for function in functions() {
        let row = row(function);
        let has_list = function.read_u16(header::STATUS) & status::CAPABILITIES != 0;
        if !has_list {
            continue;
        }
        let mut list = function.capabilities();
        check!("the first is a multiple of 4", [&[]; row], list.next_link() & 3 == 0);
        let mut nr: u32 = 0;
        while let Some(found) = list.next() {
            nr += 1;
            check!("behind the header", [&[]; row], found.offset >= header::END);
            check!("the next is a multiple of 4", [&[]; row], list.next_link() & 3 == 0);
            check!("it is answered", [&[]; row], found.id != 0xff);
        }
        check!("there is one", [&[]; row], nr != 0);
        check!("it ends", [&[]; row], nr < CAPABILITIES_MAX && list.next_link() == 0);
    }
}

/// Ids and links are read-only.
#[case(feature = PciCapabilities, spec = pci("Capabilities List"), needs = Needs::PCI)]
fn lists_are_read_only() {
    let Some(function) = with_msix() else { return check!("a function with MSI-X", false) };
    for found in function.capabilities() {
        let before = function.read_u16(found.offset);
        for value in [0, 0xffff, !before] {
            function.write_u8(found.offset, value as u8);
            function.write_u8(found.offset + 1, (value >> 8) as u8);
            check_eq!("id and link", [&[]; found.offset], function.read_u16(found.offset), before);
        }
    }
}

/// No two capabilities begin at the same place, and no capability but vendor-specific ones is there twice.
#[case(feature = PciCapabilities, spec = pci("Capabilities List"), needs = Needs::PCI)]
fn msix_is_there_once() {
    let Some(function) = with_msix() else { return check!("a function with MSI-X", false) };
    let count = |id| function.capabilities().filter(|found| found.id == id).count();
    check_eq!("MSI-X", count(rt::pci::capability::MSI_X), 1);
    let mut seen = 0_u64;
    for found in function.capabilities() {
        let bit = 1_u64 << (found.offset / 4 % 64);
        check!("a place of its own", [&[]; found.offset], seen & bit == 0);
        seen |= bit;
    }
}
