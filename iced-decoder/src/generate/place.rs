//! Where in the data windows an operand lies.

use crate::machine::window::{PAGE, Window};
use crate::random::Random;

/// A place for an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The window.
    pub(super) window: Window,
    /// Offset of the first byte in it.
    pub(super) offset: u64,
}

impl Place {
    /// Linear address of the first byte.
    pub(super) fn address(self) -> u64 {
        self.window.address() + self.offset
    }

    /// The same place moved so that no cache line is crossed by `size` bytes (a power of two up to 64).
    pub(super) fn within_cache_line(mut self, size: u64) -> Self {
        if self.offset % 64 + size > 64 {
            self.offset &= !(size.next_power_of_two() - 1);
        }
        self
    }
}

/// What is asked of a place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish {
    /// Size of all that is accessed in bytes: at least 1, at most a page.
    pub(super) size: u64,
    /// Alignment of most places: a power of two.
    pub(super) alignment: u64,
    /// Whether anything else would only fault, so that other alignments are rare.
    pub(super) is_strict: bool,
}

/// Chooses a place. Most are in the first page of a window whose pages are both under test; the others end at the end
/// of a page, cross it, begin or end the window.
pub(super) fn choose(random: &mut Random, wish: Wish) -> Place {
    let window = if random.below(8) < 4 { Window::Plain } else { random.one_of(&Window::ALL) };
    let (size, alignment) = (wish.size, wish.alignment);
    let offset = match random.below(16) {
        // What the other windows are for: the border between their pages, from its one side to its other.
        _ if window != Window::Plain && random.once_in(2) => {
            let step = if wish.is_strict && !random.once_in(8) { alignment } else { 1 };
            PAGE - random.below(size / step + 1) * step
        }
        0..6 => random.below((PAGE - size) / alignment + 1) * alignment,
        6 => PAGE - size,
        7 => PAGE,
        8 => PAGE + random.below((PAGE - size) / alignment + 1) * alignment,
        9 => 0,
        10 => 2 * PAGE - size,
        11 | 12 if !wish.is_strict || random.once_in(8) => PAGE - size + 1 + random.below(size.max(2) - 1),
        13.. if !wish.is_strict || random.once_in(8) => random.below(PAGE - size + 1),
        _ => PAGE / 2,
    };
    Place { window, offset: offset.min(2 * PAGE - size) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_stay_in_their_window_and_reach_its_borders() {
        let mut random = Random::from_numbers(&[1]);
        for size in [1_u64, 2, 4, 8, 10, 16, 28, 64, 512, 4096] {
            let wish = Wish { size, alignment: size.next_power_of_two().min(64), is_strict: false };
            let offsets: Vec<u64> = (0..1000).map(|_| choose(&mut random, wish).offset).collect();
            assert!(offsets.iter().all(|offset| offset + size <= 2 * PAGE));
            for wanted in [0, PAGE - size, PAGE, 2 * PAGE - size] {
                assert!(offsets.contains(&wanted), "{size} bytes at {wanted}");
            }
            let crosses = |offset: &u64| *offset < PAGE && offset + size > PAGE;
            assert_eq!(offsets.iter().any(crosses), size > 1, "{size} bytes");
        }
    }

    #[test]
    fn every_window_is_used() {
        let mut random = Random::from_numbers(&[2]);
        let wish = Wish { size: 4, alignment: 4, is_strict: true };
        let seen: Vec<Window> = (0..200).map(|_| choose(&mut random, wish).window).collect();
        assert!(Window::ALL.iter().all(|window| seen.contains(window)));
    }

    #[test]
    fn a_place_can_be_moved_into_one_cache_line() {
        let place = Place { window: Window::Plain, offset: 62 };
        assert_eq!(place.within_cache_line(8).offset, 56);
        assert_eq!(place.within_cache_line(2).offset, 62);
    }
}
