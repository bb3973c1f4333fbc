//! External interrupts: exits with and without their acknowledgement, and delivery to L2.

use super::{
    events_gates::{self as gates, DELIVERED, ending, stack_word},
    events_model::{Event, kind},
    exit_slots::run,
    with_guest,
};
use rt::{
    case, check_eq,
    local_apic::{
        LocalApic, Mode,
        register::{Register, icr, lvt},
    },
    names,
    user::register::{RAX, RDI},
    user_code,
    vmx::{
        Exit, Guest,
        control::{activity, exit, interruption, pin, processor},
        field, reason,
    },
    vocabulary::{Needs, Text},
};

user_code!(nops: "nop", "nop", "vmcall");
user_code!(send: "mov [rdi], eax", "2: pause", "jmp 2b");
user_code!(wait: "2: pause", "jmp 2b");
user_code!(halt: "sti", "hlt", "2: pause", "jmp 2b");

/// RFLAGS with IF.
const ENABLED: u64 = 1 << 9 | 2;
/// A command to the sender, without its vector.
const TO_SELF: u32 = icr::TO_SELF | icr::ASSERT;
/// Counts of the timer, divided by 2: a few instructions.
const COUNTS: u32 = 200;

/// Lets interrupts exit, and be acknowledged or not; RFLAGS.IF is set.
fn exiting(guest: &mut Guest, acknowledges: bool) {
    let _ = guest.set(field::GUEST_RFLAGS, ENABLED);
    let _ = guest.set_bits(field::PIN_CONTROLS, pin::EXTERNAL_INTERRUPT.into());
    if acknowledges {
        let _ = guest.set_bits(field::EXIT_CONTROLS, exit::ACKNOWLEDGE_INTERRUPT.into());
    }
}

/// Runs `body` with an L2 and the local APIC in xAPIC mode.
fn with_apic(body: impl FnOnce(&mut Guest, &LocalApic)) {
    match LocalApic::in_mode(Mode::XApic) {
        Ok(apic) => with_guest(nops, |guest| body(guest, &apic)),
        Err(exception) => rt::check_outcome!("to xAPIC mode", exception, rt::Outcome::COMPLETED),
    }
}

/// Takes an interrupt that waits: an exit acknowledges it, and it is ended.
fn take(guest: &mut Guest, apic: &LocalApic) -> Exit {
    exiting(guest, true);
    let exit = run(guest);
    guest.reset();
    apic.end_interrupt();
    exit
}

const fn information(vector: u8) -> u32 {
    interruption::VALID | interruption::EXTERNAL | vector as u32
}

/// An interrupt that waits exits at the entry, before any instruction; without acknowledgement it still waits.
#[case(feature = VmxInterrupts, spec = [sdm3c("Other Causes of VM Exits"), sdm3c("Information for VM Exits Due to Vectored Events")], irqchip = LocalApic,
       needs = Needs::INTEL | Needs::VMX | Needs::LOCAL_APIC)]
fn interrupts_exit_unacknowledged() {
    with_apic(|guest, apic| {
        for vector in 0x10..=0xff_u8 {
            apic.send_to_self(vector);
            exiting(guest, false);
            let exit = run(guest);
            let start = guest.start();
            guest.reset();
            check_eq!("exit reason", [&[]; vector], exit.reason, reason::EXTERNAL_INTERRUPT);
            check_eq!("an event is told", [&[]; vector], exit.interruption >> 31, 0);
            check_eq!("exit qualification", [&[]; vector], exit.qualification, 0);
            check_eq!("an event was being delivered", [&[]; vector], exit.vectoring >> 31, 0);
            check_eq!("RIP from the start", [&[]; vector], exit.rip.wrapping_sub(start), 0);
            check_eq!("it waits", [&[]; vector], apic.is_requested(vector), true);
            check_eq!("in service", [&[]; vector], apic.is_in_service(vector), false);
            let _ = take(guest, apic);
        }
    });
}

/// With "acknowledge interrupt on exit" the exit tells the vector, which is then in service.
#[case(feature = VmxInterrupts, spec = [sdm3c("Information for VM Exits Due to Vectored Events"), sdm3c("VM-Exit Controls")], irqchip = LocalApic,
       needs = Needs::INTEL | Needs::VMX | Needs::LOCAL_APIC)]
fn interrupts_exit_acknowledged() {
    with_apic(|guest, apic| {
        for vector in 0x10..=0xff_u8 {
            apic.send_to_self(vector);
            exiting(guest, true);
            let exit = run(guest);
            let start = guest.start();
            guest.reset();
            check_eq!("exit reason", [&[]; vector], exit.reason, reason::EXTERNAL_INTERRUPT);
            check_eq!("interruption information", [&[]; vector], exit.interruption, information(vector));
            check_eq!("exit qualification", [&[]; vector], exit.qualification, 0);
            check_eq!("RIP from the start", [&[]; vector], exit.rip.wrapping_sub(start), 0);
            check_eq!("it waits", [&[]; vector], apic.is_requested(vector), false);
            check_eq!("in service", [&[]; vector], apic.is_in_service(vector), true);
            apic.end_interrupt();
        }
    });
}

/// With "external-interrupt exiting" RFLAGS.IF does not matter: an interrupt exits while it is 0.
#[case(feature = VmxInterrupts, spec = sdm3c("Event Blocking"), irqchip = LocalApic, needs = Needs::INTEL | Needs::VMX | Needs::LOCAL_APIC)]
fn interrupts_exit_without_if() {
    with_apic(|guest, apic| {
        for vector in [0x20_u8, 0x41, 0x93, 0xfe] {
            apic.send_to_self(vector);
            exiting(guest, true);
            let _ = guest.set(field::GUEST_RFLAGS, 2);
            let exit = run(guest);
            guest.reset();
            check_eq!("exit reason", [&[]; vector], exit.reason, reason::EXTERNAL_INTERRUPT);
            if exit.reason == reason::EXTERNAL_INTERRUPT {
                check_eq!("interruption information", [&[]; vector], exit.interruption, information(vector));
                apic.end_interrupt();
            } else {
                let _ = take(guest, apic);
            }
        }
    });
}

/// Of two that wait the higher one exits first; one whose class the task priority reaches does not exit.
#[case(feature = VmxInterrupts, spec = sdm3c("Other Causes of VM Exits"), irqchip = LocalApic, needs = Needs::INTEL | Needs::VMX | Needs::LOCAL_APIC)]
fn interrupts_exit_by_priority() {
    with_apic(|guest, apic| {
        apic.send_to_self(0x41);
        apic.send_to_self(0x93);
        for (row, vector) in [0x93_u8, 0x41].into_iter().enumerate() {
            let exit = take(guest, apic);
            check_eq!("exit reason", [&[]; row], exit.reason, reason::EXTERNAL_INTERRUPT);
            check_eq!("interruption information", [&[]; row], exit.interruption, information(vector));
        }
        for class in 0..16_u32 {
            apic.send_to_self(0x75);
            apic.write(Register::TPR, class << 4);
            exiting(guest, true);
            let exit = run(guest);
            guest.reset();
            apic.write(Register::TPR, 0);
            let due = if class < 7 { reason::EXTERNAL_INTERRUPT } else { reason::VMCALL };
            check_eq!("exit reason by task priority", [&[]; class], exit.reason, due);
            if class >= 7 {
                check_eq!("exit reason behind it", [&[]; class], take(guest, apic).reason, reason::EXTERNAL_INTERRUPT);
            } else {
                apic.end_interrupt();
            }
        }
    });
}

/// Without "external-interrupt exiting" an interrupt is delivered to L2 by its own gates if RFLAGS.IF is set, and waits if not.
#[case(feature = VmxInterrupts, spec = [sdm3c("Pin-Based VM-Execution Controls"), sdm3c("Event Blocking")], irqchip = LocalApic,
       needs = Needs::INTEL | Needs::VMX | Needs::LOCAL_APIC)]
fn interrupts_are_delivered_to_l2() {
    with_apic(|guest, apic| {
        gates::fill();
        for vector in (0x10..=0xff_u8).step_by(3) {
            apic.send_to_self(vector);
            gates::attach(guest);
            let exit = run(guest);
            guest.reset();
            check_eq!("exit reason without IF", [&[]; vector], exit.reason, reason::VMCALL);
            check_eq!("it waits without IF", [&[]; vector], apic.is_requested(vector), true);
            gates::attach(guest);
            let _ = guest.set(field::GUEST_RFLAGS, ENABLED);
            let exit = run(guest);
            let pushed = stack_word(guest, 0).wrapping_sub(guest.start());
            guest.reset();
            check_eq!("ending", [&[]; vector], ending(&exit), DELIVERED + u64::from(vector));
            check_eq!("pushed RIP from the start", [&[]; vector], pushed, 0);
            check_eq!("in service", [&[]; vector], apic.is_in_service(vector), true);
            apic.end_interrupt();
        }
    });
}

/// An interrupt that L2 sends to itself exits behind the instruction, with L2's state.
#[case(feature = VmxInterrupts, spec = sdm3c("Other Causes of VM Exits"), irqchip = LocalApic, needs = Needs::INTEL | Needs::VMX | Needs::LOCAL_APIC)]
fn interrupts_that_l2_sends_exit() {
    with_apic(|guest, apic| {
        let icr = rt::local_apic::read_base() & rt::local_apic::base::ADDRESS | Register::ICR.offset();
        for vector in (0x10..=0xff_u8).step_by(5) {
            guest.start_at(send);
            guest.registers[RDI] = icr;
            guest.registers[RAX] = (TO_SELF | u32::from(vector)).into();
            exiting(guest, true);
            let exit = run(guest);
            let start = guest.start();
            guest.reset();
            apic.end_interrupt();
            check_eq!("exit reason", [&[]; vector], exit.reason, reason::EXTERNAL_INTERRUPT);
            check_eq!("interruption information", [&[]; vector], exit.interruption, information(vector));
            // The interrupt may arrive a little later than the write.
            let offset = exit.rip.wrapping_sub(start);
            check_eq!("RIP is behind the write", [&[]; vector], (2..=4).contains(&offset), true);
        }
    });
}

/// The timer's interrupt ends an L2 that runs, and one that halts, which then is active behind its HLT or still halts.
#[case(feature = VmxInterrupts, spec = [sdm3c("Other Causes of VM Exits"), sdm3c("Saving Non-Register State")], irqchip = LocalApic,
       needs = Needs::INTEL | Needs::VMX | Needs::LOCAL_APIC | Needs::VMX_ACTIVITY_HLT)]
fn timer_interrupt_exits() {
    const VECTOR: u8 = 0x5b;
    const NAMES: &[Text] = names!["running", "halts", "entry into HLT"];
    with_apic(|guest, apic| {
        for row in 0..3 {
            guest.start_at(if row == 1 { halt } else { wait });
            exiting(guest, true);
            let _ = guest.clear_bits(field::PROCESSOR_CONTROLS, processor::HLT.into());
            if row == 2 {
                let _ = guest.set(field::GUEST_ACTIVITY, activity::HLT.into());
            }
            apic.write(Register::DIVIDE, 0);
            apic.write(Register::LVT_TIMER, VECTOR.into());
            apic.write(Register::INITIAL_COUNT, COUNTS);
            let exit = run(guest);
            let (state, rip) = (guest.read(field::GUEST_ACTIVITY), exit.rip.wrapping_sub(guest.start()));
            guest.reset();
            apic.write(Register::LVT_TIMER, lvt::MASKED);
            apic.end_interrupt();
            check_eq!("exit reason", [NAMES; row], exit.reason, reason::EXTERNAL_INTERRUPT);
            check_eq!("interruption information", [NAMES; row], exit.interruption, information(VECTOR));
            match row {
                0 => check_eq!("activity state", [NAMES; row], state, activity::ACTIVE),
                // Before HLT itself it may have come, on a processor that is held up.
                1 => {
                    check_eq!("halted behind HLT, or not yet", [NAMES; row], (state, rip) == (1, 2) || state == 0, true)
                }
                _ => {
                    check_eq!("activity state", [NAMES; row], state, activity::HLT);
                    check_eq!("RIP from the start", [NAMES; row], rip, 0);
                }
            }
        }
    });
}

/// An event that the entry injects comes before the exit of an interrupt that waits: RIP is that of its handler.
#[case(feature = VmxInterrupts, spec = [sdm3c("Event Injection"), sdm3c("Other Causes of VM Exits")], irqchip = LocalApic,
       needs = Needs::INTEL | Needs::VMX | Needs::LOCAL_APIC)]
fn interrupt_exits_behind_an_injected_event() {
    const EVENTS: [Event; 4] = [
        Event::of(kind::EXTERNAL, 0x51),
        Event::of(kind::NMI, 2),
        Event::of(kind::HARDWARE, 6),
        Event::of(kind::SOFTWARE, 0x80),
    ];
    const NAMES: &[Text] = names!["interrupt", "NMI", "#UD", "INT 80H"];
    with_apic(|guest, apic| {
        gates::fill();
        for (row, event) in EVENTS.into_iter().enumerate() {
            apic.send_to_self(0xa5);
            gates::attach(guest);
            exiting(guest, true);
            let _ = guest.set(field::ENTRY_INTERRUPTION, event.word().into());
            let _ = guest.set(field::ENTRY_LENGTH, 2);
            let exit = run(guest);
            guest.reset();
            apic.end_interrupt();
            check_eq!("exit reason", [NAMES; row], exit.reason, reason::EXTERNAL_INTERRUPT);
            check_eq!("interruption information", [NAMES; row], exit.interruption, information(0xa5));
            check_eq!("RIP is the handler's", [NAMES; row], exit.rip, gates::target(event.vector));
            check_eq!("an event was being delivered", [NAMES; row], exit.vectoring >> 31, 0);
        }
    });
}
