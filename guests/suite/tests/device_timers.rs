//! The judges of HPET, real-time clock and ACPI timer agree with what is right, and find what is wrong.

#[path = "../src/hpet/model.rs"]
mod hpet;
#[path = "../src/pmtimer/model.rs"]
mod pm_timer;
#[path = "../src/rates.rs"]
#[expect(dead_code, reason = "the rest is tested with the clock of KVM")]
mod rates;
#[path = "../src/rtc/model.rs"]
mod rtc;

use pm_timer::Carry;
use rates::Reading;
use rtc::{Format, Look, Moment, Watch};

#[test]
fn each_wrong_capability_has_its_bit() {
    const GOOD: u64 = 0x0098_9680_8086_a301;
    assert_eq!(hpet::wrong_capabilities(GOOD), 0);
    let wrong = [GOOD & !0xff, GOOD & !0x1f00 | 0x100, GOOD | 1 << 14, GOOD & !0xffff_0000, GOOD & 0xffff_ffff];
    for (bit, value) in wrong.into_iter().enumerate() {
        assert_eq!(hpet::wrong_capabilities(value), 1 << bit, "{value:#x}");
    }
    assert_eq!(hpet::wrong_capabilities(GOOD & 0xffff_ffff | 100_000_001 << 32), 1 << 4);
    assert_eq!(hpet::wrong_capabilities(GOOD | 0xffff_0000), 1 << 3);
}

#[test]
fn each_wrong_bit_of_a_timer_is_found() {
    const GOOD: u64 = 0x00f0_0000_0000_0030;
    assert_eq!(hpet::wrong_timer(GOOD, true), 0);
    let wrong = [GOOD | 1, GOOD | 1 << 7, 0x00f0_0000_0000_0028, 0x30, GOOD | 1 << 20];
    for (bit, value) in wrong.into_iter().enumerate() {
        assert_eq!(hpet::wrong_timer(value, true), 1 << bit, "{value:#x}");
    }
    assert_eq!(hpet::wrong_timer(GOOD, false), 1 << 5);
    assert_eq!(hpet::wrong_timer(0x8030, true), 0, "messages need no input");
}

#[test]
fn configurations_that_keep_too_much_or_too_little_are_found() {
    // Periodic and wide, inputs 4 and 5.
    const CAPABLE: u64 = 0x30_0000_0030;
    let written = 4 << 9 | 0x10e;
    assert!(hpet::is_written(CAPABLE, written, CAPABLE | written));
    for bit in (0..64).filter(|bit| !(9..14).contains(bit)) {
        assert!(!hpet::is_written(CAPABLE, written, (CAPABLE | written) ^ 1 << bit), "bit {bit}");
    }
    assert!(!hpet::is_written(CAPABLE, written, CAPABLE | 5 << 9 | 0x10e), "another input");
    assert!(!hpet::is_written(CAPABLE, 6 << 9, CAPABLE | 6 << 9), "an input that is not permitted");
    assert!(hpet::is_written(CAPABLE, 6 << 9, CAPABLE | 4 << 9));
    // Without capabilities.
    assert!(hpet::is_written(0x10_0000_0000, 4 << 9 | 0x410c, 0x10_0000_0000 | 4 << 9 | 4));
    for bit in [3, 8, 14] {
        assert!(!hpet::is_written(0x10_0000_0000, 4 << 9 | 1 << bit, 0x10_0000_0000 | 4 << 9 | 1 << bit), "bit {bit}");
    }
}

#[test]
fn comparators_that_lag_or_lead_are_found() {
    for (first, bits) in [(1_000, 64), (0xffff_ff00, 32), (0xffff_ff00, 64), (u64::MAX - 50, 64)] {
        let mask = if bits == 64 { u64::MAX } else { 0xffff_ffff };
        for counter in (0..1_000_u64).map(|ticks| first.wrapping_add(ticks * 7)) {
            let passed = counter.wrapping_sub(first);
            let right = first.wrapping_add((passed / 100 + 1) * 100) & mask;
            let agrees = |comparator| hpet::is_ahead(first, 100, comparator, counter, counter, bits);
            assert!(agrees(right), "{first:#x} {counter:#x}");
            assert!(!agrees(right.wrapping_add(1) & mask), "no multiple");
            assert!(!agrees(right.wrapping_add(200) & mask), "ahead by two periods");
            assert!(!agrees(right.wrapping_sub(200) & mask), "behind");
        }
        assert!(hpet::is_ahead(first, 100, first & mask, first.wrapping_sub(700), first.wrapping_sub(700), bits));
    }
    assert!(!hpet::is_ahead(0xffff_ff00, 256, 1 << 32, 0xffff_ff80, 0xffff_ff80, 32), "bits above");
}

#[test]
fn register_b_without_its_rules_is_found() {
    assert_eq!(rtc::register_b(0, 0x7f), Some(0x7f));
    assert_eq!(rtc::register_b(0, 0xff), Some(0xef));
    assert_eq!(rtc::register_b(0x80, 0xef), Some(0xef));
    assert_eq!(rtc::register_b(0x80, 0x90), None);
}

#[test]
fn each_wrong_bit_of_register_c_is_found() {
    assert!(rtc::agrees(0xc0, 0x40, 0x40, 0x30));
    assert!(rtc::agrees(0x40, 0x30, 0x40, 0x30));
    assert!(rtc::agrees(0x50, 0x20, 0x40, 0x20));
    assert!(!rtc::agrees(0x40, 0x40, 0x40, 0x30), "IRQF is missing");
    assert!(!rtc::agrees(0xc0, 0x30, 0x40, 0x30), "IRQF without an enable");
    assert!(!rtc::agrees(0x00, 0x00, 0x40, 0x30), "the flag is missing");
    assert!(!rtc::agrees(0x50, 0x00, 0x40, 0x10), "a flag too many");
    assert!(!rtc::agrees(0x41, 0x00, 0x40, 0x30), "a low bit");
}

#[test]
fn rates_are_those_of_the_table() {
    // In microseconds, of the table for 32.768 kHz, rounded down.
    let table =
        [0, 3_906, 7_812, 122, 244, 488, 976, 1_953, 3_906, 7_812, 15_625, 31_250, 62_500, 125_000, 250_000, 500_000];
    for (rate, micros) in (0..).zip(table) {
        assert_eq!(u64::from(rtc::period(rate)) * 1_000_000 / 32_768, micros, "rate {rate}");
    }
}

#[test]
fn calendar_knows_its_months() {
    let days_of_months = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    for year in [0_u8, 1, 4, 27, 28, 99] {
        for (month, days) in (1..).zip(days_of_months) {
            let days = if month == 2 && year % 4 == 0 { 29 } else { days };
            let next = Moment::end_of(year, month, days, 7).next();
            let (next_month, next_year) = if month == 12 { (1, (year + 1) % 100) } else { (month + 1, year) };
            let expected =
                Moment { year: next_year, month: next_month, day: 1, weekday: 1, hour: 0, minute: 0, second: 0 };
            assert_eq!(next, expected, "{year} {month}");
            assert_eq!(Moment::end_of(year, month, days - 1, 3).next().day, days);
        }
    }
}

#[test]
fn formats_are_those_of_the_data_sheet() {
    let noon = Moment { year: 79, month: 2, day: 15, weekday: 5, hour: 21, minute: 58, second: 5 };
    // Its example: 5:58:21 on Thursday, 15 February 1979, with other hours.
    assert_eq!(Format::ALL[3].encode(noon), [0x05, 0x3a, 0x15, 0x05, 0x0f, 0x02, 0x4f]);
    assert_eq!(Format::ALL[1].encode(noon), [0x05, 0x58, 0x21, 0x05, 0x15, 0x02, 0x79]);
    assert_eq!(Format::ALL[0].hour(21), 0x89);
    assert_eq!((Format::ALL[2].hour(0), Format::ALL[2].hour(12), Format::ALL[2].hour(11)), (12, 0x8c, 11));
    assert_eq!([0, 1, 2, 3].map(|index| Format::ALL[index].bits()), [0, 2, 4, 6]);
}

#[test]
fn alarms_care_or_do_not() {
    let time = [0x10, 0x20, 0x13, 1, 1, 1, 1];
    assert!(rtc::is_due([0x10, 0x20, 0x13], time) && rtc::is_due([0xc0, 0xff, 0xe0], time));
    assert!(!rtc::is_due([0x11, 0xff, 0xff], time));
    assert!(!rtc::is_due([0xff, 0x21, 0xff], time));
    assert!(!rtc::is_due([0xff, 0xff, 0x93], time));
}

fn watch(looks: &[(u64, bool, bool, u64)]) -> Watch {
    let mut watch = Watch::default();
    for (before, is_updating, has_changed, after) in looks.iter().copied() {
        watch.add(Look { before, is_updating, has_changed, after }, 244);
    }
    watch
}

#[test]
fn updates_behind_a_clear_uip_are_found() {
    assert!(!watch(&[(0, false, false, 10), (200, true, false, 210), (300, true, true, 310)]).is_broken);
    assert!(watch(&[(0, false, false, 10), (200, true, false, 210), (220, true, true, 230)]).is_broken, "set too late");
    assert!(watch(&[(0, false, false, 10), (100, false, true, 110)]).is_broken, "never set");
    assert!(!watch(&[(0, false, false, 10), (100, false, true, 400)]).is_broken, "the host was away");
}

#[test]
fn parts_of_the_timer_are_told_from_others() {
    assert!(pm_timer::is_part(0x1234_56f8, 0xff, 0x1234_5704, 0, 1));
    assert!(pm_timer::is_part(0x1234_56f8, 0x01, 0x1234_5704, 0, 1));
    assert!(!pm_timer::is_part(0x1234_56f8, 0x56, 0x1234_5704, 0, 1));
    assert!(pm_timer::is_part(0x1234_56f8, 0x1234, 0x1234_5704, 2, 2));
    assert!(!pm_timer::is_part(0x1234_56f8, 0x5678, 0x1234_5704, 2, 2));
    assert!(!pm_timer::is_part(0x1234_56f8, 0x1_1234, 0x1234_5704, 2, 2), "too many bits");
    assert!(
        pm_timer::is_part(0x00ff_fff8, 0, 0x0100_0004, 3, 1) && pm_timer::is_part(0x00ff_fff8, 1, 0x0100_0004, 3, 1)
    );
    assert!(pm_timer::is_part(0xffff_fff0, 0, 0x10, 3, 1) && !pm_timer::is_part(0xffff_fff0, 0x80, 0x10, 3, 1));
}

#[test]
fn carries_that_are_missed_or_invented_are_found() {
    assert_eq!(pm_timer::carry(0x7f_fff0, 0x80_0000, 0x80_0002, true, 24), Carry::Right);
    assert_eq!(pm_timer::carry(0x7f_fff0, 0x80_0000, 0x80_0002, false, 24), Carry::Missed);
    assert_eq!(pm_timer::carry(0x10, 0x20, 0x30, true, 24), Carry::Invented);
    assert_eq!(pm_timer::carry(0x10, 0x20, 0x30, false, 24), Carry::Right);
    assert_eq!(pm_timer::carry(0x7f_fff0, 0x7f_ffff, 0x80_0000, true, 24), Carry::Right);
    assert_eq!(pm_timer::carry(0xff_fff0, 0x100_0000, 0x100_0001, false, 24), Carry::Missed);
    assert_eq!(pm_timer::carry(0xff_fff0, 0x100_0000, 0x100_0001, true, 32), Carry::Invented);
    assert_eq!((pm_timer::until_carry(0x7f_fff0, 24), pm_timer::until_carry(0x80_0000, 24)), (16, 1 << 23));
    assert_eq!(pm_timer::passed(0xff_fff0, 0x10, 24), 0x20);
}

#[test]
fn interrupts_that_are_off_by_a_percent_are_found_however_late_some_are() {
    const PERIOD: u64 = 10_000_000;
    let train = rates::Train { period: PERIOD, after: 1_000, before: 4_000 };
    for (real, early, in_time) in
        [(PERIOD, false, true), (PERIOD * 99 / 100, true, true), (PERIOD * 101 / 100, false, false)]
    {
        for late in [5_000, 200_000] {
            let at = |number: u64| 2_000 + number * real + late;
            assert_eq!(train.is_early(16, at(16)), early, "{real} {late}");
            assert_eq!(train.is_in_time(16, at(16)), in_time, "{real} {late}");
        }
        // Stolen time makes nothing early.
        assert!(real < PERIOD || !train.is_early(16, 2_000 + 40 * real));
    }
}

#[test]
fn first_updates_that_are_off_by_a_percent_are_found() {
    // With and without the update cycle, the host being quick or away for a while on either side.
    for right in [500_000, 501_984] {
        for (least, most) in [(right - 30, right), (right - 20_000, right + 5), (right, right + 90_000)] {
            assert!(rtc::is_first_update(least, most), "{least} {most}");
        }
        for wrong in [right * 99 / 100 - 1_000, right * 101 / 100] {
            assert!(!rtc::is_first_update(wrong - 30, wrong), "{wrong}");
        }
    }
}

#[test]
fn bytes_that_are_no_time_are_found() {
    let bcd = Format { binary: false, hours_24: true };
    let right = [0x59, 0x00, 0x23, 7, 0x31, 0x12, 0x99];
    assert_eq!(rtc::wrong_bytes(right, bcd), 0);
    for (bit, byte) in [0x60, 0x0a, 0x24, 0, 0x32, 0x13, 0xa0].into_iter().enumerate() {
        let mut wrong = right;
        wrong[bit] = byte;
        assert_eq!(rtc::wrong_bytes(wrong, bcd), 1 << bit, "{byte:#x}");
    }
    let binary_12 = Format { binary: true, hours_24: false };
    assert_eq!(rtc::wrong_bytes([59, 59, 0x8c, 1, 31, 12, 99], binary_12), 0);
    assert_eq!(rtc::wrong_bytes([59, 59, 0x80, 1, 31, 12, 99], binary_12), 1 << 2);
}

#[test]
fn times_are_seconds_since_1970() {
    // 21 November 2026, 11:53:52, and the days around a leap day.
    assert_eq!(rtc::unix([0x52, 0x53, 0x11, 7, 0x21, 0x11, 0x26]), 1_795_262_032);
    assert_eq!(rtc::unix([0, 0, 0, 7, 1, 1, 0]), 946_684_800);
    assert_eq!(rtc::unix([0, 0, 0, 4, 1, 3, 0x28]) - rtc::unix([0, 0, 0, 2, 0x28, 2, 0x28]), 2 * 86_400);
}

#[test]
fn rates_that_are_off_by_a_percent_are_found() {
    let reading = |at: u64, rate: u64, width: u64| Reading { before: at, count: at * rate / 1_000, after: at + width };
    let expected = (100_u64 << 32) / 1_000;
    for (rate, is_right) in [(100, true), (101, false), (99, false)] {
        let interval = reading(0, rate, 20).rate_until(reading(100_000, rate, 20)).unwrap();
        assert!(interval.is_known(5_000));
        assert_eq!(interval.can_be(expected, 5_000), is_right, "{rate}");
    }
    // A host that takes time away makes it unknown, not wrong.
    let interval = reading(0, 100, 20).rate_until(reading(100_000, 100, 50_000)).unwrap();
    assert!(interval.can_be(expected, 5_000) && !interval.is_known(5_000));
    assert_eq!(reading(0, 0, 20).rate_until(reading(100_000, 0, 20)), None, "a counter that stands");
}
