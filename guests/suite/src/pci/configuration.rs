//! Accesses of configuration space: CONFIG_ADDRESS and CONFIG_DATA, widths, absent functions, and the way by memory.

use super::{functions, row, with_msix};
use rt::{
    case, check, check_eq,
    cpu::port,
    names,
    pci::{ADDRESS_PORT, DATA_PORT, ENABLE, Function, header, memory_way},
    skip,
    vocabulary::{Needs, Text},
};

/// CONFIG_ADDRESS keeps the enable bit and the numbers of bus, device, function and register; the rest of it is read-only zero.
#[case(feature = PciConfiguration, spec = pci("Software Generation of Configuration Transactions"), needs = Needs::PCI)]
fn config_address_keeps_its_fields() {
    const FIELDS: u32 = 0x80ff_fffc;
    const NAMES: &[Text] = names!["none", "all fields", "all bits", "reserved bits", "a register", "without enable"];
    for (row, value) in [0, FIELDS, u32::MAX, !FIELDS, 0x8000_0810, 0x00ff_ff00].into_iter().enumerate() {
        port::write_u32(ADDRESS_PORT, value);
        check_eq!("CONFIG_ADDRESS", [NAMES; row], port::read_u32(ADDRESS_PORT), value & FIELDS);
    }
}

/// CONFIG_ADDRESS is written by doublewords alone: bytes at its ports are ordinary ports of others.
#[case(feature = PciConfiguration, spec = pci("Software Generation of Configuration Transactions"), needs = Needs::PCI)]
fn narrow_writes_pass_config_address() {
    const SELECTED: u32 = 0x8000_0004;
    // Not CF9H, by which PCs are reset, and no words, which reach it.
    for offset in [0_u16, 2, 3] {
        port::write_u32(ADDRESS_PORT, SELECTED);
        port::write_u8(ADDRESS_PORT + offset, 0x50);
        check_eq!("CONFIG_ADDRESS", [&[]; offset], port::read_u32(ADDRESS_PORT), SELECTED);
    }
}

/// What no function answers reads as all ones in each width, and takes no write.
#[case(feature = PciConfiguration, spec = [pci("Master Initiated Termination"), pci("Configuration Space Organization")],
       needs = Needs::PCI)]
fn absent_functions_read_as_ones() {
    let Some(absent) = (0..32).map(Function::new).find(|function| !function.is_present()) else {
        return skip!("each device number of bus 0 is taken");
    };
    for _ in 0..2 {
        check_eq!("doubleword", absent.read_u32(header::VENDOR), u32::MAX);
        check_eq!("word", absent.read_u16(header::DEVICE), u16::MAX);
        check_eq!("byte", absent.read_u8(header::STATUS), u8::MAX);
        check_eq!("behind the header", absent.read_u32(0x80), u32::MAX);
        for offset in [header::COMMAND, header::BASE_ADDRESSES, header::INTERRUPT_LINE] {
            absent.write_u32(offset, 0);
        }
    }
    const LAST_BUS: u32 = ENABLE | 0xff << 16;
    port::write_u32(ADDRESS_PORT, LAST_BUS);
    check_eq!("a bus that is not there", port::read_u32(DATA_PORT), u32::MAX);
}

/// While CONFIG_ADDRESS does not enable it, CONFIG_DATA reaches no configuration space.
#[case(feature = PciConfiguration, spec = pci("Software Generation of Configuration Transactions"), needs = Needs::PCI)]
fn disabled_config_data_reaches_nothing() {
    let Some(function) = with_msix() else { return check!("a function with MSI-X", false) };
    function.write_u8(header::INTERRUPT_LINE, 0x5a);
    port::write_u32(ADDRESS_PORT, function.address(header::INTERRUPT_LINE) & !ENABLE);
    port::write_u8(DATA_PORT, 0x33);
    let read = port::read_u32(DATA_PORT);
    check_eq!("the register", function.read_u8(header::INTERRUPT_LINE), 0x5a);
    check!("what is read is not the register", read != function.read_u32(header::INTERRUPT_LINE));
    port::write_u32(ADDRESS_PORT, function.address(header::VENDOR) & !ENABLE);
    check!("nor the identity", port::read_u32(DATA_PORT) != function.read_u32(header::VENDOR));
}

/// Compares bytes and words of a header with its doublewords.
fn compare_widths(function: Function) {
    for offset in (0..header::END).step_by(4) {
        let whole = function.read_u32(offset);
        let words = [0, 2].map(|at| function.read_u16(offset + at));
        check_eq!("words", [&[]; offset], u32::from(words[1]) << 16 | u32::from(words[0]), whole);
        let bytes = [0, 1, 2, 3].map(|at| function.read_u8(offset + at));
        check_eq!("bytes", [&[]; offset], u32::from_le_bytes(bytes), whole);
    }
}

/// Bytes and words of a header are those of its doublewords.
#[case(feature = PciConfiguration, spec = [pci("Configuration Space Organization"),
       pci("Software Generation of Configuration Transactions")], needs = Needs::PCI)]
fn bytes_and_words_are_parts_of_doublewords() {
    match with_msix() {
        Some(function) => compare_widths(function),
        None => check!("a function with MSI-X", false),
    }
}

/// The same by memory.
#[case(feature = PciConfiguration, spec = pcie("PCI Express Enhanced Configuration Access Mechanism (ECAM)"), needs = Needs::PCI)]
fn bytes_and_words_by_memory() {
    let Some(way) = memory_way() else { return skip!("the host bridge is one whose way by memory is not known") };
    match with_msix() {
        Some(function) => compare_widths(function.by(way)),
        None => check!("a function with MSI-X", false),
    }
}

/// A write of a byte or word changes no other byte of its doubleword.
fn write_parts(function: Function) {
    let before = function.read_u32(header::INTERRUPT_LINE);
    for value in [0xa5_u8, 0x5a, 0] {
        function.write_u8(header::INTERRUPT_LINE, value);
        let expected = before & !0xff | u32::from(value);
        check_eq!("a byte", [&[]; value], function.read_u32(header::INTERRUPT_LINE), expected);
    }
    function.write_u8(header::INTERRUPT_LINE, 0x77);
    // The other byte of the word is read-only.
    function.write_u16(header::INTERRUPT_LINE, 0xff42);
    check_eq!("a word", function.read_u32(header::INTERRUPT_LINE), before & !0xff | 0x42);
    function.write_u32(header::INTERRUPT_LINE, u32::MAX);
    check_eq!("a doubleword", function.read_u32(header::INTERRUPT_LINE), before | 0xff);
    let status = function.read_u16(header::STATUS);
    function.write_u16(header::COMMAND, 0);
    check_eq!("status behind a word for command", function.read_u16(header::STATUS), status);
}

/// By ports, a write of a byte or word changes nothing beside it.
#[case(feature = PciConfiguration, spec = [pci("Configuration Space Organization"), pci("Miscellaneous Registers")],
       needs = Needs::PCI)]
fn narrow_writes_change_nothing_else() {
    match with_msix() {
        Some(function) => write_parts(function),
        None => check!("a function with MSI-X", false),
    }
}

/// The same by memory.
#[case(feature = PciConfiguration, spec = pcie("PCI Express Enhanced Configuration Access Mechanism (ECAM)"), needs = Needs::PCI)]
fn narrow_writes_by_memory() {
    let Some(way) = memory_way() else { return skip!("the host bridge is one whose way by memory is not known") };
    match with_msix() {
        Some(function) => write_parts(function.by(way)),
        None => check!("a function with MSI-X", false),
    }
}

/// Both ways lead to the same registers of every function, and absent ones read as all ones by memory too.
#[case(feature = PciConfiguration, spec = [pcie("PCI Express Enhanced Configuration Access Mechanism (ECAM)"),
       pci("Configuration Space Organization")], needs = Needs::PCI)]
fn ports_and_memory_agree() {
    let Some(way) = memory_way() else { return skip!("the host bridge is one whose way by memory is not known") };
    for function in functions() {
        for offset in [header::VENDOR, header::REVISION, header::CACHE_LINE, header::CAPABILITIES] {
            let (by_port, by_memory) = (function.read_u32(offset), function.by(way).read_u32(offset));
            check_eq!("a register", [&[]; row(function) << 8 | u64::from(offset)], by_memory, by_port);
        }
    }
    let Some(function) = with_msix() else { return check!("a function with MSI-X", false) };
    function.by(way).write_u8(header::INTERRUPT_LINE, 0x11);
    check_eq!("written by memory", function.read_u8(header::INTERRUPT_LINE), 0x11);
    function.write_u8(header::INTERRUPT_LINE, 0x22);
    check_eq!("written by ports", function.by(way).read_u8(header::INTERRUPT_LINE), 0x22);
    if let Some(absent) = (0..32).map(Function::new).find(|function| !function.is_present()) {
        let absent = absent.by(way);
        check_eq!("absent", absent.read_u32(header::VENDOR), u32::MAX);
        check_eq!("absent, a byte", absent.read_u8(header::CLASS), u8::MAX);
        check_eq!("absent, extended space", absent.read_u32(0x100), u32::MAX);
    }
}
