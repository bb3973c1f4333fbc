//! Interprocessor interrupts among four processors: destinations, shorthands, lowest priority, NMI and INIT.
//!
//! Not tried: which processor lowest priority chooses. The manual leaves that to the processor and its chipset, so that a low
//! task priority need not attract it.

use super::{
    destination_model::{Logical, includes, includes_x2apic},
    four::{Four, VECTOR, digits},
};
use rt::{
    case, check, check_count, check_eq,
    clock::Deadline,
    local_apic::{
        LocalApic, Mode, Registers,
        interprocessor::{self, Message, To},
        register::Register,
    },
    names,
    signals::{self, Way, address, data},
    smp::stub::Stub,
    vocabulary::{Needs, Text},
};

const X2APIC: Needs = Needs::LOCAL_APIC.union(Needs::X2APIC);
const FIXED: Message = Message::Fixed(VECTOR);

/// Starts four processors in a mode, with the first one's local APIC, and runs `body` with them.
fn with(mode: Mode, body: impl FnOnce(&LocalApic, &Four)) {
    let Ok(apic) = LocalApic::in_mode(mode) else { return check!("to the mode", false) };
    let four = Four::start();
    check!("three processors start", four.is_some());
    let Some(four) = four else { return };
    if mode == Mode::X2Apic {
        let are_there =
            four.on_each(|_| u64::from(LocalApic::in_mode(Mode::X2Apic).map(core::mem::forget).is_ok()), [0; 4]);
        check!("to the mode on each", are_there);
    }
    body(&apic, &four);
}

const BY_ID: &[Text] = names![
    "0 to 0",
    "0 to 1",
    "0 to 2",
    "0 to 3",
    "to an ID that nobody has",
    "to all IDs",
    "self",
    "all",
    "others",
    "NMI to 1",
    "NMI to 3",
    "NMI to others"
];

/// Messages by ID and by shorthand, and who takes them.
fn walk_ids(four: &Four, all: u32) {
    let rows = [
        (To::Id(0), FIXED, 0x0001),
        (To::Id(1), FIXED, 0x0010),
        (To::Id(2), FIXED, 0x0100),
        (To::Id(3), FIXED, 0x1000),
        (To::Id(9), FIXED, 0x0000),
        (To::Physical(all), FIXED, 0x1111),
        (To::Own, FIXED, 0x0001),
        (To::All, FIXED, 0x1111),
        (To::Others, FIXED, 0x1110),
        (To::Id(1), Message::Nmi, 0x0010),
        (To::Id(3), Message::Nmi, 0x1000),
        (To::Others, Message::Nmi, 0x1110),
    ];
    for (row, (to, message, expected)) in rows.into_iter().enumerate() {
        check_eq!("taken, a digit for each processor", [BY_ID; row], four.send(to, message, expected), expected);
    }
}

/// Fixed interrupts and NMIs reach the processors that a physical destination or a shorthand means, once, and no others.
#[case(feature = ApicInterprocessor, spec = [sdm3a("Determining IPI Destination"), sdm3a("Physical Destination Mode"), sdm3a("Interrupt Command Register (ICR)")],
       needs = Needs::LOCAL_APIC, vcpus = 4, irqchip = LocalApic, time = 5)]
fn ids_and_shorthands_of_four() {
    with(Mode::XApic, |apic, four| {
        walk_ids(four, 0xff);
        check_eq!("delivery status", apic.read(Register::ICR) & rt::local_apic::register::icr::PENDING, 0);
    });
}

/// In x2APIC mode too, where FFFFFFFFH means all processors.
#[case(feature = ApicInterprocessor, spec = [sdm3a("ICR Operation in x2APIC Mode"), sdm3a("Determining IPI Destination in x2APIC Mode")],
       needs = X2APIC, vcpus = 4, irqchip = LocalApic, time = 5)]
fn ids_and_shorthands_of_four_in_x2apic_mode() {
    with(Mode::X2Apic, |_, four| walk_ids(four, u32::MAX));
}

/// Gives the processor that executes a logical ID: bits 7:0, with DFR in the high half.
fn set_logical_id(argument: u64) -> u64 {
    let registers = Registers::new();
    registers.write(Register::DFR, (argument >> 32) as u32);
    registers.write(Register::LDR, (argument as u32) << 24);
    1
}

fn walk_logical(four: &Four, model: Logical, dfr: u32, ids: [u8; 4], destinations: &[u8]) {
    let are_set = four.on_each(set_logical_id, ids.map(|id| u64::from(dfr) << 32 | u64::from(id)));
    check!("logical IDs are set", are_set);
    for &destination in destinations {
        let expected = digits(|index| u32::from(includes(model, ids[index], destination)));
        let taken = four.send(To::Logical(destination.into()), FIXED, expected);
        check_eq!("taken, a digit for each processor", [&[]; destination], taken, expected);
    }
}

/// In the flat model a logical destination reaches those that have a bit in common with it.
#[case(feature = ApicDestinations, spec = [sdm3a("Logical Destination Mode"), apm2("Logical Destination Mode")],
       needs = Needs::LOCAL_APIC, vcpus = 4, irqchip = LocalApic, time = 5)]
fn flat_model_of_four() {
    with(Mode::XApic, |_, four| {
        let ids = [0x01, 0x02, 0x10, 0x80];
        walk_logical(four, Logical::Flat, u32::MAX, ids, &[0x01, 0x02, 0x10, 0x80, 0x03, 0x92, 0x6c, 0xff]);
    });
}

/// In the cluster model it reaches those of its cluster that have a bit in common with it.
#[case(feature = ApicDestinations, spec = [sdm3a("Logical Destination Mode"), apm2("Logical Destination Mode")],
       needs = Needs::LOCAL_APIC, vcpus = 4, irqchip = LocalApic, time = 5)]
fn cluster_model_of_four() {
    with(Mode::XApic, |_, four| {
        let ids = [0x11, 0x12, 0x21, 0x28];
        let destinations = [0x11, 0x12, 0x13, 0x1c, 0x21, 0x29, 0x2f, 0x31, 0xff];
        walk_logical(four, Logical::Cluster, 0x0fff_ffff, ids, &destinations);
    });
}

/// In x2APIC mode logical IDs follow from the IDs, and a logical destination reaches those of its cluster whose bit it has.
#[case(feature = ApicDestinations, spec = [sdm3a("Logical Destination Mode in x2APIC Mode"), sdm3a("Deriving Logical x2APIC ID from the Local x2APIC ID")],
       needs = X2APIC, vcpus = 4, irqchip = LocalApic, time = 5)]
fn x2apic_clusters_of_four() {
    with(Mode::X2Apic, |_, four| {
        for destination in [0x1, 0x2, 0x4, 0x8, 0x5, 0xa, 0xf, 0xffff, 0xfff0, 0x1_0001, 0x8000_0001, u32::MAX] {
            let expected = digits(|index| u32::from(includes_x2apic(index as u32, destination)));
            let taken = four.send(To::Logical(destination), FIXED, expected);
            check_eq!("taken, a digit for each processor", [&[]; destination], taken, expected);
        }
    });
}

/// Each processor's local APIC has the ID that CPUID tells there, in both modes, and its logical ID follows from it.
#[case(feature = X2ApicRegisters, spec = [sdm3a("Local APIC ID"), sdm3a("x2APIC Register Availability"), sdm3a("Deriving Logical x2APIC ID from the Local x2APIC ID")],
       needs = X2APIC, vcpus = 4, irqchip = LocalApic, time = 5)]
fn ids_of_four_agree_with_cpuid() {
    with(Mode::X2Apic, |_, four| {
        let has_topology = rt::cpu::cpuid::read_leaf(0, 0).eax >= 0xb && rt::cpu::cpuid::read_leaf(0xb, 0).ebx != 0;
        for index in 0..4_usize {
            let read = |_| {
                let registers = Registers::new();
                u64::from(registers.read(Register::LDR)) << 32 | u64::from(registers.id())
            };
            let cpuid = |leaf: u64| {
                let leaf = rt::cpu::cpuid::read_leaf(leaf as u32, 0);
                u64::from(leaf.ebx) << 32 | u64::from(leaf.edx)
            };
            let run = |function: rt::smp::Function, argument| match index {
                0 => function(argument),
                _ => four.processors.run_on(index, function, argument).unwrap_or(u64::MAX),
            };
            let own = run(read, 0);
            let id = own as u32;
            check_eq!("initial ID", [super::four::PROCESSORS; index], run(cpuid, 1) >> 56, id & 0xff);
            if has_topology {
                check_eq!("x2APIC ID of leaf BH", [super::four::PROCESSORS; index], run(cpuid, 0xb) as u32, id);
            }
            check_eq!("logical ID", [super::four::PROCESSORS; index], own >> 32, (id >> 4) << 16 | 1 << (id & 0xf));
        }
    });
}

const CHOSEN: &[Text] = names!["of all", "of 1 and 3", "of 2 alone", "of nobody"];
const SETS: [u8; 4] = [0x0f, 0x0a, 0x04, 0x60];

/// Whether exactly one processor of a set took it, once, or none of an empty set.
const fn is_one_of(taken: u32, set: u8) -> bool {
    match taken {
        0 => set & 0xf == 0,
        0x1 | 0x10 | 0x100 | 0x1000 => set >> (taken.ilog2() / 4) & 1 != 0,
        _ => false,
    }
}
const _: () = assert!(is_one_of(0x100, 4) && !is_one_of(0x100, 0xb) && !is_one_of(0x1100, 0xf) && !is_one_of(0x200, 4));
const _: () = assert!(is_one_of(0, 0x60) && !is_one_of(0, 1));

/// An interprocessor interrupt with lowest priority is taken by one processor of those that its destination includes, and
/// by no other. Whether a processor can send one is model-specific, so that taking none is right as well.
#[case(feature = ApicInterprocessor, spec = [sdm3a("Lowest Priority Delivery Mode"), sdm3a("Interrupt Command Register (ICR)")],
       needs = Needs::LOCAL_APIC, vcpus = 4, irqchip = LocalApic, time = 5)]
fn lowest_priority_of_four() {
    with(Mode::XApic, |_, four| {
        let ids = [1, 2, 4, 8_u64].map(|id| 0xffff_ffff << 32 | id);
        check!("logical IDs are set", four.on_each(set_logical_id, ids));
        for (row, set) in SETS.into_iter().enumerate() {
            let taken = four.send(To::Logical(set.into()), Message::LowestPriority(VECTOR), 0);
            check!("none or one of the set takes it", [CHOSEN; row], taken == 0 || is_one_of(taken, set));
        }
    });
}

/// A message with lowest priority is taken by exactly one processor of those that its destination includes.
#[case(feature = ApicDestinations, spec = [sdm3a("Lowest Priority Delivery Mode"), sdm3a("Message Signalled Interrupts")],
       needs = Needs::LOCAL_APIC | Needs::SIGNALS, vcpus = 4, irqchip = LocalApic, time = 5)]
fn message_with_lowest_priority_to_four() {
    with(Mode::XApic, |_, four| {
        let ids = [1, 2, 4, 8_u64].map(|id| 0xffff_ffff << 32 | id);
        check!("logical IDs are set", four.on_each(set_logical_id, ids));
        for (row, set) in SETS.into_iter().enumerate() {
            let message = signals::Message::fixed(set, VECTOR)
                .with_data(data::LOWEST_PRIORITY)
                .with_address(address::REDIRECTION | address::LOGICAL);
            let taken = four.send_by(|| signals::send(message, Way::Direct), 0);
            check!("one of the set takes it", [CHOSEN; row], is_one_of(taken, set));
        }
    });
}

/// INIT to all others stops them all, and one start-up interrupt to all others starts each of them, once; the sender goes on.
#[case(feature = ApicInterprocessor, spec = [sdm3a("Determining IPI Destination"), sdm3a("Issuing Interprocessor Interrupts")],
       needs = Needs::LOCAL_APIC, vcpus = 4, irqchip = LocalApic, time = 5)]
fn init_and_start_up_to_others() {
    const MICROS: u64 = 3_000_000;
    with(Mode::XApic, |apic, _| {
        apic.write(Register::TPR, 0x20);
        let stub = Stub::put(0x48);
        interprocessor::send(To::Others, Message::Init);
        interprocessor::send(To::Others, Message::StartUp(stub.page()));
        let all = Deadline::after(MICROS).wait(|| stub.read_count() >= 3);
        check!("all others start", all);
        interprocessor::send(To::Others, Message::StartUp(stub.page()));
        check_eq!("TPR of the sender", apic.read(Register::TPR), 0x20);
        // Read before they are stopped: what a processor makes of an INIT right behind a start-up interrupt is another rule.
        Deadline::after(2_000).wait(|| stub.read_count() > 3);
        let nr_starts = stub.read_count();
        interprocessor::send(To::Others, Message::Init);
        check_count!("started once", nr_starts, 3);
    });
}
