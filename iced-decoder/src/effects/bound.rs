//! Bounds of arrays: whether BOUND raises #BR.

use super::linear_address;
use crate::{machine::Input, predict::content};
use iced_x86::Instruction;

/// Whether the index, a signed number, is below the first or above the second number in memory. Nothing if memory is not
/// known.
///
/// Source: Intel SDM vol. 2A, "BOUND—Check Array Index Against Bounds".
pub(crate) fn raises(instruction: &Instruction, input: &Input) -> Option<bool> {
    let register = instruction.op0_register();
    let bits = register.size() as u32 * 8;
    let signed = |value: u64| (value << (64 - bits)) as i64 >> (64 - bits);
    let address = linear_address(instruction, 1, &input.registers)?;
    let bytes = bits / 8;
    let lower = content::read(input, address & 0xffff_ffff, bytes)?;
    let upper = content::read(input, address.wrapping_add(bytes.into()) & 0xffff_ffff, bytes)?;
    let index = signed(input.registers.value(register)?);
    Some(index < signed(lower) || index > signed(upper))
}
