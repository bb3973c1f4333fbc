//! What no case should do to its processor: for the cases of `guests/smoke`, which test the harness.

#![expect(unsafe_code, reason = "instructions that end the runtime")]
// UNSAFETY: nothing that any of these leaves behind is used again, except after `raise_ud`, whose handler ends the run.

use core::arch::asm;

/// A descriptor-table register's content with nothing in it.
static NO_TABLE: [u16; 5] = [0; 5];

/// UD2 outside of [`crate::catch`].
pub fn raise_ud() {
    // SAFETY: the handler reports the exception and ends the virtual machine.
    unsafe { asm!("ud2") };
}

/// An exception without an interrupt descriptor table.
pub fn triple_fault() -> ! {
    // SAFETY: with an empty IDT the next exception is a triple fault; nothing runs after it.
    unsafe { asm!("lidt [{}]", "2: ud2", "jmp 2b", in(reg) &raw const NO_TABLE, options(noreturn)) }
}

/// CLI, and a jump to itself.
pub fn spin() -> ! {
    // SAFETY: nothing runs after it.
    unsafe { asm!("cli", "2: jmp 2b", options(noreturn)) }
}

/// CLI and HLT, for ever.
pub fn halt() -> ! {
    // SAFETY: nothing runs after it.
    unsafe { asm!("cli", "2: hlt", "jmp 2b", options(noreturn)) }
}

/// A jump to wherever it says.
pub fn jump_to(address: u64) -> ! {
    // SAFETY: what comes of it is not the runtime's concern any more.
    unsafe { asm!("jmp {}", in(reg) address, options(noreturn)) }
}
