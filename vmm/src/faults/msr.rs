//! MSRs that read and take something else.
//!
//! KVM is told not to let the guest at them (KVM_X86_SET_MSR_FILTER), so that each access is an exit, which is answered with
//! what KVM has of the register and the fault. Where this VMM has the local APICs it needs that filter itself, and there are
//! no such faults.

use crate::{
    config::Irqchip,
    create::{VmError, refused},
};
use kvm_bindings::{
    KVM_CAP_X86_USER_SPACE_MSR, KVM_MSR_EXIT_REASON_FILTER, KVM_MSR_EXIT_REASON_INVAL, KVM_MSR_EXIT_REASON_UNKNOWN,
    Msrs, kvm_enable_cap, kvm_msr_entry,
};
use kvm_ioctls::{Error, MsrFilterDefaultAction, MsrFilterRange, MsrFilterRangeFlags, VcpuFd, VmFd};

/// What is wrong with an MSR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MsrEffect {
    /// Bits of what is read are inverted.
    ReadXor(u64),
    /// Each read gives what the first gave.
    Stale,
    /// Reading raises an exception.
    ReadFaults,
    /// Writing does nothing.
    WriteDropped,
    /// Bits of what is written are inverted.
    WriteXor(u64),
    /// Writing raises an exception.
    WriteFaults,
    /// What KVM would raise an exception for reads as zero, and takes every value.
    NeverFaults,
}

/// What is wrong with which MSRs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MsrFault {
    /// The first.
    pub first: u32,
    /// The last; at most 4,096 from the first, but for [`MsrEffect::NeverFaults`].
    pub last: u32,
    /// What is wrong.
    pub effect: MsrEffect,
}

/// Most registers of one range.
const RANGE_MAX: u32 = 4096;

/// Lets accesses to the registers be exits.
pub(crate) fn take_msrs(fd: &VmFd, fault: Option<super::Fault>, irqchip: Irqchip) -> Result<(), VmError> {
    let (first, last, flags) = match fault {
        Some(super::Fault::Msr(MsrFault { first, last, effect })) => (
            first,
            last,
            match effect {
                MsrEffect::ReadXor(_) | MsrEffect::Stale | MsrEffect::ReadFaults => Some(MsrFilterRangeFlags::READ),
                MsrEffect::WriteDropped | MsrEffect::WriteXor(_) | MsrEffect::WriteFaults => {
                    Some(MsrFilterRangeFlags::WRITE)
                }
                MsrEffect::NeverFaults => None,
            },
        ),
        Some(super::Fault::Idle(super::Idle::Msr { first, last })) => (first, last, Some(MsrFilterRangeFlags::READ)),
        _ => return Ok(()),
    };
    if irqchip == Irqchip::User {
        return Ok(());
    }
    let reasons = match flags {
        Some(_) => KVM_MSR_EXIT_REASON_FILTER,
        None => KVM_MSR_EXIT_REASON_INVAL | KVM_MSR_EXIT_REASON_UNKNOWN,
    };
    let mut request = kvm_enable_cap { cap: KVM_CAP_X86_USER_SPACE_MSR, ..Default::default() };
    request.args[0] = reasons.into();
    fd.enable_cap(&request).map_err(refused("KVM_ENABLE_CAP of KVM_CAP_X86_USER_SPACE_MSR"))?;
    let Some(flags) = flags else { return Ok(()) };
    let msr_count = last.saturating_sub(first).min(RANGE_MAX - 1) + 1;
    let bitmap = vec![0; msr_count.div_ceil(8) as usize];
    let range = MsrFilterRange { flags, base: first, msr_count, bitmap: &bitmap };
    fd.set_msr_filter(MsrFilterDefaultAction::ALLOW, &[range]).map_err(refused("KVM_X86_SET_MSR_FILTER"))
}

/// What KVM has of a register; nothing if it has none.
pub(super) fn read(vcpu: &VcpuFd, index: u32) -> Result<Option<u64>, Error> {
    let entry = kvm_msr_entry { index, ..Default::default() };
    let mut msrs = Msrs::from_entries(&[entry]).map_err(|_| Error::new(libc::EINVAL))?;
    let count = vcpu.get_msrs(&mut msrs)?;
    Ok(msrs.as_slice().first().filter(|_| count == 1).map(|entry| entry.data))
}

/// Writes a register; gives whether KVM took it.
pub(super) fn write(vcpu: &VcpuFd, index: u32, data: u64) -> Result<bool, Error> {
    let entry = kvm_msr_entry { index, data, ..Default::default() };
    let msrs = Msrs::from_entries(&[entry]).map_err(|_| Error::new(libc::EINVAL))?;
    Ok(vcpu.set_msrs(&msrs)? == 1)
}
