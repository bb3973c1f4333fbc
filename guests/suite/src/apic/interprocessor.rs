//! Interrupts that a processor sends to itself: by shorthand, by its own register, by each kind of destination.

use super::{
    destination_model::{Logical, includes},
    interrupting::{VECTORS, drain, nothing_comes},
};
use rt::{
    Outcome, case, check, check_count, check_eq, check_outcome,
    interrupts::{self, End, GENEROUS_MICROS, Listening},
    local_apic::{
        LocalApic, Mode,
        register::{Register, icr},
    },
    names,
    vocabulary::{Needs, Text},
};

const X2APIC: Needs = Needs::LOCAL_APIC.union(Needs::X2APIC);

fn with(mode: Mode, body: impl FnOnce(&LocalApic)) {
    match LocalApic::in_mode(mode) {
        Ok(apic) => {
            body(&apic);
            drain(&apic);
        }
        Err(exception) => check_outcome!("to the mode", exception, Outcome::COMPLETED),
    }
}

/// Sends each of many vectors: each must come once, and nothing else.
fn walk_vectors(send: impl Fn(u8)) {
    let _listening = Listening::to(VECTORS, End::LocalApic);
    let mut nr_sent = 0;
    for vector in (0x20..=0xff_u8).step_by(3) {
        send(vector);
        nr_sent += 1;
        interrupts::wait_until(GENEROUS_MICROS, || interrupts::total() >= nr_sent);
        check_count!("taken", [&[]; vector], interrupts::count(vector), 1);
    }
    check!("nothing else", nothing_comes());
    check_count!("in all", interrupts::total(), nr_sent);
}

/// A fixed interrupt by the shorthand for the processor itself comes once.
#[case(feature = ApicSelfInterrupt, spec = sdm3a("Interrupt Command Register (ICR)"), needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn self_interrupt_by_shorthand() {
    with(Mode::XApic, |apic| walk_vectors(|vector| apic.send_to_self(vector)));
}

/// In x2APIC mode a fixed interrupt by the shorthand for the processor itself comes once.
#[case(feature = ApicSelfInterrupt, spec = sdm3a("ICR Operation in x2APIC Mode"), needs = X2APIC, irqchip = LocalApic)]
fn self_interrupt_by_shorthand_in_x2apic_mode() {
    with(Mode::X2Apic, |apic| walk_vectors(|vector| apic.send_to_self(vector)));
}

/// A vector written to MSR 83FH comes once, and the ICR does not change.
#[case(feature = ApicSelfInterrupt, spec = [sdm3a("SELF IPI Register"), apm2("Self_IPI")], needs = X2APIC, irqchip = LocalApic)]
fn self_interrupt_by_register() {
    with(Mode::X2Apic, |apic| {
        let before = apic.try_read(Register::ICR).unwrap_or(u64::MAX);
        walk_vectors(|vector| apic.write(Register::SELF_IPI, vector.into()));
        check_eq!("ICR", apic.try_read(Register::ICR).unwrap_or(0), before);
    });
}

/// Names of the destinations that mean the processor itself.
const OWN: &[Text] = names!["physical, own ID", "physical, all", "self", "all", "not to others"];

/// A fixed interrupt comes once by each destination that includes the processor, and not by the one that leaves it out.
fn walk_destinations(apic: &LocalApic) {
    let all = if apic.are_msrs() { u32::MAX } else { 0xff };
    let id = apic.id();
    let rows =
        [(id, icr::FIXED, 1), (all, icr::FIXED, 1), (0, icr::TO_SELF, 1), (0, icr::TO_ALL, 1), (0, icr::TO_OTHERS, 0)];
    let _listening = Listening::to(VECTORS, End::LocalApic);
    for (row, (destination, command, times)) in rows.into_iter().enumerate() {
        interrupts::clear();
        apic.send(destination, command | icr::ASSERT | 0x62);
        if times != 0 {
            interrupts::wait_until(GENEROUS_MICROS, || interrupts::total() >= times);
        }
        let _ = nothing_comes();
        check_count!("taken", [OWN; row], interrupts::count(0x62), times);
        check_count!("in all", [OWN; row], interrupts::total(), times);
        check_eq!("delivery status", [OWN; row], apic.read(Register::ICR) & icr::PENDING, 0);
    }
}

/// Physical destinations and shorthands that include the processor reach it, once.
#[case(feature = ApicInterprocessor, spec = [sdm3a("Interrupt Command Register (ICR)"), sdm3a("Physical Destination Mode"),
       apm2("Interprocessor Interrupts (IPI)")], needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn destinations_of_the_processor_itself() {
    with(Mode::XApic, walk_destinations);
}

/// In x2APIC mode physical destinations and shorthands that include the processor reach it, once.
#[case(feature = ApicInterprocessor, spec = [sdm3a("ICR Operation in x2APIC Mode"), apm2("Interprocessor Interrupts (IPI)")],
       needs = X2APIC, irqchip = LocalApic)]
fn destinations_of_the_processor_itself_in_x2apic_mode() {
    with(Mode::X2Apic, walk_destinations);
}

/// On AMD processors, whose command register has lowest priority, it reaches the processor that its own ID names, once. On others
/// it is model-specific whether it can be sent, and reserved in x2APIC mode.
#[case(feature = ApicInterprocessor, spec = apm2("Interprocessor Interrupts (IPI)"), needs = Needs::LOCAL_APIC | Needs::AMD,
       irqchip = LocalApic)]
fn lowest_priority_to_the_processor_itself() {
    with(Mode::XApic, |apic| {
        let _listening = Listening::to(VECTORS, End::LocalApic);
        apic.send(apic.id(), icr::LOWEST_PRIORITY | icr::ASSERT | 0x62);
        interrupts::wait_until(GENEROUS_MICROS, || interrupts::total() != 0);
        let _ = nothing_comes();
        check_count!("taken", interrupts::count(0x62), 1);
        check_count!("in all", interrupts::total(), 1);
        check_eq!("delivery status", apic.read(Register::ICR) & icr::PENDING, 0);
    });
}

/// A physical ID that is another's does not reach the processor.
#[case(feature = ApicDestinations, spec = sdm3a("Physical Destination Mode"), needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn physical_destinations_of_nobody() {
    with(Mode::XApic, |apic| {
        let _listening = Listening::to(VECTORS, End::LocalApic);
        for bit in 0..8_u32 {
            let destination = apic.id() ^ 1 << bit;
            if destination == 0xff {
                continue;
            }
            apic.send(destination, icr::ASSERT | 0x63);
            check!("not taken", [&[]; bit], nothing_comes());
        }
        check!("nor does it wait", !apic.is_requested(0x63));
    });
}

/// Sends to logical destinations, of which the model tells whether they include the processor.
fn walk_logical(apic: &LocalApic, model: Logical, dfr: u32, ids: &[u8], destinations: &[u8]) {
    apic.write(Register::DFR, dfr);
    let _listening = Listening::to(VECTORS, End::LocalApic);
    for &id in ids {
        apic.write(Register::LDR, u32::from(id) << 24);
        for &destination in destinations {
            let before = interrupts::total();
            apic.send(destination.into(), icr::LOGICAL | icr::ASSERT | 0x64);
            let expected = u32::from(includes(model, id, destination));
            if expected != 0 {
                interrupts::wait_until(GENEROUS_MICROS, || interrupts::total() != before);
            } else {
                let _ = nothing_comes();
            }
            check_count!(
                "taken, by logical ID and destination",
                [&[]; u32::from(id) << 8 | u32::from(destination)],
                interrupts::total() - before,
                expected
            );
        }
    }
    apic.write(Register::LDR, 0);
    apic.write(Register::DFR, u32::MAX);
}

/// In the flat model a destination reaches the processor if it has a bit in common with the logical ID.
#[case(feature = ApicDestinations, spec = [sdm3a("Logical Destination Mode"), apm2("Logical Destination Mode")],
       needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn logical_flat_model() {
    with(Mode::XApic, |apic| {
        let ids = [0x01, 0x10, 0x80, 0x24];
        walk_logical(apic, Logical::Flat, u32::MAX, &ids, &[0x01, 0x02, 0x10, 0x80, 0xc0, 0x06, 0x7e, 0xff]);
    });
}

/// In the cluster model it reaches the processor if the clusters are equal and a bit is in common, or if it is FFH.
#[case(feature = ApicDestinations, spec = [sdm3a("Logical Destination Mode"), apm2("Logical Destination Mode")],
       needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn logical_cluster_model() {
    with(Mode::XApic, |apic| {
        let ids = [0x01, 0x12, 0x38, 0xe4];
        walk_logical(
            apic,
            Logical::Cluster,
            0x0fff_ffff,
            &ids,
            &[0x01, 0x0f, 0x11, 0x12, 0x1f, 0x38, 0x30, 0x3c, 0xe4, 0xe1, 0xff],
        );
    });
}

/// In x2APIC mode the logical ID is a cluster in bits 31:16 and a bit of it in 15:0.
#[case(feature = ApicDestinations, spec = [sdm3a("Logical Destination Mode in x2APIC Mode"), apm2("Logical Destination Mode")],
       needs = X2APIC, irqchip = LocalApic)]
fn x2apic_logical_destinations() {
    with(Mode::X2Apic, |apic| {
        let own = apic.read(Register::LDR);
        let rows = [
            (own, 1),
            (own | 0xffff, 1),
            (own & 0xffff_0000, 0),
            (own & 0xffff_0000 | !own & 0xffff, 0),
            (own ^ 1 << 16, 0),
            (own ^ 1 << 31, 0),
            (u32::MAX, 1),
        ];
        let _listening = Listening::to(VECTORS, End::LocalApic);
        for (row, (destination, expected)) in rows.into_iter().enumerate() {
            let before = interrupts::total();
            apic.send(destination, icr::LOGICAL | icr::ASSERT | 0x65);
            if expected != 0 {
                interrupts::wait_until(GENEROUS_MICROS, || interrupts::total() != before);
            }
            let _ = nothing_comes();
            check_count!(
                "taken",
                [names![
                    "own bit",
                    "all bits of the cluster",
                    "no bit",
                    "all other bits",
                    "next cluster",
                    "far cluster",
                    "all"
                ]; row],
                interrupts::total() - before,
                expected
            );
        }
    });
}

/// INIT level de-assert is ignored.
#[case(feature = ApicInterprocessor, spec = sdm3a("Interrupt Command Register (ICR)"), needs = Needs::LOCAL_APIC | Needs::INTEL,
       irqchip = LocalApic)]
fn init_level_deassert_is_ignored() {
    with(Mode::XApic, |apic| {
        apic.write(Register::TPR, 0x42);
        for (row, target) in [icr::TO_ALL, icr::FIXED].into_iter().enumerate() {
            apic.send(apic.id(), icr::INIT | icr::LEVEL | target);
            check!("nothing comes", [names!["all", "own ID"]; row], nothing_comes());
            check_eq!("TPR", [names!["all", "own ID"]; row], apic.read(Register::TPR), 0x42);
            check_eq!("SVR", [names!["all", "own ID"]; row], apic.read(Register::SVR), 0x1ff);
        }
    });
}
