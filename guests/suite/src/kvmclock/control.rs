//! What the host does with KVM's clock and with the processor: pauses, KVM_KVMCLOCK_CTRL, KVM_SET_CLOCK, moves to another
//! processor, and what the guest does: writes of the time-stamp counter.

use super::span::Span;
use rt::{
    case, check, check_eq, clock,
    cpu::{
        cpuid::read_leaf,
        msr::{self, number::IA32_TIME_STAMP_COUNTER},
    },
    kvm_clock::{self, Clock, flag},
    mmio, paging,
    signals::{self, Command},
    skip,
    vocabulary::Needs,
};

const PAUSE_MICROS: u32 = 3_000;
/// Two seconds.
const FORWARD_MICROS: u32 = 2_000_000;
/// Offset of the flags in the structure.
const FLAGS: u64 = 29;

/// KVM's clock between two readings of the host's, the structure being made anew.
#[derive(Clone, Copy)]
struct Moment {
    host: (u64, u64),
    time: u64,
}

fn moment(address: u64) -> Option<Moment> {
    let before = signals::host_nanoseconds();
    let clock = Clock::enable(address).ok()?;
    let (info, tsc) = kvm_clock::read_with(address, clock::now)?;
    core::mem::forget(clock);
    let after = signals::host_nanoseconds();
    Some(Moment { host: (before, after), time: info.at(tsc) })
}

/// Whether the clock went on as the host's did over `action`, but for what it was set forward.
fn goes_on(forward: u64, action: impl FnOnce() -> bool) -> Option<(bool, bool)> {
    let address = paging::frame(1);
    let before = moment(address)?;
    let was_done = action();
    let after = moment(address)?;
    let _ = msr::write(kvm_clock::SYSTEM_TIME, 0);
    Some((was_done, Span::between(before.host, after.host).holds(before.time, after.time, forward)))
}

fn check_goes_on(forward: u64, action: impl FnOnce() -> bool) {
    let (was_done, is_right) = goes_on(forward, action).unwrap_or((false, false));
    check!("it was done", was_done);
    check!("time went on as the host's", is_right);
}

/// Over a pause of the processor the clock goes on with the host's: neither does it stand, nor jump beyond it.
#[case(feature = KvmClockControl, spec = kvm("KVM-specific MSRs"), needs = Needs::KVM_CLOCK | Needs::SIGNALS)]
fn a_pause_passes_on_the_clock() {
    check_goes_on(0, || signals::command(Command::Pause(PAUSE_MICROS)));
}

/// The same where the host tells KVM of the pause.
#[case(
    feature = KvmClockControl, spec = [kvm("KVM-specific MSRs"), kvm("KVM_KVMCLOCK_CTRL")],
    needs = Needs::KVM_CLOCK | Needs::SIGNALS
)]
fn a_pause_that_is_told_passes_on_the_clock() {
    check_goes_on(0, || signals::command(Command::Pause(PAUSE_MICROS)) && signals::command(Command::TellPaused));
}

/// KVM_SET_CLOCK sets the clock forward by what the host asks for, and time goes on from there.
#[case(feature = KvmClockControl, spec = kvm("KVM_SET_CLOCK"), needs = Needs::KVM_CLOCK | Needs::SIGNALS)]
fn set_clock_is_seen() {
    check_goes_on(u64::from(FORWARD_MICROS) * 1_000, || signals::command(Command::SetClockForward(FORWARD_MICROS)));
    check_goes_on(0, || signals::command(Command::Pause(100)));
}

/// A write of the time-stamp counter moves the structure's time stamp along, and the clock's time not at all.
#[case(
    feature = KvmClockControl, spec = [kvm("KVM-specific MSRs"), sdm3b("Time-Stamp Counter")],
    needs = Needs::KVM_CLOCK | Needs::SIGNALS
)]
fn writes_of_the_counter_do_not_move_the_clock() {
    for turn in 0..4_u64 {
        let (was_done, is_right) = goes_on(0, || {
            let now = msr::read(IA32_TIME_STAMP_COUNTER).unwrap_or(0);
            msr::write(IA32_TIME_STAMP_COUNTER, now.wrapping_add(1 << (30 + 2 * turn))).is_ok()
        })
        .unwrap_or((false, false));
        check!("it was done", [&[]; turn], was_done);
        check!("time went on as the host's", [&[]; turn], is_right);
    }
}

/// Moved from one processor of the host to another, the clock neither goes back nor jumps.
#[case(feature = KvmClockControl, spec = kvm("KVM-specific MSRs"), needs = Needs::KVM_CLOCK | Needs::SIGNALS)]
fn moves_to_other_processors_do_not_move_the_clock() {
    let Some(nr) = clock::host_processors().filter(|&nr| nr > 1) else {
        skip!("the host has one processor, or does not tell how many");
        return;
    };
    for turn in 0..8_u64 {
        let (was_done, is_right) =
            goes_on(0, || signals::command(Command::MoveTo((turn % nr) as u32))).unwrap_or((false, false));
        check!("it was done", [&[]; turn], was_done);
        check!("time went on as the host's", [&[]; turn], is_right);
    }
    check!("anywhere again", signals::command(Command::MoveAnywhere));
}

fn flags(address: u64) -> u64 {
    // An exit, behind which the structure is brought up to date if KVM has something for it.
    let _ = read_leaf(0, 0);
    kvm_clock::read(address).map_or(u64::MAX, |info| u64::from(info.flags & flag::PAUSED))
}

/// Bit 1 of the flags is set by KVM_KVMCLOCK_CTRL, and by nothing else; the guest clears it, and then it stays clear.
#[case(
    feature = KvmClockControl, spec = [kvm("KVM-specific MSRs"), kvm("KVM_KVMCLOCK_CTRL")],
    needs = Needs::KVM_CLOCK | Needs::SIGNALS
)]
fn paused_flag_is_set_when_the_host_tells() {
    let address = paging::frame(1);
    let Ok(_clock) = Clock::enable(address) else {
        check!("it can be enabled", false);
        return;
    };
    check_eq!("at first", flags(address), 0);
    check!("a pause", signals::command(Command::Pause(200)));
    check_eq!("after a pause alone", flags(address), 0);
    for turn in 0..2_u64 {
        check!("KVM_KVMCLOCK_CTRL", [&[]; turn], signals::command(Command::TellPaused));
        check_eq!("when the host tells", [&[]; turn], flags(address), u64::from(flag::PAUSED));
        check_eq!("until the guest clears it", [&[]; turn], flags(address), u64::from(flag::PAUSED));
        mmio::write_u8(address + FLAGS, 0);
        let again = Clock::enable(address);
        check!("enabled again", [&[]; turn], again.is_ok());
        check_eq!("cleared", [&[]; turn], flags(address), 0);
        core::mem::forget(again);
    }
}

/// A processor whose clock is off is not told of anything: its memory stays as it is.
#[case(feature = KvmClockControl, spec = kvm("KVM_KVMCLOCK_CTRL"), needs = Needs::KVM_CLOCK | Needs::SIGNALS)]
fn a_clock_that_is_off_is_told_nothing() {
    let address = paging::frame(1);
    let Ok(clock) = Clock::enable(address) else {
        check!("it can be enabled", false);
        return;
    };
    drop(clock);
    for offset in (0..kvm_clock::SIZE).step_by(8) {
        mmio::write_u64(address + offset, 0);
    }
    check!("KVM_KVMCLOCK_CTRL", signals::command(Command::TellPaused));
    let _ = read_leaf(0, 0);
    let changed = (0..kvm_clock::SIZE).step_by(8).filter(|offset| mmio::read_u64(address + offset) != 0).count();
    check_eq!("quadwords written", changed as u64, 0);
}
