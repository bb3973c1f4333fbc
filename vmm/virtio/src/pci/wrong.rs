//! A function that breaks a rule.

use super::{VirtioFunction, registers::register};
use crate::{
    fault::{Fault, TransportFault},
    mmio::exchanged,
};

impl VirtioFunction {
    /// Lets it break a rule, from its first access on.
    pub fn set_fault(&mut self, fault: Fault) {
        self.fault = Fault::transport(Some(fault));
        self.common.set_fault(fault);
        if let Fault::Pci(fault) = fault {
            self.config.set_fault(fault);
            self.msix.set_fault(&mut self.config, fault);
        }
    }

    pub(super) fn is_set(&self, fault: TransportFault) -> bool {
        fault.is_set(self.fault)
    }

    /// Changes the ISR status, of what was set just now.
    pub(super) fn change_isr(&mut self) {
        self.isr = exchanged(self.fault, self.isr.into()) as u8;
    }

    /// How a register of the common structure reads instead.
    pub(super) fn wrongly_read(&self, fault: TransportFault, offset: u64, size: usize) -> u64 {
        let value = self.register(offset, size);
        let is_high = (register::QUEUE_AREAS..register::QUEUE_NOTIFY_DATA).contains(&offset) && offset & 4 != 0;
        match (fault, offset) {
            (TransportFault::AcceptedNotReadable, register::DRIVER_FEATURE)
            | (TransportFault::EnableNotReadable, register::QUEUE_ENABLE) => 0,
            (TransportFault::QueuesMiscounted, register::NUM_QUEUES) => value.saturating_sub(1),
            (TransportFault::SelectorOneBit, register::DEVICE_FEATURE) => {
                super::half(self.common.offered(), self.selectors.device_feature() & 1).into()
            }
            (TransportFault::HighHalfLost, _) if is_high => 0,
            _ => value,
        }
    }

    /// What is written to a register of the common structure; nothing if it is lost.
    pub(super) fn wrongly_written(fault: TransportFault, offset: u64, size: usize, value: u64) -> Option<u64> {
        let is_area = (register::QUEUE_AREAS..register::QUEUE_NOTIFY_DATA).contains(&offset);
        match fault {
            TransportFault::QueueSelectIgnored if offset == register::QUEUE_SELECT => None,
            TransportFault::HalvesDropped if is_area && size == 4 => None,
            TransportFault::HighHalfLost if is_area && size == 8 => Some(value & 0xffff_ffff),
            TransportFault::HighHalfLost if is_area && offset & 4 != 0 => None,
            _ => Some(value),
        }
    }
}
