//! Events that the host puts into the guest: exceptions of guest debug, pending exceptions, and triple faults.

use super::{caps, case, vcpu_events::put_events};
use crate::{
    Case, Trouble,
    api::Answer,
    machine::{CODE, Irqchip, Machine, Vcpu, end},
    requests::*,
};
use case::Feature::{InterfaceDebug as DEBUG, InterfaceState as STATE};
use kvm_bindings::{
    KVM_CAP_EXCEPTION_PAYLOAD, KVM_CAP_SET_GUEST_DEBUG2, KVM_CAP_X86_TRIPLE_FAULT_EVENT, KVM_EXIT_HLT, KVM_EXIT_IO,
    KVM_EXIT_SHUTDOWN, KVM_GUESTDBG_BLOCKIRQ, KVM_GUESTDBG_ENABLE, KVM_GUESTDBG_INJECT_BP, KVM_GUESTDBG_INJECT_DB,
    KVM_VCPUEVENT_VALID_PAYLOAD, KVM_VCPUEVENT_VALID_TRIPLE_FAULT, kvm_guest_debug,
};

const GUEST_DEBUG: &str = "KVM_SET_GUEST_DEBUG";
const EVENTS: &str = "KVM_SET_VCPU_EVENTS";

/// Vectors of #DB and of NMIs, and of #BP.
const DB: usize = 1;
const NMI_VECTOR: usize = 2;
const BP: usize = 3;

/// Where the handler stands; it halts at once.
const HANDLER: u64 = 0x4000;
const HLT: u8 = 0xf4;

fn debug(vcpu: &Vcpu<'_>, control: u32) -> Answer {
    vcpu.handle.request(&SET_GUEST_DEBUG, &mut kvm_guest_debug { control, ..Default::default() })
}

/// A processor whose code ends at once, and whose vector leads to the handler.
fn with_vector(machine: &Machine, vector: usize) -> Result<Vcpu<'_>, Trouble> {
    machine.memory.write(4 * vector, &(HANDLER as u32).to_le_bytes());
    machine.memory.write(HANDLER as usize, &[HLT]);
    machine.with_code(end)
}

/// Guest debug must tell these flags.
fn debug_offers(machine: &Machine, flags: u32, name: &'static str) -> Result<(), Trouble> {
    let offered = machine.kvm.order(CHECK_EXTENSION, KVM_CAP_SET_GUEST_DEBUG2.into())?;
    if offered & u64::from(flags) == u64::from(flags) { Ok(()) } else { Err(Trouble::NotOffered(name)) }
}

pub(crate) const CASES: &[Case] = &[
    case(
        DEBUG,
        "debug_exception_is_injected",
        "KVM_GUESTDBG_INJECT_DB injects #DB into the guest.",
        GUEST_DEBUG,
        caps!(KVM_CAP_SET_GUEST_DEBUG2),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            debug_offers(&machine, KVM_GUESTDBG_INJECT_DB, "KVM_GUESTDBG_INJECT_DB")?;
            let vcpu = with_vector(&machine, DB)?;
            checks.done("set", debug(&vcpu, KVM_GUESTDBG_INJECT_DB));
            checks.answers("exit", KVM_EXIT_HLT.into(), vcpu.run());
            checks.is("RIP", HANDLER + 1, vcpu.regs()?.rip);
            checks.is("return address", CODE as u16, machine.memory.u16(0x8000 - 6));
            Ok(())
        },
    ),
    case(
        DEBUG,
        "breakpoint_exception_is_injected",
        "KVM_GUESTDBG_INJECT_BP injects #BP into the guest.",
        GUEST_DEBUG,
        caps!(KVM_CAP_SET_GUEST_DEBUG2),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            debug_offers(&machine, KVM_GUESTDBG_INJECT_BP, "KVM_GUESTDBG_INJECT_BP")?;
            let vcpu = with_vector(&machine, BP)?;
            checks.done("set", debug(&vcpu, KVM_GUESTDBG_INJECT_BP));
            checks.answers("exit", KVM_EXIT_HLT.into(), vcpu.run());
            checks.is("RIP", HANDLER + 1, vcpu.regs()?.rip);
            Ok(())
        },
    ),
    case(
        DEBUG,
        "interrupts_are_held_back",
        "With KVM_GUESTDBG_BLOCKIRQ no NMI is injected; without it the one that was held back is.",
        GUEST_DEBUG,
        caps!(KVM_CAP_SET_GUEST_DEBUG2, KVM_CAP_USER_NMI),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            debug_offers(&machine, KVM_GUESTDBG_BLOCKIRQ, "KVM_GUESTDBG_BLOCKIRQ")?;
            let vcpu = with_vector(&machine, NMI_VECTOR)?;
            checks.done("set", debug(&vcpu, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_BLOCKIRQ));
            checks.done("NMI", vcpu.handle.order(NMI, 0));
            checks.answers("held back", KVM_EXIT_IO.into(), vcpu.run());
            vcpu.start()?;
            checks.done("off", debug(&vcpu, 0));
            checks.answers("injected", KVM_EXIT_HLT.into(), vcpu.run());
            checks.is("RIP", HANDLER + 1, vcpu.regs()?.rip);
            Ok(())
        },
    ),
    case(
        DEBUG,
        "flags_that_are_told_are_taken",
        "Each flag of guest debug that KVM_CAP_SET_GUEST_DEBUG2 tells is taken.",
        GUEST_DEBUG,
        caps!(KVM_CAP_SET_GUEST_DEBUG2),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let told = machine.kvm.order(CHECK_EXTENSION, KVM_CAP_SET_GUEST_DEBUG2.into())? as u32;
            checks.is("KVM_GUESTDBG_ENABLE", KVM_GUESTDBG_ENABLE, told & KVM_GUESTDBG_ENABLE);
            for bit in (0..32).filter(|bit| told >> bit & 1 == 1) {
                // A processor of its own: an exception that is injected stays pending.
                let machine = Machine::new(Irqchip::None)?;
                let vcpu = machine.vcpu(0)?;
                checks.done(format!("bit {bit}"), debug(&vcpu, KVM_GUESTDBG_ENABLE | 1 << bit));
            }
            Ok(())
        },
    ),
    case(
        STATE,
        "exception_payload_is_delivered",
        "The payload of a pending exception goes to where the guest finds it when the exception is delivered.",
        "KVM_CAP_EXCEPTION_PAYLOAD",
        caps!(KVM_CAP_EXCEPTION_PAYLOAD, KVM_CAP_DEBUGREGS),
        |checks| {
            const BS: u64 = 1 << 14;
            let machine = Machine::new(Irqchip::None)?;
            machine.enable(KVM_CAP_EXCEPTION_PAYLOAD, 1)?;
            let vcpu = with_vector(&machine, DB)?;
            let mut events = vcpu.handle.get(&GET_VCPU_EVENTS)?;
            (events.exception.pending, events.exception.nr) = (1, DB as u8);
            (events.exception_has_payload, events.exception_payload) = (1, BS);
            events.flags = KVM_VCPUEVENT_VALID_PAYLOAD;
            put_events(&vcpu, events)?;
            checks.is("DR6.BS before", 0_u64, vcpu.handle.get(&GET_DEBUGREGS)?.dr6 & BS);
            checks.answers("exit", KVM_EXIT_HLT.into(), vcpu.run());
            checks.is("RIP", HANDLER + 1, vcpu.regs()?.rip);
            checks.is("DR6.BS", BS, vcpu.handle.get(&GET_DEBUGREGS)?.dr6 & BS);
            Ok(())
        },
    ),
    case(
        STATE,
        "triple_fault_is_an_event",
        "With KVM_CAP_X86_TRIPLE_FAULT_EVENT a triple fault that is set as pending shuts the processor down.",
        EVENTS,
        caps!(KVM_CAP_VCPU_EVENTS, KVM_CAP_X86_TRIPLE_FAULT_EVENT),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            checks.done("enabled", machine.enable(KVM_CAP_X86_TRIPLE_FAULT_EVENT, 1));
            let vcpu = machine.with_code(end)?;
            let mut events = vcpu.handle.get(&GET_VCPU_EVENTS)?;
            let valid = KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
            checks.is("flag", valid, events.flags & valid);
            checks.is("none pending", 0_u8, events.triple_fault.pending);
            (events.flags, events.triple_fault.pending) = (valid, 1);
            checks.done("set", put_events(&vcpu, events));
            checks.is("pending", 1_u8, vcpu.handle.get(&GET_VCPU_EVENTS)?.triple_fault.pending);
            checks.answers("exit", KVM_EXIT_SHUTDOWN.into(), vcpu.run());
            Ok(())
        },
    ),
    case(
        STATE,
        "triple_fault_wants_its_capability",
        "KVM_VCPUEVENT_VALID_TRIPLE_FAULT is neither told nor taken before KVM_CAP_X86_TRIPLE_FAULT_EVENT is enabled.",
        EVENTS,
        caps!(KVM_CAP_VCPU_EVENTS, KVM_CAP_X86_TRIPLE_FAULT_EVENT),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let vcpu = machine.with_code(end)?;
            let mut events = vcpu.handle.get(&GET_VCPU_EVENTS)?;
            checks.is("flag", 0_u32, events.flags & KVM_VCPUEVENT_VALID_TRIPLE_FAULT);
            (events.flags, events.triple_fault.pending) = (KVM_VCPUEVENT_VALID_TRIPLE_FAULT, 1);
            checks.invalid("set", put_events(&vcpu, events));
            checks.answers("exit", KVM_EXIT_IO.into(), vcpu.run());
            Ok(())
        },
    ),
];
