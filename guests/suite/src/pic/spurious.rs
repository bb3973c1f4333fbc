//! Requests that go while they are acknowledged: another processor drives the line.

use super::{
    board::CASCADE_BIT,
    guest::initialize,
    model::Modes,
    spurious_model::{Kind, kind},
};
use core::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use rt::{
    case, check, check_count, check_eq,
    clock::Deadline,
    interrupts::{self, End, Listening, OTHERS_MICROS},
    local_apic::{
        LocalApic,
        register::{Register, lvt},
    },
    names, note,
    pic::{BASE, Chip, ocw2},
    signals,
    smp::{self, Processors},
    trap::TrapFrame,
    vocabulary::{Needs, Text},
};

const NEEDS: Needs = Needs::PIC.union(Needs::LOCAL_APIC).union(Needs::SIGNALS);
/// How often the line is raised, lowered and raised again.
const NR_ROUNDS: u32 = 8;

/// The line.
static LINE: AtomicU8 = AtomicU8::new(0);
/// The round that is to begin, and the one whose line has been driven.
static GO: AtomicU32 = AtomicU32::new(0);
static DRIVEN: AtomicU32 = AtomicU32::new(0);
/// How many interrupts were what.
static REAL: AtomicU32 = AtomicU32::new(0);
static SPURIOUS: AtomicU32 = AtomicU32::new(0);
static WRONG: AtomicU32 = AtomicU32::new(0);

/// Looks at what is in service, and ends it.
fn judge(frame: &mut TrapFrame) {
    interrupts::log(frame);
    let input = (frame.vector as u8).wrapping_sub(BASE);
    let in_service = Chip::ALL.map(Chip::in_service);
    let counter = match kind(LINE.load(Ordering::Relaxed), input, in_service) {
        Kind::Real => &REAL,
        Kind::Spurious => &SPURIOUS,
        Kind::Wrong => &WRONG,
    };
    counter.fetch_add(1, Ordering::Relaxed);
    for (chip, in_service) in Chip::ALL.into_iter().zip(in_service).rev() {
        if in_service != 0 {
            chip.command(ocw2::END);
        }
    }
}

/// Runs on the other processor: in each round the line falls at a time that has nothing to do with what the first one does, and
/// is high in the end.
fn drive(_: u64) -> u64 {
    let line = LINE.load(Ordering::Relaxed);
    for round in 1..=NR_ROUNDS {
        if !Deadline::after(smp::RUN_MICROS).wait(|| GO.load(Ordering::Acquire) >= round) {
            return u64::from(round);
        }
        signals::set_line(line, true);
        signals::set_line(line, false);
        signals::set_line(line, true);
        DRIVEN.store(round, Ordering::Release);
    }
    0
}

const LINES: [u8; 2] = [5, 11];
const NAMES: &[Text] = names!["a line of the first", "a line of the second"];

/// A request that goes before it is acknowledged is taken as the line's, which is in service then, or as input 7, which is not;
/// an edge whose line stays high is never lost.
#[case(feature = PicSpurious, spec = [pic("Interrupt Sequence"), pic("Edge and Level Triggered Modes")], needs = NEEDS, irqchip = Full,
       vcpus = 2, time = 5)]
fn requests_that_go_meanwhile_are_real_or_spurious() {
    let started = Processors::start(1);
    check!("a processor starts", started.is_ok());
    let Ok(processors) = started else { return };
    let apic = LocalApic::enabled();
    initialize(Modes::default());
    apic.write(Register::LVT_LINT0, lvt::EXT_INT);
    let _listening = Listening::with_handler(BASE..=BASE + 15, End::Not, judge);
    for (row, line) in LINES.into_iter().enumerate() {
        LINE.store(line, Ordering::Relaxed);
        for counter in [&GO, &DRIVEN, &REAL, &SPURIOUS, &WRONG] {
            counter.store(0, Ordering::Relaxed);
        }
        Chip::First.data(!(CASCADE_BIT | if line < 8 { 1 << line } else { 0 }));
        Chip::Second.data(!if line < 8 { 0 } else { 1 << (line - 8) });
        let running = processors.begin(1, drive, 0);
        let mut nr_lost = 0_u32;
        for round in 1..=NR_ROUNDS {
            let before = REAL.load(Ordering::Relaxed);
            GO.store(round, Ordering::Release);
            let came = interrupts::wait_until(OTHERS_MICROS, || {
                DRIVEN.load(Ordering::Acquire) == round && REAL.load(Ordering::Relaxed) != before
            });
            nr_lost += u32::from(!came);
            signals::set_line(line, false);
            let _ = interrupts::let_in();
            if !came {
                break;
            }
        }
        check_eq!("the other processor ends", [NAMES; row], running.wait(smp::RUN_MICROS).unwrap_or(u64::MAX), 0);
        check_count!("lost edges", [NAMES; row], nr_lost, 0);
        check_count!("neither real nor spurious", [NAMES; row], WRONG.load(Ordering::Relaxed), 0);
        let nr_real = REAL.load(Ordering::Relaxed);
        check!("no more than two for each round", [NAMES; row], nr_real <= 2 * NR_ROUNDS);
        check_count!("in service at the end", [NAMES; row], Chip::ALL.map(Chip::in_service).into_iter().sum::<u8>(), 0);
        note!("real", nr_real);
        note!("spurious", SPURIOUS.load(Ordering::Relaxed));
    }
}
