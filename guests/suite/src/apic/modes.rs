//! Transitions among disabled, xAPIC and x2APIC mode, and what they keep.

use super::mode_model::{BSP, EN, EXTD, State, WRITES, transition};
use rt::{
    Outcome, case, check, check_eq, check_outcome,
    cpu::cpuid,
    local_apic::{
        self, LocalApic, Mode, Registers, base,
        register::{Register, lvt},
    },
    mmio, names,
    vocabulary::{Needs, Text},
};

const X2APIC: Needs = Needs::LOCAL_APIC.union(Needs::X2APIC);
const _: () = assert!(EN == base::ENABLED && EXTD == base::EXTENDED && BSP == base::BOOTSTRAP);

const MODES: [Mode; 3] = [Mode::Disabled, Mode::XApic, Mode::X2Apic];
const STATES: [State; 3] = [State::Disabled, State::XApic, State::X2Apic];
const ROWS: &[Text] = names![
    "disabled: EN 0, EXTD 0",
    "disabled: EN 1, EXTD 0",
    "disabled: EN 1, EXTD 1",
    "disabled: EN 0, EXTD 1",
    "xAPIC: EN 0, EXTD 0",
    "xAPIC: EN 1, EXTD 0",
    "xAPIC: EN 1, EXTD 1",
    "xAPIC: EN 0, EXTD 1",
    "x2APIC: EN 0, EXTD 0",
    "x2APIC: EN 1, EXTD 0",
    "x2APIC: EN 1, EXTD 1",
    "x2APIC: EN 0, EXTD 1",
];

/// Each of the twelve writes of EN and EXTD is a legal transition, or raises #GP(0) and changes nothing.
#[case(feature = ApicModes, spec = [sdm3a("x2APIC State Transitions"), apm2("Enabling x2APIC Mode")], needs = X2APIC,
       irqchip = LocalApic)]
fn transitions() {
    let rest = local_apic::read_base() & !(EN | EXTD);
    for (from, (mode, state)) in MODES.into_iter().zip(STATES).enumerate() {
        for (to, bits) in WRITES.into_iter().enumerate() {
            let row = from * WRITES.len() + to;
            check_outcome!("going there", [ROWS; row], local_apic::go_to(mode), Outcome::COMPLETED);
            let before = local_apic::read_base();
            check!("the mode before", [ROWS; row], Mode::of(before) == mode);
            let expected = transition(state, bits);
            let result = local_apic::write_base(rest | bits);
            let outcome = if expected.is_some() { Outcome::COMPLETED } else { Outcome::GP };
            check_outcome!("WRMSR", [ROWS; row], result, outcome);
            let after = if expected.is_some() { rest | bits } else { before };
            check_eq!("IA32_APIC_BASE", [ROWS; row], local_apic::read_base(), after);
        }
    }
    let _ = local_apic::go_to(Mode::XApic);
}

/// Without x2APIC mode, setting EXTD raises #GP(0) and changes nothing.
#[case(feature = ApicModes, spec = [sdm3a("Detecting and Enabling x2APIC Mode"), apm2("Enabling x2APIC Mode")],
       needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn extended_mode_without_the_feature() {
    if local_apic::has_x2apic() {
        return rt::skip!("the processor has x2APIC mode");
    }
    let before = local_apic::read_base();
    check_outcome!("WRMSR", local_apic::write_base(before | EN | EXTD), Outcome::GP);
    check_eq!("IA32_APIC_BASE", local_apic::read_base(), before);
}

/// CPUID tells of a local APIC while it is enabled, and of x2APIC mode all the time.
#[case(feature = ApicModes, spec = [sdm3a("Presence of the Local APIC"), sdm3a("Detecting and Enabling x2APIC Mode"),
       apm2("Local APIC Enable")], needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn presence_in_cpuid() {
    let has_x2apic = local_apic::has_x2apic();
    for (row, mode) in MODES.into_iter().enumerate() {
        if mode == Mode::X2Apic && !has_x2apic {
            continue;
        }
        check_outcome!(
            "going there",
            [names!["disabled", "xAPIC", "x2APIC"]; row],
            local_apic::go_to(mode),
            Outcome::COMPLETED
        );
        let leaf = cpuid::read_leaf(1, 0);
        check_eq!(
            "APIC",
            [names!["disabled", "xAPIC", "x2APIC"]; row],
            leaf.edx >> 9 & 1,
            u32::from(mode != Mode::Disabled)
        );
        check_eq!("x2APIC", [names!["disabled", "xAPIC", "x2APIC"]; row], leaf.ecx >> 21 & 1, u32::from(has_x2apic));
    }
    let _ = local_apic::go_to(Mode::XApic);
}

/// While the local APIC is disabled, no MSR from 800H to 83FH exists.
#[case(feature = ApicModes, spec = [sdm3a("x2APIC Register Address Space"), apm2("x2APIC Register Address Space")],
       needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn no_msrs_while_disabled() {
    check_outcome!("disabling it", local_apic::go_to(Mode::Disabled), Outcome::COMPLETED);
    for number in [2, 3, 8, 0xa, 0xb, 0xd, 0xf, 0x10, 0x28, 0x30, 0x32, 0x38, 0x39, 0x3e, 0x3f_u32] {
        check_outcome!("RDMSR of 800H plus", [&[]; number], rt::cpu::msr::read(0x800 + number), Outcome::GP);
        check_outcome!("WRMSR of 800H plus", [&[]; number], rt::cpu::msr::write(0x800 + number, 0), Outcome::GP);
    }
    let _ = local_apic::go_to(Mode::XApic);
}

/// What is written in xAPIC mode before the transition: register and value.
const KEPT: [(Register, u32); 9] = [
    (Register::TPR, 0x37),
    (Register::SVR, 0x1e5),
    (Register::LVT_TIMER, lvt::MASKED | lvt::PERIODIC | 0x51),
    (Register::LVT_LINT0, lvt::MASKED | lvt::NMI | lvt::ACTIVE_LOW),
    (Register::LVT_LINT1, lvt::MASKED | lvt::EXT_INT),
    (Register::LVT_ERROR, lvt::MASKED | 0x52),
    (Register::DIVIDE, 0xa),
    // With the timer's clock divided by 128, this lasts longer than the case.
    (Register::INITIAL_COUNT, 0xffff_fff0),
    (Register::ESR, 0),
];
const KEPT_NAMES: &[Text] = names![
    "TPR",
    "SVR",
    "LVT timer",
    "LVT LINT0",
    "LVT LINT1",
    "LVT error",
    "divide configuration",
    "initial count",
    "ESR",
];

fn write_all(registers: &Registers) {
    for (register, value) in KEPT {
        registers.write(register, value);
    }
}

/// The transition to x2APIC mode keeps what was written in xAPIC mode, except for the logical ID.
#[case(feature = ApicModes, spec = sdm3a("State Changes From xAPIC Mode to x2APIC Mode"), needs = X2APIC, irqchip = LocalApic)]
fn x2apic_mode_keeps_registers() {
    let Ok(apic) = LocalApic::in_mode(Mode::XApic) else { return check!("xAPIC mode", false) };
    write_all(&apic);
    apic.write(Register::LDR, 0x5a << 24);
    // It waits, because the task priority is higher.
    apic.send_to_self(0x31);
    let id = apic.id();
    check_outcome!("to x2APIC mode", local_apic::go_to(Mode::X2Apic), Outcome::COMPLETED);
    let registers = Registers::new();
    if !registers.are_msrs() {
        return check!("x2APIC mode", false);
    }
    for (row, (register, value)) in KEPT.into_iter().enumerate() {
        check_eq!("kept", [KEPT_NAMES; row], registers.read(register), value);
    }
    check!("current count goes on", registers.read(Register::CURRENT_COUNT) > 0xf000_0000);
    check!("the interrupt still waits", registers.is_requested(0x31));
    let x2apic_id = registers.id();
    check_eq!("ID", x2apic_id & 0xff, id);
    check_eq!("logical ID", registers.read(Register::LDR), (x2apic_id >> 4) << 16 | 1 << (x2apic_id & 0xf));
    registers.write(Register::INITIAL_COUNT, 0);
}

/// The way back from x2APIC mode, by disabling the local APIC, keeps nothing but the ID.
#[case(feature = ApicModes, spec = [sdm3a("x2APIC State Transitions"), sdm3a("x2APIC Transitions From x2APIC Mode")], needs = X2APIC,
       irqchip = LocalApic)]
fn disabling_forgets_registers() {
    let Ok(apic) = LocalApic::in_mode(Mode::X2Apic) else { return check!("x2APIC mode", false) };
    write_all(&apic);
    apic.send_to_self(0x31);
    let id = apic.id();
    check_outcome!("to xAPIC mode", local_apic::go_to(Mode::XApic), Outcome::COMPLETED);
    let registers = Registers::new();
    check_eq!("ID", registers.id(), id & 0xff);
    for (row, (register, value)) in KEPT.into_iter().enumerate().take(KEPT.len() - 1) {
        check!("forgotten", [KEPT_NAMES; row], registers.read(register) != value);
    }
    check!("no interrupt waits", !registers.is_requested(0x31));
    check_eq!("it is disabled by software", registers.read(Register::SVR) >> 8 & 1, 0);
}

/// The registers can be moved to another page of memory, and are at the old one no more.
#[case(feature = ApicModes, spec = [sdm3a("Relocating the Local APIC Registers"), apm2("APIC Base Address Register")],
       needs = Needs::LOCAL_APIC | Needs::UNCLAIMED, irqchip = LocalApic)]
fn registers_can_be_moved() {
    let Ok(apic) = LocalApic::in_mode(Mode::XApic) else { return check!("xAPIC mode", false) };
    let before = local_apic::read_base();
    let version = apic.read(Register::VERSION);
    let page = case::image::board::UNCLAIMED_MMIO;
    apic.write(Register::TPR, 0x21);
    check_outcome!("WRMSR", local_apic::write_base(before & !base::ADDRESS | page), Outcome::COMPLETED);
    let moved = Registers::new();
    check_eq!("version there", moved.read(Register::VERSION), version);
    check_eq!("TPR there", moved.read(Register::TPR), 0x21);
    moved.write(Register::TPR, 0x43);
    check_eq!("TPR written there", moved.read(Register::TPR), 0x43);
    check!("no TPR at the old address", mmio::read_u32((before & base::ADDRESS) + Register::TPR.offset()) != 0x43);
    mmio::write_u32((before & base::ADDRESS) + Register::TPR.offset(), 0x65);
    check_eq!("nor is it written there", moved.read(Register::TPR), 0x43);
    moved.write(Register::TPR, 0);
    check!("it still interrupts", super::interrupting::is_taken_once(&moved, 0x61));
    check_outcome!("WRMSR back", local_apic::write_base(before), Outcome::COMPLETED);
    check_eq!("version again", apic.read(Register::VERSION), version);
}
