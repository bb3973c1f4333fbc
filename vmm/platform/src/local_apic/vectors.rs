//! A set of vectors.

use serde::{Deserialize, Serialize};

/// A set of vectors, laid out as IRR, ISR and TMR are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Vectors([u32; 8]);

impl Vectors {
    pub(super) const fn new() -> Self {
        Self([0; 8])
    }

    pub(super) const fn contains(&self, vector: u8) -> bool {
        self.0[vector as usize / 32] & 1 << (vector % 32) != 0
    }

    pub(super) const fn set(&mut self, vector: u8, present: bool) {
        let bit = 1 << (vector % 32);
        let word = &mut self.0[vector as usize / 32];
        *word = if present { *word | bit } else { *word & !bit };
    }

    /// The register with vectors `32 * index` and on; `index` is taken modulo 8.
    pub(super) const fn word(&self, index: u8) -> u32 {
        self.0[index as usize % 8]
    }

    /// The vector with the lowest number.
    pub(super) fn lowest(&self) -> Option<u8> {
        let word = self.0.iter().position(|word| *word != 0)?;
        Some(word as u8 * 32 + self.0[word].trailing_zeros() as u8)
    }

    /// The vector with the highest number, which is the most urgent.
    pub(super) fn highest(&self) -> Option<u8> {
        let word = self.0.iter().rposition(|word| *word != 0)?;
        Some(word as u8 * 32 + self.0[word].ilog2() as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_vector_is_found_and_removed() {
        let mut vectors = Vectors::default();
        assert_eq!(vectors.highest(), None);
        for vector in [0, 31, 32, 200, 255] {
            vectors.set(vector, true);
            assert_eq!(vectors.highest(), Some(vector));
        }
        assert_eq!(vectors.word(0), 1 | 1 << 31);
        vectors.set(255, false);
        assert_eq!((vectors.highest(), vectors.contains(255), vectors.contains(200)), (Some(200), false, true));
    }
}
