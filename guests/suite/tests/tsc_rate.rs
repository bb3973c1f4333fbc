//! The arithmetic of rates gives known answers.

#[path = "../../rt/src/clock/rate.rs"]
pub mod rate;

use rate::{Bracketed, decimal, khz_between, khz_from_crystal, khz_of};

#[test]
fn a_rate_is_the_ratio_of_two_counters() {
    // 1 ms of the ACPI timer, and 2.5 GHz.
    assert_eq!(khz_of(2_500_000, 3_580, 3_579_545), Some(2_499_682));
    assert_eq!(khz_of(0, 3_580, 3_579_545), None);
    assert_eq!(khz_of(1, 0, 3_579_545), None);
    assert_eq!(khz_of(u64::MAX, 1, 3_579_545), None);
}

#[test]
fn a_rate_is_between_what_two_readings_leave_possible() {
    let reading = |before, count, after| Bracketed { before, count, after };
    let first = reading(1_000, 0, 2_000);
    let between = |second| khz_between(first, second, 3_580, 3_579_545);
    // 1 ms of the ACPI timer, and 2.5 GHz, with 0.4 microseconds around each reading.
    assert_eq!(between(reading(2_501_000, 3_580, 2_502_000)), Some((2_497_984, 2_501_381)));
    // The processor stood still around the second reading: then the rate may be less or more.
    assert_eq!(between(reading(2_501_000, 3_580, 5_002_000)), Some((2_497_984, 5_001_762)));
    assert_eq!(khz_between(first, first, 0, 3_579_545), None);
    assert_eq!(first.width(), 1_000);
}

#[test]
fn leaf_15h_tells_a_rate_only_if_it_tells_all_three() {
    // The example of the SDM's table: a crystal of 24 MHz, and a ratio.
    assert_eq!(khz_from_crystal(2, 216, 24_000_000), Some(2_592_000));
    assert_eq!(khz_from_crystal(u32::MAX, u32::MAX, u32::MAX), Some(4_294_967));
    for (denominator, numerator, crystal) in [(0, 216, 24_000_000), (2, 0, 24_000_000), (2, 216, 0)] {
        assert_eq!(khz_from_crystal(denominator, numerator, crystal), None);
    }
}

#[test]
fn a_number_ends_where_its_digits_end() {
    assert_eq!(decimal(b"2445404"), 2_445_404);
    assert_eq!(decimal(b"17 vp.case="), 17);
    assert_eq!(decimal(b"17\0"), 17);
    assert_eq!(decimal(b""), 0);
    assert_eq!(decimal(b"x1"), 0);
}
