//! The 16550 UART at COM1: its registers.
//!
//! Messages may go by the same UART, so each case restores a register before it checks what it read.

use rt::{
    case, check, check_eq,
    cpu::port::{read_u8, write_u8},
    vocabulary::{Needs, image::board::COM1_PORT},
};

const DIVISOR_LOW: u16 = COM1_PORT;
const INTERRUPT_ENABLE: u16 = COM1_PORT + 1;
const INTERRUPT_IDENTIFICATION: u16 = COM1_PORT + 2;
const FIFO_CONTROL: u16 = COM1_PORT + 2;
const LINE_CONTROL: u16 = COM1_PORT + 3;
const MODEM_CONTROL: u16 = COM1_PORT + 4;
const LINE_STATUS: u16 = COM1_PORT + 5;
const SCRATCH: u16 = COM1_PORT + 7;

/// Line control: divisor latch access bit.
const DLAB: u8 = 1 << 7;
/// Line status: holding register empty, transmitter empty.
const IDLE: u8 = 0x60;

/// The scratchpad register keeps every value that is written to it.
#[case(feature = SerialPort, spec = uart("Scratchpad Register"), needs = Needs::COM1)]
fn scratchpad_keeps_its_value() {
    for value in [0x00_u8, 0xff, 0x55, 0xaa, 0x01, 0x80] {
        write_u8(SCRATCH, value);
        check_eq!("value read back", [&[]; value], read_u8(SCRATCH), value);
    }
}

/// An idle UART shows an empty holding register and an empty transmitter, no error and no data.
#[case(feature = SerialPort, spec = uart("Line Status Register"), needs = Needs::COM1)]
fn idle_line_status() {
    let mut status = read_u8(LINE_STATUS);
    // What was sent before may still be leaving; one character takes up to 10 ms.
    let mut polls = 0;
    while status & IDLE != IDLE && polls < 10_000 {
        status = read_u8(LINE_STATUS);
        polls += 1;
    }
    check_eq!("line status", status, IDLE);
}

/// The line control register reads back what was written, all eight bits of it.
#[case(feature = SerialPort, spec = uart("Line Control Register"), needs = Needs::COM1)]
fn line_control_reads_back() {
    let before = read_u8(LINE_CONTROL);
    for value in [0x00_u8, 0x3f, 0x1b, 0x83, 0x15] {
        write_u8(LINE_CONTROL, value);
        let read = read_u8(LINE_CONTROL);
        write_u8(LINE_CONTROL, before);
        check_eq!("value read back", [&[]; value], read, value);
    }
}

/// With the divisor latch access bit set, offsets 0 and 1 are the divisor latch; with it clear, they are not.
#[case(feature = SerialPort, spec = [uart("Programmable Baud Generator"), uart("Line Control Register")],
       needs = Needs::COM1)]
fn divisor_latch_is_apart() {
    let (line_control, enable) = (read_u8(LINE_CONTROL), read_u8(INTERRUPT_ENABLE));
    write_u8(LINE_CONTROL, line_control | DLAB);
    let (low, high) = (read_u8(DIVISOR_LOW), read_u8(INTERRUPT_ENABLE));
    write_u8(DIVISOR_LOW, 0x34);
    write_u8(INTERRUPT_ENABLE, 0x12);
    let (new_low, new_high) = (read_u8(DIVISOR_LOW), read_u8(INTERRUPT_ENABLE));
    write_u8(LINE_CONTROL, line_control & !DLAB);
    let enable_meanwhile = read_u8(INTERRUPT_ENABLE);
    write_u8(LINE_CONTROL, line_control | DLAB);
    let kept_low = read_u8(DIVISOR_LOW);
    write_u8(DIVISOR_LOW, low);
    write_u8(INTERRUPT_ENABLE, high);
    write_u8(LINE_CONTROL, line_control);
    check_eq!("low byte of the divisor", new_low, 0x34);
    check_eq!("high byte of the divisor", new_high, 0x12);
    check_eq!("interrupt enable register meanwhile", enable_meanwhile, enable);
    check_eq!("low byte after DLAB was clear", kept_low, 0x34);
}

/// The upper four bits of the interrupt enable register are always 0; the lower four read back.
#[case(feature = SerialPort, spec = uart("Interrupt Enable Register"), needs = Needs::COM1)]
fn interrupt_enable_has_four_bits() {
    let before = read_u8(INTERRUPT_ENABLE);
    for value in [0xff_u8, 0x05, 0x0a, 0x00] {
        write_u8(INTERRUPT_ENABLE, value);
        let read = read_u8(INTERRUPT_ENABLE);
        write_u8(INTERRUPT_ENABLE, before);
        check_eq!("value read back", [&[]; value], read, value & 0x0f);
    }
}

/// The upper three bits of the modem control register are always 0; the lower five read back.
#[case(feature = SerialPort, spec = uart("Modem Control Register"), needs = Needs::COM1)]
fn modem_control_has_five_bits() {
    let before = read_u8(MODEM_CONTROL);
    for value in [0xe0_u8, 0xff, 0x0b, 0x10, 0x00] {
        write_u8(MODEM_CONTROL, value);
        let read = read_u8(MODEM_CONTROL);
        write_u8(MODEM_CONTROL, before);
        check_eq!("value read back", [&[]; value], read, value & 0x1f);
    }
}

/// Enabling the FIFOs sets bits 6 and 7 of the interrupt identification register, disabling them clears both.
#[case(feature = SerialPort, spec = [uart("Interrupt Identification Register"), uart("FIFO Control Register")],
       needs = Needs::COM1)]
fn fifo_bits_of_interrupt_identification() {
    write_u8(FIFO_CONTROL, 0x01);
    let enabled = read_u8(INTERRUPT_IDENTIFICATION);
    write_u8(FIFO_CONTROL, 0x00);
    let disabled = read_u8(INTERRUPT_IDENTIFICATION);
    check_eq!("with FIFOs, bits 4 to 7", enabled & 0xf0, 0xc0);
    check_eq!("without, bits 4 to 7", disabled & 0xf0, 0x00);
}

/// With no interrupt enabled, none is pending.
#[case(feature = SerialPort, spec = uart("Interrupt Identification Register"), needs = Needs::COM1)]
fn no_interrupt_pending_when_none_is_enabled() {
    let before = read_u8(INTERRUPT_ENABLE);
    write_u8(INTERRUPT_ENABLE, 0);
    let identification = read_u8(INTERRUPT_IDENTIFICATION);
    write_u8(INTERRUPT_ENABLE, before);
    check_eq!("bits 0 to 3", identification & 0x0f, 1);
}

/// Enabling the transmitter's interrupt while its holding register is empty makes that interrupt pending, and reading
/// the identification register ends it.
#[case(feature = SerialPort, spec = [uart("Interrupt Identification Register"), uart("Interrupt Enable Register")],
       needs = Needs::COM1)]
fn empty_transmitter_interrupt() {
    let before = read_u8(INTERRUPT_ENABLE);
    let status = read_u8(LINE_STATUS);
    write_u8(INTERRUPT_ENABLE, 0);
    write_u8(INTERRUPT_ENABLE, 2);
    let first = read_u8(INTERRUPT_IDENTIFICATION);
    let second = read_u8(INTERRUPT_IDENTIFICATION);
    write_u8(INTERRUPT_ENABLE, before);
    check!("the holding register is empty", status & 0x20 != 0);
    check_eq!("first reading, bits 0 to 3", first & 0x0f, 2);
    check_eq!("second reading, bits 0 to 3", second & 0x0f, 1);
}
