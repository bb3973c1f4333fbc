//! What comes first where CR0 forbids an x87, MMX or SSE instruction and something else is wrong with it too.
//!
//! Sources: SDM vol. 3A, "Prioritization of Concurrent Events": what is found at decoding comes before what is found at
//! execution; "Interrupt 7—Device Not Available Exception (#NM)", "Interrupt 6—Invalid Opcode Exception (#UD)"; APM vol. 2,
//! "Priorities" and "CR0 Register". Two of one class come in an order that no manual tells, so either is accepted. The tests
//! of the suite compile this for the host.

use case::{Text, message::outcome};

/// What an instruction is to CR0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// EM or TS: #NM.
    X87,
    /// MP and TS: #NM.
    Wait,
    /// EM: #UD; TS: #NM.
    Vector,
    /// EM or TS: #NM. It does not look at pending exceptions.
    Fxsave,
}

/// What else is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Other {
    /// Nothing.
    Nothing,
    /// A LOCK prefix.
    Lock,
    /// An operand at an address that is not canonical, in DS.
    General,
    /// The same in SS.
    Stack,
    /// An operand that nothing maps: a write or a read.
    Write,
    Read,
    /// An operand that is not aligned to 16 bytes.
    Misaligned,
    /// An x87 exception is pending.
    Pending,
    /// The same, and an operand that nothing maps.
    PendingRead,
}

/// An instruction. RDI and RBP hold the address of the operand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) bytes: &'static [u8],
    pub(crate) class: Class,
    pub(crate) other: Other,
}

const fn row(name: &'static str, bytes: &'static [u8], class: Class, other: Other) -> Row {
    Row { name, bytes, class, other }
}

/// The pairs.
pub(crate) const ROWS: [Row; 34] = [
    row("FLD m32", &[0xd9, 0x07], Class::X87, Other::Nothing),
    row("FNOP", &[0xd9, 0xd0], Class::X87, Other::Nothing),
    row("FNSTSW AX", &[0xdf, 0xe0], Class::X87, Other::Nothing),
    row("WAIT", &[0x9b], Class::Wait, Other::Nothing),
    row("MOVQ mm, m64", &[0x0f, 0x6f, 0x07], Class::Vector, Other::Nothing),
    row("MOVAPS xmm, m128", &[0x0f, 0x28, 0x07], Class::Vector, Other::Nothing),
    row("FXSAVE", &[0x0f, 0xae, 0x07], Class::Fxsave, Other::Nothing),
    row("LOCK FLD m32", &[0xf0, 0xd9, 0x07], Class::X87, Other::Lock),
    row("LOCK MOVQ mm", &[0xf0, 0x0f, 0x6f, 0x07], Class::Vector, Other::Lock),
    row("LOCK MOVAPS", &[0xf0, 0x0f, 0x28, 0x07], Class::Vector, Other::Lock),
    row("LOCK FXSAVE", &[0xf0, 0x0f, 0xae, 0x07], Class::Fxsave, Other::Lock),
    row("FLD m32, not canonical", &[0xd9, 0x07], Class::X87, Other::General),
    row("FNSTCW, not canonical", &[0xd9, 0x3f], Class::X87, Other::General),
    row("MOVQ mm, not canonical", &[0x0f, 0x6f, 0x07], Class::Vector, Other::General),
    row("MOVAPS, not canonical", &[0x0f, 0x28, 0x07], Class::Vector, Other::General),
    row("FXSAVE, not canonical", &[0x0f, 0xae, 0x07], Class::Fxsave, Other::General),
    row("FLD m32, SS, not canonical", &[0xd9, 0x45, 0x00], Class::X87, Other::Stack),
    row("MOVQ mm, SS, not canonical", &[0x0f, 0x6f, 0x45, 0x00], Class::Vector, Other::Stack),
    row("MOVUPS, SS, not canonical", &[0x0f, 0x10, 0x45, 0x00], Class::Vector, Other::Stack),
    row("FLD m32, unmapped", &[0xd9, 0x07], Class::X87, Other::Read),
    row("FSTP m32, unmapped", &[0xd9, 0x1f], Class::X87, Other::Write),
    row("FNSTCW, unmapped", &[0xd9, 0x3f], Class::X87, Other::Write),
    row("MOVQ mm, unmapped", &[0x0f, 0x6f, 0x07], Class::Vector, Other::Read),
    row("MOVQ m64, unmapped", &[0x0f, 0x7f, 0x07], Class::Vector, Other::Write),
    row("MOVAPS, unmapped", &[0x0f, 0x28, 0x07], Class::Vector, Other::Read),
    row("MOVAPS store, unmapped", &[0x0f, 0x29, 0x07], Class::Vector, Other::Write),
    row("FXSAVE, unmapped", &[0x0f, 0xae, 0x07], Class::Fxsave, Other::Write),
    row("MOVAPS, misaligned", &[0x0f, 0x28, 0x07], Class::Vector, Other::Misaligned),
    row("FLD m32, pending", &[0xd9, 0x07], Class::X87, Other::Pending),
    row("FNOP, pending", &[0xd9, 0xd0], Class::X87, Other::Pending),
    row("WAIT, pending", &[0x9b], Class::Wait, Other::Pending),
    row("MOVQ mm, pending", &[0x0f, 0x6f, 0x07], Class::Vector, Other::Pending),
    row("FLD m32, pending, unmapped", &[0xd9, 0x07], Class::X87, Other::PendingRead),
    row("MOVQ mm, pending, unmapped", &[0x0f, 0x6f, 0x07], Class::Vector, Other::PendingRead),
];

/// Bits of CR0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Control {
    pub(crate) em: bool,
    pub(crate) mp: bool,
    pub(crate) ts: bool,
}

const UD: u64 = outcome::exception(6, 0);
const NM: u64 = outcome::exception(7, 0);
const MF: u64 = outcome::exception(16, 0);

/// What CR0 makes of it; `COMPLETED` if it lets it pass.
const fn by_control(class: Class, control: Control) -> u64 {
    let Control { em, mp, ts } = control;
    match class {
        Class::X87 | Class::Fxsave if em || ts => NM,
        Class::Wait if mp && ts => NM,
        Class::Vector if em => UD,
        Class::Vector if ts => NM,
        _ => outcome::COMPLETED,
    }
}

/// The outcomes that are right at CPL 3: the second is another that is accepted, or the same.
pub(crate) const fn expected(row: &Row, control: Control) -> [u64; 2] {
    let forbidden = by_control(row.class, control);
    if forbidden != outcome::COMPLETED {
        return match row.other {
            Other::Lock => [forbidden, UD],
            _ => [forbidden, forbidden],
        };
    }
    let user_read = outcome::exception(14, 4);
    match row.other {
        Other::Nothing => [outcome::COMPLETED; 2],
        Other::Lock => [UD; 2],
        Other::General | Other::Misaligned => [outcome::exception(13, 0); 2],
        Other::Stack => [outcome::exception(12, 0); 2],
        Other::Read => [user_read; 2],
        Other::Write => [outcome::exception(14, 6); 2],
        Other::Pending => [MF; 2],
        Other::PendingRead => [MF, user_read],
    }
}

/// What was seen: outcome and saved instruction pointer from the start of the instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Observed {
    pub(crate) outcome: u64,
    pub(crate) ip: u64,
}

/// Actual and expected: the outcome, and the saved instruction pointer.
pub(crate) const fn columns(row: &Row, control: Control, seen: Observed) -> [(u64, u64); 2] {
    let [first, second] = expected(row, control);
    let outcome = if seen.outcome == second { second } else { first };
    let ip = if outcome == outcome::COMPLETED { row.bytes.len() as u64 } else { 0 };
    [(seen.outcome, outcome), (seen.ip, ip)]
}

/// The names of the rows.
pub(crate) const fn names() -> [Text; ROWS.len()] {
    let mut names = [Text::new(""); ROWS.len()];
    let mut index = 0;
    while index < ROWS.len() {
        names[index] = Text::new(ROWS[index].name);
        index += 1;
    }
    names
}
