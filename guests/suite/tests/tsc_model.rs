//! What readings of the time-stamp counter may be: known answers, and wrong ones that are caught.

#[path = "../src/tsc/model.rs"]
mod model;

use model::{SOON, Write, after, follows, is_after, rates_agree};

#[test]
fn a_counter_goes_on_and_neither_back_nor_far() {
    assert!(follows(5, 5) && follows(5, 6) && follows(u64::MAX, 3) && follows(0, SOON - 1));
    assert!(!follows(5, 4) && !follows(0, SOON) && !follows(0, u64::MAX));
}

#[test]
fn rates_agree_within_a_hundredth() {
    assert!(rates_agree(1_000_000, 1_000_000) && rates_agree(1_010_000, 1_000_000) && rates_agree(990_000, 1_000_000));
    assert!(!rates_agree(1_010_001, 1_000_000) && !rates_agree(989_999, 1_000_000));
    assert!(!rates_agree(0, 1_000_000) && !rates_agree(0, 0) && !rates_agree(5, 0));
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
