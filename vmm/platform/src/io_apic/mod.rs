//! The I/O APIC 82093AA, and its successor with an EOI register.
//!
//! Own code, because no crate has this device as a state machine without event descriptors.
//!
//! | offset | register | |
//! |---|---|---|
//! | 00H | IOREGSEL | bits 7:0: the index of what the window shows |
//! | 10H | IOWIN | the window |
//! | 40H | EOI | write-only, version 20H: bits 7:0: a vector, as [`IoApic::end_of_interrupt`] |
//!
//! | index | register | reset | writable |
//! |---|---|---|---|
//! | 00H | IOAPICID | 0 | 27:24 |
//! | 01H | IOAPICVER | 0017_0011H, 0017_0020H | none: last entry in 23:16, version in 7:0 |
//! | 02H | IOAPICARB | 0 | none: 27:24 are those of IOAPICID when that was last written |
//! | 10H + 2n | IOREDTBLn, low | 0001_0000H | 16:15, 13, 11:0; read-only: 14 remote IRR, 12 delivery status |
//! | 11H + 2n | IOREDTBLn, high | 0 | 31:24: destination |
//!
//! All other indices read as 0, and writes to them are dropped. IOREGSEL may be written with any size; other registers only
//! with 32 bits: other writes of them are dropped, and smaller reads give a part, which the data sheet leaves open.
//!
//! Sources: 82093AA data sheet (290566-001), "Register Description" and "Interrupt Redirection Table"; I/O Controller
//! Hub 9 data sheet (316972), "EOIR—EOI Register".
//!
//! Deviations: messages go by the processor's bus instead of one of their own, so that there is no arbitration; physical
//! destinations have eight bits, as with every APIC since.

mod entry;
#[cfg(test)]
mod tests;

use crate::{
    fault::IoApicFault,
    message::Message,
    model::{Model, Signal},
    time::Nanoseconds,
};
use entry::Entry;
use serde::{Deserialize, Serialize};

/// Number of pins, and of redirection entries.
pub const NR_PINS: u8 = 24;

/// Where PCs have the first, as a guest physical address.
pub const ADDRESS: u64 = 0xfec0_0000;

/// Size of its range in bytes.
pub const SIZE_BYTES: u64 = 0x1000;

const IOREGSEL: u64 = 0x00;
const IOWIN: u64 = 0x10;
const EOI: u64 = 0x40;

const INDEX_ID: u8 = 0;
const INDEX_VERSION: u8 = 1;
const INDEX_ARBITRATION: u8 = 2;
const INDEX_REDIRECTION: u8 = 0x10;
const ID_BITS: u32 = 0xf << 24;

/// Which one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Version {
    /// 82093AA, version 11H: without an EOI register.
    Intel82093Aa,
    /// Version 20H.
    WithEoiRegister,
}

/// An I/O APIC. Its outputs are the messages that it sends; [`Model::take`] is the moment of sending.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IoApic {
    version: Version,
    select: u8,
    id: u32,
    arbitration: u32,
    entries: [Entry; NR_PINS as usize],
    /// The pin whose turn it is to send, so that none waits forever.
    turn: usize,
}

impl IoApic {
    /// As after reset: all pins low, all entries masked.
    pub const fn new(version: Version) -> Self {
        Self { version, select: 0, id: 0, arbitration: 0, entries: [Entry::new(); NR_PINS as usize], turn: 0 }
    }

    /// Lets it break a rule.
    pub fn set_fault(&mut self, fault: IoApicFault) {
        self.entries.iter_mut().for_each(|entry| entry.set_fault(fault));
    }

    const fn breaks(&self, fault: IoApicFault) -> bool {
        fault.is_set(self.entries[0].fault)
    }

    /// Takes a pin to an electrical level; the entry's polarity says which one asserts. Other pins than there are, are
    /// ignored.
    pub fn set_line(&mut self, pin: u8, high: bool) {
        if let Some(entry) = self.entries.get_mut(usize::from(pin)) {
            entry.set_line(high);
        }
    }

    /// What a device's pin did that leads to one of these: several rises are joined.
    pub fn follow(&mut self, pin: u8, signal: Signal) {
        if signal.rises != 0 {
            self.set_line(pin, false);
            self.set_line(pin, true);
        }
        self.set_line(pin, signal.high);
    }

    /// What a local APIC tells when a level-triggered interrupt ended: entries with that vector may send again, and do if
    /// their pin is still asserted.
    pub fn end_of_interrupt(&mut self, vector: u8) {
        for entry in &mut self.entries {
            entry.end_of_interrupt(vector);
        }
    }

    /// Whether an entry that waits for the end of its interrupt has this vector: if none has, its EOI needs not be told.
    pub fn awaits_end_of(&self, vector: u8) -> bool {
        self.entries.iter().any(|entry| entry.awaits_end_of(vector))
    }

    fn redirection(index: u8) -> Option<(usize, bool)> {
        let number = index.checked_sub(INDEX_REDIRECTION)?;
        (number / 2 < NR_PINS).then_some((usize::from(number / 2), number % 2 == 1))
    }

    fn window(&self) -> u32 {
        match self.select {
            INDEX_ID => self.id,
            INDEX_VERSION => {
                let version = match self.version {
                    Version::Intel82093Aa => 0x11,
                    Version::WithEoiRegister => 0x20,
                };
                u32::from(NR_PINS - 1) << 16 | version ^ u32::from(self.breaks(IoApicFault::VersionWrong))
            }
            INDEX_ARBITRATION => self.arbitration,
            0x3e | 0x3f if self.breaks(IoApicFault::LastEntryMissing) => 0,
            index => Self::redirection(index).map_or(0, |(number, high)| self.entries[number].read(high)),
        }
    }

    fn set_window(&mut self, value: u32) {
        match self.select {
            // The arbitration ID is loaded whenever the ID is written ("IOAPICARB—IOAPIC Arbitration Register").
            INDEX_ID if self.breaks(IoApicFault::ArbitrationStays) => self.id = value & ID_BITS,
            INDEX_ID if self.breaks(IoApicFault::IdBitsWritable) => self.id = value,
            INDEX_ID => (self.id, self.arbitration) = (value & ID_BITS, value & ID_BITS),
            index => {
                if let Some((number, high)) = Self::redirection(index) {
                    self.entries[number].write(high, value);
                }
            }
        }
    }
}

impl Model for IoApic {
    type Output = Message;

    fn read(&mut self, _: Nanoseconds, offset: u64, size: u8) -> u64 {
        let register = match offset & !3 {
            IOREGSEL => u32::from(self.select),
            IOWIN => self.window(),
            _ => 0,
        };
        let kept = 64_u32.saturating_sub(u32::from(size) * 8);
        let part = u64::from(register) >> (8 * (offset & 3));
        part & u64::MAX.checked_shr(kept).unwrap_or(0)
    }

    fn write(&mut self, _: Nanoseconds, offset: u64, size: u8, value: u64) {
        match (offset, size) {
            (IOREGSEL, 1..) => self.select = value as u8,
            (IOWIN, 4) => self.set_window(value as u32),
            (EOI, _) if self.breaks(IoApicFault::NoEoiRegister) => {}
            (EOI, 4) if self.version == Version::WithEoiRegister => self.end_of_interrupt(value as u8),
            _ => {}
        }
    }

    fn advance(&mut self, _: Nanoseconds) {}

    fn next_change(&self, _: Nanoseconds) -> Option<Nanoseconds> {
        None
    }

    fn take(&mut self) -> Option<Message> {
        let count = self.entries.len();
        let (turn, message) = (0..count)
            .map(|distance| (self.turn + distance) % count)
            .find_map(|number| self.entries[number].send().map(|message| (number, message)))?;
        self.turn = (turn + 1) % count;
        Some(message)
    }
}
