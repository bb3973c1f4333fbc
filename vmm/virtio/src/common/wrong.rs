//! A device that breaks a rule of its status, features, queues or configuration.

use super::{Common, QueueRegisters, Status};
use crate::{
    Features,
    fault::{CommonFault, Fault},
};

impl Common {
    /// Lets it break a rule, from its first access on.
    pub fn set_fault(&mut self, fault: Fault) {
        self.fault = Some(fault);
        if self.is_set(CommonFault::SizeNoPowerOfTwo) {
            for queue in &mut self.queues {
                *queue = QueueRegisters::new(queue.size_max - 1);
            }
        }
    }

    pub(super) fn is_set(&self, fault: CommonFault) -> bool {
        fault.is_set(Fault::common(self.fault))
    }

    /// Whether the device uses buffers.
    pub(super) fn is_ready(&self) -> bool {
        self.status.contains(Status::DRIVER_OK) || self.is_set(CommonFault::DriverOkNotAwaited)
    }

    /// What is offered instead.
    pub(super) fn wrongly_offered(&self, offered: u64) -> u64 {
        let is_settled = self.status.contains(Status::FEATURES_OK);
        match self.fault {
            Some(Fault::Features(fault)) if fault.kind == self.device.kind() => offered ^ fault.xor,
            _ if is_settled && self.is_set(CommonFault::OfferedNarrows) => offered & self.accepted,
            _ => offered,
        }
    }

    /// The bits of a write of the status that count.
    pub(super) fn wrongly_stepped(&mut self, bits: u8) -> u8 {
        if self.is_set(CommonFault::StatusForgetsSteps) && bits & 3 == 3 {
            self.status -= Status::ACKNOWLEDGE;
            return bits & !Status::ACKNOWLEDGE.bits();
        }
        if self.is_set(CommonFault::FailedLost) { bits & !Status::FAILED.bits() } else { bits }
    }

    /// A reset that leaves something.
    pub(super) fn reset_wrongly(&mut self) {
        let (status, queues) = (self.status, self.queues.clone());
        let rings = self.is_set(CommonFault::ResetKeepsRings).then(|| std::mem::take(&mut self.rings));
        if rings.is_some() {
            self.rings = self.queues.iter().map(|_| None).collect();
        }
        self.reset();
        if self.is_set(CommonFault::ResetKeepsStatus) {
            self.status = status;
        }
        if self.is_set(CommonFault::ResetKeepsQueues) {
            self.queues = queues;
        }
        if let Some(rings) = rings {
            // As if the driver had never asked.
            self.rings = rings;
            self.status = status & Status::DRIVER_OK;
        }
    }

    /// Whether a queue is not put into use though it should be.
    pub(super) fn loses_enable(&self, queue: usize) -> bool {
        self.is_set(CommonFault::EnableLost) || queue != 0 && self.is_set(CommonFault::OtherQueuesLost)
    }

    /// Whether the reset of a queue does something else.
    pub(super) fn resets_queue_wrongly(&mut self, queue: usize) -> bool {
        if self.is_set(CommonFault::QueueResetOfAll) {
            self.rings.iter_mut().for_each(|ring| *ring = None);
        }
        if self.is_set(CommonFault::QueueResetKeepsRing)
            && let Some(registers) = self.queues.get_mut(queue)
        {
            *registers = QueueRegisters::new(registers.size_max);
            return true;
        }
        self.is_set(CommonFault::QueueResetIgnored)
    }

    /// Size and features that a ring is made with.
    pub(super) fn wrongly_made(&self, registers: QueueRegisters) -> (u16, Features) {
        let size = if self.is_set(CommonFault::SizeIgnored) { registers.size_max } else { registers.size };
        let is_forgotten = self.is_set(CommonFault::AcceptedForgotten);
        (size, if is_forgotten { Features::VERSION_1 } else { self.features() })
    }

    /// The queue that a notification is taken for.
    pub(super) fn wrongly_notified(&mut self, queue: usize) -> usize {
        if self.is_set(CommonFault::GenerationRuns) {
            self.generation = self.generation.wrapping_add(1);
        }
        if self.is_set(CommonFault::NotifiesFirst) { 0 } else { queue }
    }

    /// By how much the generation goes on with a change of the configuration, and whether the driver is told.
    pub(super) fn wrongly_changed(&self) -> (u8, bool) {
        (u8::from(!self.is_set(CommonFault::GenerationStuck)), !self.is_set(CommonFault::ConfigChangeSilent))
    }

    /// Changes what was read of the configuration.
    pub(super) fn change_config_read(&self, offset: usize, data: &mut [u8]) {
        match self.fault {
            Some(Fault::Config(fault)) if fault.kind == self.device.kind() => {
                if let Some(byte) = fault.offset.checked_sub(offset).and_then(|at| data.get_mut(at)) {
                    *byte ^= fault.xor;
                }
            }
            Some(Fault::Common(CommonFault::ConfigOneByteOn)) => self.device.read_config(offset + 1, data),
            _ => {}
        }
    }
}
