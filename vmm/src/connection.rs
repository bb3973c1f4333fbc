//! What a device is connected to when its VM is made.

use crate::{
    interrupts::{InterruptError, Interrupts, IoEventAddress, IoEventFd, IoEventMatch},
    memory::GuestMemory,
    watch::{Watch, Watched},
};
use kvm_ioctls::VmFd;
use std::{os::fd::RawFd, sync::Arc};

/// Interrupt controllers, memory and file descriptors of the VM that a device belongs to.
pub struct Connection {
    vm: Arc<VmFd>,
    interrupts: Interrupts,
    memory: GuestMemory,
    watched: Watched,
}

impl Connection {
    pub(crate) fn new(vm: Arc<VmFd>, interrupts: Interrupts, memory: GuestMemory) -> Self {
        Self { vm, interrupts, memory, watched: Watched::default() }
    }

    /// The interrupt controllers.
    pub fn interrupts(&self) -> &Interrupts {
        &self.interrupts
    }

    /// Guest memory.
    pub fn memory(&self) -> &GuestMemory {
        &self.memory
    }

    /// Makes the guest's writes at `address` an event instead of an exit.
    ///
    /// # Errors
    /// Those of KVM_IOEVENTFD.
    pub fn ioeventfd(&self, address: IoEventAddress, matching: IoEventMatch) -> Result<IoEventFd, InterruptError> {
        IoEventFd::new(self.vm.clone(), address, matching)
    }

    /// Calls `watch` each time that more can be read from a file descriptor, from a thread that exists while the VM runs. The
    /// descriptor must stay open as long as the VM exists.
    pub fn watch(&mut self, descriptor: RawFd, watch: Arc<dyn Watch>) {
        self.watched.add(descriptor, watch);
    }

    pub(crate) fn into_watched(self) -> Watched {
        self.watched
    }
}
