//! Registers in memory that break a rule.

use super::{CONFIGURATION_CHANGE, Mmio, USED_BUFFER, register};
use crate::fault::{Fault, TransportFault};

impl Mmio {
    /// Lets it break a rule, from its first access on.
    pub fn set_fault(&mut self, fault: Fault) {
        self.fault = Fault::transport(Some(fault));
        self.common.set_fault(fault);
    }

    /// Changes the interrupt status, of what was set just now.
    pub(super) fn change_interrupt_status(&mut self) {
        self.interrupt_status = exchanged(self.fault, self.interrupt_status);
    }

    /// Changes what was read of a register.
    pub(super) fn change_read(&mut self, offset: u64, data: &mut [u8; 4]) {
        match (offset, self.fault) {
            (register::INTERRUPT_STATUS, Some(TransportFault::InterruptStatusClearedByReads)) => {
                self.interrupt_status = 0;
            }
            (register::QUEUE_READY, Some(TransportFault::EnableNotReadable)) => *data = [0; 4],
            (register::DEVICE_FEATURES, Some(TransportFault::SelectorOneBit)) => {
                *data = super::half(self.common.offered(), self.device_features_select & 1).to_le_bytes();
            }
            _ => {}
        }
    }

    /// What is written to a register; nothing if it is lost.
    pub(super) fn wrongly_written(&self, fault: TransportFault, offset: u64, value: u32) -> Option<u32> {
        let is_high = (register::QUEUE_AREAS..register::SHARED_MEMORY_LENGTH).contains(&offset) && offset & 4 != 0;
        match (offset, fault) {
            (register::INTERRUPT_ACKNOWLEDGE, TransportFault::InterruptStatusStays)
            | (register::QUEUE_SELECT, TransportFault::QueueSelectIgnored) => None,
            (register::INTERRUPT_ACKNOWLEDGE, TransportFault::AcknowledgesAll) => Some(u32::MAX),
            (_, TransportFault::HighHalfLost) if is_high => None,
            _ => Some(value),
        }
    }
}

/// The causes of an interrupt as they are told instead.
pub(crate) fn exchanged(fault: Option<TransportFault>, causes: u32) -> u32 {
    match fault {
        Some(TransportFault::InterruptStatusNeverSet) => 0,
        Some(TransportFault::ConfigurationCauseMissing) => causes & !CONFIGURATION_CHANGE,
        // One alone: what was exchanged before stays so.
        Some(TransportFault::CausesExchanged) if causes == USED_BUFFER => CONFIGURATION_CHANGE,
        _ => causes,
    }
}
