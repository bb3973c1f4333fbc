//! Gates for L2: each vector leads to a VMCALL of its own, so that the exit's RIP tells which was delivered, and the frame stands
//! on L2's stack.

use rt::{
    mmio, paging,
    tables::selector,
    user_code,
    vmx::{Exit, Guest, field},
};

user_code!(targets: ".rept 256", "vmcall", "nop", ".endr");

/// Size of what stands behind a gate.
const STUB_SIZE: u64 = 4;
/// Bits 47:40 of a present interrupt gate of 64-bit mode.
pub(super) const INTERRUPT_GATE: u64 = 0x8e;
/// The same of a trap gate.
pub(super) const TRAP_GATE: u64 = 0x8f;
/// The bit of them that makes a gate present.
pub(super) const PRESENT: u64 = 0x80;
/// What [`ending`] adds to a vector that was delivered: more than any exit reason.
pub(super) const DELIVERED: u64 = 0x1000;

/// The frame that holds L2's IDT.
const IDT: usize = 8;

/// Where a vector's gate leads to.
pub(super) fn target(vector: u8) -> u64 {
    targets as *const () as u64 + u64::from(vector) * STUB_SIZE
}

/// The exit reason, or the vector whose gate L2 ended behind, with [`DELIVERED`].
pub(super) fn ending(exit: &Exit) -> u64 {
    let offset = exit.rip.wrapping_sub(target(0));
    if exit.is_end() && offset < 256 * STUB_SIZE && offset.is_multiple_of(STUB_SIZE) {
        DELIVERED + offset / STUB_SIZE
    } else {
        exit.reason.into()
    }
}

/// Writes a gate with these bits 47:40 and this selector.
pub(super) fn set_with_selector(vector: u8, kind: u64, selector: u16) {
    let target = target(vector);
    let low = target & 0xffff | u64::from(selector) << 16 | kind << 40 | (target >> 16 & 0xffff) << 48;
    let at = paging::frame(IDT) + u64::from(vector) * 16;
    mmio::write_u64(at, low);
    mmio::write_u64(at + 8, target >> 32);
}

/// Writes a gate with these bits 47:40.
pub(super) fn set(vector: u8, kind: u64) {
    set_with_selector(vector, kind, selector::KERNEL_CODE);
}

/// Writes the gates of all vectors: once a case.
pub(super) fn fill() {
    for vector in 0..=255 {
        set(vector, INTERRUPT_GATE);
    }
}

/// Gives L2 the gates and takes exits of exceptions from it, until its reset.
pub(super) fn attach(guest: &mut Guest) {
    let _ = guest.set(field::GUEST_IDTR_BASE, paging::frame(IDT));
    let _ = guest.set(field::GUEST_IDTR_LIMIT, 4095);
    let _ = guest.set(field::EXCEPTION_BITMAP, 0);
}

/// A quadword of L2's stack, from RSP up.
pub(super) fn stack_word(guest: &Guest, index: u64) -> u64 {
    mmio::read_u64(guest.read(field::GUEST_RSP) + index * 8)
}
