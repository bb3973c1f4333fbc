//! Identification, index, and which bits of redirection entries hold what is written.

use super::table::{LOW, high_of, low_of};
use rt::{
    case, check, check_eq,
    io_apic::{self, NR_PINS, index, low},
    names,
    vocabulary::{Needs, Text},
};

const ID_BITS: u32 = 0x0f00_0000;

/// The version register tells of 24 entries and version 11H or 20H, and cannot be written.
#[case(feature = IoApicRegisters, spec = io_apic("IOAPICVER—IOAPIC Version Register"), needs = Needs::IO_APIC, irqchip = Full)]
fn version_is_read_only() {
    let version = io_apic::read(index::VERSION);
    check_eq!("last entry", version >> 16 & 0xff, NR_PINS - 1);
    check!("version", matches!(version & 0xff, 0x11 | 0x20));
    check_eq!("bits 31:24", version >> 24, 0);
    for (row, value) in [0, u32::MAX].into_iter().enumerate() {
        io_apic::write(index::VERSION, value);
        check_eq!("unchanged", [names!["by zeros", "by ones"]; row], io_apic::read(index::VERSION), version);
    }
}

/// The ID has four bits, and the arbitration ID is loaded with it and cannot be written.
#[case(
    feature = IoApicRegisters,
    spec = [io_apic("IOAPICID—IOAPIC Identification Register"), io_apic("IOAPICARB—IOAPIC Arbitration Register")],
    needs = Needs::IO_APIC, irqchip = Full
)]
fn id_and_arbitration_id() {
    for id in [0_u32, 1, 2, 4, 8, 15, 5] {
        io_apic::write(index::ID, id << 24);
        check_eq!("ID", [&[]; id], io_apic::read(index::ID) & ID_BITS, id << 24);
        check_eq!("arbitration ID", [&[]; id], io_apic::read(index::ARBITRATION) & ID_BITS, id << 24);
        io_apic::write(index::ARBITRATION, !(id << 24));
        check_eq!("arbitration ID after a write", [&[]; id], io_apic::read(index::ARBITRATION) & ID_BITS, id << 24);
        check_eq!("ID after that", [&[]; id], io_apic::read(index::ID) & ID_BITS, id << 24);
    }
}

/// All entries are masked before any software wrote them.
#[case(feature = IoApicRegisters, spec = io_apic("IOREDTBL[23:0]—I/O Redirection Table Registers"), needs = Needs::IO_APIC, irqchip = Full)]
fn entries_are_masked_at_first() {
    for pin in 0..NR_PINS {
        check_eq!("mask", [&[]; pin], io_apic::read_low(pin) & low::MASKED, low::MASKED);
    }
}

/// The index register holds what selects a register.
#[case(feature = IoApicRegisters, spec = io_apic("IOREGSEL—I/O Register Select Register"), needs = Needs::IO_APIC, irqchip = Full)]
fn index_reads_back() {
    for value in [0, 1, 2, 0x10, 0x11, 0x3f, 0x20, 0x2a, 0x15] {
        io_apic::select(value);
        check_eq!("index", [&[]; value], io_apic::selected() & 0xff, value);
    }
}

/// Each writable bit of an entry holds what was written, by itself.
#[case(feature = IoApicRegisters, spec = io_apic("IOREDTBL[23:0]—I/O Redirection Table Registers"), needs = Needs::IO_APIC, irqchip = Full)]
fn entry_holds_each_bit() {
    const PIN: u8 = 23;
    for (row, value) in LOW.iter().enumerate() {
        let value = value | low::MASKED;
        io_apic::write_low(PIN, value);
        check_eq!("low half of pattern", [&[]; row], io_apic::read_low(PIN) & low::WRITABLE, value);
    }
    for bit in 24..32_u32 {
        io_apic::write_high(PIN, 1 << bit);
        check_eq!("high half with bit", [&[]; bit], io_apic::read_high(PIN) >> 24, 1 << (bit - 24));
        io_apic::write_high(PIN, !(1 << bit));
        check_eq!("high half without bit", [&[]; bit], io_apic::read_high(PIN) >> 24, 0xff & !(1_u32 << (bit - 24)));
    }
    let expected = LOW[LOW.len() - 1] | low::MASKED;
    check_eq!("the low half keeps its value", io_apic::read_low(PIN) & low::WRITABLE, expected);
}

/// Each entry is a register of its own.
#[case(feature = IoApicRegisters, spec = io_apic("IOREDTBL[23:0]—I/O Redirection Table Registers"), needs = Needs::IO_APIC, irqchip = Full)]
fn entries_do_not_share_bits() {
    for pin in 0..NR_PINS {
        io_apic::write_low(pin, low_of(pin));
        io_apic::write_high(pin, high_of(pin));
    }
    for pin in 0..NR_PINS {
        check_eq!("low half", [&[]; pin], io_apic::read_low(pin) & low::WRITABLE, low_of(pin));
        check_eq!("high half", [&[]; pin], io_apic::read_high(pin) & 0xff00_0000, high_of(pin));
    }
}

/// Delivery status and remote IRR cannot be written, and reserved bits change nothing beside them.
#[case(feature = IoApicRegisters, spec = io_apic("IOREDTBL[23:0]—I/O Redirection Table Registers"), needs = Needs::IO_APIC, irqchip = Full)]
fn read_only_bits_stay() {
    const PIN: u8 = 22;
    const NAMES: &[Text] = names!["edge", "level"];
    const READ_ONLY: u32 = low::PENDING | low::REMOTE_IRR;
    for (row, trigger) in [0, low::LEVEL].into_iter().enumerate() {
        let value = low::MASKED | trigger | 0x31;
        io_apic::write_low(PIN, value | low::PENDING);
        check_eq!("delivery status", [NAMES; row], io_apic::read_low(PIN) & low::PENDING, 0);
        io_apic::write_low(PIN, low::MASKED | low::LEVEL | 0x31 | low::REMOTE_IRR);
        check_eq!("remote IRR", [NAMES; row], io_apic::read_low(PIN) & READ_ONLY, 0);
        io_apic::write_low(PIN, value | 0xfffe_0000);
        check_eq!("beside reserved bits", [NAMES; row], io_apic::read_low(PIN) & low::WRITABLE, value);
    }
    io_apic::write_high(PIN, 0xa500_ffff);
    check_eq!("beside reserved bits of the high half", io_apic::read_high(PIN) >> 24, 0xa5);
}

/// Writes by reserved indices change no register.
#[case(feature = IoApicRegisters, spec = io_apic("Register Description"), needs = Needs::IO_APIC, irqchip = Full)]
fn reserved_indices_are_no_registers() {
    let pattern = low::MASKED | 0x77;
    io_apic::write(index::ID, 6 << 24);
    for pin in [0, 23] {
        io_apic::set_entry(pin, 0x3c, pattern);
    }
    for reserved in [0x03, 0x04, 0x0f, 0x40, 0x41, 0x50, 0x80, 0xfe, 0xff_u8] {
        io_apic::write(reserved, 0x1234_5678 | low::MASKED);
        check_eq!("ID", [&[]; reserved], io_apic::read(index::ID) & ID_BITS, 6 << 24);
        for (row, pin) in [0, 23].into_iter().enumerate() {
            let row = row << 8 | usize::from(reserved);
            check_eq!("entry", [&[]; row], io_apic::read_low(pin) & low::WRITABLE, pattern);
        }
    }
}
