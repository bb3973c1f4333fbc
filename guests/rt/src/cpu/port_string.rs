//! REP INS and REP OUTS outside of [`crate::catch`], so that a handler of [`crate::trap`] can let them go on.

#![expect(unsafe_code, reason = "instructions")]
// UNSAFETY: REP INSB into memory that the case owns, and REP OUTSB.

use core::arch::asm;

/// REP INSB; `to` and `count` become what RDI and RCX hold afterwards. The memory must be the case's own.
pub fn read_bytes(port: u16, to: &mut u64, count: &mut u64) {
    // SAFETY: writes memory that the case owns: frames or pages of the window of `crate::paging`.
    unsafe {
        asm!("rep insb", in("dx") port, inout("rdi") *to, inout("rcx") *count, options(nostack, preserves_flags));
    }
}

/// REP OUTSB; `from` and `count` become what RSI and RCX hold afterwards.
pub fn write_bytes(port: u16, from: &mut u64, count: &mut u64) {
    // SAFETY: only reads memory.
    unsafe {
        asm!("rep outsb", in("dx") port, inout("rsi") *from, inout("rcx") *count, options(nostack, preserves_flags));
    }
}
