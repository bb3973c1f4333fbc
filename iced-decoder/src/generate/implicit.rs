//! Points registers that an instruction does not name to its memory: strings, tables, the stack.

use super::{
    addressing,
    draft::{Draft, mask},
    place::{self, Wish},
    recipe::{Implicit, Memory},
};
use crate::{
    machine::window::{PAGE, STACK},
    registers::Bitness,
};
use iced_x86::{OpCodeOperandKind as Kind, OpKind, Register};

const RAX: usize = 0;
const RCX: usize = 1;
const RBX: usize = 3;
const RSP: usize = 4;
const RSI: usize = 6;
const RDI: usize = 7;

/// Direction flag.
const DF: u64 = 1 << 10;

/// The longest repetition: enough to see that it goes on, and short on a device.
const MAX_REPETITIONS: u64 = 16;

/// Gives RSP a place in the stack window; for good if the instruction uses the stack.
pub(super) fn stack_pointer(draft: &mut Draft<'_>) {
    let in_window = STACK + PAGE / 2 + 8 * draft.random.below(PAGE / 8);
    if draft.recipe.uses_stack {
        draft.fix(RSP, in_window);
    } else if !draft.random.once_in(4) {
        draft.registers.general[RSP] = in_window;
    }
}

/// Decides about REP and REPNE, and returns how many elements are accessed at most.
pub(super) fn repetitions(draft: &mut Draft<'_>) -> u64 {
    let info = draft.recipe.code.op_code();
    let can_repeat = info.can_use_rep_prefix() || info.can_use_repne_prefix();
    if draft.recipe.memory != Memory::String || !can_repeat || draft.random.once_in(3) {
        return 1;
    }
    if info.can_use_repne_prefix() && (!info.can_use_rep_prefix() || draft.random.once_in(2)) {
        draft.instruction.set_has_repne_prefix(true);
    } else {
        draft.instruction.set_has_rep_prefix(true);
    }
    match draft.random.below(8) {
        0 => 0,
        1 => 1,
        2 => 2,
        3 => MAX_REPETITIONS,
        _ => draft.random.below(MAX_REPETITIONS + 1),
    }
}

/// Points RSI, RDI or both to memory, and sets the count.
pub(super) fn string(draft: &mut Draft<'_>, repetitions: u64) {
    let bits = match draft.bitness {
        Bitness::Bits64 if !draft.random.once_in(8) => 64,
        _ => 32,
    };
    let is_repeated = draft.instruction.has_rep_prefix() || draft.instruction.has_repne_prefix();
    if is_repeated {
        draft.fix_address(RCX, bits, repetitions);
    }
    let is_maskmov = draft.recipe.operands.contains(&Kind::seg_rDI);
    let goes_down = draft.registers.rflags & DF != 0 && !is_maskmov;
    let last = repetitions.saturating_sub(1) * draft.recipe.size;
    let start = |address: u64| if goes_down { address + last } else { address };
    let first = draft.place.address();
    let mut nr = 0;
    for number in 0..draft.recipe.operands.len() {
        let kind = draft.recipe.operands[number];
        let (register, op_kind) = match (kind, bits) {
            (Kind::seg_rSI, 64) => (RSI, OpKind::MemorySegRSI),
            (Kind::seg_rSI, _) => (RSI, OpKind::MemorySegESI),
            (Kind::es_rDI, 64) => (RDI, OpKind::MemoryESRDI),
            (Kind::es_rDI, _) => (RDI, OpKind::MemoryESEDI),
            (Kind::seg_rDI, 64) => (RDI, OpKind::MemorySegRDI),
            (Kind::seg_rDI, _) => (RDI, OpKind::MemorySegEDI),
            _ => continue,
        };
        draft.instruction.set_op_kind(number as u32, op_kind);
        let address = if nr == 0 { first } else { second(draft) };
        nr += 1;
        let base = if kind == Kind::es_rDI { 0 } else { addressing::segment(draft, bits == 32, false) };
        draft.fix_address(register, bits, start(address).wrapping_sub(base));
    }
}

/// A place for a second operand in the same window: beside the first one, overlapping it, or anywhere.
fn second(draft: &mut Draft<'_>) -> u64 {
    let size = draft.size;
    let offset = match draft.random.below(4) {
        0 => draft.place.offset + draft.random.below(size + 1),
        1 => draft.place.offset.saturating_sub(draft.random.below(size + 1)),
        2 => draft.place.offset ^ PAGE,
        _ => {
            let wish = Wish { size, alignment: draft.recipe.size.next_power_of_two().min(64), is_strict: false };
            place::choose(&mut draft.random, wish).offset
        }
    };
    draft.place.window.address() + offset.min(2 * PAGE - size)
}

/// Points RBX + AL to memory.
pub(super) fn table(draft: &mut Draft<'_>) {
    let bits = match draft.bitness {
        Bitness::Bits64 if !draft.random.once_in(8) => 64,
        _ => 32,
    };
    let base = addressing::segment(draft, bits == 32, false);
    let value = draft.place.address().wrapping_sub(base).wrapping_sub(draft.registers.general[RAX] & 0xff);
    draft.fix_address(RBX, bits, value & mask(bits));
    draft.instruction.set_memory_base(if bits == 64 { Register::RBX } else { Register::EBX });
    draft.instruction.set_memory_index(Register::AL);
}

/// Points whatever register the instruction uses to memory. The stack is in its own window in a quarter of all cases.
pub(super) fn other(draft: &mut Draft<'_>, implicit: Implicit) {
    if implicit.register == RSP && draft.random.once_in(4) {
        return;
    }
    let value = draft.place.address().wrapping_sub(implicit.first as u64);
    draft.fix(implicit.register, value);
}

/// Points a register that is an operand and an address at once (MOVDIR64B) to a second place.
pub(super) fn register_operand(draft: &mut Draft<'_>) {
    let Some(bits) = draft.recipe.address_bits else { return };
    let register = draft.instruction.op0_register();
    if !register.is_gpr() {
        return;
    }
    let wish = Wish { size: draft.recipe.size, alignment: 64, is_strict: true };
    let offset = place::choose(&mut draft.random, wish).offset;
    let address = draft.place.window.address() + offset;
    draft.fix_address(register.number(), bits, address);
}
