//! Interrupt request 8: through the I/O APIC and the 8259As, held until register C is read.

use super::{model, ticks, wait::Halting};
use crate::{inputs::Input, rates::Train};
use rt::{
    case, check, check_count, clock,
    interrupts::{self, End, GENEROUS_MICROS, Listening},
    pic::{self, Chip, icw4},
    rtc::{self, a, b, flag},
    skip,
    trap::TrapFrame,
    vocabulary::Needs,
};

const VECTOR: u8 = 0x63;
const PIN: u32 = 8;
/// 128 Hz.
const RATE: u8 = 9;
const NR_PERIODS: usize = 16;
/// Interrupts that are not there after this time do not come: those of a wait are due within an eighth of a second.
const LOST_MICROS: u64 = 5_000_000;

fn take(frame: &mut TrapFrame) {
    interrupts::log(frame);
    let _ = rtc::read(rtc::C);
    interrupts::end(frame.vector as u8, End::LocalApic);
}

/// Periodic interrupts come to input 8 of the I/O APIC, not sooner than their periods: a host may be late, and never early.
#[case(
    feature = RtcInterrupts, spec = [rtc("Periodic Interrupt Selection"), rtc("Interrupts")],
    needs = Needs::RTC.union(Needs::IO_APIC).union(Needs::LOCAL_APIC), irqchip = Full
)]
fn periodic_interrupts_come_at_their_rate() {
    if clock::rate().1 == clock::Source::Assumed {
        skip!("nothing tells the rate of the time-stamp counter");
        return;
    }
    let halting = Halting::new();
    let _listening = Listening::with_handler(VECTOR..=VECTOR, End::LocalApic, take);
    let _input = Input::connect(&halting.apic, PIN, VECTOR, false);
    rtc::hold(b::HOURS_24);
    interrupts::clear();
    let begin = clock::now();
    rtc::release(b::HOURS_24 | flag::PERIODIC, RATE);
    let came = halting.until(LOST_MICROS, || interrupts::count(VECTOR) as usize >= NR_PERIODS);
    rtc::hold(b::HOURS_24);
    // One more may wait, for which the handler is still there.
    let _ = interrupts::wait_for_more();
    check!("they come", came);
    let mut taken =
        (0..interrupts::total() as usize).filter_map(interrupts::taken).filter(|taken| taken.vector == VECTOR);
    let last = taken.nth(NR_PERIODS - 1).map_or(0, |taken| taken.tsc);
    // The divider may be released in the middle of a period. Half a percent is for the measurement of the time-stamp counter.
    let least = clock::ticks(1_000_000 / 128) * (NR_PERIODS as u64 - 1);
    check!("not early", last.wrapping_sub(begin) >= least - least / 200);
}

/// Interrupts of a rate, 3 to 15, counted from the end of a period: whether they come, whether one is too soon, and whether one of
/// the later half is in time.
fn round(halting: &Halting, rate: u8) -> Option<(bool, bool, bool)> {
    const NR: usize = 12;
    let period = ticks(model::period(rate));
    rtc::hold(b::HOURS_24);
    rtc::release(b::HOURS_24 | flag::PERIODIC, rate);
    // The end of a period that they are counted from, between a look without the flag and one with it.
    let (mut looked, mut train) = (None, None);
    clock::Deadline::after(1_000_000).wait(|| {
        let before = clock::now();
        if rtc::read(rtc::C) & flag::PERIODIC == 0 {
            looked = Some(before);
            return false;
        }
        train = looked.map(|after| Train { period, after, before: clock::now() });
        train.is_some()
    });
    let train = train?;
    // Those of until now wait, and are not counted.
    let _ = interrupts::wait_for_more();
    interrupts::clear();
    let came = halting.until(LOST_MICROS, || interrupts::count(VECTOR) as usize >= NR);
    rtc::hold(b::HOURS_24);
    let _ = interrupts::wait_for_more();
    let taken = (0..interrupts::total() as usize).filter_map(interrupts::taken).filter(|taken| taken.vector == VECTOR);
    let (mut is_early, mut is_in_time) = (false, false);
    for (number, taken) in (1..).zip(taken.take(NR)) {
        is_early |= train.is_early(number, taken.tsc);
        is_in_time |= number > NR as u64 / 2 && train.is_in_time(number, taken.tsc);
    }
    Some((came, is_early, is_in_time))
}

/// Of the interrupts of a rate none comes too soon, by 0.5 % of the time-stamp counter, and in one of some rounds one of the later
/// ones is in time by as much. A host may delay and join them as it likes, but not in every round.
#[case(
    feature = RtcInterrupts, spec = [rtc("Periodic Interrupt Selection"), rtc("Interrupts")],
    needs = Needs::RTC.union(Needs::IO_APIC).union(Needs::LOCAL_APIC), irqchip = Full
)]
fn periodic_interrupts_have_the_period() {
    // The longer a period, the less it counts what a host delays: half a percent of the last round is 7 ms.
    const RATES: [u8; 9] = [9, 9, 10, 10, 11, 11, 12, 12, 13];
    if clock::rate().1 == clock::Source::Assumed {
        skip!("nothing tells the rate of the time-stamp counter");
        return;
    }
    let halting = Halting::new();
    let _listening = Listening::with_handler(VECTOR..=VECTOR, End::LocalApic, take);
    let _input = Input::connect(&halting.apic, PIN, VECTOR, false);
    let (mut came, mut was_early, mut was_in_time) = (true, false, false);
    for rate in RATES {
        let round = round(&halting, rate);
        check!("a period ends", round.is_some());
        let Some((all_came, is_early, is_in_time)) = round else { return };
        came &= all_came;
        was_early |= is_early;
        was_in_time |= is_in_time;
        if was_in_time || !came {
            break;
        }
    }
    check!("they come", came);
    check!("none too soon", !was_early);
    check!("one in time", was_in_time);
}

/// The request is one edge until register C is read, whatever else happens; then there is another.
#[case(
    feature = RtcInterrupts, spec = [rtc("Interrupts"), rtc("Register C")], needs = Needs::RTC.union(Needs::PIC),
    irqchip = Full
)]
fn request_stays_until_register_c_is_read() {
    let taken = |micros| clock::Deadline::after(micros).wait(|| Chip::Second.poll() & 0x87 == 0x80);
    pic::initialize(icw4::AUTOMATIC_END);
    Chip::Second.data(!1);
    rtc::hold(b::HOURS_24);
    let _ = Chip::Second.poll();
    rtc::release(b::HOURS_24 | flag::PERIODIC, 3);
    for turn in 0..4_u8 {
        check!("it comes", [&[]; turn], taken(GENEROUS_MICROS));
        check!("and no more", [&[]; turn], !taken(500));
        check!("until it is read", [&[]; turn], rtc::read(rtc::C) & flag::REQUEST != 0);
    }
    rtc::write(rtc::A, a::RESET);
}

/// Update-ended and alarm interrupt when they are enabled; one edge for both, since they come at once.
#[case(
    feature = RtcInterrupts, spec = [rtc("Interrupts"), rtc("Update Cycle")],
    needs = Needs::RTC.union(Needs::IO_APIC).union(Needs::LOCAL_APIC), irqchip = Full
)]
fn update_and_alarm_interrupt() {
    let halting = Halting::new();
    let _listening = Listening::to(VECTOR..=VECTOR, End::LocalApic);
    let _input = Input::connect(&halting.apic, PIN, VECTOR, false);
    rtc::hold(b::HOURS_24);
    rtc::set_time(rtc::Time { second: 0x10, minute: 0x20, hour: 0x13, weekday: 2, day: 3, month: 4, year: 5 });
    rtc::set_alarm([0x11, 0xff, 0x13]);
    interrupts::clear();
    rtc::release(b::HOURS_24 | flag::UPDATED | flag::ALARM, 0);
    let came = halting.until(3_000_000, || interrupts::count(VECTOR) != 0);
    check!("it comes", came);
    // Before the next update.
    rtc::write(rtc::A, a::RESET);
    let register_c = rtc::read(rtc::C);
    check!("of both", register_c == flag::REQUEST | flag::UPDATED | flag::ALARM);
    let _ = interrupts::wait_for_more();
    check_count!("interrupts", interrupts::count(VECTOR), 1);
}
