//! The save area of system-management mode, in the layouts of both vendors. It compiles for the host too.
//!
//! Offsets are from SMBASE on.

/// A field: its offset and its size in bytes, 2, 4 or 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) offset: u16,
    pub(crate) size: u8,
}

const fn field(offset: u16, size: u8) -> Field {
    Field { offset, size }
}

/// What both layouts hold, at places of their own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    pub(crate) cr0: Field,
    pub(crate) cr3: Field,
    pub(crate) rflags: Field,
    pub(crate) efer: Field,
    pub(crate) rip: Field,
    pub(crate) dr6: Field,
    pub(crate) dr7: Field,
    pub(crate) tr: Field,
    /// CS, SS.
    pub(crate) selectors: [Field; 2],
    /// RCX, RDX, RSI, RDI, R8 to R15: those that are known where an interrupt comes.
    pub(crate) known: [Field; 12],
    /// Nonzero if the interrupt came in the halt state; RSM goes back there if it is so.
    pub(crate) auto_halt: Field,
    pub(crate) revision: Field,
    pub(crate) base: Field,
}

/// SDM vol. 3C, "SMRAM State Save Map and Intel 64 Architecture".
pub(crate) const INTEL: Layout = Layout {
    cr0: field(0xfff8, 8),
    cr3: field(0xfff0, 8),
    rflags: field(0xffe8, 8),
    efer: field(0xffe0, 8),
    rip: field(0xffd8, 8),
    dr6: field(0xffd0, 8),
    dr7: field(0xffc8, 8),
    tr: field(0xffc4, 4),
    selectors: [field(0xffac, 4), field(0xffb0, 4)],
    known: [
        field(0xff64, 8),
        field(0xff6c, 8),
        field(0xff8c, 8),
        field(0xff94, 8),
        field(0xff54, 8),
        field(0xff4c, 8),
        field(0xff44, 8),
        field(0xff3c, 8),
        field(0xff34, 8),
        field(0xff2c, 8),
        field(0xff24, 8),
        field(0xff1c, 8),
    ],
    auto_halt: field(0xff02, 2),
    revision: field(0xfefc, 4),
    base: field(0xfef8, 4),
};

/// APM vol. 2, "SMRAM State-Save Area".
pub(crate) const AMD: Layout = Layout {
    cr0: field(0xff58, 8),
    cr3: field(0xff50, 8),
    rflags: field(0xff70, 8),
    efer: field(0xfed0, 8),
    rip: field(0xff78, 8),
    dr6: field(0xff68, 8),
    dr7: field(0xff60, 8),
    tr: field(0xfe90, 2),
    selectors: [field(0xfe10, 2), field(0xfe20, 2)],
    known: [
        field(0xfff0, 8),
        field(0xffe8, 8),
        field(0xffc8, 8),
        field(0xffc0, 8),
        field(0xffb8, 8),
        field(0xffb0, 8),
        field(0xffa8, 8),
        field(0xffa0, 8),
        field(0xff98, 8),
        field(0xff90, 8),
        field(0xff88, 8),
        field(0xff80, 8),
    ],
    // The byte behind that of I/O restart.
    auto_halt: field(0xfec8, 2),
    revision: field(0xfefc, 4),
    base: field(0xff00, 4),
};

/// What AMD's layout holds besides: bases of GDTR, IDTR and TR, limits of the first two, and CR4.
pub(crate) const AMD_TABLES: [Field; 6] =
    [field(0xfe68, 8), field(0xfe88, 8), field(0xfe98, 8), field(0xfe64, 2), field(0xfe84, 2), field(0xff48, 8)];

/// SMBASE can be changed: a bit of the revision identifier.
pub(crate) const RELOCATES: u32 = 1 << 17;

/// Whether the processor says that it was halted. AMD's byte has only this bit, and stands in the high half of its word.
pub(crate) const fn was_halted(layout: &Layout, word: u32) -> bool {
    let shift = if layout.auto_halt.offset == AMD.auto_halt.offset { 8 } else { 0 };
    word >> shift & 1 != 0
}

/// A field's value, by a function that reads the 32 bits at an offset that is a multiple of 4.
pub(crate) fn value(field: Field, read: impl Fn(u16) -> u32) -> u64 {
    let aligned = field.offset & !3;
    let shift = u32::from(field.offset - aligned) * 8;
    let low = u64::from(read(aligned) >> shift);
    match field.size {
        2 => low & 0xffff,
        4 => low,
        _ => low | u64::from(read(aligned + 4)) << 32,
    }
}
