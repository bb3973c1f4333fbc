//! What instructions on the tokens of shadow stacks leave at CPL 0 of 64-bit mode.
//!
//! Sources: SDM vol. 2, "SETSSBSY—Mark Shadow Stack Busy", "CLRSSBSY—Clear Busy Flag in a Supervisor Shadow Stack Token",
//! "RSTORSSP—Restore Saved Shadow Stack Pointer"; SDM vol. 1, "Supervisor Shadow Stack Token" and "Switching Shadow Stacks".

use super::{
    columns::columns,
    runtime::Outcome,
    shadow_rules::{D, P, RW, US},
};

/// Bits of a token: busy in one of a supervisor shadow stack, 64-bit mode in one to restore from.
pub(crate) const BUSY: u64 = 1;
/// The token is that of the shadow stack before.
const PREVIOUS: u64 = 2;
/// The pointer that is restored was off its alignment by four bytes.
const HOLE: u64 = 4;
/// Status flags that a program starts with: PF and ZF.
const START: u64 = 0x44;
/// What a push puts on a shadow stack: CS, the instruction's address and SSP, when an exception comes.
pub(crate) const FRAME: u64 = 24;

/// What is wrong with a token: these bits, beside those of one that is free.
pub(crate) const WRONG: [u64; 9] = [0, BUSY, PREVIOUS, HOLE, 8, 1 << 12, 1 << 31, 1 << 47, 1 << 63];

/// An instruction on a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Instruction {
    /// SETSSBSY.
    Set,
    /// CLRSSBSY.
    Clear,
    /// RSTORSSP.
    Restore,
}

columns! {
    /// What an instruction leaves; `flags` are CF, PF, AF, ZF, SF and OF, which count where it completes.
    Left { outcome, token, ssp, flags = 0x8d5 }
}

/// #CP with this error code.
const fn control_protection(code: u32) -> Outcome {
    Outcome::exception(21, code)
}

/// The token at `address` that is wrong by `wrong`, one of [`WRONG`].
pub(crate) const fn token(instruction: Instruction, address: u64, wrong: u64) -> u64 {
    let free = match instruction {
        Instruction::Set | Instruction::Clear => address,
        // It tells where the shadow stack goes on, and bit 0 that it is one of 64-bit mode.
        Instruction::Restore => (address + 8) | 1,
    };
    free ^ wrong
}

/// It completes.
const fn done(token: u64, ssp: u64, flags: u64) -> Left {
    Left { outcome: Outcome::COMPLETED.0, token, ssp, flags }
}

/// It raises #CP, whose frame is on the shadow stack.
const fn refused(token: u64, before: u64, code: u32) -> Left {
    Left { outcome: control_protection(code).0, token, ssp: before - FRAME, flags: 0 }
}

/// What the instruction leaves of that token, with SSP `before`.
pub(crate) const fn left(instruction: Instruction, address: u64, wrong: u64, before: u64) -> Left {
    let token = token(instruction, address, wrong);
    match instruction {
        // It leaves the flags alone.
        Instruction::Set if wrong == 0 => done(address | BUSY, address, START),
        Instruction::Set => refused(token, before, 5),
        // Not to find a busy token is no fault, but CF. SSP is 0 either way.
        Instruction::Clear if wrong == BUSY => done(address, 0, 0),
        Instruction::Clear => done(token, 0, 1),
        Instruction::Restore if wrong == 0 || wrong == HOLE => done(before | 1 | PREVIOUS, address, wrong / HOLE),
        Instruction::Restore => refused(token, before, 4),
    }
}

/// What the access of an instruction to a token in a page leads to, without the bit of error codes that tells a write: which
/// part of a locked operation faults is not told.
///
/// A supervisor shadow-stack page has U/S and R/W clear and D set in the entry that maps it, and R/W set above.
pub(crate) const fn accessed(leaf: u64) -> Outcome {
    const SHADOW_STACK: u32 = 1 << 6;
    if leaf & P == 0 {
        Outcome::exception(14, SHADOW_STACK)
    } else if leaf & (RW | US | D) == D {
        Outcome::COMPLETED
    } else {
        Outcome::exception(14, SHADOW_STACK | 1)
    }
}
