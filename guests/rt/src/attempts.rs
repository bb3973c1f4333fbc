//! Many accesses in a row, at either privilege level, with what each led to.
//!
//! A table of [`CAPACITY`] rows is walked by a few instructions of assembly; an exception is noted in its row and the
//! walk goes on with the next. At CPL 3 that is native on every subject, and the handler is as short as it can be,
//! because ring 0 may cost a microsecond an instruction.

#![expect(unsafe_code, reason = "resuming behind a fault takes assembly")]
// UNSAFETY: `global_asm!`, calls of it, and the table, which it and the processor's handler write.

use crate::{
    catch::{Exception, Outcome, catch},
    gate::Gate,
    observed::{Place, seen},
    tables::Shared,
    user::{self, State, register},
};
use case::message::outcome;
use core::{
    arch::{asm, global_asm},
    mem::{offset_of, size_of},
};

/// Number of rows of the table.
pub const CAPACITY: usize = 1024;

/// What is attempted.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Reads one byte.
    Read = 0,
    /// Writes one byte: [`RETURN`].
    Write = 1,
    /// Calls the address, where [`RETURN`] must stand.
    Fetch = 2,
}

/// The one-byte instruction RET: what a fetch executes and a write writes, so that neither disturbs the other.
pub const RETURN: u8 = 0xc3;

/// RFLAGS.AC.
pub const RFLAGS_AC: u64 = 1 << 18;

#[repr(C)]
#[derive(Clone, Copy)]
struct Row {
    address: u64,
    operation: u32,
    reserved: u32,
    outcome: u64,
    cr2: u64,
}

/// What stands in a row before it was attempted.
const NOT_ATTEMPTED: u64 = u64::MAX;
const ROW: Row = Row { address: 0, operation: 0, reserved: 0, outcome: NOT_ATTEMPTED, cr2: 0 };

static ROWS: Shared<[Row; CAPACITY]> = Shared::new([ROW; CAPACITY]);

// `attempts_walk(first, end)` attempts the rows from RDI up to RSI; at CPL 0 or 3. The two handlers find the row in RDI,
// what to add to the error code in R8 or R9, the stack in R10, and where to go on in R11.
global_asm!(
    r#"
    .pushsection .text.attempts, "ax", @progbits
    .global attempts_walk
    attempts_walk:
        movabs r8, {PAGE_FAULT}
        movabs r9, {GENERAL_PROTECTION}
        mov r10, rsp
        lea r11, [rip + attempts_next]
    1:
        cmp rdi, rsi
        jae 4f
        mov rdx, [rdi + {ADDRESS}]
        mov ecx, [rdi + {OPERATION}]
        mov qword ptr [rdi + {OUTCOME}], {COMPLETED}
        cmp ecx, 1
        je 2f
        ja 3f
        mov al, [rdx]
        add rdi, {SIZE}
        jmp 1b
    2:
        mov byte ptr [rdx], {RETURN}
        add rdi, {SIZE}
        jmp 1b
    3:
        call rdx
    attempts_next:
        add rdi, {SIZE}
        jmp 1b
    4:
        ret
    .global attempts_page_fault
    attempts_page_fault:
        pop rax
        or rax, r8
        jmp 6f
    .global attempts_general_protection
    attempts_general_protection:
        pop rax
        or rax, r9
    6:
        mov [rdi + {OUTCOME}], rax
        mov rax, cr2
        mov [rdi + {CR2}], rax
        test byte ptr [rsp + 8], 3
        jz 7f
        mov [rsp], r11
        mov [rsp + 24], r10
        iretq
    7:
        mov rsp, r10
        jmp r11
    .popsection
    "#,
    PAGE_FAULT = const outcome::exception(14, 0) as i64,
    GENERAL_PROTECTION = const outcome::exception(13, 0) as i64,
    COMPLETED = const outcome::COMPLETED,
    RETURN = const RETURN,
    ADDRESS = const offset_of!(Row, address),
    OPERATION = const offset_of!(Row, operation),
    OUTCOME = const offset_of!(Row, outcome),
    CR2 = const offset_of!(Row, cr2),
    SIZE = const size_of::<Row>(),
);

unsafe extern "C" {
    fn attempts_walk(first: u64, end: u64);
    fn attempts_page_fault();
    fn attempts_general_protection();
}

fn row(index: usize) -> *mut Row {
    assert!(index < CAPACITY, "the table has no such row");
    ROWS.0.get().cast::<Row>().wrapping_add(index)
}

/// Writes a row.
///
/// # Panics
/// If `index` is [`CAPACITY`] or more.
pub fn put(index: usize, address: u64, operation: Operation) {
    // SAFETY: the row is one of the table, which nothing refers to.
    unsafe { row(index).write_volatile(Row { address, operation: operation as u32, ..ROW }) };
}

/// What a row's attempt led to; no outcome of an attempt if it was not made.
///
/// # Panics
/// If `index` is [`CAPACITY`] or more.
pub fn outcome(index: usize) -> Outcome {
    // SAFETY: as above.
    Outcome(seen(Place::Attempt, 0, unsafe { row(index).read_volatile() }.outcome))
}

/// CR2 in the handler of a row's exception, and the row's address.
///
/// # Panics
/// If `index` is [`CAPACITY`] or more.
pub fn fault_address(index: usize) -> (u64, u64) {
    // SAFETY: as above.
    let row = unsafe { row(index).read_volatile() };
    (seen(Place::Attempt, 1, row.cr2), row.address)
}

fn gates() -> [Gate; 2] {
    [
        Gate::with_offset(14, attempts_page_fault as *const () as u64),
        Gate::with_offset(13, attempts_general_protection as *const () as u64),
    ]
}

/// Attempts the first `count` rows at CPL 3.
///
/// # Errors
/// An exception other than #PF and #GP; the rows from there on are not attempted.
///
/// # Panics
/// If `count` is more than [`CAPACITY`].
pub fn run_user(count: usize) -> Result<(), Exception> {
    assert!(count <= CAPACITY, "the table has no such rows");
    let _gates = gates();
    let first = ROWS.0.get() as u64;
    let mut state = State::calling_address(attempts_walk as *const () as u64, first);
    state.registers[register::RSI] = first + (count * size_of::<Row>()) as u64;
    let exception = user::enter(&mut state);
    if user::is_return(&exception) { Ok(()) } else { Err(exception) }
}

/// Attempts the first `count` rows at CPL 0, with RFLAGS.AC as told.
///
/// # Errors
/// An exception other than #PF and #GP; the rows from there on are not attempted.
///
/// # Panics
/// If `count` is more than [`CAPACITY`].
pub fn run_supervisor(count: usize, alignment_check: bool) -> Result<(), Exception> {
    assert!(count <= CAPACITY, "the table has no such rows");
    let _gates = gates();
    let first = ROWS.0.get() as u64;
    let end = first + (count * size_of::<Row>()) as u64;
    let ac = if alignment_check { RFLAGS_AC } else { 0 };
    catch(|| {
        // SAFETY: 1. the rows are the table's. 2. a fault resumes behind the attempt. 3. what an attempt reaches belongs
        // to the case. POPF takes the place of STAC, which not every subject's CPL 0 knows.
        unsafe {
            asm!(
                "pushfq", "or [rsp], {ac}", "popfq", "call {walk}", "pushfq", "and dword ptr [rsp], {clear}", "popfq",
                ac = in(reg) ac, walk = sym attempts_walk, clear = const !(RFLAGS_AC as i32),
                in("rdi") first, in("rsi") end, clobber_abi("C"),
            );
        };
    })
}
