//! State of a virtual processor beyond its registers: what is set is read, and what cannot be is refused.

use super::{
    caps, case,
    state::{LMA, LME, NE, PAE, PE, PG},
};
use crate::{
    Case,
    api::Answer,
    machine::{CODE, Irqchip, Machine, Vcpu, end},
    requests::*,
};
use case::Feature::InterfaceState as STATE;
use kvm_bindings::{
    KVM_EXIT_IO, KVM_MP_STATE_HALTED, KVM_MP_STATE_INIT_RECEIVED, KVM_MP_STATE_RUNNABLE, kvm_mp_state, kvm_translation,
    kvm_xcr, kvm_xcrs,
};

fn mp_state(vcpu: &Vcpu<'_>) -> Answer {
    vcpu.handle.get(&GET_MP_STATE).map(|state: kvm_mp_state| state.mp_state.into())
}

fn put_mp_state(vcpu: &Vcpu<'_>, mp_state: u32) -> Answer {
    vcpu.handle.request(&SET_MP_STATE, &mut kvm_mp_state { mp_state })
}

pub(crate) const CASES: &[Case] = &[
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
            vcpu.offer_all()?;
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
            vcpu.offer_all()?;
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
        "KVM_SET_CPUID",
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
        "KVM_SET_CPUID",
        caps!(KVM_CAP_EXT_CPUID),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let vcpu = machine.with_code(end)?;
            vcpu.offer_all()?;
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
