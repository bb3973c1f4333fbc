//! Memory as an input describes it, byte by byte, without filling the whole window.

use crate::{
    machine::{Input, window},
    random::{STEP, mix},
};

/// Size of a step of the sequence in bytes, see [`crate::machine::fill`].
const STEP_BYTES: u64 = 8;

/// The little-endian value of `size_bytes` (at most 8) bytes at a linear address, if all of them lie in the window of the
/// input. Only there the content is known.
pub(crate) fn read(input: &Input, address: u64, size_bytes: u32) -> Option<u64> {
    let offset = address.checked_sub(input.window.address())?;
    let end = offset.checked_add(u64::from(size_bytes))?;
    if size_bytes > 8 || end > window::SIZE as u64 {
        return None;
    }
    let mut value = 0;
    for index in (0..u64::from(size_bytes)).rev() {
        value = value << 8 | u64::from(byte(input, offset + index));
    }
    Some(value)
}

fn byte(input: &Input, offset: u64) -> u8 {
    // Later entries override earlier ones.
    let special = input.memory.iter().rev().find(|&&(place, _)| u64::from(place) == offset);
    special.map_or_else(
        || (word(input.memory_seed, offset / STEP_BYTES) >> (offset % STEP_BYTES * 8)) as u8,
        |&(_, value)| value,
    )
}

/// Word `index` of the SplitMix64 sequence: its state is a counter, so that any word can be had by itself.
fn word(seed: u64, index: u64) -> u64 {
    mix(seed.wrapping_add(STEP.wrapping_mul(index + 1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        machine::window::Window,
        registers::{Bitness, Registers},
    };

    #[test]
    fn values_are_those_of_the_filled_window() {
        let input = Input {
            bitness: Bitness::Bits64,
            code: vec![0x90],
            registers: Registers::default(),
            extended: None,
            window: Window::EndsMemory,
            memory_seed: 77,
            memory: vec![(9, 1), (9, 2), (8191, 3)],
        };
        let content = input.content();
        let base = input.window.address();
        for offset in [0, 3, 8, 9, 4093, 8184] {
            let expected = u64::from_le_bytes(content[offset..offset + 8].try_into().unwrap());
            assert_eq!(read(&input, base + offset as u64, 8), Some(expected), "{offset}");
        }
        assert_eq!(read(&input, base + 9, 1), Some(2));
        assert_eq!(read(&input, base + 8185, 8), None);
        assert_eq!(read(&input, base - 1, 2), None);
    }
}
