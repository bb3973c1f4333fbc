//! irqfd: events that raise interrupts.

use super::{
    caps, case,
    events::{count, event},
    interrupts::{GSI, VECTOR, message, route, with_apic},
};
use crate::{
    Case,
    api::Answer,
    machine::{Irqchip, Machine, end},
    requests::*,
};
use case::Feature::InterfaceInterrupts as INTERRUPTS;
use iced_x86::code_asm::al;
use kvm_bindings::{KVM_EXIT_IO, KVM_IRQFD_FLAG_DEASSIGN, KVM_IRQFD_FLAG_RESAMPLE, kvm_irqfd};
use std::{
    os::fd::AsRawFd,
    time::{Duration, Instant},
};
use vmm_sys_util::eventfd::EventFd;

const IRQFD_TITLE: &str = "KVM_IRQFD";

pub(super) fn irqfd(machine: &Machine, event: &EventFd, gsi: u32, flags: u32, resample: Option<&EventFd>) -> Answer {
    let fd = |event: &EventFd| event.as_raw_fd() as u32;
    let resamplefd = resample.map_or(0, fd);
    machine.vm.request(&IRQFD, &mut kvm_irqfd { fd: fd(event), gsi, flags, resamplefd, ..Default::default() })
}

pub(super) fn raise(event: &EventFd) -> Answer {
    event.write(1).map(|()| 0).map_err(|_errno| crate::Errno::last("write"))
}

pub(crate) const CASES: &[Case] = &[
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
];
