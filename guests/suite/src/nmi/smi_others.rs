//! System-management interrupts to another processor: halted, and at CPL 3.

use super::{
    smi::layout,
    smi_model::{self, value},
};
use core::sync::atomic::{AtomicU32, Ordering};
use rt::{
    case, check, check_count, check_eq,
    clock::Deadline,
    interrupts::OTHERS_MICROS,
    local_apic::{LocalApic, Mode, register::Register},
    smm::{self, Handler, word},
    smp::{
        self, Processors,
        apic::{self, Message, To},
    },
    trap::{self, TrapFrame},
    user,
    vocabulary::Needs,
};

const NEEDS: Needs = Needs::SMI.union(Needs::LOCAL_APIC);
const VECTOR: u8 = 0x7a;
/// How long a processor that does not go on is looked at in microseconds.
const HALTED_MICROS: u64 = 2_000;

/// What the other processor has come to.
static STEP: AtomicU32 = AtomicU32::new(0);

fn end(_: &mut TrapFrame) {
    apic::end_interrupt();
}

/// Halts once.
fn halt(_: u64) -> u64 {
    STEP.store(1, Ordering::Release);
    smp::wait_for_interrupt();
    STEP.store(2, Ordering::Release);
    1
}

/// Runs at CPL 3 until it is told to end.
fn run_at_cpl_3(_: u64) -> u64 {
    STEP.store(1, Ordering::Release);
    let ran = user::run(|| while STEP.load(Ordering::Acquire) != 3 {});
    u64::from(ran.is_ok())
}

fn wait_for_step(step: u32) -> bool {
    Deadline::after(OTHERS_MICROS).wait(|| STEP.load(Ordering::Acquire) == step)
}

fn send_smi() {
    let registers = rt::local_apic::Registers::new();
    registers.write(Register::ICR_HIGH, 1 << 24);
    registers.write(Register::ICR, smm::COMMAND);
}

fn prepare() -> Option<(Handler, LocalApic, Processors)> {
    let apic = LocalApic::in_mode(Mode::XApic).ok();
    check!("the mode", apic.is_some());
    STEP.store(0, Ordering::Relaxed);
    let processors = Processors::start(1).ok();
    check!("a processor starts", processors.is_some());
    Some((Handler::put(smm::DEFAULT_BASE), apic?, processors?))
}

fn check_halted(goes_back: bool) {
    let layout = layout();
    let Some((handler, _apic, processors)) = prepare() else { return };
    let _handling = trap::handle(VECTOR, end);
    if !goes_back {
        handler.patch(&[(layout.auto_halt.offset & !3, 0)]);
    }
    let running = processors.begin(1, halt, 0);
    check!("it halts", wait_for_step(1));
    // Between the store and HLT there are two instructions.
    Deadline::after(HALTED_MICROS).wait(|| false);
    send_smi();
    check!("the handler runs", Deadline::after(OTHERS_MICROS).wait(|| handler.count() == 1));
    if goes_back {
        let saved = value(layout.auto_halt, |offset| handler.saved(offset));
        check!("it was halted", smi_model::was_halted(layout, saved as u32));
        Deadline::after(HALTED_MICROS).wait(|| false);
        check_eq!("halted again", STEP.load(Ordering::Acquire), 1);
        apic::send(To::Id(1), Message::Fixed(VECTOR));
    }
    check!("it goes on", wait_for_step(2));
    if STEP.load(Ordering::Acquire) != 2 {
        apic::send(To::Id(1), Message::Fixed(VECTOR));
    }
    check_eq!("it comes to its end", running.wait(smp::RUN_MICROS).unwrap_or(0), 1);
    check_count!("runs", handler.count(), 1_u32);
}

/// An SMI in the halt state says so in the save area, and RSM goes back there: only an interrupt wakes the processor.
#[case(feature = SystemManagement, spec = [sdm3c("Auto HALT Restart"), apm2("Auto-Halt Restart")], needs = NEEDS,
       irqchip = LocalApic, vcpus = 2, time = 10)]
fn rsm_goes_back_to_the_halt_state() {
    check_halted(true);
}

/// If the handler clears what says so, RSM goes on behind HLT.
#[case(feature = SystemManagement, spec = [sdm3c("Auto HALT Restart"), apm2("Auto-Halt Restart")], needs = NEEDS,
       irqchip = LocalApic, vcpus = 2, time = 10)]
fn rsm_goes_on_behind_hlt() {
    check_halted(false);
}

/// Code at CPL 3 is interrupted as well, and goes on at CPL 3: its CS is in the save area.
#[case(feature = SystemManagement, spec = [sdm3c("Exiting From SMM"), apm2("Leaving SMM")], needs = NEEDS, irqchip = LocalApic,
       vcpus = 2, time = 10)]
fn rsm_goes_back_to_cpl_3() {
    const NR_SENT: u32 = 3;
    let layout = layout();
    let Some((handler, _apic, processors)) = prepare() else { return };
    let running = processors.begin(1, run_at_cpl_3, 0);
    check!("it runs", wait_for_step(1));
    Deadline::after(HALTED_MICROS).wait(|| false);
    for turn in 1..=NR_SENT {
        send_smi();
        let came = Deadline::after(OTHERS_MICROS).wait(|| handler.count() == turn);
        check!("the handler runs", [&[]; turn], came);
        let privilege = value(layout.selectors[0], |offset| handler.saved(offset)) & 3;
        check_eq!("CPL", [&[]; turn], privilege, 3);
        check_eq!("PE in the handler", [&[]; turn], handler.word(word::CR0) & 1, 0);
    }
    STEP.store(3, Ordering::Release);
    check_eq!("CPL 3 comes to its end", running.wait(smp::RUN_MICROS).unwrap_or(0), 1);
}
