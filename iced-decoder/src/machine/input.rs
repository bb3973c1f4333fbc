//! What goes into an execution.

use super::{Extended, window::Window};
use crate::{
    random::{STEP, mix},
    registers::{Bitness, Registers},
};

/// The privilege that an instruction is executed with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// CPL 3.
    #[default]
    User,
    /// CPL 0; not every executor can.
    Supervisor,
}

/// One instruction with all state that it may depend on.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// Mode of the code segment.
    pub bitness: Bitness,
    /// Its bytes, at most 15; they stand at `registers.rip`.
    pub code: Vec<u8>,
    /// General registers, RIP (within the first code page) and flags. Segment bases are 0 but for FS and GS, which
    /// executors set. Of the flags CF, PF, AF, ZF, SF, DF and OF count; the others are those of the executor.
    pub registers: Registers,
    /// x87, SSE, AVX and AVX-512 state; nothing for instructions that use none of it.
    pub extended: Option<Box<Extended>>,
    /// The window that its memory operand lies in.
    pub window: Window,
    /// Content of both pages of that window as seed of a pseudo-random sequence, see [`fill`].
    pub memory_seed: u64,
    /// Bytes of the window that differ from that sequence: offset and value.
    pub memory: Vec<(u16, u8)>,
}

/// Fills `bytes` with the sequence that belongs to a seed (SplitMix64, eight bytes a step, little-endian).
pub fn fill(seed: u64, bytes: &mut [u8]) {
    let mut state = seed;
    // Whole words first: this is a good part of what an execution costs.
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for word in words {
        *word = next(&mut state);
    }
    let length = rest.len();
    rest.copy_from_slice(&next(&mut state)[..length]);
}

fn next(state: &mut u64) -> [u8; 8] {
    *state = state.wrapping_add(STEP);
    mix(*state).to_le_bytes()
}

impl Input {
    /// Content of the window before the execution: two pages, those that are not mapped among them.
    pub fn content(&self) -> Vec<u8> {
        let mut bytes = vec![0; super::window::SIZE];
        self.fill_content(&mut bytes);
        bytes
    }

    /// The same into a buffer of the window's size.
    pub fn fill_content(&self, bytes: &mut [u8]) {
        fill(self.memory_seed, bytes);
        for &(offset, value) in &self.memory {
            if let Some(byte) = bytes.get_mut(usize::from(offset)) {
                *byte = value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_the_sequence_with_exceptions() {
        let mut first = [0; 16];
        fill(1, &mut first);
        let mut again = [0; 13];
        fill(1, &mut again);
        assert_eq!(first[..13], again);
        fill(2, &mut again);
        assert_ne!(first[..13], again);
        let input = Input {
            bitness: Bitness::Bits64,
            code: vec![0x90],
            registers: Registers::default(),
            extended: None,
            window: Window::Plain,
            memory_seed: 1,
            memory: vec![(3, 0xaa), (0xffff, 1)],
        };
        let content = input.content();
        assert_eq!((content[2], content[3], content.len()), (first[2], 0xaa, 8192));
    }
}
