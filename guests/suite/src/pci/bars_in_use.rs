//! Base address registers in use: decoding, switching it off, moving what stands behind, places above 4 GiB.
//!
//! What stands behind is the table of MSI-X, whose entries keep what is written.

use super::with_msix;
use rt::{
    case, check, check_eq, mmio, paging,
    pci::{Bar, BarKind, Function, command, msix::MsiX, msix::entry},
    skip,
    tables::page_bit,
    vocabulary::{Needs, image::board},
};

/// The function, its MSI-X with memory placed, and the register that its table stands behind.
fn placed() -> Option<(Function, MsiX, Bar)> {
    let function = with_msix()?;
    let offset = function.capability(rt::pci::capability::MSI_X)?;
    let index = function.read_u32(offset + 4) & 7;
    let bar = function.bars().find(|bar| u32::from(bar.index) == index)?;
    function.place_memory();
    Some((function, MsiX::of(function)?, bar))
}

const VALUES: [u32; 3] = [0x1234_5678, 0xa5a5_5a5a, 0x0fed_cba0];

/// Memory behind a register is reached while memory space is on, and only then; what was written stays meanwhile.
#[case(feature = PciBaseAddresses, spec = [pci("Base Addresses"), pci("Device Control")], needs = Needs::PCI)]
fn memory_is_decoded_while_it_is_on() {
    let Some((function, msix, _)) = placed() else { return check!("a function with MSI-X", false) };
    let at = msix.entry(0, entry::DATA);
    for (row, value) in VALUES.into_iter().enumerate() {
        mmio::write_u32(at, value);
        check_eq!("on", [&[]; row], mmio::read_u32(at), value);
        function.change_command(0, command::MEMORY_SPACE);
        check_eq!("off, nobody answers", [&[]; row], mmio::read_u32(at), u32::MAX);
        mmio::write_u32(at, !value);
        function.change_command(command::MEMORY_SPACE, 0);
        check_eq!("on again", [&[]; row], mmio::read_u32(at), value);
    }
}

/// A register that is written while its memory is on moves at once: the new place answers, and the old one does no more.
#[case(feature = PciBaseAddresses, spec = pci("Base Addresses"), needs = Needs::PCI)]
fn memory_moves_with_its_register() {
    let Some((_, msix, bar)) = placed() else { return check!("a function with MSI-X", false) };
    let first = bar.address();
    let offset = msix.entry(0, entry::DATA) - first;
    mmio::write_u32(first + offset, VALUES[0]);
    let mut last = first;
    for (row, place) in [16, 3, 40].into_iter().enumerate() {
        let place = board::PCI_MEMORY.next_multiple_of(bar.size) + 0x10_0000 + place * bar.size;
        bar.place(place);
        check_eq!("the new place", [&[]; row], mmio::read_u32(place + offset), VALUES[0]);
        check_eq!("the old place", [&[]; row], mmio::read_u32(last + offset), u32::MAX);
        last = place;
    }
    bar.place(first);
    check_eq!("back again", mmio::read_u32(first + offset), VALUES[0]);
}

/// A 64-bit register can be put above 4 GiB, where what stands behind it is reached, and no more below.
#[case(feature = PciBaseAddresses, spec = pci("Base Addresses"), needs = Needs::PCI)]
fn memory_above_4_gib_is_decoded() {
    let Some((function, _, _)) = placed() else { return check!("a function with MSI-X", false) };
    let Some(bar) = function.bars().find(|bar| bar.kind == BarKind::Memory64) else {
        return skip!("no register of 64 bits");
    };
    function.change_command(command::MEMORY_SPACE, 0);
    let low = bar.address();
    // Whatever stands behind it, it is not all ones everywhere.
    let Some(offset) = (0..bar.size.min(0x1000)).step_by(4).find(|at| mmio::read_u32(low + at) != u32::MAX) else {
        return check!("something behind the register", false);
    };
    let value = mmio::read_u32(low + offset);
    let high = board::PCI_HIGH_MEMORY + 7 * bar.size;
    bar.place(high);
    check_eq!("the register", bar.address(), high);
    let linear = paging::map(0, high, page_bit::P | page_bit::RW | page_bit::PCD);
    check_eq!("above 4 GiB", mmio::read_u32(linear + offset), value);
    check_eq!("below", mmio::read_u32(low + offset), u32::MAX);
    bar.place(low);
    check_eq!("below again", mmio::read_u32(low + offset), value);
    check_eq!("no more above", mmio::read_u32(linear + offset), u32::MAX);
}

/// All of what a register maps is reached, and nothing behind its end.
#[case(feature = PciBaseAddresses, spec = pci("Base Addresses"), needs = Needs::PCI)]
fn memory_ends_with_its_size() {
    let Some((_, msix, bar)) = placed() else { return check!("a function with MSI-X", false) };
    // With nobody beside it.
    let place = board::PCI_MEMORY.next_multiple_of(bar.size) + 0x20_0000 + 8 * bar.size;
    let offset = msix.entry(0, entry::DATA) - bar.address();
    mmio::write_u32(bar.address() + offset, VALUES[1]);
    bar.place(place);
    check_eq!("inside", mmio::read_u32(place + offset), VALUES[1]);
    check_eq!("before", mmio::read_u32(place - 4), u32::MAX);
    check_eq!("behind", mmio::read_u32(place + bar.size), u32::MAX);
    check_eq!("the same offset behind", mmio::read_u32(place + bar.size + offset), u32::MAX);
}
