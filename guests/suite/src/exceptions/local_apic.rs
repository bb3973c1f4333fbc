//! The local APIC in xAPIC mode, as far as interrupts to the processor itself need it.
//!
//! Source: SDM vol. 3A, "Local APIC".

use rt::local_apic::{self, register::Register};

/// The local APIC, enabled.
#[derive(Debug)]
pub(crate) struct LocalApic(local_apic::LocalApic);

impl LocalApic {
    /// Sets its software enable bit, and the task priority to 0.
    pub(crate) fn new() -> Self {
        Self(local_apic::LocalApic::enabled())
    }

    /// Sends an interrupt to the processor itself.
    pub(crate) fn send(&self, vector: u8) {
        self.0.send_to_self(vector);
    }

    /// Sends an NMI to the processor itself.
    pub(crate) fn send_nmi(&self) {
        self.0.send_nmi_to_self();
    }

    /// Whether an interrupt waits.
    pub(crate) fn is_requested(&self, vector: u8) -> bool {
        self.0.is_requested(vector)
    }

    /// Whether an interrupt was delivered and not ended.
    pub(crate) fn is_in_service(&self, vector: u8) -> bool {
        self.0.is_in_service(vector)
    }

    /// Ends the interrupt in service.
    pub(crate) fn end_interrupt(&self) {
        self.0.end_interrupt();
    }

    /// Writes the task-priority register.
    pub(crate) fn set_task_priority(&self, class: u8) {
        self.0.write(Register::TPR, u32::from(class) << 4);
    }

    /// Reads the class in it.
    pub(crate) fn task_priority(&self) -> u32 {
        self.0.read(Register::TPR) >> 4
    }
}
