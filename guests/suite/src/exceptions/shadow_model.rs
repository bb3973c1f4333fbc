//! Where a pending interrupt strikes around the instructions that enable interrupts or hold them back: a table.
//!
//! Sources: SDM vol. 2, "STI—Set Interrupt Flag", "MOV—Move", "POP—Pop a Value From the Stack", "HLT—Halt"; SDM vol. 3A,
//! "Masking Maskable Hardware Interrupts", "Masking Exceptions and Interrupts When Switching Stacks"; APM vol. 3, "STI".
//! The tests of the suite compile this for the host.

use super::mode::Mode;
use case::{Text, message::outcome};

/// The vector of the interrupt: every mode's tables have a gate for it.
pub(crate) const VECTOR: u8 = 35;
/// IF.
pub(crate) const INTERRUPT_FLAG: u64 = 1 << 9;

/// What a row leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// The interrupt, at one of these offsets: bit n is offset n.
    Interrupt(u32),
    /// An exception or software interrupt with this saved offset; the interrupt waits.
    Event(u8, u8),
    /// Nothing: the interrupt waits.
    Nothing,
}

/// Where a row applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum In {
    /// In every mode.
    All,
    /// At CPL 0.
    Privileged,
    /// Where IRET loads the flags at the start.
    AfterReturn,
    /// In 64-bit and 32-bit modes.
    Wide,
    /// In 16-bit modes.
    Narrow,
    /// Outside of 64-bit mode.
    NotLong,
    /// At CPL 3 where IOPL is below it, and not in virtual-8086 mode.
    UserWithoutPrivilege,
}

/// A program that starts with the interrupt pending.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) bytes: &'static [u8],
    /// Flags at the start; IOPL is added.
    pub(crate) flags: u64,
    /// What POPF or POP SS takes: IF, or a selector of SS if 0.
    pub(crate) popped: u64,
    pub(crate) due: Due,
    pub(crate) place: In,
}

const fn row(name: &'static str, bytes: &'static [u8], due: Due) -> Row {
    Row { name, bytes, flags: 0, popped: INTERRUPT_FLAG | 2, due, place: In::All }
}

const fn at(offset: u32) -> Due {
    Due::Interrupt(1 << offset)
}

/// Either: of instructions that delay interrupts one behind the other only the first is sure to.
const fn at_either(first: u32, second: u32) -> Due {
    Due::Interrupt(1 << first | 1 << second)
}

/// What follows STI, and what comes before it.
pub(crate) const SET: [Row; 19] = [
    row("STI", &[0xfb, 0x90, 0x90], at(2)),
    row("STI, STI", &[0xfb, 0xfb, 0x90], at(2)),
    row("STI, CLI", &[0xfb, 0xfa, 0x90, 0x90], Due::Nothing),
    row("STI, store", &[0xfb, 0x89, 0x07, 0x90], at(3)),
    row("STI, load", &[0xfb, 0x8b, 0x07, 0x90], at(3)),
    row("STI, ADD to memory", &[0xfb, 0x01, 0x0f, 0x90], at(3)),
    row("STI, JMP", &[0xfb, 0xeb, 0x01, 0xcc, 0x90, 0x90], at(4)),
    row("STI, PUSH", &[0xfb, 0x50, 0x90], at(2)),
    row("STI, PUSHF", &[0xfb, 0x9c, 0x90], at(2)),
    row("STI, CPUID", &[0xfb, 0x0f, 0xa2, 0x90], at(3)),
    row("STI, RDTSC", &[0xfb, 0x0f, 0x31, 0x90], at(3)),
    Row { place: In::Privileged, ..row("STI, OUT", &[0xfb, 0xe6, 0x80, 0x90], at(3)) },
    Row { place: In::Privileged, ..row("STI, IN", &[0xfb, 0xe4, 0x80, 0x90], at(3)) },
    Row { place: In::Privileged, ..row("STI, HLT", &[0xfb, 0xf4, 0x90], at(2)) },
    Row { place: In::Privileged, ..row("STI, NOP, HLT", &[0xfb, 0x90, 0xf4, 0x90], at(2)) },
    // Every iteration ends an instruction as far as interrupts go, but none must be interrupted.
    row("STI, REP STOSB", &[0xfb, 0xf3, 0xaa, 0x90], at_either(1, 3)),
    row("CLI", &[0xfa, 0x90, 0x90], Due::Nothing),
    row("NOP", &[0x90, 0x90, 0x90], Due::Nothing),
    row("NOP, STI", &[0x90, 0xfb, 0x90, 0x90], at(3)),
];

/// Exceptions behind STI: the interrupt waits while they are handled.
pub(crate) const EVENTS: [Row; 3] = [
    row("STI, DIV by 0", &[0xfb, 0xf7, 0xf2, 0x90], Due::Event(0, 1)),
    row("STI, INT3", &[0xfb, 0xcc, 0x90], Due::Event(3, 2)),
    row("STI, UD2", &[0xfb, 0x0f, 0x0b, 0x90], Due::Event(6, 1)),
];

/// Loads of SS around STI.
pub(crate) const STACK_LOADS: [Row; 6] = [
    row("STI, MOV SS", &[0xfb, 0x8e, 0xd0, 0x90, 0x90], at_either(3, 4)),
    row("MOV SS, STI", &[0x8e, 0xd0, 0xfb, 0x90, 0x90], at_either(3, 4)),
    Row { popped: 0, place: In::NotLong, ..row("STI, POP SS", &[0xfb, 0x17, 0x90, 0x90], at_either(2, 3)) },
    Row { popped: 0, place: In::NotLong, ..row("POP SS, STI", &[0x17, 0xfb, 0x90, 0x90], at_either(2, 3)) },
    // MOV [RDI], ESP and MOV [RDI + 4], AX first. LSS holds nothing back.
    Row {
        place: In::Wide,
        ..row("STI, LSS", &[0x89, 0x27, 0x66, 0x89, 0x47, 4, 0xfb, 0x0f, 0xb2, 0x27, 0x90, 0x90], at(10))
    },
    Row {
        place: In::Narrow,
        ..row("STI, 16-bit LSS", &[0x89, 0x27, 0x89, 0x47, 2, 0xfb, 0x0f, 0xb2, 0x27, 0x90, 0x90], at(9))
    },
];

/// What sets IF and holds nothing back.
pub(crate) const OTHERS: [Row; 7] = [
    row("POPF", &[0x9d, 0x90, 0x90], at(1)),
    row("POPF, CLI", &[0x9d, 0xfa, 0x90], at(1)),
    Row { place: In::Privileged, ..row("POPF, HLT", &[0x9d, 0xf4, 0x90], at(1)) },
    Row { flags: INTERRUPT_FLAG, place: In::AfterReturn, ..row("IRET", &[0x90, 0x90], at(0)) },
    Row { flags: INTERRUPT_FLAG, place: In::AfterReturn, ..row("IRET, CLI", &[0xfa, 0x90], at(0)) },
    Row { flags: INTERRUPT_FLAG, place: In::AfterReturn, ..row("IRET, UD2", &[0x0f, 0x0b, 0x90], at(0)) },
    Row { place: In::UserWithoutPrivilege, ..row("POPF, IOPL 0", &[0x9d, 0x90, 0x90], Due::Nothing) },
];

/// Whether a row is for this mode.
pub(crate) const fn applies(row: &Row, mode: Mode) -> bool {
    match row.place {
        In::All => true,
        In::Privileged => !mode.is_user(),
        In::AfterReturn => mode.is_long() || mode.is_user(),
        In::Wide => !mode.is_16_bit(),
        In::Narrow => mode.is_16_bit(),
        In::NotLong => !mode.is_64_bit(),
        In::UserWithoutPrivilege => mode.is_user() && !mode.is_8086(),
    }
}

/// IOPL at the start: 3 at CPL 3, so that STI is permitted.
pub(crate) const fn privilege(row: &Row, mode: Mode) -> u64 {
    if mode.is_user() && !matches!(row.place, In::UserWithoutPrivilege) { 3 << 12 } else { 0 }
}

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

/// What was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Observed {
    pub(crate) outcome: u64,
    pub(crate) ip: u64,
    pub(crate) flags: u64,
    /// Whether the interrupt still waits.
    pub(crate) is_requested: bool,
    /// Whether it is in service.
    pub(crate) is_in_service: bool,
}

/// The columns, actual and expected: outcome, saved instruction pointer, saved IF where the interrupt is due, and the
/// interrupt's bits in IRR (1) and ISR (2).
pub(crate) const fn columns(row: &Row, seen: &Observed) -> [Option<(u64, u64)>; 4] {
    let waiting = if seen.is_requested { 1 } else { 0 } | if seen.is_in_service { 2 } else { 0 };
    match row.due {
        Due::Interrupt(offsets) => {
            let is_accepted = seen.ip < 32 && offsets >> seen.ip & 1 != 0;
            let ip = if is_accepted { seen.ip } else { offsets.trailing_zeros() as u64 };
            [
                Some((seen.outcome, outcome::exception(VECTOR, 0))),
                Some((seen.ip, ip)),
                Some((seen.flags & INTERRUPT_FLAG, INTERRUPT_FLAG)),
                Some((waiting, 2)),
            ]
        }
        Due::Event(vector, ip) => {
            [Some((seen.outcome, outcome::exception(vector, 0))), Some((seen.ip, ip as u64)), None, Some((waiting, 1))]
        }
        Due::Nothing => [
            Some((seen.outcome, outcome::COMPLETED)),
            Some((seen.ip, row.bytes.len() as u64)),
            None,
            Some((waiting, 1)),
        ],
    }
}
