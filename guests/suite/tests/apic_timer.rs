//! Rates of the timer are intervals that hold the true rate, and that tell a wrong one.

#[path = "../src/apic_timer/rate.rs"]
mod rate;

use rate::{Rate, Reading, divide_configuration};

/// A counter of so many counts in 2^32 counts of the time-stamp counter, which counts down from the top.
fn reading(rate: u64, tsc: u64, held_up: u64) -> Reading {
    let counted = (u128::from(rate) * u128::from(tsc)) >> 32;
    Reading { before: tsc - 100, count: u32::MAX - counted as u32, after: tsc + 100 + held_up }
}

fn measured(rate: u64, held_up: u64) -> Rate {
    Rate::between(reading(rate, 1_000, 0), reading(rate, 4_001_000, held_up)).unwrap_or(Rate { least: 1, most: 0 })
}

#[test]
fn the_true_rate_is_in_the_interval_however_long_a_reading_takes() {
    for rate in [1 << 20, 1 << 26, 1 << 30, 1 << 32] {
        for held_up in [0, 100, 1_000_000] {
            let measured = measured(rate, held_up);
            assert!(measured.least <= rate && rate <= measured.most, "{rate:#x}: {measured:?}");
        }
    }
}

#[test]
fn a_rate_that_is_one_percent_off_disagrees_unless_the_host_was_busy() {
    let right = measured(1 << 30, 0);
    assert!(right.agrees(measured(1 << 30, 0), 1_000));
    for wrong in [(1 << 30) / 100 * 99, (1 << 30) / 100 * 101, 1 << 29, 1 << 31] {
        assert!(!right.agrees(measured(wrong, 0), 1_000) && !measured(wrong, 0).agrees(right, 1_000), "{wrong:#x}");
    }
    assert!(right.is_known(1_000) && !measured(1 << 30, 4_000_000).is_known(100_000));
}

#[test]
fn a_divided_clock_agrees_with_the_undivided_one_by_its_own_divisor_only() {
    let right = measured(1 << 30, 0);
    for power in 0..8 {
        for other in 0..8 {
            let divided = measured((1 << 30) >> power, 0).undivided(1 << other);
            assert_eq!(right.agrees(divided, 1_000), power == other, "2^{power} as 2^{other}");
        }
    }
}

#[test]
fn a_count_that_grows_or_time_that_goes_back_is_no_rate() {
    let (first, second) = (reading(1 << 30, 1_000, 0), reading(1 << 30, 9_000, 0));
    assert_eq!(Rate::between(second, first), None);
    assert_eq!(Rate::between(first, Reading { before: 0, after: 1, ..second }), None);
}

#[test]
fn divide_configurations_are_those_of_the_figure() {
    let expected = [0b1011, 0b0000, 0b0001, 0b0010, 0b0011, 0b1000, 0b1001, 0b1010];
    for (power, value) in (0..).zip(expected) {
        assert_eq!(divide_configuration(power), value);
    }
}
