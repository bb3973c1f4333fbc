//! Ends of interrupts that an I/O APIC of user space hears of, and routes that are masked.

use super::{
    caps, case,
    interrupts::{line, message, route, signal, to, with_apic},
};
use crate::{
    Case, Trouble,
    check::Checks,
    machine::{Irqchip, Machine, end},
    requests::*,
};
use case::Feature::InterfaceInterrupts as INTERRUPTS;
use kvm_bindings::KVM_EXIT_IOAPIC_EOI;

const SPLIT: &str = "KVM_CAP_SPLIT_IRQCHIP";
const VECTOR: u8 = 0x51;
/// Level-triggered, and asserted.
const LEVEL: u32 = 0xc000;
/// The first route that is not reserved for pins, as [`Machine`] splits.
const PINS: u32 = 24;

/// Counts the interrupts that the guest takes.
const TAKEN: u16 = 0x2000;

/// What a guest that takes an interrupt and ends it leaves with.
struct Ended {
    /// How many interrupts it took.
    taken: u8,
    /// The vector of KVM_EXIT_IOAPIC_EOI, if it left with that.
    heard: Option<u8>,
}

/// Lets a guest take an interrupt like the one of `gsi`'s route, and end it.
fn end_of_interrupt(gsi: u32, trigger: u32) -> Result<Ended, Trouble> {
    const HANDLER: u32 = 0x4000;
    let machine = Machine::new(Irqchip::Split)?;
    let vcpu = with_apic(&machine)?;
    vcpu.load(|a| {
        end(a)?;
        end(a)
    })?;
    // `inc byte ptr [2000h]`, `mov es:[0b0h], eax` and `iret`: that is the register by which an interrupt is ended.
    machine.memory.write(HANDLER as usize, &[0xfe, 0x06, 0x00, 0x20, 0x66, 0x26, 0xa3, 0xb0, 0x00, 0xcf]);
    machine.memory.write(4 * usize::from(VECTOR), &HANDLER.to_le_bytes());
    vcpu.change_sregs(|sregs| sregs.es.base = 0xfee0_0000)?;
    let mut regs = vcpu.regs()?;
    regs.rflags |= 1 << 9;
    vcpu.handle.request(&SET_REGS, &mut regs)?;

    let mut entry = message(gsi, VECTOR);
    entry.u.msi.data = u32::from(VECTOR) | trigger;
    route(&machine, &[entry])?;
    signal(&machine, to(0), u32::from(VECTOR) | trigger, 0)?;
    let mut heard = None;
    // A KVM that interprets the guest may get to its next access of a port before it leaves for the end of the interrupt.
    for _ in 0..2 {
        if vcpu.run()? == u64::from(KVM_EXIT_IOAPIC_EOI) {
            heard = Some(vcpu.eoi());
        }
    }
    Ok(Ended { taken: machine.memory.u8(TAKEN.into()), heard })
}

/// An end of interrupt that user space must not hear of.
fn unheard(checks: &mut Checks, gsi: u32, trigger: u32) -> Result<(), Trouble> {
    let ended = end_of_interrupt(gsi, trigger)?;
    checks.is("taken", 1_u8, ended.taken);
    checks.is("KVM_EXIT_IOAPIC_EOI", false, ended.heard.is_some());
    Ok(())
}

pub(crate) const CASES: &[Case] = &[
    case(
        INTERRUPTS,
        "end_of_a_level_interrupt_leaves",
        "The end of a level-triggered interrupt of a reserved route leaves with KVM_EXIT_IOAPIC_EOI and its vector.",
        SPLIT,
        caps!(KVM_CAP_SPLIT_IRQCHIP),
        |checks| {
            for pin in [0, PINS - 1] {
                let ended = end_of_interrupt(pin, LEVEL)?;
                checks.is(format!("taken, pin {pin}"), 1_u8, ended.taken);
                checks.is(format!("KVM_EXIT_IOAPIC_EOI, pin {pin}"), true, ended.heard.is_some());
                checks.is(format!("vector, pin {pin}"), VECTOR, ended.heard.unwrap_or(0));
            }
            Ok(())
        },
    ),
    case(
        INTERRUPTS,
        "end_of_an_edge_interrupt_does_not_leave",
        "KVM_EXIT_IOAPIC_EOI is for level-triggered interrupts.",
        "The kvm_run structure",
        caps!(KVM_CAP_SPLIT_IRQCHIP),
        |checks| unheard(checks, 0, 0),
    ),
    case(
        INTERRUPTS,
        "end_of_an_unreserved_route_does_not_leave",
        "Only the first routes, as many as are reserved for pins, lead to KVM_EXIT_IOAPIC_EOI.",
        SPLIT,
        caps!(KVM_CAP_SPLIT_IRQCHIP),
        |checks| unheard(checks, PINS, LEVEL),
    ),
    case(
        INTERRUPTS,
        "masked_message_is_not_delivered",
        "A message that is masked has no route: its GSI delivers nothing until the route is there again.",
        "KVM_SET_GSI_ROUTING",
        caps!(KVM_CAP_IRQ_ROUTING, KVM_CAP_SPLIT_IRQCHIP),
        |checks| {
            const GSI: u32 = 30;
            let machine = Machine::new(Irqchip::Split)?;
            let vcpu = with_apic(&machine)?;
            let [masked, other] = [message(GSI, VECTOR), message(GSI + 1, VECTOR + 1)];
            route(&machine, &[masked, other])?;
            checks.done("masked", route(&machine, &[other]));
            line(&machine, GSI, 1)?;
            line(&machine, GSI + 1, 1)?;
            checks.is("the masked one", false, vcpu.is_requested(VECTOR)?);
            checks.is("the other", true, vcpu.is_requested(VECTOR + 1)?);
            checks.done("unmasked", route(&machine, &[masked, other]));
            checks.is("not by itself", false, vcpu.is_requested(VECTOR)?);
            line(&machine, GSI, 1)?;
            checks.is("again", true, vcpu.is_requested(VECTOR)?);
            Ok(())
        },
    ),
];
