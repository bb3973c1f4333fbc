//! Store buffering, looked for as closely as it can be: two processors store and then load in thousands of rounds, each of
//! which both begin together.
//!
//! Without a fence the outcome that a store buffer explains is allowed and nothing demands it. That it is seen tells that the
//! rounds are close enough for its absence to mean something with a fence between.

use crate::smp::{running::PROCESSORS, together::Apart};
use case::{Needs, Text};
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use rt::{
    case, check, check_count, check_eq, names, note,
    smp::{self, Processors},
    user, user_code,
};

/// How often each processor stores and loads.
const NR_ROUNDS: usize = 8192;
/// How many turns without a PAUSE take as long as one with it, about.
const TURNS_PER_PAUSE: u64 = 32;

#[repr(align(128))]
struct Line([AtomicU32; 32]);

impl Line {
    const fn new() -> Self {
        Self([const { AtomicU32::new(0) }; 32])
    }
}

/// A location for each processor.
static LOCATIONS: [Line; 2] = [const { Line::new() }; 2];
/// The round that each processor has come to.
static ROUNDS: [Line; 2] = [const { Line::new() }; 2];
/// What each processor read of the other's location.
static READ: [[AtomicU32; NR_ROUNDS]; 2] = [const { [const { AtomicU32::new(0) }; NR_ROUNDS] }; 2];

/// What a processor is given, in the order in which it reads it.
#[repr(C, align(128))]
struct Arguments([AtomicU64; 8]);

/// Where it is told how often it may ask for the other one, and tells what is left of that.
const TURNS: usize = 6;

static ARGUMENTS: [Arguments; 2] = [const { Arguments([const { AtomicU64::new(0) }; 8]) }; 2];
static ROW: AtomicU64 = AtomicU64::new(0);

// In each round: load the other one's location, so that it is near afterwards; tell that this processor is there, wait for the
// other one, wait for some 0 to 255 turns more, which is as far apart as that may leave them, store the
// round's number, and load what the other one stored.
macro_rules! rounds {
    ($name:ident: $($store:literal),+) => {
        user_code!($name:
            "push rbx", "push rbp", "push r12", "push r13", "push r14", "push r15", "push rdi",
            "mov r8, [rdi]", "mov r9, [rdi + 8]", "mov r10, [rdi + 16]", "mov r11, [rdi + 24]", "mov r12, [rdi + 32]",
            "mov r13, [rdi + 40]", "mov r14, [rdi + 48]", "mov r15, [rdi + 56]", "xor ebx, ebx",
            "2:", "inc ebx", "mov eax, [r9]", "mov [r10], ebx",
            "3:", "cmp [r11], ebx", "jae 4f", "dec r14", "jns 3b",
            "4:", "imul r15d, r15d, 1103515245", "add r15d, 12345", "mov ebp, r15d", "shr ebp, 16", "and ebp, 255", "jz 6f",
            "5:", "dec ebp", "jnz 5b",
            "6:", $($store,)+ "mov eax, [r9]",
            "mov [r12 + rbx * 4 - 4], eax", "cmp ebx, r13d", "jb 2b",
            "pop rdi", "mov [rdi + 48], r14", "pop r15", "pop r14", "pop r13", "pop r12", "pop rbp", "pop rbx", "xor eax, eax", "ret"
        );
    };
}

rounds!(unfenced: "mov [r8], ebx");
rounds!(mfence: "mov [r8], ebx", "mfence");
rounds!(xchg: "mov ecx, ebx", "xchg [r8], ecx");
rounds!(lock_or: "mov [r8], ebx", "lock or dword ptr [rsp - 64], 0");
rounds!(lock_xadd: "mov ecx, 1", "lock xadd [r8], ecx");
rounds!(cpuid: "mov [r8], ebx", "mov ebp, ebx", "xor eax, eax", "mov rdi, r9", "cpuid", "mov ebx, ebp");

/// Each with how many rounds of it are run: CPUID leaves the guest.
const CODE: [(extern "C" fn(u64) -> u64, usize); 6] = [
    (unfenced, NR_ROUNDS),
    (mfence, NR_ROUNDS),
    (xchg, NR_ROUNDS),
    (lock_or, NR_ROUNDS),
    (lock_xadd, NR_ROUNDS),
    (cpuid, 256),
];
const NAMES: &[Text] = names!["none", "MFENCE", "XCHG", "LOCK OR elsewhere", "LOCK XADD", "CPUID"];

/// The result is 1 if it came to its end.
fn run(_: u64) -> u64 {
    let index = smp::index();
    let (Some(&(code, _)), Some(arguments)) = (CODE.get(ROW.load(Ordering::Relaxed) as usize), ARGUMENTS.get(index))
    else {
        return 0;
    };
    u64::from(user::call(code, core::ptr::from_ref(arguments) as u64).is_ok())
}

fn prepare(row: usize, nr_rounds: usize, turns: [u64; 2]) {
    ROW.store(row as u64, Ordering::Relaxed);
    for index in 0..2 {
        LOCATIONS[index].0[0].store(0, Ordering::Relaxed);
        ROUNDS[index].0[0].store(0, Ordering::Relaxed);
        let values = [
            LOCATIONS[index].0.as_ptr() as u64,
            LOCATIONS[1 - index].0.as_ptr() as u64,
            ROUNDS[index].0.as_ptr() as u64,
            ROUNDS[1 - index].0.as_ptr() as u64,
            READ[index].as_ptr() as u64,
            nr_rounds as u64,
            turns[index],
            index as u64 + 1,
        ];
        for (argument, value) in ARGUMENTS[index].0.iter().zip(values) {
            argument.store(value, Ordering::Relaxed);
        }
    }
}

/// In how many rounds neither processor saw what the other one stored, and in how many both did: in all these, both ran at the
/// same time.
fn count(nr_rounds: usize) -> (u64, u64) {
    let (mut neither, mut both) = (0, 0);
    for (round, (first, second)) in (1..).zip(READ[0].iter().zip(&READ[1])).take(nr_rounds) {
        let [first, second] = [first, second].map(|read| u64::from(read.load(Ordering::Relaxed) < round));
        neither += first & second;
        both += u64::from(first | second == 0);
    }
    (neither, both)
}

/// A store is seen by the other processor before what follows a fence is loaded: in no round both read what was there before.
#[case(
    feature = SmpOrdering,
    spec = [
        sdm3a("Loads May Be Reordered with Earlier Stores to Different Locations"),
        sdm3a("Loads and Stores Are Not Reordered with Locked Instructions"),
        sdm3a("Serializing Instructions"),
        apm2("Multiprocessor Memory Access Ordering"),
    ],
    needs = Needs::LOCAL_APIC,
    vcpus = 2,
    time = 10,
)]
fn store_buffers() {
    let started = Processors::start(1);
    check!("a processor starts", started.is_ok());
    let Ok(processors) = started else { return };
    let apart = Apart::keep(&processors);
    let mut turns = [apart.turns() * TURNS_PER_PAUSE; 2];
    let mut nr_close = 0;
    for (row, &(_, nr_rounds)) in CODE.iter().enumerate() {
        prepare(row, nr_rounds, turns);
        for (index, result) in processors.on_all(run).into_iter().enumerate().take(2) {
            check_eq!("comes to its end on processor", [PROCESSORS; index], result.unwrap_or(0), 1);
        }
        turns = ARGUMENTS.each_ref().map(|arguments| arguments.0[TURNS].load(Ordering::Relaxed));
        let (mut neither, mut both) = (u64::MAX, 0);
        check!("counted", user::run(|| (neither, both) = count(nr_rounds)).is_ok());
        if row == 0 {
            note!("rounds without a fence", nr_rounds as u64);
            note!("of them, both processors read what the other one stored", both);
            note!("of them, neither did", neither);
        } else {
            check_count!("both read what was there before", [NAMES; row], neither, 0);
            nr_close += both;
        }
    }
    note!("rounds with a fence in which both processors ran at the same time", nr_close);
}
