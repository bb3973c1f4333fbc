//! Where a single step strikes behind each kind of instruction: a table.
//!
//! Sources: SDM vol. 3B, "Single-Step Exception Condition"; SDM vol. 3A, "Masking Exceptions and Interrupts When Switching
//! Stacks"; APM vol. 2, "Single Stepping". The tests of the suite compile this for the host.

use super::mode::Mode;
use case::{Text, message::outcome};

/// What a step leads to: the offset is that of the saved instruction pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// #DB at this offset.
    At(u8),
    /// A trap of this vector at this offset: the instruction itself is a call to a handler, which
    /// clears TF before the step is due.
    Call(u8, u8),
    /// #DE at this offset in place of the step.
    Fault(u8),
}

/// Where a row applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum In {
    /// In every mode.
    All,
    /// Where privileged instructions complete.
    Privileged,
    /// Where POPF may change TF and PUSHF may be executed: not in virtual-8086 mode with IOPL 0.
    NotVirtual,
}

/// An instruction or several, executed with TF set from the first on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) bytes: &'static [u8],
    pub(crate) step: Step,
    pub(crate) place: In,
    /// Whether the instruction clears TF in the flags that are saved behind it.
    pub(crate) clears_tf: bool,
}

const fn row(name: &'static str, bytes: &'static [u8], step: Step) -> Row {
    Row { name, bytes, step, place: In::All, clears_tf: false }
}

/// What completes at once, repeats, branches, or faults.
pub(crate) const PLAIN: [Row; 26] = [
    row("NOP", &[0x90, 0x90], Step::At(1)),
    row("MOV", &[0x89, 0xc8, 0x90], Step::At(2)),
    row("load", &[0x8b, 0x07, 0x90], Step::At(2)),
    row("store", &[0x89, 0x07, 0x90], Step::At(2)),
    row("ADD to memory", &[0x01, 0x0f, 0x90], Step::At(2)),
    row("LOCK ADD", &[0xf0, 0x01, 0x0f, 0x90], Step::At(3)),
    row("XCHG with memory", &[0x87, 0x0f, 0x90], Step::At(2)),
    row("PUSH", &[0x50, 0x90], Step::At(1)),
    row("POP", &[0x59, 0x90], Step::At(1)),
    row("PUSH of an immediate", &[0x6a, 0x12, 0x90], Step::At(2)),
    row("JMP", &[0xeb, 0x01, 0xcc, 0x90], Step::At(3)),
    row("JZ, not taken", &[0x74, 0x01, 0x90, 0x90], Step::At(2)),
    row("JNZ, taken", &[0x75, 0x01, 0xcc, 0x90], Step::At(3)),
    row("LOOP", &[0xe2, 0x01, 0xcc, 0x90], Step::At(3)),
    row("CMP", &[0x39, 0xc0, 0x90], Step::At(2)),
    row("REP MOVSB, first iteration", &[0xf3, 0xa4, 0x90], Step::At(0)),
    row("REP STOSB, first iteration", &[0xf3, 0xaa, 0x90], Step::At(0)),
    row("REP LODSB, first iteration", &[0xf3, 0xac, 0x90], Step::At(0)),
    row("MOVSB", &[0xa4, 0x90], Step::At(1)),
    row("STOSB", &[0xaa, 0x90], Step::At(1)),
    row("DIV by 0", &[0xf7, 0xf2, 0x90], Step::Fault(0)),
    row("LEA", &[0x8d, 0x4f, 0x10, 0x90], Step::At(3)),
    row("XLAT", &[0xd7, 0x90], Step::At(1)),
    row("CPUID", &[0x0f, 0xa2, 0x90], Step::At(2)),
    row("RDTSC", &[0x0f, 0x31, 0x90], Step::At(2)),
    row("CLD", &[0xfc, 0x90], Step::At(1)),
];

/// What touches flags, SS, or the processor's system registers.
pub(crate) const SYSTEM: [Row; 13] = [
    Row { place: In::NotVirtual, ..row("PUSHF", &[0x9c, 0x90], Step::At(1)) },
    // TF was set when the instruction began, so the step is due behind it.
    Row { place: In::NotVirtual, clears_tf: true, ..row("POPF that clears TF", &[0x9d, 0x90], Step::At(1)) },
    Row { place: In::Privileged, ..row("CLI", &[0xfa, 0x90], Step::At(1)) },
    Row { place: In::Privileged, ..row("MOV from CR0", &[0x0f, 0x20, 0xc0, 0x90], Step::At(3)) },
    Row { place: In::Privileged, ..row("CLTS", &[0x0f, 0x06, 0x90], Step::At(2)) },
    Row { place: In::Privileged, ..row("INVLPG", &[0x0f, 0x01, 0x3f, 0x90], Step::At(3)) },
    Row { place: In::Privileged, ..row("WBINVD", &[0x0f, 0x09, 0x90], Step::At(2)) },
    Row { place: In::Privileged, ..row("MOV from DR0", &[0x0f, 0x21, 0xc0, 0x90], Step::At(3)) },
    Row { place: In::Privileged, ..row("IN", &[0xe4, 0x80, 0x90], Step::At(2)) },
    Row { place: In::Privileged, ..row("OUT", &[0xe6, 0x80, 0x90], Step::At(2)) },
    row("SMSW", &[0x0f, 0x01, 0xe0, 0x90], Step::At(3)),
    row("MOV to DS", &[0x8e, 0xd8, 0x90], Step::At(2)),
    row("MOV to ES", &[0x8e, 0xc0, 0x90], Step::At(2)),
];

/// Loads of SS, which hold the step back for one instruction.
pub(crate) const STACK_LOADS: [Row; 7] = [
    row("MOV to SS, NOP", &[0x8e, 0xd0, 0x90, 0x90], Step::At(3)),
    row("MOV to SS, MOV", &[0x8e, 0xd0, 0x89, 0xc8, 0x90], Step::At(4)),
    row("MOV to SS, CPUID", &[0x8e, 0xd0, 0x0f, 0xa2, 0x90], Step::At(4)),
    row("MOV to SS, PUSH", &[0x8e, 0xd0, 0x50, 0x90], Step::At(3)),
    row("MOV to SS, load", &[0x8e, 0xd0, 0x8b, 0x07, 0x90], Step::At(4)),
    row("MOV to SS, DIV by 0", &[0x8e, 0xd0, 0xf7, 0xf2, 0x90], Step::Fault(2)),
    row("NOP, then MOV to SS", &[0x90, 0x8e, 0xd0, 0x90], Step::At(1)),
];

/// Software interrupts, whose delivery clears TF: no step is reported behind them.
pub(crate) const CALLS: [Row; 2] =
    [row("INT3", &[0xcc, 0x90], Step::Call(3, 1)), row("MOV to SS, INT3", &[0x8e, 0xd0, 0xcc, 0x90], Step::Call(3, 3))];

/// The names of rows.
pub(crate) const fn names<const N: usize>(rows: &[Row; N]) -> [Text; N] {
    let mut names = [Text::new(""); N];
    let mut index = 0;
    while index < N {
        names[index] = Text::new(rows[index].name);
        index += 1;
    }
    names
}

/// Whether the row is tried in this mode.
pub(crate) const fn applies(row: &Row, mode: Mode) -> bool {
    match row.place {
        In::All => true,
        In::Privileged => !mode.is_user(),
        In::NotVirtual => !matches!(mode, Mode::Virtual8086),
    }
}

/// TF.
const TRAP_FLAG: u64 = 1 << 8;
/// BS of DR6, and the bits that tell a cause.
const SINGLE_STEP: u64 = 1 << 14;
const CAUSES: u64 = 0xe00f;

/// What was seen of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Observed {
    pub(crate) outcome: u64,
    pub(crate) ip: u64,
    pub(crate) flags: u64,
    pub(crate) dr6: u64,
}

/// The columns of a row, actual and expected: outcome, saved instruction pointer, TF in the saved flags, causes in DR6.
pub(crate) const fn columns(row: &Row, seen: &Observed) -> [(u64, u64); 4] {
    let (vector, ip, causes) = match row.step {
        Step::At(ip) => (1, ip, SINGLE_STEP),
        Step::Call(vector, ip) => (vector, ip, 0),
        Step::Fault(ip) => (0, ip, 0),
    };
    let saved_tf = if row.clears_tf { 0 } else { TRAP_FLAG };
    [
        (seen.outcome, outcome::exception(vector, 0)),
        (seen.ip, ip as u64),
        (seen.flags & TRAP_FLAG, saved_tf),
        (seen.dr6 & CAUSES, causes),
    ]
}
