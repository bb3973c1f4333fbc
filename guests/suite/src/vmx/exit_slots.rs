//! Many instructions in one piece of code, each in a slot of its own: a byte with the length, the instruction, and the VMCALL behind it.

use rt::{
    mmio,
    vmx::{Exit, Guest, field},
};

/// Code of L2.
pub(super) type Code = extern "C" fn(u64) -> u64;

/// Bytes of a slot; what the macros assemble repeats it.
const SIZE: u64 = 32;

/// An instruction that L2 may start at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    pub(super) rip: u64,
    pub(super) length: u64,
}

/// The slot of this number.
pub(super) fn slot(code: Code, number: usize) -> Slot {
    let at = (code as usize as u64).next_multiple_of(SIZE) + number as u64 * SIZE;
    Slot { rip: at + 1, length: mmio::read_u8(at).into() }
}

/// Slots, one for each text.
macro_rules! slots {
    ($before:literal, $after:literal; $($operand:literal),* $(,)?) => {
        concat!($(".balign 32\n.byte 4f - 3f\n3: ", $before, $operand, $after, "\n4: vmcall\n"),*)
    };
}
pub(super) use slots;

/// Slots, one for each of the 16 general registers, by the numbers of their encoding. In the texts `\r` is the register.
macro_rules! register_slots {
    (64; $instruction:literal) => {
        $crate::vmx::exit_slots::register_slots!("rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15"; $instruction)
    };
    (32; $instruction:literal) => {
        $crate::vmx::exit_slots::register_slots!("eax, ecx, edx, ebx, esp, ebp, esi, edi, r8d, r9d, r10d, r11d, r12d, r13d, r14d, r15d"; $instruction)
    };
    (16; $instruction:literal) => {
        $crate::vmx::exit_slots::register_slots!("ax, cx, dx, bx, sp, bp, si, di, r8w, r9w, r10w, r11w, r12w, r13w, r14w, r15w"; $instruction)
    };
    ($registers:literal; $instruction:literal) => {
        concat!(".irp r, ", $registers, "\n.balign 32\n.byte 4f - 3f\n3: ", $instruction, "\n4: vmcall\n.endr\n")
    };
}
pub(super) use register_slots;

/// An exit that nothing has, of an entry that was not made.
pub(super) const NOT_RUN: Exit = Exit {
    reason: u32::MAX,
    qualification: 0,
    rip: 0,
    length: 0,
    instruction: 0,
    interruption: 0,
    error_code: 0,
    vectoring: 0,
    vectoring_error_code: 0,
    linear_address: 0,
    physical_address: 0,
};

/// Runs L2 once.
pub(super) fn run(guest: &mut Guest) -> Exit {
    guest.run().unwrap_or(NOT_RUN)
}

/// Runs L2 from this slot.
pub(super) fn run_slot(guest: &mut Guest, slot: Slot) -> Exit {
    let _ = guest.set(field::GUEST_RIP, slot.rip);
    run(guest)
}
