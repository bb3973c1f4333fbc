//! Shifts and rotates: what is undefined depends on their count.

use super::{AF, CF, Effects, OF, STATUS_FLAGS, operand_value};
use crate::machine::Input;
use iced_x86::{Instruction, Mnemonic};

/// The count as a processor masks it: 6 bits for 64-bit operands, otherwise 5. Nothing if it is not known.
///
/// Source: Intel SDM vol. 2B, "SAL/SAR/SHL/SHR—Shift" and "RCL/RCR/ROL/ROR—Rotate".
pub(crate) fn count(instruction: &Instruction, input: &Input) -> Option<u64> {
    let operand = instruction.op_count().checked_sub(1)?;
    let mask = if instruction.memory_size().size() == 8 || instruction.op0_register().size() == 8 { 63 } else { 31 };
    operand_value(instruction, operand, input).map(|count| count & mask)
}

/// Whether it is a shift or a rotate with a count that may be 0.
pub(crate) fn is_shift(mnemonic: Mnemonic) -> bool {
    use Mnemonic as M;
    matches!(mnemonic, M::Shl | M::Sal | M::Shr | M::Sar | M::Rol | M::Ror | M::Rcl | M::Rcr | M::Shld | M::Shrd)
}

fn operand_bits(instruction: &Instruction) -> u64 {
    let bytes = match instruction.memory_size().size() {
        0 => instruction.op0_register().size(),
        bytes => bytes,
    };
    bytes as u64 * 8
}

/// A count of 0 leaves all flags; OF is defined for a count of 1 only, AF never; CF is undefined for SHL and SHR by the size
/// of the operand or more (Intel SDM vol. 2B, "SAL/SAR/SHL/SHR—Shift", "Flags Affected").
pub(super) fn shift(instruction: &Instruction, input: &Input, effects: &mut Effects) {
    let count = count(instruction, input);
    effects.flags = if count == Some(0) { 0 } else { STATUS_FLAGS };
    effects.flags_undefined = match count {
        Some(0) => 0,
        Some(1) => AF,
        Some(count) if count >= operand_bits(instruction) && instruction.mnemonic() != Mnemonic::Sar => AF | OF | CF,
        Some(_) => AF | OF,
        None => STATUS_FLAGS,
    };
}

/// A count of 0 leaves all flags; OF is defined for a count of 1 only (Intel SDM vol. 2B, "RCL/RCR/ROL/ROR—Rotate", "Flags
/// Affected").
pub(super) fn rotate(instruction: &Instruction, input: &Input, effects: &mut Effects) {
    let count = count(instruction, input);
    effects.flags = if count == Some(0) { 0 } else { CF | OF };
    effects.flags_undefined = match count {
        Some(0 | 1) => 0,
        Some(_) => OF,
        None => CF | OF,
    };
}

/// A count of 0 leaves all flags; OF is defined for a count of 1 only, AF never; for a count above the size of the operand all
/// flags and the destination are undefined (Intel SDM vol. 2B, "SHLD—Double Precision Shift Left").
pub(super) fn double_shift(instruction: &Instruction, input: &Input, effects: &mut Effects) {
    let count = count(instruction, input);
    effects.flags = if count == Some(0) { 0 } else { STATUS_FLAGS };
    let is_beyond = count.is_none_or(|count| count > operand_bits(instruction));
    effects.flags_undefined = match count {
        Some(0) => 0,
        Some(1) => AF,
        Some(_) if !is_beyond => AF | OF,
        _ => STATUS_FLAGS,
    };
    if is_beyond {
        effects.general_undefined |= effects.general;
        effects.memory_undefined = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::predict::test_support::{assemble, effects_with};
    use iced_x86::{IcedError, code_asm::*};

    fn undefined(build: impl FnOnce(&mut CodeAssembler) -> Result<(), IcedError>, counter: u64) -> u64 {
        effects_with(&assemble(build), |input| input.registers.general[1] = counter).flags_undefined
    }

    #[test]
    fn shifts_leave_flags_undefined_by_their_count() {
        for (count, expected) in
            [(0, 0), (1, AF), (2, AF | OF), (15, AF | OF), (16, AF | OF | CF), (31, AF | OF | CF), (32, 0), (33, AF)]
        {
            assert_eq!(undefined(|a| a.shl(word_ptr(rbx), cl), count), expected, "{count}");
        }
        assert_eq!(undefined(|a| a.sar(byte_ptr(rbx), cl), 9), AF | OF);
        assert_eq!(undefined(|a| a.shr(qword_ptr(rbx), cl), 32), AF | OF);
        assert_eq!(undefined(|a| a.shr(qword_ptr(rbx), cl), 64), 0);
        assert_eq!(undefined(|a| a.shr(dword_ptr(rbx), 1), 9), AF);
        assert_eq!(undefined(|a| a.shr(dword_ptr(rbx), 0x20), 9), 0);
    }

    #[test]
    fn rotates_leave_only_of_undefined() {
        for (count, expected) in [(0, 0), (1, 0), (2, OF), (9, OF), (32, 0)] {
            assert_eq!(undefined(|a| a.rcl(byte_ptr(rbx), cl), count), expected, "{count}");
        }
        assert_eq!(undefined(|a| a.ror(dword_ptr(rbx), 3), 0), OF);
    }

    #[test]
    fn double_shifts_beyond_the_operand_leave_everything_undefined() {
        let effects =
            |count| effects_with(&assemble(|a| a.shld(word_ptr(rbx), ax, cl)), |i| i.registers.general[1] = count);
        assert_eq!((effects(16).flags_undefined, effects(16).memory_undefined), (AF | OF, false));
        assert_eq!((effects(17).flags_undefined, effects(17).memory_undefined), (STATUS_FLAGS, true));
        assert_eq!((effects(32).flags, effects(32).flags_undefined), (0, 0));
    }
}
