//! Wires from a device to an interrupt controller.

use super::{InterruptError, Interrupts, Irqfd, MsiMessage};
use std::sync::atomic::{AtomicBool, Ordering};

/// Where an output of a device leads. A device sets levels, and knows nothing of what stands at the other end.
pub trait InterruptLine: Send + Sync {
    /// Sets the level. What makes an interrupt, a level or an edge, is the controller's to say.
    ///
    /// # Errors
    /// Those of KVM.
    fn set(&self, asserted: bool) -> Result<(), InterruptError>;

    /// Raises and lowers it.
    ///
    /// # Errors
    /// As [`Self::set`].
    fn pulse(&self) -> Result<(), InterruptError> {
        self.set(true)?;
        self.set(false)
    }
}

/// A line of the interrupt controllers (KVM_IRQ_LINE where they are KVM's).
#[derive(Clone, Debug)]
pub struct ControllerLine {
    interrupts: Interrupts,
    line: u32,
}

impl ControllerLine {
    pub(super) fn new(interrupts: Interrupts, line: u32) -> Self {
        Self { interrupts, line }
    }
}

impl InterruptLine for ControllerLine {
    fn set(&self, asserted: bool) -> Result<(), InterruptError> {
        self.interrupts.set_line(self.line, asserted)
    }

    fn pulse(&self) -> Result<(), InterruptError> {
        self.interrupts.pulse_line(self.line)
    }
}

/// A wire whose rising edge sends a message (KVM_SIGNAL_MSI).
#[derive(Debug)]
pub struct MessageLine {
    interrupts: Interrupts,
    message: MsiMessage,
    is_asserted: AtomicBool,
}

impl MessageLine {
    pub(super) fn new(interrupts: Interrupts, message: MsiMessage) -> Self {
        Self { interrupts, message, is_asserted: AtomicBool::new(false) }
    }
}

impl InterruptLine for MessageLine {
    fn set(&self, asserted: bool) -> Result<(), InterruptError> {
        let was_asserted = self.is_asserted.swap(asserted, Ordering::SeqCst);
        if asserted && !was_asserted {
            // A local APIC that is switched off loses it, as in a PC.
            self.interrupts.signal_msi(self.message)?;
        }
        Ok(())
    }
}

/// The rising edge is a write to the file descriptor.
impl InterruptLine for Irqfd {
    fn set(&self, asserted: bool) -> Result<(), InterruptError> {
        match asserted {
            true => self.signal(),
            false => Ok(()),
        }
    }
}
