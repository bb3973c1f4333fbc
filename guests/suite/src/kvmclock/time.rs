//! The time that KVM's clock tells: monotonic, at the counter's rate, through exits and updates.

use crate::rates::{median_rate, within};
use rt::{
    case, check, check_count, check_eq, clock,
    cpu::cpuid::read_leaf,
    kvm_clock::{self, Clock},
    note, paging, skip, user,
    vocabulary::Needs,
};

/// How often CPL 3 reads the clock: natively some milliseconds.
const NR_READS: u64 = 20_000;
/// Pairs of which the median counts.
const NR_PAIRS: usize = 15;
/// Time between the readings of a pair in microseconds.
const APART_MICROS: u64 = 300;

/// Read again and again by one processor, the time never goes back.
#[case(feature = KvmClockTime, spec = kvm("KVM-specific MSRs"), needs = Needs::KVM_CLOCK)]
fn time_never_goes_back() {
    let address = paging::frame(1);
    let Ok(_clock) = Clock::enable(address) else {
        check!("it can be enabled", false);
        return;
    };
    let (mut nr_backwards, mut nr_unreadable, mut largest, mut last) = (0, 0, 0, 0);
    let (mut first, mut nr_versions, mut version) = (0, 0_u64, 0);
    let ran = user::run(|| {
        for turn in 0..NR_READS {
            let Some((info, tsc)) = kvm_clock::read_with(address, kvm_clock::ordered_tsc) else {
                nr_unreadable += 1;
                continue;
            };
            let now = info.at(tsc);
            if now < last {
                nr_backwards += 1;
                largest = u64::max(largest, last - now);
            }
            nr_versions += u64::from(info.version != version);
            version = info.version;
            last = now;
            if turn == 0 {
                first = now;
            }
        }
    });
    check!("CPL 3 returns", ran.is_ok());
    note!("versions seen", nr_versions);
    note!("largest step back in nanoseconds", largest);
    check_count!("readings before the one before", nr_backwards, 0);
    check_count!("structures that were never whole", nr_unreadable, 0);
    check!("time passes", last > first);
}

/// An update of the structure does not make time jump back: neither one by an exit nor one by enabling it again.
#[case(feature = KvmClockTime, spec = kvm("KVM-specific MSRs"), needs = Needs::KVM_CLOCK)]
fn updates_do_not_set_time_back() {
    let address = paging::frame(1);
    let mut last = 0;
    for turn in 0..16_u64 {
        let Ok(clock) = Clock::enable(address) else {
            check!("it can be enabled", [&[]; turn], false);
            return;
        };
        let by_enabling = kvm_clock::read_with(address, clock::now).map_or(0, |(info, tsc)| info.at(tsc));
        check!("enabled again", [&[]; turn], by_enabling >= last);
        let _ = read_leaf(0, 0);
        let by_exit = kvm_clock::read_with(address, clock::now).map_or(0, |(info, tsc)| info.at(tsc));
        check!("behind an exit", [&[]; turn], by_exit >= by_enabling);
        last = by_exit;
        core::mem::forget(clock);
    }
    check!("time has passed", last != 0);
    check_eq!("disabled", u64::from(rt::cpu::msr::write(kvm_clock::SYSTEM_TIME, 0).is_err()), 0);
}

/// Against the time-stamp counter, time passes at its rate, within 0.5 % in the median of 15 pairs of readings, the structure
/// being made anew for each.
#[case(feature = KvmClockTime, spec = [kvm("KVM-specific MSRs"), sdm3b("Time-Stamp Counter")], needs = Needs::KVM_CLOCK)]
fn time_passes_at_the_rate_of_the_counter() {
    let address = paging::frame(1);
    if clock::rate().1 == clock::Source::Assumed {
        skip!("nothing tells the rate of the time-stamp counter");
        return;
    }
    let reading = || {
        let clock = Clock::enable(address).ok()?;
        let (info, tsc) = kvm_clock::read_with(address, clock::now)?;
        drop(clock);
        Some((tsc, info.at(tsc)))
    };
    let Some(rate) = median_rate::<NR_PAIRS>(clock::ticks(APART_MICROS), reading) else {
        check!("the clock can be read", false);
        return;
    };
    // Nanoseconds in 2^32 counts.
    let expected = (1_000_000_u64 << 32) / clock::tsc_khz();
    note!("rate", rate);
    note!("expected", expected);
    check!("within 0.5 %", within(rate, expected, crate::rates::TOLERANCE));
}
