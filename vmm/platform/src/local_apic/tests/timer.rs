//! The timer.

use super::*;
use crate::time::MIN_PERIOD;

const VECTOR: u64 = 0x50;
const PERIODIC: u64 = 1 << 17;
const DEADLINE: u64 = 2 << 17;
/// Divides by one.
const BY_1: u64 = 0b1011;

fn with_timer(lvt: u64) -> LocalApic {
    let mut apic = enabled();
    set(&mut apic, DIVIDE, BY_1);
    set(&mut apic, LVT_TIMER, lvt);
    apic
}

/// Whether the timer interrupted by `now` since the last call.
fn interrupted(apic: &mut LocalApic, now: Nanoseconds) -> bool {
    apic.advance(now);
    let vector = apic.highest_pending();
    if let Some(vector) = vector {
        apic.accept(vector);
        set(apic, EOI, 0);
    }
    vector == Some(VECTOR as u8)
}

fn current(apic: &mut LocalApic, now: Nanoseconds) -> u64 {
    apic.read(now, CURRENT, 4)
}

#[test]
fn one_shot_counts_down_and_interrupts_once() {
    let mut apic = with_timer(VECTOR);
    assert_eq!(apic.next_change(0), None);
    apic.write(1_000, INITIAL, 4, 50_000);
    assert_eq!(apic.next_change(1_000), Some(51_000));
    assert_eq!((current(&mut apic, 1_000), current(&mut apic, 50_999)), (50_000, 1));
    assert!(!interrupted(&mut apic, 50_999));
    assert!(interrupted(&mut apic, 51_000));
    assert_eq!((current(&mut apic, 51_000), apic.next_change(51_000)), (0, None));
    assert!(!interrupted(&mut apic, 10_000_000));
    assert_eq!(get(&mut apic, INITIAL), 50_000);
}

#[test]
fn a_count_of_zero_stops() {
    for mode in [0, PERIODIC] {
        let mut apic = with_timer(VECTOR | mode);
        set(&mut apic, INITIAL, 50_000);
        set(&mut apic, INITIAL, 0);
        assert_eq!((apic.next_change(0), current(&mut apic, 0)), (None, 0));
        assert!(!interrupted(&mut apic, 1_000_000));
    }
}

#[test]
fn periodic_starts_again_from_the_initial_count() {
    let mut apic = with_timer(VECTOR | PERIODIC);
    set(&mut apic, INITIAL, 50_000);
    assert!(interrupted(&mut apic, 50_000));
    assert_eq!((current(&mut apic, 50_000), apic.next_change(50_000)), (50_000, Some(100_000)));
    assert!(interrupted(&mut apic, 275_000), "however many, it is one request");
    assert_eq!((current(&mut apic, 275_000), apic.next_change(275_000)), (25_000, Some(300_000)));
    assert!(!interrupted(&mut apic, 299_999) && interrupted(&mut apic, 300_000));
}

#[test]
fn the_clock_is_divided() {
    for (bits, divisor) in [(0, 2), (1, 4), (2, 8), (3, 16), (8, 32), (9, 64), (10, 128), (11, 1)] {
        let mut apic = with_timer(VECTOR);
        set(&mut apic, DIVIDE, bits);
        set(&mut apic, INITIAL, 100_000);
        assert_eq!(apic.next_change(0), Some(100_000 * divisor), "{bits:#b}");
        assert_eq!(current(&mut apic, 40_000 * divisor), 60_000, "{bits:#b}");
    }
}

#[test]
fn a_new_divisor_takes_the_count_from_where_it_is() {
    let mut apic = with_timer(VECTOR);
    set(&mut apic, INITIAL, 100_000);
    apic.write(40_000, DIVIDE, 4, 0);
    assert_eq!((current(&mut apic, 40_000), apic.next_change(40_000)), (60_000, Some(160_000)));
}

#[test]
fn a_masked_timer_counts_without_interrupts() {
    let mut apic = with_timer(VECTOR | MASKED);
    set(&mut apic, INITIAL, 50_000);
    assert_eq!((apic.next_change(0), current(&mut apic, 20_000)), (None, 30_000));
    apic.write(30_000, LVT_TIMER, 4, VECTOR);
    assert!(interrupted(&mut apic, 50_000));
    apic.write(50_000, INITIAL, 4, 50_000);
    apic.write(60_000, LVT_TIMER, 4, VECTOR | MASKED);
    apic.write(100_000, LVT_TIMER, 4, VECTOR);
    assert!(!interrupted(&mut apic, 200_000), "it expired while it was masked");
}

#[test]
fn one_shot_becomes_periodic_on_the_way() {
    let mut apic = with_timer(VECTOR);
    set(&mut apic, INITIAL, 50_000);
    apic.write(20_000, LVT_TIMER, 4, VECTOR | PERIODIC);
    assert!(interrupted(&mut apic, 50_000) && interrupted(&mut apic, 100_000));
}

#[test]
fn deadlines_expire_when_the_counter_reaches_them() {
    let mut apic = with_timer(VECTOR | DEADLINE);
    apic.write_msr(0, MSR_TSC_DEADLINE, 70_000).expect("there is one");
    assert_eq!((apic.read_msr(0, MSR_TSC_DEADLINE), apic.next_change(0)), (Ok(70_000), Some(70_000)));
    assert!(!interrupted(&mut apic, 69_999) && interrupted(&mut apic, 70_000));
    assert_eq!((apic.read_msr(70_000, MSR_TSC_DEADLINE), apic.next_change(70_000)), (Ok(0), None));
}

#[test]
fn deadlines_in_the_past_expire_at_once_and_zero_disarms() {
    let mut apic = with_timer(VECTOR | DEADLINE);
    apic.write_msr(10_000, MSR_TSC_DEADLINE, 1).expect("there is one");
    assert_eq!(apic.highest_pending(), Some(VECTOR as u8));
    assert!(interrupted(&mut apic, 10_000));
    apic.write_msr(10_000, MSR_TSC_DEADLINE, 20_000).expect("there is one");
    apic.write_msr(10_000, MSR_TSC_DEADLINE, 0).expect("there is one");
    assert_eq!(apic.next_change(10_000), None);
    assert!(!interrupted(&mut apic, 100_000));
}

#[test]
fn deadlines_count_only_in_their_mode_and_counts_only_outside() {
    let mut apic = with_timer(VECTOR);
    apic.write_msr(0, MSR_TSC_DEADLINE, 70_000).expect("there is one");
    assert_eq!((apic.read_msr(0, MSR_TSC_DEADLINE), apic.next_change(0)), (Ok(0), None));
    set(&mut apic, LVT_TIMER, VECTOR | DEADLINE);
    set(&mut apic, INITIAL, 50_000);
    assert_eq!((apic.next_change(0), current(&mut apic, 10)), (None, 0));
}

#[test]
fn changing_to_or_from_deadline_mode_disarms() {
    let mut apic = with_timer(VECTOR);
    set(&mut apic, INITIAL, 50_000);
    set(&mut apic, LVT_TIMER, VECTOR | DEADLINE);
    assert_eq!(apic.next_change(0), None);
    apic.write_msr(0, MSR_TSC_DEADLINE, 70_000).expect("there is one");
    set(&mut apic, LVT_TIMER, VECTOR | PERIODIC);
    assert_eq!((apic.next_change(0), apic.read_msr(0, MSR_TSC_DEADLINE)), (None, Ok(0)));
    assert!(!interrupted(&mut apic, 100_000));
}

#[test]
fn a_written_counter_moves_the_deadline() {
    let mut apic = with_timer(VECTOR | DEADLINE);
    apic.write_msr(0, MSR_TSC_DEADLINE, 70_000).expect("there is one");
    apic.set_tsc_offset(0, 40_000);
    assert_eq!(apic.next_change(0), Some(30_000));
    apic.set_tsc_offset(0, 10_000);
    assert_eq!(apic.next_change(0), Some(60_000));
    apic.set_tsc_offset(10_000, 60_000);
    assert_eq!(apic.highest_pending(), Some(VECTOR as u8), "it is reached by the write itself");
    assert!(interrupted(&mut apic, 10_000));
}

#[test]
fn a_deadline_that_was_reached_before_the_counter_was_set_back_expired() {
    let mut apic = with_timer(VECTOR | DEADLINE);
    apic.set_tsc_offset(0, 40_000);
    apic.write_msr(0, MSR_TSC_DEADLINE, 70_000).expect("there is one");
    apic.set_tsc_offset(35_000, 0);
    assert_eq!(apic.highest_pending(), Some(VECTOR as u8));
}

#[test]
fn wake_ups_keep_their_distance_and_lose_nothing() {
    let mut apic = with_timer(VECTOR | PERIODIC);
    set(&mut apic, INITIAL, 1);
    assert_eq!(apic.next_change(0), Some(1));
    assert!(interrupted(&mut apic, 1));
    assert_eq!(apic.next_change(1), Some(1 + MIN_PERIOD));
    assert!(interrupted(&mut apic, 2), "who asks earlier gets it earlier");
}

#[test]
fn an_earlier_time_counts_as_the_last() {
    let mut apic = with_timer(VECTOR);
    apic.write(1_000, INITIAL, 4, 50_000);
    assert_eq!((current(&mut apic, 11_000), current(&mut apic, 5_000)), (40_000, 40_000));
}

#[test]
fn whatever_is_told_brings_it_up_to_date() {
    let calls: [fn(&mut LocalApic); 10] = [
        |apic| apic.advance(50_000),
        |apic| apic.signal(50_000, LocalSource::ThermalSensor),
        |apic| apic.set_pin(50_000, 0, true),
        |apic| apic.deliver(50_000, DeliveryMode::Nmi, 0, Trigger::Edge),
        |apic| apic.set_tsc_offset(50_000, 0),
        |apic| apic.write(50_000, TPR, 4, 0),
        |apic| _ = apic.read(50_000, TPR, 4),
        |apic| _ = apic.read_msr(50_000, MSR_APIC_BASE),
        |apic| _ = apic.write_msr(50_000, MSR_TSC_DEADLINE, 0),
        |apic| _ = apic.write_msr(50_000, MSR_X2APIC_FIRST, 0),
    ];
    for (number, call) in calls.iter().enumerate() {
        let mut apic = with_timer(VECTOR);
        set(&mut apic, INITIAL, 50_000);
        call(&mut apic);
        assert_eq!(apic.highest_pending(), Some(VECTOR as u8), "call {number}");
    }
}
