//! The model of clocks finds one that is off by a hundredth, and takes what a host that steals time leaves possible.

#[path = "../src/clocks/model.rs"]
mod model;

use model::{KNOWN, Rate, Reading, half_second, rate};

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

#[test]
fn a_real_time_clock_that_is_off_by_one_percent_is_found() {
    let at = |tsc: u64, wide: u64| Reading { before: tsc, count: 0, after: tsc + wide };
    let other = measured(3_579_545, 3_579_545, 2_000);
    // 2 GHz; the update with its cycle or without, and what the host was away for.
    for micros in [500_000, 501_984_u64] {
        for away in [0, 40_000_000, 990_000_000] {
            let due = 1_000_000 + micros * 2_000;
            let right = half_second(at(1_000_000, 4_000), Reading { before: due - away, count: 1, after: due + 4_000 });
            assert!(right.expect("it counts").agrees(other), "{micros} {away}");
        }
        for wrong in [micros * 99 / 100 - 1_984, micros * 101 / 100] {
            let due = 1_000_000 + wrong * 2_000;
            let off = half_second(at(1_000_000, 4_000), at(due - 10_000, 14_000)).expect("it counts");
            assert!(!off.agrees(other) && !other.agrees(off), "{micros} {wrong}");
        }
    }
    let unknown = half_second(at(0, 4_000), Reading { before: 4_000, count: 1, after: 1_200_000_000 });
    assert!(unknown.expect("it counts").agrees(other), "the host was away all the time");
}

#[test]
fn a_measured_hertz_widens_an_interval_and_hides_no_percent() {
    let calibrated = measured(1_000_000_000, 1_000_000_000, 2_000).widened(KNOWN);
    assert!(calibrated.agrees(measured(3_579_545, 3_579_545, 2_000)));
    for wrong in [990_000_000, 1_010_000_000] {
        let off = measured(wrong, 1_000_000_000, 2_000).widened(KNOWN);
        assert!(!off.agrees(measured(3_579_545, 3_579_545, 2_000)), "{wrong}");
    }
}
