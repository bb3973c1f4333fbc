//! Which pages of guest memory were written: by the guest and by KVM, which tells, and by this VMM, which notes it.
//!
//! virtio devices write without telling ([`DirtyPages::is_complete`]).
//!
//! Source: Linux, "Documentation/virt/kvm/api.rst" §§ KVM_GET_DIRTY_LOG, KVM_CAP_DIRTY_LOG_RING and KVM_RESET_DIRTY_RINGS.

#![expect(unsafe_code, reason = "kvm-ioctls has no KVM_RESET_DIRTY_RINGS")]
// UNSAFETY: one ioctl without an argument.

mod pages;
mod ring;

pub use pages::PageSet;
pub(crate) use pages::WriteLog;

use crate::{
    create::{VmError, refused, set_memory},
    host::Hypervisor,
    layout::PAGE_SIZE,
    memory::GuestMemory,
};
use kvm_bindings::{KVM_CAP_DIRTY_LOG_RING, kvm_enable_cap};
use kvm_ioctls::{Cap, VcpuFd, VmFd};
use ring::Ring;
use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};
use vmm_sys_util::ioctl::ioctl;

vmm_sys_util::ioctl_io_nr!(KVM_RESET_DIRTY_RINGS, kvm_bindings::KVMIO, 0xc7);

/// Exits of a vCPU whose ring has no room left; the run ends as suspended.
pub(crate) const RING_FULL: u32 = kvm_bindings::KVM_EXIT_DIRTY_RING_FULL;

/// How KVM tells of dirty pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DirtyMethod {
    /// By a bitmap (KVM_GET_DIRTY_LOG).
    Log,
    /// By a ring for each vCPU (KVM_CAP_DIRTY_LOG_RING). A run ends with [`crate::StopReason::Suspended`] when one is full; call
    /// [`DirtyPages::harvest`] and run the VM again.
    Ring,
}

impl DirtyMethod {
    /// Whether this host's KVM offers it.
    pub fn is_offered(self, hypervisor: &Hypervisor) -> bool {
        match self {
            Self::Log => true,
            Self::Ring => hypervisor.kvm.check_extension_int(Cap::DirtyLogRing) >= ring::SIZE_BYTES as i32,
        }
    }
}

/// Whether dirty pages can be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DirtyTracking {
    /// No.
    #[default]
    Off,
    /// Once [`DirtyPages::start`] was called.
    OnDemand(DirtyMethod),
    /// From the start. A slot of memory that is changed later can cost more than all else, see the invariant in lib.rs.
    Always(DirtyMethod),
}

impl DirtyTracking {
    pub(crate) fn method(self) -> Option<DirtyMethod> {
        match self {
            Self::Off => None,
            Self::OnDemand(method) | Self::Always(method) => Some(method),
        }
    }

    /// Asks KVM for rings; before the vCPUs are made.
    pub(crate) fn prepare(self, fd: &VmFd) -> Result<(), VmError> {
        if self.method() != Some(DirtyMethod::Ring) {
            return Ok(());
        }
        if fd.check_extension_raw(KVM_CAP_DIRTY_LOG_RING.into()) < ring::SIZE_BYTES as i32 {
            return Err(VmError::MissingCapability { name: "KVM_CAP_DIRTY_LOG_RING" });
        }
        let mut capability = kvm_enable_cap { cap: KVM_CAP_DIRTY_LOG_RING, ..Default::default() };
        capability.args[0] = ring::SIZE_BYTES as u64;
        fd.enable_cap(&capability).map_err(refused("KVM_ENABLE_CAP of KVM_CAP_DIRTY_LOG_RING"))
    }
}

/// Why dirty pages could not be told.
#[derive(Debug, thiserror::Error)]
#[error("KVM refused {request}")]
pub struct DirtyError {
    /// The request in the kernel's terms.
    pub request: &'static str,
    /// Why.
    pub source: io::Error,
}

fn denied(request: &'static str) -> impl Fn(kvm_ioctls::Error) -> DirtyError {
    move |error| DirtyError { request, source: error.into() }
}

/// The dirty pages of a VM, by any thread, also while it runs.
#[derive(Debug)]
pub struct DirtyPages {
    fd: Arc<VmFd>,
    memory: GuestMemory,
    written: Arc<WriteLog>,
    tracking: DirtyTracking,
    rings: Mutex<Vec<Ring>>,
}

impl DirtyPages {
    /// Those of a VM, if its memory has a log of writes.
    pub(crate) fn new(
        fd: &Arc<VmFd>,
        memory: &GuestMemory,
        tracking: DirtyTracking,
        vcpus: &[VcpuFd],
    ) -> Result<Option<Self>, VmError> {
        let Some(written) = memory.written().cloned() else { return Ok(None) };
        let rings = match tracking.method() {
            Some(DirtyMethod::Ring) => vcpus.iter().map(Ring::new).collect::<io::Result<_>>(),
            _ => Ok(Vec::new()),
        };
        let rings = rings.map_err(|source| VmError::Kvm { request: "a mapping of a dirty ring", source })?;
        Ok(Some(Self { fd: fd.clone(), memory: memory.clone(), written, tracking, rings: Mutex::new(rings) }))
    }

    /// From now on pages are told that are written after this.
    ///
    /// # Errors
    /// Those of KVM_SET_USER_MEMORY_REGION, KVM_GET_DIRTY_LOG and KVM_RESET_DIRTY_RINGS.
    pub fn start(&self) -> Result<(), DirtyError> {
        if matches!(self.tracking, DirtyTracking::OnDemand(_)) {
            set_memory(&self.fd, &self.memory, true).map_err(denied("KVM_SET_USER_MEMORY_REGION"))?;
        }
        self.take().map(|_| ())
    }

    /// The guest need not tell any more, unless it always does.
    ///
    /// # Errors
    /// Those of KVM_SET_USER_MEMORY_REGION.
    pub fn stop(&self) -> Result<(), DirtyError> {
        match self.tracking {
            DirtyTracking::OnDemand(_) => {
                set_memory(&self.fd, &self.memory, false).map_err(denied("KVM_SET_USER_MEMORY_REGION"))
            }
            _ => Ok(()),
        }
    }

    /// Whether all that write tell: virtio devices do not. If not, whoever wants the whole memory takes all pages once nobody
    /// runs.
    pub fn is_complete(&self) -> bool {
        !self.written.has_others()
    }

    /// Makes room in the rings; what stood there is kept for [`Self::take`].
    ///
    /// # Errors
    /// Those of KVM_RESET_DIRTY_RINGS.
    pub fn harvest(&self) -> Result<(), DirtyError> {
        let mut rings = self.rings.lock().unwrap_or_else(PoisonError::into_inner);
        if rings.is_empty() {
            return Ok(());
        }
        // Noted before KVM tells of them anew, and so before whoever takes the set copies them.
        let slots: Vec<_> = self.memory.slots().collect();
        let mut tell = |slot: u32, number: u64| {
            if let Some(slot) = slots.iter().find(|of| of.number == slot & 0xffff) {
                self.written.note_page(slot.range.address / PAGE_SIZE + number);
            }
        };
        rings.iter_mut().for_each(|ring| ring.harvest(&mut tell));
        // SAFETY: the request has no argument.
        match unsafe { ioctl(&*self.fd, KVM_RESET_DIRTY_RINGS()) } {
            0.. => Ok(()),
            _ => Err(denied("KVM_RESET_DIRTY_RINGS")(kvm_ioctls::Error::last())),
        }
    }

    /// The pages that were written since the last call, or since the start. Copy them after this: what is written meanwhile is told
    /// by the next call.
    ///
    /// # Errors
    /// Those of KVM_GET_DIRTY_LOG and KVM_RESET_DIRTY_RINGS.
    pub fn take(&self) -> Result<PageSet, DirtyError> {
        self.harvest()?;
        let mut pages = self.written.take();
        if self.tracking.method() == Some(DirtyMethod::Log) {
            for slot in self.memory.slots().filter(|slot| !slot.is_read_only) {
                let size_bytes = slot.range.size_bytes as usize;
                let words = self.fd.get_dirty_log(slot.number, size_bytes).map_err(denied("KVM_GET_DIRTY_LOG"))?;
                pages.add_words(slot.range.address, &words);
            }
        }
        Ok(pages)
    }
}
