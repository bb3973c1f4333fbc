//! What lies at and over the edges of segments and stacks of 64 KiB, and what real mode's interrupts and IRET of
//! virtual-8086 mode leave.
//!
//! Sources: SDM vol. 3A, "Limit Checking"; SDM vol. 3B, "Real-Address Mode"; SDM vol. 2, "IRET/IRETD/IRETQ—Interrupt
//! Return", "INT n/INTO/INT3/INT1—Call to Interrupt Procedure", "PUSHA/PUSHAD—Push All General-Purpose Registers".

use super::{
    columns::columns,
    runtime::{
        Outcome,
        excursion::{ARENA, ARENA_SEGMENT, EFLAGS_IOPL_3, EFLAGS_VM, layout},
    },
};

const WORD: u64 = 0xffff;
/// RF is set in the image of a fault, whatever it was before.
const RF: u64 = 1 << 16;
/// CF, PF, AF, ZF and SF.
const STATUS: u64 = 0xd5;
/// DF and CF, which the program of real mode sets before it raises its interrupt.
const DF_CF: u64 = 0x401;
const IF_TF: u64 = 0x300;

columns! {
    /// What a load leads to, or what stands in EAX behind a store.
    Access { outcome, eax }
    /// What an access above 64 KiB leads to, and what stands in memory.
    Wide { outcome, eax, memory }
    /// What an access behind 1 MiB leads to, what was read back, and what stands there and 1 MiB below.
    High { outcome, read, memory, alias }
    /// What INT n in real mode leads to.
    Interrupt { outcome, ip, cs, is_real }
    /// What a handler of real mode found, and what its IRET gave back.
    Handled { outcome, next, handler_sp, handler_flags = DF_CF, handler_if_tf = IF_TF, sp, flags = DF_CF }
    /// What stands behind an IRET in virtual-8086 mode.
    Returned { outcome, ip, cs, eflags = !RF, esp }
    /// What a refused IRETD leaves.
    Refused { outcome, ip, esp, status = STATUS }
    /// What a stack that wraps leaves: IRET to a stack of 16 bits need not load the upper half of ESP.
    Wrapped { outcome, sp = WORD, memory, eax }
    /// What an operand over the end of a stack leaves.
    Edge { outcome, ip, sp = WORD, eax }
    /// What PUSHA and PUSHAD at an odd SP leave.
    Odd { is_stack_or_protection_fault, sp = WORD }
}

/// What stands at the end of the segment, at FFFCH.
pub(crate) const END: u32 = 0x4433_2211;

/// Accesses at the edge of a segment: number of the code, offset, and what they lead to. Codes: loads of 1, 2 and 4
/// bytes, a store of 2, a load of 2 through SS. EAX was 0.
pub(crate) const EDGES: [(usize, u32, Outcome, u32); 9] = [
    (0, 0xffff, Outcome::COMPLETED, 0x44),
    (1, 0xfffe, Outcome::COMPLETED, 0x4433),
    (1, 0xffff, Outcome::GP, 0),
    (2, 0xfffc, Outcome::COMPLETED, END),
    (2, 0xfffd, Outcome::GP, 0),
    (2, 0xffff, Outcome::GP, 0),
    (3, 0xffff, Outcome::GP, 0),
    (4, 0xffff, Outcome::SS, 0),
    (4, 0xfffe, Outcome::COMPLETED, 0x4433),
];

/// A row of [`EDGES`].
pub(crate) const fn at_edge(row: usize) -> Access {
    Access { outcome: EDGES[row].2.0, eax: EDGES[row].3 as u64 }
}

/// Completion with this value in EAX.
pub(crate) const fn loaded(value: u32) -> Access {
    Access { outcome: Outcome::COMPLETED.0, eax: value as u64 }
}

/// Number of the wide access that goes through SS, whose limit stays 64 KiB in big real mode too.
pub(crate) const THROUGH_STACK: usize = 2;

/// An offset beyond FFFFH with limits of 64 KiB.
pub(crate) const fn beyond(code: usize) -> Outcome {
    if code == THROUGH_STACK { Outcome::SS } else { Outcome::GP }
}

/// The same with limits of 4 GiB in data segments; EAX held `value` before, and memory holds it.
pub(crate) const fn wide(code: usize, value: u32) -> Wide {
    let outcome = if code == THROUGH_STACK { Outcome::SS } else { Outcome::COMPLETED };
    Wide { outcome: outcome.0, eax: value as u64, memory: value as u64 }
}

/// What is written behind 1 MiB stands there, and not 1 MiB below.
pub(crate) const fn high(value: u32, alias: u32) -> High {
    High { outcome: Outcome::COMPLETED.0, read: value as u64, memory: value as u64, alias: alias as u64 }
}

/// Limits of real mode's interrupt table for INT 32, whose entry ends at 83H, and whether the entry is within.
pub(crate) const IDT_LIMITS: [(u16, bool); 4] =
    [(32 * 4 + 3, true), (32 * 4 + 2, false), (32 * 4 - 1, false), (0x3ff, true)];

/// INT 32 at the start of the program with a row of [`IDT_LIMITS`].
pub(crate) const fn interrupt(row: usize) -> Interrupt {
    let is_inside = IDT_LIMITS[row].1;
    Interrupt {
        outcome: if is_inside { Outcome::exception(32, 0).0 } else { Outcome::GP.0 },
        ip: (layout::CODE + if is_inside { 2 } else { 0 }) as u64,
        cs: ARENA_SEGMENT as u64,
        is_real: 1,
    }
}

/// Three words are on the stack of the handler, where IF and TF are clear and other flags stay; behind IRET all is as
/// before.
pub(crate) const HANDLED: Handled = Handled {
    outcome: Outcome::COMPLETED.0,
    next: 0x1111,
    handler_sp: (layout::STACK - 6) as u64,
    handler_flags: DF_CF,
    handler_if_tf: 0,
    sp: layout::STACK as u64,
    flags: DF_CF,
};

/// Where IRET goes to in the arena: a HLT stands there.
pub(crate) const TARGET: u32 = 0x4800;
/// The upper half of ESP before an IRET in virtual-8086 mode.
pub(crate) const HIGH_ESP: u32 = 0x7ff0_0000;
const VIF_VIP: u32 = 3 << 19;
/// CF, PF, AF, ZF, SF, DF, OF, NT and, in the upper half, AC and ID.
const IMAGE: u32 = 0x0024_4cd5;
const BASE: u32 = EFLAGS_VM | EFLAGS_IOPL_3 | 2;

/// Returns in virtual-8086 mode with IOPL 3: EFLAGS before, its image, paragraphs that CS lies above the arena's.
pub(crate) const RETURNS: [(u32, u32, u32); 8] = [
    (BASE, EFLAGS_VM | 2, 0),
    (BASE, EFLAGS_VM | EFLAGS_IOPL_3 | IMAGE, 0),
    (BASE, EFLAGS_VM | 3, 0),
    (BASE, EFLAGS_VM | EFLAGS_IOPL_3 | 3, 0),
    (BASE, EFLAGS_IOPL_3 | 3, 0),
    (BASE, EFLAGS_VM | VIF_VIP | 0x41, 0),
    (BASE, EFLAGS_VM | 0x81, 0x80),
    (BASE | IMAGE, EFLAGS_VM | 2, 0),
];

/// EFLAGS behind IRET in virtual-8086 mode with IOPL 3: VM, IOPL, VIP and VIF stay; a return of 16 bits leaves the upper
/// half (SDM vol. 2, "IRET/IRETD/IRETQ—Interrupt Return", RETURN-FROM-VIRTUAL-8086-MODE).
pub(crate) const fn returned_flags(before: u32, image: u32, size: u32) -> u32 {
    let kept = EFLAGS_VM | EFLAGS_IOPL_3 | VIF_VIP;
    let loaded = !kept & if size == 2 { 0xffff } else { u32::MAX };
    before & !loaded | image & loaded | 2
}

/// A row of [`RETURNS`] by IRET (of 2 bytes) or IRETD: the HLT at the target is reached, and the frame is popped.
pub(crate) const fn returned(row: usize, size: u32) -> Returned {
    let (before, image, above) = RETURNS[row];
    Returned {
        outcome: Outcome::GP.0,
        ip: (TARGET - above * 16) as u64,
        cs: (ARENA_SEGMENT + above) as u64,
        eflags: returned_flags(before, image, size) as u64,
        esp: (HIGH_ESP | layout::STACK) as u64,
    }
}

/// IRETD to an offset beyond FFFFH faults with its frame at `esp`; no status flag was set.
pub(crate) const fn refused(esp: u32) -> Refused {
    Refused { outcome: Outcome::GP.0, ip: layout::CODE as u64, esp: esp as u64, status: 0 }
}

/// EAX before operations on the stack, whose end holds [`END`].
pub(crate) const EAX_BEFORE: u32 = 0x8765_4321;

/// What wraps: number of the code, SP before and behind, memory at FFFCH, EAX. Codes: PUSH of 2 and 4 bytes, POP of 2 and
/// 4, near CALL of 3 bytes.
pub(crate) const WRAPS: [(usize, u32, u32, u32, u32); 5] = [
    (0, 0, 0xfffe, 0x4321_2211, EAX_BEFORE),
    (1, 0, 0xfffc, EAX_BEFORE, EAX_BEFORE),
    (2, 0xfffe, 0, END, 0x8765_4433),
    (3, 0xfffc, 0, END, END),
    (4, 0, 0xfffe, (layout::CODE + 3) << 16 | 0x2211, EAX_BEFORE),
];

/// A row of [`WRAPS`].
pub(crate) const fn wrapped(row: usize) -> Wrapped {
    let (_, _, sp, memory, eax) = WRAPS[row];
    Wrapped { outcome: Outcome::COMPLETED.0, sp: sp as u64, memory: memory as u64, eax: eax as u64 }
}

/// Operands that reach over the end: number of the code as in [`WRAPS`], and SP.
pub(crate) const OVER_THE_END: [(usize, u32); 9] =
    [(0, 1), (1, 1), (1, 2), (1, 3), (2, 0xffff), (3, 0xfffd), (3, 0xfffe), (3, 0xffff), (4, 1)];

/// #SS(0) at the first instruction, with SP and EAX as before.
pub(crate) const fn over_the_end(row: usize) -> Edge {
    Edge { outcome: Outcome::SS.0, ip: layout::CODE as u64, sp: OVER_THE_END[row].1 as u64, eax: EAX_BEFORE as u64 }
}

/// A fault before SP changes: #SS(0) by AMD's manual and by the limit check of Intel's, #GP(0) by Intel's page of PUSHA for
/// virtual-8086 mode.
pub(crate) const fn odd(sp: u32) -> Odd {
    Odd { is_stack_or_protection_fault: 1, sp: sp as u64 }
}

/// The column of [`Odd`] for what PUSHA led to.
pub(crate) const fn is_stack_or_protection_fault(outcome: Outcome) -> u64 {
    matches!(outcome, Outcome::SS | Outcome::GP) as u64
}

const _: () = assert!(ARENA == ARENA_SEGMENT << 4);
