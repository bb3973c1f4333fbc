//! The page that a vCPU shares with KVM, for what kvm-ioctls does not hand out.

#![expect(
    unsafe_code,
    reason = "the page is a union that KVM writes to, and a signal handler writes to one byte of it"
)]
// UNSAFETY: volatile reads and writes of plain integers through one pointer, which `RunPage::new` takes from the mapping
// that the vCPU owns.

use kvm_bindings::{KVM_EXIT_INTERNAL_ERROR, KVM_EXIT_IO, kvm_run};
use kvm_ioctls::VcpuFd;
use std::{marker::PhantomData, ptr};

/// The page of one vCPU. It may be used only while the `VcpuFd` that it was made from lives: whoever owns both keeps
/// them together.
#[derive(Clone, Copy)]
pub(crate) struct RunPage {
    page: *mut kvm_run,
    // Not Send: the page is used by the thread that runs the vCPU, and by signal handlers on it.
    thread: PhantomData<*mut ()>,
}

impl RunPage {
    /// The page of `vcpu`.
    ///
    /// # Safety
    /// The page must not be used once `vcpu` is dropped.
    pub(crate) unsafe fn new(vcpu: &mut VcpuFd) -> Self {
        Self { page: vcpu.get_kvm_run(), thread: PhantomData }
    }

    /// Makes the next or the current KVM_RUN return at once with EINTR, or not. Safe in a signal handler.
    pub(crate) fn set_immediate_exit(self, value: bool) {
        // SAFETY: the page is mapped (see `new`), and the byte is only ever accessed as an integer.
        unsafe { ptr::addr_of_mut!((*self.page).immediate_exit).write_volatile(value.into()) }
    }

    /// Number of the last exit's reason.
    pub(crate) fn exit_reason(self) -> u32 {
        // SAFETY: the page is mapped (see `new`), and every value is one of the field.
        unsafe { ptr::addr_of!((*self.page).exit_reason).read_volatile() }
    }

    /// Size in bytes of one access of the last exit, if it was port I/O; else 1.
    pub(crate) fn port_access_size(self) -> usize {
        if self.exit_reason() != KVM_EXIT_IO {
            return 1;
        }
        // SAFETY: 1. the page is mapped (see `new`); 2. the reason says that this member of the union was written.
        let size = unsafe { ptr::addr_of!((*self.page).__bindgen_anon_1.io.size).read_volatile() };
        usize::from(size).max(1)
    }

    /// Sub-error and data of the last exit, if it was an internal error.
    pub(crate) fn internal_error(self) -> (u32, Vec<u64>) {
        if self.exit_reason() != KVM_EXIT_INTERNAL_ERROR {
            return (0, Vec::new());
        }
        // SAFETY: 1. the page is mapped (see `new`); 2. the reason says that this member of the union was written.
        let internal = unsafe { ptr::addr_of!((*self.page).__bindgen_anon_1.internal).read_volatile() };
        (internal.suberror, internal.data.iter().take(internal.ndata as usize).copied().collect())
    }
}
