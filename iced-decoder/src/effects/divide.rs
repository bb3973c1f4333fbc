//! Division: whether it raises #DE.

use super::operand_value;
use crate::machine::Input;
use iced_x86::{Instruction, Mnemonic, Register};

/// Whether DIV or IDIV raises #DE: the divisor is 0, or the quotient does not fit. Nothing if memory is not known.
///
/// Source: Intel SDM vol. 2A, "DIV—Unsigned Divide" and "IDIV—Signed Divide".
pub(crate) fn raises(instruction: &Instruction, input: &Input) -> Option<bool> {
    let divisor = operand_value(instruction, 0, input)?;
    let bytes = match instruction.memory_size().size() {
        0 => instruction.op0_register().size(),
        bytes => bytes,
    };
    let (high, low) = match bytes {
        1 => (Register::AH, Register::AL),
        2 => (Register::DX, Register::AX),
        4 => (Register::EDX, Register::EAX),
        _ => (Register::RDX, Register::RAX),
    };
    let bits = bytes as u32 * 8;
    let dividend = u128::from(input.registers.value(high)?) << bits | u128::from(input.registers.value(low)?);
    if divisor == 0 {
        return Some(true);
    }
    if instruction.mnemonic() == Mnemonic::Div {
        return Some((dividend / u128::from(divisor)) >> bits != 0);
    }
    let dividend = sign_extended(dividend, 2 * bits);
    let divisor = sign_extended(u128::from(divisor), bits);
    // Only the least 128-bit value by -1 has no quotient at all.
    Some(dividend.checked_div(divisor).is_none_or(|quotient| {
        let limit = 1_i128 << (bits - 1);
        quotient < -limit || quotient >= limit
    }))
}

fn sign_extended(value: u128, bits: u32) -> i128 {
    (value << (128 - bits)) as i128 >> (128 - bits)
}

#[cfg(test)]
mod tests {
    use crate::predict::{
        Due,
        test_support::{assemble, predicted},
    };
    use iced_x86::{IcedError, code_asm::*};

    fn raises(build: impl FnOnce(&mut CodeAssembler) -> Result<(), IcedError>, [high, low, divisor]: [u64; 3]) -> bool {
        let prediction = predicted(&assemble(build), |input| {
            (input.registers.general[2], input.registers.general[0]) = (high, low);
            input.memory = divisor.to_le_bytes().into_iter().zip(0..).map(|(byte, offset)| (offset, byte)).collect();
        });
        match prediction.due {
            Due::Completes => false,
            Due::Raises { exception, .. } if exception.vector == 0 => true,
            due => panic!("{due:?}"),
        }
    }

    #[test]
    fn quotients_must_fit() {
        assert!(raises(|a| a.div(dword_ptr(rbx)), [0, 5, 0]));
        assert!(!raises(|a| a.div(dword_ptr(rbx)), [1, 5, 2]));
        assert!(raises(|a| a.div(dword_ptr(rbx)), [2, 5, 2]));
        assert!(raises(|a| a.div(byte_ptr(rbx)), [0, 0x200, 2]));
        assert!(!raises(|a| a.div(byte_ptr(rbx)), [0, 0x1ff, 2]));
        assert!(raises(|a| a.div(qword_ptr(rbx)), [u64::MAX, 0, u64::MAX]));
    }

    #[test]
    fn signed_quotients_must_fit() {
        assert!(!raises(|a| a.idiv(dword_ptr(rbx)), [0xffff_ffff, 0x8000_0000, 1]));
        assert!(raises(|a| a.idiv(dword_ptr(rbx)), [0xffff_ffff, 0x8000_0000, 0xffff_ffff]));
        assert!(raises(|a| a.idiv(qword_ptr(rbx)), [1 << 63, 0, u64::MAX]));
        assert!(!raises(|a| a.idiv(qword_ptr(rbx)), [u64::MAX, u64::MAX, 5]));
        assert!(!raises(|a| a.idiv(byte_ptr(rbx)), [0, 0xff80, 1]));
        assert!(raises(|a| a.idiv(byte_ptr(rbx)), [0, 0xff7f, 1]));
    }
}
