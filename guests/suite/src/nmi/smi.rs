//! System-management interrupts: when they come, what the handler finds, and what RSM gives back.

use super::{NMI, smi_model};
use core::sync::atomic::{AtomicU32, Ordering};
use rt::{
    Outcome, case, check, check_count, check_eq, check_outcome,
    cpu::{control, cpuid, debug::dr7},
    instruction,
    interrupts::{self, End, GENEROUS_MICROS, Listening},
    local_apic::{
        LocalApic, Mode,
        register::{Register, icr, svr},
    },
    names,
    smm::{self, Handler, word},
    trap::TrapFrame,
    user,
    vocabulary::{Needs, Text},
};

const NEEDS: Needs = Needs::SMI.union(Needs::LOCAL_APIC);
const VECTOR: u8 = 0x79;

/// The layout of this processor's save area: by its vendor.
pub(super) fn layout() -> &'static smi_model::Layout {
    // "Auth" of AuthenticAMD and "Hygo" of HygonGenuine.
    match cpuid::read_leaf(0, 0).ebx {
        0x6874_7541 | 0x6f67_7948 => &smi_model::AMD,
        _ => &smi_model::INTEL,
    }
}

/// A handler at the place after reset, and a local APIC whose registers are in memory.
fn prepare() -> Option<(Handler, LocalApic)> {
    let apic = LocalApic::in_mode(Mode::XApic).ok();
    check!("the mode", apic.is_some());
    Some((Handler::put(smm::DEFAULT_BASE), apic?))
}

/// The handler runs once for each interrupt, and RSM goes back with all registers as they were.
#[case(feature = SystemManagement, spec = [sdm3c("Exiting From SMM"), apm2("Leaving SMM")], needs = NEEDS, irqchip = LocalApic)]
fn handler_runs_once_and_returns() {
    let Some((handler, apic)) = prepare() else { return };
    let control = [control::read_cr0(), control::read_cr3(), control::read_cr4(), control::read_dr7()];
    for turn in 1..=4_u32 {
        let sent = smm::send(&apic);
        check_count!("runs", [&[]; turn], handler.count(), turn);
        for (index, (actual, expected)) in sent.registers.into_iter().zip(smm::known()).enumerate() {
            check_eq!("registers behind it", [&[]; u64::from(turn) << 8 | index as u64], actual, expected);
        }
    }
    const NAMES: &[Text] = names!["CR0", "CR3", "CR4", "DR7"];
    let after = [control::read_cr0(), control::read_cr3(), control::read_cr4(), control::read_dr7()];
    for (row, (actual, expected)) in after.into_iter().zip(control).enumerate() {
        check_eq!("control registers behind it", [NAMES; row], actual, expected);
    }
}

/// Registers that the handler finds: no protection and no paging, segments from 0, CS at SMBASE, flags and DR7 as after reset.
#[case(feature = SystemManagement, spec = [sdm3c("Initial SMM Execution Environment"), apm2("SMM Operating-Environment")],
       needs = NEEDS, irqchip = LocalApic)]
fn registers_in_the_handler() {
    const NAMES: &[Text] = names!["CS", "DS", "ES", "SS", "FS", "GS"];
    let Some((handler, apic)) = prepare() else { return };
    // A breakpoint that is nowhere.
    let was_written = control::write_dr7(dr7::enable(3, dr7::Condition::Write, 1) | dr7::NONE);
    let _ = smm::send(&apic);
    check_outcome!("DR7 is written", was_written, Outcome::COMPLETED);
    check_eq!("DR7 behind it", control::read_dr7(), dr7::enable(3, dr7::Condition::Write, 1) | dr7::NONE);
    let _ = control::write_dr7(dr7::NONE);
    check_count!("runs", handler.count(), 1_u32);
    for (row, word) in [word::CS, word::DS, word::ES, word::SS, word::FS, word::GS].into_iter().enumerate() {
        let expected = if word == word::CS { smm::DEFAULT_BASE >> 4 } else { 0 };
        check_eq!("selectors", [NAMES; row], handler.word(word), expected);
    }
    const CHANGED: u64 = control::cr0::PE | control::cr0::EM | control::cr0::TS | control::cr0::PG;
    check_eq!("CR0", u64::from(handler.word(word::CR0)), control::read_cr0() & !CHANGED);
    check_eq!("CR4", handler.word(word::CR4), 0);
    check_eq!("EFLAGS", handler.word(word::EFLAGS), 2);
    check_eq!("DR7", u64::from(handler.word(word::DR7)), dr7::NONE);
    const LMA: u32 = 1 << 10;
    check_eq!("IA32_EFER.LMA", handler.word(word::EFER) & LMA, 0);
}

/// Neither IF nor the task priority nor a local APIC that is disabled by software holds it back.
#[case(feature = SystemManagement,
       spec = [sdm3c("System Management Interrupt (SMI)"), sdm3a("Local APIC State After It Has Been Software Disabled")],
       needs = NEEDS, irqchip = LocalApic)]
fn nothing_that_masks_interrupts_holds_an_smi_back() {
    const NAMES: &[Text] = names!["IF set", "IF clear", "task priority F0H", "disabled by software"];
    let Some((handler, apic)) = prepare() else { return };
    for row in 0..NAMES.len() {
        let _flag = if row == 0 { interrupts::enable() } else { interrupts::disable() };
        match row {
            2 => apic.write(Register::TPR, 0xf0),
            3 => apic.write(Register::SVR, 0xff),
            _ => (),
        }
        let before = handler.count();
        let _ = smm::send(&apic);
        check_count!("runs", [NAMES; row], handler.count() - before, 1_u32);
        check_eq!("IF behind it", [NAMES; row], u64::from(interrupts::are_enabled()), u64::from(row == 0));
    }
    apic.write(Register::SVR, svr::ENABLED | 0xff);
}

/// What came inside of the handler, seen by its end, and when it was over.
static NR_TAKEN: AtomicU32 = AtomicU32::new(0);

fn count(frame: &mut TrapFrame) {
    interrupts::log(frame);
    NR_TAKEN.fetch_add(1, Ordering::Relaxed);
}

/// An SMI does not come inside of a handler: one is kept until RSM, and no more than one.
#[case(feature = SystemManagement, spec = [sdm3c("System Management Interrupt (SMI)"), apm2("System-Management Interrupt (SMI)")],
       needs = NEEDS, irqchip = LocalApic)]
fn one_more_waits_for_rsm() {
    let Some((handler, apic)) = prepare() else { return };
    for (row, nr_inside) in [1_usize, 2].into_iter().enumerate() {
        let before = handler.count();
        handler.send_inside([smm::COMMAND; 2].get(..nr_inside).unwrap_or_default(), &NR_TAKEN);
        let _ = smm::send(&apic);
        check_count!("runs within it", [&[]; row], handler.word(word::COUNT_INSIDE) - before, 1_u32);
        check_count!("runs", [&[]; row], handler.count() - before, 2_u32);
    }
}

/// NMIs are blocked in the handler: of those that came, one is taken behind RSM.
#[case(feature = SystemManagement, spec = [sdm3c("NMI Handling While in SMM"), apm2("Exceptions and Interrupts")], needs = NEEDS,
       irqchip = LocalApic)]
fn nmis_wait_for_rsm() {
    let Some((handler, apic)) = prepare() else { return };
    let _listening = Listening::with_handler(NMI..=NMI, End::Not, count);
    for (row, nr_inside) in [1_usize, 3].into_iter().enumerate() {
        interrupts::clear();
        NR_TAKEN.store(0, Ordering::Relaxed);
        handler.send_inside([icr::NMI | icr::ASSERT; 3].get(..nr_inside).unwrap_or_default(), &NR_TAKEN);
        let _ = smm::send(&apic);
        check_count!("runs", [&[]; row], handler.count(), row + 1);
        check_count!("NMIs within it", [&[]; row], handler.word(word::WATCHED_INSIDE), 0_u32);
        check_count!("NMIs", [&[]; row], interrupts::count(NMI), 1_u32);
    }
}

/// Interrupts wait: IF is clear in the handler, and RSM sets it again.
#[case(feature = SystemManagement, spec = [sdm3c("Exceptions and Interrupts Within SMM"), apm2("Exceptions and Interrupts")],
       needs = NEEDS, irqchip = LocalApic)]
fn interrupts_wait_for_rsm() {
    let Some((handler, apic)) = prepare() else { return };
    let _listening = Listening::with_handler(VECTOR..=VECTOR, End::Not, count);
    interrupts::clear();
    NR_TAKEN.store(0, Ordering::Relaxed);
    handler.send_inside(&[icr::ASSERT | u32::from(VECTOR)], &NR_TAKEN);
    let enabled = interrupts::enable();
    let _ = smm::send(&apic);
    drop(enabled);
    let came = interrupts::wait_until(GENEROUS_MICROS, || interrupts::count(VECTOR) == 1);
    check!("it comes", came);
    apic.end_interrupt();
    check_count!("runs", handler.count(), 1_u32);
    check_count!("interrupts within it", handler.word(word::WATCHED_INSIDE), 0_u32);
    check!("no more", !interrupts::wait_for_more());
}

/// An SMI at CPL 0 returns to CPL 0, and code of CPL 3 that follows knows nothing of it.
#[case(feature = SystemManagement, spec = [sdm3c("Exiting From SMM"), apm2("Leaving SMM")], needs = NEEDS, irqchip = LocalApic)]
fn cpl_3_works_behind_it() {
    let Some((handler, apic)) = prepare() else { return };
    for turn in 1..=2_u32 {
        let _ = smm::send(&apic);
        check_count!("runs", [&[]; turn], handler.count(), turn);
        let ran = user::run(|| {
            for _ in 0..100_u32 {
                core::hint::spin_loop();
            }
        });
        check!("CPL 3 returns", [&[]; turn], ran.is_ok());
    }
}

/// Outside of the handler RSM is no instruction.
#[case(feature = SystemManagement, spec = [sdm3c("Exiting From SMM"), sdm2("RSM—Resume From System Management Mode")])]
fn rsm_elsewhere_is_undefined() {
    check_outcome!("CPL 0", instruction!("rsm"), Outcome::UD);
    let ran = user::call(resume, 0);
    check_outcome!("CPL 3", ran, Outcome::UD);
}

rt::user_code!(resume: "rsm", "ret");
