//! What directed cases share: the pair, its lines, and the wire to the processor.
//!
//! They use lines 1 and 8, which every board can drive while a case reports: input 1 of the first, above its input 2, to which
//! input 0 of the second leads.

use super::{
    guest::{Wire, initialize},
    lines::Lines,
    model::{Modes, NOTHING},
};
use rt::{
    clock::{self, Deadline},
    interrupts::GENEROUS_MICROS,
    pic::{BASE, Chip},
    pit::{Bytes, Channel, control_bits},
    vocabulary::Needs,
};

/// What such cases need.
pub(crate) const NEEDS: Needs = Needs::PIC.union(Needs::LOCAL_APIC);

/// An input of the first.
pub(crate) const FIRST: u8 = 1;
/// An input of the second, by the number of its line.
pub(crate) const SECOND: u8 = 8;
/// The bit of [`FIRST`].
pub(crate) const FIRST_BIT: u8 = 1 << FIRST;
/// The bit of the cascade in the first's registers.
pub(crate) const CASCADE_BIT: u8 = 1 << 2;
/// The bit of [`SECOND`] in the second's registers.
pub(crate) const SECOND_BIT: u8 = 1;

/// Less than the longest count takes.
const RISE_MICROS: u64 = 40_000;

/// The pair, initialised, with both lines unmasked and everything connected.
#[derive(Debug)]
pub(crate) struct Board {
    pub(crate) lines: Lines,
    pub(crate) wire: Wire,
}

impl Board {
    pub(crate) fn new(modes: Modes) -> Self {
        let lines = Lines::new();
        initialize(modes);
        Self::connected(lines)
    }

    /// The same with the timer's line high for good, for cases that write ICW1, which unmasks it: a reset or firmware may have left
    /// it ticking. In mode 0 it is low for so many clocks, and then high (8254, "Mode 0: Interrupt on Terminal Count").
    pub(crate) fn with_timer_held(modes: Modes) -> Self {
        let lines = Lines::new();
        clock::undisturbed(|| {
            let begin = clock::now();
            Channel::Zero.control(control_bits(Bytes::Both, 0, false));
            Channel::Zero.write_count(Bytes::Both, u16::MAX);
            // The last rise from before is forgotten, and the next one is not due yet.
            initialize(modes);
            let is_due = clock::now() - begin > clock::ticks(RISE_MICROS);
            Channel::Zero.write_count(Bytes::Both, 1);
            Deadline::after(GENEROUS_MICROS).wait(|| Chip::First.requests() & 1 != 0);
            (!is_due, ())
        });
        Self::connected(lines)
    }

    fn connected(lines: Lines) -> Self {
        let board = Self { lines, wire: Wire::connect(BASE) };
        board.unmask();
        board
    }

    /// Masks all but both lines and the cascade.
    pub(crate) fn unmask(&self) {
        Chip::First.data(!(FIRST_BIT | CASCADE_BIT));
        Chip::Second.data(!SECOND_BIT);
    }

    /// A rise, after a fall.
    pub(crate) fn rise(&self, line: u8) {
        self.lines.set(line, false);
        self.lines.set(line, true);
    }

    pub(crate) fn fall(&self, line: u8) {
        self.lines.set(line, false);
    }

    /// Takes what must come: its input, or [`NOTHING`].
    pub(crate) fn take(&self) -> u8 {
        self.wire.take(true)
    }

    /// Whether nothing comes.
    pub(crate) fn is_quiet(&self) -> bool {
        self.wire.take(false) == NOTHING
    }

    /// Both in-service registers, the second's in bits 15:8.
    pub(crate) fn in_service(&self) -> u16 {
        u16::from_le_bytes(Chip::ALL.map(Chip::in_service))
    }
}
