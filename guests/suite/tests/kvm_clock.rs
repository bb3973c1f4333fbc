//! The arithmetic of clocks and rates gives known answers, and finds what is wrong.

#[path = "../../rt/src/kvm_clock/convert.rs"]
pub mod convert;
#[path = "../src/rates.rs"]
#[expect(dead_code, reason = "the arithmetic of bounds is tried by the tests of timers")]
mod rates;
#[path = "../src/kvmclock/span.rs"]
mod span;

use rates::{TOLERANCE, median_rate, within};

#[test]
fn multiplier_and_shift_make_nanoseconds() {
    // 2 GHz: half a nanosecond a count.
    assert_eq!(convert::nanoseconds(2_000, 1 << 31, 0), 1_000);
    assert_eq!(convert::nanoseconds(2_000, 1 << 30, 1), 1_000);
    assert_eq!(convert::nanoseconds(4_000, u32::MAX, -1), 1_999);
    assert_eq!(convert::nanoseconds(u64::MAX, 1, 0), u64::from(u32::MAX));
    for shift in [-128, -64, 64, 127] {
        assert_eq!(convert::nanoseconds(u64::MAX, u32::MAX, shift), 0, "{shift}");
    }
}

#[test]
fn multiplier_and_shift_stand_for_a_rate() {
    assert_eq!(convert::khz(1 << 31, 0), 2_000_000);
    assert_eq!(convert::khz(1 << 31, -1), 4_000_000);
    assert_eq!(convert::khz(1 << 31, 1), 1_000_000);
    assert_eq!(convert::khz(0, 0), 0);
    assert_eq!(convert::khz(1, -128), 0);
}

#[test]
fn differences_are_told_in_parts_in_a_million() {
    assert_eq!(convert::parts_per_million(1_010_000, 1_000_000), 10_000);
    assert_eq!(convert::parts_per_million(990_000, 1_000_000), 10_000);
    assert_eq!(convert::parts_per_million(1, 0), u64::MAX);
}

/// Readings of a clock that makes `per_mille` thousandths of a nanosecond a count; every so often it is read late.
fn readings(per_mille: u64, late_every: u64) -> impl FnMut() -> Option<(u64, u64)> {
    let mut turn = 0;
    move || {
        turn += 1;
        // Multiplied by an odd number, so that the pairs do not all begin with a late one.
        let is_late = late_every != 0 && ((turn * 0x9e37_79b9) >> 7) % late_every == 0;
        let late = if is_late { 50_000_000 } else { 0 };
        Some((turn * 1_000, turn * per_mille + late))
    }
}

#[test]
fn a_clock_that_is_off_by_one_percent_is_found_among_late_readings() {
    let expected = (400_u64 << 32) / 1_000;
    for late_every in [0, 7, 13] {
        let right = median_rate::<15>(20_000, readings(400, late_every)).expect("it passes");
        assert!(within(right, expected, TOLERANCE), "{right} is not {expected}");
        for wrong in [396, 404] {
            let wrong = median_rate::<15>(20_000, readings(wrong, late_every)).expect("it passes");
            assert!(!within(wrong, expected, TOLERANCE), "{wrong} counts as {expected}");
        }
    }
}

#[test]
fn a_reference_that_stands_ends_the_measurement() {
    assert_eq!(median_rate::<3>(10, || Some((5, 5))), None);
    assert_eq!(median_rate::<3>(10, || None), None);
}

#[test]
fn a_clock_that_stands_or_jumps_over_a_pause_is_found() {
    use span::Span;
    // 3 ms, each reading 20 microseconds wide.
    let span = Span::between((1_000_000, 1_020_000), (4_020_000, 4_040_000));
    assert!(span.holds(500, 500 + 3_000_000, 0) && span.holds(500, 500 + 3_040_000, 0));
    for wrong in [0, 2_980_000, 3_060_000, 30_000_000] {
        assert!(!span.holds(500, 500 + wrong, 0), "{wrong}");
    }
    assert!(!span.holds(500, 499, 0));
    // Set forward by two seconds.
    let two = 2_000_000_000;
    assert!(span.holds(500, 500 + two, two) && span.holds(500, 500 + two + 3_020_000, two));
    assert!(!span.holds(500, 500 + two - 1, two) && !span.holds(500, 500 + two + 3_060_000, two));
    assert!(!span.holds(500, 500 + 3_000_000, two));
}
