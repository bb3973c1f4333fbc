//! Points registers that an instruction does not name to its memory: tables, the stack.

use super::{
    addressing,
    draft::{Draft, mask},
    place::{self, Wish},
    recipe::Implicit,
};
use crate::machine::window::{PAGE, STACK};
use iced_x86::Register;

const RAX: usize = 0;
const RBX: usize = 3;
const RSP: usize = 4;

/// Gives RSP a place in the stack window; for good if the instruction uses the stack.
pub(super) fn stack_pointer(draft: &mut Draft<'_>) {
    let in_window = STACK + PAGE / 2 + 8 * draft.random.below(PAGE / 8);
    if draft.recipe.uses_stack {
        draft.fix(RSP, in_window);
    } else if !draft.random.once_in(4) {
        draft.registers.general[RSP] = in_window;
    }
}

/// Points RBX + AL to memory. The sum wraps as the size of the address says.
pub(super) fn table(draft: &mut Draft<'_>) {
    let bits = addressing::implied_bits(draft);
    let index = draft.registers.general[RAX] & 0xff;
    let offset = addressing::segment_for(draft, bits, draft.place.address());
    draft.fix_address(RBX, bits, offset.wrapping_sub(index) & mask(bits));
    draft.instruction.set_memory_base(match bits {
        64 => Register::RBX,
        32 => Register::EBX,
        _ => Register::BX,
    });
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
