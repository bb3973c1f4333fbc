//! Rates of which a period takes longer than anybody polls for: halted in between.

use super::{model, ticks, wait::Halting};
use rt::{
    case, check,
    clock::now,
    note,
    rtc::{self, b, flag},
    vocabulary::Needs,
};

/// How many flags more are waited for until one was in time: a host may be late.
const NR_MORE: u64 = 6;
const LOST_MICROS: u64 = 5_000_000;

/// Flags do not come more often than the periods of a rate, and one of them comes in time.
///
/// Each look clears the flag, so that a flag came between two looks; whatever a host takes away only puts them apart.
fn check_rate(halting: &Halting, rate: u8, nr_periods: u64) {
    let period = ticks(model::period(rate));
    rtc::hold(b::HOURS_24);
    let mut looked = now();
    rtc::release(b::HOURS_24 | flag::PERIODIC, rate);
    // The look before the first flag, and the one that saw the flag before.
    let (mut begin, mut seen) = (0, 0);
    let (mut nr_seen, mut is_early, mut was_in_time) = (0_u64, false, false);
    let came = halting.until(LOST_MICROS, || {
        let before = now();
        let is_set = rtc::read(rtc::C) & flag::PERIODIC != 0;
        let after = now();
        if is_set {
            if nr_seen == 0 {
                begin = looked;
            } else {
                is_early |= after - begin < nr_seen * (period - period / 200);
                was_in_time |= looked.saturating_sub(seen) <= period + period / 200;
            }
            nr_seen += 1;
            seen = after;
        }
        looked = before;
        nr_seen > nr_periods && (was_in_time || nr_seen > nr_periods + NR_MORE)
    });
    rtc::hold(b::HOURS_24);
    note!("flags", nr_seen);
    check!("they come", [&[]; rate], came);
    check!("none too soon", [&[]; rate], !is_early);
    check!("one in time", [&[]; rate], was_in_time);
}

macro_rules! rates {
    ($($(#[$doc:meta])* $name:ident $($rate:literal $nr_periods:literal),*;)*) => {
        $(
            $(#[$doc])*
            #[case(
                feature = RtcInterrupts, spec = rtc("Periodic Interrupt Selection"), needs = Needs::RTC | Needs::LOCAL_APIC,
                irqchip = Full
            )]
            fn $name() {
                let halting = Halting::new();
                $(check_rate(&halting, $rate, $nr_periods);)*
            }
        )*
    };
}

rates! {
    /// Rates of 15.6, 31.25 and 62.5 ms: flags do not come more often than the periods, and one comes in time.
    rates_of_64_to_16_hertz 10 8, 11 4, 12 2;
    /// The same of 125 ms.
    rate_of_8_hertz 13 1;
    /// The same of 250 ms.
    rate_of_4_hertz 14 1;
    /// The same of half a second, the slowest.
    rate_of_2_hertz 15 1;
}
