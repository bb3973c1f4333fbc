//! How a processor halts that has nothing to do.
//!
//! What wakes it goes through [`wake`], so that it wakes up even where a hypervisor lets the interrupt in between STI and HLT:
//! a processor that slept on would make any case with several processors hang, each time another one. That STI keeps
//! interrupts off until HLT is a rule with cases of its own, which halt by [`super::wait_for_interrupt`].

use crate::trap::TrapFrame;
use core::arch::global_asm;

// `smp_halt()` lets interrupts in, halts until there was one, and keeps them off again.
global_asm!(
    r#"
    .pushsection .text.smp_halt, "ax", @progbits
    .code64
    .global smp_halt
    .global smp_halt_hlt
    smp_halt:
        sti
    smp_halt_hlt:
        hlt
        cli
        ret
    .popsection
    "#
);

unsafe extern "C" {
    fn smp_halt();
    fn smp_halt_hlt();
}

/// How long HLT is in bytes.
const HLT_BYTES: u64 = 1;

/// Enables interrupts, halts until there is one that [`wake`] or HLT itself ends it for, and disables them again.
pub(super) fn halt() {
    // SAFETY: handlers preserve all registers.
    unsafe { smp_halt() };
}

/// Lets the HLT of [`halt`] be over, if this interrupt came right before it.
pub(super) fn wake(frame: &mut TrapFrame) {
    if frame.rip == smp_halt_hlt as *const () as u64 {
        frame.rip += HLT_BYTES;
    }
}
