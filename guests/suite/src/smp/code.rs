//! Code that is changed while it runs: by the processor that executes it, and by another one.
//!
//! Source: SDM vol. 3A, "Handling Self- and Cross-Modifying Code"; both protocols are its.

use case::{Needs, Text};
use core::sync::atomic::{AtomicU64, Ordering};
use rt::{
    case,
    catch::call_with_registers,
    check, check_count, check_eq, mmio, names, paging,
    smp::{self, Processors},
    user, user_code,
};

/// MOV EAX, imm32 and RET: the number behind the first byte is what changes.
const MOV_EAX: u8 = 0xb8;
const RET: u8 = 0xc3;
/// Pages of the window, which lie beside each other there and behind each other in memory the other way round.
const PAGE: usize = 20;
const ALIAS: usize = 24;

/// What the code at CPL 3 or 0 is given: the routine, where its number stands, and how often to change it.
#[repr(C, align(64))]
struct Arguments([AtomicU64; 3]);

static ARGUMENTS: Arguments = Arguments([const { AtomicU64::new(0) }; 3]);

macro_rules! modify {
    ($name:ident: $($between:literal),*) => {
        user_code!($name:
            "push rbx", "push r12", "push r13", "push r14", "push r15",
            "mov r12, [rdi]", "mov r13, [rdi + 8]", "mov r14, [rdi + 16]", "xor r15d, r15d",
            "2:", "mov [r13], r14d", $($between,)* "call r12", "cmp eax, r14d", "je 3f", "inc r15",
            "3:", "dec r14", "jnz 2b", "mov rax, r15", "pop r15", "pop r14", "pop r13", "pop r12", "pop rbx", "ret"
        );
    };
}

modify!(branch: );
modify!(serialize: "xor eax, eax", "cpuid");

/// Offset of the routine in its page, whether the number is changed by another linear address, and whether CPUID stands between.
const ROWS: [(u64, bool, bool); 7] = [
    (0x100, false, false),
    (0x100, false, true),
    (0xfff, false, false),
    (0xfff, false, true),
    (0xffd, false, false),
    (0xffd, false, true),
    (0x100, true, true),
];
const NAMES: &[Text] = names![
    "a branch between",
    "CPUID between",
    "number behind a page border, a branch between",
    "number behind a page border, CPUID between",
    "number across a page border, a branch between",
    "number across a page border, CPUID between",
    "by another linear address, CPUID between",
];

/// Maps the routine, writes it, and returns the address of its number by which it is to be changed.
fn put(offset: u64, is_aliased: bool) -> (u64, u64) {
    let routine = paging::map(PAGE, paging::frame(3), paging::ALL_RIGHTS) + offset;
    paging::map(PAGE + 1, paging::frame(1), paging::ALL_RIGHTS);
    let alias = paging::map(ALIAS, paging::frame(3), paging::ALL_RIGHTS) + offset;
    mmio::write_u8(routine, MOV_EAX);
    mmio::write_u8(routine + 5, RET);
    (routine, if is_aliased { alias + 1 } else { routine + 1 })
}

fn arguments(row: (u64, bool, bool), nr_changes: u64) -> u64 {
    let (routine, number) = put(row.0, row.1);
    for (argument, value) in ARGUMENTS.0.iter().zip([routine, number, nr_changes]) {
        argument.store(value, Ordering::Relaxed);
    }
    ARGUMENTS.0.as_ptr() as u64
}

fn code(row: (u64, bool, bool)) -> extern "C" fn(u64) -> u64 {
    if row.2 { serialize } else { branch }
}

/// Self-modifying code at CPL 3 executes what it has written, behind a branch or a serialising instruction.
#[case(
    feature = SmpOrdering,
    spec = [sdm3a("Handling Self- and Cross-Modifying Code"), sdm3a("Self-Modifying Code"), apm2("Cross-Modifying Code")],
    time = 2,
)]
fn self_modifying_at_cpl_3() {
    for (index, row) in ROWS.into_iter().enumerate() {
        let nr_changes = if row.2 { 64 } else { 2048 };
        let stale = user::call(code(row), arguments(row, nr_changes));
        check_count!("executions of what was there before", [NAMES; index], stale.unwrap_or(u64::MAX), 0);
    }
}

/// The same at CPL 0.
#[case(
    feature = SmpOrdering,
    spec = [sdm3a("Handling Self- and Cross-Modifying Code"), sdm3a("Self-Modifying Code"), apm2("Cross-Modifying Code")],
    time = 2,
)]
fn self_modifying_at_cpl_0() {
    for (index, row) in ROWS.into_iter().enumerate() {
        let stale = call_with_registers(code(row), arguments(row, 24), &mut [0; 16]);
        check_count!("executions of what was there before", [NAMES; index], stale.unwrap_or(u64::MAX), 0);
    }
}

/// What both processors of the protocol share: the round whose code is complete, and the round that was executed.
#[repr(C, align(128))]
struct Handshake([AtomicU64; 32]);

static HANDSHAKE: Handshake = Handshake([const { AtomicU64::new(0) }; 32]);
/// Index of the executing processor's word, in a cache line of its own.
const EXECUTED: usize = 16;
const NR_ROUNDS: u64 = 24;
/// How often each asks for the other one, in all rounds together.
const MAX_TURNS: u64 = 20_000_000;

user_code!(
    /// Waits for the flag, serialises, executes: returns how often it executed what was there before, or -1 if the other
    /// processor did not come.
    execute: "push rbx", "push r12", "push r13", "push r14", "push r15", "mov r12, [rdi]", "mov r13, {turns}", "xor r14d, r14d",
    "xor r15d, r15d", "lea r10, [rip + {handshake}]",
    "2:", "inc r14", "3:", "cmp [r10], r14", "jae 4f", "pause", "dec r13", "jnz 3b", "mov r15, -1", "jmp 6f",
    "4:", "xor eax, eax", "cpuid", "call r12", "cmp eax, r14d", "je 5f", "inc r15",
    "5:", "mov [r10 + {executed}], r14", "cmp r14, {rounds}", "jb 2b",
    "6:", "mov rax, r15", "pop r15", "pop r14", "pop r13", "pop r12", "pop rbx", "ret",
    handshake = sym super::HANDSHAKE, executed = const super::EXECUTED * 8, rounds = const super::NR_ROUNDS,
    turns = const super::MAX_TURNS
);
user_code!(
    /// Changes the number, sets the flag, and waits until the other processor has executed it: returns how often it did not.
    change: "mov r8, [rdi + 8]", "mov r9, {turns}", "xor ecx, ecx", "lea r10, [rip + {handshake}]",
    "2:", "inc rcx", "mov [r8], ecx", "mov [r10], rcx",
    "3:", "cmp [r10 + {executed}], rcx", "jae 4f", "pause", "dec r9", "jnz 3b", "mov eax, 1", "ret",
    "4:", "cmp rcx, {rounds}", "jb 2b", "xor eax, eax", "ret",
    handshake = sym super::HANDSHAKE, executed = const super::EXECUTED * 8, rounds = const super::NR_ROUNDS,
    turns = const super::MAX_TURNS
);

fn run_execute(arguments: u64) -> u64 {
    user::call(execute, arguments).unwrap_or(u64::MAX)
}

/// Cross-modifying code by the manual's protocol: the other processor executes what was written.
#[case(
    feature = SmpOrdering,
    spec = [sdm3a("Handling Self- and Cross-Modifying Code"), apm2("Cross-Modifying Code")],
    needs = Needs::LOCAL_APIC,
    vcpus = 2,
    time = 10,
)]
fn cross_modifying() {
    let started = Processors::start(1);
    check!("a processor starts", started.is_ok());
    let Ok(processors) = started else { return };
    for (index, row) in ROWS.into_iter().enumerate() {
        // Which of the two the row tells is the modifying processor's own matter; the other one always serialises.
        if !row.2 {
            continue;
        }
        for word in &HANDSHAKE.0 {
            word.store(0, Ordering::Relaxed);
        }
        let arguments = arguments(row, 0);
        let running = processors.begin(1, run_execute, arguments);
        check_eq!("all changes were executed", [NAMES; index], user::call(change, arguments).unwrap_or(2), 0);
        let stale = running.wait(smp::RUN_MICROS * 4);
        check_count!("executions of what was there before", [NAMES; index], stale.unwrap_or(u64::MAX), 0);
    }
}
