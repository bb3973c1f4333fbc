//! The state of a vCPU in KVM.
//!
//! Not completely: KVM_GET_SREGS has no page-directory-pointer registers, so that those of a guest with PAE paging are loaded
//! anew from memory (KVM_GET_SREGS2 has no wrapper among our dependencies).
//!
//! Source: Linux, "Documentation/virt/kvm/api.rst" §§ KVM_SET_SREGS, KVM_SET_XSAVE, KVM_SET_MSRS, KVM_SET_LAPIC,
//! KVM_SET_VCPU_EVENTS and KVM_SET_MP_STATE.

#![expect(unsafe_code, reason = "kvm-ioctls cannot know how much the kernel reads of an XSAVE area")]
// UNSAFETY: KVM_SET_XSAVE with a structure of the size that the kernel reads.

use super::{RestoreError, SaveError, timer};
use crate::{
    faults::SavedFault,
    tsc::{self, MSR_TSC},
    vcpu::Pending,
};
use ::platform::local_apic::{MSR_APIC_BASE, MSR_TSC_DEADLINE};
use kvm_bindings::{
    Msrs, kvm_debugregs, kvm_lapic_state, kvm_mp_state, kvm_msr_entry, kvm_regs, kvm_sregs, kvm_vcpu_events, kvm_xcrs,
    kvm_xsave, nested::KvmNestedStateBuffer,
};
use kvm_ioctls::{Error, VcpuFd};
use serde::{Deserialize, Serialize};

/// Everything of one vCPU.
#[derive(Serialize, Deserialize)]
pub(crate) struct VcpuState {
    mp_state: kvm_mp_state,
    regs: kvm_regs,
    sregs: kvm_sregs,
    xsave: kvm_xsave,
    xcrs: kvm_xcrs,
    debug: kvm_debugregs,
    /// Where KVM has a local APIC.
    lapic: Option<kvm_lapic_state>,
    /// The host's monotonic clock when that was read.
    lapic_read: u64,
    /// Whether the timer of that goes on from then.
    #[serde(skip)]
    timer_goes_on: bool,
    msrs: Vec<(u32, u64)>,
    events: kvm_vcpu_events,
    /// Where KVM offers nested virtualization.
    nested: Option<Box<KvmNestedStateBuffer>>,
    /// How far its time-stamp counter is ahead of the host's, where KVM tells.
    tsc_offset: Option<u64>,
    tsc_khz: u32,
    pending: Pending,
}

fn refused(request: &'static str) -> impl Fn(Error) -> SaveError {
    move |error| SaveError::Kvm { request, source: error.into() }
}

fn denied(request: &'static str) -> impl Fn(Error) -> RestoreError {
    move |error| RestoreError::Kvm { request, source: error.into() }
}

/// Lets KVM do what is left of the last exit, and tells what the guest takes, without entering it.
pub(super) fn settle(vcpu: &mut VcpuFd) -> Result<(), Error> {
    vcpu.set_kvm_immediate_exit(1);
    let result = match vcpu.run() {
        Ok(kvm_ioctls::VcpuExit::Intr) => Ok(()),
        // Another part of the same instruction.
        Ok(_) => Err(Error::new(libc::EBUSY)),
        Err(error) if matches!(error.errno(), libc::EINTR | libc::EAGAIN) => Ok(()),
        Err(error) => Err(error),
    };
    vcpu.set_kvm_immediate_exit(0);
    result
}

/// The MSRs of `list` that there are, with their values.
fn read_msrs(vcpu: &VcpuFd, list: &[u32]) -> Result<Vec<(u32, u64)>, Error> {
    let mut values = Vec::with_capacity(list.len());
    let mut rest = list;
    while !rest.is_empty() {
        let entries: Vec<_> = rest.iter().map(|index| kvm_msr_entry { index: *index, ..Default::default() }).collect();
        let mut msrs = Msrs::from_entries(&entries).map_err(|_| Error::new(libc::E2BIG))?;
        let nr_read = vcpu.get_msrs(&mut msrs)?.min(rest.len());
        values.extend(msrs.as_slice()[..nr_read].iter().map(|entry| (entry.index, entry.data)));
        // The one after those cannot be read.
        rest = rest.get(nr_read + 1..).unwrap_or_default();
    }
    Ok(values)
}

fn write_msr(vcpu: &VcpuFd, index: u32, data: u64) -> Result<(), RestoreError> {
    let entry = kvm_msr_entry { index, data, ..Default::default() };
    let written = Msrs::from_entries(&[entry]).ok().map(|msrs| vcpu.set_msrs(&msrs));
    match written {
        Some(Ok(1)) => Ok(()),
        _ => Err(RestoreError::Msr { index, value: data }),
    }
}

impl VcpuState {
    /// Lets a vCPU do what is left of the last exit and take the interrupts that wait for it, without entering the guest. Gives the
    /// vectors of those that end by that.
    pub(crate) fn take_interrupts(vcpu: &mut VcpuFd, has_kernel_apic: bool) -> Result<Vec<u8>, SaveError> {
        settle(vcpu).map_err(refused("KVM_RUN, to complete the last exit"))?;
        match has_kernel_apic {
            true => timer::deliver(vcpu).map_err(refused("KVM_RUN with a signal")),
            false => Ok(Vec::new()),
        }
    }

    /// The state of a vCPU that is new, or has taken its interrupts.
    pub(crate) fn read(
        vcpu: &mut VcpuFd,
        msrs: &[u32],
        pending: Pending,
        has_kernel_apic: bool,
    ) -> Result<Self, SaveError> {
        // First, because KVM takes INIT and start-up interrupts that are pending when it is asked.
        let mp_state = vcpu.get_mp_state().map_err(refused("KVM_GET_MP_STATE"))?;
        // Before all that it changes: interrupts and events.
        let (lapic, lapic_read) = match has_kernel_apic {
            true => {
                let read = timer::read(vcpu).map_err(refused("KVM_GET_LAPIC after KVM_RUN with a signal"))?;
                (Some(read.0), read.1)
            }
            false => (None, 0),
        };
        let mut nested = Box::new(KvmNestedStateBuffer::empty());
        let nested = match vcpu.nested_state(&mut nested) {
            Ok(Some(_)) => Some(nested),
            // There is no such request where there is no nested virtualization.
            Ok(None) | Err(_) => None,
        };
        Ok(Self {
            mp_state,
            regs: vcpu.get_regs().map_err(refused("KVM_GET_REGS"))?,
            sregs: vcpu.get_sregs().map_err(refused("KVM_GET_SREGS"))?,
            xsave: vcpu.get_xsave().map_err(refused("KVM_GET_XSAVE"))?,
            xcrs: vcpu.get_xcrs().map_err(refused("KVM_GET_XCRS"))?,
            debug: vcpu.get_debug_regs().map_err(refused("KVM_GET_DEBUGREGS"))?,
            lapic,
            lapic_read,
            timer_goes_on: false,
            msrs: read_msrs(vcpu, msrs).map_err(refused("KVM_GET_MSRS"))?,
            events: vcpu.get_vcpu_events().map_err(refused("KVM_GET_VCPU_EVENTS"))?,
            nested,
            tsc_offset: tsc::offset(vcpu).ok(),
            tsc_khz: vcpu.get_tsc_khz().unwrap_or(0),
            pending,
        })
    }

    /// The same without what gets lost.
    pub(super) fn without(mut self, lost: SavedFault) -> Self {
        match lost {
            SavedFault::Extended => {
                // XMM0 to XMM15 in the XSAVE area (Intel SDM vol. 1, "Legacy Region of an XSAVE Area").
                self.xsave.region.iter_mut().skip(160 / 4).take(16 * 4).for_each(|word| *word = 0);
            }
            SavedFault::Debug => self.debug = kvm_debugregs { dr7: 0x400, dr6: 0xffff_0ff0, ..Default::default() },
            SavedFault::Msr(number) => self.msrs.retain(|(index, _)| *index != number),
            SavedFault::TaskPriority => self.lapic.iter_mut().for_each(timer::forget_task_priority),
            SavedFault::NmiBlocking => self.events.nmi.masked = 0,
            SavedFault::DirtyPages => {}
        }
        self
    }

    /// The same with a timer of its local APIC that goes on, on the host that read it.
    pub(super) fn with_running_timer(self) -> Self {
        Self { timer_goes_on: true, ..self }
    }

    /// Takes a new vCPU to this state; its time-stamp counter falls behind the host's by `behind`.
    pub(crate) fn write(&self, vcpu: &mut VcpuFd, behind: u64) -> Result<(), RestoreError> {
        let here = vcpu.get_tsc_khz().unwrap_or(0);
        if self.tsc_khz != 0 && self.tsc_khz != here {
            vcpu.set_tsc_khz(self.tsc_khz)
                .map_err(|_| RestoreError::TscRate { saved_khz: self.tsc_khz, here_khz: here })?;
        }
        vcpu.set_sregs(&self.sregs).map_err(denied("KVM_SET_SREGS"))?;
        vcpu.set_regs(&self.regs).map_err(denied("KVM_SET_REGS"))?;
        vcpu.set_xcrs(&self.xcrs).map_err(denied("KVM_SET_XCRS"))?;
        // SAFETY: the kernel reads no more than the structure's 4 KiB, unless the process has asked for components that are off at
        // first (arch_prctl, ARCH_REQ_XCOMP_GUEST_PERM), which nothing here does.
        unsafe { vcpu.set_xsave(&self.xsave) }.map_err(denied("KVM_SET_XSAVE"))?;
        vcpu.set_debug_regs(&self.debug).map_err(denied("KVM_SET_DEBUGREGS"))?;
        if let Some(nested) = &self.nested {
            vcpu.set_nested_state(nested).map_err(denied("KVM_SET_NESTED_STATE"))?;
        }
        if let Some(lapic) = &self.lapic {
            timer::write(vcpu, lapic, self.timer_goes_on.then_some(self.lapic_read))
                .map_err(denied("KVM_SET_LAPIC"))?;
        }
        self.write_msrs(vcpu, behind)?;
        vcpu.set_mp_state(self.mp_state).map_err(denied("KVM_SET_MP_STATE"))?;
        vcpu.set_vcpu_events(&self.events).map_err(denied("KVM_SET_VCPU_EVENTS"))?;
        // KVM takes it from there with the next entry, where it has no local APIC.
        vcpu.get_kvm_run().cr8 = self.sregs.cr8;
        settle(vcpu).map_err(denied("KVM_RUN, which must not enter the guest"))?;
        match self.lapic {
            // A timer that KVM_SET_LAPIC let expire does so for the local APIC as it is now.
            Some(_) => timer::deliver_without_ends(vcpu)
                .map_err(denied("KVM_RUN with a signal, which must not enter the guest")),
            None => Ok(()),
        }
    }

    /// Takes a vCPU that has run to this state, which it had before; its counter is as if it had never been written.
    pub(crate) fn write_again(&self, vcpu: &mut VcpuFd) -> Result<(), RestoreError> {
        settle(vcpu).map_err(denied("KVM_RUN, to complete the last exit"))?;
        // KVM takes INIT and start-up interrupts that are pending when it is asked, so that none is left for later.
        vcpu.get_mp_state().map_err(denied("KVM_GET_MP_STATE"))?;
        self.write(vcpu, 0)
    }

    pub(crate) fn pending(&self) -> Pending {
        self.pending
    }

    fn write_msrs(&self, vcpu: &VcpuFd, behind: u64) -> Result<(), RestoreError> {
        let moved = match self.tsc_offset {
            Some(offset) => tsc::set_offset(vcpu, offset.wrapping_sub(behind)).is_ok(),
            None => false,
        };
        let list: Vec<_> = self.msrs.iter().map(|(index, _)| *index).collect();
        let before = read_msrs(vcpu, &list).map_err(denied("KVM_GET_MSRS"))?;
        // What is so already may not be writable at all.
        let is_so = |entry: &(u32, u64)| before.contains(entry);
        let is_done = |index: u32| index == MSR_APIC_BASE || index == MSR_TSC && moved;
        for (index, value) in self.msrs.iter().filter(|entry| !is_done(entry.0) && !is_so(entry)) {
            if *index != MSR_TSC_DEADLINE {
                write_msr(vcpu, *index, *value)?;
            }
        }
        // After the counter that it is compared with, and after the local APIC, whose timer has to be in that mode.
        match self.msrs.iter().find(|(index, value)| *index == MSR_TSC_DEADLINE && *value != 0) {
            Some((index, value)) if self.lapic.is_some() => write_msr(vcpu, *index, *value),
            _ => Ok(()),
        }
    }
}
