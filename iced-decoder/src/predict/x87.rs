//! Exceptions of x87 instructions, which are raised by the next one that waits for them.

use crate::{form::is_x87, machine::Input};
use iced_x86::{Instruction, Mnemonic};

/// Control and status word: the six exceptions.
const EXCEPTIONS: u16 = 0x3f;
/// Control word after initialization.
const INITIAL_CONTROL_WORD: u16 = 0x37f;

/// Whether #MF is due before the instruction: an exception that is not masked has happened, and the instruction waits for it.
///
/// Source: Intel SDM vol. 1, "Software Exception Handling" of the x87 FPU and "Effect of MMX Instructions on Pending x87
/// Floating-Point Exceptions"; vol. 2 for those that do not wait.
pub(super) fn is_exception_pending(instruction: &Instruction, input: &Input) -> bool {
    let (control, status) = words(input);
    status & !control & EXCEPTIONS != 0 && waits(instruction)
}

/// Control instructions that look at no exception.
fn is_control(mnemonic: Mnemonic) -> bool {
    use Mnemonic as M;
    matches!(
        mnemonic,
        M::Fninit | M::Fnclex | M::Fnstcw | M::Fnstsw | M::Fnstenv | M::Fnsave | M::Fneni | M::Fndisi | M::Fnsetpm
    )
}

fn waits(instruction: &Instruction) -> bool {
    use Mnemonic as M;
    let is_mmx = (0..instruction.op_count()).any(|operand| instruction.op_register(operand).is_mm());
    let is_x87 = is_x87(instruction.code()) || matches!(instruction.mnemonic(), M::Wait | M::Emms);
    (is_x87 || is_mmx) && !is_control(instruction.mnemonic())
}

/// Whether an unmasked x87 exception would keep a result from being stored.
pub(super) fn may_suppress_stores(instruction: &Instruction, input: &Input) -> bool {
    let is_result = is_x87(instruction.code()) && !is_control(instruction.mnemonic());
    is_result && words(input).0 & EXCEPTIONS != EXCEPTIONS
}

/// Control and status word.
fn words(input: &Input) -> (u16, u16) {
    let area = input.extended.as_ref().filter(|extended| extended.components() & 1 != 0);
    let Some([control_low, control_high, status_low, status_high, ..]) = area.map(|area| area.bytes()) else {
        return (INITIAL_CONTROL_WORD, 0);
    };
    (u16::from_le_bytes([*control_low, *control_high]), u16::from_le_bytes([*status_low, *status_high]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::predict::test_support::{assemble, input};
    use iced_x86::{Decoder, code_asm::*};

    fn is_pending(code: &[u8], control: u16, status: u16) -> bool {
        let mut input = input(code);
        let mut extended = crate::machine::Extended::initial(0);
        extended.bytes_mut()[..2].copy_from_slice(&control.to_le_bytes());
        extended.bytes_mut()[2..4].copy_from_slice(&status.to_le_bytes());
        extended.set_components(1);
        input.extended = Some(Box::new(extended));
        is_exception_pending(&Decoder::new(64, code, 0).decode(), &input)
    }

    #[test]
    fn only_exceptions_that_are_not_masked_are_pending() {
        let load = assemble(|a| a.fld(dword_ptr(rbx)));
        assert!(is_pending(&load, 0x37e, 1) && !is_pending(&load, 0x37f, 0x3f) && !is_pending(&load, 0x37e, 2));
    }

    #[test]
    fn instructions_that_do_not_wait_go_on() {
        for (code, expected) in [
            (assemble(|a| a.fnstcw(word_ptr(rbx))), false),
            (assemble(|a| a.fnsave(ptr(rbx))), false),
            (assemble(|a| a.fxsave(ptr(rbx))), false),
            (assemble(|a| a.fldcw(word_ptr(rbx))), true),
            (assemble(|a| a.frstor(ptr(rbx))), true),
            (assemble(|a| a.paddb(mm1, qword_ptr(rbx))), true),
            (assemble(|a| a.movups(xmm1, xmmword_ptr(rbx))), false),
        ] {
            assert_eq!(is_pending(&code, 0x37e, 1), expected, "{code:02x?}");
        }
    }
}
