//! x87 instructions.

use crate::form::is_x87;
use iced_x86::{Instruction, Mnemonic, RflagsBits};

/// Bits C0, C1, C2 and C3 of the status word.
const CONDITIONS: [(u32, u16); 4] =
    [(RflagsBits::C0, 1 << 8), (RflagsBits::C1, 1 << 9), (RflagsBits::C2, 1 << 10), (RflagsBits::C3, 1 << 14)];

/// Whether x87 state may change. Any use of an MMX register, a mere read among them, marks all x87 registers as valid
/// (Intel SDM vol. 1, "Effect of MMX Instructions on x87 FPU State").
pub(super) fn is_used(instruction: &Instruction) -> bool {
    is_x87(instruction.code())
        || (0..instruction.op_count()).any(|operand| instruction.op_register(operand).is_mm())
        || matches!(instruction.mnemonic(), Mnemonic::Fxrstor | Mnemonic::Fxrstor64)
}

/// Condition codes that are undefined afterwards, as iced-x86 takes them from the manuals.
pub(super) fn status_undefined(instruction: &Instruction) -> u16 {
    let undefined = instruction.rflags_undefined();
    CONDITIONS.iter().filter(|(from, _)| undefined & from != 0).fold(0, |mask, (_, to)| mask | to)
}

#[cfg(test)]
mod tests {
    use crate::predict::test_support::{assemble, predicted_effects};
    use iced_x86::code_asm::*;

    const C0: u16 = 1 << 8;
    const C1: u16 = 1 << 9;
    const C2: u16 = 1 << 10;
    const C3: u16 = 1 << 14;

    #[test]
    fn condition_codes_are_undefined_as_the_manual_says() {
        let effects = |code: &[u8]| predicted_effects(code);
        let add = effects(&assemble(|a| a.fadd(dword_ptr(rbx))));
        assert_eq!((add.x87, add.x87_status_undefined), (true, C0 | C2 | C3));
        assert_eq!(effects(&assemble(|a| a.fcom(dword_ptr(rbx)))).x87_status_undefined, 0);
        assert_eq!(effects(&assemble(|a| a.fldcw(word_ptr(rbx)))).x87_status_undefined, C0 | C1 | C2 | C3);
        assert_eq!(effects(&assemble(|a| a.mov(eax, dword_ptr(rbx)))).x87_status_undefined, 0);
    }
}
