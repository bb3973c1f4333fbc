//! What x87 exceptions lead to while CR0.NE is clear, when the processor tells the board by FERR# instead of raising #MF.
//!
//! A waiting instruction with an unmasked exception pending freezes the processor until an interrupt, or executes if the
//! board asserts IGNNE#; which of both, the board decides. It never raises #MF, and what is pending stays so.
//!
//! Sources: SDM vol. 1, "MS-DOS* Compatibility Sub-mode", "Guidelines for Writing x87 FPU Exception Handlers"; SDM vol. 3A,
//! "Control Registers", "Interrupt 16—x87 FPU Floating-Point Error (#MF)"; APM vol. 2, "CR0 Register".

use case::{Text, message::outcome};

/// An instruction behind a division by zero that is not masked; its memory operand is at RDI.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) bytes: &'static [u8],
    /// Whether it waits for what is pending.
    pub(crate) waits: bool,
    /// Whether it clears what is pending, or masks it.
    pub(crate) clears: bool,
}

const fn row(name: &'static str, bytes: &'static [u8], waits: bool, clears: bool) -> Row {
    Row { name, bytes, waits, clears }
}

/// The instructions.
pub(crate) const ROWS: [Row; 14] = [
    row("FWAIT", &[0x9b], true, false),
    row("FNOP", &[0xd9, 0xd0], true, false),
    row("FLD1", &[0xd9, 0xe8], true, false),
    row("FADD m32", &[0xd8, 0x07], true, false),
    row("MOVD mm, r32", &[0x0f, 0x6e, 0xc0], true, false),
    row("EMMS", &[0x0f, 0x77], true, false),
    row("FNSTSW AX", &[0xdf, 0xe0], false, false),
    row("FNSTCW", &[0xd9, 0x3f], false, false),
    row("FNSTENV", &[0xd9, 0x37], false, true),
    row("FNSAVE", &[0xdd, 0x37], false, true),
    row("FNCLEX", &[0xdb, 0xe2], false, true),
    row("FNINIT", &[0xdb, 0xe3], false, true),
    row("FXSAVE", &[0x0f, 0xae, 0x07], false, false),
    row("ADDSD", &[0xf2, 0x0f, 0x58, 0xc0], false, false),
];

/// The names of the rows.
pub(crate) const NAMES: &[Text] = &{
    let mut names = [Text::new(""); ROWS.len()];
    let mut index = 0;
    while index < names.len() {
        names[index] = Text::new(ROWS[index].name);
        index += 1;
    }
    names
};

/// What was seen of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// What ended the program, as an outcome: the interrupt that bounds it, UD2 behind it, or something else.
    pub(crate) end: u64,
    /// Saved instruction pointer, from the start of the row.
    pub(crate) ip: u64,
    /// The outcome of WAIT with CR0.NE set afterwards.
    pub(crate) later: u64,
}

/// Actual and expected: how the program ended, where, and what WAIT leads to later. `interrupt` is the vector of the
/// interrupt that bounds the program.
pub(crate) const fn columns(row: &Row, interrupt: u8, seen: Seen) -> [(u64, u64); 3] {
    let frozen = outcome::exception(interrupt, 0);
    let is_frozen = row.waits && seen.end == frozen;
    let (end, ip) = if is_frozen { (frozen, 0) } else { (outcome::exception(6, 0), row.bytes.len() as u64) };
    let later = if row.clears { outcome::COMPLETED } else { outcome::exception(16, 0) };
    [(seen.end, end), (seen.ip, ip), (seen.later, later)]
}
