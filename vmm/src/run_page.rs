//! The page that a vCPU shares with KVM, for what kvm-ioctls does not hand out.

#![expect(
    unsafe_code,
    reason = "the page is a union that KVM writes to, and a signal handler writes to one byte of it"
)]
// UNSAFETY: volatile reads and writes of plain integers through one pointer, which `RunPage::new` takes from the mapping
// that the vCPU owns.

use kvm_bindings::{KVM_EXIT_INTERNAL_ERROR, KVM_EXIT_IO, KVM_EXIT_X86_RDMSR, KVM_EXIT_X86_WRMSR, kvm_run};
use kvm_ioctls::VcpuFd;
use std::ptr::{self, NonNull};

/// The page of one vCPU. It may be used only while the `VcpuFd` that it was made from lives: whoever owns both keeps
/// them together.
#[derive(Clone, Copy)]
pub(crate) struct RunPage {
    // A raw pointer, which is not Send either: the page is for the thread that runs the vCPU, and for signal handlers
    // on it.
    page: NonNull<kvm_run>,
}

// A signal handler may come between any two instructions: it must never see a half of this.
const _: () = assert!(size_of::<Option<RunPage>>() == size_of::<usize>());

impl RunPage {
    /// The page of `vcpu`.
    ///
    /// # Safety
    /// The page must not be used once `vcpu` is dropped.
    pub(crate) unsafe fn new(vcpu: &mut VcpuFd) -> Self {
        Self { page: NonNull::from(vcpu.get_kvm_run()) }
    }

    /// Makes the next or the current KVM_RUN return at once with EINTR, or not. Safe in a signal handler.
    pub(crate) fn set_immediate_exit(self, value: bool) {
        // SAFETY: the page is mapped (see `new`), and the byte is only ever accessed as an integer.
        unsafe { ptr::addr_of_mut!((*self.page.as_ptr()).immediate_exit).write_volatile(value.into()) }
    }

    /// Makes the guest leave as soon as it can take an external interrupt (KVM_EXIT_IRQ_WINDOW_OPEN), or not.
    pub(crate) fn set_request_interrupt_window(self, value: bool) {
        // SAFETY: the page is mapped (see `new`), and the byte is only ever accessed as an integer.
        unsafe { ptr::addr_of_mut!((*self.page.as_ptr()).request_interrupt_window).write_volatile(value.into()) }
    }

    /// Whether the guest could take an external interrupt at its last exit.
    pub(crate) fn is_ready_for_interrupt(self) -> bool {
        // SAFETY: the page is mapped (see `new`), and every value is one of the field.
        unsafe { ptr::addr_of!((*self.page.as_ptr()).ready_for_interrupt_injection).read_volatile() != 0 }
    }

    /// Whether the guest had IF set at its last exit.
    pub(crate) fn has_interrupts_enabled(self) -> bool {
        // SAFETY: the page is mapped (see `new`), and every value is one of the field.
        unsafe { ptr::addr_of!((*self.page.as_ptr()).if_flag).read_volatile() != 0 }
    }

    /// CR8 at the last exit, where KVM emulates no local APIC.
    pub(crate) fn cr8(self) -> u8 {
        // SAFETY: the page is mapped (see `new`), and every value is one of the field.
        let cr8 = unsafe { ptr::addr_of!((*self.page.as_ptr()).cr8).read_volatile() };
        // It has four bits.
        cr8 as u8 & 0xf
    }

    /// What CR8 is at the next entry, likewise.
    pub(crate) fn set_cr8(self, value: u8) {
        // SAFETY: the page is mapped (see `new`), and the value is only ever accessed as an integer.
        unsafe { ptr::addr_of_mut!((*self.page.as_ptr()).cr8).write_volatile(value.into()) }
    }

    /// Number of the last exit's reason.
    pub(crate) fn exit_reason(self) -> u32 {
        // SAFETY: the page is mapped (see `new`), and every value is one of the field.
        unsafe { ptr::addr_of!((*self.page.as_ptr()).exit_reason).read_volatile() }
    }

    /// Size in bytes of one access of the last exit, if it was port I/O; else 1.
    pub(crate) fn port_access_size(self) -> usize {
        if self.exit_reason() != KVM_EXIT_IO {
            return 1;
        }
        // SAFETY: 1. the page is mapped (see `new`); 2. the reason says that this member of the union was written.
        let size = unsafe { ptr::addr_of!((*self.page.as_ptr()).__bindgen_anon_1.io.size).read_volatile() };
        usize::from(size).max(1)
    }

    fn is_msr_exit(self) -> bool {
        matches!(self.exit_reason(), KVM_EXIT_X86_RDMSR | KVM_EXIT_X86_WRMSR)
    }

    /// The MSR of the last exit, if it was for one; else 0.
    pub(crate) fn msr_index(self) -> u32 {
        if !self.is_msr_exit() {
            return 0;
        }
        // SAFETY: 1. the page is mapped (see `new`); 2. the reason says that this member of the union was written.
        unsafe { ptr::addr_of!((*self.page.as_ptr()).__bindgen_anon_1.msr.index).read_volatile() }
    }

    /// What the guest writes to it, if it does; else 0.
    pub(crate) fn msr_value(self) -> u64 {
        if !self.is_msr_exit() {
            return 0;
        }
        // SAFETY: 1. the page is mapped (see `new`); 2. the reason says that this member of the union was written.
        unsafe { ptr::addr_of!((*self.page.as_ptr()).__bindgen_anon_1.msr.data).read_volatile() }
    }

    /// Lets the guest read `value` of it, or have written it; a general-protection exception if there is none.
    pub(crate) fn answer_msr(self, value: Option<u64>) {
        if !self.is_msr_exit() {
            return;
        }
        // SAFETY: 1. the page is mapped (see `new`); 2. the reason says that this member of the union is the one that KVM reads.
        unsafe {
            ptr::addr_of_mut!((*self.page.as_ptr()).__bindgen_anon_1.msr.error).write_volatile(value.is_none().into());
            ptr::addr_of_mut!((*self.page.as_ptr()).__bindgen_anon_1.msr.data).write_volatile(value.unwrap_or(0));
        }
    }

    /// Sub-error and data of the last exit, if it was an internal error.
    pub(crate) fn internal_error(self) -> (u32, Vec<u64>) {
        if self.exit_reason() != KVM_EXIT_INTERNAL_ERROR {
            return (0, Vec::new());
        }
        // SAFETY: 1. the page is mapped (see `new`); 2. the reason says that this member of the union was written.
        let internal = unsafe { ptr::addr_of!((*self.page.as_ptr()).__bindgen_anon_1.internal).read_volatile() };
        (internal.suberror, internal.data.iter().take(internal.ndata as usize).copied().collect())
    }
}
