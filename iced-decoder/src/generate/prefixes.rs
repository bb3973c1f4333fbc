//! Prefixes that change nothing, and encodings that mean the same.

use super::{decode, draft::Draft, recipe::Memory};
use iced_x86::{Encoder, EncodingKind, Instruction};

/// Prefixes that a processor ignores in front of most instructions: segment overrides (but for FS and GS in 64-bit
/// mode), and REPNE and REP, which may also be a part of the opcode.
const CANDIDATES: [u8; 8] = [0x26, 0x2e, 0x36, 0x3e, 0x66, 0xf2, 0xf3, 0x67];

/// Lets the encoder use an encoding that is not the usual one: three bytes of VEX where two would do, other values of
/// ignored bits.
pub(super) fn choose_encoding(draft: &mut Draft<'_>, encoder: &mut Encoder) {
    let encoding = draft.recipe.code.encoding();
    if encoding == EncodingKind::Legacy || !draft.random.once_in(4) {
        return;
    }
    let choice = draft.random.bits() as u32;
    encoder.set_prevent_vex2(choice & 1 != 0);
    encoder.set_vex_wig(choice >> 1 & 1);
    encoder.set_vex_lig(choice >> 2 & 1);
    encoder.set_evex_wig(choice >> 3 & 1);
    encoder.set_evex_lig(choice >> 4 & 2);
}

/// How many prefixes that change nothing stand before an instruction.
pub(super) fn nr_redundant(draft: &mut Draft<'_>) -> usize {
    if draft.random.once_in(8) { 1 + draft.random.below(3) as usize } else { 0 }
}

/// Puts `nr` prefixes before `code`, which was encoded for an address that many bytes higher; nothing if they change
/// what is decoded.
pub(super) fn prepend(draft: &mut Draft<'_>, code: &[u8], nr: usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(code.len() + nr);
    for _ in 0..nr {
        bytes.push(draft.random.one_of(&CANDIDATES));
    }
    bytes.extend_from_slice(code);
    let rip = draft.registers.rip;
    let without = decode(draft.bitness, code, rip + nr as u64);
    let with = decode(draft.bitness, &bytes, rip);
    is_same(draft, &without, &with).then_some(bytes)
}

/// Whether two instructions name the same operands and do the same, whatever their lengths are.
fn is_same(draft: &Draft<'_>, one: &Instruction, other: &Instruction) -> bool {
    let is_string = draft.recipe.memory == Memory::String;
    // A REP that is ignored stands in the flags, too; before a string it is not ignored.
    let flags = |instruction: &Instruction| {
        (is_string && instruction.has_rep_prefix(), is_string && instruction.has_repne_prefix())
    };
    let segment = |instruction: &Instruction| draft.registers.value(instruction.memory_segment());
    let memory = |instruction: &Instruction| {
        (
            instruction.memory_base(),
            instruction.memory_index(),
            instruction.memory_index_scale(),
            instruction.memory_displacement64(),
            instruction.memory_displ_size(),
        )
    };
    one.code() == other.code()
        && (0..one.op_count()).all(|operand| one.op_kind(operand) == other.op_kind(operand))
        && (0..one.op_count()).all(|operand| one.op_register(operand) == other.op_register(operand))
        && flags(one) == flags(other)
        && segment(one) == segment(other)
        && memory(one) == memory(other)
        // XACQUIRE and XRELEASE are more than a prefix that is ignored.
        && !other.has_xacquire_prefix()
        && !other.has_xrelease_prefix()
}
