//! What keeps interrupts out beside IF: the task priority, and for NMIs a handler that has not returned.

use super::{
    local_apic::LocalApic,
    mode::Mode,
    program::{Machine, Start},
};
use rt::{
    Outcome, case, check, check_eq, check_outcome,
    cpu::control::{read_cr8, write_cr8},
    instruction,
    vocabulary::Needs,
};

/// STI, NOP and CLI: an interrupt may strike behind NOP.
const OPEN: &[u8] = &[0xfb, 0x90, 0xfa];
/// STI and HLT: the interrupt must come.
const WAIT: &[u8] = &[0xfb, 0xf4, 0x90];
/// Vector 3 of a class of 16.
const fn vector(class: u8) -> u8 {
    class << 4 | 3
}

/// Tries interrupts of each class above, at and below the priority class that `set` writes.
fn walk(set: fn(&LocalApic, u8)) {
    let apic = LocalApic::new();
    let machine = Machine::new(Mode::Long0);
    for priority in 0..16_u8 {
        set(&apic, priority);
        check_eq!("class in TPR", [&[]; priority], apic.task_priority(), priority);
        check_eq!("CR8", [&[]; priority], read_cr8(), priority);
        for class in
            [priority.saturating_sub(1), priority, priority + 1].into_iter().filter(|class| (3..16).contains(class))
        {
            let vector = vector(class);
            let row = usize::from(priority) * 16 + usize::from(class);
            apic.send(vector);
            if class > priority {
                let seen = machine.run(WAIT, Start::PLAIN);
                check_outcome!("above the priority", [&[]; row], seen.outcome, Outcome::exception(vector, 0));
                check_eq!("saved RIP", [&[]; row], seen.ip, 2);
                apic.end_interrupt();
                continue;
            }
            let seen = machine.run(OPEN, Start::PLAIN);
            check_outcome!("not above the priority", [&[]; row], seen.outcome, Outcome::COMPLETED);
            check!("it waits", [&[]; row], apic.is_requested(vector));
            set(&apic, 0);
            let seen = machine.run(WAIT, Start::PLAIN);
            check_outcome!("with the priority lowered", [&[]; row], seen.outcome, Outcome::exception(vector, 0));
            apic.end_interrupt();
            set(&apic, priority);
        }
    }
    set(&apic, 0);
}

/// An interrupt is delivered if and only if its class is above that of the task-priority register.
#[case(feature = ExceptionShadow, spec = sdm3a("Task and Processor Priorities"), needs = Needs::LOCAL_APIC, irqchip = LocalApic,
       time = 2)]
fn task_priority_by_register() {
    walk(LocalApic::set_task_priority);
}

/// The same with the priority written to CR8, which is the class in the task-priority register.
#[case(feature = ExceptionShadow, spec = [sdm3a("Task and Processor Priorities"), sdm3a("Interaction of Task Priorities between CR8 and APIC")],
       needs = Needs::LOCAL_APIC, irqchip = LocalApic, time = 2)]
fn task_priority_by_cr8() {
    walk(|_, class| {
        // A class has four bits, so the write cannot fault.
        let _ = write_cr8(u64::from(class));
    });
}

/// Vector 2.
const NMI: Outcome = Outcome::exception(2, 0);

/// Waits for an NMI, whatever IF is.
fn wait_for_nmi(apic: &LocalApic) -> Outcome {
    apic.send_nmi();
    instruction!("hlt").into()
}

/// An NMI is delivered although IF is clear, and wakes a processor that halts.
#[case(feature = ExceptionShadow, spec = [sdm3a("Nonmaskable Interrupt (NMI)"), sdm2("HLT—Halt")],
       needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn nmi_needs_no_interrupt_flag() {
    let apic = LocalApic::new();
    let result = rt::catch(|| wait_for_nmi(&apic));
    check_outcome!("HLT", result.unwrap_or_else(Outcome::from), NMI);
}

/// An NMI while another is handled, and where it strikes.
fn block_nmi(mode: Mode) {
    let apic = LocalApic::new();
    let machine = Machine::new(mode);
    let result = rt::catch(|| wait_for_nmi(&apic)).unwrap_or_else(Outcome::from);
    check_outcome!("first NMI", result, NMI);
    // The runtime's handler has not returned.
    let result = rt::catch(|| {
        apic.send_nmi();
        for _ in 0..64 {
            let _ = apic.task_priority();
        }
    });
    check_outcome!("another while it is handled", result, Outcome::COMPLETED);
    // NOP, and a jump to itself: however late it comes, it comes there.
    let seen = machine.run(&[0x90, 0xeb, 0xfe], Start::PLAIN);
    check_outcome!("behind IRET", seen.outcome, NMI);
    check_eq!("saved RIP", seen.ip, 0);
    let seen = machine.run(&[0x90, 0x90, 0x90], Start::PLAIN);
    check_outcome!("behind the next IRET", seen.outcome, Outcome::COMPLETED);
}

/// After an NMI no other is delivered until IRET to CPL 0; then the one that waits is.
#[case(feature = ExceptionShadow, spec = [sdm3a("Handling Multiple NMIs"), apm2("NMI—Non-Maskable-Interrupt Exception (Vector 2)")],
       needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn nmi_is_blocked_until_return_to_cpl_0() {
    block_nmi(Mode::Long0);
}

/// After an NMI no other is delivered until IRET to CPL 3; then the one that waits is.
#[case(feature = ExceptionShadow, spec = [sdm3a("Handling Multiple NMIs"), apm2("NMI—Non-Maskable-Interrupt Exception (Vector 2)")],
       needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn nmi_is_blocked_until_return_to_cpl_3() {
    block_nmi(Mode::Long3);
}
