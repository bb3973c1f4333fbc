//! The predefined header: identity, command, status, interrupt line and pin, reserved registers.

use super::{functions, row, with_msix};
use rt::{
    case, check, check_eq, names,
    pci::{Function, command, header, status},
    vocabulary::{Needs, Text},
};

/// Registers that no write changes: offset and size of each in bytes.
const READ_ONLY: &[(u16, u16)] = &[
    (header::VENDOR, 4),
    (header::REVISION, 4),
    (header::TYPE, 1),
    (header::CAPABILITIES, 1),
    (header::INTERRUPT_PIN, 1),
];
const READ_ONLY_NAMES: &[Text] =
    names!["vendor and device", "revision and class", "header type", "capabilities pointer", "interrupt pin"];

/// Identity, header type, capabilities pointer and interrupt pin are read-only, whatever is written.
#[case(feature = PciHeader, spec = [pci("Device Identification"), pci("Configuration Space Organization")], needs = Needs::PCI)]
fn identity_is_read_only() {
    let Some(function) = with_msix() else { return check!("a function with MSI-X", false) };
    for (row, &(first, size)) in READ_ONLY.iter().enumerate() {
        for offset in first..first + size {
            let before = function.read_u8(offset);
            for value in [0xff, 0, !before] {
                function.write_u8(offset, value);
                check_eq!("after a write", [READ_ONLY_NAMES; row], function.read_u8(offset), before);
            }
        }
    }
    let before = function.read_u32(header::SUBSYSTEM_VENDOR);
    function.write_u32(header::SUBSYSTEM_VENDOR, !before);
    check_eq!("subsystem", function.read_u32(header::SUBSYSTEM_VENDOR), before);
}

/// Each function has a vendor, a type of header that there is, and an interrupt pin from none to INTD#.
#[case(feature = PciHeader, spec = [pci("Device Identification"), pci("Miscellaneous Registers")], needs = Needs::PCI)]
fn headers_are_well_formed() {
    const BRIDGE_CLASS: u16 = 0x0600;
    for function in functions() {
        let row = row(function);
        let vendor = function.read_u16(header::VENDOR);
        check!("a vendor", [&[]; row], vendor != 0 && vendor != 0xffff);
        check!("header type", [&[]; row], function.header_type() <= 2);
        check!("interrupt pin", [&[]; row], function.read_u8(header::INTERRUPT_PIN) <= 4);
    }
    check_eq!("device 0 is the host bridge", Function::new(0).read_u16(header::CLASS), BRIDGE_CLASS);
}

/// The command register keeps what a function implements, which is what its base address registers ask for; bits that are
/// reserved read as 0.
#[case(feature = PciHeader, spec = pci("Device Control"), needs = Needs::PCI)]
fn command_keeps_what_is_implemented() {
    const RESERVED: u16 = 0xf800;
    const KEPT: [u16; 3] = [command::MEMORY_SPACE, command::BUS_MASTER, command::INTERRUPT_DISABLE];
    const NAMES: &[Text] = names!["memory space", "bus master", "interrupt disable"];
    let Some(function) = with_msix() else { return check!("a function with MSI-X", false) };
    for (row, bit) in KEPT.into_iter().enumerate() {
        function.write_u16(header::COMMAND, bit);
        check!("it is kept", [NAMES; row], function.read_u16(header::COMMAND) & bit != 0);
        function.write_u16(header::COMMAND, 0);
        check!("it is cleared", [NAMES; row], function.read_u16(header::COMMAND) & bit == 0);
    }
    function.write_u16(header::COMMAND, u16::MAX);
    check_eq!("reserved bits", function.read_u16(header::COMMAND) & RESERVED, 0);
    function.write_u16(header::COMMAND, 0);
    let others = command::IO_SPACE | command::MEMORY_SPACE | command::BUS_MASTER | command::INTERRUPT_DISABLE;
    check_eq!("all off", function.read_u16(header::COMMAND) & others, 0);
}

/// Writes cannot set bits of the status register; what tells of capabilities and interrupts is read-only.
#[case(feature = PciHeader, spec = pci("Device Status"), needs = Needs::PCI)]
fn status_bits_are_not_set_by_writes() {
    /// Parity error, target and master aborts, SERR#: events of the bus, which writes of 1 clear.
    const EVENTS: u16 = 0xf900;
    let Some(function) = with_msix() else { return check!("a function with MSI-X", false) };
    let before = function.read_u16(header::STATUS);
    check!("it has capabilities", before & status::CAPABILITIES != 0);
    check!("no interrupt", before & status::INTERRUPT == 0);
    function.write_u16(header::STATUS, u16::MAX);
    check_eq!("after all ones", function.read_u16(header::STATUS), before & !EVENTS);
    function.write_u16(header::STATUS, 0);
    check_eq!("after zeros", function.read_u16(header::STATUS), before & !EVENTS);
}

/// A function with an interrupt pin has a register for its line that keeps all eight bits.
#[case(feature = PciHeader, spec = pci("Miscellaneous Registers"), needs = Needs::PCI)]
fn interrupt_line_keeps_eight_bits() {
    for function in functions().filter(|function| function.read_u8(header::INTERRUPT_PIN) != 0) {
        for value in [0xff_u8, 0x00, 0x55, 0xaa] {
            function.write_u8(header::INTERRUPT_LINE, value);
            check_eq!("interrupt line", [&[]; row(function)], function.read_u8(header::INTERRUPT_LINE), value);
        }
    }
}

/// Reserved registers of a header of type 0 read as 0 and take no write.
#[case(feature = PciHeader, spec = pci("Configuration Space Organization"), needs = Needs::PCI)]
fn reserved_registers_are_zero() {
    let Some(function) = with_msix() else { return check!("a function with MSI-X", false) };
    for offset in (header::CAPABILITIES + 1..header::INTERRUPT_LINE).chain([header::TYPE + 1]) {
        if offset == header::TYPE + 1 {
            // Built-in self test: a function without it has a register that reads as 0.
            check_eq!("no self test", function.read_u8(offset) & 0x80, 0);
            continue;
        }
        check_eq!("before", [&[]; offset], function.read_u8(offset), 0);
        function.write_u8(offset, 0xff);
        check_eq!("after a write", [&[]; offset], function.read_u8(offset), 0);
    }
}
