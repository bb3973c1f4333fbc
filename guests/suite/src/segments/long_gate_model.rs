//! What call and interrupt gates do in 64-bit mode: what refuses them, and what stands in registers and on stacks behind
//! them.
//!
//! Sources: SDM vol. 3A, "IA-32e Mode Call Gates", "Stack Switching in 64-bit Mode", "64-Bit Mode IDT"; SDM vol. 2,
//! "CALL—Call Procedure", "INT n/INTO/INT3/INT1—Call to Interrupt Procedure", "IRET/IRETD/IRETQ—Interrupt Return".

use super::columns::columns;
use super::runtime::{
    Outcome,
    descriptors::FREE,
    excursion::tables::{access, flag, segment},
    tables::selector,
};

pub(crate) const GATE: u16 = FREE + 32;
pub(crate) const CODE: u16 = FREE + 64;
pub(crate) const VECTOR: u8 = 0x80;
/// L of a code segment's descriptor.
pub(crate) const FLAG_L: u32 = 1 << 21;
const DPL_3: u32 = access::DPL_3;
const TAKEN_BY_CALLS: u32 = access::CALL_GATE_32 | DPL_3;

columns! {
    /// What code at CPL 0 finds that a CALL from CPL 3 reaches.
    Inner { outcome, rip, cs, ss, rsp, saved_ss, saved_rsp, saved_cs, next_code }
    /// What code of the caller's level finds.
    Same { outcome, rip, cs, rsp, ss }
    /// What a refused CALL leaves, and what JMP through the same gate leads to.
    Refused { call, rsp, jump }
    /// What IRETQ at CPL 3 makes of a flag of its image.
    Flag { outcome, flag }
}

/// A code segment of 64-bit mode.
pub(crate) const fn code(dpl: u32, kind: u32) -> u64 {
    segment(0, 0xf_ffff, kind | dpl << 5, FLAG_L | flag::G)
}

/// #UD at the target at CPL 0, with a null SS; the stack from RSP0 at `top` holds SS, RSP, CS and RIP, behind which UD2
/// stands.
pub(crate) const fn inner(target: u64, top: u64, caller_rsp: u64) -> Inner {
    Inner {
        outcome: Outcome::UD.0,
        rip: target,
        cs: selector::KERNEL_CODE as u64,
        ss: 0,
        rsp: top - 32,
        saved_ss: selector::USER_DATA as u64,
        saved_rsp: caller_rsp,
        saved_cs: selector::USER_CODE as u64,
        next_code: 0x0b0f,
    }
}

/// DPL and type of code that a gate leads to without a change of CPL 3.
pub(crate) const SAME: [(u32, u32); 3] = [(3, access::CODE), (0, access::CONFORMING), (3, access::CONFORMING)];

/// #UD at the target at CPL 3; CS and RIP are on the caller's stack.
pub(crate) const fn same(target: u64, caller_rsp: u64) -> Same {
    Same {
        outcome: Outcome::UD.0,
        rip: target,
        cs: (CODE | 3) as u64,
        rsp: caller_rsp - 16,
        ss: selector::USER_DATA as u64,
    }
}

const fn gp(selector: u16) -> Outcome {
    Outcome::gp((selector & 0xfffc) as u32)
}

const fn np(selector: u16) -> Outcome {
    Outcome::exception(11, (selector & 0xfffc) as u32)
}

/// Gates that CALL refuses: type and rights of the gate, its selector, the descriptor of [`CODE`] (or 0), bits to be set in
/// the gate's upper half, the fault, and whether JMP has the same fault: the gate itself is judged alike, but what it
/// leads to may be refused for its level first.
pub(crate) const REFUSED: [(u32, u16, u64, u64, Outcome, bool); 13] = [
    (access::CALL_GATE_32, selector::KERNEL_CODE, 0, 0, gp(GATE), true),
    (TAKEN_BY_CALLS & !access::PRESENT, selector::KERNEL_CODE, 0, 0, np(GATE), true),
    (TAKEN_BY_CALLS, 0, 0, 0, Outcome::GP, true),
    (TAKEN_BY_CALLS, selector::KERNEL_CODE_32, 0, 0, gp(selector::KERNEL_CODE_32), false),
    (TAKEN_BY_CALLS, CODE, segment(0, 0xf_ffff, access::CODE, FLAG_L | flag::FLAT), 0, gp(CODE), false),
    (TAKEN_BY_CALLS, selector::USER_DATA & !3, 0, 0, gp(selector::USER_DATA), false),
    (TAKEN_BY_CALLS, CODE, code(0, access::CODE & !access::PRESENT), 0, np(CODE), false),
    (TAKEN_BY_CALLS, 0xfff8, 0, 0, gp(0xfff8), false),
    (TAKEN_BY_CALLS, selector::KERNEL_CODE, 0, 0x8000_0000_0000 >> 32, Outcome::GP, false),
    (TAKEN_BY_CALLS, selector::KERNEL_CODE, 0, 1 << 40, gp(GATE), true),
    (access::CALL_GATE_16 | DPL_3, selector::KERNEL_CODE, 0, 0, gp(GATE), true),
    (access::TASK_GATE | DPL_3 | access::PRESENT, selector::KERNEL_CODE, 0, 0, gp(GATE), true),
    (access::TSS_32 | DPL_3, selector::KERNEL_CODE, 0, 0, gp(GATE), true),
];

/// What CALL and JMP lead to; where JMP may be refused otherwise, only its vector is told, by [`jump_seen`].
pub(crate) const fn refused(row: usize, caller_rsp: u64) -> Refused {
    let (_, _, _, _, outcome, is_alike) = REFUSED[row];
    Refused { call: outcome.0, rsp: caller_rsp, jump: if is_alike { outcome.0 } else { Outcome::GP.0 } }
}

/// What is compared of a JMP: all of it, or #GP whatever its error code.
pub(crate) const fn jump_seen(row: usize, outcome: Outcome, vector: u8) -> u64 {
    if !REFUSED[row].5 && vector == 13 { Outcome::GP.0 } else { outcome.0 }
}

/// JMP through a good gate to an inner level.
pub(crate) const JUMP_TO_AN_INNER_LEVEL: Outcome = gp(selector::KERNEL_CODE);

/// INT n at CPL 3 through a gate of this type and DPL. The vector's usual handler shows the interrupt itself.
pub(crate) const fn by_type(kind: u64, dpl: u64) -> Outcome {
    if (kind == 0xe || kind == 0xf) && dpl == 3 {
        Outcome::exception(VECTOR, 0)
    } else {
        Outcome::gp((VECTOR as u32) << 3 | 2)
    }
}

/// INT n through a gate that names this selector, with this descriptor at [`CODE`] (or 0).
pub(crate) const BY_CODE: [(u16, u64, Outcome); 7] = [
    (0, 0, Outcome::GP),
    (selector::KERNEL_DATA, 0, gp(selector::KERNEL_DATA)),
    (selector::KERNEL_CODE_32, 0, gp(selector::KERNEL_CODE_32)),
    (CODE, code(0, access::CODE & !access::PRESENT), np(CODE)),
    (0xfff8, 0, gp(0xfff8)),
    (CODE, segment(0, 0xf_ffff, access::CODE, FLAG_L | flag::FLAT), gp(CODE)),
    (selector::TSS, 0, gp(selector::TSS)),
];

/// Flags of IRETQ's image, and whether it loads them at CPL 3 with an IOPL of 0.
pub(crate) const FLAGS: [(u64, bool); 17] = [
    (1, true),
    (1 << 2, true),
    (1 << 4, true),
    (1 << 6, true),
    (1 << 7, true),
    (1 << 10, true),
    (1 << 11, true),
    (1 << 14, true),
    (1 << 18, true),
    (1 << 21, true),
    (1 << 9, false),
    (3 << 12, false),
    (1 << 19, false),
    (1 << 20, false),
    (1 << 3, false),
    (1 << 63, false),
    (1 << 17, false),
];

/// The flag behind IRETQ, which completes.
pub(crate) const fn flag(row: usize) -> Flag {
    Flag { outcome: Outcome::COMPLETED.0, flag: if FLAGS[row].1 { FLAGS[row].0 } else { 0 } }
}
