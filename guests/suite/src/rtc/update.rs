//! Update cycles: half a second after the divider was released, the time goes on by one second. Each check of a calendar takes
//! such a half second, so several rules are checked with one.

use super::{
    model::{self, Format, Look, Moment, Watch},
    wait::Halting,
};
use rt::{
    case, check, check_eq,
    clock::{self, now},
    note,
    rtc::{self, a, b, flag},
    vocabulary::Needs,
};

/// An update that is not there after this time does not come: it is due after half a second.
const LOST_MICROS: u64 = 3_000_000;
/// Oscillators and the measurement of the time-stamp counter differ by less, in this half second.
const EARLIEST_MICROS: u64 = 500_000 - 2_500;
/// The next one is due a second later: until then, the time can be read.
const LATEST_MICROS: u64 = 1_450_000;

/// Lets a time go on by one second: an alarm, and whether it is due then.
struct Row {
    format: Format,
    moment: Moment,
    alarm: [u8; 3],
}

/// The bytes at those indices.
fn read_time() -> [u8; 7] {
    rtc::TIME.map(rtc::read)
}

fn set(row: &Row) {
    rtc::hold(row.format.bits());
    for (index, byte) in rtc::TIME.into_iter().zip(row.format.encode(row.moment)) {
        rtc::write(index, byte);
    }
    rtc::set_alarm(row.alarm);
}

/// What one update leaves behind.
struct Update {
    came: bool,
    flags: u8,
    /// Register C, read once more.
    again: u8,
    time: [u8; 7],
    /// Microseconds from the release of the divider until the update was seen, and until the time was read.
    seen: u64,
    read: u64,
}

fn update(halting: &Halting, row: &Row) -> Update {
    set(row);
    let begin = now();
    let passed = || clock::nanoseconds(now() - begin) / 1_000;
    rtc::release(row.format.bits(), 0);
    let mut flags = 0;
    let came = halting.until(LOST_MICROS, || {
        flags |= rtc::read(rtc::C);
        flags & flag::UPDATED != 0
    });
    let seen = passed();
    Update { came, flags, again: rtc::read(rtc::C), time: read_time(), seen, read: passed() }
}

/// The time is what one second made of it, the update is told, not before its time, and the alarm if it was for it.
fn check_update(halting: &Halting, row: &Row) {
    // What is read when the next update may have come is not known: it is made again.
    let (is_known, Update { came, flags, again, time, seen, .. }) = clock::undisturbed(|| {
        let update = update(halting, row);
        (!update.came || update.read < LATEST_MICROS, update)
    });
    check!("it is updated", came);
    check!("not within half a second", seen >= EARLIEST_MICROS);
    if !is_known {
        note!("attempts in which the host let the time be read within a second", 0_u64);
        return;
    }
    let expected = row.format.encode(row.moment.next());
    check_eq!("second", time[0], expected[0]);
    check_eq!("minute", time[1], expected[1]);
    check_eq!("hour", time[2], expected[2]);
    check_eq!("day of the week", time[3], expected[3]);
    check_eq!("day", time[4], expected[4]);
    check_eq!("month", time[5], expected[5]);
    check_eq!("year", time[6], expected[6]);
    let alarm = if model::is_due(row.alarm, expected) { flag::ALARM } else { 0 };
    check_eq!("register C, which was read before", again, 0);
    check!("update and alarm", model::agrees(flags, 0, flag::UPDATED | alarm, (flag::ALARM & !alarm) | flag::PERIODIC));
}

macro_rules! updates {
    ($($(#[$doc:meta])* $name:ident $format:literal $moment:expr, $alarm:expr;)*) => {
        $(
            $(#[$doc])*
            #[case(
                feature = RtcUpdate, spec = [rtc("Update Cycle"), rtc("Time, Calendar, and Alarm Locations"), rtc("Divider Control")],
                needs = Needs::RTC | Needs::LOCAL_APIC, irqchip = Full
            )]
            fn $name() {
                let halting = Halting::new();
                check_update(&halting, &Row { format: Format::ALL[$format], moment: $moment, alarm: $alarm });
            }
        )*
    };
}

updates! {
    /// The last second of 1999, in BCD and 24 hours; the alarm is for midnight.
    century_ends 1 Moment::end_of(99, 12, 31, 6), [0, 0, 0];
    /// The last second of 28 February of a leap year, in BCD and 12 hours, a Saturday; the alarm does not care.
    leap_day_begins 0 Moment::end_of(28, 2, 28, 7), [0xc0, 0xff, 0xd5];
    /// The last second of 28 February of another year, in binary and 24 hours; the alarm is for another second.
    february_ends 3 Moment::end_of(27, 2, 28, 1), [1, 0xff, 0xff];
    /// The last second of an April morning, in binary and 12 hours; the alarm is for every noon.
    morning_ends 2 Moment { year: 31, month: 4, day: 30, weekday: 4, hour: 11, minute: 59, second: 59 }, [0, 0xc0, 0x8c];
}

/// UIP is clear until 244 µs before the time changes: whoever finds it clear has that long to read the time.
#[case(feature = RtcUpdate, spec = [rtc("Update Cycle"), rtc("Register A")], needs = Needs::RTC | Needs::LOCAL_APIC, irqchip = Full)]
fn update_in_progress_is_told_before() {
    const APPROACH_MICROS: u64 = 490_000;
    let halting = Halting::new();
    let row = Row { format: Format::ALL[1], moment: Moment::end_of(30, 4, 30, 3), alarm: [0x10, 0, 0xff] };
    set(&row);
    let begin = now();
    rtc::release(row.format.bits(), 0);
    let released = now();
    let is_updating = rtc::read(rtc::A) & a::UPDATING != 0;
    let approach = begin + clock::ticks(APPROACH_MICROS);
    check!("UIP is clear", !is_updating || now() >= approach);
    let _ = halting.until(APPROACH_MICROS, || now() >= approach);
    let mut watch = Watch::default();
    // By two in a hundred less, for the measurement of the time-stamp counter.
    let promise = clock::ticks(239);
    let old = row.format.encode(row.moment)[0];
    let deadline = clock::Deadline::after(LOST_MICROS);
    let (mut unchanged, mut seen) = (released, 0);
    let changed = deadline.wait(|| {
        let before = now();
        let is_updating = rtc::read(rtc::A) & a::UPDATING != 0;
        let asked = now();
        let has_changed = rtc::read(0) != old;
        seen = now();
        if !has_changed {
            unchanged = asked;
        }
        watch.add(Look { before, is_updating, has_changed, after: seen }, promise)
    });
    check!("the time changes", changed);
    let micros = |ticks: u64| clock::nanoseconds(ticks) / 1_000;
    let (least, most) = (micros(unchanged.saturating_sub(released)), micros(seen - begin));
    note!("at least so many microseconds behind the release", least);
    note!("at most so many", most);
    check!("half a second behind the release", model::is_first_update(least, most));
    check!("UIP was clear for 244 µs or set", !watch.is_broken);
    let clear = clock::Deadline::after(20_000).wait(|| rtc::read(rtc::A) & a::UPDATING == 0);
    check!("UIP is clear again", clear);
}

/// SET holds the time: no update comes, none is told, and UIP stays clear; the divider goes on, and periods with it.
#[case(feature = RtcUpdate, spec = [rtc("Register B"), rtc("Update Cycle")], needs = Needs::RTC | Needs::LOCAL_APIC, irqchip = Full)]
fn set_holds_the_time() {
    let halting = Halting::new();
    let row = Row { format: Format::ALL[1], moment: Moment::end_of(30, 6, 30, 3), alarm: [0xff; 3] };
    set(&row);
    let begin = now();
    rtc::release(b::SET | row.format.bits(), 6);
    let mut flags = 0;
    let mut was_updating = false;
    let over = begin + clock::ticks(520_000);
    let _ = halting.until(LOST_MICROS, || {
        flags |= rtc::read(rtc::C);
        was_updating |= rtc::read(rtc::A) & a::UPDATING != 0;
        now() >= over
    });
    check!("no update and no alarm", model::agrees(flags, 0, flag::PERIODIC, flag::UPDATED | flag::ALARM));
    check!("UIP is clear", !was_updating);
    for (index, (byte, expected)) in read_time().into_iter().zip(row.format.encode(row.moment)).enumerate() {
        check_eq!("byte of the time", [&[]; index], byte, expected);
    }
}
