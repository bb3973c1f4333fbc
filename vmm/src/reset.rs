//! The registers of a processor after INIT and after its start-up interrupt, where KVM leaves both to the VMM.
//!
//! Source: Intel SDM vol. 3A, table "IA-32 and Intel 64 Processor States Following Power-up, Reset, or INIT", and § "MP
//! Initialization Protocol Algorithm for MP Systems".

use crate::cpuid;
use kvm_bindings::{
    KVM_MAX_CPUID_ENTRIES, Msrs, kvm_debugregs, kvm_dtable, kvm_msr_entry, kvm_regs, kvm_segment, kvm_sregs,
    kvm_vcpu_events,
};
use kvm_ioctls::{Error, VcpuFd};

/// Limit of all segments and tables.
const LIMIT: u16 = 0xffff;
/// CR0.ET, which is always set.
const CR0: u64 = 1 << 4;
/// CR0.CD and NW: set by a reset, and not changed by INIT.
const CR0_CACHING: u64 = 1 << 30 | 1 << 29;
const RFLAGS: u64 = 1 << 1;
const DR6: u64 = 0xffff_0ff0;
const DR7: u64 = 1 << 10;
/// Segment types: read and write; execute and read; LDT; busy 32-bit TSS.
const DATA: u8 = 0x3;
const CODE: u8 = 0xb;
const LDT: u8 = 0x2;
const TSS: u8 = 0xb;

/// Where a processor goes on: selector, base and offset.
#[derive(Clone, Copy)]
struct Start {
    selector: u16,
    base: u64,
    rip: u64,
}

/// The registers after INIT: the processor goes on 16 bytes below 4 GiB.
pub(crate) fn init(vcpu: &VcpuFd) -> Result<(), Error> {
    set(vcpu, Start { selector: 0xf000, base: 0xffff_0000, rip: 0xfff0 })
}

/// The registers after a start-up interrupt: in real mode at the start of `page`.
pub(crate) fn start_up(vcpu: &VcpuFd, page: u8) -> Result<(), Error> {
    set(vcpu, Start { selector: u16::from(page) << 8, base: u64::from(page) << 12, rip: 0 })
}

fn set(vcpu: &VcpuFd, start: Start) -> Result<(), Error> {
    let sregs = vcpu.get_sregs()?;
    vcpu.set_sregs(&special(start, &sregs))?;
    // No exception is pending, and no NMI blocks others.
    vcpu.set_vcpu_events(&kvm_vcpu_events::default())?;
    vcpu.set_debug_regs(&kvm_debugregs { dr6: DR6, dr7: DR7, ..Default::default() })?;
    let table = vcpu.get_cpuid2(KVM_MAX_CPUID_ENTRIES)?;
    let rdx = cpuid::signature(&table).into();
    vcpu.set_regs(&kvm_regs { rip: start.rip, rdx, rflags: RFLAGS, ..Default::default() })
}

fn special(start: Start, before: &kvm_sregs) -> kvm_sregs {
    let segment = |type_, s| kvm_segment { type_, s, present: 1, limit: LIMIT.into(), ..Default::default() };
    let data = segment(DATA, 1);
    let table = kvm_dtable { limit: LIMIT, ..Default::default() };
    kvm_sregs {
        cs: kvm_segment { selector: start.selector, base: start.base, ..segment(CODE, 1) },
        ds: data,
        es: data,
        fs: data,
        gs: data,
        ss: data,
        ldt: segment(LDT, 0),
        tr: segment(TSS, 0),
        gdt: table,
        idt: table,
        cr0: CR0 | before.cr0 & CR0_CACHING,
        apic_base: before.apic_base,
        ..Default::default()
    }
}

/// Tells KVM what the guest made of IA32_APIC_BASE: CPUID and the processor's modes depend on it.
pub(crate) fn set_apic_base(vcpu: &VcpuFd, value: u64) -> Result<(), Error> {
    let entry = kvm_msr_entry { index: ::platform::local_apic::MSR_APIC_BASE, data: value, ..Default::default() };
    let msrs = Msrs::from_entries(&[entry]).map_err(|_| Error::new(libc::EINVAL))?;
    match vcpu.set_msrs(&msrs)? {
        1 => Ok(()),
        _ => Err(Error::new(libc::EINVAL)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn init_keeps_the_cache_control_and_the_base_of_the_local_apic() {
        let start = Start { selector: 0x800, base: 0x8000, rip: 0 };
        for (before, after) in [(0x6000_0010, 0x6000_0010), (0x8000_0033, 0x10), (0xc000_0011, 0x4000_0010)] {
            let before =
                kvm_sregs { cr0: before, cr4: 0x20, efer: 0x500, apic_base: 0xfee0_0c00, ..Default::default() };
            let sregs = special(start, &before);
            assert_eq!([sregs.cr0, sregs.cr4, sregs.efer, sregs.apic_base], [after, 0, 0, 0xfee0_0c00]);
        }
    }
}
