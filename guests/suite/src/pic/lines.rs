//! Interrupt lines of the board, driven by whatever it has.
//!
//! The signalling device drives all of them. Where there is none, devices of a PC hold theirs for as long as they are told to:
//! the keyboard controller line 1, the UART line 4, the clock line 8.
//!
//! Sources: IBM PC/AT, "Keyboard Controller"; PC16550D, "Interrupt Enable Register"; MC146818A, "Register C".

use super::model::CASCADE;
use rt::{
    clock::Deadline, cpu::port, interrupts::GENEROUS_MICROS, pic::Chip, signals, vocabulary::image::board::SIGNAL_LINE,
};

/// Who drives them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lines {
    /// The signalling device.
    Signals,
    /// Devices of a PC.
    Devices,
}

const KEYBOARD_LINE: u8 = 1;
const UART_LINE: u8 = 4;
const CLOCK_LINE: u8 = 8;

impl Lines {
    /// What the board has, with all lines low.
    pub(crate) fn new() -> Self {
        if port::read_u32(SIGNAL_LINE) != u32::MAX {
            return Self::Signals;
        }
        keyboard::prepare();
        uart::prepare();
        clock::prepare();
        Self::Devices
    }

    /// Those that can be driven.
    pub(crate) const fn all(self) -> u16 {
        match self {
            // Line 0 is held by the timer.
            Self::Signals => !(1 << CASCADE | 1),
            Self::Devices => 1 << KEYBOARD_LINE | 1 << UART_LINE | 1 << CLOCK_LINE,
        }
    }

    /// Takes a line to a level. Where the UART does it, nothing may be reported before the line is low again.
    pub(crate) fn set(self, line: u8, high: bool) {
        match (self, line) {
            (Self::Signals, _) => signals::set_line(line, high),
            (Self::Devices, KEYBOARD_LINE) => keyboard::set(high),
            (Self::Devices, UART_LINE) => uart::set(high),
            (Self::Devices, CLOCK_LINE) => clock::set(high),
            (Self::Devices, _) => {}
        }
    }

    /// Takes all lines of a set low.
    pub(crate) fn release(self, lines: u16) {
        for line in (0..16).filter(|line| lines >> line & 1 != 0) {
            self.set(line, false);
        }
    }
}

mod keyboard {
    //! The output buffer of the i8042, filled by the command that writes it: its interrupt lasts until it is read.

    use super::{Deadline, GENEROUS_MICROS, port};

    const DATA: u16 = 0x60;
    const COMMAND: u16 = 0x64;
    const OUTPUT_FULL: u8 = 1 << 0;
    const INPUT_FULL: u8 = 1 << 1;
    const WRITE_COMMAND_BYTE: u8 = 0x60;
    const WRITE_OUTPUT: u8 = 0xd2;
    /// Interrupts of the keyboard, and no others.
    const INTERRUPTS: u8 = 1;
    /// How long the interrupt may follow the flag, which no manual tells.
    const LATE_MICROS: u64 = 400;

    fn write(port: u16, value: u8) {
        Deadline::after(GENEROUS_MICROS).wait(|| port::read_u8(COMMAND) & INPUT_FULL == 0);
        port::write_u8(port, value);
    }

    pub(super) fn prepare() {
        write(COMMAND, WRITE_COMMAND_BYTE);
        write(DATA, INTERRUPTS);
        set(false);
    }

    pub(super) fn set(high: bool) {
        if high {
            write(COMMAND, WRITE_OUTPUT);
            write(DATA, 0);
            Deadline::after(GENEROUS_MICROS).wait(|| port::read_u8(COMMAND) & OUTPUT_FULL != 0);
            Deadline::after(LATE_MICROS).wait(|| false);
        } else {
            let _ = port::read_u8(DATA);
        }
    }
}

mod uart {
    //! The interrupt of the empty transmitter, which lasts until it is disabled.

    use super::{Deadline, GENEROUS_MICROS, port};

    const BASE: u16 = 0x3f8;
    const INTERRUPT_ENABLE: u16 = BASE + 1;
    const MODEM_CONTROL: u16 = BASE + 4;
    const LINE_STATUS: u16 = BASE + 5;
    const TRANSMITTER_EMPTY: u8 = 1 << 1;
    /// OUT2, which in a PC connects the interrupt, RTS and DTR.
    const CONNECTED: u8 = 0xb;
    const HOLDING_EMPTY: u8 = 1 << 5;

    pub(super) fn prepare() {
        port::write_u8(MODEM_CONTROL, CONNECTED);
        set(false);
    }

    pub(super) fn set(high: bool) {
        Deadline::after(GENEROUS_MICROS).wait(|| port::read_u8(LINE_STATUS) & HOLDING_EMPTY != 0);
        port::write_u8(INTERRUPT_ENABLE, if high { TRANSMITTER_EMPTY } else { 0 });
    }
}

mod clock {
    //! The periodic interrupt of the MC146818, which lasts until register C is read.

    use super::{Chip, Deadline, port};

    const INDEX: u16 = 0x70;
    const DATA: u16 = 0x71;
    const A: u8 = 10;
    const B: u8 = 11;
    const C: u8 = 12;
    /// How long its interrupt may take, in microseconds: where another thread of a busy host makes it, longer than others.
    const PATIENT_MICROS: u64 = 1_000_000;
    /// 32,768 Hz, and a period of 122 microseconds.
    const FAST: u8 = 0x23;
    const PERIODIC: u8 = 1 << 6;
    /// 24 hours; no interrupts.
    const QUIET: u8 = 1 << 1;

    fn write(register: u8, value: u8) {
        port::write_u8(INDEX, register);
        port::write_u8(DATA, value);
    }

    pub(super) fn prepare() {
        write(A, FAST);
        set(false);
    }

    pub(super) fn set(high: bool) {
        if high {
            write(B, QUIET | PERIODIC);
            Deadline::after(PATIENT_MICROS).wait(|| Chip::Second.requests() & 1 != 0);
        } else {
            write(B, QUIET);
            port::write_u8(INDEX, C);
            let _ = port::read_u8(DATA);
        }
    }
}
