//! The i8042 controller at ports 60H and 64H: status register and commands.

use rt::{
    Outcome, case, check_eq, check_outcome,
    cpu::port::{read_u8, write_u8},
    instruction, names,
    vocabulary::{Needs, image::board::I8042_COMMAND_PORT},
};

const DATA: u16 = 0x60;
const COMMAND: u16 = I8042_COMMAND_PORT;
const STATUS: u16 = I8042_COMMAND_PORT;

/// Status bits.
const OUTPUT_FULL: u8 = 1 << 0;
const INPUT_FULL: u8 = 1 << 1;
const LAST_WAS_COMMAND: u8 = 1 << 3;

/// Commands.
mod command {
    pub(super) const READ_COMMAND_BYTE: u8 = 0x20;
    pub(super) const WRITE_COMMAND_BYTE: u8 = 0x60;
    pub(super) const SELF_TEST: u8 = 0xaa;
    pub(super) const INTERFACE_TEST: u8 = 0xab;
    pub(super) const DISABLE_KEYBOARD: u8 = 0xad;
    pub(super) const ENABLE_KEYBOARD: u8 = 0xae;
    pub(super) const READ_OUTPUT_PORT: u8 = 0xd0;
    pub(super) const PULSE_NOTHING: u8 = 0xff;
}

/// How often the status is read in a wait: an 8042 answers within a few hundred microseconds.
const MAX_POLLS: u32 = 2_000;

fn poll_status(mask: u8, wanted: u8) -> u8 {
    let mut status = read_u8(STATUS);
    let mut polls = 0;
    while status & mask != wanted && polls < MAX_POLLS {
        status = read_u8(STATUS);
        polls += 1;
    }
    status
}

fn send_command(command: u8) {
    poll_status(INPUT_FULL, 0);
    write_u8(COMMAND, command);
}

/// Sends a command and reads its answer; the status before the reading comes with it.
fn ask(command: u8) -> (u8, u8) {
    send_command(command);
    let status = poll_status(OUTPUT_FULL, OUTPUT_FULL);
    (status, read_u8(DATA))
}

/// Keeps the keyboard from interfering, and empties the output buffer; the keyboard is on again when this is dropped.
struct Quiet;

impl Quiet {
    fn enter() -> Self {
        send_command(command::DISABLE_KEYBOARD);
        poll_status(INPUT_FULL, 0);
        for _ in 0..16 {
            if read_u8(STATUS) & OUTPUT_FULL == 0 {
                break;
            }
            read_u8(DATA);
        }
        Self
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        send_command(command::ENABLE_KEYBOARD);
    }
}

/// The input buffer is empty once a command has been taken, and the output buffer once it has been read.
#[case(feature = ResetPort, spec = pc_at("Status Register"), needs = Needs::I8042)]
fn buffers_empty_when_idle() {
    let _quiet = Quiet::enter();
    check_eq!("status", poll_status(INPUT_FULL, 0) & (INPUT_FULL | OUTPUT_FULL), 0);
}

/// The self-test command answers 55H, which the output-buffer-full bit announces.
#[case(feature = ResetPort, spec = pc_at("Controller Commands"), needs = Needs::I8042)]
fn self_test_answers_55h() {
    let quiet = Quiet::enter();
    let command_byte = ask(command::READ_COMMAND_BYTE).1;
    let (status, answer) = ask(command::SELF_TEST);
    let after = read_u8(STATUS);
    // The self-test may reset the command byte.
    send_command(command::WRITE_COMMAND_BYTE);
    poll_status(INPUT_FULL, 0);
    write_u8(DATA, command_byte);
    drop(quiet);
    check_eq!("output buffer full", status & OUTPUT_FULL, OUTPUT_FULL);
    check_eq!("answer", answer, 0x55);
    check_eq!("output buffer full after reading", after & OUTPUT_FULL, 0);
}

/// The interface test finds no fault: it answers 00H.
#[case(feature = ResetPort, spec = pc_at("Controller Commands"), needs = Needs::I8042)]
fn interface_test_answers_00h() {
    let quiet = Quiet::enter();
    let (status, answer) = ask(command::INTERFACE_TEST);
    drop(quiet);
    check_eq!("output buffer full", status & OUTPUT_FULL, OUTPUT_FULL);
    check_eq!("answer", answer, 0);
}

/// The command byte reads back as it was written, also by the forms of IN and OUT with an immediate port.
#[case(feature = ResetPort, spec = [pc_at("Controller Commands"), sdm2("OUT—Output to Port")], needs = Needs::I8042)]
fn command_byte_reads_back() {
    let quiet = Quiet::enter();
    let before = ask(command::READ_COMMAND_BYTE).1;
    // No interrupts, keyboard disabled; the translation bit is the one that changes.
    for (row, value) in [0x30_u8, 0x70].into_iter().enumerate() {
        send_command(command::WRITE_COMMAND_BYTE);
        poll_status(INPUT_FULL, 0);
        let write = instruction!("out 0x60, al", in("al") value);
        send_command(command::READ_COMMAND_BYTE);
        poll_status(OUTPUT_FULL, OUTPUT_FULL);
        let mut read = 0_u64;
        let result = instruction!("in al, 0x60", inout("rax") read);
        check_outcome!("OUT 60H, AL", [&[]; row], write, Outcome::COMPLETED);
        check_outcome!("IN AL, 60H", [&[]; row], result, Outcome::COMPLETED);
        check_eq!("command byte", [names!["without translation", "with translation"]; row], read, value);
    }
    send_command(command::WRITE_COMMAND_BYTE);
    poll_status(INPUT_FULL, 0);
    write_u8(DATA, before);
    drop(quiet);
}

/// Bit 3 of the status tells whether port 64H or port 60H was written last.
#[case(feature = ResetPort, spec = pc_at("Status Register"), needs = Needs::I8042)]
fn status_tells_command_from_data() {
    let quiet = Quiet::enter();
    let before = ask(command::READ_COMMAND_BYTE).1;
    send_command(command::WRITE_COMMAND_BYTE);
    let after_command = poll_status(INPUT_FULL, 0);
    write_u8(DATA, before);
    let after_data = poll_status(INPUT_FULL, 0);
    drop(quiet);
    check_eq!("after a command", after_command & LAST_WAS_COMMAND, LAST_WAS_COMMAND);
    check_eq!("after data", after_data & LAST_WAS_COMMAND, 0);
}

/// While the processor runs, the reset bit of the output port is 1.
#[case(feature = ResetPort, spec = pc_at("Output Port"), needs = Needs::I8042)]
fn output_port_shows_no_reset() {
    let quiet = Quiet::enter();
    let (_, port) = ask(command::READ_OUTPUT_PORT);
    drop(quiet);
    check_eq!("bit 0", port & 1, 1);
}

/// The pulse command with all bits set pulses no line: the processor is not reset.
#[case(feature = ResetPort, spec = pc_at("Controller Commands"), needs = Needs::I8042)]
fn pulse_of_no_line_resets_nothing() {
    send_command(command::PULSE_NOTHING);
    check_eq!("input buffer full", poll_status(INPUT_FULL, 0) & INPUT_FULL, 0);
}
