//! Routes of interrupts, and lines.

use super::{
    caps, case,
    events::event,
    interrupts::{GSI, VECTOR, line, message, pin, route, with_apic},
    irqfd::{irqfd, raise},
};
use crate::{
    Case,
    machine::{Irqchip, Machine},
    requests::*,
};
use case::Feature::InterfaceInterrupts as INTERRUPTS;
use kvm_bindings::{KVM_CAP_IRQ_ROUTING, kvm_irq_routing_entry};

const ROUTING: &str = "KVM_SET_GSI_ROUTING";

pub(crate) const CASES: &[Case] = &[
    case(
        INTERRUPTS,
        "routing_limit",
        "A table has no more entries than KVM_CAP_IRQ_ROUTING tells, and no GSI at or above that.",
        ROUTING,
        caps!(KVM_CAP_IRQ_ROUTING, KVM_CAP_SPLIT_IRQCHIP),
        |checks| {
            let machine = Machine::new(Irqchip::Split)?;
            let limit = machine.kvm.order(CHECK_EXTENSION, KVM_CAP_IRQ_ROUTING.into())? as u32;
            checks.done("last GSI", route(&machine, &[message(limit.wrapping_sub(1), VECTOR)]));
            checks.invalid("first beyond", route(&machine, &[message(limit, VECTOR)]));
            let mut many = Routing { count: limit.wrapping_add(1), ..Default::default() };
            checks.invalid("too many entries", machine.vm.request(&SET_GSI_ROUTING, &mut many));
            checks.done("none", route(&machine, &[]));
            Ok(())
        },
    ),
    case(
        INTERRUPTS,
        "routing_refuses_bad_entries",
        "Unknown types, flags and pins are refused.",
        ROUTING,
        caps!(KVM_CAP_IRQ_ROUTING, KVM_CAP_IRQCHIP),
        |checks| {
            let machine = Machine::new(Irqchip::Full)?;
            let with = |change: fn(&mut kvm_irq_routing_entry)| {
                let mut entry = message(GSI, VECTOR);
                change(&mut entry);
                route(&machine, &[entry])
            };
            checks.invalid("type 0", with(|entry| entry.type_ = 0));
            checks.invalid("type 77", with(|entry| entry.type_ = 77));
            checks.invalid("flag 31", with(|entry| entry.flags = 1 << 31));
            checks.invalid("chip 3", route(&machine, &[pin(4, 3, 0)]));
            checks.invalid("pin 24 of the I/O APIC", route(&machine, &[pin(4, 2, 24)]));
            checks.invalid("pin 8 of an 8259A", route(&machine, &[pin(4, 0, 8)]));
            checks.done("a right one", route(&machine, &[pin(4, 2, 23), pin(4, 1, 7)]));
            Ok(())
        },
    ),
    case(
        INTERRUPTS,
        "routing_refuses_two_of_a_kind",
        "A GSI goes to one pin of a chip, and to a message alone.",
        ROUTING,
        caps!(KVM_CAP_IRQ_ROUTING, KVM_CAP_IRQCHIP),
        |checks| {
            let machine = Machine::new(Irqchip::Full)?;
            checks.invalid("twice to the I/O APIC", route(&machine, &[pin(4, 2, 4), pin(4, 2, 5)]));
            checks.invalid("two messages", route(&machine, &[message(4, 0x40), message(4, 0x41)]));
            checks.invalid("a message and a pin", route(&machine, &[message(4, 0x40), pin(4, 2, 5)]));
            checks.done("an 8259A and the I/O APIC", route(&machine, &[pin(4, 0, 4), pin(4, 2, 4)]));
            Ok(())
        },
    ),
    case(
        INTERRUPTS,
        "routing_flags",
        "The table itself has no flags.",
        ROUTING,
        caps!(KVM_CAP_IRQ_ROUTING, KVM_CAP_SPLIT_IRQCHIP),
        |checks| {
            let machine = Machine::new(Irqchip::Split)?;
            let mut routing = Routing { flags: 1, ..Default::default() };
            checks.invalid("flag 0", machine.vm.request(&SET_GSI_ROUTING, &mut routing));
            Ok(())
        },
    ),
    case(
        INTERRUPTS,
        "routing_replaces_the_table",
        "A table replaces the whole one before it: a GSI that it does not name delivers nothing.",
        ROUTING,
        caps!(KVM_CAP_IRQ_ROUTING, KVM_CAP_SPLIT_IRQCHIP),
        |checks| {
            let machine = Machine::new(Irqchip::Split)?;
            let vcpu = with_apic(&machine)?;
            let [event, other] = [event()?, event()?];
            route(&machine, &[message(GSI, VECTOR)])?;
            irqfd(&machine, &event, GSI, 0, None)?;
            irqfd(&machine, &other, GSI + 1, 0, None)?;
            route(&machine, &[message(GSI + 1, VECTOR + 1)])?;
            raise(&event)?;
            raise(&other)?;
            checks.is("the new one", true, vcpu.wait_for_request(VECTOR + 1)?);
            checks.is("the old one", false, vcpu.is_requested(VECTOR)?);
            Ok(())
        },
    ),
    case(
        INTERRUPTS,
        "irq_line_wants_an_irqchip",
        "KVM_IRQ_LINE needs an interrupt controller that is created.",
        "KVM_IRQ_LINE",
        caps!(KVM_CAP_IRQCHIP),
        |checks| {
            checks.refused("without", &[libc::ENXIO], line(&Machine::new(Irqchip::None)?, 4, 1));
            let full = Machine::new(Irqchip::Full)?;
            checks.done("with", line(&full, 4, 1));
            checks.done("lowered", line(&full, 4, 0));
            Ok(())
        },
    ),
];
