//! The time-stamp counter of a vCPU whose TSC deadlines are this VMM's affair: what it shows, and what the guest's writes
//! make of it.
//!
//! A guest's counter is the host's with an offset. It is not scaled, because no other frequency is ever asked for.
//!
//! Source: Linux, "Documentation/virt/kvm/devices/vcpu.rst" § KVM_VCPU_TSC_OFFSET; Intel SDM vol. 3B, "Time-Stamp Counter
//! Adjustment".

#![expect(unsafe_code, reason = "kvm-ioctls has no device attributes of vCPUs on x86, and RDTSC is an intrinsic")]
// UNSAFETY: 1. RDTSC; 2. ioctls that read or write a number of ours.

use kvm_bindings::{KVM_VCPU_TSC_CTRL, KVM_VCPU_TSC_OFFSET, KVMIO, Msrs, kvm_device_attr, kvm_msr_entry};
use kvm_ioctls::{Error, VcpuFd};
use vmm_sys_util::ioctl::ioctl_with_ref;

vmm_sys_util::ioctl_iow_nr!(KVM_SET_DEVICE_ATTR, KVMIO, 0xe1, kvm_device_attr);
vmm_sys_util::ioctl_iow_nr!(KVM_GET_DEVICE_ATTR, KVMIO, 0xe2, kvm_device_attr);

/// The MSR IA32_TIME_STAMP_COUNTER.
pub(crate) const MSR_TSC: u32 = 0x10;
/// The MSR IA32_TSC_ADJUST.
pub(crate) const MSR_TSC_ADJUST: u32 = 0x3b;
/// How often the two counters are compared: the best of them counts.
const NR_COMPARISONS: usize = 3;

/// The host's counter.
pub(crate) fn host() -> u64 {
    // SAFETY: the instruction has no conditions on x86-64, unless the system forbids it, which Linux does not by itself.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// How far the guest's counter is ahead of the host's; wraps. It is never told too large, so that what is computed with it
/// is never ahead of the guest's counter.
pub(crate) fn difference(vcpu: &VcpuFd) -> Result<u64, Error> {
    let mut best: Option<u64> = None;
    for _ in 0..NR_COMPARISONS {
        let guest = read(vcpu, MSR_TSC)?;
        let difference = guest.wrapping_sub(host());
        // As a signed distance, because both wrap.
        best = Some(best.map_or(difference, |best| match difference.wrapping_sub(best) as i64 {
            1.. => difference,
            _ => best,
        }));
    }
    Ok(best.unwrap_or_default())
}

/// Whether [`write`] and [`adjust`] can do what they say.
pub(crate) fn can_be_moved(vcpu: &VcpuFd) -> bool {
    offset(vcpu).is_ok() && read(vcpu, MSR_TSC_ADJUST).is_ok()
}

/// What the guest's WRMSR of IA32_TIME_STAMP_COUNTER does: IA32_TSC_ADJUST moves by the same amount.
pub(crate) fn write(vcpu: &VcpuFd, value: u64) -> Result<(), Error> {
    let adjustment = read(vcpu, MSR_TSC_ADJUST)?;
    let by = value.wrapping_sub(read(vcpu, MSR_TSC)?);
    set_adjustment(vcpu, adjustment.wrapping_add(by))?;
    set_offset(vcpu, offset(vcpu)?.wrapping_add(by))
}

/// What the guest's WRMSR of IA32_TSC_ADJUST does: the counter moves by the same amount.
pub(crate) fn adjust(vcpu: &VcpuFd, value: u64) -> Result<(), Error> {
    let by = value.wrapping_sub(read(vcpu, MSR_TSC_ADJUST)?);
    set_adjustment(vcpu, value)?;
    set_offset(vcpu, offset(vcpu)?.wrapping_add(by))
}

fn read(vcpu: &VcpuFd, index: u32) -> Result<u64, Error> {
    let entry = kvm_msr_entry { index, ..Default::default() };
    let mut msrs = Msrs::from_entries(&[entry]).map_err(|_| Error::new(libc::EINVAL))?;
    match (vcpu.get_msrs(&mut msrs)?, msrs.as_slice()) {
        (1, [entry]) => Ok(entry.data),
        _ => Err(Error::new(libc::EINVAL)),
    }
}

/// Sets IA32_TSC_ADJUST alone: from outside KVM moves nothing with it.
fn set_adjustment(vcpu: &VcpuFd, data: u64) -> Result<(), Error> {
    let entry = kvm_msr_entry { index: MSR_TSC_ADJUST, data, ..Default::default() };
    let msrs = Msrs::from_entries(&[entry]).map_err(|_| Error::new(libc::EINVAL))?;
    match vcpu.set_msrs(&msrs)? {
        1 => Ok(()),
        _ => Err(Error::new(libc::EINVAL)),
    }
}

fn attribute(value: &mut u64) -> kvm_device_attr {
    kvm_device_attr {
        group: KVM_VCPU_TSC_CTRL,
        attr: KVM_VCPU_TSC_OFFSET.into(),
        addr: std::ptr::from_mut(value) as u64,
        ..Default::default()
    }
}

/// What KVM adds to the host's counter.
pub(crate) fn offset(vcpu: &VcpuFd) -> Result<u64, Error> {
    let mut value = 0;
    let attribute = attribute(&mut value);
    // SAFETY: the request reads a structure of this type, and writes the number it points to; both live until the call is
    // over.
    match unsafe { ioctl_with_ref(vcpu, KVM_GET_DEVICE_ATTR(), &attribute) } {
        0 => Ok(value),
        _ => Err(Error::last()),
    }
}

/// Lets KVM add this to it.
pub(crate) fn set_offset(vcpu: &VcpuFd, mut value: u64) -> Result<(), Error> {
    let attribute = attribute(&mut value);
    // SAFETY: the request reads a structure of this type and the number it points to; both live until the call is over.
    match unsafe { ioctl_with_ref(vcpu, KVM_SET_DEVICE_ATTR(), &attribute) } {
        0 => Ok(()),
        _ => Err(Error::last()),
    }
}
