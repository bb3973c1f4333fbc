//! Base address registers as numbers: kinds, sizes, read-only bits, addresses.

use super::{functions, row, with_msix};
use rt::{
    case, check, check_eq,
    pci::{BarKind, Function, command, header},
    vocabulary::{Needs, image::board},
};

/// Functions that may be changed: those with a header of type 0, but for the host bridge, through which all else goes.
fn endpoints() -> impl Iterator<Item = Function> {
    functions().filter(|function| function.header_type() == 0 && function.device != 0)
}

fn number(function: Function, index: u8) -> u64 {
    row(function) << 8 | u64::from(index)
}

/// After all ones were written, each register that is implemented tells a size that is a power of two, of at least 16 bytes of
/// memory or 4 to 256 ports.
#[case(feature = PciBaseAddresses, spec = pci("Base Addresses"), needs = Needs::PCI)]
fn sizes_are_powers_of_two() {
    let mut nr_memory = 0;
    for function in endpoints() {
        for bar in function.bars() {
            let row = number(function, bar.index);
            check!("a power of two", [&[]; row], bar.size.is_power_of_two());
            let limits = if bar.kind == BarKind::Io { 4..=256 } else { 16..=1 << 63 };
            check!("its limits", [&[]; row], limits.contains(&bar.size));
            nr_memory += u32::from(bar.kind != BarKind::Io);
        }
    }
    check!("one for memory, where MSI-X is", nr_memory != 0);
}

/// The bits that tell the kind are read-only; a register that is not implemented is zero.
#[case(feature = PciBaseAddresses, spec = pci("Base Addresses"), needs = Needs::PCI)]
fn kinds_are_read_only() {
    for function in endpoints() {
        function.change_command(0, command::IO_SPACE | command::MEMORY_SPACE);
        let mut is_high_half = false;
        for index in 0..6_u8 {
            let offset = header::BASE_ADDRESSES + 4 * u16::from(index);
            let row = number(function, index);
            let before = function.read_u32(offset);
            function.write_u32(offset, u32::MAX);
            let ones = function.read_u32(offset);
            function.write_u32(offset, 0);
            let zeros = function.read_u32(offset);
            function.write_u32(offset, before);
            if is_high_half {
                is_high_half = false;
                continue;
            }
            if ones == 0 {
                check_eq!("not implemented", [&[]; row], before | zeros, 0);
                continue;
            }
            let marks = if ones & 1 != 0 { 0x3 } else { 0xf };
            check_eq!("all ones written", [&[]; row], ones & marks, before & marks);
            check_eq!("zeros written", [&[]; row], zeros, before & marks);
            let is_reserved = ones & 1 == 0 && ones & 6 == 6 || ones & 3 == 3;
            check!("a kind that there is", [&[]; row], !is_reserved);
            is_high_half = ones & 7 == 4;
        }
    }
}

/// A register keeps any address that is a multiple of its size, and drops what is below.
#[case(feature = PciBaseAddresses, spec = pci("Base Addresses"), needs = Needs::PCI)]
fn addresses_are_kept() {
    let Some(function) = with_msix() else { return check!("a function with MSI-X", false) };
    for bar in function.bars() {
        let row = number(function, bar.index);
        let place = if bar.kind == BarKind::Io { 0xc000 } else { board::PCI_MEMORY };
        for step in [0, 1, 3] {
            let address = place.next_multiple_of(bar.size) + step * bar.size;
            bar.place(address);
            check_eq!("as written", [&[]; row], bar.address(), address);
            bar.place(address | (bar.size - 1));
            check_eq!("what is below its size is dropped", [&[]; row], bar.address(), address);
        }
        if bar.kind == BarKind::Memory64 {
            let address = board::PCI_HIGH_MEMORY + 5 * bar.size;
            bar.place(address);
            check_eq!("above 4 GiB", [&[]; row], bar.address(), address);
        }
        bar.place(0);
    }
}

/// Where one register is put is nothing to the others.
#[case(feature = PciBaseAddresses, spec = pci("Base Addresses"), needs = Needs::PCI)]
fn registers_are_independent() {
    let Some(function) = with_msix() else { return check!("a function with MSI-X", false) };
    for bar in function.bars() {
        let others = || [0, 1, 2, 3, 4, 5].map(|index| function.read_u32(header::BASE_ADDRESSES + 4 * index));
        let before = others();
        bar.place(board::PCI_MEMORY.next_multiple_of(bar.size));
        for (index, (now, before)) in (0_u8..).zip(others().into_iter().zip(before)) {
            let is_own = index == bar.index || bar.kind == BarKind::Memory64 && index == bar.index + 1;
            if !is_own {
                check_eq!("another", [&[]; number(function, index)], now, before);
            }
        }
        bar.place(0);
    }
}
