//! One redirection entry with its pin.

use crate::fault::IoApicFault;
use crate::message::{DeliveryMode, Message, Trigger};
use serde::{Deserialize, Serialize};

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// The writable bits of the low half, and remote IRR.
    low: u32,
    high: u32,
    line: bool,
    /// An edge that has not been sent.
    edge: bool,
    #[serde(skip)]
    pub(super) fault: Option<IoApicFault>,
}

impl Entry {
    pub(super) const fn new() -> Self {
        Self { low: MASK, high: 0, line: false, edge: false, fault: None }
    }

    const fn breaks(&self, fault: IoApicFault) -> bool {
        fault.is_set(self.fault)
    }

    /// Breaks a rule from now on.
    pub(super) fn set_fault(&mut self, fault: IoApicFault) {
        self.fault = Some(fault);
        if fault == IoApicFault::ResetUnmasked {
            self.low &= !MASK;
        }
    }

    const fn is_masked(&self) -> bool {
        self.low & MASK != 0 && !self.breaks(IoApicFault::MaskIgnored)
    }

    pub(super) fn set_line(&mut self, high: bool) {
        let before = self.is_asserted();
        self.line = high;
        // "Edge-sensitive interrupts signaled on a masked interrupt pin are ignored (i.e., not delivered or held pending)"
        // ("Interrupt Mask").
        let is_heard = !self.is_masked() || self.breaks(IoApicFault::EdgesHeldWhileMasked);
        self.edge |= self.is_asserted() && !before && is_heard && !self.is_level();
    }

    fn is_asserted(&self) -> bool {
        self.line != (self.low & ACTIVE_LOW != 0 && !self.breaks(IoApicFault::PolarityIgnored))
    }

    /// Whether the pin's level counts. NMI and INIT are edges even where the entry says otherwise, and SMI and ExtINT
    /// require edges ("Delivery Mode").
    fn is_level(&self) -> bool {
        let delivery = DeliveryMode::from_bits(self.low >> DELIVERY_SHIFT);
        self.low & LEVEL != 0 && matches!(delivery, Some(DeliveryMode::Fixed | DeliveryMode::LowestPriority))
    }

    fn is_pending(&self) -> bool {
        !self.is_masked() && if self.is_level() { self.is_asserted() && self.low & REMOTE_IRR == 0 } else { self.edge }
    }

    pub(super) fn send(&mut self) -> Option<Message> {
        if !self.is_pending() {
            return None;
        }
        self.edge = false;
        let trigger = if self.is_level() {
            if !self.breaks(IoApicFault::RemoteIrrNeverSet) {
                self.low |= REMOTE_IRR;
            }
            if self.breaks(IoApicFault::AlwaysEdge) { Trigger::Edge } else { Trigger::Level }
        } else {
            Trigger::Edge
        };
        if self.breaks(IoApicFault::RemoteIrrNeverSet) && trigger == Trigger::Level {
            // Once for each rise, or it would send forever.
            self.line = !self.line;
        }
        let narrow = if self.breaks(IoApicFault::DestinationNarrow) { 0x7f } else { 0xff };
        let destination = (self.high >> 24) as u8 & narrow;
        let is_logical = self.low & LOGICAL != 0 && !self.breaks(IoApicFault::AlwaysPhysical);
        let delivery = if self.breaks(IoApicFault::AlwaysFixed) { 0 } else { self.low >> DELIVERY_SHIFT };
        let vector = (self.low as u8).wrapping_add(self.breaks(IoApicFault::VectorOffByOne).into());
        Some(Message::encode(is_logical, destination, delivery, vector, trigger))
    }

    pub(super) fn awaits_end_of(&self, vector: u8) -> bool {
        self.low & REMOTE_IRR != 0 && self.low as u8 == vector
    }

    pub(super) fn end_of_interrupt(&mut self, vector: u8) {
        if self.awaits_end_of(vector) && !self.breaks(IoApicFault::EndIgnored) {
            self.low &= !REMOTE_IRR;
            if self.breaks(IoApicFault::LevelSentOnce) && self.is_asserted() {
                self.line = !self.line;
            }
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
        let more = if self.breaks(IoApicFault::RemoteIrrWritable) { REMOTE_IRR } else { 0 };
        self.low = value & (WRITABLE_LOW | more) | self.low & REMOTE_IRR & !more;
        // Without a level there is no end to wait for: system software resets remote IRR in this way where there is no EOI
        // register.
        if !self.is_level() {
            self.low &= !REMOTE_IRR | more;
        }
        if self.is_level() || self.is_masked() {
            self.edge = false;
        }
    }
}
