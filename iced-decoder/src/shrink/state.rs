//! Plainer registers, flags, memory and extended state.

use super::Shrinker;
use crate::machine::{Extended, area};

/// Only of so many words of extended state is each byte reset by itself.
const MAX_WORDS_BY_BYTE: usize = 32;
/// Only so many bytes of memory are reset bit by bit.
const MAX_BYTES_BY_BIT: usize = 16;

/// Simplifies all state.
pub(super) fn simplify(shrinker: &mut Shrinker<'_>) {
    registers(shrinker);
    let flags: Vec<u32> = (0..64).filter(|bit| shrinker.best.registers.rflags >> bit & 1 != 0).collect();
    shrinker.reset_most(&flags, |input, bits| bits.iter().for_each(|bit| input.registers.rflags &= !(1 << bit)));
    memory(shrinker);
    extended(shrinker);
}

fn registers(shrinker: &mut Shrinker<'_>) {
    let used: Vec<usize> = (0..16).filter(|&number| shrinker.best.registers.general[number] != 0).collect();
    shrinker.reset_most(&used, |input, numbers| numbers.iter().for_each(|&number| input.registers.general[number] = 0));
    for number in 0..16 {
        let value = shrinker.best.registers.general[number];
        if value == 0 {
            continue;
        }
        let smaller = [1, 2, value & 0xff, value & 0xffff, value & 0xffff_ffff, value >> 1, value.wrapping_sub(1)];
        let is_taken = smaller
            .into_iter()
            .filter(|smaller| *smaller < value)
            .any(|smaller| shrinker.offer_changed(|input| input.registers.general[number] = smaller));
        if !is_taken || value.count_ones() > 1 {
            let value = shrinker.best.registers.general[number];
            let bits: Vec<u32> = (0..64).rev().filter(|bit| value >> bit & 1 != 0).collect();
            shrinker.reset_most(&bits, |input, bits| {
                bits.iter().for_each(|bit| input.registers.general[number] &= !(1 << bit));
            });
        }
    }
    let used: Vec<usize> = (0..6).filter(|&number| shrinker.best.registers.segment_bases[number] != 0).collect();
    shrinker.reset_most(&used, |input, numbers| {
        numbers.iter().for_each(|&number| input.registers.segment_bases[number] = 0);
    });
}

fn memory(shrinker: &mut Shrinker<'_>) {
    shrinker.offer_changed(|input| {
        input.memory.clear();
        input.memory_seed = 0;
    });
    shrinker.offer_changed(|input| input.memory_seed = 0);
    shrinker.offer_changed(|input| input.memory_seed = 1);
    let offsets: Vec<u16> = shrinker.best.memory.iter().map(|&(offset, _)| offset).collect();
    shrinker.reset_most(&offsets, |input, offsets| input.memory.retain(|(offset, _)| !offsets.contains(offset)));
    if shrinker.best.memory.len() > MAX_BYTES_BY_BIT {
        return;
    }
    let bits: Vec<(usize, u32)> = (0..shrinker.best.memory.len())
        .flat_map(|at| (0..8).map(move |bit| (at, bit)))
        .filter(|&(at, bit)| shrinker.best.memory[at].1 >> bit & 1 != 0)
        .collect();
    shrinker.reset_most(&bits, |input, bits| bits.iter().for_each(|&(at, bit)| input.memory[at].1 &= !(1 << bit)));
}

fn extended(shrinker: &mut Shrinker<'_>) {
    let Some(before) = shrinker.best.extended.clone() else { return };
    shrinker.offer_changed(|input| {
        let initial = Extended::initial(before.bytes().len());
        input.extended = Some(Box::new(initial));
    });
    let components: Vec<u32> = (0..64).filter(|bit| before.components() >> bit & 1 != 0).collect();
    shrinker.reset_most(&components, |input, bits| {
        if let Some(extended) = &mut input.extended {
            bits.iter().for_each(|&bit| reset_component(extended, bit));
        }
    });
    // Words of eight bytes, then the bytes of the few that are left.
    let words = differing(shrinker, 8);
    shrinker.reset_most(&words, |input, words| words.iter().for_each(|&word| reset(input, word * 8, 8)));
    let bytes = differing(shrinker, 1);
    if bytes.len() > 8 * MAX_WORDS_BY_BYTE {
        return;
    }
    shrinker.reset_most(&bytes, |input, bytes| bytes.iter().for_each(|&byte| reset(input, byte, 1)));
}

/// How far a state is from the initial one.
pub(super) fn cost(extended: &Extended) -> u64 {
    let words = extended.bytes().chunks_exact(8).enumerate();
    let differing =
        words.map(|(number, word)| u64::from_le_bytes(word.try_into().unwrap_or_default()) ^ initial_word(number));
    let used: u64 = differing.filter(|word| *word != 0).map(|word| 8 + u64::from(word.count_ones())).sum();
    16 * u64::from(extended.components().count_ones()) + used
}

/// Word `number` of eight bytes of the initial state, whose only bytes that are not 0 are the x87 control word and MXCSR.
const fn initial_word(number: usize) -> u64 {
    match number {
        0 => 0x37f,
        3 => 0x1f80,
        _ => 0,
    }
}

fn initial_byte(offset: usize) -> u8 {
    initial_word(offset / 8).to_le_bytes()[offset % 8]
}

/// Chunks of `size` bytes that are not as in the initial state, without XSTATE_BV.
fn differing(shrinker: &Shrinker<'_>, size: usize) -> Vec<usize> {
    let Some(extended) = &shrinker.best.extended else { return Vec::new() };
    let mut chunks: Vec<usize> = (0..extended.bytes().len())
        .filter(|&offset| extended.bytes()[offset] != initial_byte(offset) && !(512..520).contains(&offset))
        .map(|offset| offset / size)
        .collect();
    chunks.dedup();
    chunks
}

fn reset(input: &mut crate::machine::Input, offset: usize, size: usize) {
    let Some(extended) = &mut input.extended else { return };
    let bytes = extended.bytes_mut().iter_mut().enumerate().skip(offset).take(size);
    bytes.for_each(|(offset, byte)| *byte = initial_byte(offset));
}

/// Takes a component out of XSTATE_BV, and its registers with it.
fn reset_component(extended: &mut Extended, bit: u32) {
    let initial = Extended::initial(extended.bytes().len());
    extended.set_components(extended.components() & !(1 << bit));
    for component in area::COMPONENTS.iter().filter(|component| component.bit == bit) {
        let end = (component.offset + component.size_bytes).min(initial.bytes().len());
        let start = component.offset.min(end);
        let part = &initial.bytes()[start..end];
        let mut wanted = part.to_vec();
        if bit == area::X87.bit {
            // MXCSR stands among the x87 registers but belongs to SSE.
            wanted[24..28].copy_from_slice(&extended.bytes()[24..28]);
        }
        extended.bytes_mut()[start..end].copy_from_slice(&wanted);
    }
}
