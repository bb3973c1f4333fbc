//! INIT and start-up IPIs that a second processor sends to one in VMX operation.

use super::exit_slots::run;
use core::sync::atomic::{AtomicU32, Ordering};
use rt::{
    case, check, check_eq,
    clock::Deadline,
    names,
    smp::{
        Processors, RUN_MICROS,
        apic::{self, Message, To},
    },
    user::register::RDI,
    user_code,
    vmx::{Enabled, Guest, control::activity, field, reason},
    vocabulary::{Needs, Text},
};

user_code!(nops: "nop", "nop", "vmcall");
user_code!(tell_and_wait: "mov dword ptr [rdi], 1", "2: pause", "jmp 2b");
user_code!(tell_and_listen: "mov dword ptr [rdi], 1", "2: pause", "cmp dword ptr [rdi], 1", "je 2b", "vmcall");

/// What L2 and the other processor tell each other: 1 once L2 runs, 2 once the other has sent.
static STEP: AtomicU32 = AtomicU32::new(0);
/// How long the other processor waits for L2 in microseconds.
const WAIT_MICROS: u64 = 1_000_000;
/// The processor under test.
const FIRST: To = To::Id(0);

fn send_init(_: u64) -> u64 {
    apic::send(FIRST, Message::Init);
    0
}

/// Sends INIT once L2 runs.
fn send_init_to_l2(_: u64) -> u64 {
    let runs = Deadline::after(WAIT_MICROS).wait(|| STEP.load(Ordering::Acquire) == 1);
    if runs {
        apic::send(FIRST, Message::Init);
    }
    runs.into()
}

/// Sends start-up IPIs until the first processor says that it got one, or for a while: those that come too early are lost.
fn send_start_ups(page: u64) -> u64 {
    let wait = Deadline::after(WAIT_MICROS);
    wait.wait(|| {
        apic::send(FIRST, Message::StartUp(page as u8));
        STEP.load(Ordering::Acquire) == 2
    })
    .into()
}

/// Sends a start-up IPI once L2 runs, and tells so.
fn send_start_up_to_l2(page: u64) -> u64 {
    let runs = Deadline::after(WAIT_MICROS).wait(|| STEP.load(Ordering::Acquire) == 1);
    apic::send(FIRST, Message::StartUp(page as u8));
    STEP.store(2, Ordering::Release);
    runs.into()
}

fn step_address() -> u64 {
    STEP.as_ptr() as usize as u64
}

/// Runs `body` with an L2 and a second processor. The processor stays in VMX operation: an INIT that waits longer than it should would reset it.
fn with_other(body: impl FnOnce(&mut Guest, &Processors)) {
    let Ok(others) = Processors::start(1) else {
        check!("the second processor starts", false);
        return;
    };
    let Ok(enabled) = Enabled::new() else {
        check!("VMX operation can be entered", false);
        return;
    };
    if let Ok(mut guest) = Guest::new(&enabled, nops) {
        body(&mut guest, &others);
    } else {
        check!("a guest can be made", false);
    }
    core::mem::forget(enabled);
}

/// INIT waits while the processor is in root operation, and exits at the next entry; then it is gone.
#[case(feature = VmxInterrupts, spec = [sdm3c("Other Causes of VM Exits"), sdm3c("Event Blocking")], vcpus = 2, irqchip = LocalApic, time = 5,
       needs = Needs::INTEL | Needs::VMX | Needs::LOCAL_APIC)]
fn init_waits_in_root_operation() {
    with_other(|guest, others| {
        for row in 0..3 {
            check_eq!("sent", [&[]; row], others.run_on(1, send_init, 0).unwrap_or(9), 0);
            let exit = run(guest);
            let start = guest.start();
            guest.reset();
            check_eq!("exit reason", [&[]; row], exit.reason, reason::INIT);
            check_eq!("exit qualification", [&[]; row], exit.qualification, 0);
            check_eq!("RIP from the start", [&[]; row], exit.rip.wrapping_sub(start), 0);
            check_eq!("an event is told", [&[]; row], exit.interruption >> 31, 0);
            let exit = run(guest);
            guest.reset();
            check_eq!("exit reason of the next entry", [&[]; row], exit.reason, reason::VMCALL);
        }
    });
}

/// INIT exits from L2 in HLT and in shutdown, which the exit saves.
#[case(feature = VmxInterrupts, spec = [sdm3c("Other Causes of VM Exits"), sdm3c("Saving Non-Register State")], vcpus = 2, irqchip = LocalApic, time = 5,
       needs = Needs::INTEL | Needs::VMX | Needs::LOCAL_APIC | Needs::VMX_ACTIVITY_HLT | Needs::VMX_ACTIVITY_SHUTDOWN)]
fn init_exits_from_activity_states() {
    const NAMES: &[Text] = names!["HLT", "shutdown"];
    with_other(|guest, others| {
        for (row, state) in [activity::HLT, activity::SHUTDOWN].into_iter().enumerate() {
            check_eq!("sent", [NAMES; row], others.run_on(1, send_init, 0).unwrap_or(9), 0);
            let _ = guest.set(field::GUEST_ACTIVITY, state.into());
            let exit = run(guest);
            let saved = guest.read(field::GUEST_ACTIVITY);
            guest.reset();
            check_eq!("exit reason", [NAMES; row], exit.reason, reason::INIT);
            check_eq!("activity state", [NAMES; row], saved, state);
        }
    });
}

/// INIT exits from an L2 that runs, with its state as it was.
#[case(feature = VmxInterrupts, spec = sdm3c("Other Causes of VM Exits"), vcpus = 2, irqchip = LocalApic, time = 5,
       needs = Needs::INTEL | Needs::VMX | Needs::LOCAL_APIC)]
fn init_exits_from_l2() {
    with_other(|guest, others| {
        STEP.store(0, Ordering::Release);
        guest.start_at(tell_and_wait);
        guest.registers[RDI] = step_address();
        let running = others.begin(1, send_init_to_l2, 0);
        let exit = run(guest);
        check_eq!("exit reason", exit.reason, reason::INIT);
        check_eq!("exit qualification", exit.qualification, 0);
        // The loop begins behind the store, which has 6 bytes.
        check!("RIP is in the loop", (6..=8).contains(&exit.rip.wrapping_sub(guest.start())));
        check_eq!("RDI", guest.registers[RDI], step_address());
        guest.reset();
        check_eq!("L2 had started", running.wait(RUN_MICROS).unwrap_or(9), 1);
    });
}

/// A start-up IPI exits from the wait-for-SIPI state, with its vector in the exit qualification; the exit saves that state.
#[case(feature = VmxInterrupts, spec = [sdm3c("Other Causes of VM Exits"), sdm3c("Basic VM-Exit Information")], vcpus = 2, irqchip = LocalApic, time = 5,
       needs = Needs::INTEL | Needs::VMX | Needs::LOCAL_APIC | Needs::VMX_ACTIVITY_WAIT)]
fn start_up_exits_with_its_vector() {
    with_other(|guest, others| {
        for vector in [0_u64, 1, 0x55, 0x9f, 0xff] {
            STEP.store(0, Ordering::Release);
            let running = others.begin(1, send_start_ups, vector);
            let _ = guest.set(field::GUEST_ACTIVITY, activity::WAIT_FOR_SIPI.into());
            let exit = run(guest);
            STEP.store(2, Ordering::Release);
            let saved = guest.read(field::GUEST_ACTIVITY);
            let start = guest.start();
            guest.reset();
            check_eq!("exit reason", [&[]; vector], exit.reason, reason::START_UP);
            check_eq!("exit qualification", [&[]; vector], exit.qualification, vector);
            check_eq!("activity state", [&[]; vector], saved, activity::WAIT_FOR_SIPI);
            check_eq!("RIP from the start", [&[]; vector], exit.rip.wrapping_sub(start), 0);
            check_eq!("sent until it came", [&[]; vector], running.wait(RUN_MICROS).unwrap_or(9), 1);
        }
    });
}

/// INIT does not exit from the wait-for-SIPI state: it waits for an entry into another one.
#[case(feature = VmxInterrupts, spec = [sdm3c("Other Causes of VM Exits"), sdm3c("Event Blocking")], vcpus = 2, irqchip = LocalApic, time = 5,
       needs = Needs::INTEL | Needs::VMX | Needs::LOCAL_APIC | Needs::VMX_ACTIVITY_WAIT)]
fn init_waits_for_start_up() {
    with_other(|guest, others| {
        STEP.store(0, Ordering::Release);
        check_eq!("sent", others.run_on(1, send_init, 0).unwrap_or(9), 0);
        let running = others.begin(1, send_start_ups, 0x12);
        let _ = guest.set(field::GUEST_ACTIVITY, activity::WAIT_FOR_SIPI.into());
        let exit = run(guest);
        STEP.store(2, Ordering::Release);
        guest.reset();
        check_eq!("exit reason", exit.reason, reason::START_UP);
        check_eq!("exit qualification", exit.qualification, 0x12);
        check_eq!("sent until it came", running.wait(RUN_MICROS).unwrap_or(9), 1);
        let exit = run(guest);
        guest.reset();
        check_eq!("exit reason of the next entry", exit.reason, reason::INIT);
    });
}

/// A start-up IPI does nothing to an L2 that runs, and nothing to root operation.
#[case(feature = VmxInterrupts, spec = sdm3c("Other Causes of VM Exits"), vcpus = 2, irqchip = LocalApic, time = 5,
       needs = Needs::INTEL | Needs::VMX | Needs::LOCAL_APIC)]
fn start_up_is_lost_while_l2_runs() {
    with_other(|guest, others| {
        for vector in [0_u64, 0x55, 0xff] {
            STEP.store(0, Ordering::Release);
            guest.start_at(tell_and_listen);
            guest.registers[RDI] = step_address();
            let running = others.begin(1, send_start_up_to_l2, vector);
            let exit = run(guest);
            guest.reset();
            check_eq!("exit reason", [&[]; vector], exit.reason, reason::VMCALL);
            check_eq!("L2 had started", [&[]; vector], running.wait(RUN_MICROS).unwrap_or(9), 1);
        }
    });
}
