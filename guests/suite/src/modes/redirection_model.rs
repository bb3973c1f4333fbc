//! What INT n, the virtual interrupt flag and the I/O permission bitmap do in virtual-8086 mode.
//!
//! Sources: SDM vol. 3B, "Class 3—Software Interrupt Handling in Virtual-8086 Mode", "Interrupt and Exception Handling in
//! Virtual-8086 Mode", "Protected-Mode Virtual Interrupts"; SDM vol. 1, "I/O Permission Bit Map".

use super::{
    columns::columns,
    runtime::{
        Outcome,
        excursion::{ARENA, ARENA_SEGMENT, Registers, layout},
    },
};

/// EFLAGS.IF.
pub(crate) const IF: u32 = 1 << 9;
/// EFLAGS.VIF.
pub(crate) const VIF: u32 = 1 << 19;
/// EFLAGS.VIP.
pub(crate) const VIP: u32 = 1 << 20;
/// CR4.VME.
pub(crate) const VME: u32 = 1 << 0;
/// CR4.PVI.
pub(crate) const PVI: u32 = 1 << 1;
/// Offset of the handler of a redirected interrupt, where a HLT stands, and of the INT instruction.
pub(crate) const HANDLER: u32 = 0x4800;
pub(crate) const INT: u32 = 0x4900;
const WORD: u64 = 0xffff;
const RF: u64 = 1 << 16;

columns! {
    /// What a redirected INT n leaves for the program's handler.
    Redirected { outcome, ip, sp, saved_address, saved_flags = WORD }
    /// What a refused INT n leaves.
    Refused { outcome, ip }
    /// What an instruction makes of the flags.
    Flags { outcome, vif = VIF as u64, interrupt = IF as u64, iopl = 3 << 12 }
    /// The frame of an exception in virtual-8086 mode: upper halves of selectors are not defined.
    Frame {
        eip, cs = WORD, eflags = !RF, esp, ss = WORD, es = WORD, ds = WORD, fs = WORD, gs = WORD, handler_esp, outcome,
    }
}

/// The program's handler runs with three words on the stack. In FLAGS there IOPL reads as 3, and IF as VIF, which is clear.
pub(crate) const fn redirected() -> Redirected {
    Redirected {
        outcome: Outcome::GP.0,
        ip: HANDLER as u64,
        sp: (layout::STACK - 6) as u64,
        saved_address: (ARENA_SEGMENT << 16 | (INT + 2)) as u64,
        saved_flags: 0x3002,
    }
}

/// #GP(0) at INT n.
pub(crate) const fn refused() -> Refused {
    Refused { outcome: Outcome::GP.0, ip: INT as u64 }
}

/// INT n with IOPL 3 through an IDT without a gate.
pub(crate) const fn without_a_gate(vector: u8) -> Outcome {
    Outcome::gp(vector as u32 * 8 + 2)
}

const DONE: Outcome = Outcome::COMPLETED;

/// With CR4.VME set and IOPL below 3: VIF and VIP before, outcome, VIF behind. The rows are CLI, STI, STI, PUSHF, PUSHF,
/// PUSHFD, POPF with IF, POPF without, POPF with IF, POPF with TF, POPFD, IRET with IF, IRET with IF.
pub(crate) const VIRTUAL_FLAG: [(u32, Outcome, u32); 13] = [
    (VIF, DONE, 0),
    (0, DONE, VIF),
    (VIP, Outcome::GP, 0),
    (0, DONE, 0),
    (VIF, DONE, VIF),
    (VIF, Outcome::GP, VIF),
    (0, DONE, VIF),
    (VIF, DONE, 0),
    (VIP, Outcome::GP, 0),
    (0, Outcome::GP, 0),
    (0, Outcome::GP, 0),
    (0, DONE, VIF),
    (VIP, Outcome::GP, 0),
];

/// A row of [`VIRTUAL_FLAG`]: IF and IOPL stay.
pub(crate) const fn virtual_flag(row: usize, iopl: u32) -> Flags {
    let (_, outcome, vif) = VIRTUAL_FLAG[row];
    Flags { outcome: outcome.0, vif: vif as u64, interrupt: 0, iopl: (iopl as u64) << 12 }
}

/// FLAGS that PUSHF pushes with this VIF: IOPL reads as 3, and IF as VIF.
pub(crate) const fn pushed(eflags: u32) -> u32 {
    0x3002 | if eflags & VIF != 0 { IF } else { 0 }
}

/// In protected mode with IOPL 0: number of the code (CLI, STI, PUSHFD), CR4, VIF and VIP before, outcome, VIF behind.
pub(crate) const PROTECTED: [(usize, u32, u32, Outcome, u32); 7] = [
    (0, PVI, VIF, DONE, 0),
    (1, PVI, 0, DONE, VIF),
    (1, PVI, VIP, Outcome::GP, 0),
    (2, PVI, VIF, DONE, VIF),
    (0, 0, VIF, Outcome::GP, VIF),
    (1, 0, 0, Outcome::GP, 0),
    (0, VME, VIF, Outcome::GP, VIF),
];

/// A row of [`PROTECTED`].
pub(crate) const fn protected(row: usize) -> Flags {
    let (_, _, _, outcome, vif) = PROTECTED[row];
    Flags { outcome: outcome.0, vif: vif as u64, interrupt: 0, iopl: 0 }
}

/// IN of `size` bytes from a port whose bit of the bitmap, and those of the next ones, are the inverse of `clear`.
pub(crate) const fn input(clear: u32, size: u32) -> Outcome {
    let needed = (1 << size) - 1;
    if clear & needed == needed { DONE } else { Outcome::GP }
}

/// The handler's stack holds nine doublewords: the program's registers.
pub(crate) const fn frame(registers: &Registers) -> Frame {
    Frame {
        eip: registers.eip as u64,
        cs: registers.cs as u64,
        eflags: registers.eflags as u64,
        esp: registers.general[4] as u64,
        ss: registers.ss as u64,
        es: registers.es as u64,
        ds: registers.ds as u64,
        fs: registers.fs as u64,
        gs: registers.gs as u64,
        handler_esp: (ARENA + layout::STACK_0 - 36) as u64,
        outcome: Outcome::GP.0,
    }
}
