//! A flush of the TLB of a processor that does not run, by a bit in its steal-time structure.

use super::{
    steal::{ENABLE, SIZE, STEAL_TIME, exit, offset},
    structure::Structure,
};
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use rt::{
    case, check, check_count, check_eq,
    clock::{self, Deadline},
    cpu::msr,
    interrupts::OTHERS_MICROS,
    mmio, note, paging,
    signals::{self, Command},
    skip,
    smp::{self, Processors},
    user,
    vocabulary::Needs,
};

/// Bits of `preempted` (KVM ABI, `KVM_VCPU_PREEMPTED` and `KVM_VCPU_FLUSH_TLB`).
const PREEMPTED: u32 = 1 << 0;
const FLUSH_TLB: u32 = 1 << 1;
const NR_ROUNDS: u32 = 4;
/// How long is waited in microseconds for the hypervisor to tell that the other processor does not run. Where both have one
/// processor of the host between them, that is so whenever the first one can ask.
const TOLD_MICROS: u64 = 5_000;
const PAGE: usize = 3;

static ROUND: AtomicU32 = AtomicU32::new(0);
static STRUCTURE: AtomicU64 = AtomicU64::new(0);
/// What the other processor read in the round, and which round that was.
static READ: AtomicU64 = AtomicU64::new(0);
static READ_IN: AtomicU32 = AtomicU32::new(0);

/// Reads the page at CPL 3 again and again, until all rounds are over: it never halts, so it does not run only if the host runs
/// others.
fn reader(_: u64) -> u64 {
    if msr::write(STEAL_TIME, STRUCTURE.load(Ordering::Relaxed) | ENABLE).is_err() {
        return 1;
    }
    exit();
    let ran = user::run(|| {
        loop {
            let round = ROUND.load(Ordering::Acquire);
            READ.store(mmio::read_u64(paging::address(PAGE)), Ordering::Relaxed);
            READ_IN.store(round, Ordering::Release);
            if round > NR_ROUNDS {
                break;
            }
        }
    });
    u64::from(ran.is_err() || msr::write(STEAL_TIME, 0).is_err())
}

/// Lets a processor run where the other one does. Where the host cannot, the hypervisor may tell nothing, and the case skips.
fn share(_: u64) -> u64 {
    u64::from(signals::command(Command::MoveTo(0)))
}

fn share_no_more(_: u64) -> u64 {
    u64::from(signals::command(Command::MoveAnywhere))
}

/// A processor that was told to be preempted and then marked for a flush sees the page's new place when it runs again. Where
/// the mark came too late, an interrupt and INVLPG would do it: those rounds are not counted.
#[case(feature = ParavirtualTlbFlush, spec = [kvm("KVM-specific MSRs"), kvm_para("KVM_VCPU_FLUSH_TLB")],
       needs = Needs::KVM_PV_TLB_FLUSH | Needs::KVM_STEAL_TIME | Needs::LOCAL_APIC, irqchip = LocalApic, vcpus = 2)]
fn marked_processor_sees_the_new_page() {
    let structure = Structure::new(1, 64, SIZE);
    STRUCTURE.store(structure.address(), Ordering::Relaxed);
    ROUND.store(0, Ordering::Relaxed);
    READ_IN.store(u32::MAX, Ordering::Relaxed);
    let frames = [paging::frame(4), paging::frame(5)];
    for (value, frame) in [0x1111_u64, 0x2222].into_iter().zip(frames) {
        mmio::write_u64(frame, value);
    }
    paging::map(PAGE, frames[0], paging::ALL_RIGHTS);
    let Ok(processors) = Processors::start(1) else {
        check!("the other processor starts", false);
        return;
    };
    let is_shared = clock::host_processors().is_some();
    if is_shared {
        let _ = processors.on_all(share);
    }
    let running = processors.begin(1, reader, 0);
    let wait = |round| Deadline::after(OTHERS_MICROS).wait(|| READ_IN.load(Ordering::Acquire) == round);
    check!("it reads", wait(0));
    let mut nr_marked = 0_u64;
    for round in 1..=NR_ROUNDS {
        let frame = frames[round as usize % 2];
        paging::write_entry_only(paging::Level::Pt, PAGE, frame | paging::ALL_RIGHTS);
        let is_preempted = Deadline::after(TOLD_MICROS).wait(|| structure.read(offset::PREEMPTED) & 0xff == PREEMPTED);
        let at = structure.address() + offset::PREEMPTED;
        let was_marked = is_preempted && mmio::compare_exchange_u8(at, PREEMPTED as u8, (PREEMPTED | FLUSH_TLB) as u8);
        ROUND.store(round, Ordering::Release);
        check!("it reads", [&[]; round], wait(round));
        let expected = 0x1111 * (1 + u64::from(round % 2));
        if was_marked {
            nr_marked += 1;
            check_eq!("what it reads", [&[]; round], READ.load(Ordering::Relaxed), expected);
        } else if round == 2 && nr_marked == 0 {
            break;
        }
    }
    ROUND.store(NR_ROUNDS + 1, Ordering::Release);
    check_eq!("the other comes to an end", running.wait(smp::RUN_MICROS).unwrap_or(2), 0);
    if is_shared {
        let _ = processors.on_all(share_no_more);
    }
    check_count!("words written around it", structure.nr_written_around(), 0);
    note!("rounds in which it was marked", nr_marked);
    if nr_marked == 0 {
        skip!("the hypervisor never told that the processor did not run");
    }
}
