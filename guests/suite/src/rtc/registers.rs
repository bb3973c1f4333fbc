//! Registers, bytes of time and alarm, and memory, none of which needs an update.

use super::model::{self, Format};
use rt::{
    case, check, check_eq, clock,
    interrupts::GENEROUS_MICROS,
    rtc::{self, a, b, flag},
    vocabulary::Needs,
};

/// Register D is the bit that tells of valid memory and time, and nothing else; it is read-only.
#[case(feature = RtcRegisters, spec = rtc("Register D"), needs = Needs::RTC, irqchip = Full)]
fn register_d_tells_valid_time() {
    check_eq!("before", rtc::read(rtc::D), 0x80);
    for value in [0, 0x7f, 0xff] {
        rtc::write(rtc::D, value);
        check_eq!("written", [&[]; value], rtc::read(rtc::D), 0x80);
    }
}

/// Divider and rate of register A are kept; UIP is read-only, and clear while SET is set.
#[case(feature = RtcRegisters, spec = rtc("Register A"), needs = Needs::RTC, irqchip = Full)]
fn register_a_keeps_divider_and_rate() {
    rtc::write(rtc::B, b::SET | b::HOURS_24);
    for value in (0..=0xff_u8).step_by(5) {
        rtc::write(rtc::A, value);
        check_eq!("register A", [&[]; value], rtc::read(rtc::A), value & 0x7f);
    }
}

/// Register B keeps all bits; SET that rises clears the enable of the update-ended interrupt.
#[case(feature = RtcRegisters, spec = rtc("Register B"), needs = Needs::RTC, irqchip = Full)]
fn register_b_keeps_its_bits() {
    // The divider stands, so that nothing interrupts.
    rtc::hold(0);
    for before in [0, b::SET, b::SET | flag::PERIODIC, flag::UPDATED | b::HOURS_24] {
        for written in (0..=0xff_u8).step_by(if before == 0 { 5 } else { 15 }) {
            let Some(expected) = model::register_b(before, written) else { continue };
            rtc::write(rtc::B, before);
            rtc::write(rtc::B, written);
            check_eq!("register B", [&[]; u64::from(before) << 8 | u64::from(written)], rtc::read(rtc::B), expected);
        }
    }
}

/// Register C cannot be written; a read clears it; its flags are set without enables, and IRQF is made of the enabled ones.
#[case(feature = RtcRegisters, spec = rtc("Register C"), needs = Needs::RTC, irqchip = Full)]
fn register_c_is_cleared_by_reading() {
    rtc::hold(b::HOURS_24);
    for value in [0xff, 0x70, 0xf0] {
        rtc::write(rtc::C, value);
        check_eq!("written", [&[]; value], rtc::read(rtc::C), 0);
    }
    // All combinations of enables, with the periodic flag, which comes every 122 µs. Updates are half a second away.
    for enables in 0..8_u8 {
        let enabled = enables << 4;
        let (was_in_time, first) = clock::undisturbed(|| {
            rtc::hold(b::HOURS_24);
            let begin = clock::now();
            rtc::release(b::HOURS_24 | enabled, 3);
            let mut first = 0;
            let came = clock::Deadline::after(GENEROUS_MICROS).wait(|| {
                first = rtc::read(rtc::C);
                first & flag::PERIODIC != 0
            });
            // On a host that took half a second away, an update may have come.
            (!came || clock::now() - begin < clock::ticks(490_000), first)
        });
        let must_not = if was_in_time { flag::ALARM | flag::UPDATED } else { 0 };
        let right = model::agrees(first, enabled, flag::PERIODIC, must_not);
        check!("flag and request", [&[]; enables], right);
        rtc::write(rtc::A, a::RESET);
        let _ = rtc::read(rtc::C);
        check_eq!("cleared", [&[]; enables], rtc::read_again(), 0);
    }
}

/// A request that is there begins and ends with the enable of its flag: IRQF is no memory.
#[case(feature = RtcInterrupts, spec = rtc("Register C"), needs = Needs::RTC.union(Needs::PIC), irqchip = Full)]
fn request_follows_the_enables() {
    use rt::pic::{self, Chip};
    pic::initialize(0);
    Chip::Second.data(!1);
    let is_requested = || Chip::Second.requests() & 1 != 0;
    for turn in 0..3_u8 {
        rtc::hold(b::HOURS_24);
        rtc::release(b::HOURS_24, 3);
        clock::Deadline::after(200).wait(|| false);
        check!("not enabled", [&[]; turn], !is_requested());
        rtc::write(rtc::B, b::HOURS_24 | flag::PERIODIC);
        let requested = clock::Deadline::after(20_000).wait(is_requested);
        check!("enabled", [&[]; turn], requested);
        rtc::write(rtc::A, a::RESET);
        check!("until register C is read", [&[]; turn], rtc::read(rtc::C) & flag::REQUEST != 0);
        check!("then no more", [&[]; turn], !is_requested());
    }
}

/// The byte that most PCs have the century in, which a clock may write (ACPI, "Fixed ACPI Description Table (FADT)", CENTURY).
const CENTURY: u8 = 0x32;

/// All bytes of memory but the century keep their values, each its own; bit 7 of the index is not part of it.
#[case(
    feature = RtcRegisters, spec = [rtc("Static CMOS RAM"), ich9("NMI_EN—NMI Enable (and Real Time Clock Index)")],
    needs = Needs::RTC, irqchip = Full
)]
fn memory_keeps_its_bytes() {
    rtc::hold(b::HOURS_24);
    let memory = || rtc::MEMORY.filter(|&index| index != CENTURY);
    let byte = |index: u8, turn: u8| index.wrapping_mul(0x35) ^ [0, 0xff][usize::from(turn)];
    for turn in 0..2 {
        for index in memory() {
            rtc::write(if turn == 0 { index | rtc::NO_NMI } else { index }, byte(index, turn));
        }
        for index in memory() {
            let at = if turn == 1 { index | rtc::NO_NMI } else { index };
            check_eq!("byte", [&[]; u64::from(turn) << 8 | u64::from(index)], rtc::read(at), byte(index, turn));
        }
    }
    // NMIs as before.
    let _ = rtc::read(rtc::D);
}

/// With SET, the bytes of the time keep every number that there is, in each form.
#[case(
    feature = RtcRegisters, spec = [rtc("Time, Calendar, and Alarm Locations"), rtc("Register B")], needs = Needs::RTC,
    irqchip = Full
)]
fn time_is_kept_in_each_format() {
    for (row, format) in Format::ALL.into_iter().enumerate() {
        rtc::hold(format.bits());
        let ranges = [0..60_u8, 0..60, 0..24, 1..8, 1..29, 1..13, 0..100];
        for turn in [0, 1, 9, 10, 11, 12, 19, 23, 39, 59, 79, 99_u8] {
            let numbers = ranges.clone().map(|range| range.start + turn % (range.end - range.start));
            let [second, minute, hour, weekday, day, month, year] = numbers;
            let bytes = format.encode(model::Moment { year, month, day, weekday, hour, minute, second });
            for (index, byte) in rtc::TIME.into_iter().zip(bytes) {
                rtc::write(index, byte);
            }
            for (index, byte) in rtc::TIME.into_iter().zip(bytes) {
                let row = (row as u64) << 16 | u64::from(turn) << 8 | u64::from(index);
                check_eq!("byte", [&[]; row], rtc::read(index), byte);
            }
        }
    }
}

/// The bytes of the alarm keep what is written, codes that do not care among it.
#[case(feature = RtcRegisters, spec = rtc("Time, Calendar, and Alarm Locations"), needs = Needs::RTC, irqchip = Full)]
fn alarm_is_kept() {
    rtc::hold(b::HOURS_24);
    let values = [0, 1, 0x09, 0x10, 0x12, 0x23, 0x59, 0xc0, 0xe5, 0xff];
    for value in values {
        rtc::set_alarm([value, value, value]);
        for index in rtc::ALARM {
            check_eq!("byte", [&[]; u64::from(value) << 8 | u64::from(index)], rtc::read(index), value);
        }
    }
}
