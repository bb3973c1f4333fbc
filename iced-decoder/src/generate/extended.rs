//! x87, SSE, AVX and AVX-512 state before the execution.

use super::{
    draft::Draft,
    values::{self, Elements, put},
};
use crate::machine::{Extended, area};
use crate::random::Random;

/// Status word: C0 to C3 and the top of the stack.
const CONDITIONS_AND_TOP: u16 = 0x7f00;
/// Control and status word: the six exceptions.
const EXCEPTIONS: u16 = 0x3f;
/// Control and status word: invalid operation.
const INVALID: u16 = 1;
/// Status word: a register was used that is empty, or not.
const STACK_FAULT: u16 = 1 << 6;
/// Status word: B and ES, which tell of an exception that is not masked.
const SUMMARY: u16 = 1 << 15 | 1 << 7;

/// Offset of the status word.
const STATUS_WORD: usize = 2;
/// Offset of the abridged tag word: one bit a register, set for those that are not empty.
const TAG_WORD: usize = 4;
/// Offset of MXCSR.
const MXCSR: usize = 24;
/// Offset of the first x87 register.
const STACK: usize = 32;

/// A state for the draft's form; nothing if it uses none.
pub(super) fn choose(draft: &mut Draft<'_>, allowed: u64) -> Option<Box<Extended>> {
    let mut components = draft.recipe.components & allowed;
    if components == 0 {
        return None;
    }
    // Upper halves, which SSE instructions must leave alone.
    if components == 0b11 && draft.random.once_in(4) {
        components |= 0b100 & allowed;
    }
    let mut extended = Box::new(Extended::initial(area::size_bytes(components)));
    let bytes = extended.bytes_mut();
    let random = &mut draft.random;
    if draft.recipe.uses_x87 {
        x87(random, bytes);
    }
    bytes[MXCSR..MXCSR + 4].copy_from_slice(&mxcsr(random).to_le_bytes());
    let vectors = [area::SSE, area::AVX, area::OPMASK, area::ZMM_HI256, area::HI16_ZMM];
    for component in vectors.into_iter().filter(|component| components >> component.bit & 1 != 0) {
        let part = &mut bytes[component.offset..component.offset + component.size_bytes];
        if component == area::OPMASK {
            part.chunks_mut(8).for_each(|opmask| put(opmask, values::integer(random)));
        } else {
            // Registers differ in kind, so that an operation sees two of a kind and two of different ones.
            part.chunks_mut(64).for_each(|registers| Elements::any(random).fill(random, registers));
        }
    }
    extended.set_components(components);
    super::indices::fill(draft, &mut extended);
    Some(extended)
}

/// MXCSR with any rounding and flags; exceptions are masked but in one of sixteen.
///
/// Source: Intel SDM vol. 1, "MXCSR Control and Status Register".
pub(super) fn mxcsr(random: &mut Random) -> u32 {
    let masks = if random.once_in(16) { random.bits() as u32 & 0x1f80 } else { 0x1f80 };
    let flags = if random.once_in(2) { random.bits() as u32 & 0x3f } else { 0 };
    // Rounding, flush to zero, denormals are zeros.
    let control = if random.once_in(2) { random.bits() as u32 & 0xe040 } else { 0 };
    masks | flags | control
}

/// An x87 control word; exceptions are masked but in one of sixteen. Bit 6 is always set.
///
/// Source: Intel SDM vol. 1, "x87 FPU Control Word".
pub(super) fn control_word(random: &mut Random) -> u16 {
    let masks = if random.once_in(16) { random.bits() as u16 & 0x3f } else { 0x3f };
    let control = if random.once_in(2) { random.bits() as u16 & 0x0f00 } else { 0x0300 };
    masks | control | 0x40
}

/// A control word and a status word: top of stack, condition codes, and exceptions that have happened before. In one of
/// sixteen an exception is pending: one that is not masked has happened, so that ES and B are set, too.
///
/// Source: Intel SDM vol. 1, "x87 FPU Status Register".
pub(super) fn x87_words(random: &mut Random) -> (u16, u16) {
    let mut control = control_word(random);
    let mut status = if random.once_in(2) { random.bits() as u16 & CONDITIONS_AND_TOP } else { 0 };
    if random.once_in(4) {
        status |= random.bits() as u16 & EXCEPTIONS & control;
    }
    if random.once_in(16) {
        let pending = 1 << random.below(6);
        control &= !pending;
        status |= pending | SUMMARY;
        if pending == INVALID && random.once_in(2) {
            status |= STACK_FAULT;
        }
    }
    (control, status)
}

fn x87(random: &mut Random, bytes: &mut [u8]) {
    let (control, status) = x87_words(random);
    let tags = match random.below(4) {
        0 => 0xff,
        1 => 0,
        _ => random.bits() as u8,
    };
    bytes[..2].copy_from_slice(&control.to_le_bytes());
    bytes[STATUS_WORD..STATUS_WORD + 2].copy_from_slice(&status.to_le_bytes());
    bytes[TAG_WORD] = tags;
    for register in bytes[STACK..area::X87.size_bytes].chunks_mut(16) {
        let (exponent, significand) = values::extended_float(random);
        put(&mut register[..8], significand);
        put(&mut register[8..10], exponent.into());
    }
}
