//! The periodic flag at each rate, by the time-stamp counter.

use super::{model, ticks};
use rt::{
    case, check, check_eq,
    clock::{self, now},
    rtc::{self, b, flag},
    vocabulary::Needs,
};

/// The rates that are fast enough to look at: up to 7.8 ms. The first two are those of 8 and 9.
const RATES: core::ops::RangeInclusive<u8> = 1..=9;

/// How many flags are waited for until one was in time.
const MAX_FLAGS: u64 = 12;

/// Of each rate: flags do not come more often than its periods, and one comes within two of them.
#[case(feature = RtcInterrupts, spec = rtc("Periodic Interrupt Selection"), needs = Needs::RTC, irqchip = Full)]
fn each_rate_has_its_period() {
    let _ = clock::tsc_khz();
    for rate in RATES {
        let period = ticks(model::period(rate));
        let nr_flags: u64 = if period > ticks(64) { 1 } else { 3 };
        // Half a percent for quartzes, and a tick of the divider.
        let slack = |time: u64| time / 200 + ticks(1);
        rtc::hold(b::HOURS_24);
        rtc::release(b::HOURS_24 | flag::PERIODIC, rate);
        // The first flag that counts comes behind a read without one, so its beginning is known; between it and the last there
        // are so many periods. A flag that is missed makes it longer, and so does a host that steals time.
        // Of the flags behind the first, one at least is in time: a host may be late, and then there are some more.
        let (mut nr_seen, mut none_at, mut first) = (0, None, 0);
        let (mut is_late, mut was_in_time) = (false, false);
        let mut cleared = now();
        let deadline = clock::Deadline::after(1_000_000);
        let came = deadline.wait(|| {
            let before = now();
            if rtc::read(rtc::C) & flag::PERIODIC == 0 {
                // No flag since the read that cleared the one before: less than a period.
                is_late |= before.saturating_sub(cleared) > period + slack(period);
                none_at = Some(before);
                return false;
            }
            if nr_seen == 0 {
                let Some(none_at) = none_at else { return false };
                first = none_at;
            }
            was_in_time |= nr_seen != 0 && !is_late;
            is_late = false;
            nr_seen += 1;
            cleared = now();
            nr_seen > nr_flags && (was_in_time || nr_seen > MAX_FLAGS)
        });
        check!("they come", [&[]; rate], came);
        check!("not late", [&[]; rate], was_in_time);
        let passed = cleared - first;
        check!("not too many", [&[]; rate], passed + slack(passed) >= nr_seen.saturating_sub(1) * period);
    }
}

/// Rate 0 has no period.
#[case(feature = RtcInterrupts, spec = rtc("Periodic Interrupt Selection"), needs = Needs::RTC, irqchip = Full)]
fn rate_0_is_none() {
    rtc::hold(b::HOURS_24);
    rtc::release(b::HOURS_24 | flag::PERIODIC, 0);
    clock::Deadline::after(2_000).wait(|| false);
    // An update may have come, on a host that took half a second away.
    check_eq!("register C", rtc::read(rtc::C) & !flag::UPDATED, 0);
}
