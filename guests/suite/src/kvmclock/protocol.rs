//! The structure that KVM's clock fills: versions, fields, place, flags.

use rt::{
    Outcome, case, check, check_count, check_eq, check_outcome, clock,
    cpu::cpuid::{HYPERVISOR_BASE, read_leaf},
    cpu::msr,
    kvm_clock::{self, Clock, ENABLE, FORMER_SYSTEM_TIME, SIZE, SYSTEM_TIME, convert, flag},
    mmio, names, note, paging, skip,
    vocabulary::{Needs, Text},
};

/// Bit of the feature leaf that tells of the former MSR numbers.
const FORMER_NUMBERS: u32 = 1 << 0;
/// What memory holds before the hypervisor writes.
const UNTOUCHED: u64 = 0xa5a5_5a5a_c3c3_3c3c;
/// The rate that the structure tells may differ from that of the processor by this many parts in a million: the host measures
/// its counter against a quartz, and so may we; a clock that is off by 1 % is found.
const RATE_TOLERANCE: u64 = 5_000;

fn fill(from: u64, to: u64) {
    for address in (from..to).step_by(8) {
        mmio::write_u64(address, UNTOUCHED);
    }
}

fn nr_changed(from: u64, to: u64) -> u64 {
    (from..to).step_by(8).filter(|&address| mmio::read_u64(address) != UNTOUCHED).count() as u64
}

/// Where a structure may stand: any multiple of 4.
const PLACES: &[u64] = &[0, 4, 8, 12, 32, 60, 64, 1020, 2048, 4064];
const PLACE_NAMES: &[Text] = names!["0", "4", "8", "12", "32", "60", "64", "1020", "2048", "4064"];

/// The structure is filled wherever it stands, with an even version, and nothing around it is written.
#[case(feature = KvmClockProtocol, spec = kvm("KVM-specific MSRs"), needs = Needs::KVM_CLOCK)]
fn structure_is_filled_at_every_place() {
    let frame = paging::frame(1);
    for (row, &place) in PLACES.iter().enumerate() {
        let address = frame + place;
        // The quadwords that it touches, and four on each side.
        let (first, end) = (address & !7, (address + SIZE).next_multiple_of(8));
        fill(first - 32, end + 32);
        let enabled = Clock::enable(address);
        check_outcome!(
            "WRMSR",
            [PLACE_NAMES; row],
            enabled.as_ref().map(|_| ()).map_err(|fault| *fault),
            Outcome::COMPLETED
        );
        let Some(info) = kvm_clock::read(address) else {
            check!("the version becomes even", [PLACE_NAMES; row], false);
            continue;
        };
        check!("the multiplier is not zero", [PLACE_NAMES; row], info.multiplier != 0);
        check!("the time stamp is not in the future", [PLACE_NAMES; row], info.tsc_timestamp <= clock::now());
        check_eq!("padding", [PLACE_NAMES; row], u64::from(info.padding_end), 0);
        check_count!("quadwords written before it", [PLACE_NAMES; row], nr_changed(first - 32, first), 0);
        check_count!("quadwords written behind it", [PLACE_NAMES; row], nr_changed(end, end + 32), 0);
    }
}

/// The version changes with every update, and is even behind it.
#[case(feature = KvmClockProtocol, spec = kvm("KVM-specific MSRs"), needs = Needs::KVM_CLOCK)]
fn version_tells_of_each_update() {
    let address = paging::frame(1);
    let mut last = 0;
    for turn in 0..8_u64 {
        // Enabled again, the clock is brought up to date.
        let Ok(clock) = Clock::enable(address) else {
            check!("it can be enabled", [&[]; turn], false);
            return;
        };
        let version = mmio::read_u32(address);
        check_eq!("bit 0", [&[]; turn], u64::from(version & 1), 0);
        check!("another version", [&[]; turn], version != last);
        last = version;
        core::mem::forget(clock);
    }
    check_outcome!("WRMSR", msr::write(SYSTEM_TIME, 0), Outcome::COMPLETED);
}

/// An update keeps to the version that the guest left, whatever it is: an odd one becomes even.
#[case(feature = KvmClockProtocol, spec = kvm("KVM-specific MSRs"), needs = Needs::KVM_CLOCK)]
fn version_becomes_even_from_any() {
    const VERSIONS: &[u32] = &[0, 1, 2, 3, 0x7fff_ffff, 0x8000_0000, 0xffff_fffd, 0xffff_fffe, 0xffff_ffff];
    const NAMES: &[Text] = names!["0", "1", "2", "3", "7FFFFFFFH", "80000000H", "FFFFFFFDH", "FFFFFFFEH", "FFFFFFFFH"];
    let address = paging::frame(1);
    for (row, &version) in VERSIONS.iter().enumerate() {
        mmio::write_u32(address, version);
        let Ok(_clock) = Clock::enable(address) else {
            check!("it can be enabled", [NAMES; row], false);
            return;
        };
        let after = mmio::read_u32(address);
        check_eq!("bit 0", [NAMES; row], u64::from(after & 1), 0);
        check!("it has changed", [NAMES; row], after != version);
    }
}

/// Disabled, the clock writes no more; enabled at another place, it writes there alone.
#[case(feature = KvmClockProtocol, spec = kvm("KVM-specific MSRs"), needs = Needs::KVM_CLOCK)]
fn a_place_that_was_left_is_not_written() {
    let (first, second) = (paging::frame(1), paging::frame(2));
    fill(first, first + SIZE);
    let Ok(clock) = Clock::enable(first) else {
        check!("it can be enabled", false);
        return;
    };
    check!("written", kvm_clock::read(first).is_some_and(|info| info.multiplier != 0));
    core::mem::forget(clock);
    let moved = Clock::enable(second);
    fill(first, first + SIZE);
    // Each CPUID leaves the guest and enters it.
    let _ = (read_leaf(0, 0), read_leaf(0, 0));
    check!("written at the new place", kvm_clock::read(second).is_some_and(|info| info.multiplier != 0));
    check_count!("quadwords written at the old one", nr_changed(first, first + SIZE), 0);
    drop(moved);
    fill(second, second + SIZE);
    let _ = (read_leaf(0, 0), read_leaf(0, 0));
    check_count!("quadwords written after it was disabled", nr_changed(second, second + SIZE), 0);
}

/// The MSR reads back what was written, enabled or not.
#[case(feature = KvmClockProtocol, spec = kvm("KVM-specific MSRs"), needs = Needs::KVM_CLOCK)]
fn system_time_reads_back() {
    let frame = paging::frame(1);
    const NAMES: &[Text] = names!["enabled", "disabled", "at 64", "zero"];
    for (row, value) in [frame | ENABLE, frame, (frame + 64) | ENABLE, 0].into_iter().enumerate() {
        check_outcome!("WRMSR", [NAMES; row], msr::write(SYSTEM_TIME, value), Outcome::COMPLETED);
        check_eq!("RDMSR", [NAMES; row], msr::read(SYSTEM_TIME).unwrap_or(u64::MAX), value);
    }
}

/// Flag bit 0 is set only if CPUID says that clocks are stable; bit 1 only if the host paused the processor, which it did
/// not; there are no others.
#[case(feature = KvmClockProtocol, spec = kvm("KVM-specific MSRs"), needs = Needs::KVM_CLOCK)]
fn flags_are_those_that_are_offered() {
    let address = paging::frame(1);
    let offers_stable = read_leaf(HYPERVISOR_BASE + 1, 0).eax >> 24 & 1 != 0;
    let Ok(_clock) = Clock::enable(address) else {
        check!("it can be enabled", false);
        return;
    };
    let flags = kvm_clock::read(address).unwrap_or_default().flags;
    check!("stable only if offered", offers_stable || flags & flag::STABLE == 0);
    check_eq!("other flags", u64::from(flags & !flag::STABLE), 0);
}

/// Multiplier and shift stand for the rate of the processor's time-stamp counter, within 0.5 %.
#[case(feature = KvmClockProtocol, spec = [kvm("KVM-specific MSRs"), sdm3b("Time-Stamp Counter")], needs = Needs::KVM_CLOCK)]
fn multiplier_is_the_rate_of_the_counter() {
    let address = paging::frame(1);
    let Ok(_clock) = Clock::enable(address) else {
        check!("it can be enabled", false);
        return;
    };
    let info = kvm_clock::read(address).unwrap_or_default();
    let (khz, source) = clock::rate();
    if source == clock::Source::Assumed {
        skip!("nothing tells the rate of the time-stamp counter");
        return;
    }
    let told = convert::khz(info.multiplier, info.shift);
    note!("rate in kHz", khz);
    note!("its source", source as u64);
    note!("rate by the structure in kHz", told);
    check!("within 0.5 %", convert::parts_per_million(told, khz) <= RATE_TOLERANCE);
}

/// The former MSR fills the same structure, where CPUID tells of it.
#[case(feature = KvmClockProtocol, spec = kvm("KVM-specific MSRs"), needs = Needs::KVM)]
fn former_number_fills_the_same_structure() {
    if read_leaf(HYPERVISOR_BASE + 1, 0).eax & FORMER_NUMBERS == 0 {
        skip!("the former MSR numbers are not offered");
        return;
    }
    let address = paging::frame(1);
    check_outcome!("WRMSR", msr::write(FORMER_SYSTEM_TIME, address | ENABLE), Outcome::COMPLETED);
    let info = kvm_clock::read(address).unwrap_or_default();
    check!("the multiplier is not zero", info.multiplier != 0);
    check!("time has passed", info.system_time != 0);
    check_outcome!("WRMSR of 0", msr::write(FORMER_SYSTEM_TIME, 0), Outcome::COMPLETED);
}
