//! Gates for L2: each vector leads to a VMMCALL of its own, so that the exit's RIP tells which was delivered, and the frame
//! stands on L2's stack.

#![expect(unsafe_code, reason = "the code behind the gates is assembly")]
// UNSAFETY: `global_asm!` that only L2 executes.

use super::{
    Exit, Guest, address,
    field::{self, segment},
    pages::IDT,
};
use crate::{mmio, tables::selector};
use core::arch::global_asm;

global_asm!(
    r#"
    .pushsection .text.svm_gates, "ax", @progbits
    .balign 16
    .global svm_gates
    svm_gates:
    .rept 256
        vmmcall
        nop
    .endr
    .popsection
    "#
);

unsafe extern "C" {
    fn svm_gates();
}

/// Size of what stands behind a gate.
const STUB_SIZE: u64 = 4;
/// A present interrupt gate of 64-bit mode.
pub const INTERRUPT_GATE: u64 = 0x8e;
/// A present trap gate of 64-bit mode.
pub const TRAP_GATE: u64 = 0x8f;
/// The bit of a gate's type that makes it present.
pub const PRESENT: u64 = 0x80;

/// Where a vector's gate leads to.
pub fn target(vector: u8) -> u64 {
    svm_gates as *const () as u64 + u64::from(vector) * STUB_SIZE
}

/// The vector that was delivered, if L2 ended behind a gate.
pub fn delivered(exit: &Exit) -> Option<u8> {
    let offset = exit.rip.wrapping_sub(target(0));
    (offset < 256 * STUB_SIZE && offset.is_multiple_of(STUB_SIZE)).then_some((offset / STUB_SIZE) as u8)
}

/// Address of the page that holds L2's IDT.
pub fn table() -> u64 {
    address(&IDT)
}

/// Writes a gate with these bits 47:40.
pub fn set(vector: u8, kind: u64) {
    let target = target(vector);
    let low = target & 0xffff | u64::from(selector::KERNEL_CODE) << 16 | kind << 40 | (target >> 16 & 0xffff) << 48;
    let at = table() + u64::from(vector) * 16;
    mmio::write_u64(at, low);
    mmio::write_u64(at + 8, target >> 32);
}

/// Writes the gates of all vectors: once a case.
pub fn fill() {
    for vector in 0..=255 {
        set(vector, INTERRUPT_GATE);
    }
}

impl Guest {
    /// Gives L2 the IDT of this module and takes the intercepts of exceptions from it.
    pub fn use_gates(&self) {
        self.write_u64(field::IDTR + segment::BASE, table());
        self.write_u32(field::IDTR + segment::LIMIT, 4095);
        self.write_u32(field::EXCEPTIONS, 0);
    }

    /// A quadword of L2's stack, from RSP up.
    pub fn stack_word(&self, index: u64) -> u64 {
        mmio::read_u64(self.read_u64(field::RSP) + index * 8)
    }
}
