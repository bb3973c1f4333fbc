//! What readings of the time-stamp counter may be: known answers, and wrong ones that are caught.

#[path = "../src/tsc/model.rs"]
mod model;

use model::{SOON, Write, after, follows, is_after, rate_is_possible};

#[test]
fn a_counter_goes_on_and_neither_back_nor_far() {
    assert!(follows(5, 5) && follows(5, 6) && follows(u64::MAX, 3) && follows(0, SOON - 1));
    assert!(!follows(5, 4) && !follows(0, SOON) && !follows(0, u64::MAX));
}

#[test]
fn a_rate_is_possible_within_a_hundredth_of_every_bound() {
    let narrow = [(999_000, 1_001_000), (500_000, 3_000_000), (999_999, 1_000_000)];
    assert!([1_000_000, 989_999 + 1, 1_010_000].into_iter().all(|told| rate_is_possible(told, &narrow)));
    assert!([0, 989_999, 1_010_001, u64::MAX].into_iter().all(|told| !rate_is_possible(told, &narrow)));
    // A processor that stood still leaves more possible, and nothing wrong in it.
    assert!(rate_is_possible(1_000_000, &narrow[1..2]) && rate_is_possible(2_900_000, &narrow[1..2]));
    assert!(!rate_is_possible(1_000_000, &[]));
}

#[test]
fn a_write_of_either_moves_both() {
    assert_eq!(after(100, 7, Write::Adjust(3)), (103, 10));
    assert_eq!(after(100, 7, Write::Counter(u64::MAX)), (99, 6));
    let before = (1 << 50, 1 << 20);
    for write in [Write::Adjust(1 << 45), Write::Counter(1 << 45)] {
        let (counter, adjust) = after(before.0, before.1, write);
        assert!(is_after(before, write, (counter + 1000, adjust)));
        // The counter did not move, moved back, or far.
        assert!(!is_after(before, write, (before.0 + 1000, adjust)));
        assert!(!is_after(before, write, (counter - 1, adjust)));
        assert!(!is_after(before, write, (counter + SOON, adjust)));
        // IA32_TSC_ADJUST did not move, or moved too far.
        assert!(!is_after(before, write, (counter + 1000, before.1)));
        assert!(!is_after(before, write, (counter + 1000, adjust + 1)));
    }
    // A write to the counter takes back the time since it was read; one to IA32_TSC_ADJUST does not.
    assert!(is_after(before, Write::Counter(1 << 45), ((1 << 50) + (1 << 45), (1 << 20) + (1 << 45) - 500)));
    assert!(!is_after(before, Write::Adjust(1 << 45), ((1 << 50) + (1 << 45), (1 << 20) + (1 << 45) - 500)));
}
