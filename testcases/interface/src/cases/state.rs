//! Registers and special registers: what is set is read, and what cannot be is refused.

use super::{Done, caps, case};
use crate::{
    Case,
    check::Checks,
    machine::{Irqchip, Machine},
    requests::*,
};
use case::Feature::InterfaceState as STATE;
use kvm_bindings::{kvm_regs, kvm_sregs, kvm_sregs2};

const SREGS: &str = "KVM_SET_SREGS";

pub(super) const PE: u64 = 1;
pub(super) const NE: u64 = 1 << 5;
const NW: u64 = 1 << 29;
pub(super) const PG: u64 = 1 << 31;
pub(super) const PAE: u64 = 1 << 5;
pub(super) const LME: u64 = 1 << 8;
pub(super) const LMA: u64 = 1 << 10;

/// Special registers that must be refused, and leave what was there.
fn refused(checks: &mut Checks, change: fn(&mut kvm_sregs)) -> Done {
    let machine = Machine::new(Irqchip::None)?;
    let vcpu = machine.vcpu(0)?;
    vcpu.start()?;
    let before = vcpu.handle.get(&GET_SREGS)?;
    checks.invalid("refused", vcpu.change_sregs(change));
    let after = vcpu.handle.get(&GET_SREGS)?;
    checks.is("CR0", before.cr0, after.cr0);
    checks.is("CR4", before.cr4, after.cr4);
    checks.is("EFER", before.efer, after.efer);
    Ok(())
}

pub(crate) const CASES: &[Case] = &[
    case(STATE, "regs_round_trip", "KVM_SET_REGS sets what KVM_GET_REGS reads.", "KVM_SET_REGS", caps!(), |checks| {
        let machine = Machine::new(Irqchip::None)?;
        let vcpu = machine.vcpu(0)?;
        let mut regs = kvm_regs {
            rax: 1,
            rbx: 2,
            rcx: 3,
            rdx: 4,
            rsi: 5,
            rdi: 6,
            rsp: 7,
            rbp: 8,
            r8: 9,
            r9: 10,
            r10: 11,
            r11: 12,
            r12: 13,
            r13: 14,
            r14: 15,
            r15: u64::MAX,
            rip: 0x1234,
            rflags: 0x246,
        };
        checks.done("set", vcpu.handle.request(&SET_REGS, &mut regs));
        let read = vcpu.regs()?;
        let of = |regs: &kvm_regs| {
            [
                regs.rax,
                regs.rbx,
                regs.rcx,
                regs.rdx,
                regs.rsi,
                regs.rdi,
                regs.rsp,
                regs.rbp,
                regs.r8,
                regs.r9,
                regs.r10,
                regs.r11,
                regs.r12,
                regs.r13,
                regs.r14,
                regs.r15,
                regs.rip,
                regs.rflags,
            ]
        };
        for (n, (expected, actual)) in of(&regs).into_iter().zip(of(&read)).enumerate() {
            checks.is(format!("register {n}"), expected, actual);
        }
        Ok(())
    }),
    case(STATE, "regs_rflags_bit_1", "Bit 1 of RFLAGS is always set.", "KVM_SET_REGS", caps!(), |checks| {
        let machine = Machine::new(Irqchip::None)?;
        let vcpu = machine.vcpu(0)?;
        vcpu.handle.request(&SET_REGS, &mut kvm_regs { rflags: 0, ..Default::default() })?;
        checks.is("RFLAGS", 2_u64, vcpu.regs()?.rflags);
        Ok(())
    }),
    case(STATE, "sregs_upper_half_of_cr0", "CR0 with a bit above 31 is refused.", SREGS, caps!(), |checks| {
        refused(checks, |sregs| sregs.cr0 |= 1 << 32)
    }),
    case(STATE, "sregs_paging_without_protection", "CR0.PG without CR0.PE is refused.", SREGS, caps!(), |checks| {
        refused(checks, |sregs| sregs.cr0 = PG | NE)
    }),
    case(STATE, "sregs_not_write_through_alone", "CR0.NW without CR0.CD is refused.", SREGS, caps!(), |checks| {
        refused(checks, |sregs| sregs.cr0 = PE | NE | NW)
    }),
    case(
        STATE,
        "sregs_long_mode_without_pae",
        "EFER.LMA with paging and without CR4.PAE is refused.",
        SREGS,
        caps!(),
        |checks| {
            refused(checks, |sregs| {
                sregs.cr0 = PE | NE | PG;
                sregs.cr4 = 0;
                sregs.efer = LME | LMA;
            })
        },
    ),
    case(
        STATE,
        "sregs_active_without_enable",
        "Long mode that is active although it is not enabled is refused: EFER.LME with paging goes with EFER.LMA.",
        SREGS,
        caps!(),
        |checks| {
            refused(checks, |sregs| {
                sregs.cr0 = PE | NE | PG;
                sregs.cr4 = PAE;
                sregs.efer = LME;
            })
        },
    ),
    case(STATE, "sregs_active_without_paging", "EFER.LMA without paging is refused.", SREGS, caps!(), |checks| {
        refused(checks, |sregs| sregs.efer = LMA)
    }),
    case(
        STATE,
        "sregs_64_bit_segment_outside_of_long_mode",
        "CS.L outside of long mode is refused.",
        SREGS,
        caps!(),
        |checks| refused(checks, |sregs| sregs.cs.l = 1),
    ),
    case(STATE, "sregs_reserved_bits_of_cr4", "A reserved bit of CR4 is refused.", SREGS, caps!(), |checks| {
        refused(checks, |sregs| sregs.cr4 |= 1 << 63)
    }),
    case(
        STATE,
        "sregs_reserved_bits_of_cr3",
        "CR3 beyond the width of physical addresses is refused in long mode.",
        SREGS,
        caps!(),
        |checks| {
            refused(checks, |sregs| {
                sregs.cr0 = PE | NE | PG;
                sregs.cr4 = PAE;
                sregs.efer = LME | LMA;
                sregs.cr3 = 1 << 60;
            })
        },
    ),
    case(
        STATE,
        "sregs_apic_base",
        "An APIC base with reserved bits is refused.",
        SREGS,
        caps!(KVM_CAP_IRQCHIP),
        |checks| {
            let machine = Machine::new(Irqchip::Split)?;
            let vcpu = machine.vcpu(0)?;
            checks.invalid("bit 0", vcpu.change_sregs(|sregs| sregs.apic_base |= 1));
            checks.invalid("bit 63", vcpu.change_sregs(|sregs| sregs.apic_base |= 1 << 63));
            checks.done("as it is", vcpu.change_sregs(|_same| ()));
            Ok(())
        },
    ),
    case(STATE, "sregs_round_trip", "KVM_SET_SREGS sets what KVM_GET_SREGS reads.", SREGS, caps!(), |checks| {
        let machine = Machine::new(Irqchip::None)?;
        let vcpu = machine.vcpu(0)?;
        checks.done(
            "set",
            vcpu.change_sregs(|sregs| {
                sregs.gdt.base = 0x1_2340;
                sregs.gdt.limit = 0x57;
                sregs.idt.base = 0x5_6780;
                sregs.idt.limit = 0x3ff;
                sregs.cr2 = 0x1234_5678_9abc;
                sregs.fs.base = 0x3_0000;
                sregs.fs.selector = 0x3000;
            }),
        );
        let read = vcpu.handle.get(&GET_SREGS)?;
        checks.is("GDT base", 0x1_2340_u64, read.gdt.base);
        checks.is("GDT limit", 0x57_u16, read.gdt.limit);
        checks.is("IDT base", 0x5_6780_u64, read.idt.base);
        checks.is("IDT limit", 0x3ff_u16, read.idt.limit);
        checks.is("CR2", 0x1234_5678_9abc_u64, read.cr2);
        checks.is("FS base", 0x3_0000_u64, read.fs.base);
        checks.is("FS selector", 0x3000_u16, read.fs.selector);
        Ok(())
    }),
    case(
        STATE,
        "sregs2_is_sregs",
        "KVM_GET_SREGS2 reads what KVM_GET_SREGS reads, and KVM_SET_SREGS2 refuses unknown flags.",
        "KVM_SET_SREGS2",
        caps!(KVM_CAP_SREGS2),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let vcpu = machine.vcpu(0)?;
            let (first, second) = (vcpu.handle.get(&GET_SREGS)?, vcpu.handle.get(&GET_SREGS2)?);
            checks.is("CR0", first.cr0, second.cr0);
            checks.is("APIC base", first.apic_base, second.apic_base);
            checks.is("no PDPTRs outside of PAE", 0_u64, second.flags);
            checks.done("set", vcpu.handle.request(&SET_SREGS2, &mut second.clone()));
            let put = |mut sregs: kvm_sregs2| vcpu.handle.request(&SET_SREGS2, &mut sregs);
            checks.invalid("unknown flag", put(kvm_sregs2 { flags: 2, ..second }));
            checks.invalid("PDPTRs outside of PAE", put(kvm_sregs2 { flags: 1, ..second }));
            checks.invalid("illegal CR0", put(kvm_sregs2 { cr0: PG, ..second }));
            Ok(())
        },
    ),
];
