//! KVM's clock: a page that the hypervisor fills and the guest reads.

use rt::{
    Outcome, case, check, check_eq, check_outcome,
    cpu::{
        cpuid::{HYPERVISOR_BASE, read_leaf},
        msr,
    },
    mmio, names, paging, skip,
    vocabulary::{Needs, Text},
};

/// Feature bits in EAX of leaf 40000001H: the clock by its new MSRs, and whether TSC values compare between processors.
const CLOCKSOURCE2: u32 = 1 << 3;
const CLOCKSOURCE_STABLE: u32 = 1 << 24;

const KVM_WALL_CLOCK_NEW: u32 = 0x4b56_4d00;
const KVM_SYSTEM_TIME_NEW: u32 = 0x4b56_4d01;
/// Bit 0 of KVM_SYSTEM_TIME_NEW enables the clock.
const ENABLE: u64 = 1;

/// Offsets in `struct pvclock_vcpu_time_info`.
mod time_info {
    pub(super) const VERSION: u64 = 0;
    pub(super) const TSC_TIMESTAMP: u64 = 8;
    pub(super) const SYSTEM_TIME: u64 = 16;
    pub(super) const TSC_TO_SYSTEM_MUL: u64 = 24;
    pub(super) const FLAGS: u64 = 29;
    pub(super) const SIZE: u64 = 32;
}

fn has_clock() -> bool {
    let has = read_leaf(HYPERVISOR_BASE + 1, 0).eax & CLOCKSOURCE2 != 0;
    if !has {
        skip!("the clock of KVM is not offered");
    }
    has
}

fn read_tsc() -> u64 {
    msr::read(msr::number::IA32_TIME_STAMP_COUNTER).unwrap_or(0)
}

/// Writing an address with bit 0 set to KVM_SYSTEM_TIME_NEW makes KVM fill the structure there: an even version, a
/// multiplier, a TSC that has been.
#[case(feature = KvmClock, spec = kvm("KVM-specific MSRs"), needs = Needs::KVM)]
fn clock_page_is_filled() {
    if !has_clock() {
        return;
    }
    let page = paging::frame(0) + 64;
    let written = msr::write(KVM_SYSTEM_TIME_NEW, page | ENABLE);
    let tsc = read_tsc();
    check_outcome!("WRMSR", written, Outcome::COMPLETED);
    let version = mmio::read_u32(page + time_info::VERSION);
    check!("the version is not zero", version != 0);
    check_eq!("the version is even", version & 1, 0);
    check!("the multiplier is not zero", mmio::read_u32(page + time_info::TSC_TO_SYSTEM_MUL) != 0);
    check!("the time stamp is not in the future", mmio::read_u64(page + time_info::TSC_TIMESTAMP) <= tsc);
    check_eq!("memory behind the structure", mmio::read_u64(page + time_info::SIZE), 0);
    check_eq!("MSR reads back", msr::read(KVM_SYSTEM_TIME_NEW).unwrap_or(0), page | ENABLE);
    let stable = read_leaf(HYPERVISOR_BASE + 1, 0).eax & CLOCKSOURCE_STABLE != 0;
    let flag = mmio::read_u8(page + time_info::FLAGS) & 1;
    check!("the stable flag needs the stable feature", stable || flag == 0);
    let _ = msr::write(KVM_SYSTEM_TIME_NEW, 0);
}

/// System time never goes backwards when the clock is enabled again.
#[case(feature = KvmClock, spec = kvm("KVM-specific MSRs"), needs = Needs::KVM)]
fn system_time_does_not_go_back() {
    if !has_clock() {
        return;
    }
    let page = paging::frame(0);
    let mut last = 0;
    for turn in 0..4 {
        check_outcome!("WRMSR", [&[]; turn], msr::write(KVM_SYSTEM_TIME_NEW, page | ENABLE), Outcome::COMPLETED);
        // A CPUID lets KVM update the page if it only does so on the way back into the guest.
        let _ = read_leaf(0, 0);
        let time = mmio::read_u64(page + time_info::SYSTEM_TIME);
        check!("not before the last one", [&[]; turn], time >= last);
        last = time;
    }
    check!("time has passed", last != 0);
    let _ = msr::write(KVM_SYSTEM_TIME_NEW, 0);
}

/// With bit 0 clear, KVM_SYSTEM_TIME_NEW disables the clock: the structure is left alone.
#[case(feature = KvmClock, spec = kvm("KVM-specific MSRs"), needs = Needs::KVM)]
fn disabled_clock_writes_nothing() {
    if !has_clock() {
        return;
    }
    let page = paging::frame(0);
    check_outcome!("WRMSR", msr::write(KVM_SYSTEM_TIME_NEW, page), Outcome::COMPLETED);
    let _ = read_leaf(0, 0);
    for (row, offset) in [0, 8, 16, 24].into_iter().enumerate() {
        check_eq!("quadword", [&[]; row], mmio::read_u64(page + offset), 0);
    }
}

/// Writing an address to KVM_WALL_CLOCK_NEW fills in the time of boot: an even version, seconds, nanoseconds.
#[case(feature = KvmClock, spec = kvm("KVM-specific MSRs"), needs = Needs::KVM)]
fn wall_clock_is_filled() {
    if !has_clock() {
        return;
    }
    const NAMES: &[Text] = names!["first", "second"];
    let page = paging::frame(0);
    for (row, address) in [page + 4, page + 64].into_iter().enumerate() {
        let written = msr::write(KVM_WALL_CLOCK_NEW, address);
        check_outcome!("WRMSR", [NAMES; row], written, Outcome::COMPLETED);
        check_eq!("the version is even", [NAMES; row], mmio::read_u32(address) & 1, 0);
        check!("seconds are more than those of 2020", [NAMES; row], mmio::read_u32(address + 4) > 1_577_836_800);
        check!("nanoseconds are fewer than a second's", [NAMES; row], mmio::read_u32(address + 8) < 1_000_000_000);
        check_eq!("memory behind the structure", [NAMES; row], mmio::read_u32(address + 12), 0);
    }
}
