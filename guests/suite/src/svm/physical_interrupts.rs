//! Interrupts and NMIs of the host while GIF is clear and while L2 runs.

use super::{
    end_of,
    ending::{COMPLETED, delivered},
    start_of, with_svm,
};
use rt::{
    case, catch, check, check_count, check_eq,
    interrupts::{self, End, GENEROUS_MICROS, Listening},
    local_apic::LocalApic,
    svm::{
        Guest, clear_global_interrupts,
        field::{self, INTERCEPTS_1, VIRTUAL_INTERRUPT, exit, intercept_1, virtual_interrupt as bit},
        gates, set_global_interrupts,
    },
    user_code,
    vocabulary::{Needs, image::board::UNCLAIMED_PORT},
};

user_code!(end: "nop", "nop", "vmmcall");

const IF: u64 = 1 << 9;
const VECTOR: u8 = 0x61;
const NMI: u8 = 2;

/// Some exits of the host, in which whatever may come comes.
fn exits() {
    for _ in 0..4 {
        let _ = rt::cpu::port::read_u8(UNCLAIMED_PORT);
    }
}

/// While GIF is clear, an interrupt waits although IF is set; STGI lets it in.
#[case(feature = SvmInterrupts, spec = apm2("Global Interrupt Flag, STGI and CLGI Instructions"), needs = Needs::SVM | Needs::LOCAL_APIC,
       irqchip = LocalApic)]
fn gif_holds_interrupts() {
    with_svm(|| {
        let apic = LocalApic::enabled();
        let _listening = Listening::to(VECTOR..=VECTOR, End::LocalApic);
        for turn in 0..4_u64 {
            interrupts::clear();
            check!("CLGI", [&[]; turn], clear_global_interrupts().is_ok());
            apic.send_to_self(VECTOR);
            let flag = interrupts::enable();
            exits();
            check_count!("while GIF is clear", [&[]; turn], interrupts::count(VECTOR), 0);
            check!("it waits", [&[]; turn], apic.is_requested(VECTOR));
            check!("STGI", [&[]; turn], set_global_interrupts().is_ok());
            let came = interrupts::wait_until(GENEROUS_MICROS, || interrupts::count(VECTOR) != 0);
            drop(flag);
            check!("it comes", [&[]; turn], came);
            check_count!("once", [&[]; turn], interrupts::count(VECTOR), 1);
        }
    });
}

/// While GIF is clear, an NMI waits; STGI lets it in.
#[case(feature = SvmInterrupts, spec = apm2("Global Interrupt Flag, STGI and CLGI Instructions"), needs = Needs::SVM | Needs::LOCAL_APIC,
       irqchip = LocalApic)]
fn gif_holds_nmis() {
    with_svm(|| {
        let apic = LocalApic::enabled();
        let _listening = Listening::to(NMI..=NMI, End::Not);
        interrupts::clear();
        check!("CLGI", clear_global_interrupts().is_ok());
        apic.send_nmi_to_self();
        exits();
        check_count!("while GIF is clear", interrupts::count(NMI), 0);
        // A run of L2 ends with STGI outside of what would take an NMI for an exception.
        let mut guest = Guest::new(end);
        guest.intercept(INTERCEPTS_1, intercept_1::NMI);
        check_eq!("ending", end_of(guest.run()), exit::NMI);
        let _ = interrupts::wait_until(GENEROUS_MICROS, || interrupts::count(NMI) != 0);
        check_count!("behind STGI", interrupts::count(NMI), 1);
    });
}

/// GIF holds no exceptions.
#[case(feature = SvmInterrupts, spec = apm2("Global Interrupt Flag, STGI and CLGI Instructions"), needs = Needs::SVM)]
fn gif_holds_no_exceptions() {
    with_svm(|| {
        check!("CLGI", clear_global_interrupts().is_ok());
        let page_fault = catch(|| rt::mmio::read_u64(rt::layout::UNMAPPED));
        let protection = catch(|| rt::mmio::read_u64(1 << 63));
        check!("STGI", set_global_interrupts().is_ok());
        check_eq!("page fault", page_fault.map_or_else(|exception| exception.vector, |_| 0), 14);
        check_eq!("general protection", protection.map_or_else(|exception| exception.vector, |_| 0), 13);
    });
}

/// What decides whether an interrupt that waits reaches L2.
#[derive(Clone, Copy)]
struct Row {
    guest_flag: bool,
    host_flag: bool,
    masking: bool,
    intercepted: bool,
}

impl Row {
    /// With V_INTR_MASKING the host's IF decides, else L2's.
    const fn ending(self) -> u64 {
        let open = if self.masking { self.host_flag } else { self.guest_flag };
        match (open, self.intercepted) {
            (false, _) => COMPLETED,
            (true, true) => exit::INTR,
            (true, false) => delivered(VECTOR),
        }
    }
}

/// An interrupt that waits reaches L2 at once if IF lets it, L2's or with V_INTR_MASKING the host's: it exits where that is
/// intercepted, with nothing taken, and else goes through L2's gates.
#[case(feature = SvmInterrupts, spec = [apm2("Physical (INTR) Interrupt Masking in EFLAGS"), apm2("INTR Intercept")],
       needs = Needs::SVM | Needs::LOCAL_APIC, irqchip = LocalApic)]
fn interrupts_that_wait_for_l2() {
    with_svm(|| {
        gates::fill();
        let apic = LocalApic::enabled();
        let _listening = Listening::to(VECTOR..=VECTOR, End::LocalApic);
        for number in 0..16_u64 {
            let row = Row {
                guest_flag: number & 1 != 0,
                host_flag: number & 2 != 0,
                masking: number & 4 != 0,
                intercepted: number & 8 != 0,
            };
            if row.masking && !row.intercepted {
                // Whose IF would then be cleared is not the question here.
                continue;
            }
            interrupts::clear();
            let mut guest = Guest::new(end);
            guest.use_gates();
            guest.write_u64(field::RFLAGS, 2 | if row.guest_flag { IF } else { 0 });
            guest.write_u64(VIRTUAL_INTERRUPT, if row.masking { bit::MASKING } else { 0 });
            if row.intercepted {
                guest.intercept(INTERCEPTS_1, intercept_1::INTR);
            }
            let _ = clear_global_interrupts();
            apic.send_to_self(VECTOR);
            let flag = if row.host_flag { interrupts::enable() } else { interrupts::disable() };
            let ran = guest.run();
            let rip = ran.as_ref().map_or(0, |exit| exit.rip);
            let info = ran.as_ref().map_or(1 << 31, |exit| exit.interrupt_info);
            let ending = end_of(ran);
            check_eq!("ending", [&[]; number], ending, row.ending());
            if ending == exit::INTR {
                check_eq!("RIP", [&[]; number], rip, start_of(end));
                check_eq!("EXITINTINFO is valid", [&[]; number], info >> 31 & 1, 0);
            }
            let is_l2s = ending == delivered(VECTOR);
            if is_l2s {
                check!("in service", [&[]; number], apic.is_in_service(VECTOR));
                apic.end_interrupt();
            } else {
                let _ = interrupts::wait_until(GENEROUS_MICROS, || interrupts::count(VECTOR) != 0);
            }
            drop(flag);
            check_count!("taken by the host", [&[]; number], interrupts::count(VECTOR), u64::from(!is_l2s));
        }
    });
}

user_code!(open: "sti", "nop", "nop", "vmmcall");

/// An interrupt that L2's IF holds comes behind its STI and one more instruction.
#[case(feature = SvmInterrupts, spec = [apm2("INTR Intercept"), apm2("Interrupt Shadows")], needs = Needs::SVM | Needs::LOCAL_APIC,
       irqchip = LocalApic)]
fn sti_of_l2_lets_it_in() {
    with_svm(|| {
        let apic = LocalApic::enabled();
        let _listening = Listening::to(VECTOR..=VECTOR, End::LocalApic);
        interrupts::clear();
        let mut guest = Guest::new(open);
        guest.intercept(INTERCEPTS_1, intercept_1::INTR);
        apic.send_to_self(VECTOR);
        let ran = guest.run();
        let rip = ran.as_ref().map_or(0, |exit| exit.rip);
        check_eq!("ending", end_of(ran), exit::INTR);
        check_eq!("RIP from the start", rip.wrapping_sub(start_of(open)), 2);
        check_eq!("shadow", guest.read_u64(field::INTERRUPT_SHADOW) & 1, 0);
        let _ = interrupts::wait_until(GENEROUS_MICROS, || interrupts::count(VECTOR) != 0);
        check_count!("taken by the host", interrupts::count(VECTOR), 1);
    });
}

/// An NMI that waits exits where it is intercepted, whatever IF is, and the host takes it then.
#[case(feature = SvmInterrupts, spec = apm2("NMI Intercept"), needs = Needs::SVM | Needs::LOCAL_APIC, irqchip = LocalApic)]
fn intercepted_nmi() {
    with_svm(|| {
        let apic = LocalApic::enabled();
        let _listening = Listening::to(NMI..=NMI, End::Not);
        for flags in [2, 2 | IF] {
            interrupts::clear();
            let mut guest = Guest::new(end);
            guest.intercept(INTERCEPTS_1, intercept_1::NMI);
            guest.write_u64(field::RFLAGS, flags);
            let _ = clear_global_interrupts();
            apic.send_nmi_to_self();
            let ran = guest.run();
            let rip = ran.as_ref().map_or(0, |exit| exit.rip);
            check_eq!("ending", [&[]; flags], end_of(ran), exit::NMI);
            check_eq!("RIP", [&[]; flags], rip, start_of(end));
            let _ = interrupts::wait_until(GENEROUS_MICROS, || interrupts::count(NMI) != 0);
            check_count!("taken by the host", [&[]; flags], interrupts::count(NMI), 1);
        }
    });
}

/// An NMI that is not intercepted is L2's: vector 2, and the host gets none.
#[case(feature = SvmInterrupts, spec = apm2("NMI Intercept"), needs = Needs::SVM | Needs::LOCAL_APIC, irqchip = LocalApic)]
fn nmi_without_intercept() {
    with_svm(|| {
        gates::fill();
        let apic = LocalApic::enabled();
        let _listening = Listening::to(NMI..=NMI, End::Not);
        interrupts::clear();
        let mut guest = Guest::new(end);
        guest.use_gates();
        let _ = clear_global_interrupts();
        apic.send_nmi_to_self();
        check_eq!("ending", end_of(guest.run()), delivered(NMI));
        check_eq!("pushed RIP", guest.stack_word(0), start_of(end));
        exits();
        check_count!("taken by the host", interrupts::count(NMI), 0);
    });
}
