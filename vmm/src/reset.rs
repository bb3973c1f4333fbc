//! The registers of a processor after INIT and after its start-up interrupt, where KVM leaves both to the VMM.
//!
//! Source: Intel SDM vol. 3A, table "IA-32 and Intel 64 Processor States Following Power-up, Reset, or INIT", and § "MP
//! Initialization Protocol Algorithm for MP Systems".

use kvm_bindings::{Msrs, kvm_dtable, kvm_msr_entry, kvm_regs, kvm_segment, kvm_sregs};
use kvm_ioctls::{Error, VcpuFd};

/// Limit of all segments and tables.
const LIMIT: u16 = 0xffff;
/// ET, which is always set; caching is disabled by a reset.
const CR0: u64 = 0x6000_0010;
const RFLAGS: u64 = 1 << 1;
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
    vcpu.set_sregs(&special(start, sregs.apic_base))?;
    vcpu.set_regs(&kvm_regs { rip: start.rip, rflags: RFLAGS, ..Default::default() })
}

fn special(start: Start, apic_base: u64) -> kvm_sregs {
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
        cr0: CR0,
        apic_base,
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
