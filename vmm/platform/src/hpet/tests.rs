//! Each rule of the registers, tick by tick.

use super::*;
use crate::{hostile, time::MIN_PERIOD};
use proptest::prelude::*;

const LEVEL: u64 = 1 << 1;
const ENABLED: u64 = 1 << 2;
const PERIODIC: u64 = 1 << 3;
const SET_VALUE: u64 = 1 << 6;
const FORCE_32: u64 = 1 << 8;
const ROUTE_20: u64 = 20 << 9;
const TICK: Nanoseconds = 10;

const fn configuration(timer: u64) -> u64 {
    0x100 + 0x20 * timer
}

const fn comparator(timer: u64) -> u64 {
    configuration(timer) + COMPARATOR
}

/// Timers with some registers written at the start, in 64 bits.
fn with(writes: &[(u64, u64)]) -> Hpet {
    let mut hpet = Hpet::default();
    for (register, value) in writes {
        hpet.write(0, *register, 8, *value);
    }
    hpet
}

fn signals(hpet: &mut Hpet) -> Vec<(u8, u64, bool)> {
    std::iter::from_fn(|| hpet.take()).map(|signal| (signal.pin, signal.rises, signal.high)).collect()
}

#[test]
fn capabilities_tell_period_counter_and_timers_and_are_read_only() {
    let mut hpet = with(&[(CAPABILITIES, 0)]);
    let capabilities = hpet.read(0, CAPABILITIES, 8);
    assert_eq!(capabilities, 0x0098_9680_8086_a301);
    assert_eq!(hpet.read(0, CAPABILITIES + 4, 4), u64::from(PERIOD_FS));
    assert_eq!(u128::from(PERIOD_FS) * u128::from(FREQUENCY), 1_000_000_000_000_000);
}

#[test]
fn the_main_counter_counts_while_enabled_only() {
    let mut hpet = with(&[(COUNTER, 0x1_0000_0000)]);
    assert_eq!(hpet.read(50 * TICK, COUNTER, 8), 0x1_0000_0000);
    hpet.write(50 * TICK, CONFIGURATION, 4, ENABLE);
    assert_eq!(hpet.read(57 * TICK, COUNTER, 8), 0x1_0000_0007);
    assert_eq!(hpet.read(57 * TICK, COUNTER + 4, 4), 1);
    hpet.write(58 * TICK, CONFIGURATION, 4, 0);
    assert_eq!(hpet.read(99 * TICK, COUNTER, 8), 0x1_0000_0008);
}

#[test]
fn halves_of_the_main_counter_are_written_apart() {
    let mut hpet = with(&[]);
    hpet.write(0, COUNTER, 4, 0x1111_2222);
    hpet.write(0, COUNTER + 4, 4, 0x3333_4444);
    assert_eq!(hpet.read(0, COUNTER, 8), 0x3333_4444_1111_2222);
}

#[test]
fn a_one_shot_matches_once() {
    let mut hpet = with(&[(configuration(2), ENABLED | ROUTE_20), (comparator(2), 1_000), (CONFIGURATION, ENABLE)]);
    assert_eq!(hpet.next_change(0), Some(1_000 * TICK));
    hpet.advance(1_000 * TICK - 1);
    assert_eq!(signals(&mut hpet), []);
    hpet.advance(1_000 * TICK);
    assert_eq!(signals(&mut hpet), [(20, 1, false)]);
    assert_eq!(hpet.next_change(1_000 * TICK), None);
    assert_eq!(hpet.read(1_000 * TICK, comparator(2), 8), 1_000);
    assert_eq!(hpet.read(1_000 * TICK, STATUS, 8), 0, "an edge leaves no status");
}

#[test]
fn a_one_shot_of_32_bits_matches_again_after_each_wrap() {
    let wrap = TICK << 32;
    for (timer, forced) in [(2, FORCE_32), (3, 0)] {
        let mut hpet = with(&[
            (configuration(timer), ENABLED | ROUTE_20 | forced),
            (comparator(timer), 0xffff_ffff_0000_0064),
            (CONFIGURATION, ENABLE),
        ]);
        assert_eq!(hpet.read(0, comparator(timer), 8), 100, "32 bits compare");
        hpet.advance(100 * TICK);
        assert_eq!(signals(&mut hpet), [(20, 1, false)]);
        assert_eq!(hpet.next_change(0), Some(wrap + 100 * TICK));
        hpet.advance(2 * wrap + 100 * TICK);
        assert_eq!(signals(&mut hpet), [(20, 2, false)]);
    }
}

#[test]
fn a_period_is_added_to_the_comparator_with_each_match() {
    let mut hpet = with(&[
        (configuration(0), ENABLED | ROUTE_20 | PERIODIC | SET_VALUE),
        (comparator(0), 0x12300),
        (CONFIGURATION, ENABLE),
    ]);
    assert_eq!(hpet.read(0x12300 * TICK - 1, comparator(0), 8), 0x12300);
    assert_eq!(hpet.read(0x12300 * TICK, comparator(0), 8), 0x24600);
    assert_eq!(hpet.next_change(0), Some(0x24600 * TICK));
    assert_eq!(hpet.read(0x12300 * TICK * 5, comparator(0), 8), 0x12300 * 6);
    assert_eq!(signals(&mut hpet), [(20, 5, false)]);
}

#[test]
fn only_the_first_write_after_val_set_changes_the_accumulator() {
    let mut hpet = with(&[(configuration(0), PERIODIC | SET_VALUE), (CONFIGURATION, ENABLE)]);
    assert_eq!(hpet.read(0, configuration(0), 8) & SET_VALUE, 0);
    hpet.write(0, comparator(0), 8, 5_000);
    hpet.write(0, comparator(0), 8, 300);
    assert_eq!(hpet.read(0, comparator(0), 8), 5_000);
    assert_eq!(hpet.read(5_000 * TICK, comparator(0), 8), 5_300);
}

#[test]
fn val_set_is_needed_for_each_half() {
    let mut hpet = with(&[(configuration(0), PERIODIC | SET_VALUE)]);
    hpet.write(0, comparator(0), 4, 5);
    hpet.write(0, comparator(0) + 4, 4, 6);
    assert_eq!(hpet.read(0, comparator(0), 8), 0xffff_ffff_0000_0005);
    hpet.write(0, configuration(0), 4, PERIODIC | SET_VALUE);
    hpet.write(0, comparator(0) + 4, 4, 6);
    assert_eq!(hpet.read(0, comparator(0), 8), 0x0000_0006_0000_0005);
}

#[test]
fn val_set_has_no_effect_outside_of_periodic_mode() {
    let mut hpet = with(&[(configuration(0), SET_VALUE), (configuration(0), PERIODIC), (comparator(0), 7)]);
    assert_eq!(hpet.read(0, comparator(0), 8), u64::MAX);
}

#[test]
fn a_period_of_32_bits_wraps_with_them() {
    let mut hpet =
        with(&[(configuration(1), PERIODIC | SET_VALUE), (comparator(1), 0xc000_0000), (CONFIGURATION, ENABLE)]);
    assert_eq!(hpet.read(0xc000_0000 * TICK, comparator(1), 8), 0x8000_0000);
}

#[test]
fn a_level_stays_until_its_status_is_cleared() {
    let mut hpet = with(&[
        (configuration(0), ENABLED | LEVEL | ROUTE_20 | PERIODIC | SET_VALUE),
        (comparator(0), 10_000),
        (CONFIGURATION, ENABLE),
    ]);
    let mut now = 10_000 * TICK;
    hpet.advance(now);
    assert_eq!(signals(&mut hpet), [(20, 1, true)]);
    assert_eq!(hpet.next_change(now), None, "it can only fall");
    now *= 2;
    assert_eq!(hpet.read(now, STATUS, 8), 1);
    assert_eq!(signals(&mut hpet), []);
    hpet.write(now, STATUS, 8, !1);
    assert_eq!(hpet.read(now, STATUS, 8), 1);
    hpet.write(now, STATUS, 8, 1);
    assert_eq!((hpet.read(now, STATUS, 8), signals(&mut hpet)), (0, vec![(20, 0, false)]));
    assert_eq!(hpet.next_change(now), Some(30_000 * TICK));
}

#[test]
fn a_disabled_timer_has_status_and_no_interrupt() {
    let mut hpet = with(&[(configuration(2), LEVEL | ROUTE_20), (comparator(2), 10), (CONFIGURATION, ENABLE)]);
    assert_eq!(hpet.next_change(0), None);
    assert_eq!(hpet.read(20 * TICK, STATUS, 8), 4);
    assert_eq!(signals(&mut hpet), []);
    hpet.write(20 * TICK, configuration(2), 8, LEVEL | ROUTE_20 | ENABLED);
    assert_eq!(signals(&mut hpet), [(20, 1, true)]);
    hpet.write(20 * TICK, CONFIGURATION, 8, 0);
    assert_eq!(signals(&mut hpet), [(20, 0, false)]);
    hpet.write(20 * TICK, CONFIGURATION, 8, ENABLE);
    hpet.write(20 * TICK, configuration(2), 8, ROUTE_20 | ENABLED);
    assert_eq!(hpet.read(20 * TICK, STATUS, 8), 0, "an edge-triggered timer has none");
}

#[test]
fn legacy_replacement_moves_the_first_two_timers() {
    let mut hpet = with(&[(CONFIGURATION, ENABLE | LEGACY)]);
    assert!(hpet.is_legacy_replacement());
    for timer in 0..4 {
        hpet.write(0, configuration(timer), 8, ENABLED | (20 + timer) << 9);
        hpet.write(0, comparator(timer), 8, 10);
    }
    hpet.advance(10 * TICK);
    let expected = [(22, 1, false), (23, 1, false), (LEGACY_TIMER, 1, false), (LEGACY_RTC, 1, false)];
    assert_eq!(signals(&mut hpet), expected);
}

#[test]
fn only_offered_routes_can_be_chosen() {
    let mut hpet = with(&[(configuration(0), 23 << 9)]);
    assert_eq!(hpet.read(0, configuration(0), 8), 0x00f0_0000_0000_2e30);
    hpet.write(0, configuration(0), 8, 11 << 9);
    assert_eq!(hpet.read(0, configuration(0), 4), 0x2e30, "the old route stays");
    hpet.write(0, configuration(2), 8, 11 << 9);
    assert_eq!(hpet.read(0, configuration(2), 8), 0x00f0_0800_0000_1620);
}

#[test]
fn without_a_route_there_is_no_interrupt() {
    let mut hpet = with(&[(configuration(0), ENABLED), (comparator(0), 10), (CONFIGURATION, ENABLE)]);
    assert_eq!(hpet.next_change(0), None);
    hpet.advance(20 * TICK);
    assert_eq!(signals(&mut hpet), []);
}

#[test]
fn bits_that_are_not_offered_stay_as_they_are() {
    let all = !(0x1f << 9);
    let expected = [0x00f0_0000_0000_013e, 0x00f0_0000_0000_001e, 0x00f0_0800_0000_0126, 0x00f0_0000_0000_0006];
    let mut hpet = with(&[]);
    for (timer, expected) in (0..).zip(expected) {
        hpet.write(0, configuration(timer), 8, all);
        assert_eq!(hpet.read(0, configuration(timer), 8), expected, "timer {timer}");
        hpet.write(0, configuration(timer) + 16, 8, all);
        assert_eq!(hpet.read(0, configuration(timer) + 16, 8), 0, "no FSB route");
    }
    hpet.write(0, CONFIGURATION, 8, u64::MAX);
    assert_eq!(hpet.read(0, CONFIGURATION, 8), 3);
}

#[test]
fn other_sizes_and_unaligned_accesses_do_nothing() {
    let mut hpet = with(&[]);
    for (offset, size) in [(CONFIGURATION, 1), (CONFIGURATION, 2), (CONFIGURATION + 4, 8), (CONFIGURATION + 2, 4)] {
        hpet.write(0, offset, size, u64::MAX);
        assert_eq!(hpet.read(0, offset, size), u64::MAX, "{offset:#x} {size}");
    }
    assert_eq!(hpet.read(0, CONFIGURATION, 8), 0);
    assert_eq!((hpet.read(0, 8, 8), hpet.read(0, 0x3f8, 8)), (0, 0), "reserved");
    assert_eq!(hpet.read(0, SIZE_BYTES, 4), u64::MAX);
}

#[test]
fn a_match_is_a_tick_and_not_a_write() {
    let mut hpet =
        with(&[(configuration(2), ENABLED | ROUTE_20), (COUNTER, 77), (comparator(2), 77), (CONFIGURATION, ENABLE)]);
    hpet.advance(TICK * 10);
    assert_eq!(signals(&mut hpet), []);
}

#[test]
fn periods_too_short_to_be_woken_for_are_counted() {
    let mut hpet = with(&[
        (configuration(0), ENABLED | ROUTE_20 | PERIODIC | SET_VALUE),
        (comparator(0), 1),
        (CONFIGURATION, ENABLE),
    ]);
    assert_eq!(hpet.next_change(0), Some(TICK));
    hpet.advance(TICK);
    assert_eq!(hpet.next_change(TICK), Some(TICK + MIN_PERIOD));
    hpet.advance(TICK + MIN_PERIOD);
    assert_eq!(signals(&mut hpet), [(20, 1 + MIN_PERIOD / TICK, false)]);
}

proptest! {
    #[test]
    fn nothing_a_guest_does_breaks_it(steps in hostile::strategy::steps(0x180)) {
        hostile::survive(Hpet::default(), &steps);
    }

    #[test]
    fn it_counts_the_same_however_often_it_is_asked(
        steps in hostile::strategy::steps(0x180),
        register in prop::collection::vec((prop::sample::select(vec![0x10_u64, 0x20, 0xf0, 0x100, 0x108, 0x120, 0x128, 0x140, 0x148, 0x160, 0x168]), any::<u64>(), 0_u32..64), 1..20),
    ) {
        let written = register.iter().map(|(offset, value, shift)| hostile::Step::Write { offset: *offset, size: 8, value: value >> shift });
        let mixed: Vec<_> = written.zip(steps.iter().cloned()).flat_map(|(one, other)| [one, other]).collect();
        hostile::same_however_often_advanced(Hpet::default(), &mixed);
        hostile::survive(Hpet::default(), &mixed);
    }
}
