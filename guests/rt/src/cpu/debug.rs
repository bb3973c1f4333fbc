//! Breakpoints by the debug registers.

#![expect(unsafe_code, reason = "instructions")]
// UNSAFETY: MOV from and to debug registers; the addresses are watched, not accessed.

use super::control::{write_dr6, write_dr7};
use core::arch::asm;

/// Bits of DR6 (SDM vol. 3B, "Debug Status Register (DR6)").
pub mod dr6 {
    /// Breakpoint 0 was hit; breakpoints 1 to 3 have the bits above it.
    pub const B0: u64 = 1 << 0;
    /// An access to a debug register was detected.
    pub const BD: u64 = 1 << 13;
    /// Single step.
    pub const BS: u64 = 1 << 14;
    /// What a case compares: the four breakpoints, BD and BS. The others are reserved or belong to later extensions.
    pub const CAUSES: u64 = 0xf | BD | BS;
}

/// Bits of DR7 (SDM vol. 3B, "Debug Control Register (DR7)").
pub mod dr7 {
    /// The value that enables nothing: bit 10 is always set.
    pub const NONE: u64 = 1 << 10;
    /// General detect: the next access to a debug register raises #DB.
    pub const GD: u64 = 1 << 13;
    /// What breaks.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Condition {
        /// Execution.
        Execute = 0,
        /// Data writes.
        Write = 1,
        /// Data reads and writes.
        ReadWrite = 3,
    }
    /// Breakpoint `number`, enabled globally. `length` is 1, 2, 4 or 8 bytes; for execution it is 1.
    pub const fn enable(number: u32, condition: Condition, length: u64) -> u64 {
        // 8 bytes are encoded as 2, the others as one less than their number.
        let encoded = if length == 8 { 2 } else { length - 1 };
        2 << (2 * number) | (condition as u64 | encoded << 2) << (16 + 4 * number)
    }
}

/// Breakpoints until this is dropped.
#[derive(Debug)]
pub struct Breakpoints(());

impl Breakpoints {
    /// Writes the four addresses, clears DR6 and writes DR7 with bit 10 added.
    #[must_use = "the breakpoints are removed when this is dropped"]
    pub fn new(addresses: [u64; 4], control: u64) -> Self {
        write_addresses(addresses);
        // Neither value has a reserved bit set, so the writes cannot fault.
        let _ = write_dr6(0);
        let _ = write_dr7(control | dr7::NONE);
        Self(())
    }
}

impl Drop for Breakpoints {
    fn drop(&mut self) {
        let _ = write_dr7(dr7::NONE);
        let _ = write_dr6(0);
    }
}

/// Writes DR0 to DR3.
pub fn write_addresses(addresses: [u64; 4]) {
    let [first, second, third, fourth] = addresses;
    // SAFETY: at CPL 0; an address alone breaks nothing.
    unsafe {
        asm!("mov dr0, {}", "mov dr1, {}", "mov dr2, {}", "mov dr3, {}", in(reg) first, in(reg) second, in(reg) third,
             in(reg) fourth, options(nomem, nostack, preserves_flags));
    }
}

/// Reads DR0 to DR3.
pub fn read_addresses() -> [u64; 4] {
    let (first, second, third, fourth);
    // SAFETY: at CPL 0; reading changes nothing.
    unsafe {
        asm!("mov {}, dr0", "mov {}, dr1", "mov {}, dr2", "mov {}, dr3", out(reg) first, out(reg) second,
             out(reg) third, out(reg) fourth, options(nomem, nostack, preserves_flags));
    }
    [first, second, third, fourth]
}
