//! What the processor does with a selector: one rule for each family of instructions, written once.
//!
//! Pure functions of descriptor, RPL and CPL, so that the host can test them. An answer is packed into 32 bits, because
//! code outside of long mode writes it: 0 for completion, else [`fault`].
//!
//! Sources: SDM vol. 2, the operation sections of MOV, POP, JMP, CALL, RET, IRET, INT n, LAR, LSL, VERR/VERW, LLDT and
//! LTR; SDM vol. 3A, "Privilege Level Checking When Accessing Data Segments", "Privilege Levels"; APM vol. 2, "Legacy
//! Protection and Task Management" (the two vendors' rules are the same in all that stands here).

/// Vectors (SDM vol. 3A, "Exception and Interrupt Vectors").
pub(crate) const TS: u8 = 10;
/// Segment not present.
pub(crate) const NP: u8 = 11;
/// Stack fault.
pub(crate) const SS: u8 = 12;
/// General protection.
pub(crate) const GP: u8 = 13;

/// What completes.
pub(crate) const DONE: u32 = 0;

/// An exception, packed.
pub(crate) const fn fault(vector: u8, error_code: u16) -> u32 {
    1 << 31 | (vector as u32) << 16 | error_code as u32
}

/// A descriptor as far as loads look at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Descriptor {
    /// Bit S and, below it, the four bits of the type.
    pub(crate) kind: u8,
    /// Descriptor privilege level.
    pub(crate) dpl: u8,
    /// Bit P.
    pub(crate) present: bool,
}

impl Descriptor {
    /// Bits 8 to 15 of the descriptor's upper half.
    pub(crate) const fn access(self) -> u32 {
        self.kind as u32 | (self.dpl as u32) << 5 | (self.present as u32) << 7
    }

    const fn is_code(self) -> bool {
        self.kind & 0x18 == 0x18
    }

    const fn is_conforming(self) -> bool {
        self.kind & 0x1c == 0x1c
    }

    const fn is_writable_data(self) -> bool {
        self.kind & 0x1a == 0x12
    }

    /// Data, or code that can be read.
    const fn is_readable(self) -> bool {
        self.kind & 0x18 == 0x10 || self.kind & 0x1a == 0x1a
    }

    const fn is_segment(self) -> bool {
        self.kind & 0x10 != 0
    }
}

/// A selector: index and table are only told by errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Selector {
    /// All of it.
    pub(crate) value: u16,
}

impl Selector {
    const fn rpl(self) -> u8 {
        (self.value & 3) as u8
    }

    /// The selector in an error code, with EXT clear.
    const fn error(self, vector: u8) -> u32 {
        fault(vector, self.value & 0xfffc)
    }

    /// Whether it is a null selector: the first entry of the GDT, with any RPL.
    pub(crate) const fn is_null(self) -> bool {
        self.value & 0xfffc == 0
    }
}

const fn max(a: u8, b: u8) -> u8 {
    if a > b { a } else { b }
}

/// A load of DS, ES, FS or GS; `None` for a selector beyond its table's limit.
pub(crate) const fn load_data(selector: Selector, descriptor: Option<Descriptor>, cpl: u8) -> u32 {
    if selector.is_null() {
        return DONE;
    }
    let Some(d) = descriptor else { return selector.error(GP) };
    if !d.is_readable() || !d.is_conforming() && max(cpl, selector.rpl()) > d.dpl {
        selector.error(GP)
    } else if !d.present {
        selector.error(NP)
    } else {
        DONE
    }
}

/// A load of SS; in 64-bit mode a null selector is taken below CPL 3 if its RPL is CPL.
pub(crate) const fn load_stack(selector: Selector, descriptor: Option<Descriptor>, cpl: u8, is_64_bit: bool) -> u32 {
    if selector.is_null() {
        return if is_64_bit && cpl < 3 && selector.rpl() == cpl { DONE } else { fault(GP, 0) };
    }
    let Some(d) = descriptor else { return selector.error(GP) };
    if selector.rpl() != cpl || !d.is_writable_data() || d.dpl != cpl {
        selector.error(GP)
    } else if !d.present {
        selector.error(SS)
    } else {
        DONE
    }
}

/// What a far JMP or CALL does with system descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Systems {
    /// Outside of long mode: gates whose own selector is null.
    Legacy,
    /// In long mode, where the only type that is not refused is the call gate, whose own selector is null too.
    Long,
}

/// A far JMP or CALL. An available TSS is one whose limit is too small for a task.
pub(crate) const fn branch(selector: Selector, d: Descriptor, cpl: u8, systems: Systems) -> u32 {
    let rpl = selector.rpl();
    if d.is_code() {
        let refused = if d.is_conforming() { d.dpl > cpl } else { rpl > cpl || d.dpl != cpl };
        return if refused {
            selector.error(GP)
        } else if d.present {
            DONE
        } else {
            selector.error(NP)
        };
    }
    let (is_gate, is_task) = match systems {
        Systems::Legacy => (matches!(d.kind, 4 | 5 | 0xc), matches!(d.kind, 1 | 9)),
        Systems::Long => (d.kind == 0xc, false),
    };
    let refused = d.dpl < max(cpl, rpl);
    if !is_gate && !is_task || refused {
        selector.error(GP)
    } else if !d.present {
        selector.error(NP)
    } else if is_gate {
        fault(GP, 0)
    } else {
        selector.error(TS)
    }
}

/// The code segment of a far RET or IRET.
pub(crate) const fn return_to(selector: Selector, d: Descriptor, cpl: u8) -> u32 {
    let rpl = selector.rpl();
    let is_refused = if d.is_conforming() { d.dpl > rpl } else { d.dpl != rpl };
    if !d.is_code() || rpl < cpl || is_refused {
        selector.error(GP)
    } else if !d.present {
        selector.error(NP)
    } else {
        DONE
    }
}

/// The stack segment of a far RET or IRET to the outer level `outer`, outside of 64-bit mode.
pub(crate) const fn return_stack(selector: Selector, d: Descriptor, outer: u8) -> u32 {
    load_stack(selector, Some(d), outer, false)
}

/// How a gate is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Through {
    /// CALL, or INT n: an inner level is entered.
    Call,
    /// JMP: no level is changed.
    Jump,
}

/// The code segment of a call, interrupt or trap gate that may be used. RPL plays no part.
pub(crate) const fn gate_target(selector: Selector, d: Descriptor, cpl: u8, through: Through) -> u32 {
    let refused = match through {
        Through::Call => d.dpl > cpl,
        Through::Jump if d.is_conforming() => d.dpl > cpl,
        Through::Jump => d.dpl != cpl,
    };
    if !d.is_code() || refused {
        selector.error(GP)
    } else if d.present {
        DONE
    } else {
        selector.error(NP)
    }
}

/// The stack segment that the TSS tells for the inner level `inner`, outside of long mode.
pub(crate) const fn inner_stack(selector: Selector, d: Descriptor, inner: u8) -> u32 {
    if selector.is_null() || selector.rpl() != inner || d.dpl != inner || !d.is_writable_data() {
        selector.error(TS)
    } else if d.present {
        DONE
    } else {
        selector.error(SS)
    }
}

const fn is_visible(selector: Selector, d: Descriptor, cpl: u8) -> bool {
    d.is_conforming() || d.dpl >= max(cpl, selector.rpl())
}

/// Whether LAR sets ZF. P plays no part.
pub(crate) const fn lar(selector: Selector, d: Descriptor, cpl: u8, is_long: bool) -> bool {
    let valid = if is_long { matches!(d.kind, 2 | 9 | 0xb | 0xc) } else { matches!(d.kind, 1..=5 | 9 | 0xb | 0xc) };
    (d.is_segment() || valid) && is_visible(selector, d, cpl)
}

/// Whether LSL sets ZF. P plays no part.
pub(crate) const fn lsl(selector: Selector, d: Descriptor, cpl: u8, is_long: bool) -> bool {
    let valid = if is_long { matches!(d.kind, 2 | 9 | 0xb) } else { matches!(d.kind, 1..=3 | 9 | 0xb) };
    (d.is_segment() || valid) && is_visible(selector, d, cpl)
}

/// Whether VERR sets ZF.
pub(crate) const fn verr(selector: Selector, d: Descriptor, cpl: u8) -> bool {
    d.is_readable() && is_visible(selector, d, cpl)
}

/// Whether VERW sets ZF.
pub(crate) const fn verw(selector: Selector, d: Descriptor, cpl: u8) -> bool {
    d.is_writable_data() && is_visible(selector, d, cpl)
}

/// LLDT at CPL 0; RPL plays no part.
pub(crate) const fn lldt(selector: Selector, descriptor: Option<Descriptor>) -> u32 {
    system_load(selector, descriptor, true, 1 << 2)
}

/// LTR at CPL 0; RPL plays no part. In long mode only the 64-bit TSS, type 9, is one.
pub(crate) const fn ltr(selector: Selector, descriptor: Option<Descriptor>, is_long: bool) -> u32 {
    system_load(selector, descriptor, false, if is_long { 1 << 9 } else { 1 << 1 | 1 << 9 })
}

const fn system_load(selector: Selector, descriptor: Option<Descriptor>, takes_null: bool, kinds: u32) -> u32 {
    if selector.is_null() {
        return if takes_null { DONE } else { fault(GP, 0) };
    }
    let Some(d) = descriptor else { return selector.error(GP) };
    if selector.value & 4 != 0 || kinds >> d.kind & 1 == 0 {
        selector.error(GP)
    } else if d.present {
        DONE
    } else {
        selector.error(NP)
    }
}

/// Whether CR4.UMIP keeps SGDT, SIDT, SLDT, STR and SMSW from this CPL.
pub(crate) const fn prevented(is_set: bool, cpl: u8) -> bool {
    is_set && cpl > 0
}

/// Whether a linear address of `bits` bits, 48 or 57, is canonical.
pub(crate) const fn is_canonical(address: u64, bits: u32) -> bool {
    let upper = address as i64 >> (bits - 1);
    upper == 0 || upper == -1
}

/// Whether all bytes of an access lie in a segment; `limit` is in bytes, `is_big` is B.
///
/// What wraps around is not asked for: it depends on the processor (SDM vol. 3A, "Limit Checking").
pub(crate) const fn is_within(limit: u32, expands_down: bool, is_big: bool, offset: u32, size: u32) -> bool {
    let last = offset.wrapping_add(size - 1);
    if expands_down { offset > limit && last <= if is_big { u32::MAX } else { 0xffff } } else { last <= limit }
}
