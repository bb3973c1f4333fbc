//! The end of a run. The verdict has been sent; this only ends the virtual machine, by whatever it has.

#![expect(unsafe_code, reason = "the last resort is a triple fault")]
// UNSAFETY: LIDT of an empty table, after which nothing else runs.

use crate::cpu::port;
use case::image::board::{DEBUG_EXIT_PORT, I8042_COMMAND_PORT};
use core::arch::asm;

/// Command of the i8042 controller that pulses the processor's reset line.
const PULSE_RESET: u8 = 0xfe;

/// A descriptor-table register's content with nothing in it.
static NO_TABLE: [u16; 5] = [0; 5];

/// Ends the virtual machine.
///
/// First the debug-exit port, then the i8042 controller's reset, then a triple fault by UD2 (INT3 is not understood by
/// every KVM that interprets ring 0).
pub(super) fn end() -> ! {
    port::write_u32(DEBUG_EXIT_PORT, 0);
    port::write_u8(I8042_COMMAND_PORT, PULSE_RESET);
    // SAFETY: with an empty IDT the next exception is a triple fault; nothing runs after it.
    unsafe {
        asm!("lidt [{}]", "2: ud2", "jmp 2b", in(reg) &raw const NO_TABLE, options(noreturn));
    }
}
