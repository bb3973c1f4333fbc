//! The arithmetic of rates gives known answers.

#[path = "../../rt/src/clock/rate.rs"]
mod rate;

use rate::{decimal, khz_from_crystal, khz_of};

#[test]
fn a_rate_is_the_ratio_of_two_counters() {
    // 1 ms of the ACPI timer, and 2.5 GHz.
    assert_eq!(khz_of(2_500_000, 3_580, 3_579_545), Some(2_499_682));
    assert_eq!(khz_of(0, 3_580, 3_579_545), None);
    assert_eq!(khz_of(1, 0, 3_579_545), None);
    assert_eq!(khz_of(u64::MAX, 1, 3_579_545), None);
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
