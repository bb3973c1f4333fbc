//! Interrupts by a file descriptor.

use super::{InterruptError, Interrupts, refused};
use std::io;
use vmm_sys_util::eventfd::EventFd;

/// A file descriptor whose writes are interrupts; no more once it is dropped.
#[derive(Debug)]
pub struct Irqfd {
    interrupts: Interrupts,
    event: EventFd,
    gsi: u32,
    owns_route: bool,
}

impl Irqfd {
    pub(super) fn new(interrupts: Interrupts, gsi: u32, owns_route: bool) -> Result<Self, InterruptError> {
        let event = EventFd::new(libc::EFD_NONBLOCK | libc::EFD_CLOEXEC)
            .map_err(|source| InterruptError::Kvm { request: "an event file descriptor (eventfd)", source })?;
        interrupts.shared.vm.register_irqfd(&event, gsi).map_err(refused("KVM_IRQFD"))?;
        Ok(Self { interrupts, event, gsi, owns_route })
    }

    /// Sends the interrupt.
    ///
    /// # Errors
    /// Those of a write to the file descriptor.
    pub fn signal(&self) -> io::Result<()> {
        self.event.write(1)
    }

    /// The file descriptor, for whoever else is to send it.
    pub fn event(&self) -> &EventFd {
        &self.event
    }
}

impl Drop for Irqfd {
    fn drop(&mut self) {
        // It fails only for what is not registered.
        let _ = self.interrupts.shared.vm.unregister_irqfd(&self.event, self.gsi);
        if self.owns_route {
            self.interrupts.forget_route(self.gsi);
        }
    }
}
