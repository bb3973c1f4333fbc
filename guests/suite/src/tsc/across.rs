//! The counter across processors: what one reads after another told its reading is later.

use case::Needs;
use core::sync::atomic::{AtomicU64, Ordering};
use rt::{
    case, check, check_count, check_eq, note,
    smp::{self, Processors},
    user, user_code,
};

/// Whose turn it is, the last reading, how often one was before the last.
#[repr(C, align(64))]
struct Exchange([AtomicU64; 3]);

static EXCHANGE: Exchange = Exchange([const { AtomicU64::new(0) }; 3]);
/// Turns of both, and how often a processor looks whether its turn has come, all turns together.
const NR_TURNS: u64 = 2_000;

macro_rules! player {
    ($name:ident, $parity:literal) => {
        user_code!(
            /// Reads the counter whenever it is its turn, sets it against the last reading, and gives the turn away.
            $name: "mov ecx, 4000000",
            "2:", "mov r8, [rdi]", "cmp r8, {turns}", "jae 5f", "mov r9d, r8d", "and r9d, 1", "cmp r9d, {parity}", "je 3f",
            "pause", "dec ecx", "jnz 2b", "jmp 5f",
            "3:", "lfence", "rdtsc", "lfence", "shl rdx, 32", "or rax, rdx", "cmp rax, [rdi + 8]", "jae 4f",
            "inc qword ptr [rdi + 16]",
            "4:", "mov [rdi + 8], rax", "inc r8", "mov [rdi], r8", "jmp 2b",
            "5:", "xor eax, eax", "ret",
            turns = const super::NR_TURNS, parity = const $parity
        );
    };
}

player!(even, 0);
player!(odd, 1);

fn play(_: u64) -> u64 {
    let player = if smp::index() == 0 { even } else { odd };
    u64::from(user::call(player, core::ptr::from_ref(&EXCHANGE) as u64).is_ok())
}

/// A reading of the counter is not before one that another processor made and told before.
///
/// The counters of processors that left RESET together agree, unless somebody writes one.
#[case(
    feature = TscCounter,
    spec = [sdm3b("Time-Stamp Counter"), sdm3b("Invariant TSC")],
    needs = Needs::LOCAL_APIC | Needs::INVARIANT_TSC,
    vcpus = 2,
    time = 10,
)]
fn never_backwards_across_processors() {
    let started = Processors::start(1);
    check!("a processor starts", started.is_ok());
    let Ok(processors) = started else { return };
    let [first, second, ..] = processors.on_all(play);
    check_eq!("the first ends", first.unwrap_or(0), 1);
    check_eq!("the second ends", second.unwrap_or(0), 1);
    let [turns, _, backwards] = &EXCHANGE.0;
    note!("turns", turns.load(Ordering::Relaxed));
    check!("both read", turns.load(Ordering::Relaxed) >= 2);
    check_count!("readings before the last", backwards.load(Ordering::Relaxed), 0);
}
