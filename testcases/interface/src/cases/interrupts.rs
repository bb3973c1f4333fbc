//! irqfd, routing and messages. What arrives is read from the local APIC, so no guest runs.

use super::{
    caps, case,
    events::{count, event},
};
use crate::{
    Case, Trouble,
    api::Answer,
    machine::{Irqchip, Machine, Vcpu, end},
    requests::*,
};
use case::Feature::InterfaceInterrupts as INTERRUPTS;
use iced_x86::code_asm::al;
use kvm_bindings::{
    KVM_CAP_IRQ_ROUTING, KVM_EXIT_IO, KVM_IRQ_ROUTING_IRQCHIP, KVM_IRQ_ROUTING_MSI, KVM_IRQFD_FLAG_DEASSIGN,
    KVM_IRQFD_FLAG_RESAMPLE, kvm_irq_level, kvm_irq_level__bindgen_ty_1, kvm_irq_routing_entry,
    kvm_irq_routing_entry__bindgen_ty_1, kvm_irq_routing_irqchip, kvm_irq_routing_msi, kvm_irqfd, kvm_msi,
};
use std::{
    os::fd::AsRawFd,
    time::{Duration, Instant},
};
use vmm_sys_util::eventfd::EventFd;

const ROUTING: &str = "KVM_SET_GSI_ROUTING";
const IRQFD_TITLE: &str = "KVM_IRQFD";
const MSI: &str = "KVM_SIGNAL_MSI";

/// A vector, and a GSI behind the pins of the I/O APIC.
const VECTOR: u8 = 0x51;
const GSI: u32 = 30;

/// A VM whose local APICs are KVM's, and switched on.
fn with_apic(machine: &Machine) -> Result<Vcpu<'_>, Trouble> {
    let vcpu = machine.vcpu(0)?;
    vcpu.enable_apic()?;
    Ok(vcpu)
}

fn signal(machine: &Machine, address_lo: u32, data: u32, flags: u32) -> Answer {
    machine.vm.request(&SIGNAL_MSI, &mut kvm_msi { address_lo, data, flags, ..Default::default() })
}

/// A fixed message to the processor with this APIC id.
const fn to(id: u32) -> u32 {
    0xfee0_0000 | id << 12
}

fn message(gsi: u32, vector: u8) -> kvm_irq_routing_entry {
    let msi = kvm_irq_routing_msi { address_lo: to(0), data: vector.into(), ..Default::default() };
    kvm_irq_routing_entry {
        gsi,
        type_: KVM_IRQ_ROUTING_MSI,
        u: kvm_irq_routing_entry__bindgen_ty_1 { msi },
        ..Default::default()
    }
}

fn pin(gsi: u32, irqchip: u32, pin: u32) -> kvm_irq_routing_entry {
    let irqchip = kvm_irq_routing_irqchip { irqchip, pin };
    kvm_irq_routing_entry {
        gsi,
        type_: KVM_IRQ_ROUTING_IRQCHIP,
        u: kvm_irq_routing_entry__bindgen_ty_1 { irqchip },
        ..Default::default()
    }
}

fn route(machine: &Machine, entries: &[kvm_irq_routing_entry]) -> Answer {
    let mut routing = Routing { count: entries.len() as u32, ..Default::default() };
    for (to, from) in routing.entries.iter_mut().zip(entries) {
        *to = *from;
    }
    machine.vm.request(&SET_GSI_ROUTING, &mut routing)
}

fn irqfd(machine: &Machine, event: &EventFd, gsi: u32, flags: u32, resample: Option<&EventFd>) -> Answer {
    let fd = |event: &EventFd| event.as_raw_fd() as u32;
    let resamplefd = resample.map_or(0, fd);
    machine.vm.request(&IRQFD, &mut kvm_irqfd { fd: fd(event), gsi, flags, resamplefd, ..Default::default() })
}

fn line(machine: &Machine, irq: u32, level: u32) -> Answer {
    let mut argument = kvm_irq_level { __bindgen_anon_1: kvm_irq_level__bindgen_ty_1 { irq }, level };
    machine.vm.request(&IRQ_LINE, &mut argument)
}

fn raise(event: &EventFd) -> Answer {
    event.write(1).map(|()| 0).map_err(|_errno| crate::Errno::last("write"))
}

pub(crate) const CASES: &[Case] = &[
    case(
        INTERRUPTS,
        "signal_msi_delivers",
        "KVM_SIGNAL_MSI delivers the message, and answers with a number above 0.",
        MSI,
        caps!(KVM_CAP_SIGNAL_MSI, KVM_CAP_SPLIT_IRQCHIP),
        |checks| {
            let machine = Machine::new(Irqchip::Split)?;
            let vcpu = with_apic(&machine)?;
            checks.is("before", false, vcpu.is_requested(VECTOR)?);
            checks.answers("answer", 1, signal(&machine, to(0), VECTOR.into(), 0));
            checks.is("requested", true, vcpu.is_requested(VECTOR)?);
            checks.is("the next", false, vcpu.is_requested(VECTOR + 1)?);
            Ok(())
        },
    ),
    case(
        INTERRUPTS,
        "signal_msi_blocked",
        "KVM_SIGNAL_MSI answers 0 if the guest blocked the message, which a local APIC that is off does.",
        MSI,
        caps!(KVM_CAP_SIGNAL_MSI, KVM_CAP_SPLIT_IRQCHIP),
        |checks| {
            let machine = Machine::new(Irqchip::Split)?;
            let vcpu = machine.vcpu(0)?;
            checks.answers("answer", 0, signal(&machine, to(0), VECTOR.into(), 0));
            checks.is("requested", false, vcpu.is_requested(VECTOR)?);
            Ok(())
        },
    ),
    case(
        INTERRUPTS,
        "signal_msi_to_nobody",
        "A message that no processor takes reaches none.",
        MSI,
        caps!(KVM_CAP_SIGNAL_MSI, KVM_CAP_SPLIT_IRQCHIP),
        |checks| {
            let machine = Machine::new(Irqchip::Split)?;
            let vcpu = with_apic(&machine)?;
            let answer = signal(&machine, to(5), VECTOR.into(), 0);
            checks.is("delivered", false, answer.is_ok_and(|answer| answer > 0));
            checks.is("requested", false, vcpu.is_requested(VECTOR)?);
            Ok(())
        },
    ),
    case(
        INTERRUPTS,
        "signal_msi_arguments",
        "KVM_SIGNAL_MSI refuses unknown flags.",
        MSI,
        caps!(KVM_CAP_SIGNAL_MSI, KVM_CAP_SPLIT_IRQCHIP),
        |checks| {
            let machine = Machine::new(Irqchip::Split)?;
            let _vcpu = with_apic(&machine)?;
            for bit in [1, 2, 31] {
                checks.invalid(format!("flag {bit}"), signal(&machine, to(0), VECTOR.into(), 1 << bit));
            }
            Ok(())
        },
    ),
    case(
        INTERRUPTS,
        "signal_msi_without_irqchip",
        "KVM_SIGNAL_MSI needs an in-kernel interrupt controller.",
        MSI,
        caps!(KVM_CAP_SIGNAL_MSI),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let _vcpu = machine.vcpu(0)?;
            checks.invalid("answer", signal(&machine, to(0), VECTOR.into(), 0));
            Ok(())
        },
    ),
    case(
        INTERRUPTS,
        "irqfd_delivers_a_message",
        "An event that is signalled delivers the message that its GSI is routed to.",
        IRQFD_TITLE,
        caps!(KVM_CAP_IRQFD, KVM_CAP_SPLIT_IRQCHIP),
        |checks| {
            let machine = Machine::new(Irqchip::Split)?;
            let vcpu = with_apic(&machine)?;
            let event = event()?;
            checks.done("routed", route(&machine, &[message(GSI, VECTOR)]));
            checks.done("assigned", irqfd(&machine, &event, GSI, 0, None));
            checks.is("before", false, vcpu.is_requested(VECTOR)?);
            raise(&event)?;
            checks.is("requested", true, vcpu.wait_for_request(VECTOR)?);
            checks.is("consumed", 0_u64, count(&event));
            Ok(())
        },
    ),
    case(
        INTERRUPTS,
        "irqfd_signalled_before",
        "An event that is signalled already is delivered when it is assigned.",
        IRQFD_TITLE,
        caps!(KVM_CAP_IRQFD, KVM_CAP_SPLIT_IRQCHIP),
        |checks| {
            let machine = Machine::new(Irqchip::Split)?;
            let vcpu = with_apic(&machine)?;
            let event = event()?;
            raise(&event)?;
            route(&machine, &[message(GSI, VECTOR)])?;
            checks.done("assigned", irqfd(&machine, &event, GSI, 0, None));
            checks.is("requested", true, vcpu.wait_for_request(VECTOR)?);
            Ok(())
        },
    ),
    case(
        INTERRUPTS,
        "irqfd_follows_the_route",
        "A route that is changed is that of the next signal.",
        IRQFD_TITLE,
        caps!(KVM_CAP_IRQFD, KVM_CAP_SPLIT_IRQCHIP),
        |checks| {
            let machine = Machine::new(Irqchip::Split)?;
            let vcpu = with_apic(&machine)?;
            let event = event()?;
            route(&machine, &[message(GSI, VECTOR)])?;
            irqfd(&machine, &event, GSI, 0, None)?;
            checks.done("routed again", route(&machine, &[message(GSI, VECTOR + 0x20)]));
            raise(&event)?;
            checks.is("by the new route", true, vcpu.wait_for_request(VECTOR + 0x20)?);
            checks.is("by the old one", false, vcpu.is_requested(VECTOR)?);
            Ok(())
        },
    ),
    case(
        INTERRUPTS,
        "irqfd_deassign",
        "An event that is deassigned delivers nothing.",
        IRQFD_TITLE,
        caps!(KVM_CAP_IRQFD, KVM_CAP_SPLIT_IRQCHIP),
        |checks| {
            let machine = Machine::new(Irqchip::Split)?;
            let vcpu = with_apic(&machine)?;
            let [event, other] = [event()?, event()?];
            route(&machine, &[message(GSI, VECTOR), message(GSI + 1, VECTOR + 1)])?;
            irqfd(&machine, &event, GSI, 0, None)?;
            irqfd(&machine, &other, GSI + 1, 0, None)?;
            checks.done("deassigned", irqfd(&machine, &event, GSI, KVM_IRQFD_FLAG_DEASSIGN, None));
            raise(&event)?;
            raise(&other)?;
            checks.is("the other", true, vcpu.wait_for_request(VECTOR + 1)?);
            checks.is("requested", false, vcpu.is_requested(VECTOR)?);
            checks.is("not consumed", 1_u64, count(&event));
            Ok(())
        },
    ),
    case(
        INTERRUPTS,
        "irqfd_assigned_twice",
        "An event is assigned once.",
        IRQFD_TITLE,
        caps!(KVM_CAP_IRQFD, KVM_CAP_SPLIT_IRQCHIP),
        |checks| {
            let machine = Machine::new(Irqchip::Split)?;
            let [event, other] = [event()?, event()?];
            checks.done("first", irqfd(&machine, &event, GSI, 0, None));
            checks.refused("same GSI", &[libc::EBUSY], irqfd(&machine, &event, GSI, 0, None));
            checks.refused("another GSI", &[libc::EBUSY], irqfd(&machine, &event, GSI + 1, 0, None));
            checks.done("another event", irqfd(&machine, &other, GSI, 0, None));
            Ok(())
        },
    ),
    case(
        INTERRUPTS,
        "irqfd_arguments",
        "KVM_IRQFD refuses unknown flags and what is no eventfd.",
        IRQFD_TITLE,
        caps!(KVM_CAP_IRQFD, KVM_CAP_SPLIT_IRQCHIP),
        |checks| {
            let machine = Machine::new(Irqchip::Split)?;
            let event = event()?;
            checks.invalid("unknown flag", irqfd(&machine, &event, GSI, 1 << 7, None));
            let with = |fd| machine.vm.request(&IRQFD, &mut kvm_irqfd { fd, gsi: GSI, ..Default::default() });
            checks.refused("no file", &[libc::EBADF], with(u32::MAX));
            checks.invalid("another file", with(machine.kvm.raw() as u32));
            Ok(())
        },
    ),
    case(
        INTERRUPTS,
        "irqfd_without_irqchip",
        "KVM_IRQFD needs an in-kernel interrupt controller.",
        IRQFD_TITLE,
        caps!(KVM_CAP_IRQFD),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            checks.invalid("answer", irqfd(&machine, &event()?, GSI, 0, None));
            Ok(())
        },
    ),
    case(
        INTERRUPTS,
        "irqfd_resample_signals_at_the_end_of_interrupt",
        "A resampling irqfd holds its line up until the guest ends the interrupt, by which its second event is signalled.",
        IRQFD_TITLE,
        caps!(KVM_CAP_IRQFD_RESAMPLE, KVM_CAP_IRQCHIP),
        |checks| {
            let machine = Machine::new(Irqchip::Full)?;
            // The 8259A is initialised, and then polled again and again, which is to acknowledge and to end at once.
            let vcpu = machine.with_code(|a| {
                for (port, value) in [(0x20_u32, 0x11_u32), (0x21, 0x20), (0x21, 4), (0x21, 1), (0x21, 0)] {
                    a.mov(al, value)?;
                    a.out(port, al)?;
                }
                let mut again = a.create_label();
                a.set_label(&mut again)?;
                a.mov(al, 0xc_u32)?;
                a.out(0x20_u32, al)?;
                a.in_(al, 0x20_u32)?;
                end(a)?;
                a.jmp(again)
            })?;
            let [event, resampled] = [event()?, event()?];
            checks.done("assigned", irqfd(&machine, &event, 4, KVM_IRQFD_FLAG_RESAMPLE, Some(&resampled)));
            vcpu.run_to(KVM_EXIT_IO)?;
            checks.is("nothing polled", 0_u8, vcpu.regs()?.rax as u8 & 0x80);
            checks.is("not signalled", 0_u64, count(&resampled));
            raise(&event)?;
            let limit = Instant::now() + Duration::from_secs(5);
            let mut polled = 0;
            // A worker of the kernel raises the line.
            while polled & 0x80 == 0 && Instant::now() < limit {
                vcpu.run_to(KVM_EXIT_IO)?;
                polled = vcpu.regs()?.rax as u8;
            }
            checks.is("polled", 0x84_u8, polled);
            checks.is("signalled", 1_u64, count(&resampled));
            checks.done("deassigned", irqfd(&machine, &event, 4, KVM_IRQFD_FLAG_DEASSIGN, Some(&resampled)));
            Ok(())
        },
    ),
    case(
        INTERRUPTS,
        "irqfd_resample_wants_an_eventfd",
        "The second event of a resampling irqfd must be an eventfd.",
        IRQFD_TITLE,
        caps!(KVM_CAP_IRQFD_RESAMPLE, KVM_CAP_IRQCHIP),
        |checks| {
            let machine = Machine::new(Irqchip::Full)?;
            let event = event()?;
            let with = |resamplefd| {
                machine.vm.request(
                    &IRQFD,
                    &mut kvm_irqfd {
                        fd: event.as_raw_fd() as u32,
                        gsi: 23,
                        flags: KVM_IRQFD_FLAG_RESAMPLE,
                        resamplefd,
                        ..Default::default()
                    },
                )
            };
            checks.refused("no file", &[libc::EBADF], with(u32::MAX));
            checks.invalid("another file", with(machine.kvm.raw() as u32));
            Ok(())
        },
    ),
    case(
        INTERRUPTS,
        "routing_limit",
        "A table has no more entries than KVM_CAP_IRQ_ROUTING tells, and no GSI at or above that.",
        ROUTING,
        caps!(KVM_CAP_IRQ_ROUTING, KVM_CAP_SPLIT_IRQCHIP),
        |checks| {
            let machine = Machine::new(Irqchip::Split)?;
            let limit = machine.kvm.order(CHECK_EXTENSION, KVM_CAP_IRQ_ROUTING.into())? as u32;
            checks.done("last GSI", route(&machine, &[message(limit - 1, VECTOR)]));
            checks.invalid("first beyond", route(&machine, &[message(limit, VECTOR)]));
            let mut many = Routing { count: limit + 1, ..Default::default() };
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
