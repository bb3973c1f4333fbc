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

/// A far JMP or CALL. An available TSS is one whose limit is too small for a task. Of what a task switch checks, that the
/// TSS stands in the GDT comes before its P (SDM vol. 3A, "Task Switching", the table of exception conditions).
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
    let is_local_task = is_task && selector.value & 4 != 0;
    if !is_gate && !is_task || refused || is_local_task {
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

/// Whether all eight bytes of a selector's descriptor lie in its table; `ldt_limit` is `None` while LDTR is null.
pub(crate) const fn is_in_table(selector: Selector, gdt_limit: u32, ldt_limit: Option<u32>) -> bool {
    let last = (selector.value & 0xfff8) as u32 + 7;
    if selector.value & 4 == 0 {
        last <= gdt_limit
    } else {
        match ldt_limit {
            Some(limit) => last <= limit,
            None => false,
        }
    }
}

/// Segment registers in the order of their encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SegmentRegister {
    /// ES.
    Es,
    /// CS.
    Cs,
    /// SS.
    Ss,
    /// DS.
    Ds,
    /// FS.
    Fs,
    /// GS.
    Gs,
}

/// Whose base an access with this override uses; `None` where none is added. In 64-bit mode only FS and GS have a base,
/// and the other overrides mean nothing (SDM vol. 1, "Segment Registers in 64-Bit Mode").
pub(crate) const fn base_used(
    prefix: Option<SegmentRegister>,
    is_stack: bool,
    is_64_bit: bool,
) -> Option<SegmentRegister> {
    match prefix {
        Some(register @ (SegmentRegister::Fs | SegmentRegister::Gs)) => Some(register),
        _ if is_64_bit => None,
        Some(register) => Some(register),
        None if is_stack => Some(SegmentRegister::Ss),
        None => Some(SegmentRegister::Ds),
    }
}

/// Bytes that a call gate to an inner level pushes outside of long mode: SS, ESP, CS and EIP, and its parameters.
pub(crate) const fn frame_size(is_32_bit: bool, nr_parameters: u32) -> u32 {
    (4 + nr_parameters) * if is_32_bit { 4 } else { 2 }
}

/// What a gate to an inner level does with a stack segment that can be loaded: it raises #SS with its selector if one
/// byte of the frame lies beyond the limit.
pub(crate) const fn inner_frame(selector: Selector, limit: u32, expands_down: bool, esp: u32, size: u32) -> u32 {
    if is_within(limit, expands_down, true, esp.wrapping_sub(size), size) && esp >= size {
        DONE
    } else {
        selector.error(SS)
    }
}

/// RFLAGS in the handler that a gate leads to: TF, NT and RF are cleared, and IF by an interrupt gate (SDM vol. 3A, "Flag
/// Usage By Exception- or Interrupt-Handler Procedure").
pub(crate) const fn handler_flags(rflags: u64, is_interrupt_gate: bool) -> u64 {
    rflags & !(1 << 8 | 1 << 14 | 1 << 16) & !if is_interrupt_gate { 1 << 9 } else { 0 }
}

/// RFLAGS behind an IRET at `cpl`: IOPL, VIF and VIP change at CPL 0 alone, IF up to IOPL (SDM vol. 2, "IRET/IRETD/
/// IRETQ—Interrupt Return", operation).
pub(crate) const fn returned_flags(before: u64, image: u64, cpl: u8) -> u64 {
    const LOADED: u64 = 0x25_4dd5;
    let iopl = (before >> 12 & 3) as u8;
    let mut mask = LOADED;
    if cpl <= iopl {
        mask |= 1 << 9;
    }
    if cpl == 0 {
        mask |= 3 << 12 | 1 << 19 | 1 << 20;
    }
    before & !mask | image & mask | 2
}

/// Whether a return to `outer` leaves a data segment register alone; else it becomes null (SDM vol. 2, "RET—Return From
/// Procedure", operation).
pub(crate) const fn survives_return(d: Descriptor, outer: u8) -> bool {
    d.is_conforming() || d.dpl >= outer
}

/// Whether IRET in 64-bit mode takes a null SS: for 64-bit code below CPL 3 alone.
pub(crate) const fn takes_null_stack(outer: u8, is_64_bit_target: bool) -> bool {
    outer < 3 && is_64_bit_target
}

/// Whether an IN or OUT of `size` bytes is allowed by the I/O permission bitmap of a TSS: all bits are clear, and the
/// byte behind that of the first port lies within the limit, too (SDM vol. 1, "I/O Permission Bit Map"). `byte` tells the
/// bytes of the TSS.
pub(crate) fn is_port_allowed(base: u32, limit: u32, port: u32, size: u32, byte: impl Fn(u32) -> u8) -> bool {
    let at = base + port / 8;
    if at + 1 > limit {
        return false;
    }
    let bits = u32::from(byte(at)) | u32::from(byte(at + 1)) << 8;
    bits >> (port % 8) & ((1 << size) - 1) == 0
}
