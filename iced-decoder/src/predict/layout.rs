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

#[cfg(test)]
mod tests {
    use crate::{
        machine::window::Window,
        predict::test_support::{assemble, predicted},
    };
    use iced_x86::code_asm::*;

    fn undefined(code: &[u8], change: impl FnOnce(&mut crate::machine::Input)) -> Vec<(u64, u64)> {
        let base = Window::Plain.address();
        let ranges = predicted(code, change).undefined_memory;
        ranges.into_iter().map(|range| (range.start.wrapping_sub(base), range.end.wrapping_sub(base))).collect()
    }

    #[test]
    fn pointers_and_reserved_fields_of_state_areas_are_undefined() {
        assert_eq!(undefined(&assemble(|a| a.fnstenv(ptr(rbx))), |_| {}), [(2, 4), (6, 8), (10, 28)]);
        let fxsave = undefined(&assemble(|a| a.fxsave(ptr(rbx))), |_| {});
        let is_undefined = |offset: u64| fxsave.iter().any(|&(start, end)| (start..end).contains(&offset));
        for (offset, expected) in
            [(0, false), (4, false), (5, true), (23, true), (24, false), (28, true), (41, false), (42, true)]
        {
            assert_eq!(is_undefined(offset), expected, "{offset}");
        }
        assert!(!is_undefined(415) && is_undefined(416) && is_undefined(463) && !is_undefined(464));
    }

    #[test]
    fn everyday_stores_are_defined() {
        assert_eq!(undefined(&assemble(|a| a.mov(dword_ptr(rbx), eax)), |_| {}), []);
        assert_eq!(undefined(&assemble(|a| a.shld(word_ptr(rbx), ax, 4)), |_| {}), []);
        assert_eq!(undefined(&assemble(|a| a.shld(word_ptr(rbx), ax, 20)), |_| {}), [(0, 2)]);
    }

    #[test]
    fn areas_that_cross_into_an_absent_page_may_be_stored_in_part() {
        let ranges = predicted(&assemble(|a| a.fnsave(ptr(rbx))), |input| {
            input.window = Window::EndsAbsent;
            input.registers.general[3] = input.window.address() + 0xff0;
        });
        assert_eq!(ranges.undefined_memory.len(), 1);
        assert_eq!(ranges.undefined_memory[0].end - ranges.undefined_memory[0].start, 108);
    }
}
