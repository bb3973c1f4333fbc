//! What the XSAVE feature set does, as functions of its masks: which values XCR0 takes, which components each
//! instruction writes, loads, initialises or keeps, and where they stand.
//!
//! Sources: SDM vol. 1, chapter "Managing State Using the XSAVE Feature Set": "Enabling the XSAVE Feature Set and
//! XSAVE-Enabled Features", "XSAVE Area" and the sections "Operation of …"; APM vol. 2, "XSAVE/XRSTOR Instructions". It
//! shares no code with what drives the instructions, and compiles for the host, where `tests/state.rs` proves that each
//! of its inputs counts.

/// Bits of XCR0 and of the masks.
pub(crate) mod bit {
    pub(crate) const X87: u64 = 1 << 0;
    pub(crate) const SSE: u64 = 1 << 1;
    pub(crate) const AVX: u64 = 1 << 2;
    pub(crate) const MPX: u64 = 3 << 3;
    pub(crate) const AVX512: u64 = 7 << 5;
    pub(crate) const PKRU: u64 = 1 << 9;
    pub(crate) const AMX: u64 = 3 << 17;
    /// In XCOMP_BV: the compacted format.
    pub(crate) const COMPACTED: u64 = 1 << 63;
}

/// Whether XSETBV takes a value, where CPUID leaf 0DH names the bits `supported`.
pub(crate) const fn is_legal_xcr0(value: u64, supported: u64) -> bool {
    value & !supported == 0
        && value & bit::X87 != 0
        && !(value & bit::AVX != 0 && value & bit::SSE == 0)
        && whole(value, bit::MPX)
        && whole(value, bit::AVX512)
        && !(value & bit::AVX512 != 0 && value & bit::AVX == 0)
        && whole(value, bit::AMX)
}

/// Whether all bits of a set are in `value`, or none.
const fn whole(value: u64, set: u64) -> bool {
    value & set == 0 || value & set == set
}

/// The instructions that save.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Save {
    Xsave,
    Xsaveopt,
    Xsavec,
    Xsaves,
}

impl Save {
    /// Whether it writes the compacted format.
    pub(crate) const fn is_compacting(self) -> bool {
        matches!(self, Self::Xsavec | Self::Xsaves)
    }

    /// XSTATE_BV behind it, of which the bits of `may_be_either` are left to the processor: it may or may not track a
    /// component as initial that is.
    pub(crate) const fn xstate_bv(self, before: u64, rfbm: u64, in_use: u64) -> (u64, u64) {
        let kept = if self.is_compacting() { 0 } else { before & !rfbm };
        (kept | rfbm & in_use, rfbm & !in_use)
    }

    /// XCOMP_BV behind it.
    pub(crate) const fn xcomp_bv(self, before: u64, rfbm: u64) -> u64 {
        if self.is_compacting() { rfbm | bit::COMPACTED } else { before }
    }

    /// Whether a component must be written, if its bit in XSTATE_BV is set behind it or is not.
    pub(crate) const fn writes(self, component: u32, rfbm: u64, in_xstate_bv: bool) -> bool {
        rfbm >> component & 1 != 0 && (in_xstate_bv || matches!(self, Self::Xsave))
    }
}

/// What XRSTOR does with a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Restored {
    Kept,
    Initialised,
    Loaded,
}

/// What XRSTOR does with a component.
pub(crate) const fn restored(component: u32, rfbm: u64, xstate_bv: u64) -> Restored {
    if rfbm >> component & 1 == 0 {
        Restored::Kept
    } else if xstate_bv >> component & 1 == 0 {
        Restored::Initialised
    } else {
        Restored::Loaded
    }
}

/// What XRSTOR does with MXCSR: the standard form loads it with SSE or AVX state whatever XSTATE_BV says; the compacted
/// form has it as a part of SSE state.
pub(crate) const fn restored_mxcsr(compacted: bool, rfbm: u64, xstate_bv: u64) -> Restored {
    if compacted {
        restored(1, rfbm, xstate_bv)
    } else if rfbm & (bit::SSE | bit::AVX) != 0 {
        Restored::Loaded
    } else {
        Restored::Kept
    }
}

/// Whether the header lets XRSTOR raise #GP(0); `header` is its eight quadwords.
pub(crate) const fn header_faults(header: &[u64; 8], xcr0: u64, has_compacted: bool) -> bool {
    let [xstate_bv, xcomp_bv, ..] = *header;
    if xcomp_bv & bit::COMPACTED == 0 {
        // Bytes 23 to 8; what follows them is not looked at.
        return xcomp_bv != 0 || header[2] != 0 || xstate_bv & !xcr0 != 0;
    }
    let mut rest = 0;
    let mut index = 2;
    while index < 8 {
        rest |= header[index];
        index += 1;
    }
    !has_compacted
        || xcomp_bv & !bit::COMPACTED & !xcr0 != 0
        || xstate_bv & !(xcomp_bv & !bit::COMPACTED) != 0
        || rest != 0
}

/// Number of components that a layout knows.
pub(crate) const NR_COMPONENTS: usize = 20;
/// Where the extended region starts.
const EXTENDED_REGION: u64 = 576;

/// Sizes, standard offsets and alignment of the components, as leaf 0DH tells them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    /// EAX of the component's subleaf.
    pub(crate) size: [u64; NR_COMPONENTS],
    /// EBX.
    pub(crate) offset: [u64; NR_COMPONENTS],
    /// ECX bit 1.
    pub(crate) aligned: [bool; NR_COMPONENTS],
}

impl Layout {
    /// Where a component from 2 up stands in the compacted format, and for [`NR_COMPONENTS`] where the area ends.
    pub(crate) const fn compacted_offset(&self, component: usize, xcomp_bv: u64) -> u64 {
        let mut at = EXTENDED_REGION;
        let mut index = 2;
        while index < component {
            if xcomp_bv >> index & 1 != 0 {
                at = self.place(index, at) + self.size[index];
            }
            index += 1;
        }
        if component < NR_COMPONENTS { self.place(component, at) } else { at }
    }

    const fn place(&self, component: usize, at: u64) -> u64 {
        if self.aligned[component] { (at + 63) & !63 } else { at }
    }
}
