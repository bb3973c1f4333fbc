//! The 16550 UART at COM1 in loopback mode: what it sends it receives, and its modem outputs are its modem inputs.
//!
//! Messages may go by the same UART, so each case leaves loopback mode before it checks what it read.

use rt::{
    case, check_eq,
    cpu::port::{read_u8, write_u8},
    names,
    vocabulary::{Needs, image::board::COM1_PORT},
};

const DATA: u16 = COM1_PORT;
const INTERRUPT_ENABLE: u16 = COM1_PORT + 1;
const INTERRUPT_IDENTIFICATION: u16 = COM1_PORT + 2;
const FIFO_CONTROL: u16 = COM1_PORT + 2;
const LINE_CONTROL: u16 = COM1_PORT + 3;
const MODEM_CONTROL: u16 = COM1_PORT + 4;
const LINE_STATUS: u16 = COM1_PORT + 5;
const MODEM_STATUS: u16 = COM1_PORT + 6;

/// Modem control: loopback.
const LOOP: u8 = 1 << 4;
/// Line control: divisor latch access bit, and words of eight bits.
const DLAB: u8 = 1 << 7;
const EIGHT_BITS: u8 = 3;
/// Line status.
const DATA_READY: u8 = 1 << 0;
const OVERRUN: u8 = 1 << 1;

/// The UART in loopback mode with words of eight bits at full speed; as it was when this is dropped.
struct Loopback {
    line_control: u8,
    modem_control: u8,
    divisor: [u8; 2],
}

impl Loopback {
    fn enter() -> Self {
        let line_control = read_u8(LINE_CONTROL);
        write_u8(LINE_CONTROL, DLAB | EIGHT_BITS);
        let divisor = [read_u8(DATA), read_u8(INTERRUPT_ENABLE)];
        write_u8(DATA, 1);
        write_u8(INTERRUPT_ENABLE, 0);
        write_u8(LINE_CONTROL, EIGHT_BITS);
        let modem_control = read_u8(MODEM_CONTROL);
        write_u8(MODEM_CONTROL, LOOP);
        Self { line_control, modem_control, divisor }
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        write_u8(LINE_CONTROL, DLAB | EIGHT_BITS);
        write_u8(DATA, self.divisor[0]);
        write_u8(INTERRUPT_ENABLE, self.divisor[1]);
        write_u8(LINE_CONTROL, self.line_control);
        write_u8(MODEM_CONTROL, self.modem_control);
    }
}

/// Waits for a bit of the line status: at full speed a character takes 87 µs, and a port read about one.
fn poll_line_status(bit: u8) -> u8 {
    let mut status = read_u8(LINE_STATUS);
    let mut polls = 0;
    while status & bit == 0 && polls < 300 {
        status = read_u8(LINE_STATUS);
        polls += 1;
    }
    status
}

/// In loopback mode a byte that is sent is received, and reading it ends the data-ready state.
#[case(feature = SerialPort, spec = [uart("Modem Control Register"), uart("Line Status Register")], needs = Needs::COM1)]
fn loopback_receives_what_is_sent() {
    for byte in [0x5a_u8, 0x00, 0xff] {
        let loopback = Loopback::enter();
        write_u8(DATA, byte);
        let status = poll_line_status(DATA_READY);
        let received = read_u8(DATA);
        let after = read_u8(LINE_STATUS);
        drop(loopback);
        check_eq!("data ready", [&[]; byte], status & DATA_READY, DATA_READY);
        check_eq!("received byte", [&[]; byte], received, byte);
        check_eq!("data ready after reading", [&[]; byte], after & DATA_READY, 0);
    }
}

/// In loopback mode DTR is connected to DSR, RTS to CTS, OUT 1 to RI and OUT 2 to DCD.
#[case(feature = SerialPort, spec = [uart("Modem Control Register"), uart("Modem Status Register")], needs = Needs::COM1)]
fn loopback_connects_modem_lines() {
    const ROWS: [(u8, u8); 6] = [(0, 0), (1, 1 << 5), (2, 1 << 4), (4, 1 << 6), (8, 1 << 7), (0xf, 0xf0)];
    const NAMES: &[rt::vocabulary::Text] = names!["none", "DTR", "RTS", "OUT 1", "OUT 2", "all"];
    for (row, (outputs, inputs)) in ROWS.into_iter().enumerate() {
        let loopback = Loopback::enter();
        write_u8(MODEM_CONTROL, LOOP | outputs);
        let status = read_u8(MODEM_STATUS);
        drop(loopback);
        check_eq!("modem inputs", [NAMES; row], status & 0xf0, inputs);
    }
}

/// A change of a modem input sets its delta bit, and reading the modem status clears it.
#[case(feature = SerialPort, spec = [uart("Modem Status Register"), uart("Modem Control Register")], needs = Needs::COM1)]
fn modem_status_deltas() {
    let loopback = Loopback::enter();
    read_u8(MODEM_STATUS);
    let unchanged = read_u8(MODEM_STATUS);
    write_u8(MODEM_CONTROL, LOOP | 1);
    let dsr = read_u8(MODEM_STATUS);
    let again = read_u8(MODEM_STATUS);
    write_u8(MODEM_CONTROL, LOOP | 1 | 4);
    let ri_on = read_u8(MODEM_STATUS);
    write_u8(MODEM_CONTROL, LOOP | 1);
    let ri_off = read_u8(MODEM_STATUS);
    drop(loopback);
    check_eq!("no change", unchanged & 0x0f, 0);
    check_eq!("DSR has changed", dsr & 0x0f, 2);
    check_eq!("after reading", again & 0x0f, 0);
    // The indicator is for the trailing edge only.
    check_eq!("RI has come", ri_on & 0x0f, 0);
    check_eq!("RI has gone", ri_off & 0x0f, 4);
}

/// A received byte makes the received-data interrupt pending until it is read.
#[case(feature = SerialPort, spec = uart("Interrupt Identification Register"), needs = Needs::COM1)]
fn received_data_interrupt() {
    let enable = read_u8(INTERRUPT_ENABLE);
    let loopback = Loopback::enter();
    write_u8(INTERRUPT_ENABLE, 1);
    write_u8(DATA, 0x41);
    poll_line_status(DATA_READY);
    let pending = read_u8(INTERRUPT_IDENTIFICATION);
    read_u8(DATA);
    let after = read_u8(INTERRUPT_IDENTIFICATION);
    write_u8(INTERRUPT_ENABLE, enable);
    drop(loopback);
    check_eq!("with data, bits 0 to 3", pending & 0x0f, 4);
    check_eq!("after reading, bits 0 to 3", after & 0x0f, 1);
}

/// Without FIFOs, a byte that arrives before the last one was read replaces it and sets the overrun error, which
/// reading the line status clears.
#[case(feature = SerialPort, spec = uart("Line Status Register"), needs = Needs::COM1)]
fn overrun_without_fifos() {
    write_u8(FIFO_CONTROL, 0);
    let loopback = Loopback::enter();
    write_u8(DATA, 0x11);
    poll_line_status(DATA_READY);
    poll_line_status(1 << 6);
    write_u8(DATA, 0x22);
    let status = poll_line_status(OVERRUN);
    let after = read_u8(LINE_STATUS);
    let received = read_u8(DATA);
    drop(loopback);
    check_eq!("overrun error", status & OVERRUN, OVERRUN);
    check_eq!("overrun error after reading", after & OVERRUN, 0);
    check_eq!("received byte", received, 0x22);
}

/// With FIFOs, several bytes wait and come out in the order in which they went in.
#[case(feature = SerialPort, spec = [uart("FIFO Control Register"), uart("FIFO Interrupt Mode Operation")],
       needs = Needs::COM1)]
fn fifo_keeps_the_order() {
    const SENT: [u8; 4] = [0x10, 0x21, 0x32, 0x43];
    let loopback = Loopback::enter();
    write_u8(FIFO_CONTROL, 0x07);
    for byte in SENT {
        write_u8(DATA, byte);
    }
    let mut received = [0_u8; 4];
    for byte in &mut received {
        poll_line_status(DATA_READY);
        *byte = read_u8(DATA);
    }
    let after = read_u8(LINE_STATUS);
    write_u8(FIFO_CONTROL, 0);
    drop(loopback);
    for (row, (received, sent)) in received.into_iter().zip(SENT).enumerate() {
        check_eq!("received byte", [&[]; row], received, sent);
    }
    check_eq!("data ready at the end", after & DATA_READY, 0);
}

/// Resetting the receiver FIFO throws away what waits in it.
#[case(feature = SerialPort, spec = uart("FIFO Control Register"), needs = Needs::COM1)]
fn fifo_reset_empties_it() {
    let loopback = Loopback::enter();
    write_u8(FIFO_CONTROL, 0x07);
    write_u8(DATA, 0x10);
    let before = poll_line_status(DATA_READY);
    write_u8(FIFO_CONTROL, 0x03);
    let after = read_u8(LINE_STATUS);
    write_u8(FIFO_CONTROL, 0);
    drop(loopback);
    check_eq!("data ready before", before & DATA_READY, DATA_READY);
    check_eq!("data ready after", after & DATA_READY, 0);
}
