//! Indices and masks of gathers and scatters, such that every element lies where the operand was placed.

use super::{addressing, draft::Draft, operands};
use crate::{machine::Extended, random::Random};
use iced_x86::{EncodingKind, Register};

/// Gathers and scatters access a stretch of this many bytes.
pub(super) const STRETCH: u64 = 256;

/// Indices of a gather or scatter, to be put into a vector register.
#[derive(Clone, Copy, Debug)]
pub(super) struct Indices {
    /// Number of the register.
    register: usize,
    /// Size of an index in bytes.
    index_bytes: usize,
    /// The index of the first byte of the stretch.
    first: i64,
    /// Indices are less than this above the first one.
    nr: u64,
    /// Where the mask is.
    mask: Mask,
}

/// What selects elements.
#[derive(Clone, Copy, Debug)]
enum Mask {
    /// An opmask register with this number.
    Opmask(usize),
    /// The signs in a vector register with this number.
    Signs(usize),
}

/// Chooses the register of indices and their scale, and points the base to where the indices count from.
pub(super) fn address(draft: &mut Draft<'_>, first: Register, index_bytes: usize) {
    let register = operands::vector_index(draft, first);
    let scale = 1 << draft.random.below(4);
    draft.instruction.set_memory_index(register);
    draft.instruction.set_memory_index_scale(scale as u32);
    let is_evex = draft.recipe.code.encoding() == EncodingKind::EVEX;
    let mask = if is_evex {
        Mask::Opmask(draft.instruction.op_mask().number())
    } else {
        Mask::Signs(draft.instruction.op2_register().number())
    };
    let nr = (STRETCH - draft.recipe.size) / scale + 1;
    let first = first_index(&mut draft.random, index_bytes);
    draft.indices = Some(Indices { register: register.number(), index_bytes, first, nr, mask });
    let target = draft.place.address().wrapping_sub((first as u64).wrapping_mul(scale));
    addressing::explicit(draft, target);
}

/// The index of the first byte: none, a small one, or one far from the base in either direction.
fn first_index(random: &mut Random, index_bytes: usize) -> i64 {
    // So that all indices above it fit in 32 bits.
    let far = i64::from(random.bits() as i32).min(i64::from(i32::MAX) - STRETCH as i64);
    match random.below(4) {
        0 => 0,
        1 => -(random.below(2 * STRETCH) as i64),
        2 if index_bytes == 8 => random.bits() as i64 >> 8,
        _ => far,
    }
}

/// Puts indices and mask into their registers.
pub(super) fn fill(draft: &mut Draft<'_>, extended: &mut Extended) {
    let Some(indices) = draft.indices else { return };
    let size = (draft.recipe.size as usize).max(1);
    let random = &mut draft.random;
    let pattern = random.below(8);
    let few = [random.below(indices.nr), random.below(indices.nr), random.below(indices.nr)];
    extended.change_vector(indices.register, |bytes| {
        for (lane, bytes) in bytes.chunks_exact_mut(indices.index_bytes).enumerate() {
            let distance = match pattern {
                // Side by side, all the same, a few places with duplicates, anywhere.
                0 => (lane as u64 * size as u64).min(indices.nr - 1),
                1 => few[0],
                2 | 3 => random.one_of(&few),
                _ => random.below(indices.nr),
            };
            let index = indices.first.wrapping_add_unsigned(distance);
            bytes.copy_from_slice(&index.to_le_bytes()[..indices.index_bytes]);
        }
    });
    let selected = selected(random);
    match indices.mask {
        Mask::Opmask(number) => extended.change_opmask(number, |_| selected),
        Mask::Signs(number) => {
            // Only the signs count.
            let has_other_bits = random.once_in(3);
            extended.change_vector(number, |bytes| {
                for (lane, bytes) in bytes.chunks_exact_mut(size).enumerate() {
                    let is_selected = selected >> (lane & 63) & 1 != 0;
                    bytes.fill(if is_selected { 0xff } else { 0 });
                    if has_other_bits {
                        bytes.iter_mut().for_each(|byte| *byte = random.bits() as u8);
                        let last = bytes.len() - 1;
                        bytes[last] = bytes[last] & 0x7f | u8::from(is_selected) << 7;
                    }
                }
            });
        }
    }
}

/// All elements, none, one of the lowest sixteen, or any.
fn selected(random: &mut Random) -> u64 {
    match random.below(8) {
        0 | 1 => u64::MAX,
        2 => 0,
        3 => 1 << random.below(16),
        _ => random.bits(),
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        Bitness, Due, Form, Predictor, Space,
        generate::{Generator, decode, predicted_forms},
        machine::{
            Input,
            window::{PAGE, SIZE, Window},
        },
    };
    use std::collections::BTreeSet;

    fn indexed(bitness: Bitness, nr: u64) -> impl Iterator<Item = (Form, Input)> {
        let is_indexed = |form: &Form| format!("{:?}", form.code).contains("_vm");
        let generator = Generator::new(1, predicted_forms(bitness).filter(is_indexed));
        assert_eq!(generator.nr_forms(), 64, "{:?}", generator.rejected());
        let all = (0..generator.nr_forms()).flat_map(move |form| (0..nr).map(move |number| (form, number)));
        all.map(move |(form, number)| (generator.forms().nth(form).unwrap(), generator.input(form, number)))
    }

    #[test]
    fn elements_lie_in_the_window() {
        for bitness in [Bitness::Bits64, Bitness::Bits32, Bitness::Bits16] {
            let (mut places, mut faults) = (BTreeSet::new(), 0);
            for (form, input) in indexed(bitness, 60) {
                let prediction = Predictor::default().predict(&input).unwrap_or_else(|error| panic!("{error} {input}"));
                faults += u32::from(matches!(prediction.due, Due::Raises { .. }));
                for predicted in prediction.accesses {
                    assert_eq!(predicted.access.space, Space::Memory);
                    let offset = predicted.access.address.wrapping_sub(input.window.address());
                    assert!(offset < SIZE as u64, "{form:?} {input}");
                    places.insert((input.window as u8, offset / PAGE));
                }
            }
            assert_eq!(places.len(), 2 * Window::ALL.len() - 1, "{places:?}");
            assert!(faults > 300, "{faults}");
        }
    }

    #[test]
    fn indices_are_of_every_sign_and_registers_rarely_the_same() {
        let mut negative = [0, 0];
        let (mut nr_invalid, mut nr) = (0, 0);
        for (_, input) in indexed(Bitness::Bits64, 60) {
            let instruction = decode(input.bitness, &input.code, input.registers.rip);
            let index = input.extended.as_ref().unwrap().vector(instruction.memory_index().number());
            let last = if instruction.is_vsib64() { 7 } else { 3 };
            negative[usize::from(index[last] >> 7)] += 1;
            let decoder = iced_x86::Decoder::with_ip(64, &input.code, input.registers.rip, 0).decode();
            nr_invalid += u32::from(decoder.is_invalid());
            nr += 1;
        }
        assert!(negative.iter().all(|&count| count > nr / 8), "{negative:?}");
        assert!((1..nr / 8).contains(&nr_invalid), "{nr_invalid} of {nr}");
    }
}
