//! Writes of the guest as events: no vCPU leaves the guest for one.

use super::{InterruptError, refused};
use kvm_ioctls::{IoEventAddress as Address, NoDatamatch, VmFd};
use std::sync::Arc;
use vmm_sys_util::eventfd::EventFd;

/// Where the guest writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IoEventAddress {
    /// A port.
    Port(u16),
    /// A guest physical address without memory.
    Memory(u64),
}

/// Which writes count; others go to the devices as ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IoEventMatch {
    /// All, of any width.
    Any,
    /// Those of this 8-bit value.
    U8(u8),
    /// Those of this 16-bit value.
    U16(u16),
    /// Those of this 32-bit value.
    U32(u32),
    /// Those of this 64-bit value.
    U64(u64),
}

/// A file descriptor that is readable once the guest has written; no more once it is dropped.
#[derive(Debug)]
pub struct IoEventFd {
    vm: Arc<VmFd>,
    event: Arc<EventFd>,
    address: IoEventAddress,
    matching: IoEventMatch,
}

impl IoEventFd {
    pub(crate) fn new(vm: Arc<VmFd>, address: IoEventAddress, matching: IoEventMatch) -> Result<Self, InterruptError> {
        let event = EventFd::new(libc::EFD_NONBLOCK | libc::EFD_CLOEXEC)
            .map_err(|source| InterruptError::Kvm { request: "an event file descriptor (eventfd)", source })?;
        Self::of_event(vm, Arc::new(event), address, matching)
    }

    /// The same with an event that there is already, and that may be that of several addresses one after the other.
    pub(crate) fn of_event(
        vm: Arc<VmFd>,
        event: Arc<EventFd>,
        address: IoEventAddress,
        matching: IoEventMatch,
    ) -> Result<Self, InterruptError> {
        let at = &to_kvm(address);
        match matching {
            IoEventMatch::Any => vm.register_ioevent(&event, at, NoDatamatch),
            IoEventMatch::U8(value) => vm.register_ioevent(&event, at, value),
            IoEventMatch::U16(value) => vm.register_ioevent(&event, at, value),
            IoEventMatch::U32(value) => vm.register_ioevent(&event, at, value),
            IoEventMatch::U64(value) => vm.register_ioevent(&event, at, value),
        }
        .map_err(refused("KVM_IOEVENTFD"))?;
        Ok(Self { vm, event, address, matching })
    }

    /// The file descriptor: reading it gives how many writes there were since it was last read.
    pub fn event(&self) -> &EventFd {
        &self.event
    }
}

fn to_kvm(address: IoEventAddress) -> Address {
    match address {
        IoEventAddress::Port(port) => Address::Pio(port.into()),
        IoEventAddress::Memory(address) => Address::Mmio(address),
    }
}

impl Drop for IoEventFd {
    fn drop(&mut self) {
        let at = &to_kvm(self.address);
        // It fails only for what is not registered.
        let _ = match self.matching {
            IoEventMatch::Any => self.vm.unregister_ioevent(&self.event, at, NoDatamatch),
            IoEventMatch::U8(value) => self.vm.unregister_ioevent(&self.event, at, value),
            IoEventMatch::U16(value) => self.vm.unregister_ioevent(&self.event, at, value),
            IoEventMatch::U32(value) => self.vm.unregister_ioevent(&self.event, at, value),
            IoEventMatch::U64(value) => self.vm.unregister_ioevent(&self.event, at, value),
        };
    }
}
