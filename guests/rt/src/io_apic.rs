//! The first I/O APIC of a PC.
//!
//! Nothing of it is restored: a virtual machine runs one case.
//!
//! Sources: 82093AA, "Register Description"; ICH9, "EOIR—EOI Register".

use crate::{
    interrupts::{self, End, Listening},
    mmio,
    trap::TrapFrame,
};
use core::ops::RangeInclusive;

/// Where it is, as a guest physical address.
pub const ADDRESS: u64 = 0xfec0_0000;

/// Number of pins, and of redirection entries, that a PC's has.
pub const NR_PINS: u8 = 24;

const IOREGSEL: u64 = ADDRESS;
const IOWIN: u64 = ADDRESS + 0x10;
const EOI: u64 = ADDRESS + 0x40;

/// Indices of registers.
pub mod index {
    /// IOAPICID.
    pub const ID: u8 = 0;
    /// IOAPICVER.
    pub const VERSION: u8 = 1;
    /// IOAPICARB.
    pub const ARBITRATION: u8 = 2;
    /// The low half of the first redirection entry; the high half is the next index, and the next entry that behind it.
    pub const REDIRECTION: u8 = 0x10;
}

/// Bits of a redirection entry's low half; bits 7:0 are the vector.
pub mod low {
    #![expect(missing_docs, reason = "the manual's own names")]
    pub const FIXED: u32 = 0;
    pub const LOWEST_PRIORITY: u32 = 1 << 8;
    pub const SMI: u32 = 2 << 8;
    pub const NMI: u32 = 4 << 8;
    pub const INIT: u32 = 5 << 8;
    pub const EXT_INT: u32 = 7 << 8;
    /// The destination is logical.
    pub const LOGICAL: u32 = 1 << 11;
    /// Delivery status: not sent yet. Read-only.
    pub const PENDING: u32 = 1 << 12;
    pub const ACTIVE_LOW: u32 = 1 << 13;
    /// Accepted by a local APIC, and not ended. Read-only; of a meaning for level-triggered interrupts only.
    pub const REMOTE_IRR: u32 = 1 << 14;
    pub const LEVEL: u32 = 1 << 15;
    pub const MASKED: u32 = 1 << 16;
    /// All that can be written.
    pub const WRITABLE: u32 = 0x1_afff;
}

/// Lowest bit of the destination in a redirection entry's high half.
pub const DESTINATION_SHIFT: u32 = 24;

/// Writes IOREGSEL.
pub fn select(index: u8) {
    mmio::write_u32(IOREGSEL, index.into());
}

/// Reads IOREGSEL.
pub fn selected() -> u32 {
    mmio::read_u32(IOREGSEL)
}

/// Reads a register.
pub fn read(index: u8) -> u32 {
    select(index);
    mmio::read_u32(IOWIN)
}

/// Writes a register.
pub fn write(index: u8, value: u32) {
    select(index);
    mmio::write_u32(IOWIN, value);
}

/// Index of the low half of a pin's entry.
const fn index_of(pin: u8) -> u8 {
    index::REDIRECTION.wrapping_add(pin.wrapping_mul(2))
}

/// Reads the low half of a pin's entry.
pub fn read_low(pin: u8) -> u32 {
    read(index_of(pin))
}

/// Reads the high half of a pin's entry.
pub fn read_high(pin: u8) -> u32 {
    read(index_of(pin) + 1)
}

/// Writes the low half of a pin's entry.
pub fn write_low(pin: u8, value: u32) {
    write(index_of(pin), value);
}

/// Writes the high half of a pin's entry.
pub fn write_high(pin: u8, value: u32) {
    write(index_of(pin) + 1, value);
}

/// Writes a pin's entry, the destination first.
pub fn set_entry(pin: u8, destination: u8, value: u32) {
    write_high(pin, u32::from(destination) << DESTINATION_SHIFT);
    write_low(pin, value);
}

/// Masks all pins.
pub fn mask_all() {
    for pin in 0..NR_PINS {
        write_low(pin, low::MASKED);
    }
}

/// Whether an entry waits for the end of its interrupt: remote IRR.
pub fn awaits_end(pin: u8) -> bool {
    read_low(pin) & low::REMOTE_IRR != 0
}

/// Whether there is an EOI register: from version 20H on.
pub fn has_eoi_register() -> bool {
    read(index::VERSION) & 0xff >= 0x20
}

/// Writes the EOI register: level-triggered interrupts with this vector end.
pub fn end_interrupt(vector: u8) {
    mmio::write_u32(EOI, vector.into());
}

/// After how many interrupts of one vector [`listen_to_levels`] masks the inputs.
pub const NR_OF_A_LEVEL: u32 = 4;

/// Handlers for interrupts of inputs whose level nobody takes away in time: they end them, and mask the input at the fourth with
/// its vector. A level that stays may interrupt again as soon as it is ended, so that nothing else would ever be executed.
#[must_use = "the handlers are removed when this is dropped"]
pub fn listen_to_levels(vectors: RangeInclusive<u8>) -> Listening {
    fn take(frame: &mut TrapFrame) {
        interrupts::log(frame);
        let vector = frame.vector as u8;
        if interrupts::count(vector) >= NR_OF_A_LEVEL {
            // Before it is ended, and with the vector that the end looks for.
            for pin in 0..NR_PINS {
                let entry = read_low(pin);
                if entry as u8 == vector {
                    write_low(pin, entry | low::MASKED);
                }
            }
        }
        interrupts::end(vector, End::LocalApic);
    }
    Listening::with_handler(vectors, End::LocalApic, take)
}
