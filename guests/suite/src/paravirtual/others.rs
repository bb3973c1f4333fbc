//! The hypercalls of one processor that concern another: interrupts to a bitmap, and the kick out of HLT.

use super::interprocessor::number;
use core::sync::atomic::{AtomicU32, Ordering};
use rt::{
    Outcome, case, check, check_count, check_eq, check_outcome,
    clock::Deadline,
    cpu::hypercall::{self, Instruction},
    instruction,
    interrupts::{self, OTHERS_MICROS},
    names,
    smp::{self, Processors, apic},
    trap::{self, TrapFrame},
    vocabulary::{Needs, Text},
};

const VECTOR: u8 = 0x53;
const NR_PROCESSORS: usize = 2;

/// How many interrupts each processor took.
static TAKEN: [AtomicU32; NR_PROCESSORS] = [const { AtomicU32::new(0) }; NR_PROCESSORS];

fn take(_: &mut TrapFrame) {
    if let Some(taken) = TAKEN.get(smp::index()) {
        taken.fetch_add(1, Ordering::AcqRel);
    }
    apic::end_interrupt();
}

/// KVM_HC_SEND_IPI reaches each processor of its bitmap, whose bits count from the lowest id, and no other.
#[case(feature = ParavirtualInterprocessor, spec = kvm("Linux KVM Hypercall"),
       needs = Needs::KVM_PV_SEND_IPI | Needs::LOCAL_APIC, irqchip = LocalApic, vcpus = 2)]
fn bitmap_reaches_other_processors() {
    const NAMES: &[Text] = names!["id 1", "the same from id 1 on", "id 1 and one that is not", "both"];
    // Bitmap, lowest id, and the bits of those that it reaches.
    let rows = [(0b10_u64, 0_u64, 0b10_u32), (0b1, 1, 0b10), (0b110, 0, 0b10), (0b11, 0, 0b11)];
    let Ok(_processors) = Processors::start(NR_PROCESSORS - 1) else {
        check!("the processors start", false);
        return;
    };
    let _handling = trap::handle(VECTOR, take);
    for (row, (bitmap, lowest, reached)) in rows.into_iter().enumerate() {
        for taken in &TAKEN {
            taken.store(0, Ordering::Relaxed);
        }
        let result = hypercall::call(Instruction::of_vendor(), number::SEND_IPI, [bitmap, 0, lowest, VECTOR.into()]);
        check_outcome!("the hypercall", [NAMES; row], result, Outcome::COMPLETED);
        check_eq!("RAX", [NAMES; row], result.unwrap_or(u64::MAX), u64::from(reached.count_ones()));
        let count = |index: usize| TAKEN.get(index).map_or(0, |taken| taken.load(Ordering::Acquire));
        let due = |index: usize| reached >> index & 1;
        let _ = interrupts::wait_until(OTHERS_MICROS, || (0..NR_PROCESSORS).all(|index| count(index) >= due(index)));
        let _ = interrupts::wait_for_more();
        for index in 0..NR_PROCESSORS {
            check_count!("taken, by row and processor", [&[]; row << 4 | index], count(index), due(index));
        }
    }
}

/// What the other processor has come to.
static STEP: AtomicU32 = AtomicU32::new(0);

/// Halts with interrupts disabled.
fn halt(_: u64) -> u64 {
    STEP.store(1, Ordering::Release);
    let halted = instruction!("hlt");
    STEP.store(2, Ordering::Release);
    u64::from(halted.is_ok())
}

/// KVM_HC_KICK_CPU wakes a processor out of HLT, with interrupts disabled too, and makes no interrupt.
#[case(feature = ParavirtualInterprocessor, spec = kvm("Linux KVM Hypercall"),
       needs = Needs::KVM_PV_UNHALT | Needs::LOCAL_APIC, irqchip = LocalApic, vcpus = 2)]
fn kick_wakes_a_halted_processor() {
    /// How long it is looked at that nothing wakes it, in microseconds.
    const HALTED_MICROS: u64 = 2_000;
    let Ok(processors) = Processors::start(1) else {
        check!("the processor starts", false);
        return;
    };
    let reaches = |step| Deadline::after(OTHERS_MICROS).wait(|| STEP.load(Ordering::Acquire) == step);
    let running = processors.begin(1, halt, 0);
    check!("it halts", reaches(1));
    Deadline::after(HALTED_MICROS).wait(|| false);
    check_eq!("it stays", STEP.load(Ordering::Acquire), 1);
    let result = hypercall::call(Instruction::of_vendor(), number::KICK_CPU, [0, 1, 0, 0]);
    check_outcome!("the hypercall", result, Outcome::COMPLETED);
    check_eq!("RAX", result.unwrap_or(u64::MAX), 0);
    check!("it wakes", reaches(2));
    check_eq!("it goes on behind HLT", running.wait(smp::RUN_MICROS).unwrap_or(0), 1);
}
