//! Whether an instruction raises a SIMD floating-point exception (#XM) with these operands.

mod element;
mod exception;
mod number;
mod possible;

use crate::{effects::linear_address, machine::Input, predict::content};
use exception::Raised;
use iced_x86::{Instruction, OpKind, Register, RoundingControl};
use number::Number;
use possible::{Addend, Format, Kind, Operation, Order};

/// MXCSR: denormals are zeros.
const DENORMALS_ARE_ZEROS: u32 = 1 << 6;
/// MXCSR: the first of the six masks.
const FIRST_MASK: u32 = 7;
/// The six exceptions.
const EXCEPTIONS: u32 = 0x3f;
/// Bit of an immediate of ROUND and VRNDSCALE by which inexact results are no exception.
const SUPPRESSES_PRECISION: u64 = 1 << 3;

/// Whether #XM is raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Raises {
    /// No.
    Never,
    /// Yes.
    Certainly,
    /// That depends on results which are not computed, or on memory that is not known.
    Perhaps,
}

/// Whether status flags in MXCSR may be set, or an exception raised by them.
pub(crate) fn may_raise(instruction: &Instruction) -> bool {
    possible(instruction) != 0
}

fn possible(instruction: &Instruction) -> u8 {
    let Some(kind) = kind(instruction) else { return 0 };
    // Integers of 32 bits are exact in double precision.
    let is_exact = matches!(kind.operation, Operation::Convert { from: Format::Integer, to: Format::Double })
        && kind.is_scalar
        && source_size(instruction) == Some(4);
    if is_exact { 0 } else { kind.exceptions }
}

fn kind(instruction: &Instruction) -> Option<Kind> {
    let kind = possible::kind(instruction.mnemonic())?;
    let is_suppressed =
        instruction.suppress_all_exceptions() || instruction.rounding_control() != RoundingControl::None;
    (!is_suppressed && !instruction.is_string_instruction()).then_some(kind)
}

/// Size of the last operand of a scalar conversion in bytes.
fn source_size(instruction: &Instruction) -> Option<usize> {
    let last = instruction.op_count().checked_sub(1)?;
    Some(match instruction.op_kind(last) {
        OpKind::Register => instruction.op_register(last).size(),
        _ => instruction.memory_size().size(),
    })
}

/// Whether an instruction raises #XM, its operands being accessible.
pub(super) fn raises(instruction: &Instruction, input: &Input, mxcsr: u32) -> Raises {
    let unmasked = (!(mxcsr >> FIRST_MASK) & EXCEPTIONS) as u8;
    if unmasked & possible(instruction) == 0 {
        return Raises::Never;
    }
    let Some(kind) = kind(instruction) else { return Raises::Never };
    let unknown = Raised::possible(kind.exceptions);
    let Some(nr_elements) = nr_elements(instruction, kind) else { return Raises::Perhaps };
    let mask = mask(instruction, input);
    let elements = (0..nr_elements).filter(|index| mask >> index & 1 != 0);
    let raised = elements
        .map(|index| element(instruction, input, kind, index, mxcsr).unwrap_or(unknown))
        .fold(Raised::NONE, Raised::and);
    // Some operations that share their rules have fewer exceptions.
    let (certain, possible) = (raised.certain & kind.exceptions, raised.possible & kind.exceptions);
    if certain & unmasked != 0 {
        Raises::Certainly
    } else if possible & unmasked != 0 {
        Raises::Perhaps
    } else {
        Raises::Never
    }
}

/// What one element raises; nothing if its operands are not known.
fn element(instruction: &Instruction, input: &Input, kind: Kind, index: u64, mxcsr: u32) -> Option<Raised> {
    let size = kind.format.size_bytes()?;
    let last = (0..instruction.op_count()).rfind(|&operand| is_vector(instruction, operand))?;
    // Half precision knows no such mode.
    let has_daz = mxcsr & DENORMALS_ARE_ZEROS != 0 && kind.format != Format::Half;
    let number = |operand: u32| {
        let number = Number::new(value(instruction, input, operand, index * size, size)?, kind.format);
        Some(if has_daz { number.with_denormals_as_zeros() } else { number })
    };
    let two = |operation| {
        // The operand before the last one: the first source, which legacy forms overwrite.
        let first = last.checked_sub(1)?;
        Some(element::binary(operation, kind.format, number(first)?, number(last)?))
    };
    match kind.operation {
        Operation::Subtract => {
            let first = last.checked_sub(1)?;
            Some(element::binary(Operation::Add, kind.format, number(first)?, number(last)?.negated()))
        }
        Operation::AddSubtract => {
            let (first, second) = (number(last.checked_sub(1)?)?, number(last)?);
            let second = if index.is_multiple_of(2) { second.negated() } else { second };
            Some(element::binary(Operation::Add, kind.format, first, second))
        }
        Operation::Compare => {
            two(if is_signaling(instruction) { Operation::CompareSignaling } else { Operation::CompareQuiet })
        }
        Operation::SquareRoot => Some(element::square_root(kind.format, number(last)?)),
        Operation::Round => {
            let suppresses = immediate(instruction)? & SUPPRESSES_PRECISION != 0;
            // VRNDSCALE keeps some bits of the fraction.
            let is_scaled = immediate(instruction)? >> 4 != 0;
            let raised = element::round(number(last)?, suppresses);
            Some(if is_scaled && raised.certain & exception::PRECISION != 0 {
                Raised::possible(exception::PRECISION)
            } else {
                raised
            })
        }
        Operation::Fused { order, negates_product, addend } => {
            let destination = last.checked_sub(2)?;
            let [one, two, three] = [number(destination)?, number(destination + 1)?, number(last)?];
            let (factors, third) = match order {
                Order::F132 => ([one, three], two),
                Order::F213 => ([two, one], three),
                Order::F231 => ([two, three], one),
            };
            let is_subtracted = match addend {
                Addend::Added => false,
                Addend::Subtracted => true,
                Addend::EvenSubtracted => index.is_multiple_of(2),
                Addend::OddSubtracted => !index.is_multiple_of(2),
            };
            let factors = if negates_product { [factors[0].negated(), factors[1]] } else { factors };
            let third = if is_subtracted { third.negated() } else { third };
            Some(element::fused(kind.format, factors, third))
        }
        Operation::Convert { to: Format::Integer, .. } => Some(element::to_integer(number(last)?)),
        Operation::Convert { from: Format::Integer, .. } | Operation::Other => None,
        Operation::Convert { from, to } => Some(element::convert(from, to, number(conversion_source(instruction)?)?)),
        operation => two(operation),
    }
}

/// The source of a conversion between vectors: VCVTPS2PH stores, so that its source is not the last operand.
fn conversion_source(instruction: &Instruction) -> Option<u32> {
    let is_store = instruction.op0_kind() == OpKind::Memory;
    if is_store { Some(1) } else { (0..instruction.op_count()).rfind(|&operand| is_vector(instruction, operand)) }
}

fn is_vector(instruction: &Instruction, operand: u32) -> bool {
    match instruction.op_kind(operand) {
        OpKind::Register => {
            instruction.op_register(operand).is_vector_register() || instruction.op_register(operand).is_mm()
        }
        kind => kind == OpKind::Memory,
    }
}

/// Whether a comparison by an immediate is one for which a quiet NaN is invalid (Intel SDM vol. 2A, "CMPPD", table
/// "Comparison Predicate for VCMPPD and VCMPPS Instructions").
fn is_signaling(instruction: &Instruction) -> bool {
    let predicate = immediate(instruction).unwrap_or_default();
    let has_order = matches!(predicate & 7, 1 | 2 | 5 | 6);
    has_order != (predicate & 0x10 != 0 && instruction.code().encoding() != iced_x86::EncodingKind::Legacy)
}

fn immediate(instruction: &Instruction) -> Option<u64> {
    instruction.try_immediate(instruction.op_count().checked_sub(1)?).ok()
}

/// Number of elements that are operated on.
fn nr_elements(instruction: &Instruction, kind: Kind) -> Option<u64> {
    if kind.is_scalar {
        return Some(1);
    }
    let size = kind.format.size_bytes().unwrap_or(1);
    let widest = match kind.operation {
        Operation::Convert { to, .. } => size.max(to.size_bytes().unwrap_or(size)),
        _ => size,
    };
    let memory = instruction.op_code().memory_size().size() as u64;
    let registers = (0..instruction.op_count()).map(|operand| instruction.op_register(operand));
    let vectors = registers.filter(|register| register.is_vector_register());
    let length = vectors.map(|register| register.size() as u64).max().unwrap_or(0).max(memory);
    let is_load = (1..instruction.op_count()).any(|operand| instruction.op_kind(operand) == OpKind::Memory);
    let in_memory = if is_load { memory / size } else { u64::MAX };
    // A conversion to integers may widen, of which the operand in memory tells.
    Some((length / widest).min(in_memory))
}

/// Which elements are operated on: all, or those of an opmask.
fn mask(instruction: &Instruction, input: &Input) -> u64 {
    let register = instruction.op_mask();
    if register == Register::None {
        return u64::MAX;
    }
    input.extended.as_ref().map_or(0, |extended| extended.opmask(register.number()))
}

/// `size` bytes of a vector operand from `offset` on; nothing if memory is not known.
fn value(instruction: &Instruction, input: &Input, operand: u32, offset: u64, size: u64) -> Option<u64> {
    if instruction.op_kind(operand) == OpKind::Memory {
        let address = linear_address(instruction, operand, &input.registers)?;
        let offset = if instruction.is_broadcast() { 0 } else { offset };
        return content::read(input, address.wrapping_add(offset), size as u32);
    }
    let register = instruction.op_register(operand);
    let extended = input.extended.as_ref().filter(|_| register.is_vector_register())?;
    let vector = extended.vector(register.number());
    let bytes = vector.get(offset as usize..(offset + size) as usize)?;
    Some(bytes.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte)))
}
