//! Notifications of a virtio device's queues as events: a thread serves them, and no vCPU leaves the guest for one.

use crate::interrupts::{IoEventAddress, IoEventFd, IoEventMatch};
use kvm_ioctls::VmFd;
use std::{
    io,
    os::fd::{AsRawFd, RawFd},
    sync::Arc,
};
use vmm_sys_util::eventfd::EventFd;

/// An event for each queue, and where the guest's writes signal it now. They are told by edges, so nobody has to read them.
pub(crate) struct QueueEvents {
    vm: Arc<VmFd>,
    events: Vec<Arc<EventFd>>,
    place: Option<u64>,
    registered: Vec<IoEventFd>,
}

impl QueueEvents {
    /// Events that nothing signals yet.
    pub(crate) fn new(vm: Arc<VmFd>, nr_queues: usize) -> io::Result<Self> {
        let event = |_| EventFd::new(libc::EFD_NONBLOCK | libc::EFD_CLOEXEC).map(Arc::new);
        let events = (0..nr_queues).map(event).collect::<io::Result<_>>()?;
        Ok(Self { vm, events, place: None, registered: Vec::new() })
    }

    /// The descriptor of each queue's event.
    pub(crate) fn descriptors(&self) -> Vec<RawFd> {
        self.events.iter().map(|event| event.as_raw_fd()).collect()
    }

    /// All queues, a bit each.
    pub(crate) fn all(&self) -> u64 {
        (0..self.events.len()).fold(0, |all, queue| all | 1 << queue)
    }

    /// Signals the events of these queues, a bit each: there is more to do in them.
    pub(crate) fn signal(&self, queues: u64) {
        for (queue, event) in self.events.iter().enumerate() {
            if queues >> queue & 1 != 0 {
                // It fails only when it was signalled so often that one more makes no difference.
                let _ = event.write(1);
            }
        }
    }

    /// From now on writes at `base` and each next `distance` bytes signal the queues in order, or nothing does. What KVM refuses,
    /// such as an address that is another device's already, stays an exit.
    pub(crate) fn set_addresses(&mut self, base: Option<u64>, distance: u64) {
        if self.place == base {
            return;
        }
        // Those of before go first: the new ones may overlap them.
        self.registered.clear();
        self.place = base;
        let Some(base) = base else { return };
        let addresses = (0..).map(|queue: u64| base.wrapping_add(queue * distance));
        for (event, address) in self.events.clone().into_iter().zip(addresses) {
            self.register(event, address, IoEventMatch::Any);
        }
    }

    /// Writes of the number of a queue at `address` signal that queue, in 32 bits.
    pub(crate) fn set_values(&mut self, address: u64) {
        for (event, queue) in self.events.clone().into_iter().zip(0..) {
            self.register(event, address, IoEventMatch::U32(queue));
        }
    }

    fn register(&mut self, event: Arc<EventFd>, address: u64, matching: IoEventMatch) {
        let made = IoEventFd::of_event(self.vm.clone(), event, IoEventAddress::Memory(address), matching);
        self.registered.extend(made.ok());
    }
}
