//! Bit scans.

use super::{Effects, operand_value};
use crate::machine::Input;
use iced_x86::Instruction;

/// The destination is undefined for a source of 0 (Intel SDM vol. 2A, "BSF—Bit Scan Forward"; AMD processors, and newer
/// ones of Intel, leave it as it was).
pub(super) fn scan(instruction: &Instruction, input: &Input, effects: &mut Effects) {
    if operand_value(instruction, 1, input).is_none_or(|source| source == 0) {
        effects.general_undefined |= effects.general;
    }
}

#[cfg(test)]
mod tests {
    use crate::predict::test_support::{assemble, effects_with};
    use iced_x86::code_asm::*;

    #[test]
    fn destination_is_undefined_only_for_a_source_of_zero() {
        let code = assemble(|a| a.bsf(edx, dword_ptr(rbx)));
        let zero = effects_with(&code, |input| input.memory = (0..4).map(|offset| (offset, 0)).collect());
        assert_eq!((zero.general, zero.general_undefined), (4, 4));
        let one = effects_with(&code, |input| input.memory = vec![(0, 1)]);
        assert_eq!((one.general, one.general_undefined), (4, 0));
    }
}
