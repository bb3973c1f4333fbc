//! Memory ordering: what several processors see of each other's stores is among what the model allows.
//!
//! What the model allows and sequential consistency does not is counted and told, and nothing is demanded of it. Told is
//! too how many outcomes come of no order in which one thread runs after another: so often they ran at the same time.

mod buffers;
mod model;
mod programs;
mod threads;

use super::{running::PROCESSORS, together::Apart};
use case::Needs;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use model::{MAX_THREADS, Model, Outcome, Outcomes, outcomes};
use programs::PROGRAMS;
use rt::{
    case, check, check_count, check_eq, note,
    smp::{self, Processors},
    user, user_code,
};
use threads::{CODE, NAMES, NR_LINES};

/// How many sets of locations there are: how often a thread runs.
const NR_SETS: usize = 1024;

#[repr(align(256))]
struct Set([[AtomicU32; 16]; NR_LINES]);

static SETS: [Set; NR_SETS] = [const { Set([const { [const { AtomicU32::new(0) }; 16] }; NR_LINES]) }; NR_SETS];
/// Two registers of each run of each thread.
static RESULTS: [[AtomicU64; NR_SETS]; MAX_THREADS] = [const { [const { AtomicU64::new(0) }; NR_SETS] }; MAX_THREADS];

/// What a thread is given, in the order in which it reads it.
#[repr(C, align(64))]
struct Arguments([AtomicU64; 6]);

/// Where it is told how often it may ask for the others, and tells what is left of that.
const TURNS: usize = 5;

static ARGUMENTS: [Arguments; MAX_THREADS] = [const { Arguments([const { AtomicU64::new(0) }; 6]) }; MAX_THREADS];

user_code!(
    /// Fills as many bytes as the sets have with zeros.
    clear: "xor eax, eax", "mov ecx, {}", "rep stosq", "ret", const size_of::<[super::Set; super::NR_SETS]>() / 8
);

/// Which program runs.
static PROGRAM: AtomicU64 = AtomicU64::new(0);

/// Runs the thread of the running program that belongs to this processor. The result is 1 if it came to its end.
fn run_thread(_: u64) -> u64 {
    let thread = CODE.get(PROGRAM.load(Ordering::Relaxed) as usize).and_then(|threads| threads.get(smp::index()));
    let (Some(&thread), Some(arguments)) = (thread, ARGUMENTS.get(smp::index())) else { return 0 };
    u64::from(user::call(thread, core::ptr::from_ref(arguments) as u64).is_ok())
}

#[derive(Default)]
struct Seen {
    forbidden: u64,
    first_forbidden: u32,
    weak: u64,
    overlapping: u64,
}

/// Sets all results against the model; at CPL 3, because they are many.
fn judge(program: usize, seen: &mut Seen) {
    let Some((_, threads)) = PROGRAMS.get(program) else { return };
    let allowed = outcomes(threads, Model::TotalStoreOrder);
    let sequential = outcomes(threads, Model::Sequential);
    let apart = outcomes(threads, Model::OneAfterAnother);
    for (index, set) in SETS.iter().enumerate() {
        let mut registers = [[0; 2]; MAX_THREADS];
        for (registers, results) in registers.iter_mut().zip(&RESULTS).take(threads.len()) {
            let both = results.get(index).map_or(0, |result| result.load(Ordering::Relaxed));
            *registers = [both as u8, (both >> 32) as u8];
        }
        let location = |index: usize| set.0.get(index + 1).map_or(0, |line| line[0].load(Ordering::Relaxed) as u8);
        let outcome = Outcome::new(&registers, [location(0), location(1), location(2)]);
        count(outcome, &allowed, &sequential, seen);
        seen.overlapping += u64::from(apart.position(outcome).is_none());
    }
}

fn count(outcome: Outcome, allowed: &Outcomes, sequential: &Outcomes, seen: &mut Seen) {
    if allowed.position(outcome).is_none() {
        if seen.forbidden == 0 {
            seen.first_forbidden = outcome.0;
        }
        seen.forbidden += 1;
    } else if sequential.position(outcome).is_none() {
        seen.weak += 1;
    }
}

/// Runs all programs of so many threads.
fn run_programs(nr_threads: usize) {
    let started = Processors::start(nr_threads - 1);
    check!("processors start", started.is_ok());
    let Ok(processors) = started else { return };
    let apart = Apart::keep(&processors);
    for arguments in &ARGUMENTS {
        arguments.0[TURNS].store(apart.turns(), Ordering::Relaxed);
    }
    let (mut nr_weak, mut nr_overlapping) = (0, 0);
    for (program, (_, threads)) in PROGRAMS.iter().enumerate() {
        if threads.len() != nr_threads {
            continue;
        }
        let cleared = user::call(clear, SETS.as_ptr() as u64);
        check!("locations are cleared", [NAMES; program], cleared.is_ok());
        PROGRAM.store(program as u64, Ordering::Relaxed);
        for (thread, arguments) in ARGUMENTS.iter().enumerate() {
            let values = [
                SETS.as_ptr() as u64,
                RESULTS.get(thread).map_or(0, |results| results.as_ptr() as u64),
                NR_SETS as u64,
                nr_threads as u64,
                // Threads drift along each other by waits of different lengths.
                [0, 31, 63, 15][thread],
            ];
            for (argument, value) in arguments.0.iter().zip(values) {
                argument.store(value, Ordering::Relaxed);
            }
        }
        for (index, result) in processors.on_all(run_thread).into_iter().enumerate().take(nr_threads) {
            check_eq!("the program ends on processor", [PROCESSORS; index], result.unwrap_or(0), 1);
        }
        let mut seen = Seen::default();
        let judged = user::run(|| judge(program, &mut seen));
        check!("the results are judged", [NAMES; program], judged.is_ok());
        check_count!("forbidden outcomes", [NAMES; program], seen.forbidden, 0);
        check_eq!("first forbidden outcome", [NAMES; program], seen.first_forbidden, 0);
        nr_weak += seen.weak;
        nr_overlapping += seen.overlapping;
    }
    note!("outcomes that sequential consistency forbids", nr_weak);
    note!("outcomes of threads that ran at the same time", nr_overlapping);
}

/// Programs of two threads observe only what the model of memory ordering allows.
#[case(
    feature = SmpOrdering,
    spec = [
        sdm3a("Memory Ordering in P6 and More Recent Processor Families"),
        sdm3a("Examples Illustrating the Memory-Ordering Principles"),
        apm2("Multiprocessor Memory Access Ordering"),
    ],
    needs = Needs::LOCAL_APIC,
    vcpus = 2,
    time = 5,
)]
fn two_threads() {
    run_programs(2);
}

/// Programs of three threads observe only what the model of memory ordering allows.
#[case(
    feature = SmpOrdering,
    spec = [
        sdm3a("Memory Ordering in P6 and More Recent Processor Families"),
        sdm3a("Examples Illustrating the Memory-Ordering Principles"),
        apm2("Multiprocessor Memory Access Ordering"),
    ],
    needs = Needs::LOCAL_APIC,
    vcpus = 3,
    time = 5,
)]
fn three_threads() {
    run_programs(3);
}

/// Programs of four threads observe only what the model of memory ordering allows.
#[case(
    feature = SmpOrdering,
    spec = [
        sdm3a("Memory Ordering in P6 and More Recent Processor Families"),
        sdm3a("Examples Illustrating the Memory-Ordering Principles"),
        apm2("Multiprocessor Memory Access Ordering"),
    ],
    needs = Needs::LOCAL_APIC,
    vcpus = 4,
    time = 5,
)]
fn four_threads() {
    run_programs(4);
}
