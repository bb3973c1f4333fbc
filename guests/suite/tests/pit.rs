//! The model of the 8254 knows the waveforms of the data sheet, and finds what is wrong.

#[path = "../src/pit/model.rs"]
mod model;

use model::{Clocks, Loaded, Seen};

fn wave(mode: u8, count: u16, clocks: u64) -> Vec<(u64, bool)> {
    let loaded = Loaded { mode, bcd: false, count };
    (0..clocks).map(|at| (loaded.value(at), loaded.out(at))).collect()
}

#[test]
fn waveforms_are_those_of_the_data_sheet() {
    assert_eq!(
        wave(0, 4, 7),
        [(4, false), (3, false), (2, false), (1, false), (0, true), (0xffff, true), (0xfffe, true)]
    );
    assert_eq!(wave(1, 3, 5), [(3, false), (2, false), (1, false), (0, true), (0xffff, true)]);
    assert_eq!(wave(2, 3, 5), [(3, true), (2, true), (1, false), (3, true), (2, true)]);
    assert_eq!(wave(3, 4, 6), [(4, true), (2, true), (4, false), (2, false), (4, true), (2, true)]);
    assert_eq!(wave(3, 5, 6), [(4, true), (2, true), (0, true), (4, false), (2, false), (4, true)]);
    assert_eq!(wave(4, 3, 5), [(3, true), (2, true), (1, true), (0, false), (0xffff, true)]);
    assert_eq!(wave(5, 3, 5), wave(4, 3, 5));
    assert_eq!(wave(0, 0, 2), [(0, false), (0xffff, false)]);
    let bcd = Loaded { mode: 0, bcd: true, count: 0x0001 };
    assert_eq!((bcd.value(2), bcd.number(0x9999), bcd.number(0x000a)), (9_999, Some(9_999), None));
}

fn digits(number: u64, bcd: bool) -> u16 {
    if !bcd {
        return number as u16;
    }
    (number / 1_000 % 10 * 0x1000 + number / 100 % 10 * 0x100 + number / 10 % 10 * 0x10 + number % 10) as u16
}

/// Every count at every clock agrees with bounds around that clock.
#[test]
fn what_the_model_shows_agrees_with_it() {
    for mode in 0..6 {
        for (count, bcd) in [(2, false), (3, false), (100, false), (101, false), (0, false), (0, true), (0x1001, true)]
        {
            let loaded = Loaded { mode, bcd, count };
            for at in (0..150_000).step_by(if count < 4 { 1 } else { 7 }) {
                let seen = Seen { out: loaded.out(at), count: digits(loaded.value(at), bcd) };
                assert!(loaded.agrees(seen, Clocks { least: at, most: at }), "{loaded:?} {at} {seen:?}");
                assert!(loaded.agrees(seen, Clocks { least: at.saturating_sub(9), most: at + 9 }), "{loaded:?} {at}");
                let opposite = Seen { out: !seen.out, ..seen };
                assert!(!loaded.agrees(opposite, Clocks { least: at, most: at }), "{loaded:?} {at}: output");
            }
        }
    }
}

#[test]
fn a_count_too_far_on_is_found() {
    for mode in 0..6 {
        let loaded = Loaded { mode, bcd: false, count: 50_000 };
        for at in (100..24_000_u64).step_by(97) {
            let clocks = Clocks::between(at, at + 40);
            for wrong in [at - 8 - at / 200 - 1, at + 40 + 8 + at / 200 + 1] {
                let seen = Seen { out: loaded.out(wrong), count: loaded.value(wrong) as u16 };
                assert!(!loaded.agrees(seen, clocks), "mode {mode}, {wrong} instead of {at}");
            }
        }
    }
}

/// What simplified timers do: count by one in mode 3, not reload, count binary in BCD.
#[test]
fn simplified_timers_are_found() {
    let square = Loaded { mode: 3, bcd: false, count: 0x8000 };
    let by_one = Seen { out: true, count: 0x8000 - 5_000 };
    assert!(!square.agrees(by_one, Clocks::between(5_000, 5_040)));
    let odd = Seen { out: true, count: 0x7fff };
    assert!(!square.agrees(odd, Clocks::between(0, 0x8000)));
    let rate = Loaded { mode: 2, bcd: false, count: 1_000 };
    assert!(!rate.agrees(Seen { out: true, count: 0xfff0 }, Clocks::between(900, 1_100)));
    assert!(!rate.agrees(Seen { out: true, count: 0 }, Clocks::between(900, 1_100)));
    let decimal = Loaded { mode: 0, bcd: true, count: 0x1000 };
    assert!(!decimal.agrees(Seen { out: false, count: 0x0fff }, Clocks::between(0, 20)));
}

#[test]
fn status_and_bytes_follow_the_control_word() {
    assert_eq!(model::status_after_control(0x30), 0x70);
    assert_eq!(model::status_after_control(0x36), 0xf6);
    assert_eq!(
        (model::read_back(1, 0x1234), model::read_back(2, 0x1234), model::read_back(3, 0x1234)),
        (0x34, 0x12, 0x1234)
    );
}

#[test]
fn counts_and_outputs_are_judged_each_for_itself() {
    for mode in 0..6 {
        for (count, bcd) in [(2, false), (3, false), (100, false), (101, false), (0, false), (0x1001, true)] {
            let loaded = Loaded { mode, bcd, count };
            for at in (0..140_000).step_by(if count < 4 { 1 } else { 7 }) {
                let exactly = Clocks { least: at, most: at };
                assert!(loaded.outputs(loaded.out(at), exactly), "{loaded:?} {at}");
                assert!(!loaded.outputs(!loaded.out(at), exactly), "{loaded:?} {at}: output");
                assert!(loaded.counts(digits(loaded.value(at), bcd), exactly), "{loaded:?} {at}");
                // Both outputs are there only if the bounds hold a change.
                let around = Clocks { least: at, most: at + 9 };
                let both = (at..=at + 9).any(|clock| loaded.out(clock) != loaded.out(at));
                assert_eq!(loaded.outputs(!loaded.out(at), around), both, "{loaded:?} {at}: both outputs");
            }
        }
    }
    let loaded = Loaded { mode: 2, bcd: false, count: 50_000 };
    assert!(!loaded.counts(49_000, Clocks::between(900, 940)) && loaded.counts(49_080, Clocks::between(900, 940)));
}

#[test]
fn a_byte_that_is_not_of_the_count_is_found() {
    let loaded = Loaded { mode: 0, bcd: false, count: 0xa500 };
    let clocks = Clocks { least: 4, most: 20 };
    assert!(loaded.byte_agrees(true, 0xa4, clocks) && !loaded.byte_agrees(true, 0xa5, clocks));
    assert!(!loaded.byte_agrees(true, 0x00, clocks) && !loaded.byte_agrees(true, 0xa3, clocks));
    let low = Loaded { count: 0x00a5, ..loaded };
    assert!(low.byte_agrees(false, 0xa1, clocks) && low.byte_agrees(false, 0x91, clocks));
    assert!(!low.byte_agrees(false, 0xa2, clocks) && !low.byte_agrees(false, 0x90, clocks));
    // Where all has been counted, or any byte may be, nothing is told.
    assert!(low.byte_agrees(false, 0x11, Clocks { least: 100, most: 200 }));
    assert!(loaded.byte_agrees(false, 0x11, Clocks { least: 0, most: 300 }));
}
