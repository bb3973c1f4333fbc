//! The state in which the machine hands the clock over.

use super::model::{self, Format};
use rt::{
    case, check, check_eq, note,
    rtc::{self, a, b, flag},
    vocabulary::Needs,
};

/// After reset no interrupt is enabled and none requested; memory and time are valid, the divider runs, and updates go on.
#[case(
    feature = RtcRegisters, spec = [rtc("Register B"), rtc("Register C"), rtc("Register D"), rtc("Divider Control")],
    needs = Needs::RTC, irqchip = Full
)]
fn reset_disables_interrupts_and_keeps_time() {
    /// The output of a square wave, which reset disables too.
    const SQUARE_WAVE: u8 = 1 << 3;
    let register_b = rtc::read(rtc::B);
    check_eq!("enables of register B", register_b & (flag::ALL | SQUARE_WAVE), 0);
    check_eq!("SET", register_b & b::SET, 0);
    check_eq!("IRQF", rtc::read(rtc::C) & flag::REQUEST, 0);
    check_eq!("register D", rtc::read(rtc::D), 0x80);
    check_eq!("divider", rtc::read(rtc::A) & a::RESET, a::RUNS);
}

/// The time that a machine starts with is one: each byte is a number that there is, in the format that register B tells.
#[case(
    feature = RtcRegisters, spec = [rtc("Time, Calendar, and Alarm Locations"), rtc("Register B")], needs = Needs::RTC,
    irqchip = Full
)]
fn time_of_the_start_is_one() {
    let format = Format::ALL[usize::from(rtc::read(rtc::B) >> 1 & 3)];
    let time = rtc::steady_time();
    check!("it can be read", time.is_some());
    let wrong = model::wrong_bytes(time.unwrap_or([0xff; 7]), format);
    note!("seconds", time.unwrap_or_default()[0]);
    check_eq!("bytes that are no such numbers", wrong, 0);
}
