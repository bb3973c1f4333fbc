//! KVM's wall clock: when the guest was started.

use crate::rtc::model;
use rt::{
    Outcome, case, check, check_count, check_eq, check_outcome, clock,
    cpu::cpuid::{HYPERVISOR_BASE, read_leaf},
    cpu::msr,
    kvm_clock::{self, Clock, FORMER_WALL_CLOCK, WALL_CLOCK, WALL_CLOCK_SIZE},
    mmio, names, note, paging, rtc, skip,
    vocabulary::{Needs, Text},
};

/// The former numbers of the MSRs.
const FORMER_NUMBERS: u32 = 1 << 0;
const UNTOUCHED: u32 = 0x5a3c_a5c3;
/// How far two answers may be apart in nanoseconds: the host's wall clock may be slewed by 500 parts in a million meanwhile,
/// and a host that steals time between its two readings makes one answer later. A step of a tenth of a second is found.
const APART_NANOSECONDS: u64 = 100_000_000;
/// The first second of 2024, and of 2124.
const PLAUSIBLE: core::ops::Range<u32> = 1_704_067_200..u32::MAX;

fn read(address: u64) -> (u32, u64) {
    let (seconds, nanoseconds) = (mmio::read_u32(address + 4), mmio::read_u32(address + 8));
    (mmio::read_u32(address), u64::from(seconds) * 1_000_000_000 + u64::from(nanoseconds))
}

/// Each write fills the structure: an even version that changes, a plausible second, a part of a second; nothing else.
#[case(feature = KvmClockWall, spec = kvm("KVM-specific MSRs"), needs = Needs::KVM_CLOCK)]
fn each_write_fills_the_structure() {
    let frame = paging::frame(1);
    const NAMES: &[Text] = names!["0", "4", "8", "60", "4080"];
    for (row, place) in [0, 4, 8, 60, 4080_u64].into_iter().enumerate() {
        let address = frame + place;
        for offset in (0..WALL_CLOCK_SIZE + 8).step_by(4) {
            mmio::write_u32(address + offset - 4, if offset == 4 { 0 } else { UNTOUCHED });
        }
        check_outcome!("WRMSR", [NAMES; row], msr::write(WALL_CLOCK, address), Outcome::COMPLETED);
        check_eq!("bit 0 of the version", [NAMES; row], u64::from(mmio::read_u32(address) & 1), 0);
        check!("the version has changed", [NAMES; row], mmio::read_u32(address) != 0);
        check!("plausible seconds", [NAMES; row], PLAUSIBLE.contains(&mmio::read_u32(address + 4)));
        check!("a part of a second", [NAMES; row], mmio::read_u32(address + 8) < 1_000_000_000);
        check_eq!("memory before it", [NAMES; row], u64::from(mmio::read_u32(address - 4)), u64::from(UNTOUCHED));
        check_eq!("memory behind it", [NAMES; row], u64::from(mmio::read_u32(address + 12)), u64::from(UNTOUCHED));
    }
}

/// The median of three answers: a host that steals time while it makes one spoils that one.
fn median(number: u32, address: u64) -> Option<u64> {
    let mut times = [0; 3];
    for time in &mut times {
        msr::write(number, address).ok()?;
        *time = read(address).1;
    }
    let [a, b, c] = times;
    Some(a.min(b).max(a.max(b).min(c)))
}

/// The time of the start does not change: answers agree within a tenth of a second.
#[case(feature = KvmClockWall, spec = kvm("KVM-specific MSRs"), needs = Needs::KVM_CLOCK)]
fn time_of_the_start_stays() {
    let address = paging::frame(1);
    let mut first = None;
    for turn in 0..4_u64 {
        let Some(time) = median(WALL_CLOCK, address) else {
            check!("it answers", [&[]; turn], false);
            return;
        };
        let version = mmio::read_u32(address);
        let apart = time.abs_diff(*first.get_or_insert(time));
        note!("apart by nanoseconds", apart);
        check!("agrees with the first", [&[]; turn], apart <= APART_NANOSECONDS);
        check_eq!("bit 0 of the version", [&[]; turn], u64::from(version & 1), 0);
    }
}

/// The wall clock of the start and the time since then make the time that the real-time clock shows, within two seconds: that one
/// is read by whole seconds, and a host may show it UTC only where it was told to.
#[case(
    feature = KvmClockWall, spec = [kvm("KVM-specific MSRs"), rtc("Time, Calendar, and Alarm Locations")],
    needs = Needs::KVM_CLOCK | Needs::RTC, irqchip = Full
)]
fn wall_clock_agrees_with_the_real_time_clock() {
    const APART_SECONDS: u64 = 2;
    let format = rtc::read(rtc::B) & (rtc::b::BINARY | rtc::b::HOURS_24);
    if format != rtc::b::HOURS_24 {
        skip!("the clock is not in BCD and 24 hours");
        return;
    }
    let Some(start) = median(WALL_CLOCK, paging::frame(1)) else {
        check!("it answers", false);
        return;
    };
    let since = || {
        let clock = Clock::enable(paging::frame(2)).ok()?;
        let (info, tsc) = kvm_clock::read_with(paging::frame(2), clock::now)?;
        drop(clock);
        Some((start + info.at(tsc)) / 1_000_000_000)
    };
    let before = since();
    let shown = rtc::steady_time().map(model::unix);
    let after = since();
    let (Some(before), Some(shown), Some(after)) = (before, shown, after) else {
        check!("both can be read", false);
        return;
    };
    note!("the real-time clock", shown);
    note!("the wall clock", after);
    check!("the same time", shown + APART_SECONDS >= before && shown <= after + APART_SECONDS);
}

/// The structure is written when the MSR is, and not later.
#[case(feature = KvmClockWall, spec = kvm("KVM-specific MSRs"), needs = Needs::KVM_CLOCK)]
fn nothing_is_written_later() {
    let address = paging::frame(1);
    check_outcome!("WRMSR", msr::write(WALL_CLOCK, address), Outcome::COMPLETED);
    for offset in [0, 4, 8] {
        mmio::write_u32(address + offset, UNTOUCHED);
    }
    let _ = (read_leaf(0, 0), read_leaf(0, 0));
    let changed = [0, 4, 8].into_iter().filter(|offset| mmio::read_u32(address + offset) != UNTOUCHED).count();
    check_count!("words written behind exits", changed, 0);
}

/// The former MSR does the same, where CPUID tells of it.
#[case(feature = KvmClockWall, spec = kvm("KVM-specific MSRs"), needs = Needs::KVM)]
fn former_number_fills_the_wall_clock() {
    if read_leaf(HYPERVISOR_BASE + 1, 0).eax & FORMER_NUMBERS == 0 {
        skip!("the former MSR numbers are not offered");
        return;
    }
    let (former, new) = (paging::frame(1), paging::frame(2));
    check_outcome!("WRMSR of the former", msr::write(FORMER_WALL_CLOCK, former), Outcome::COMPLETED);
    check!("plausible seconds", PLAUSIBLE.contains(&mmio::read_u32(former + 4)));
    if let (Some(former), Some(new)) = (median(FORMER_WALL_CLOCK, former), median(WALL_CLOCK, new)) {
        check!("both agree", former.abs_diff(new) <= APART_NANOSECONDS);
    }
}
