//! Interrupts by a file descriptor.

use super::{InterruptError, Interrupts, MsiMessage, refused};
use vmm_sys_util::eventfd::EventFd;

/// A file descriptor whose writes are interrupts; no more once it is dropped. KVM knows of it only where KVM emulates the
/// controller that it leads to.
#[derive(Debug)]
pub struct Irqfd {
    interrupts: Interrupts,
    to: Way,
}

/// Where an [`Irqfd`] leads.
#[derive(Debug)]
enum Way {
    /// To KVM.
    Kvm { event: EventFd, gsi: u32, owns_route: bool },
    /// To a local APIC of this VMM.
    Message(MsiMessage),
    /// To other interrupt controllers of this VMM.
    Line(u32),
}

impl Irqfd {
    pub(super) fn new(interrupts: Interrupts, gsi: u32, owns_route: bool) -> Result<Self, InterruptError> {
        let event = EventFd::new(libc::EFD_NONBLOCK | libc::EFD_CLOEXEC)
            .map_err(|source| InterruptError::Kvm { request: "an event file descriptor (eventfd)", source })?;
        interrupts.shared.vm.register_irqfd(&event, gsi).map_err(refused("KVM_IRQFD"))?;
        Ok(Self { interrupts, to: Way::Kvm { event, gsi, owns_route } })
    }

    pub(super) fn of_message(interrupts: Interrupts, message: MsiMessage) -> Self {
        Self { interrupts, to: Way::Message(message) }
    }

    pub(super) fn of_line(interrupts: Interrupts, line: u32) -> Self {
        Self { interrupts, to: Way::Line(line) }
    }

    /// Sends the interrupt.
    ///
    /// # Errors
    /// Those of a write to the file descriptor.
    pub fn signal(&self) -> Result<(), InterruptError> {
        match &self.to {
            Way::Kvm { event, .. } => {
                event.write(1).map_err(|source| InterruptError::Kvm { request: "a write to an irqfd", source })
            }
            Way::Message(message) => self.interrupts.signal_msi(*message).map(drop),
            Way::Line(line) => self.interrupts.pulse_line(*line),
        }
    }

    /// The file descriptor, for whoever else is to send it, if there is one.
    pub fn event(&self) -> Option<&EventFd> {
        match &self.to {
            Way::Kvm { event, .. } => Some(event),
            Way::Message(_) | Way::Line(_) => None,
        }
    }
}

impl Drop for Irqfd {
    fn drop(&mut self) {
        let Way::Kvm { event, gsi, owns_route } = &self.to else { return };
        // It fails only for what is not registered.
        let _ = self.interrupts.shared.vm.unregister_irqfd(event, *gsi);
        if *owns_route {
            self.interrupts.forget_route(*gsi);
        }
    }
}
