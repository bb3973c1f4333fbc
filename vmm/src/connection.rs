//! What a device is connected to when its VM is made.

use crate::{
    config::Notifications,
    devices::QueueEvents,
    faults::{Fault, virtio},
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
    notifications: Notifications,
    fault: Option<Fault>,
}

impl Connection {
    pub(crate) fn new(
        vm: Arc<VmFd>,
        interrupts: Interrupts,
        memory: GuestMemory,
        notifications: Notifications,
    ) -> Self {
        Self { vm, interrupts, memory, watched: Watched::default(), notifications, fault: None }
    }

    /// The same to a VM that is wrong in a way.
    pub(crate) fn with_fault(self, fault: Option<Fault>) -> Self {
        Self { fault, ..self }
    }

    /// The rule that virtio devices break, if they are to break one.
    pub(crate) fn virtio_fault(&self) -> Option<virtio::Fault> {
        match self.fault {
            Some(Fault::Virtio(fault)) => Some(fault),
            _ => None,
        }
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

    /// Events of the notifications of so many queues, if they are to be events and there are enough descriptors.
    pub(crate) fn queue_events(&self, nr_queues: usize) -> Option<QueueEvents> {
        match self.notifications {
            Notifications::Exits => None,
            Notifications::Events => QueueEvents::new(self.vm.clone(), nr_queues).ok(),
        }
    }

    /// Calls `watch` each time that more can be read from a file descriptor, from a thread that exists while the VM runs. The
    /// descriptor must stay open as long as the VM exists.
    pub fn watch(&mut self, descriptor: RawFd, watch: Arc<dyn Watch>) {
        self.watched.add(descriptor, watch);
    }

    /// One to the same VM, of which nothing is watched yet.
    pub(crate) fn another(&self) -> Self {
        let (vm, interrupts, memory) = (self.vm.clone(), self.interrupts.clone(), self.memory.clone());
        Self::new(vm, interrupts, memory, self.notifications).with_fault(self.fault)
    }

    /// What was to be watched until now.
    pub(crate) fn take_watched(&mut self) -> Watched {
        std::mem::take(&mut self.watched)
    }

    pub(crate) fn into_watched(self) -> Watched {
        self.watched
    }
}
