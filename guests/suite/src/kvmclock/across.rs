//! KVM's clock on two processors, each with a structure of its own.

use core::sync::atomic::{AtomicU64, Ordering};
use rt::{
    case, check, check_count, check_eq,
    clock::{self, Deadline},
    cpu::cpuid::read_leaf,
    kvm_clock::{self, Clock, flag},
    note, paging, skip,
    smp::{self, Processors},
    vocabulary::Needs,
};

const NR_ROUNDS: u64 = 25;
/// How long one processor waits for the other in microseconds: only one that stands still needs more. On a busy host each turn
/// may wait for a time slice or several of somebody else.
const ROUND_MICROS: u64 = 1_000_000;

/// Whose turn it is: even numbers are the first processor's, odd ones the other's.
static TURN: AtomicU64 = AtomicU64::new(0);
/// The last time that was read, by whoever read it.
static TIME: AtomicU64 = AtomicU64::new(0);

/// Reads the clock when it is this processor's turn, and counts readings that are earlier than the other's before.
fn take_turns(address: u64, first_turn: u64) -> u64 {
    let mut nr_backwards = 0;
    for round in 0..NR_ROUNDS {
        let turn = 2 * round + first_turn;
        if !Deadline::after(ROUND_MICROS).wait(|| TURN.load(Ordering::Acquire) == turn) {
            return u64::MAX;
        }
        // CPUID orders: the counter is not read before the turn was seen to have come.
        let counter = || {
            let _ = read_leaf(0, 0);
            clock::now()
        };
        let now = kvm_clock::read_with(address, counter).map_or(0, |(info, tsc)| info.at(tsc));
        nr_backwards += u64::from(now < TIME.swap(now, Ordering::Relaxed));
        TURN.store(turn + 1, Ordering::Release);
    }
    nr_backwards
}

fn on_the_other(address: u64) -> u64 {
    let Ok(_clock) = Clock::enable(address) else { return u64::MAX };
    take_turns(address, 1)
}

/// Read in turns by two processors whose flags say that their clocks are stable, the time never goes back.
#[case(feature = KvmClockTime, spec = kvm("KVM-specific MSRs"), needs = Needs::KVM_CLOCK | Needs::LOCAL_APIC,
       irqchip = LocalApic, vcpus = 2, time = 3)]
fn time_does_not_go_back_between_processors() {
    let (own, other) = (paging::frame(1), paging::frame(2));
    let Ok(_clock) = Clock::enable(own) else {
        check!("it can be enabled", false);
        return;
    };
    if kvm_clock::read(own).unwrap_or_default().flags & flag::STABLE == 0 {
        skip!("the clock does not say that times of processors compare");
        return;
    }
    let Ok(processors) = Processors::start(1) else {
        check!("the other processor starts", false);
        return;
    };
    TURN.store(0, Ordering::Relaxed);
    TIME.store(0, Ordering::Relaxed);
    let running = processors.begin(1, on_the_other, other);
    let nr_backwards = take_turns(own, 0);
    let nr_backwards_on_other = running.wait(smp::RUN_MICROS).unwrap_or(u64::MAX);
    check_count!("earlier readings on the first", nr_backwards, 0);
    check_count!("earlier readings on the other", nr_backwards_on_other, 0);
    check_count!("readings", TURN.load(Ordering::Relaxed), 2 * NR_ROUNDS);
}

/// Each processor has a structure of its own: multiplier and shift agree, and enabling one leaves the other's alone.
#[case(feature = KvmClockProtocol, spec = kvm("KVM-specific MSRs"), needs = Needs::KVM_CLOCK | Needs::LOCAL_APIC,
       irqchip = LocalApic, vcpus = 2)]
fn each_processor_has_a_structure() {
    let (own, other) = (paging::frame(1), paging::frame(2));
    let Ok(_clock) = Clock::enable(own) else {
        check!("it can be enabled", false);
        return;
    };
    let Ok(processors) = Processors::start(1) else {
        check!("the other processor starts", false);
        return;
    };
    let enable = |address| {
        Clock::enable(address).map_or(1, |clock| {
            core::mem::forget(clock);
            0
        })
    };
    check_eq!("enabled on the other", processors.run_on(1, enable, other).unwrap_or(2), 0);
    let (here, there) = (kvm_clock::read(own).unwrap_or_default(), kvm_clock::read(other).unwrap_or_default());
    check!("the other's is filled", there.multiplier != 0);
    check_eq!("multiplier", u64::from(here.multiplier), u64::from(there.multiplier));
    check_eq!("shift", here.shift as u8 as u64, there.shift as u8 as u64);
    note!("system time here", here.system_time);
    note!("system time there", there.system_time);
    let disable = |_| u64::from(rt::cpu::msr::write(kvm_clock::SYSTEM_TIME, 0).is_err());
    check_eq!("disabled on the other", processors.run_on(1, disable, 0).unwrap_or(2), 0);
}
