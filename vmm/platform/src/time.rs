//! Time as devices know it.

/// Nanoseconds since the VM was made. Monotonic; it goes on while the VM is paused.
pub type Nanoseconds = u64;

/// No device asks to be woken more often: what a guest programs beyond that comes late, but nothing is lost.
pub const MIN_PERIOD: Nanoseconds = 20_000;

/// Nanoseconds in a second.
pub const SECOND: Nanoseconds = 1_000_000_000;

/// Ticks of a clock of `frequency` in hertz that have passed at `now`, without ever losing precision.
pub const fn ticks(now: Nanoseconds, frequency: u64) -> u64 {
    (now as u128 * frequency as u128 / SECOND as u128) as u64
}

/// The first time at which a clock of `frequency` in hertz has made `ticks` ticks; the end of time if it never will.
pub const fn time_of(ticks: u64, frequency: u64) -> Nanoseconds {
    if frequency == 0 {
        return Nanoseconds::MAX;
    }
    let time = (ticks as u128 * SECOND as u128).div_ceil(frequency as u128);
    if time > Nanoseconds::MAX as u128 { Nanoseconds::MAX } else { time as Nanoseconds }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_tick_is_made_at_its_time_and_not_before(count in 1_u64..1 << 40, frequency in 1_u64..10_000_000_000) {
            let time = time_of(count, frequency);
            prop_assume!(time < Nanoseconds::MAX);
            prop_assert!(ticks(time, frequency) >= count);
            prop_assert!(time == 0 || ticks(time - 1, frequency) < count);
        }
    }

    #[test]
    fn a_clock_that_stands_still_never_ticks() {
        assert_eq!((time_of(1, 0), ticks(SECOND, 0)), (Nanoseconds::MAX, 0));
    }
}
