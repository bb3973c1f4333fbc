//! Pseudo-random numbers that are the same on every machine and with every toolchain.

/// SplitMix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014): a counter with an odd
/// step and a finalizer. Any state is a good one, so that streams can be derived from a few numbers.
#[derive(Clone, Debug)]
pub(crate) struct Random {
    state: u64,
}

/// The step of the counter: 2⁶⁴ divided by the golden ratio, made odd.
pub(crate) const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// The finalizer: a bijection in which each bit of the argument reaches every bit of the result.
pub(crate) const fn mix(mut word: u64) -> u64 {
    word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word >> 31
}

impl Random {
    /// The stream that belongs to these numbers; another number or another order gives another stream.
    pub(crate) fn from_numbers(numbers: &[u64]) -> Self {
        let state = numbers.iter().fold(0_u64, |state, &number| mix(state.wrapping_add(STEP) ^ mix(number)));
        Self { state }
    }

    /// The next 64 bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(STEP);
        mix(self.state)
    }

    /// A number below `end`, which is at least 1; the bias of at most `end` / 2³² does not matter here.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        if end <= 1 << 32 { ((self.bits() >> 32) * end) >> 32 } else { self.bits() % end }
    }

    /// True once in `times` on average.
    pub(crate) fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// One of `choices`, which is not empty.
    pub(crate) fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }

    /// A bit whose place in `set` is random; nothing of an empty set.
    pub(crate) fn bit_of(&mut self, set: u32) -> Option<u32> {
        let nr = u64::from(set.count_ones());
        if nr == 0 {
            return None;
        }
        let mut rest = set;
        for _ in 0..self.below(nr) {
            rest &= rest - 1;
        }
        Some(rest.trailing_zeros())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_that_of_the_reference_implementation() {
        let mut random = Random { state: 1_234_567 };
        let first: [u64; 3] = std::array::from_fn(|_| random.bits());
        assert_eq!(first, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn order_and_count_of_numbers_make_a_difference() {
        let first = |numbers: &[u64]| Random::from_numbers(numbers).bits();
        assert_ne!(first(&[1, 2]), first(&[2, 1]));
        assert_ne!(first(&[0]), first(&[0, 0]));
    }

    #[test]
    fn numbers_stay_below_their_end_and_reach_all_of_it() {
        let mut random = Random::from_numbers(&[7]);
        let mut seen = [false; 5];
        (0..200).for_each(|_| seen[random.below(5) as usize] = true);
        assert_eq!(seen, [true; 5]);
        let mut bits = 0;
        (0..200).for_each(|_| bits |= 1 << random.bit_of(0b1001_0010).unwrap());
        assert_eq!((bits, random.bit_of(0)), (0b1001_0010, None));
    }
}
