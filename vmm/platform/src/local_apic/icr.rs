//! The interrupt command register: what it sends.

use super::{LocalApic, Mode, errors::SEND_ILLEGAL_VECTOR};
use crate::fault::LocalApicFault;
use crate::message::{DeliveryMode, Destination, Identity, Trigger};
use serde::{Deserialize, Serialize};

/// Whom an [`Ipi`] is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Target {
    /// Whom the destination includes, the sender perhaps among them.
    Destination(Destination),
    /// Everybody.
    All,
    /// Everybody but the sender.
    Others,
}

/// An interrupt that a processor sends, always edge-triggered. The owner gives it to [`LocalApic::deliver`] of those it
/// [`Ipi::reaches`]; with lowest priority, to one of those that are enabled, by [`crate::message::lowest_priority`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ipi {
    /// Whom it is for.
    pub target: Target,
    /// What kind it is; never ExtINT.
    pub delivery: DeliveryMode,
    /// The vector, or the page to start at.
    pub vector: u8,
}

impl Ipi {
    /// Whether it is for a local APIC, which is the sender or not.
    pub const fn reaches(self, is_sender: bool, identity: Identity) -> bool {
        match self.target {
            Target::Destination(destination) => destination.includes(identity),
            Target::All => true,
            Target::Others => !is_sender,
        }
    }
}

const LOGICAL: u64 = 1 << 11;
const LEVEL_ASSERT: u64 = 1 << 14;
const TRIGGER_LEVEL: u64 = 1 << 15;

impl LocalApic {
    /// Sends what the register says, if that is one of the valid combinations.
    pub(super) fn send(&mut self) {
        let icr = self.icr;
        let vector = icr as u8;
        let delivery = match DeliveryMode::from_bits((icr >> 8) as u32) {
            Some(delivery) if delivery != DeliveryMode::ExtInt => delivery,
            _ => return,
        };
        // INIT level de-assert is "not supported in the Pentium 4 and Intel Xeon processors", and the trigger mode is of no
        // other use ("Interrupt Command Register (ICR)").
        if delivery == DeliveryMode::Init && icr & (TRIGGER_LEVEL | LEVEL_ASSERT) == TRIGGER_LEVEL {
            return;
        }
        let fixed = delivery == DeliveryMode::Fixed;
        let target = match icr >> 18 & 3 {
            0 => Target::Destination(self.destination()),
            1 if fixed => return self.send_to_self(vector),
            2 if fixed && self.breaks(LocalApicFault::AllLeavesOutSelf) => Target::Others,
            2 if fixed => Target::All,
            3 if self.breaks(LocalApicFault::OthersIncludeSelf) => Target::All,
            3 => Target::Others,
            _ => return,
        };
        self.check_sent(delivery, vector);
        let delivery = match delivery {
            DeliveryMode::LowestPriority if self.breaks(LocalApicFault::LowestGoesToAll) => DeliveryMode::Fixed,
            delivery => delivery,
        };
        self.ipi = Some(Ipi { target, delivery, vector });
    }

    /// What the self-IPI register and the shorthand of that name do.
    pub(super) fn send_to_self(&mut self, vector: u8) {
        self.check_sent(DeliveryMode::Fixed, vector);
        if !self.breaks(LocalApicFault::SelfIpiLost) {
            self.post(vector, Trigger::Edge);
        }
    }

    /// An illegal vector is sent all the same, and everybody who receives it notes that.
    fn check_sent(&mut self, delivery: DeliveryMode, vector: u8) {
        if matches!(delivery, DeliveryMode::Fixed | DeliveryMode::LowestPriority) && vector < 16 {
            self.detect(SEND_ILLEGAL_VECTOR);
        }
    }

    fn destination(&self) -> Destination {
        let logical = self.icr & LOGICAL != 0;
        if self.breaks(LocalApicFault::BroadcastIsNobody) && !logical && self.icr >> 56 == 0xff {
            return Destination::Physical(u32::MAX - 1);
        }
        match (self.mode(), logical) {
            (Mode::X2Apic, false) => Destination::Physical((self.icr >> 32) as u32),
            (Mode::X2Apic, true) if self.breaks(LocalApicFault::WrongCluster) => {
                Destination::Logical((self.icr >> 32) as u32 ^ 1 << 16)
            }
            (Mode::X2Apic, true) => Destination::Logical((self.icr >> 32) as u32),
            (Mode::XApic | Mode::Disabled, _) => Destination::narrow(logical, (self.icr >> 56) as u8),
        }
    }
}
