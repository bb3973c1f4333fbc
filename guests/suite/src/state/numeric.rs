//! What control registers and exception masks make of x87, MMX and SSE instructions.
//!
//! Sources: SDM vol. 3A, "Interrupt 7—Device Not Available Exception (#NM)", table "Action Taken By x87 FPU Instructions
//! for Different Combinations of EM, MP, and TS" and the tables of MMX and SSE instructions beside it; SDM vol. 1, "SIMD
//! Floating-Point Exceptions" and "x87 FPU Floating-Point Exception Handling". It compiles for the host, see
//! `tests/state.rs`.

use case::message::outcome::{COMPLETED, exception};

/// What an instruction is to the control registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    X87,
    Wait,
    Mmx,
    Sse,
    Fxsave,
    /// XSAVE and its kin, and VEX-encoded instructions, where CR4.OSXSAVE and XCR0 allow them.
    Extended,
    /// Of an SSE feature, and on none of its registers.
    Unaffected,
}

/// Bits of CR0 and CR4.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Control {
    pub(crate) em: bool,
    pub(crate) mp: bool,
    pub(crate) ts: bool,
    pub(crate) osfxsr: bool,
}

impl Control {
    /// Number 0 to 15 of all combinations.
    pub(crate) const fn numbered(number: usize) -> Self {
        Self { em: number & 1 != 0, mp: number & 2 != 0, ts: number & 4 != 0, osfxsr: number & 8 != 0 }
    }
}

const UD: u64 = exception(6, 0);
const NM: u64 = exception(7, 0);

/// The outcome of an instruction that finds no exception pending.
pub(crate) const fn outcome(class: Class, control: Control) -> u64 {
    let Control { em, mp, ts, osfxsr } = control;
    match class {
        Class::X87 | Class::Fxsave if em || ts => NM,
        Class::Wait if mp && ts => NM,
        Class::Mmx if em => UD,
        Class::Sse if em || !osfxsr => UD,
        Class::Mmx | Class::Sse | Class::Extended if ts => NM,
        _ => COMPLETED,
    }
}

/// The six exceptions, as the flags of MXCSR and of the x87 status word, and as their masks in the x87 control word.
pub(crate) mod flag {
    pub(crate) const IE: u64 = 1 << 0;
    pub(crate) const DE: u64 = 1 << 1;
    pub(crate) const ZE: u64 = 1 << 2;
    pub(crate) const OE: u64 = 1 << 3;
    pub(crate) const UE: u64 = 1 << 4;
    pub(crate) const PE: u64 = 1 << 5;
}

/// What an operation meets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meets {
    /// Of IE, DE and ZE, which are found before the result is computed.
    pub(crate) before: u64,
    /// The result is too large.
    pub(crate) overflow: bool,
    /// The result is too small for a normal number.
    pub(crate) tiny: bool,
    /// The result, as it is delivered where everything is masked, is rounded.
    pub(crate) inexact: bool,
}

/// What it leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leads {
    /// An exception is not masked.
    pub(crate) faults: bool,
    /// The flags that it sets.
    pub(crate) flags: u64,
    /// The flags of which no manual says whether it sets them.
    pub(crate) open: u64,
}

/// What an operation leads to with these exceptions masked.
pub(crate) const fn leads(meets: Meets, masked: u64) -> Leads {
    if meets.before & !masked != 0 {
        // Nothing is computed, so nothing is found behind it.
        return Leads { faults: true, flags: meets.before, open: 0 };
    }
    let mut flags = meets.before;
    let mut open = 0;
    if meets.overflow {
        flags |= flag::OE;
    }
    // Unmasked, a tiny result is enough; masked, it must be rounded too.
    if meets.tiny && (meets.inexact || masked & flag::UE == 0) {
        flags |= flag::UE;
    }
    if meets.inexact {
        flags |= flag::PE;
    }
    if flags & !masked & (flag::OE | flag::UE) != 0 {
        // The result of an unmasked overflow or underflow is another one, or none.
        open = flag::PE;
    }
    Leads { faults: flags & !open & !masked != 0, flags: flags & !open, open }
}
