//! Messages. What arrives is read from the local APIC, so no guest runs.

use super::{caps, case};
use crate::{
    Case, Trouble,
    api::Answer,
    machine::{Irqchip, Machine, Vcpu},
    requests::*,
};
use case::Feature::InterfaceInterrupts as INTERRUPTS;
use kvm_bindings::{
    KVM_IRQ_ROUTING_IRQCHIP, KVM_IRQ_ROUTING_MSI, kvm_irq_level, kvm_irq_level__bindgen_ty_1, kvm_irq_routing_entry,
    kvm_irq_routing_entry__bindgen_ty_1, kvm_irq_routing_irqchip, kvm_irq_routing_msi, kvm_msi,
};

const MSI: &str = "KVM_SIGNAL_MSI";

/// A vector, and a GSI behind the pins of the I/O APIC.
pub(super) const VECTOR: u8 = 0x51;
pub(super) const GSI: u32 = 30;

/// A VM whose local APICs are KVM's, and switched on.
pub(super) fn with_apic(machine: &Machine) -> Result<Vcpu<'_>, Trouble> {
    let vcpu = machine.vcpu(0)?;
    vcpu.enable_apic()?;
    Ok(vcpu)
}

pub(super) fn signal(machine: &Machine, address_lo: u32, data: u32, flags: u32) -> Answer {
    machine.vm.request(&SIGNAL_MSI, &mut kvm_msi { address_lo, data, flags, ..Default::default() })
}

/// A fixed message to the processor with this APIC id.
pub(super) const fn to(id: u32) -> u32 {
    0xfee0_0000 | id << 12
}

pub(super) fn message(gsi: u32, vector: u8) -> kvm_irq_routing_entry {
    let msi = kvm_irq_routing_msi { address_lo: to(0), data: vector.into(), ..Default::default() };
    kvm_irq_routing_entry {
        gsi,
        type_: KVM_IRQ_ROUTING_MSI,
        u: kvm_irq_routing_entry__bindgen_ty_1 { msi },
        ..Default::default()
    }
}

pub(super) fn pin(gsi: u32, irqchip: u32, pin: u32) -> kvm_irq_routing_entry {
    let irqchip = kvm_irq_routing_irqchip { irqchip, pin };
    kvm_irq_routing_entry {
        gsi,
        type_: KVM_IRQ_ROUTING_IRQCHIP,
        u: kvm_irq_routing_entry__bindgen_ty_1 { irqchip },
        ..Default::default()
    }
}

pub(super) fn route(machine: &Machine, entries: &[kvm_irq_routing_entry]) -> Answer {
    let mut routing = Routing { count: entries.len() as u32, ..Default::default() };
    for (to, from) in routing.entries.iter_mut().zip(entries) {
        *to = *from;
    }
    machine.vm.request(&SET_GSI_ROUTING, &mut routing)
}

pub(super) fn line(machine: &Machine, irq: u32, level: u32) -> Answer {
    let mut argument = kvm_irq_level { __bindgen_anon_1: kvm_irq_level__bindgen_ty_1 { irq }, level };
    machine.vm.request(&IRQ_LINE, &mut argument)
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
];
