//! The model of clocks finds one that is off by a hundredth, and takes what a host that steals time leaves possible.

#[path = "../src/clocks/model.rs"]
mod model;

use model::{KNOWN, Rate, Reading, rate};

/// Time-stamp counter at 2 GHz; a span of 4 ms, each reading `wide` ticks, the clock at `hertz` but told `told`.
fn measured(hertz: u64, told: u64, wide: u64) -> Rate {
    let at = |tsc: u64| Reading { before: tsc, count: tsc * hertz / 2_000_000_000, after: tsc + wide };
    rate(at(1_000_000), at(9_000_000), told, 64).expect("it counts")
}

#[test]
fn a_clock_that_is_off_by_one_percent_is_found_in_every_pair() {
    let clocks = [2_000_000_000, 1_193_182, 10_000_000, 3_579_545, 1_000_000_000];
    for hertz in clocks {
        for other in clocks {
            for wide in [0, 2_000, 10_000] {
                let right = measured(hertz, hertz, wide);
                assert!(right.width() <= KNOWN, "{hertz} {wide}: {}", right.width());
                assert!(right.agrees(measured(other, other, wide)), "{hertz} {other} {wide}");
                for wrong in [other * 101 / 100, other * 99 / 100] {
                    let off = measured(wrong, other, wide);
                    assert!(!right.agrees(off) && !off.agrees(right), "{hertz} {other} {wide} {wrong}");
                }
            }
        }
    }
}

#[test]
fn stolen_time_makes_an_interval_wide_and_no_clock_wrong() {
    let steals = [0, 1_000_000, 100_000_000];
    for before in steals {
        for within in steals {
            // Time may be taken away before the count is read, or behind it.
            let first = Reading { before: 0, count: (1_000 + before) / 2, after: 1_000 + before };
            let end = 8_000_000 + before;
            let second = Reading { before: end, count: (end + within) / 2, after: end + within + 1_000 };
            let rate = rate(first, second, 1_000_000_000, 64).expect("it counts");
            assert!(rate.agrees(measured(3_579_545, 3_579_545, 0)), "{before} {within}");
            assert!(before + within == 0 || rate.width() > KNOWN);
        }
    }
}

#[test]
fn a_clock_that_stands_or_goes_back_has_no_rate() {
    let at = |tsc: u64, count| Reading { before: tsc, count, after: tsc + 1 };
    assert_eq!(rate(at(0, 5), at(1_000, 5), 1, 64), None);
    assert_eq!(rate(at(0, 5), at(1_000, 4), 1, 64), None);
    assert_eq!(rate(at(1_000, 5), at(1_000, 9), 1, 64), None);
}

#[test]
fn a_counter_that_goes_round_has_a_rate_all_the_same() {
    let at = |tsc: u64, count| Reading { before: tsc, count, after: tsc + 1 };
    let straight = rate(at(0, 5), at(1_000_000, 10_005), 1, 24);
    assert!(straight.is_some());
    assert_eq!(rate(at(0, 0xff_fff0), at(1_000_000, 9_984), 1, 24), straight);
    assert_eq!(rate(at(0, 10_005), at(1_000_000, 5), 1, 24), None);
}
