//! Events that are pending or injected, as the host reads and sets them.

use super::{caps, case};
use crate::{
    Case,
    api::Answer,
    machine::{Irqchip, Machine, Vcpu},
    requests::*,
};
use case::Feature::InterfaceState as STATE;
use kvm_bindings::{
    KVM_CAP_EXCEPTION_PAYLOAD, KVM_VCPUEVENT_VALID_NMI_PENDING, KVM_VCPUEVENT_VALID_PAYLOAD,
    KVM_VCPUEVENT_VALID_SHADOW, kvm_vcpu_events,
};

const EVENTS: &str = "KVM_SET_VCPU_EVENTS";

pub(super) fn put_events(vcpu: &Vcpu<'_>, mut events: kvm_vcpu_events) -> Answer {
    vcpu.handle.request(&SET_VCPU_EVENTS, &mut events)
}

pub(crate) const CASES: &[Case] = &[
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
];
