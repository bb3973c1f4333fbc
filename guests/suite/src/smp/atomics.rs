//! Locked read-modify-write instructions of several processors on one location: no update is lost.

use super::{running::PROCESSORS, together::Apart};
use case::{Needs, Text};
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use rt::{
    case, check, check_eq, names, note, paging,
    smp::{self, Barrier, Processors},
    user, user_code,
};

/// How often the processors meet in a row, and how often each updates the location after that.
const NR_MEETINGS: u64 = 16;
const NR_AFTER_MEETING: u64 = 125;
/// How often each processor updates the location.
const NR_UPDATES: u64 = NR_MEETINGS * NR_AFTER_MEETING;
/// Two, so that on most hosts all of them run at the same time.
const NR_PROCESSORS: u64 = 2;

/// Two cache lines; the location stands at the start or across the border.
#[repr(align(128))]
struct Lines([AtomicU64; 16]);

/// For each row of [`ROWS`], and one more.
static LINES: [Lines; ROWS.len() + 1] = [const { Lines([const { AtomicU64::new(0) }; 16]) }; ROWS.len() + 1];
/// How often processors have come to a meeting.
static ARRIVED: AtomicU32 = AtomicU32::new(0);
static MEETING: Barrier = Barrier::new();
/// How often each processor may ask at meetings whether the other one is there.
static TURNS: AtomicU64 = AtomicU64::new(0);

/// What a row's code is given, in the order in which it reads it: the location's address, how many came to meetings before this
/// row and how many will have after it, and [`TURNS`], of which it keeps what is left.
#[repr(C)]
struct Arguments {
    location: u64,
    goals: [u64; 2],
    turns: u64,
}

macro_rules! update {
    ($name:ident: $($code:literal),+) => {
        user_code!($name:
            // The processors meet again and again, but all in all not for long: one may not be running at all.
            "push rbx", "push rdi", "push qword ptr [rdi + 16]", "mov r8, [rdi + 8]", "mov r9, [rdi + 24]", "mov rdi, [rdi]",
            "6:", "lea rsi, [rip + {arrived}]", "add r8d, {processors}", "lock inc dword ptr [rsi]",
            "7:", "cmp [rsi], r8d", "jae 8f", "pause", "dec r9", "jns 7b", "xor r9d, r9d",
            "8:", "mov r11d, {count}", "2:", $($code,)+ "dec r11", "jnz 2b",
            "cmp r8d, [rsp]", "jb 6b", "pop rax", "pop rdi", "mov [rdi + 24], r9", "pop rbx", "xor eax, eax", "ret",
            count = const super::NR_AFTER_MEETING, processors = const super::NR_PROCESSORS, arrived = sym super::ARRIVED
        );
    };
}

// Not locked: what gets lost of it tells how closely the processors run together.
update!(plain_32: "inc dword ptr [rdi]");
update!(inc_8: "lock inc byte ptr [rdi]");
update!(inc_16: "lock inc word ptr [rdi]");
update!(inc_32: "lock inc dword ptr [rdi]");
update!(inc_64: "lock inc qword ptr [rdi]");
update!(add_8: "lock add byte ptr [rdi], 1");
update!(sub_32: "lock sub dword ptr [rdi], -1");
update!(adc_32: "stc", "lock adc dword ptr [rdi], 0");
update!(sbb_64: "stc", "lock sbb qword ptr [rdi], -2");
update!(xadd_8: "mov eax, 1", "lock xadd [rdi], al");
update!(xadd_16: "mov eax, 1", "lock xadd [rdi], ax");
update!(xadd_32: "mov eax, 1", "lock xadd [rdi], eax");
update!(xadd_64: "mov eax, 1", "lock xadd [rdi], rax");
update!(cmpxchg_8: "mov al, [rdi]", "3:", "mov ecx, eax", "inc ecx", "lock cmpxchg [rdi], cl", "jne 3b");
update!(cmpxchg_16: "mov ax, [rdi]", "3:", "mov ecx, eax", "inc ecx", "lock cmpxchg [rdi], cx", "jne 3b");
update!(cmpxchg_32: "mov eax, [rdi]", "3:", "lea ecx, [rax + 1]", "lock cmpxchg [rdi], ecx", "jne 3b");
update!(cmpxchg_64: "mov rax, [rdi]", "3:", "lea rcx, [rax + 1]", "lock cmpxchg [rdi], rcx", "jne 3b");
update!(cmpxchg8b: "mov eax, [rdi]", "mov edx, [rdi + 4]",
    "3:", "mov ebx, eax", "mov ecx, edx", "add ebx, 1", "adc ecx, 0", "lock cmpxchg8b [rdi]", "jne 3b");
update!(bts_lock: "3:", "lock bts dword ptr [rdi + 16], 7", "jnc 4f", "pause", "jmp 3b",
    "4:", "inc qword ptr [rdi]", "lock btr dword ptr [rdi + 16], 7");
update!(btc_lock: "3:", "lock bts dword ptr [rdi + 16], 31", "jnc 4f", "pause", "jmp 3b",
    "4:", "inc qword ptr [rdi]", "lock btc dword ptr [rdi + 16], 31");
update!(xchg_8_lock: "3:", "mov eax, 1", "xchg [rdi + 16], al", "test al, al", "jz 4f", "pause", "jmp 3b",
    "4:", "inc qword ptr [rdi]", "mov byte ptr [rdi + 16], 0");
update!(xchg_64_lock: "3:", "mov eax, 1", "xchg [rdi + 16], rax", "test rax, rax", "jz 4f", "pause", "jmp 3b",
    "4:", "inc qword ptr [rdi]", "mov qword ptr [rdi + 16], 0");
update!(or_and_lock: "3:", "lock bts dword ptr [rdi + 16], 0", "jnc 4f", "pause", "jmp 3b",
    "4:", "inc qword ptr [rdi]", "lock or dword ptr [rdi + 16], 2", "lock and dword ptr [rdi + 16], ~1",
    "lock xor dword ptr [rdi + 16], 0");

// Bits far beyond the operand: the instruction finds the doubleword or quadword by the offset in its register.
update!(bts_beyond: "mov eax, 135", "3:", "lock bts [rdi], rax", "jnc 4f", "pause", "jmp 3b",
    "4:", "inc qword ptr [rdi]", "lock btr [rdi], rax");
update!(bts_before: "mov eax, -89", "lea r10, [rdi + 28]", "3:", "lock bts [r10], eax", "jnc 4f", "pause", "jmp 3b",
    "4:", "inc qword ptr [rdi]", "lock btc [r10], eax");
// Both halves go up together, so a carry is right only if nobody came between them.
update!(cmpxchg16b: "mov rax, [rdi]", "mov rdx, [rdi + 8]", "3:", "mov rbx, rax", "mov rcx, rdx", "add rbx, 1", "adc rcx, 0",
    "lock cmpxchg16b [rdi]", "jne 3b");

/// Each pass of its loop adds one to the location.
type Code = extern "C" fn(u64) -> u64;

macro_rules! rows {
    ($($name:literal $code:ident $bits:literal $offset:literal;)+) => {
        const NAMES: &[Text] = &[$(Text::new($name)),+];
        /// What runs, the location's width in bits, and its offset in the lines.
        const ROWS: &[(Code, u32, u64)] = &[$(($code, $bits, $offset)),+];
    };
}

rows! {
    "LOCK INC, 8 bits" inc_8 8 0;
    "LOCK INC, 16 bits" inc_16 16 0;
    "LOCK INC, 32 bits" inc_32 32 0;
    "LOCK INC, 64 bits" inc_64 64 0;
    "LOCK INC, 16 bits, not aligned" inc_16 16 3;
    "LOCK INC, 32 bits, not aligned" inc_32 32 5;
    "LOCK INC, 64 bits, not aligned" inc_64 64 9;
    "LOCK INC, 16 bits, across cache lines" inc_16 16 63;
    "LOCK INC, 32 bits, across cache lines" inc_32 32 62;
    "LOCK INC, 64 bits, across cache lines" inc_64 64 60;
    "LOCK ADD, 8 bits" add_8 8 1;
    "LOCK SUB, 32 bits" sub_32 32 0;
    "LOCK ADC, 32 bits" adc_32 32 0;
    "LOCK SBB, 64 bits" sbb_64 64 0;
    "LOCK XADD, 8 bits" xadd_8 8 0;
    "LOCK XADD, 16 bits" xadd_16 16 0;
    "LOCK XADD, 32 bits" xadd_32 32 0;
    "LOCK XADD, 64 bits" xadd_64 64 0;
    "LOCK XADD, 64 bits, across cache lines" xadd_64 64 57;
    "LOCK CMPXCHG, 8 bits" cmpxchg_8 8 0;
    "LOCK CMPXCHG, 16 bits" cmpxchg_16 16 0;
    "LOCK CMPXCHG, 32 bits" cmpxchg_32 32 0;
    "LOCK CMPXCHG, 64 bits" cmpxchg_64 64 0;
    "LOCK CMPXCHG, 64 bits, across cache lines" cmpxchg_64 64 61;
    "LOCK CMPXCHG8B" cmpxchg8b 64 0;
    "LOCK CMPXCHG8B, across cache lines" cmpxchg8b 64 60;
    "a lock of LOCK BTS and LOCK BTR" bts_lock 64 0;
    "a lock of LOCK BTS and LOCK BTC" btc_lock 64 0;
    "a lock of LOCK BTS and LOCK BTR, beyond the operand" bts_beyond 64 0;
    "a lock of LOCK BTS and LOCK BTC, before the operand" bts_before 64 0;
    "a lock of XCHG, 8 bits" xchg_8_lock 64 0;
    "a lock of XCHG, 64 bits" xchg_64_lock 64 0;
    "a lock of LOCK BTS and LOCK AND" or_and_lock 64 0;
}

/// The row behind the last.
const NOT_LOCKED: (Code, u32, u64) = (plain_32, 32, 0);

fn base(row: usize) -> u64 {
    LINES.get(row).map_or(0, |lines| lines.0.as_ptr() as u64)
}

/// How many come to the meetings of a row.
const NR_ARRIVALS: u64 = NR_PROCESSORS * NR_MEETINGS;

/// Runs all rows without leaving CPL 3, so that processors that run at the same time do so in many of them.
fn update_all(_: u64) -> u64 {
    let ran = user::run(|| {
        let mut turns = TURNS.load(Ordering::Relaxed);
        for (row, (code, _, offset)) in ROWS.iter().chain([&NOT_LOCKED]).enumerate() {
            let goals = [row as u64 * NR_ARRIVALS, (row as u64 + 1) * NR_ARRIVALS];
            let mut arguments = Arguments { location: base(row) + offset, goals, turns };
            code(&raw mut arguments as u64);
            turns = arguments.turns;
        }
    });
    u64::from(ran.is_ok())
}

/// The low bits of the quadword at an offset that need not be aligned.
fn read(row: usize, offset: u64, bits: u32) -> u64 {
    rt::mmio::read_u64(base(row) + offset) & (u64::MAX >> (64 - bits))
}

/// Updates of one location by two processors are all there, of every width and alignment.
#[case(
    feature = SmpAtomics,
    spec = [sdm3a("Locked Atomic Operations"), sdm2("LOCK—Assert LOCK# Signal Prefix"), apm2("Memory Consistency")],
    needs = Needs::LOCAL_APIC,
    vcpus = 2,
    time = 10,
)]
fn no_update_is_lost() {
    let started = Processors::start(NR_PROCESSORS as usize - 1);
    check!("a processor starts", started.is_ok());
    let Ok(processors) = started else { return };
    let apart = Apart::keep(&processors);
    TURNS.store(apart.turns(), Ordering::Relaxed);
    for (index, result) in processors.on_all(update_all).into_iter().enumerate().take(NR_PROCESSORS as usize) {
        check_eq!("comes to its end", [PROCESSORS; index], result.unwrap_or(0), 1);
    }
    for (row, &(_, bits, offset)) in ROWS.iter().enumerate() {
        let expected = (NR_UPDATES * NR_PROCESSORS) & (u64::MAX >> (64 - bits));
        check_eq!("updates", [NAMES; row], read(row, offset, bits), expected);
    }
    let left = read(ROWS.len(), NOT_LOCKED.2, NOT_LOCKED.1);
    note!("updates lost without LOCK", (NR_UPDATES * NR_PROCESSORS).saturating_sub(left));
}

/// Where the location of [`update_there`] is.
static ADDRESS: AtomicU64 = AtomicU64::new(0);

fn update_there(row: u64) -> u64 {
    let Some(&code) = THERE.get(row as usize) else { return 0 };
    let turns = TURNS.load(Ordering::Relaxed);
    let mut arguments = Arguments { location: ADDRESS.load(Ordering::Relaxed), goals: [0, NR_ARRIVALS], turns };
    u64::from(user::call(code, &raw mut arguments as u64).is_ok())
}

const THERE: [Code; 5] = [inc_32, xadd_64, cmpxchg_64, cmpxchg8b, cmpxchg16b];
const THERE_NAMES: &[Text] =
    names!["LOCK INC, 32 bits", "LOCK XADD, 64 bits", "LOCK CMPXCHG, 64 bits", "LOCK CMPXCHG8B", "LOCK CMPXCHG16B"];

/// Runs a row on both processors.
fn update_on_all(processors: &Processors, row: usize) {
    ARRIVED.store(0, Ordering::Relaxed);
    let running = processors.begin(1, update_there, row as u64);
    check_eq!("comes to its end", [THERE_NAMES; row], update_there(row as u64), 1);
    check_eq!("comes to its end elsewhere", [THERE_NAMES; row], running.wait(smp::RUN_MICROS).unwrap_or(0), 1);
}

/// Updates of a location across two pages that are far apart in memory are all there.
#[case(
    feature = SmpAtomics,
    spec = [sdm3a("Locked Atomic Operations"), sdm3a("Bus Locking"), apm2("Memory Consistency")],
    needs = Needs::LOCAL_APIC,
    vcpus = 2,
    time = 10,
)]
fn across_pages() {
    const PAGE: usize = 40;
    let started = Processors::start(NR_PROCESSORS as usize - 1);
    check!("a processor starts", started.is_ok());
    let Ok(processors) = started else { return };
    let apart = Apart::keep(&processors);
    TURNS.store(apart.turns() / 4, Ordering::Relaxed);
    let last = paging::map(PAGE, paging::frame(5), paging::ALL_RIGHTS) + 4096;
    paging::map(PAGE + 1, paging::frame(2), paging::ALL_RIGHTS);
    for (row, distance) in [2, 5, 3, 7].into_iter().enumerate() {
        let address = last - distance;
        rt::mmio::write_u64(address, 0);
        ADDRESS.store(address, Ordering::Relaxed);
        update_on_all(&processors, row);
        check_eq!("updates", [THERE_NAMES; row], rt::mmio::read_u64(address), NR_UPDATES * NR_PROCESSORS);
    }
}

/// Updates of 16 bytes are all there, with the carry between their halves.
#[case(
    feature = SmpAtomics,
    spec = [sdm2("CMPXCHG8B/CMPXCHG16B—Compare and Exchange Bytes"), sdm3a("Locked Atomic Operations")],
    needs = Needs::LOCAL_APIC | Needs::CMPXCHG16B,
    vcpus = 2,
    time = 10,
)]
fn sixteen_bytes() {
    const ROW: usize = 4;
    let started = Processors::start(NR_PROCESSORS as usize - 1);
    check!("a processor starts", started.is_ok());
    let Ok(processors) = started else { return };
    let apart = Apart::keep(&processors);
    TURNS.store(apart.turns(), Ordering::Relaxed);
    let first = (NR_UPDATES * NR_PROCESSORS / 2).wrapping_neg();
    let words = &LINES[0].0;
    words[2].store(first, Ordering::Relaxed);
    ADDRESS.store(base(0) + 16, Ordering::Relaxed);
    update_on_all(&processors, ROW);
    check_eq!("low half", words[2].load(Ordering::Relaxed), first.wrapping_add(NR_UPDATES * NR_PROCESSORS));
    check_eq!("high half", words[3].load(Ordering::Relaxed), 1);
}

fn update_after_meeting(_: u64) -> u64 {
    MEETING.wait(2, smp::RUN_MICROS);
    let mut is_ok = true;
    for _ in 0..10 {
        // Nobody waits at meetings.
        let mut arguments = Arguments { location: base(0), goals: [0, NR_ARRIVALS], turns: 0 };
        is_ok &= user::call(inc_32, &raw mut arguments as u64).is_ok();
    }
    u64::from(is_ok)
}

/// Updates at CPL 0 and at CPL 3 are atomic against each other.
#[case(
    feature = SmpAtomics,
    spec = [sdm3a("Locked Atomic Operations"), apm2("Memory Consistency")],
    needs = Needs::LOCAL_APIC,
    vcpus = 2,
    time = 10,
)]
fn across_privilege_levels() {
    const NR_HERE: u32 = 500;
    let started = Processors::start(1);
    check!("a processor starts", started.is_ok());
    let Ok(processors) = started else { return };
    let running = processors.begin(1, update_after_meeting, 0);
    check!("the processors meet", MEETING.wait(2, smp::RUN_MICROS));
    for _ in 0..NR_HERE {
        // The other processor counts in the low half, which does not wrap.
        LINES[0].0[0].fetch_add(1, Ordering::Relaxed);
    }
    check_eq!("comes to its end", running.wait(smp::RUN_MICROS).unwrap_or(0), 1);
    check_eq!("updates", read(0, 0, 64), u64::from(NR_HERE) + NR_UPDATES * 10);
}
