//! What stores of system registers write, what refuses their loads, and which loads of segments set the accessed bit; and
//! what CR4.UMIP keeps from user mode.
//!
//! Sources: SDM vol. 2, "SGDT—Store Global Descriptor Table Register", "STR—Store Task Register", "LGDT/LIDT—Load
//! Global/Interrupt Descriptor Table Register", "SMSW—Store Machine Status Word"; SDM vol. 3A, "Code- and Data-Segment
//! Descriptor Types", "Control Registers".

use super::runtime::{
    Outcome,
    descriptors::{FREE, LDT, LIMIT},
    excursion::tables::segment,
    layout,
    tables::{GDT_LIMIT, IDT_LIMIT, selector},
};
use super::{
    columns::columns,
    model::{Descriptor, Selector, lldt, ltr, prevented},
};

/// Where a descriptor of 16 bytes stands.
pub(crate) const SLOT: u16 = FREE + 32;
/// The bit of a descriptor of a TSS that tells an available one from a busy one.
pub(crate) const BUSY: u64 = 1 << 41;
const WORD: u64 = 0xffff;

columns! {
    /// What SGDT, SIDT, STR and SLDT store over ones.
    Stored {
        gdt_limit = WORD, gdt_base, gdt_next = WORD, idt_limit = WORD, idt_base, idt_next = WORD, str_64, str_16,
        sldt_64, sldt_32, str_memory,
    }
    /// What LGDT and LIDT lead to, and the bases that stand behind them.
    Bases { lgdt, lidt, gdt_base, idt_base }
    /// What a load of a segment leads to, and its descriptor behind it.
    Accessed { outcome, descriptor }
}

/// SGDT and SIDT store ten bytes; SLDT and STR zero-extend to registers but of 16 bits, and write a word to memory.
pub(crate) const STORED: Stored = Stored {
    gdt_limit: GDT_LIMIT as u64,
    gdt_base: layout::GDT,
    gdt_next: WORD,
    idt_limit: IDT_LIMIT as u64,
    idt_base: layout::IDT,
    idt_next: WORD,
    str_64: selector::TSS as u64,
    str_16: u64::MAX << 16 | selector::TSS as u64,
    sldt_64: LDT as u64,
    sldt_32: 0,
    str_memory: u64::MAX << 16 | selector::TSS as u64,
};

/// Bases that are not canonical with four levels of paging.
pub(crate) const NOT_CANONICAL: [u64; 4] = [1 << 47, 1 << 48, 1 << 63, 0xffff_7fff_ffff_ffff];

/// Both raise #GP(0) and keep what stood there.
pub(crate) const BASES: Bases =
    Bases { lgdt: Outcome::GP.0, lidt: Outcome::GP.0, gdt_base: layout::GDT, idt_base: layout::IDT };

/// Access rights with the accessed bit clear, and whether MOV ES takes them at CPL 0.
pub(crate) const ACCESS: [(u32, bool); 8] =
    [(0x90, true), (0x92, true), (0x94, true), (0x96, true), (0x9a, true), (0x9e, true), (0x12, false), (0x98, false)];

/// The descriptor of a row.
pub(crate) const fn unused(row: usize) -> u64 {
    segment(0, 0xf_ffff, ACCESS[row].0, 0)
}

/// A load that is taken sets the accessed bit; one that faults does not.
pub(crate) const fn accessed(row: usize) -> Accessed {
    let outcome = match ACCESS[row] {
        (_, true) => Outcome::COMPLETED,
        (0x12, _) => Outcome::exception(11, SLOT as u32),
        _ => Outcome::gp(SLOT as u32),
    };
    Accessed { outcome: outcome.0, descriptor: unused(row) | if ACCESS[row].1 { 1 << 40 } else { 0 } }
}

/// Selectors without a descriptor: null with each RPL, in the LDT, beyond the limit of the GDT.
pub(crate) const SELECTORS: [u16; 8] = [0, 1, 2, 3, SLOT | 4, 4, LIMIT + 1, 0xffff];

/// An answer of the model as an outcome.
pub(crate) const fn outcome_of(packed: u32) -> Outcome {
    if packed >> 31 == 0 { Outcome(packed as u64) } else { Outcome::exception((packed >> 16) as u8, packed & 0xffff) }
}

/// LLDT of a selector of [`SELECTORS`], then LTR.
pub(crate) const fn by_selector(row: usize) -> [Outcome; 2] {
    let selector = Selector { value: SELECTORS[row] };
    [outcome_of(lldt(selector, None)), outcome_of(ltr(selector, None, true))]
}

/// LLDT of a descriptor at [`SLOT`], then LTR, and the busy bit behind LTR if it is taken.
pub(crate) const fn by_type(selector: Selector, d: Descriptor) -> ([Outcome; 2], u64) {
    let (lldt, ltr) = (lldt(selector, Some(d)), ltr(selector, Some(d), true));
    ([outcome_of(lldt), outcome_of(ltr)], if outcome_of(ltr).0 == Outcome::COMPLETED.0 { BUSY } else { 0 })
}

/// Where one of the five instructions is executed that UMIP is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Protected mode of any kind, at this CPL.
    Protected(u8),
    /// Real mode.
    Real,
    /// Virtual-8086 mode.
    Virtual8086,
}

/// What the instruction of a row leads to. Rows 0 to 7 are SGDT, SIDT, SLDT and STR and SMSW of registers and memory; SLDT
/// and STR are undefined in real and virtual-8086 mode.
pub(crate) const fn by_prevention(row: usize, place: Place, is_set: bool) -> Outcome {
    let cpl = match place {
        Place::Protected(cpl) => cpl,
        Place::Real | Place::Virtual8086 if matches!(row, 2..=5) => return Outcome::UD,
        Place::Real => 0,
        Place::Virtual8086 => 3,
    };
    if prevented(is_set, cpl) { Outcome::GP } else { Outcome::COMPLETED }
}
