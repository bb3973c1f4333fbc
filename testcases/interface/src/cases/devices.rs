//! State of interrupt controllers and timer, and clocks of a VM.

use super::{caps, case};
use crate::{
    Case,
    api::Answer,
    machine::{Irqchip, Machine, apic_register, set_apic_register},
    requests::*,
};
use case::Feature::{InterfaceClocks as CLOCKS, InterfaceDevices as DEVICES};
use kvm_bindings::{
    KVM_CAP_ADJUST_CLOCK, KVM_CAP_SPLIT_IRQCHIP, KVM_CAP_X2APIC_API, KVM_CLOCK_TSC_STABLE, kvm_clock_data,
    kvm_pit_config,
};

const SECOND_NS: u64 = 1_000_000_000;

fn chip(machine: &Machine, chip_id: u32) -> Answer {
    machine.vm.request(&GET_IRQCHIP, &mut ChipState::of(chip_id))
}

fn clock(machine: &Machine, clock: u64, flags: u32) -> Answer {
    machine.vm.request(&SET_CLOCK, &mut kvm_clock_data { clock, flags, ..Default::default() })
}

pub(crate) const CASES: &[Case] = &[
    case(
        DEVICES,
        "lapic_round_trip",
        "KVM_SET_LAPIC sets what KVM_GET_LAPIC reads.",
        "KVM_SET_LAPIC",
        caps!(KVM_CAP_IRQCHIP),
        |checks| {
            let machine = Machine::new(Irqchip::Split)?;
            let vcpu = machine.vcpu(0)?;
            let mut state = vcpu.handle.get(&GET_LAPIC)?;
            let registers = [
                ("TPR", 0x80, 0x30),
                ("SVR", 0xf0, 0x1ff),
                ("LVT timer", 0x320, 0x1_0040),
                ("LVT error", 0x370, 0x1_0050),
                ("divide configuration", 0x3e0, 0xb),
            ];
            for (_, offset, value) in registers {
                set_apic_register(&mut state, offset, value);
            }
            checks.done("set", vcpu.handle.request(&SET_LAPIC, &mut state));
            let read = vcpu.handle.get(&GET_LAPIC)?;
            for (name, offset, value) in registers {
                checks.is(name, value, apic_register(&read, offset));
            }
            Ok(())
        },
    ),
    case(
        DEVICES,
        "lapic_without_irqchip",
        "There is no local APIC to read where user space emulates it.",
        "KVM_GET_LAPIC",
        caps!(KVM_CAP_IRQCHIP),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let vcpu = machine.vcpu(0)?;
            checks.invalid("get", vcpu.handle.get(&GET_LAPIC).map(|_state| 0));
            Ok(())
        },
    ),
    case(
        DEVICES,
        "lapic_ids",
        "The local APIC of a processor has the id that it was created with.",
        "KVM_GET_LAPIC",
        caps!(KVM_CAP_IRQCHIP),
        |checks| {
            let machine = Machine::new(Irqchip::Split)?;
            for id in [0, 1, 7] {
                let vcpu = machine.vcpu(id)?;
                checks.is(format!("id {id}"), id << 24, vcpu.apic(0x20)?);
            }
            Ok(())
        },
    ),
    case(
        DEVICES,
        "irqchips_are_read",
        "KVM_GET_IRQCHIP reads both 8259As and the I/O APIC, and nothing else.",
        "KVM_GET_IRQCHIP",
        caps!(KVM_CAP_IRQCHIP),
        |checks| {
            let machine = Machine::new(Irqchip::Full)?;
            for id in 0..3 {
                checks.done(format!("chip {id}"), chip(&machine, id));
            }
            checks.invalid("chip 3", chip(&machine, 3));
            checks.refused("without one", &[libc::ENXIO], chip(&Machine::new(Irqchip::None)?, 0));
            checks.refused("of a split one", &[libc::ENXIO], chip(&Machine::new(Irqchip::Split)?, 0));
            Ok(())
        },
    ),
    case(
        DEVICES,
        "irqchip_round_trip",
        "KVM_SET_IRQCHIP sets what KVM_GET_IRQCHIP reads.",
        "KVM_SET_IRQCHIP",
        caps!(KVM_CAP_IRQCHIP),
        |checks| {
            let machine = Machine::new(Irqchip::Full)?;
            let mut state = ChipState::of(0);
            machine.vm.request(&GET_IRQCHIP, &mut state)?;
            // The interrupt mask register in `kvm_pic_state`.
            state.bytes[2] = 0x5a;
            checks.done("set", machine.vm.request(&SET_IRQCHIP, &mut state));
            let mut read = ChipState::of(0);
            machine.vm.request(&GET_IRQCHIP, &mut read)?;
            checks.is("mask", 0x5a_u8, read.bytes[2]);
            state.chip_id = 3;
            checks.invalid("chip 3", machine.vm.request(&SET_IRQCHIP, &mut state));
            Ok(())
        },
    ),
    case(
        DEVICES,
        "irqchip_created_twice",
        "An interrupt controller is created once, and before the processors.",
        "KVM_CREATE_IRQCHIP",
        caps!(KVM_CAP_IRQCHIP),
        |checks| {
            let machine = Machine::new(Irqchip::Full)?;
            checks.refused("again", &[libc::EEXIST], machine.vm.order(CREATE_IRQCHIP, 0));
            checks.refused("split behind it", &[libc::EEXIST], machine.enable(KVM_CAP_SPLIT_IRQCHIP, 24));
            let machine = Machine::new(Irqchip::Split)?;
            checks.refused("behind a split one", &[libc::EEXIST], machine.vm.order(CREATE_IRQCHIP, 0));
            let machine = Machine::new(Irqchip::None)?;
            let _vcpu = machine.vcpu(0)?;
            checks.invalid("behind a processor", machine.vm.order(CREATE_IRQCHIP, 0));
            checks.refused(
                "split behind a processor",
                &[libc::EEXIST, libc::EINVAL],
                machine.enable(KVM_CAP_SPLIT_IRQCHIP, 24),
            );
            Ok(())
        },
    ),
    case(
        DEVICES,
        "pit_wants_an_irqchip",
        "KVM_CREATE_PIT2 is valid behind KVM_CREATE_IRQCHIP, and once.",
        "KVM_CREATE_PIT2",
        caps!(KVM_CAP_PIT2),
        |checks| {
            let create = |machine: &Machine, flags| {
                machine.vm.request(&CREATE_PIT2, &mut kvm_pit_config { flags, ..Default::default() })
            };
            checks.refused(
                "without",
                &[libc::ENOENT, libc::EINVAL, libc::ENXIO],
                create(&Machine::new(Irqchip::None)?, 0),
            );
            let machine = Machine::new(Irqchip::Full)?;
            checks.refused("state of none", &[libc::ENXIO], machine.vm.get(&GET_PIT2).map(|_state| 0));
            checks.done("created", create(&machine, 1));
            checks.refused("again", &[libc::EEXIST], create(&machine, 1));
            let mut state = machine.vm.get(&GET_PIT2)?;
            state.channels[2].count = 0x1234;
            state.channels[2].mode = 3;
            checks.done("set", machine.vm.request(&SET_PIT2, &mut state));
            let read = machine.vm.get(&GET_PIT2)?;
            checks.is("count", 0x1234_u32, read.channels[2].count);
            checks.is("mode", 3_u8, read.channels[2].mode);
            Ok(())
        },
    ),
    case(
        DEVICES,
        "x2apic_api_arguments",
        "KVM_CAP_X2APIC_API takes the flags that are defined.",
        "KVM_CAP_X2APIC_API",
        caps!(KVM_CAP_X2APIC_API),
        |checks| {
            let machine = Machine::new(Irqchip::Split)?;
            checks.invalid("bit 31", machine.enable(KVM_CAP_X2APIC_API, 1 << 31));
            checks.invalid("bit 63", machine.enable(KVM_CAP_X2APIC_API, 1 << 63));
            checks.done("both", machine.enable(KVM_CAP_X2APIC_API, 3));
            Ok(())
        },
    ),
    case(
        CLOCKS,
        "clock_is_set",
        "KVM_SET_CLOCK sets the time that KVM_GET_CLOCK reads, and which goes on.",
        "KVM_SET_CLOCK",
        caps!(KVM_CAP_ADJUST_CLOCK),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let start = 1 << 40;
            checks.done("set", clock(&machine, start, 0));
            let first = machine.vm.get(&GET_CLOCK)?.clock;
            let second = machine.vm.get(&GET_CLOCK)?.clock;
            // An hour is for a host that stops in between.
            checks.within("read", start, start + 3600 * SECOND_NS, first);
            checks.within("goes on", first, first + 3600 * SECOND_NS, second);
            Ok(())
        },
    ),
    case(
        CLOCKS,
        "clock_flags",
        "KVM_SET_CLOCK refuses unknown flags; KVM_GET_CLOCK tells no other than KVM_CAP_ADJUST_CLOCK does.",
        "KVM_SET_CLOCK",
        caps!(KVM_CAP_ADJUST_CLOCK),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let known = machine.kvm.order(CHECK_EXTENSION, KVM_CAP_ADJUST_CLOCK.into())?;
            for bit in [0, 31] {
                checks.invalid(format!("bit {bit}"), clock(&machine, 0, 1 << bit));
            }
            let told = u64::from(machine.vm.get(&GET_CLOCK)?.flags);
            checks.is("told beyond", 0_u64, told & !(known | u64::from(KVM_CLOCK_TSC_STABLE)));
            Ok(())
        },
    ),
    case(
        CLOCKS,
        "tsc_rate_of_a_host",
        "KVM_GET_TSC_KHZ reads the rate of a processor, which is that of the VM unless it is set.",
        "KVM_GET_TSC_KHZ",
        caps!(KVM_CAP_GET_TSC_KHZ),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let vcpu = machine.vcpu(0)?;
            let rate = vcpu.handle.order(GET_TSC_KHZ, 0)?;
            checks.within("between 100 MHz and 20 GHz", 100_000, 20_000_000, rate);
            checks.answers("of another", rate, machine.vcpu(1)?.handle.order(GET_TSC_KHZ, 0));
            Ok(())
        },
    ),
    case(
        CLOCKS,
        "tsc_rate_is_set",
        "KVM_SET_TSC_KHZ to the rate that there is is taken; without KVM_CAP_TSC_CONTROL a much lower one is refused, with it it is taken.",
        "KVM_SET_TSC_KHZ",
        caps!(KVM_CAP_GET_TSC_KHZ),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let vcpu = machine.vcpu(0)?;
            let rate = vcpu.handle.order(GET_TSC_KHZ, 0)?;
            checks.done("the same", vcpu.handle.order(SET_TSC_KHZ, rate));
            let lower = vcpu.handle.order(SET_TSC_KHZ, rate / 2);
            if machine.kvm.order(CHECK_EXTENSION, kvm_bindings::KVM_CAP_TSC_CONTROL.into())? == 0 {
                checks.invalid("half", lower);
                checks.is("unchanged", true, vcpu.handle.order(GET_TSC_KHZ, 0)? == rate);
            } else {
                checks.done("half", lower);
                checks.answers("changed", rate / 2, vcpu.handle.order(GET_TSC_KHZ, 0));
            }
            Ok(())
        },
    ),
    case(
        CLOCKS,
        "kvmclock_ctrl_wants_a_clock",
        "KVM_KVMCLOCK_CTRL is refused where the guest uses no kvmclock.",
        "KVM_KVMCLOCK_CTRL",
        caps!(KVM_CAP_KVMCLOCK_CTRL),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            checks.invalid("without", machine.vcpu(0)?.handle.order(KVMCLOCK_CTRL, 0));
            Ok(())
        },
    ),
];
