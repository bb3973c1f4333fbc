//! One channel of an 8254 as the bus sees it: bytes of counts, latches and status.
//!
//! Source: Intel 8254 Programmable Interval Timer, "Write Operations", "Counter Latch Command" and "Read-Back Command".

use super::counter::{Counter, Mode};
use crate::fault::PitFault;
use serde::{Deserialize, Serialize};

/// Which bytes of a count go over the bus: the field RW of a control word.
const LEAST_SIGNIFICANT_ONLY: u8 = 1;
const MOST_SIGNIFICANT_ONLY: u8 = 2;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Channel {
    pub(super) counter: Counter,
    /// RW, M and BCD "exactly as written in the last Mode Control Word".
    control: u8,
    /// The first byte of a count of two, when the second is awaited.
    written: Option<u8>,
    /// The second byte is to be read next.
    second_read: bool,
    count_latch: Option<u16>,
    status_latch: Option<u8>,
}

impl Channel {
    pub(super) const fn new(gate: bool) -> Self {
        Self {
            counter: Counter::new(gate),
            control: 0x36,
            written: None,
            second_read: false,
            count_latch: None,
            status_latch: None,
        }
    }

    const fn breaks(&self, fault: PitFault) -> bool {
        fault.is_set(self.counter.fault)
    }

    const fn bytes(&self) -> u8 {
        self.control >> 4 & 3
    }

    /// A mode control word. The latches go with it: a count is held "until the Counter is reprogrammed".
    pub(super) fn program(&mut self, control: u8) {
        self.control = control & 0x3f;
        (self.written, self.second_read, self.count_latch, self.status_latch) = (None, false, None, None);
        let aliased = control >> 1 & 7 > 5 && self.breaks(PitFault::AliasesUnknown);
        self.counter.program(Mode::of(if aliased { 0 } else { control >> 1 }), control & 1 != 0);
    }

    /// Latches the count, unless it is: "if a Counter is latched and then, some time later, latched again before the
    /// count is read, the second Counter Latch Command is ignored".
    pub(super) fn latch_count(&mut self) {
        if self.breaks(PitFault::LatchedAgain) {
            self.count_latch = None;
        }
        self.count_latch.get_or_insert(self.counter.value());
    }

    /// Latches the status, unless it is.
    pub(super) fn latch_status(&mut self) {
        let out = self.counter.out() != self.breaks(PitFault::StatusOutputInverted);
        let status = u8::from(out) << 7 | u8::from(self.counter.null()) << 6 | self.control;
        self.status_latch.get_or_insert(status);
    }

    pub(super) fn write(&mut self, byte: u8) {
        match (self.bytes(), self.written.take()) {
            (LEAST_SIGNIFICANT_ONLY, _) => self.counter.write(byte.into()),
            (MOST_SIGNIFICANT_ONLY, _) => self.counter.write(u16::from(byte) << 8),
            (_, Some(first)) => self.counter.write(u16::from_le_bytes([first, byte])),
            (_, None) => {
                self.written = Some(byte);
                self.counter.first_byte();
            }
        }
    }

    /// Status comes before the count when both are latched.
    pub(super) fn read(&mut self) -> u8 {
        let waits = self.breaks(PitFault::CountBeforeStatus) && self.count_latch.is_some();
        if let Some(status) = self.status_latch.take_if(|_| !waits) {
            return status;
        }
        let [low, high] = self.count_latch.unwrap_or(self.counter.value()).to_le_bytes();
        let (byte, last) = match self.bytes() {
            LEAST_SIGNIFICANT_ONLY => (low, true),
            MOST_SIGNIFICANT_ONLY => (high, true),
            _ => {
                self.second_read = !self.second_read;
                let is_low = self.second_read != self.breaks(PitFault::HighByteFirst);
                (if is_low { low } else { high }, !self.second_read)
            }
        };
        if last {
            self.count_latch = None;
        }
        byte
    }
}
