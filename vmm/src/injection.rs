//! External interrupts that KVM does not find by itself: the thread of a vCPU hands them over before it enters the guest.
//!
//! Source: Linux, "Documentation/virt/kvm/api.rst" § KVM_INTERRUPT and § "The kvm_run structure".

#![expect(unsafe_code, reason = "kvm-ioctls has no call for KVM_INTERRUPT on x86")]
// UNSAFETY: one ioctl that reads an integer of ours.

use crate::{faults::OfVcpu, platform::Platform, run_page::RunPage, stop::StopReason};
use kvm_bindings::{KVMIO, kvm_interrupt};
use kvm_ioctls::VcpuFd;
use serde::{Deserialize, Serialize};
use vmm_sys_util::{errno, ioctl::ioctl_with_ref};

vmm_sys_util::ioctl_iow_nr!(KVM_INTERRUPT, KVMIO, 0x86, kvm_interrupt);

/// The interrupts of one vCPU on their way to it.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Injector {
    /// Acknowledged, and not yet taken by KVM.
    held: Option<u8>,
    /// Whether KVM may have an NMI that the guest has not taken.
    has_nmi: bool,
}

impl Injector {
    /// Injects an interrupt that waits, if the guest takes one now; if not, or if another waits behind it, the guest leaves
    /// as soon as it would.
    pub(crate) fn prepare_entry(
        &mut self,
        platform: &Platform,
        index: u8,
        vcpu: &VcpuFd,
        page: RunPage,
        mut fault: Option<&mut OfVcpu>,
    ) -> Result<(), StopReason> {
        let is_due = self.held.is_some() || platform.asks(index);
        if is_due && page.is_ready_for_interrupt() && !self.nmi_goes_first(vcpu)? {
            if fault.as_deref_mut().is_some_and(OfVcpu::comes_late) {
                // No window is asked for: the guest leaves when it does.
                page.set_request_interrupt_window(false);
                return Ok(());
            }
            if self.held.is_none() {
                self.held = platform.acknowledge(index)?;
                if let Some(fault) = fault.as_deref_mut() {
                    self.held = self.held.and_then(|vector| fault.injected(vector));
                }
            }
            if let Some(vector) = self.held {
                match inject(vcpu, vector) {
                    Ok(()) if fault.is_some_and(|fault| fault.is_injected_again()) => {}
                    Ok(()) => self.held = None,
                    // The one before has not got in yet, because a signal came first.
                    Err(error) if error.errno() == libc::EEXIST => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        page.set_request_interrupt_window(self.held.is_some() || platform.asks(index));
        Ok(())
    }

    /// KVM was given an NMI.
    pub(crate) fn expect_nmi(&mut self) {
        self.has_nmi = true;
    }

    /// Whether an NMI waits that nothing blocks. KVM would inject an interrupt that it is given then before the NMI, which
    /// comes first by its priority (Intel SDM vol. 3A, "Prioritization of Concurrent Events").
    fn nmi_goes_first(&mut self, vcpu: &VcpuFd) -> Result<bool, StopReason> {
        if !self.has_nmi {
            return Ok(false);
        }
        let nmi = vcpu.get_vcpu_events()?.nmi;
        self.has_nmi = nmi.pending != 0;
        Ok(self.has_nmi && nmi.masked == 0)
    }
}

fn inject(vcpu: &VcpuFd, vector: u8) -> Result<(), errno::Error> {
    let interrupt = kvm_interrupt { irq: vector.into() };
    // SAFETY: the request reads a structure of this type, which lives until the call is over.
    match unsafe { ioctl_with_ref(vcpu, KVM_INTERRUPT(), &interrupt) } {
        0 => Ok(()),
        _ => Err(errno::Error::last()),
    }
}
