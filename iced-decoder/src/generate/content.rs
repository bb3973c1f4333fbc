//! What the memory operand holds before the execution.

use super::{
    draft::Draft,
    recipe::Memory,
    values::{Elements, put},
};
use iced_x86::{Code, Mnemonic};

/// At most this many bytes are given one by one.
const MAX_BYTES: usize = 64;

const RAX: usize = 0;
const RDX: usize = 2;

/// Puts values worth trying where the operand lies.
pub(super) fn choose(draft: &mut Draft<'_>) {
    let size = (draft.size as usize).min(MAX_BYTES);
    let mut bytes = [0_u8; MAX_BYTES];
    match draft.instruction.mnemonic() {
        Mnemonic::Cmpxchg | Mnemonic::Cmpxchg8b | Mnemonic::Cmpxchg16b if draft.random.once_in(2) => {
            // So that the comparison succeeds.
            let (low, high) = bytes.split_at_mut((size / if size > 4 && is_pair(draft) { 2 } else { 1 }).min(8));
            put(low, draft.registers.general[RAX]);
            put(high, draft.registers.general[RDX]);
        }
        Mnemonic::Ldmxcsr | Mnemonic::Vldmxcsr if !draft.random.once_in(8) => {
            put(&mut bytes[..4], super::extended::mxcsr(&mut draft.random).into());
        }
        Mnemonic::Fldcw if !draft.random.once_in(8) => {
            put(&mut bytes[..2], super::extended::control_word(&mut draft.random).into());
        }
        Mnemonic::Fldenv | Mnemonic::Frstor | Mnemonic::Fxrstor | Mnemonic::Fxrstor64 => return state_image(draft),
        _ if draft.recipe.memory == Memory::String && draft.random.once_in(2) => {
            // All elements are the same, so that REPE goes on; often that of the accumulator.
            let element = if draft.random.once_in(2) { draft.registers.general[RAX] } else { draft.random.bits() };
            bytes.chunks_mut((draft.recipe.size as usize).clamp(1, 8)).for_each(|chunk| put(chunk, element));
        }
        _ if draft.random.once_in(4) => return,
        _ => {
            let elements = if draft.random.once_in(4) { Elements::Bits } else { draft.recipe.elements };
            elements.fill(&mut draft.random, &mut bytes[..size]);
        }
    }
    write(draft, 0, &bytes[..size]);
}

fn is_pair(draft: &Draft<'_>) -> bool {
    matches!(draft.recipe.code, Code::Cmpxchg8b_m64 | Code::Cmpxchg16b_m128)
}

/// An image of x87 or SSE state, in which an exception may be pending; the rest of it is anything.
fn state_image(draft: &mut Draft<'_>) {
    let (control, status) = super::extended::x87_words(&mut draft.random);
    write(draft, 0, &control.to_le_bytes());
    let is_fxrstor = matches!(draft.instruction.mnemonic(), Mnemonic::Fxrstor | Mnemonic::Fxrstor64);
    let at = if is_fxrstor || draft.recipe.size <= 14 || draft.recipe.size == 94 { 2 } else { 4 };
    write(draft, at, &status.to_le_bytes());
    if is_fxrstor {
        let mxcsr = super::extended::mxcsr(&mut draft.random);
        write(draft, 24, &mxcsr.to_le_bytes());
    }
}

/// Writes bytes `at` the operand, as far as the window reaches.
fn write(draft: &mut Draft<'_>, at: u64, bytes: &[u8]) {
    let first = draft.place.offset + at;
    draft.memory.reserve(bytes.len());
    for (offset, &byte) in (first..crate::machine::window::SIZE as u64).zip(bytes) {
        draft.memory.push((offset as u16, byte));
    }
}
