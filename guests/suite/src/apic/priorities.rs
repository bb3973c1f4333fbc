//! IRR, ISR, TPR, PPR and CR8: which interrupt comes when.

use super::{
    interrupting::{VECTORS, drain, nothing_comes, put_in_service},
    priority_model::{allows, around, class, is_delivered, near},
};
use rt::{
    Outcome, case, check, check_count, check_eq, check_outcome,
    cpu::control::{read_cr8, write_cr8},
    interrupts::{self, End, GENEROUS_MICROS, Listening},
    local_apic::{LocalApic, Mode, register::Register},
    vocabulary::Needs,
};

const X2APIC: Needs = Needs::LOCAL_APIC.union(Needs::X2APIC);

/// Runs `body` with the local APIC enabled in a mode.
fn with(mode: Mode, body: impl FnOnce(&LocalApic)) {
    match LocalApic::in_mode(mode) {
        Ok(apic) => {
            body(&apic);
            drain(&apic);
        }
        Err(exception) => check_outcome!("to the mode", exception, Outcome::COMPLETED),
    }
}

/// Task priorities of every class against vectors in service.
fn walk_processor_priority(apic: &LocalApic, in_service: &[u8]) {
    for &served in in_service {
        if served != 0 {
            check!("in service", [&[]; served], put_in_service(apic, served));
        }
        let own = [class(served) << 4];
        for tpr in (0..16_u8).map(|class| class << 4 | 9).chain(own) {
            apic.write(Register::TPR, tpr.into());
            let ppr = apic.read(Register::PPR);
            let is_right = ppr < 0x100 && allows(ppr as u8, tpr, served);
            check!("PPR by vector in service and TPR", [&[]; u32::from(served) << 8 | u32::from(tpr)], is_right);
        }
        apic.write(Register::TPR, 0);
        if served != 0 {
            apic.end_interrupt();
        }
        check_eq!("PPR afterwards", [&[]; served], apic.read(Register::PPR), 0);
    }
}

/// PPR is the higher of the task priority and of the class in service.
#[case(feature = ApicPriorities, spec = sdm3a("Task and Processor Priorities"), needs = Needs::LOCAL_APIC, irqchip = LocalApic,
       time = 2)]
fn processor_priority() {
    with(Mode::XApic, |apic| walk_processor_priority(apic, &[0, 0x23, 0x80, 0xb1, 0xff]));
}

/// In x2APIC mode PPR is the higher of the task priority and of the class in service.
#[case(feature = ApicPriorities, spec = sdm3a("Task and Processor Priorities"), needs = X2APIC, irqchip = LocalApic, time = 2)]
fn x2apic_processor_priority() {
    with(Mode::X2Apic, |apic| walk_processor_priority(apic, &[0, 0x34, 0x9f, 0xe0]));
}

/// For task priorities around what is in service, requests the vectors around the limit that both set.
fn walk_delivery(apic: &LocalApic, in_service: &[u8]) {
    let _listening = Listening::to(VECTORS, End::LocalApic);
    for &served in in_service {
        interrupts::clear();
        if served != 0 {
            check!("in service", [&[]; served], put_in_service(apic, served));
        }
        let mut nr_waiting = 0;
        for tpr in around(served) {
            apic.write(Register::TPR, tpr.into());
            for vector in near(tpr, served) {
                let row = u32::from(served) << 16 | u32::from(tpr) << 8 | u32::from(vector);
                let before = interrupts::count(vector);
                let was_waiting = apic.is_requested(vector);
                apic.send_to_self(vector);
                if is_delivered(vector, tpr, served) {
                    interrupts::wait_until(GENEROUS_MICROS, || interrupts::count(vector) != before);
                    check_count!("taken", [&[]; row], interrupts::count(vector) - before, 1);
                } else {
                    nr_waiting += u32::from(!was_waiting);
                    check!("not taken", [&[]; row], nothing_comes());
                    check!("waits", [&[]; row], apic.is_requested(vector));
                }
            }
        }
        // All that waits comes as soon as nothing keeps it out.
        let before = interrupts::total();
        if served != 0 {
            apic.end_interrupt();
        }
        apic.write(Register::TPR, 0);
        interrupts::wait_until(GENEROUS_MICROS, || interrupts::total() - before >= nr_waiting);
        let _ = nothing_comes();
        check_count!("taken when nothing keeps it out", [&[]; served], interrupts::total() - before, nr_waiting);
    }
}

macro_rules! deliveries {
    ($($(#[$doc:meta])* $name:ident $mode:ident $needs:expr, $served:expr;)*) => {
        $(
            $(#[$doc])*
            #[case(feature = ApicPriorities, spec = sdm3a("Task and Processor Priorities"), needs = $needs, irqchip = LocalApic,
                   time = 3)]
            fn $name() {
                with(Mode::$mode, |apic| walk_delivery(apic, $served));
            }
        )*
    };
}

deliveries! {
    /// With nothing or a low class in service, an interrupt comes if and only if its class is above both priorities.
    delivery_over_low_classes XApic Needs::LOCAL_APIC, &[0, 0x41];
    /// With a middle class in service, an interrupt comes if and only if its class is above both priorities.
    delivery_over_middle_classes XApic Needs::LOCAL_APIC, &[0x6f, 0xa4];
    /// With a high class in service, an interrupt comes if and only if its class is above both priorities.
    delivery_over_high_classes XApic Needs::LOCAL_APIC, &[0xc5, 0xf2];
    /// In x2APIC mode an interrupt comes if and only if its class is above both priorities.
    x2apic_delivery X2Apic X2APIC, &[0x22, 0x9c];
}

/// Orders in which vectors are requested, as steps through the vectors of a class or of all classes.
fn check_order(apic: &LocalApic, step: u8) {
    const NR: u8 = 14;
    interrupts::clear();
    let listening = Listening::to(VECTORS, End::LocalApic);
    // A step that shares no factor with 16 reaches every class; those of exceptions are left out.
    for number in 0..16_u8 {
        let class = number.wrapping_mul(step) & 0xf;
        if class >= 2 {
            apic.send_to_self(class << 4 | number);
        }
    }
    interrupts::wait_until(GENEROUS_MICROS, || interrupts::total() >= NR.into());
    let _ = nothing_comes();
    check_count!("how many", [&[]; step], interrupts::total(), NR);
    let mut previous = 0xff;
    for index in 0..usize::from(NR) {
        let vector = interrupts::taken(index).map_or(0, |taken| taken.vector);
        check!("higher classes first", [&[]; u32::from(step) << 8 | index as u32], class(vector) <= class(previous));
        previous = vector;
    }
    drop(listening);
    // The vectors of one class: the higher vector first.
    interrupts::clear();
    let _listening = Listening::to(VECTORS, End::LocalApic);
    for number in 0..16_u8 {
        apic.send_to_self(0x90 | number.wrapping_mul(step) & 0xf);
    }
    interrupts::wait_until(GENEROUS_MICROS, || interrupts::total() >= 16);
    for index in 0..16 {
        let vector = interrupts::taken(index).map_or(0, |taken| taken.vector);
        check_eq!("higher vectors first", [&[]; u32::from(step) << 8 | index as u32], vector, 0x9f - index as u64);
    }
}

/// Of several interrupts that wait, the one with the highest vector comes first.
#[case(feature = ApicPriorities, spec = [sdm3a("Interrupt, Task, and Processor Priority"), sdm3a("Interrupt Acceptance for Fixed Interrupts")],
       needs = Needs::LOCAL_APIC, irqchip = LocalApic, time = 2)]
fn highest_vector_first() {
    with(Mode::XApic, |apic| {
        for step in [5, 15] {
            check_order(apic, step);
        }
    });
}

/// One vector that is requested twice while it waits comes once; requested while in service, it comes once more.
#[case(feature = ApicPriorities, spec = sdm3a("Interrupt Acceptance for Fixed Interrupts"), needs = Needs::LOCAL_APIC,
       irqchip = LocalApic)]
fn two_requests_of_a_vector() {
    with(Mode::XApic, |apic| {
        let _listening = Listening::to(VECTORS, End::Not);
        for _ in 0..3 {
            apic.send_to_self(0x71);
        }
        check!("it waits", apic.is_requested(0x71));
        interrupts::wait_until(GENEROUS_MICROS, || interrupts::count(0x71) != 0);
        let _ = nothing_comes();
        check_count!("taken", interrupts::count(0x71), 1);
        check!("in service", apic.is_in_service(0x71));
        check!("does not wait", !apic.is_requested(0x71));
        apic.send_to_self(0x71);
        apic.send_to_self(0x71);
        check!("not taken while in service", nothing_comes());
        check!("waits while in service", apic.is_requested(0x71) && apic.is_in_service(0x71));
        apic.end_interrupt();
        interrupts::wait_until(GENEROUS_MICROS, || interrupts::count(0x71) == 2);
        let _ = nothing_comes();
        check_count!("taken in all", interrupts::count(0x71), 2);
    });
}

/// CR8 and bits 7:4 of TPR are one register, and a write to CR8 clears bits 3:0.
fn walk_cr8(apic: &LocalApic) {
    for value in 0..16_u8 {
        apic.write(Register::TPR, u32::from(value) << 4 | 0xf);
        check_eq!("CR8 after TPR", [&[]; value], read_cr8(), value);
        check_outcome!("MOV to CR8", [&[]; value], write_cr8((15 - value).into()), Outcome::COMPLETED);
        check_eq!("TPR after CR8", [&[]; value], apic.read(Register::TPR), (15 - value) << 4);
        check_eq!("PPR after CR8", [&[]; value], apic.read(Register::PPR), (15 - value) << 4);
        check_eq!("CR8 after CR8", [&[]; value], read_cr8(), 15 - value);
    }
}

/// CR8 is the class in TPR, in xAPIC mode.
#[case(feature = ApicPriorities, spec = sdm3a("Interaction of Task Priorities between CR8 and APIC"), needs = Needs::LOCAL_APIC,
       irqchip = LocalApic)]
fn cr8_is_the_task_priority() {
    with(Mode::XApic, walk_cr8);
}

/// CR8 is the class in TPR, in x2APIC mode.
#[case(feature = ApicPriorities, spec = sdm3a("Interaction of Task Priorities between CR8 and APIC"), needs = X2APIC,
       irqchip = LocalApic)]
fn cr8_is_the_task_priority_in_x2apic_mode() {
    with(Mode::X2Apic, walk_cr8);
}

/// An interrupt that waits comes as soon as a write to CR8 or TPR lets it through, and not before.
#[case(feature = ApicPriorities, spec = [sdm3a("Task and Processor Priorities"), sdm3a("Interaction of Task Priorities between CR8 and APIC")],
       needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn lowered_priority_lets_through() {
    with(Mode::XApic, |apic| {
        let _listening = Listening::to(VECTORS, End::LocalApic);
        for vector_class in 2..16_u8 {
            let vector = vector_class << 4 | 7;
            apic.write(Register::TPR, 0xf0);
            apic.send_to_self(vector);
            // By CR8 down to the class itself, which is not enough, and by turns the last step.
            let _ = write_cr8(vector_class.into());
            check!("not at its own class", [&[]; vector_class], nothing_comes());
            if vector_class & 1 != 0 {
                let _ = write_cr8(u64::from(vector_class) - 1);
            } else {
                apic.write(Register::TPR, u32::from(vector_class - 1) << 4);
            }
            interrupts::wait_until(GENEROUS_MICROS, || interrupts::count(vector) != 0);
            check_count!("below it", [&[]; vector_class], interrupts::count(vector), 1);
        }
    });
}
