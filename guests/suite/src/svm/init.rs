//! INIT that strikes another processor while its L2 runs.

use super::ending::NOT_RUN;
use core::sync::atomic::{AtomicU64, Ordering};
use rt::{
    case, check, check_eq,
    clock::Deadline,
    mmio,
    smp::{
        Processors,
        apic::{self, Message, To},
    },
    svm::{
        Enabled, Guest,
        field::{self, INTERCEPTS_1, exit, intercept_1},
    },
    user_code,
    vocabulary::Needs,
};

// It tells that it runs, and goes on for ever: only an exit ends it.
user_code!(spin: "mov qword ptr [rdi], 1", "2:", "pause", "jmp 2b");

/// What L2 writes as soon as it runs.
static RUNS: AtomicU64 = AtomicU64::new(0);
/// Where the VMCB is.
static VMCB: AtomicU64 = AtomicU64::new(0);
/// How long each step may take in microseconds.
const STEP_MICROS: u64 = 4_000_000;
/// What stands in the field of the exit code before there is an exit.
const NO_EXIT: u64 = 0x5555_5555_5555_5555;

/// Runs L2 on the other processor. Where INIT exits, the processor comes no further than STGI, behind which it is taken.
fn run(_: u64) -> u64 {
    let Ok(_enabled) = Enabled::new() else { return NOT_RUN };
    let mut guest = Guest::new(spin);
    guest.intercept(INTERCEPTS_1, intercept_1::INIT);
    guest.registers.rdi = RUNS.as_ptr() as u64;
    guest.write_u64(field::EXIT_CODE, NO_EXIT);
    VMCB.store(guest.vmcb(), Ordering::Release);
    guest.run().map_or(NOT_RUN, |exit| exit.code)
}

/// An INIT that is intercepted exits, with RIP in L2, and is taken by the processor when GIF is set: it then waits for a start-up IPI.
#[case(feature = SvmInterrupts, spec = [apm2("INIT Intercept"), apm2("Global Interrupt Flag, STGI and CLGI Instructions")],
       needs = Needs::SVM | Needs::LOCAL_APIC, vcpus = 2, irqchip = LocalApic, time = 10)]
fn intercepted_init() {
    RUNS.store(0, Ordering::Relaxed);
    VMCB.store(0, Ordering::Relaxed);
    let Ok(processors) = Processors::start(1) else {
        check!("the processor starts", false);
        return;
    };
    let running = processors.begin(1, run, 0);
    let runs = Deadline::after(STEP_MICROS).wait(|| RUNS.load(Ordering::Acquire) != 0);
    check!("L2 runs", runs);
    if !runs {
        return;
    }
    let code = || mmio::read_u64(VMCB.load(Ordering::Acquire) + field::EXIT_CODE);
    check_eq!("before INIT", code(), NO_EXIT);
    apic::send(To::Id(1), Message::Init);
    check!("L2 ends", Deadline::after(STEP_MICROS).wait(|| code() != NO_EXIT));
    check_eq!("exit code", code(), exit::INIT);
    let rip = mmio::read_u64(VMCB.load(Ordering::Acquire) + field::RIP);
    check!("RIP in its loop", rip.wrapping_sub(super::start_of(spin)) < 16);
    // The processor is reset, and never tells that its function is over.
    check!("it goes on behind the exit", !Deadline::after(20_000).wait(|| running.is_over()));
    drop(processors);
    check!("it starts again", Processors::start(1).is_ok());
}
