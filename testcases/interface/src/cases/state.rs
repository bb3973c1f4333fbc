//! State of a virtual processor: what is set is read, and what cannot be is refused.

use super::{Done, caps, case};
use crate::{
    Case,
    api::Answer,
    check::Checks,
    machine::{CODE, Irqchip, Machine, Vcpu, end},
    requests::*,
};
use case::Feature::InterfaceState as STATE;
use kvm_bindings::{
    KVM_CAP_EXCEPTION_PAYLOAD, KVM_EXIT_IO, KVM_MP_STATE_HALTED, KVM_MP_STATE_INIT_RECEIVED, KVM_MP_STATE_RUNNABLE,
    KVM_VCPUEVENT_VALID_NMI_PENDING, KVM_VCPUEVENT_VALID_PAYLOAD, KVM_VCPUEVENT_VALID_SHADOW, kvm_mp_state, kvm_regs,
    kvm_sregs, kvm_sregs2, kvm_translation, kvm_vcpu_events, kvm_xcr, kvm_xcrs,
};

const SREGS: &str = "KVM_SET_SREGS";
const EVENTS: &str = "KVM_SET_VCPU_EVENTS";

const PE: u64 = 1;
const NE: u64 = 1 << 5;
const NW: u64 = 1 << 29;
const PG: u64 = 1 << 31;
const PAE: u64 = 1 << 5;
const LME: u64 = 1 << 8;
const LMA: u64 = 1 << 10;

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

fn put_events(vcpu: &Vcpu<'_>, mut events: kvm_vcpu_events) -> Answer {
    vcpu.handle.request(&SET_VCPU_EVENTS, &mut events)
}

fn mp_state(vcpu: &Vcpu<'_>) -> Answer {
    vcpu.handle.get(&GET_MP_STATE).map(|state: kvm_mp_state| state.mp_state.into())
}

fn put_mp_state(vcpu: &Vcpu<'_>, mp_state: u32) -> Answer {
    vcpu.handle.request(&SET_MP_STATE, &mut kvm_mp_state { mp_state })
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
    case(
        STATE,
        "vcpu_events_round_trip",
        "KVM_SET_VCPU_EVENTS sets what KVM_GET_VCPU_EVENTS reads.",
        EVENTS,
        caps!(KVM_CAP_VCPU_EVENTS),
        |checks| {
            let machine = Machine::new(Irqchip::Split)?;
            let vcpu = machine.vcpu(0)?;
            let mut events = vcpu.handle.get(&GET_VCPU_EVENTS)?;
            events.exception.injected = 1;
            events.exception.nr = 13;
            events.exception.has_error_code = 1;
            events.exception.error_code = 0x58;
            events.nmi.masked = 1;
            events.interrupt.shadow = 1;
            events.flags = KVM_VCPUEVENT_VALID_SHADOW | KVM_VCPUEVENT_VALID_NMI_PENDING;
            checks.done("set", put_events(&vcpu, events));
            let read = vcpu.handle.get(&GET_VCPU_EVENTS)?;
            checks.is("exception", 1_u8, read.exception.injected);
            checks.is("vector", 13_u8, read.exception.nr);
            checks.is("error code", 0x58_u32, read.exception.error_code);
            checks.is("NMIs masked", 1_u8, read.nmi.masked);
            checks.is("shadow", true, read.interrupt.shadow != 0);
            Ok(())
        },
    ),
    case(
        STATE,
        "vcpu_events_refused",
        "Exceptions that there are not, unknown flags and payloads that are not enabled are refused.",
        EVENTS,
        caps!(KVM_CAP_VCPU_EVENTS),
        |checks| {
            let machine = Machine::new(Irqchip::Split)?;
            let vcpu = machine.vcpu(0)?;
            let events = vcpu.handle.get(&GET_VCPU_EVENTS)?;
            let with = |change: fn(&mut kvm_vcpu_events)| {
                let mut events = events;
                change(&mut events);
                put_events(&vcpu, events)
            };
            checks.invalid("vector 32", with(|events| (events.exception.injected, events.exception.nr) = (1, 32)));
            checks.invalid(
                "NMI as an exception",
                with(|events| (events.exception.injected, events.exception.nr) = (1, 2)),
            );
            checks.invalid("unknown flag", with(|events| events.flags = 1 << 31));
            checks.invalid("payload", with(|events| events.flags = KVM_VCPUEVENT_VALID_PAYLOAD));
            checks.done("unchanged", put_events(&vcpu, events));
            Ok(())
        },
    ),
    case(
        STATE,
        "exception_payload",
        "With KVM_CAP_EXCEPTION_PAYLOAD a pending exception carries its payload.",
        "KVM_CAP_EXCEPTION_PAYLOAD",
        caps!(KVM_CAP_EXCEPTION_PAYLOAD),
        |checks| {
            let machine = Machine::new(Irqchip::Split)?;
            checks.done("enabled", machine.enable(KVM_CAP_EXCEPTION_PAYLOAD, 1));
            let vcpu = machine.vcpu(0)?;
            let mut events = vcpu.handle.get(&GET_VCPU_EVENTS)?;
            events.exception.injected = 0;
            events.exception.pending = 1;
            events.exception.nr = 14;
            events.exception.has_error_code = 1;
            events.exception_has_payload = 1;
            events.exception_payload = 0x1234_5000;
            events.flags = KVM_VCPUEVENT_VALID_PAYLOAD;
            checks.done("set", put_events(&vcpu, events));
            let read = vcpu.handle.get(&GET_VCPU_EVENTS)?;
            checks.is("pending", 1_u8, read.exception.pending);
            checks.is("has a payload", 1_u8, read.exception_has_payload);
            checks.is("payload", 0x1234_5000_u64, read.exception_payload);
            checks.is("CR2 is not touched", 0_u64, vcpu.handle.get(&GET_SREGS)?.cr2);
            Ok(())
        },
    ),
    case(
        STATE,
        "nmi_is_queued",
        "KVM_NMI queues an NMI on the processor.",
        "KVM_NMI",
        caps!(KVM_CAP_USER_NMI),
        |checks| {
            let machine = Machine::new(Irqchip::Split)?;
            let vcpu = machine.vcpu(0)?;
            checks.is("before", 0_u8, vcpu.handle.get(&GET_VCPU_EVENTS)?.nmi.pending);
            checks.done("NMI", vcpu.handle.order(NMI, 0));
            checks.is("pending", true, vcpu.handle.get(&GET_VCPU_EVENTS)?.nmi.pending != 0);
            Ok(())
        },
    ),
    case(
        STATE,
        "smi_without_smm",
        "KVM_SMI works where KVM_CAP_X86_SMM is offered, and is refused where it is not.",
        "KVM_SMI",
        caps!(),
        |checks| {
            let machine = Machine::new(Irqchip::Split)?;
            let vcpu = machine.vcpu(0)?;
            let answer = vcpu.handle.order(SMI, 0);
            if machine.kvm.order(CHECK_EXTENSION, kvm_bindings::KVM_CAP_X86_SMM.into())? == 0 {
                checks.refused("SMI", &[libc::EINVAL, libc::ENOTTY], answer);
            } else {
                checks.done("SMI", answer);
            }
            Ok(())
        },
    ),
    case(
        STATE,
        "mp_states",
        "With an in-kernel interrupt controller the states of a processor are set and read; the boot processor begins runnable, others do not.",
        "KVM_SET_MP_STATE",
        caps!(KVM_CAP_MP_STATE),
        |checks| {
            let machine = Machine::new(Irqchip::Split)?;
            let (first, second) = (machine.vcpu(0)?, machine.vcpu(1)?);
            checks.answers("boot processor", KVM_MP_STATE_RUNNABLE.into(), mp_state(&first));
            checks.answers("another", kvm_bindings::KVM_MP_STATE_UNINITIALIZED.into(), mp_state(&second));
            for state in [KVM_MP_STATE_HALTED, KVM_MP_STATE_INIT_RECEIVED, KVM_MP_STATE_RUNNABLE] {
                checks.done(format!("set {state}"), put_mp_state(&second, state));
                checks.answers(format!("read {state}"), state.into(), mp_state(&second));
            }
            checks.invalid("state 99", put_mp_state(&second, 99));
            Ok(())
        },
    ),
    case(
        STATE,
        "mp_states_without_irqchip",
        "Without an in-kernel interrupt controller there is only the runnable state.",
        "KVM_SET_MP_STATE",
        caps!(KVM_CAP_MP_STATE),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let vcpu = machine.vcpu(0)?;
            checks.invalid("INIT received", put_mp_state(&vcpu, KVM_MP_STATE_INIT_RECEIVED));
            checks.done("runnable", put_mp_state(&vcpu, KVM_MP_STATE_RUNNABLE));
            Ok(())
        },
    ),
    case(
        STATE,
        "translate_without_paging",
        "KVM_TRANSLATE gives a linear address as it is where there is no paging.",
        "KVM_TRANSLATE",
        caps!(),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let vcpu = machine.vcpu(0)?;
            vcpu.start()?;
            for address in [0, 0x1234, 0xfff0_0000] {
                let mut translation = kvm_translation { linear_address: address, ..Default::default() };
                vcpu.handle.request(&TRANSLATE, &mut translation)?;
                checks.is(format!("valid {address:#x}"), 1_u8, translation.valid);
                checks.is(format!("physical {address:#x}"), address, translation.physical_address);
            }
            Ok(())
        },
    ),
    case(
        STATE,
        "translate_by_tables",
        "KVM_TRANSLATE walks the page tables that the processor has, and says what is not mapped.",
        "KVM_TRANSLATE",
        caps!(),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            // 2 MiB from 0, by a table at each level.
            for (at, entry) in [(0x4000, 0x5003_u64), (0x5000, 0x6003), (0x6000, 0x83), (0x6008, 0x60_0083)] {
                machine.memory.write(at, &entry.to_le_bytes());
            }
            let vcpu = machine.vcpu(0)?;
            vcpu.change_sregs(|sregs| {
                sregs.cr3 = 0x4000;
                sregs.cr4 = PAE;
                sregs.cr0 = PE | NE | PG;
                sregs.efer = LME | LMA;
                (sregs.cs.l, sregs.cs.db) = (1, 0);
            })?;
            for (address, physical) in
                [(0x1234_u64, Some(0x1234_u64)), (0x20_0567, Some(0x60_0567)), (0x40_0000, None), (1 << 39, None)]
            {
                let mut translation = kvm_translation { linear_address: address, ..Default::default() };
                vcpu.handle.request(&TRANSLATE, &mut translation)?;
                checks.is(format!("valid {address:#x}"), physical.is_some(), translation.valid != 0);
                if let Some(physical) = physical {
                    checks.is(format!("physical {address:#x}"), physical, translation.physical_address);
                }
            }
            Ok(())
        },
    ),
    case(
        STATE,
        "xcrs_round_trip",
        "KVM_SET_XCRS sets XCR0 and refuses values that XSETBV would refuse, flags, and too many registers.",
        "KVM_SET_XCRS",
        caps!(KVM_CAP_XCRS),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let vcpu = machine.vcpu(0)?;
            let mut cpuid = Cpuid::with_room(CPUID_ROOM as u32);
            machine.kvm.request(&GET_SUPPORTED_CPUID, &mut cpuid)?;
            vcpu.handle.request(&SET_CPUID2, &mut cpuid)?;
            let put = |value, nr_xcrs, flags| {
                let mut xcrs = kvm_xcrs { nr_xcrs, flags, ..Default::default() };
                xcrs.xcrs[0] = kvm_xcr { xcr: 0, value, ..Default::default() };
                vcpu.handle.request(&SET_XCRS, &mut xcrs)
            };
            checks.done("x87 and SSE", put(3, 1, 0));
            checks.is("XCR0", 3_u64, vcpu.handle.get(&GET_XCRS)?.xcrs[0].value);
            checks.invalid("without x87", put(2, 1, 0));
            checks.invalid("AVX without SSE", put(5, 1, 0));
            checks.invalid("bit 62", put(1 << 62 | 3, 1, 0));
            checks.invalid("flags", put(1, 1, 1));
            checks.invalid("17 registers", put(1, 17, 0));
            Ok(())
        },
    ),
    case(
        STATE,
        "xsave_round_trip",
        "KVM_SET_XSAVE sets what KVM_GET_XSAVE reads.",
        "KVM_SET_XSAVE",
        caps!(KVM_CAP_XSAVE),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let vcpu = machine.vcpu(0)?;
            let mut area = vcpu.handle.get(&GET_XSAVE)?;
            // XMM0, and the bits of x87 and SSE in the header.
            for (word, value) in [(40, 0x1111_2222), (43, 0x3333_4444), (128, 3)] {
                if let Some(place) = area.0.get_mut(word) {
                    *place = value;
                }
            }
            checks.done("set", vcpu.handle.request(&SET_XSAVE, &mut area));
            let read = vcpu.handle.get(&GET_XSAVE)?;
            checks.is("XMM0, low", 0x1111_2222_u32, read.0[40]);
            checks.is("XMM0, high", 0x3333_4444_u32, read.0[43]);
            Ok(())
        },
    ),
    case(
        STATE,
        "xsave_refused",
        "KVM_SET_XSAVE refuses components that there are not and reserved bits of MXCSR.",
        "KVM_SET_XSAVE",
        caps!(KVM_CAP_XSAVE),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let vcpu = machine.vcpu(0)?;
            let area = vcpu.handle.get(&GET_XSAVE)?;
            let with = |change: fn(&mut [u32; 1024])| {
                let mut area = area.clone();
                change(&mut area.0);
                vcpu.handle.request(&SET_XSAVE, &mut area)
            };
            checks.invalid("component 62", with(|words| words[129] |= 1 << 30));
            checks.invalid("MXCSR, bit 31", with(|words| (words[6], words[128]) = (1 << 31, 3)));
            checks.done("unchanged", with(|_same| ()));
            Ok(())
        },
    ),
    case(
        STATE,
        "cpuid_is_kept",
        "KVM_GET_CPUID2 reads what KVM_SET_CPUID2 set, and answers E2BIG where there is too little room.",
        "KVM_SET_CPUID2",
        caps!(KVM_CAP_EXT_CPUID),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let vcpu = machine.vcpu(0)?;
            checks.refused(
                "too little room for all",
                &[libc::E2BIG],
                machine.kvm.request(&GET_SUPPORTED_CPUID, &mut Cpuid::with_room(1)),
            );
            let mut cpuid = Cpuid::with_room(CPUID_ROOM as u32);
            machine.kvm.request(&GET_SUPPORTED_CPUID, &mut cpuid)?;
            checks.done("set", vcpu.handle.request(&SET_CPUID2, &mut cpuid));
            let mut read = Cpuid::with_room(CPUID_ROOM as u32);
            checks.done("get", vcpu.handle.request(&GET_CPUID2, &mut read));
            checks.is("entries", cpuid.count, read.count);
            checks.is("leaf 0, EBX", cpuid.entries[0].ebx, read.entries[0].ebx);
            checks.refused(
                "too little room",
                &[libc::E2BIG],
                vcpu.handle.request(&GET_CPUID2, &mut Cpuid::with_room(1)),
            );
            Ok(())
        },
    ),
    case(
        STATE,
        "cpuid_after_run",
        "After KVM_RUN, CPUID can be set as it is, and not to something else.",
        "KVM_SET_CPUID2",
        caps!(KVM_CAP_EXT_CPUID),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let vcpu = machine.with_code(end)?;
            let mut cpuid = Cpuid::with_room(CPUID_ROOM as u32);
            machine.kvm.request(&GET_SUPPORTED_CPUID, &mut cpuid)?;
            vcpu.handle.request(&SET_CPUID2, &mut cpuid)?;
            vcpu.run_to(KVM_EXIT_IO)?;
            let mut read = Cpuid::with_room(CPUID_ROOM as u32);
            vcpu.handle.request(&GET_CPUID2, &mut read)?;
            checks.done("the same", vcpu.handle.request(&SET_CPUID2, &mut read));
            read.entries[0].ebx ^= 1;
            checks.invalid("another", vcpu.handle.request(&SET_CPUID2, &mut read));
            Ok(())
        },
    ),
    case(
        STATE,
        "state_is_read_while_it_has_not_run",
        "A processor that has not run has the registers that it is set to, and keeps them over a run.",
        "KVM_GET_REGS",
        caps!(),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let vcpu = machine.with_code(end)?;
            checks.is("RIP", CODE, vcpu.regs()?.rip);
            vcpu.run_to(KVM_EXIT_IO)?;
            checks.is("RSP", 0x8000_u64, vcpu.regs()?.rsp);
            Ok(())
        },
    ),
];
