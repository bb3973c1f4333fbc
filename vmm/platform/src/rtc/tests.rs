//! Each rule of the clock, with times by the nanosecond.

use super::*;
use crate::{hostile, time::SECOND};
use proptest::prelude::*;

const MICROSECOND: Nanoseconds = 1_000;
/// 31 December 2027, 23:59:58, a Friday.
const NEW_YEARS_EVE: Nanoseconds = 1_830_297_598 * SECOND;

/// A clock, and the time.
struct Bench {
    rtc: Rtc,
    now: Nanoseconds,
}

impl Bench {
    fn at(wall_clock: Nanoseconds) -> Self {
        Self { rtc: Rtc::new(wall_clock), now: 0 }
    }

    fn read(&mut self, index: u8) -> u8 {
        self.rtc.write(self.now, 0, 1, index.into());
        self.rtc.read(self.now, 1, 1) as u8
    }

    fn write(&mut self, index: u8, byte: u8) {
        self.rtc.write(self.now, 0, 1, index.into());
        self.rtc.write(self.now, 1, 1, byte.into());
    }

    fn set(&mut self, bytes: &[(u8, u8)]) {
        for (index, byte) in bytes {
            self.write(*index, *byte);
        }
    }

    /// Century, year, month, day, weekday, hour, minute, second.
    fn time(&mut self) -> [u8; 8] {
        [CENTURY, 9, 8, 7, 6, 4, 2, 0].map(|index| self.read(index))
    }

    fn is_requesting(&mut self) -> bool {
        self.rtc.advance(self.now);
        self.rtc.irq.is_high()
    }

    /// When it next requests, if the owner does as it is told.
    fn next_request(&mut self) -> Option<Nanoseconds> {
        let wake = self.rtc.next_change(self.now)?;
        self.now = wake - 1;
        assert!(!self.is_requesting(), "it is not late");
        self.now = wake;
        assert!(self.is_requesting(), "it is not early");
        Some(wake)
    }
}

#[test]
fn time_goes_on_in_bcd_with_all_carries() {
    let mut bench = Bench::at(NEW_YEARS_EVE);
    assert_eq!(bench.time(), [0x20, 0x27, 0x12, 0x31, 6, 0x23, 0x59, 0x58]);
    bench.now = 2 * SECOND - 1;
    assert_eq!(bench.time(), [0x20, 0x27, 0x12, 0x31, 6, 0x23, 0x59, 0x59]);
    bench.now = 2 * SECOND;
    assert_eq!(bench.time(), [0x20, 0x28, 1, 1, 7, 0, 0, 0]);
    bench.now += 59 * 86_400 * SECOND;
    assert_eq!(bench.time(), [0x20, 0x28, 2, 0x29, 3, 0, 0, 0], "2028 is a leap year");
}

#[test]
fn time_goes_on_in_binary_and_in_12_hours() {
    let mut bench = Bench::at(NEW_YEARS_EVE);
    bench.set(&[(REGISTER_B, SET | BINARY), (4, 0x8b), (2, 59), (0, 59), (9, 99), (8, 12), (7, 31), (CENTURY, 20)]);
    bench.write(REGISTER_B, BINARY);
    bench.now = SECOND;
    assert_eq!(bench.time(), [21, 0, 1, 1, 7, 12, 0, 0]);
    bench.now += 12 * 3_600 * SECOND;
    assert_eq!(bench.time(), [21, 0, 1, 1, 7, 0x8c, 0, 0]);
}

#[test]
fn a_century_that_is_no_number_stays_until_one_ends() {
    let mut bench = Bench::at(NEW_YEARS_EVE);
    bench.write(CENTURY, 0xff);
    bench.now = 2 * SECOND;
    assert_eq!(bench.time(), [0xff, 0x28, 1, 1, 7, 0, 0, 0]);
}

#[test]
fn the_clock_is_in_step_with_fractions_of_seconds() {
    let mut bench = Bench::at(NEW_YEARS_EVE + 900_000_000);
    bench.now = 100_000_000 - 1;
    assert_eq!(bench.read(0), 0x58);
    bench.now += 1;
    assert_eq!(bench.read(0), 0x59);
}

#[test]
fn uip_is_high_from_244_us_before_each_cycle_until_its_end() {
    let mut bench = Bench::at(NEW_YEARS_EVE);
    let rises = SECOND - (1_984 + 244) * MICROSECOND;
    for (now, expected) in [(0, 0x26), (rises - 1, 0x26), (rises, 0xa6), (SECOND - 1, 0xa6), (SECOND, 0x26)] {
        bench.now = now;
        assert_eq!(bench.read(REGISTER_A), expected, "{now}");
    }
}

#[test]
fn set_stops_updates_and_uip_and_disables_their_interrupt() {
    let mut bench = Bench::at(NEW_YEARS_EVE);
    bench.write(REGISTER_B, SET | UPDATE_ENDED | ALARM | HOURS_24);
    assert_eq!(bench.read(REGISTER_B), SET | ALARM | HOURS_24);
    bench.set(&[(1, 0xff), (3, 0xff), (5, 0xff), (REGISTER_B, SET | ALARM | HOURS_24)]);
    assert_eq!(bench.rtc.next_change(0), None, "no update, no alarm");
    bench.now = SECOND - 1;
    assert_eq!(bench.read(REGISTER_A) & UPDATE_IN_PROGRESS, 0);
    bench.now = 5 * SECOND;
    assert_eq!((bench.read(0), bench.read(REGISTER_C) & UPDATE_ENDED), (0x58, 0));
    bench.write(REGISTER_B, HOURS_24);
    bench.now = 6 * SECOND;
    assert_eq!((bench.read(0), bench.read(REGISTER_C) & UPDATE_ENDED), (0x59, UPDATE_ENDED));
}

#[test]
fn a_released_divider_begins_its_first_cycle_half_a_second_later() {
    let mut bench = Bench::at(NEW_YEARS_EVE);
    for reset in [0x60, 0x70] {
        bench.write(REGISTER_A, reset);
        bench.now += 3 * SECOND + 1;
        let second = bench.read(0);
        bench.write(REGISTER_A, DIVIDER_RUNS);
        bench.now += SECOND / 2 + 1_984 * MICROSECOND - 1;
        assert_eq!(bench.read(0), second);
        bench.now += 1;
        assert_ne!(bench.read(0), second);
    }
}

#[test]
fn a_divider_in_reset_has_no_periods() {
    let mut bench = Bench::at(0);
    bench.set(&[(REGISTER_A, 0x66), (REGISTER_B, PERIODIC)]);
    assert_eq!(bench.rtc.next_change(0), None);
    bench.now = SECOND;
    assert_eq!(bench.read(REGISTER_C), 0);
}

#[test]
fn every_rate_has_its_frequency() {
    let expected = [256, 128, 8_192, 4_096, 2_048, 1_024, 512, 256, 128, 64, 32, 16, 8, 4, 2];
    for (rate, expected) in (1..).zip(expected) {
        let mut bench = Bench::at(0);
        bench.set(&[(REGISTER_A, 0x70), (REGISTER_A, DIVIDER_RUNS | rate), (REGISTER_B, PERIODIC | SET)]);
        let mut count = 0;
        while bench.next_request().is_some_and(|now| now <= SECOND) {
            count += 1;
            assert_eq!(bench.read(REGISTER_C), REQUEST | PERIODIC);
        }
        assert_eq!(count, expected, "rate {rate}");
    }
    let mut bench = Bench::at(0);
    bench.set(&[(REGISTER_A, DIVIDER_RUNS), (REGISTER_B, PERIODIC)]);
    assert_eq!(bench.rtc.next_change(0), None, "rate 0 is none");
}

#[test]
fn flags_are_set_without_enables_and_cleared_by_reading() {
    let mut bench = Bench::at(0);
    bench.set(&[(1, 0xff), (3, 0xff), (5, 0xff)]);
    bench.now = SECOND;
    assert!(!bench.is_requesting());
    assert_eq!(bench.read(REGISTER_C), PERIODIC | ALARM | UPDATE_ENDED);
    assert_eq!(bench.read(REGISTER_C), 0);
}

#[test]
fn enabling_what_has_happened_requests_at_once() {
    let mut bench = Bench::at(0);
    bench.now = SECOND;
    bench.write(REGISTER_B, UPDATE_ENDED | HOURS_24);
    assert!(bench.is_requesting());
    assert_eq!(bench.rtc.take(), Some(Signal { pin: IRQ, rises: 1, high: true }));
    assert_eq!(bench.rtc.next_change(bench.now), None, "it stays high");
    bench.read(REGISTER_C);
    assert_eq!(bench.rtc.take(), Some(Signal { pin: IRQ, rises: 0, high: false }));
    assert_eq!(bench.next_request(), Some(2 * SECOND));
}

#[test]
fn the_alarm_comes_when_the_time_is_its() {
    let mut bench = Bench::at(NEW_YEARS_EVE);
    bench.set(&[(1, 0), (3, 0), (5, 0xc0), (REGISTER_B, ALARM | HOURS_24)]);
    assert_eq!(bench.next_request(), Some(2 * SECOND));
    assert_eq!(bench.read(REGISTER_C) & (REQUEST | ALARM), REQUEST | ALARM);
    assert_eq!(bench.next_request(), Some(3_602 * SECOND), "it does not care for the hour");
    bench.read(REGISTER_C);
    bench.set(&[(5, 0x13)]);
    assert_eq!(bench.next_request(), Some((2 + 13 * 3_600) * SECOND));
    bench.read(REGISTER_C);
    bench.write(REGISTER_B, ALARM);
    bench.set(&[(4, 0x81), (5, 0x81)]);
    assert_eq!(bench.next_request(), Some((2 + 37 * 3_600) * SECOND), "one in the afternoon");
}

#[test]
fn an_alarm_between_two_looks_is_not_lost() {
    let mut bench = Bench::at(NEW_YEARS_EVE);
    bench.set(&[(1, 0), (3, 0), (5, 0), (REGISTER_B, ALARM | HOURS_24)]);
    bench.now = 100 * SECOND;
    assert!(bench.is_requesting());
}

#[test]
fn read_only_bits_stay() {
    let mut bench = Bench::at(0);
    bench.set(&[(REGISTER_A, 0xff), (REGISTER_C, 0xff), (REGISTER_D, 0)]);
    assert_eq!((bench.read(REGISTER_A), bench.read(REGISTER_C), bench.read(REGISTER_D)), (0x7f, 0, VALID));
    bench.set(&[(REGISTER_B, SET), (0, 0xff)]);
    assert_eq!(bench.read(0), 0x7f);
    bench.write(REGISTER_B, SET | 0xf);
    assert_eq!(bench.read(REGISTER_B), SET | 0xf);
}

#[test]
fn memory_is_kept_and_the_index_has_seven_bits() {
    let mut bench = Bench::at(0);
    for index in 0xe..0x80 {
        bench.write(index, index ^ 0xa5);
    }
    bench.now = SECOND / 2;
    for index in 0xe..0x80 {
        assert_eq!(bench.read(index | 0x80), index ^ 0xa5);
        assert!(bench.rtc.is_nmi_disabled());
        assert_eq!(bench.rtc.memory(index), index ^ 0xa5);
    }
    bench.rtc.set_memory(0x5b, 7);
    assert_eq!(bench.read(0x5b), 7);
    bench.rtc.set_memory(REGISTER_A, 7);
    assert_eq!(bench.read(REGISTER_A), 0x26);
}

#[test]
fn the_index_cannot_be_read_and_wide_accesses_are_split() {
    let mut bench = Bench::at(0);
    bench.rtc.write(0, 0, 2, 0x77_40);
    assert_eq!(bench.rtc.read(0, 0, 2), 0x77ff);
    assert_eq!(bench.rtc.read(0, 1, 4), 0xffff_ff77);
}

proptest! {
    #[test]
    fn nothing_a_guest_does_breaks_it(steps in hostile::strategy::steps(2), start: u64) {
        hostile::survive(Rtc::new(start), &steps);
    }

    #[test]
    fn registers_of_any_value_break_nothing(bytes in prop::collection::vec((0_u8..14, any::<u8>()), 0..30), steps in hostile::strategy::steps(2)) {
        let mut bench = Bench::at(NEW_YEARS_EVE);
        bench.set(&bytes);
        // The indices of registers are rare among all.
        let steps: Vec<_> = steps
            .into_iter()
            .map(|step| match step {
                hostile::Step::Write { offset: 0, size, value } => hostile::Step::Write { offset: 0, size, value: (value % 14) | (value & !0xff) },
                other => other,
            })
            .collect();
        hostile::survive(bench.rtc.clone(), &steps);
        hostile::same_however_often_advanced(bench.rtc, &steps);
    }
}
