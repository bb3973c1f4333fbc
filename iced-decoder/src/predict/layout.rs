//! Which bytes that an instruction stores are undefined.

use super::{Due, operand::Operand};
use crate::effects::Effects;
use iced_x86::{CodeSize, Instruction, Mnemonic};
use std::ops::Range;

/// Stored pointers of the last x87 instruction and reserved fields; whole operands if nothing of them is defined.
///
/// Source: Intel SDM vol. 1, "x87 FPU State" figures of the protected-mode formats, and vol. 2A, "FXSAVE—Save x87 FPU, MMX
/// Technology, and SSE State"; AMD APM vol. 2, "Saving Media and x87 State": FOP, FIP and FDP are saved only if an
/// exception is pending.
pub(super) fn undefined(
    instruction: &Instruction,
    operands: &[Operand],
    effects: &Effects,
    due: &Due,
) -> Vec<Range<u64>> {
    let is_area =
        matches!(instruction.mnemonic(), Mnemonic::Fxsave | Mnemonic::Fxsave64 | Mnemonic::Fnsave | Mnemonic::Fnstenv);
    // State areas may be stored in part before a page fault is raised; nothing else is.
    let is_partial = match due {
        Due::Completes => false,
        Due::Raises { exception, .. } if exception.address.is_none() || !is_area => return Vec::new(),
        Due::Raises { .. } | Due::Open => is_area,
    };
    let mut ranges = Vec::new();
    for operand in operands.iter().filter(|operand| operand.is_written) {
        let mut add = |start: u64, end: u64| {
            ranges.push(operand.address.wrapping_add(start)..operand.address.wrapping_add(end));
        };
        match instruction.mnemonic() {
            _ if effects.memory_undefined || is_partial => add(0, u64::from(operand.size_bytes)),
            Mnemonic::Fxsave | Mnemonic::Fxsave64 => fxsave(instruction, &mut add),
            // 14 and 94 bytes: the 16-bit formats.
            Mnemonic::Fnsave | Mnemonic::Fnstenv if matches!(operand.size_bytes, 14 | 94) => add(6, 14),
            Mnemonic::Fnsave | Mnemonic::Fnstenv => {
                [(2, 4), (6, 8), (10, 28)].into_iter().for_each(|(start, end)| add(start, end));
            }
            _ => {}
        }
    }
    ranges
}

fn fxsave(instruction: &Instruction, add: &mut impl FnMut(u64, u64)) {
    // A reserved byte, FOP, FIP and FDP.
    add(5, 24);
    // MXCSR_MASK.
    add(28, 32);
    for register in 0..8 {
        // The ten bytes of a register are followed by six that are reserved.
        add(32 + register * 16 + 10, 48 + register * 16);
    }
    let end_of_vectors = if instruction.code_size() == CodeSize::Code64 { 416 } else { 288 };
    add(end_of_vectors, 464);
}
