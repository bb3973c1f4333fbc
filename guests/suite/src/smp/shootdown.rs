//! TLB shootdown: after INVLPG on a processor, nothing there uses what the page tables said before.

use case::Needs;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use rt::{
    Outcome, case, check, check_count, check_eq, check_outcome,
    interrupts::wait_until,
    mmio, paging,
    smp::{
        self, Barrier, Processors, Running,
        apic::{self, Message, To},
    },
    tables::page_bit::{P, RW, US},
    trap::{self, Handling, TrapFrame},
    user, user_code,
};

const VECTOR: u8 = 0x72;
const PAGE: usize = 7;
const MICROS: u64 = 2_000_000;
const RFLAGS_IF: u64 = 1 << 9;

/// The page's address, the generation that must be seen at least, how often an older one was, how often it was looked at, and
/// whether to stop.
#[repr(C, align(64))]
struct Watch([AtomicU64; 5]);

static WATCH: Watch = Watch([const { AtomicU64::new(0) }; 5]);
static NR_FLUSHES: AtomicU32 = AtomicU32::new(0);
static MEETING: Barrier = Barrier::new();

user_code!(
    /// Reads the page until it is told to stop.
    watch: "2:", "mov rax, [rdi + 8]", "mov rcx, [rdi]", "mov rdx, [rcx]", "cmp rdx, rax", "jae 3f", "inc qword ptr [rdi + 16]",
    "3:", "inc qword ptr [rdi + 24]", "cmp qword ptr [rdi + 32], 0", "je 2b", "ret"
);
user_code!(
    /// Writes the page, behind its first quadword, until it is told to stop.
    scribble: "2:", "mov rcx, [rdi]", "inc qword ptr [rcx + 64]", "inc qword ptr [rdi + 24]", "cmp qword ptr [rdi + 32], 0",
    "je 2b", "ret"
);

fn run(code: extern "C" fn(u64) -> u64) -> u64 {
    MEETING.wait(2, MICROS);
    let flags = user::RFLAGS_CLEAR | RFLAGS_IF;
    Outcome::from(user::call_with_flags(code, core::ptr::from_ref(&WATCH) as u64, flags)).0
}

fn run_watch(_: u64) -> u64 {
    run(watch)
}

fn run_scribble(_: u64) -> u64 {
    run(scribble)
}

fn flush(_: &mut TrapFrame) {
    paging::invalidate(paging::address(PAGE));
    NR_FLUSHES.fetch_add(1, Ordering::AcqRel);
    apic::end_interrupt();
}

/// Lets the other processor execute INVLPG, and waits until it has.
fn shoot_down() -> bool {
    let before = NR_FLUSHES.load(Ordering::Acquire);
    apic::send(To::Id(1), Message::Fixed(VECTOR));
    wait_until(MICROS, || NR_FLUSHES.load(Ordering::Acquire) > before)
}

/// How often the other processor looked so far.
fn nr_looks() -> u64 {
    WATCH.0[3].load(Ordering::Acquire)
}

/// Starts the other processor's loop on the page, and waits until it looked.
fn begin<'a>(processors: &'a Processors, function: smp::Function) -> (Handling, Running<'a>) {
    WATCH.0[0].store(paging::address(PAGE), Ordering::Release);
    paging::map(PAGE, paging::frame(0), P | RW | US);
    let handling = trap::handle(VECTOR, flush);
    let running = processors.begin(1, function, 0);
    check!("the processors meet", MEETING.wait(2, MICROS));
    check!("the other processor uses the page", wait_until(MICROS, || nr_looks() > 0));
    (handling, running)
}

fn outcome(running: Running<'_>) -> Outcome {
    running.wait(smp::RUN_MICROS).map_or(Outcome(0), Outcome)
}

/// A page that is mapped to another frame is read there after the shootdown, under a running reader.
#[case(
    feature = SmpTlbShootdown,
    spec = [sdm3a("Propagation of Paging-Structure Changes to Multiple Processors"), apm2("TLB Management")],
    needs = Needs::LOCAL_APIC,
    vcpus = 2,
    irqchip = LocalApic,
    time = 10,
)]
fn remapped_page() {
    const NR_ROUNDS: u64 = 16;
    let started = Processors::start(1);
    check!("a processor starts", started.is_ok());
    let Ok(processors) = started else { return };
    let (_handling, running) = begin(&processors, run_watch);
    for generation in 1..=NR_ROUNDS {
        let frame = paging::frame((generation % 2) as usize);
        mmio::write_u64(frame, generation);
        paging::map(PAGE, frame, P | RW | US);
        check!("shot down", shoot_down());
        // From here on an older generation is one too old.
        WATCH.0[1].store(generation, Ordering::Release);
        let looks = nr_looks();
        check!("is read on", wait_until(MICROS, || nr_looks() > looks + 1));
    }
    WATCH.0[4].store(1, Ordering::Release);
    check_outcome!("the reader meets no exception", outcome(running), Outcome::COMPLETED);
    check_count!("readings of a frame of before", WATCH.0[2].load(Ordering::Acquire), 0);
}

/// A page that is unmapped raises #PF after the shootdown, under a running reader.
#[case(
    feature = SmpTlbShootdown,
    spec = [sdm3a("Propagation of Paging-Structure Changes to Multiple Processors"), apm2("TLB Management")],
    needs = Needs::LOCAL_APIC,
    vcpus = 2,
    irqchip = LocalApic,
    time = 10,
)]
fn unmapped_page() {
    let started = Processors::start(1);
    check!("a processor starts", started.is_ok());
    let Ok(processors) = started else { return };
    let (_handling, running) = begin(&processors, run_watch);
    paging::map(PAGE, 0, 0);
    // The reader may meet the fault before the interrupt, and is then no longer there to take it.
    check!("shot down, or gone", shoot_down());
    check_outcome!("the reader", outcome(running), Outcome::pf(4));
}

/// A page that becomes read-only raises #PF after the shootdown, under a running writer, and is not written after it.
#[case(
    feature = SmpTlbShootdown,
    spec = [sdm3a("Propagation of Paging-Structure Changes to Multiple Processors"), apm2("TLB Management")],
    needs = Needs::LOCAL_APIC,
    vcpus = 2,
    irqchip = LocalApic,
    time = 10,
)]
fn read_only_page() {
    let started = Processors::start(1);
    check!("a processor starts", started.is_ok());
    let Ok(processors) = started else { return };
    let (_handling, running) = begin(&processors, run_scribble);
    paging::map(PAGE, paging::frame(0), P | US);
    check!("shot down, or gone", shoot_down());
    let written = mmio::read_u64(paging::frame(0) + 64);
    check_outcome!("the writer", outcome(running), Outcome::pf(7));
    check_eq!("written since", mmio::read_u64(paging::frame(0) + 64), written);
}
