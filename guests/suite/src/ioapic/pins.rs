//! A pin that a case drives, connected to the processor that runs it.

use crate::pic::lines::Lines;
use rt::{
    interrupts::{self, End, GENEROUS_MICROS, Listening},
    io_apic::{self, low},
    local_apic::{LocalApic, Mode},
    vocabulary::Needs,
};

/// What cases that use pins need.
pub(crate) const NEEDS: Needs = Needs::IO_APIC.union(Needs::LOCAL_APIC);

/// The pin that every board can drive: the keyboard's.
pub(crate) const PIN: u8 = 1;
/// Vectors from here on are listened to: one for each pin, and more.
pub(crate) const VECTOR: u8 = 0x40;
const LAST_VECTOR: u8 = 0x7f;

/// Its lines, all low, all pins masked, the local APIC in xAPIC mode, and a log of interrupts.
#[derive(Debug)]
pub(crate) struct Pins {
    pub(crate) lines: Lines,
    pub(crate) apic: LocalApic,
    _listening: Listening,
}

impl Pins {
    /// With handlers that end interrupts as told.
    pub(crate) fn new(how: End) -> Self {
        let lines = Lines::new();
        io_apic::mask_all();
        let apic = LocalApic::in_mode(Mode::XApic).unwrap_or_else(|_| LocalApic::enabled());
        interrupts::clear();
        Self { lines, apic, _listening: Listening::to(VECTOR..=LAST_VECTOR, how) }
    }

    /// The processor's ID.
    pub(crate) fn id(&self) -> u8 {
        self.apic.id() as u8
    }

    /// Sends what [`PIN`] asks for to this processor, with these bits of the entry's low half.
    pub(crate) fn program(&self, bits: u32) {
        io_apic::set_entry(PIN, self.id(), bits);
    }

    /// Drives [`PIN`].
    pub(crate) fn drive(&self, high: bool) {
        self.lines.set(PIN, high);
    }

    /// A rise and a fall.
    pub(crate) fn pulse(&self) {
        self.drive(true);
        self.drive(false);
    }
}

/// Lets interrupts in until so many came since the log was cleared, and some more; how many they are.
pub(crate) fn count_up_to(expected: u32) -> u32 {
    if interrupts::total() < expected {
        let _ = interrupts::wait_until(GENEROUS_MICROS, || interrupts::total() >= expected);
    }
    let _ = interrupts::wait_for_more();
    interrupts::total()
}

/// An entry's low half with a vector that counts from [`VECTOR`].
pub(crate) const fn edge(number: u8) -> u32 {
    low::FIXED | (VECTOR + number) as u32
}

/// The same of a level-triggered interrupt.
pub(crate) const fn level(number: u8) -> u32 {
    edge(number) | low::LEVEL
}
