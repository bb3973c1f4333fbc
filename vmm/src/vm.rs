//! A VM between its making and its end.

use crate::{
    bus::Bus,
    control::{Control, VmHandle},
    dirty::DirtyPages,
    faults::SavedFault,
    interrupts::{InterruptError, Interrupts, IoEventAddress, IoEventFd, IoEventMatch},
    memory::GuestMemory,
    platform::Platform,
    save::Shape,
    spares::Spares,
    state::CpuState,
    statistics,
    vcpu::Unfinished,
    watch::Watched,
};
use kvm_ioctls::{VcpuFd, VmFd};
use std::{fmt, io, sync::Arc};

/// A VM; everything that it holds in the kernel goes when it is dropped.
pub struct Vm {
    // The order matters: vCPUs and VM go before the memory they use.
    pub(crate) vcpus: Vec<VcpuFd>,
    /// One for each of them.
    pub(crate) unfinished: Vec<Unfinished>,
    /// Those that come and go.
    pub(crate) spares: Option<Arc<Spares>>,
    pub(crate) fd: Arc<VmFd>,
    pub(crate) interrupts: Interrupts,
    pub(crate) memory: GuestMemory,
    pub(crate) bus: Bus,
    pub(crate) platform: Option<Arc<Platform>>,
    pub(crate) watched: Watched,
    pub(crate) control: Arc<Control>,
    pub(crate) shape: Shape,
    pub(crate) dirty: Option<Arc<DirtyPages>>,
    /// What gets lost when it is saved.
    pub(crate) loses: Option<SavedFault>,
}

impl Vm {
    /// Guest memory. Clones of it may outlive the VM.
    pub fn memory(&self) -> &GuestMemory {
        &self.memory
    }

    /// The pages that are written, unless [`crate::VmConfig::tracking`] is off.
    pub fn dirty_pages(&self) -> Option<&Arc<DirtyPages>> {
        self.dirty.as_ref()
    }

    /// A handle to pause and end the run from another thread.
    pub fn handle(&self) -> VmHandle {
        let platform = self.platform.as_ref().map(Arc::downgrade).unwrap_or_default();
        let spares = self.spares.as_ref().map(Arc::downgrade).unwrap_or_default();
        VmHandle { control: self.control.clone(), platform, spares }
    }

    /// Ways into the interrupt controllers that KVM emulates.
    pub fn interrupts(&self) -> &Interrupts {
        &self.interrupts
    }

    /// Makes the guest's writes at `address` an event instead of an exit.
    ///
    /// # Errors
    /// Those of KVM_IOEVENTFD.
    pub fn ioeventfd(&self, address: IoEventAddress, matching: IoEventMatch) -> Result<IoEventFd, InterruptError> {
        IoEventFd::new(self.fd.clone(), address, matching)
    }

    /// Registers of vCPU `index`, or `None` if there is no such vCPU; those that come and go are none.
    ///
    /// # Errors
    /// Those of KVM_GET_REGS and KVM_GET_SREGS.
    pub fn cpu_state(&self, index: u8) -> Option<io::Result<CpuState>> {
        self.vcpus.get(usize::from(index)).map(CpuState::read)
    }

    /// KVM's statistics by name, those of vCPUs that are there for good summed; empty where the kernel has none (before Linux 5.14).
    pub fn statistics(&self) -> Vec<(String, u64)> {
        statistics::collect(&self.fd, &self.vcpus)
    }
}

impl fmt::Debug for Vm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vm").field("fd", &self.fd).field("vcpus", &self.vcpus).finish_non_exhaustive()
    }
}
