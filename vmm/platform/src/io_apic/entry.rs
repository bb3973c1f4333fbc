//! One redirection entry with its pin.

use crate::message::{DeliveryMode, Message, Trigger};

const DELIVERY_SHIFT: u32 = 8;
const LOGICAL: u32 = 1 << 11;
const DELIVERY_STATUS: u32 = 1 << 12;
const ACTIVE_LOW: u32 = 1 << 13;
const REMOTE_IRR: u32 = 1 << 14;
const LEVEL: u32 = 1 << 15;
const MASK: u32 = 1 << 16;
const WRITABLE_LOW: u32 = 0x1_afff;
const WRITABLE_HIGH: u32 = 0xff << 24;

/// One redirection entry with its pin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The writable bits of the low half, and remote IRR.
    low: u32,
    high: u32,
    line: bool,
    /// An edge that has not been sent.
    edge: bool,
}

impl Entry {
    pub(super) const fn new() -> Self {
        Self { low: MASK, high: 0, line: false, edge: false }
    }

    pub(super) fn set_line(&mut self, high: bool) {
        let before = self.is_asserted();
        self.line = high;
        // "Edge-sensitive interrupts signaled on a masked interrupt pin are ignored (i.e., not delivered or held pending)"
        // ("Interrupt Mask").
        self.edge |= self.is_asserted() && !before && self.low & MASK == 0 && !self.is_level();
    }

    fn is_asserted(&self) -> bool {
        self.line != (self.low & ACTIVE_LOW != 0)
    }

    /// Whether the pin's level counts. NMI and INIT are edges even where the entry says otherwise, and SMI and ExtINT
    /// require edges ("Delivery Mode").
    fn is_level(&self) -> bool {
        let delivery = DeliveryMode::from_bits(self.low >> DELIVERY_SHIFT);
        self.low & LEVEL != 0 && matches!(delivery, Some(DeliveryMode::Fixed | DeliveryMode::LowestPriority))
    }

    fn is_pending(&self) -> bool {
        self.low & MASK == 0
            && if self.is_level() { self.is_asserted() && self.low & REMOTE_IRR == 0 } else { self.edge }
    }

    pub(super) fn send(&mut self) -> Option<Message> {
        if !self.is_pending() {
            return None;
        }
        self.edge = false;
        let trigger = if self.is_level() {
            self.low |= REMOTE_IRR;
            Trigger::Level
        } else {
            Trigger::Edge
        };
        let destination = (self.high >> 24) as u8;
        Some(Message::encode(self.low & LOGICAL != 0, destination, self.low >> DELIVERY_SHIFT, self.low as u8, trigger))
    }

    pub(super) fn awaits_end_of(&self, vector: u8) -> bool {
        self.low & REMOTE_IRR != 0 && self.low as u8 == vector
    }

    pub(super) fn end_of_interrupt(&mut self, vector: u8) {
        if self.awaits_end_of(vector) {
            self.low &= !REMOTE_IRR;
        }
    }

    pub(super) fn read(&self, high: bool) -> u32 {
        if high { self.high } else { self.low | if self.is_pending() { DELIVERY_STATUS } else { 0 } }
    }

    /// Writing makes no edge, whatever polarity it gives: only the pin does. It withdraws one that was not sent, if the
    /// entry is then masked or counts levels.
    pub(super) fn write(&mut self, high: bool, value: u32) {
        if high {
            self.high = value & WRITABLE_HIGH;
            return;
        }
        self.low = value & WRITABLE_LOW | self.low & REMOTE_IRR;
        // Without a level there is no end to wait for: system software resets remote IRR in this way where there is no EOI
        // register.
        if !self.is_level() {
            self.low &= !REMOTE_IRR;
        }
        if self.is_level() || self.low & MASK != 0 {
            self.edge = false;
        }
    }
}
