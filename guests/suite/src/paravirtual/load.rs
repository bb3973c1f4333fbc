//! Steal time of four processors that all want to run.

use super::{
    steal::{ENABLE, STEAL_TIME, exit, read},
    structure::Structure,
};
use core::sync::atomic::{AtomicU64, Ordering};
use rt::{
    case, check, check_eq,
    clock::{self, Deadline, nanoseconds},
    cpu::msr,
    note, skip,
    smp::Processors,
    user,
    vocabulary::Needs,
};

const NR_PROCESSORS: u64 = 4;
/// How long each works, in microseconds.
const WORK_MICROS: u64 = 40_000;
/// How much more than what the host has may seem to have run, in per cent: each processor's steal time is brought up to date
/// now and then only. A hypervisor that counts none lets it seem twice as much on a host with two processors.
const SLACK_PERCENT: u64 = 30;

/// When the first began and the last ended, by the time-stamp counter.
static START: AtomicU64 = AtomicU64::new(0);
static END: AtomicU64 = AtomicU64::new(0);

/// Works at CPL 3, and returns for how many nanoseconds the processor was not kept from it.
fn work(index: u64) -> u64 {
    let structure = Structure::new(1, 128 * (index + 1), super::steal::SIZE);
    if msr::write(STEAL_TIME, structure.address() | ENABLE).is_err() {
        return u64::MAX;
    }
    exit();
    let (start, stolen_before) = (clock::now(), read(&structure));
    START.fetch_min(start, Ordering::Relaxed);
    let deadline = Deadline::after(WORK_MICROS);
    let ran = user::run(|| {
        deadline.wait(|| false);
    });
    exit();
    let (end, stolen) = (clock::now(), read(&structure));
    END.fetch_max(end, Ordering::Relaxed);
    if ran.is_err() || msr::write(STEAL_TIME, 0).is_err() {
        return u64::MAX;
    }
    nanoseconds(end.wrapping_sub(start)).saturating_sub(stolen.wrapping_sub(stolen_before))
}

/// Time that was not stolen is time that the host's processors gave: all together they did not give more than they have.
#[case(feature = StealTime, spec = kvm("KVM-specific MSRs"), needs = Needs::KVM_STEAL_TIME | Needs::LOCAL_APIC,
       irqchip = LocalApic, vcpus = 4, time = 2)]
fn processors_together_run_no_longer_than_the_host_has() {
    let Some(nr_host_processors) = clock::host_processors().filter(|&number| number < NR_PROCESSORS) else {
        skip!("the host has as many processors, or does not tell how many");
        return;
    };
    let Ok(processors) = Processors::start(NR_PROCESSORS as usize - 1) else {
        check!("the other processors start", false);
        return;
    };
    START.store(u64::MAX, Ordering::Relaxed);
    END.store(0, Ordering::Relaxed);
    let mut together = 0_u64;
    for (index, result) in processors.on_all(work).into_iter().enumerate() {
        let ran = result.unwrap_or(u64::MAX);
        check!("it worked", [&[]; index], ran != u64::MAX);
        together = together.saturating_add(ran);
    }
    let passed = nanoseconds(END.load(Ordering::Relaxed).saturating_sub(START.load(Ordering::Relaxed)));
    let most = passed * nr_host_processors * (100 + SLACK_PERCENT) / 100;
    note!("nanoseconds that passed", passed);
    note!("nanoseconds that were not stolen", together);
    note!("processors of the host", nr_host_processors);
    check!("no more than the host has", together <= most);
    check_eq!("all of them started", processors.count() as u64, NR_PROCESSORS - 1);
}
