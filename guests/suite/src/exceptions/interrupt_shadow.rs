//! Interrupts that wait while instructions enable them or hold them back, in each mode.

use super::{
    local_apic::LocalApic,
    mode::Mode,
    program::{Machine, Start},
    shadow_model::{
        EVENTS, INTERRUPT_FLAG, OTHERS, Observed, Row, SET, STACK_LOADS, VECTOR, applies, columns, names, privilege,
    },
};
use rt::{
    case, check_eq, check_outcome,
    excursion::tables::selector as arena_selector,
    tables::selector,
    vocabulary::{Needs, Text},
};

/// A selector that SS may take, for POP SS.
fn stack_selector(mode: Mode) -> u64 {
    let selector = match mode {
        Mode::Long0 | Mode::Compatible0 => selector::KERNEL_DATA,
        Mode::Long3 | Mode::Compatible3 => selector::USER_DATA,
        Mode::Protected32 => arena_selector::DATA_32,
        Mode::User32 => arena_selector::USER_DATA_32,
        Mode::Protected16 => arena_selector::DATA_16,
        Mode::User16 => arena_selector::USER_DATA_16,
        Mode::Real | Mode::Virtual8086 => 0x1000,
    };
    u64::from(selector)
}

fn observe(apic: &LocalApic, machine: &Machine, mode: Mode, row: &Row) -> Observed {
    // One that the row before left waiting is the same interrupt.
    apic.send(VECTOR);
    let popped =
        if row.popped & INTERRUPT_FLAG == 0 { stack_selector(mode) } else { row.popped | privilege(row, mode) };
    let flags = row.flags | privilege(row, mode);
    let seen = machine.run(row.bytes, Start { flags, stack: [popped, 0, 0], ..Start::PLAIN });
    let (is_requested, is_in_service) = (apic.is_requested(VECTOR), apic.is_in_service(VECTOR));
    if is_in_service {
        apic.end_interrupt();
    }
    Observed { outcome: seen.outcome.0, ip: seen.ip, flags: seen.flags, is_requested, is_in_service }
}

macro_rules! walk {
    ($rows:ident, $mode:expr) => {{
        const NAMES: &[Text] = &names(&$rows);
        let apic = LocalApic::new();
        let machine = Machine::new($mode);
        for (index, row) in $rows.iter().enumerate().filter(|(_, row)| applies(row, $mode)) {
            let [outcome, ip, flags, waiting] = columns(row, &observe(&apic, &machine, $mode, row));
            if let Some((actual, expected)) = outcome {
                check_outcome!("outcome", [NAMES; index], rt::Outcome(actual), rt::Outcome(expected));
            }
            if let Some((actual, expected)) = ip {
                check_eq!("saved IP", [NAMES; index], actual, expected);
            }
            if let Some((actual, expected)) = flags {
                check_eq!("saved IF", [NAMES; index], actual, expected);
            }
            if let Some((actual, expected)) = waiting {
                check_eq!("bits in IRR and ISR", [NAMES; index], actual, expected);
            }
        }
    }};
}

fn set(mode: Mode) {
    walk!(SET, mode);
}

fn events(mode: Mode) {
    walk!(EVENTS, mode);
}

fn stack_loads(mode: Mode) {
    walk!(STACK_LOADS, mode);
}

fn others(mode: Mode) {
    walk!(OTHERS, mode);
}

/// In 64-bit mode at CPL 3, STI holds a waiting interrupt back until the next instruction is done, and CLI in its place to the end.
#[case(feature = ExceptionShadow, spec = [sdm2("STI—Set Interrupt Flag"),
       sdm3a("Masking Maskable Hardware Interrupts"), apm3("STI")],
       needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn interrupts_behind_sti_in_64_bit_mode_at_cpl_3() {
    set(Mode::Long3);
}

/// In 64-bit mode at CPL 0, STI holds a waiting interrupt back until the next instruction is done, and CLI in its place to the end.
#[case(feature = ExceptionShadow, spec = [sdm2("STI—Set Interrupt Flag"),
       sdm3a("Masking Maskable Hardware Interrupts"), apm3("STI")],
       needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn interrupts_behind_sti_in_64_bit_mode_at_cpl_0() {
    set(Mode::Long0);
}

/// In compatibility mode at CPL 3, STI holds a waiting interrupt back until the next instruction is done, and CLI in its place to the end.
#[case(feature = ExceptionShadow, spec = [sdm2("STI—Set Interrupt Flag"),
       sdm3a("Masking Maskable Hardware Interrupts"), apm3("STI")],
       needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn interrupts_behind_sti_in_compatibility_mode_at_cpl_3() {
    set(Mode::Compatible3);
}

/// In compatibility mode at CPL 0, STI holds a waiting interrupt back until the next instruction is done, and CLI in its place to the end.
#[case(feature = ExceptionShadow, spec = [sdm2("STI—Set Interrupt Flag"),
       sdm3a("Masking Maskable Hardware Interrupts"), apm3("STI")],
       needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn interrupts_behind_sti_in_compatibility_mode_at_cpl_0() {
    set(Mode::Compatible0);
}

/// In 32-bit protected mode at CPL 0, STI holds a waiting interrupt back until the next instruction is done, and CLI in its place to the end.
#[case(feature = ExceptionShadow, spec = [sdm2("STI—Set Interrupt Flag"),
       sdm3a("Masking Maskable Hardware Interrupts"), apm3("STI")],
       needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn interrupts_behind_sti_in_32_bit_mode_at_cpl_0() {
    set(Mode::Protected32);
}

/// In 32-bit protected mode at CPL 3, STI holds a waiting interrupt back until the next instruction is done, and CLI in its place to the end.
#[case(feature = ExceptionShadow, spec = [sdm2("STI—Set Interrupt Flag"),
       sdm3a("Masking Maskable Hardware Interrupts"), apm3("STI")],
       needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn interrupts_behind_sti_in_32_bit_mode_at_cpl_3() {
    set(Mode::User32);
}

/// In 16-bit protected mode at CPL 0, STI holds a waiting interrupt back until the next instruction is done, and CLI in its place to the end.
#[case(feature = ExceptionShadow, spec = [sdm2("STI—Set Interrupt Flag"),
       sdm3a("Masking Maskable Hardware Interrupts"), apm3("STI")],
       needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn interrupts_behind_sti_in_16_bit_mode_at_cpl_0() {
    set(Mode::Protected16);
}

/// In 16-bit protected mode at CPL 3, STI holds a waiting interrupt back until the next instruction is done, and CLI in its place to the end.
#[case(feature = ExceptionShadow, spec = [sdm2("STI—Set Interrupt Flag"),
       sdm3a("Masking Maskable Hardware Interrupts"), apm3("STI")],
       needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn interrupts_behind_sti_in_16_bit_mode_at_cpl_3() {
    set(Mode::User16);
}

/// In real mode, STI holds a waiting interrupt back until the next instruction is done, and CLI in its place to the end.
#[case(feature = ExceptionShadow, spec = [sdm2("STI—Set Interrupt Flag"),
       sdm3a("Masking Maskable Hardware Interrupts"), apm3("STI")],
       needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn interrupts_behind_sti_in_real_mode() {
    set(Mode::Real);
}

/// In virtual-8086 mode, STI holds a waiting interrupt back until the next instruction is done, and CLI in its place to the end.
#[case(feature = ExceptionShadow, spec = [sdm2("STI—Set Interrupt Flag"),
       sdm3a("Masking Maskable Hardware Interrupts"), apm3("STI")],
       needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn interrupts_behind_sti_in_virtual_8086_mode() {
    set(Mode::Virtual8086);
}

/// In 64-bit mode at CPL 3, a load of SS beside STI holds a waiting interrupt back for one instruction or two.
#[case(feature = ExceptionShadow, spec = [sdm3a("Masking Exceptions and Interrupts When Switching Stacks"),
       sdm2("STI—Set Interrupt Flag")],
       needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn interrupts_behind_stack_loads_in_64_bit_mode_at_cpl_3() {
    stack_loads(Mode::Long3);
}

/// In 64-bit mode at CPL 0, a load of SS beside STI holds a waiting interrupt back for one instruction or two.
#[case(feature = ExceptionShadow, spec = [sdm3a("Masking Exceptions and Interrupts When Switching Stacks"),
       sdm2("STI—Set Interrupt Flag")],
       needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn interrupts_behind_stack_loads_in_64_bit_mode_at_cpl_0() {
    stack_loads(Mode::Long0);
}

/// In compatibility mode at CPL 3, a load of SS beside STI holds a waiting interrupt back for one instruction or two.
#[case(feature = ExceptionShadow, spec = [sdm3a("Masking Exceptions and Interrupts When Switching Stacks"),
       sdm2("STI—Set Interrupt Flag")],
       needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn interrupts_behind_stack_loads_in_compatibility_mode_at_cpl_3() {
    stack_loads(Mode::Compatible3);
}

/// In compatibility mode at CPL 0, a load of SS beside STI holds a waiting interrupt back for one instruction or two.
#[case(feature = ExceptionShadow, spec = [sdm3a("Masking Exceptions and Interrupts When Switching Stacks"),
       sdm2("STI—Set Interrupt Flag")],
       needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn interrupts_behind_stack_loads_in_compatibility_mode_at_cpl_0() {
    stack_loads(Mode::Compatible0);
}

/// In 32-bit protected mode at CPL 0, a load of SS beside STI holds a waiting interrupt back for one instruction or two.
#[case(feature = ExceptionShadow, spec = [sdm3a("Masking Exceptions and Interrupts When Switching Stacks"),
       sdm2("STI—Set Interrupt Flag")],
       needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn interrupts_behind_stack_loads_in_32_bit_mode_at_cpl_0() {
    stack_loads(Mode::Protected32);
}

/// In 32-bit protected mode at CPL 3, a load of SS beside STI holds a waiting interrupt back for one instruction or two.
#[case(feature = ExceptionShadow, spec = [sdm3a("Masking Exceptions and Interrupts When Switching Stacks"),
       sdm2("STI—Set Interrupt Flag")],
       needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn interrupts_behind_stack_loads_in_32_bit_mode_at_cpl_3() {
    stack_loads(Mode::User32);
}

/// In 16-bit protected mode at CPL 0, a load of SS beside STI holds a waiting interrupt back for one instruction or two.
#[case(feature = ExceptionShadow, spec = [sdm3a("Masking Exceptions and Interrupts When Switching Stacks"),
       sdm2("STI—Set Interrupt Flag")],
       needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn interrupts_behind_stack_loads_in_16_bit_mode_at_cpl_0() {
    stack_loads(Mode::Protected16);
}

/// In 16-bit protected mode at CPL 3, a load of SS beside STI holds a waiting interrupt back for one instruction or two.
#[case(feature = ExceptionShadow, spec = [sdm3a("Masking Exceptions and Interrupts When Switching Stacks"),
       sdm2("STI—Set Interrupt Flag")],
       needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn interrupts_behind_stack_loads_in_16_bit_mode_at_cpl_3() {
    stack_loads(Mode::User16);
}

/// In real mode, a load of SS beside STI holds a waiting interrupt back for one instruction or two.
#[case(feature = ExceptionShadow, spec = [sdm3a("Masking Exceptions and Interrupts When Switching Stacks"),
       sdm2("STI—Set Interrupt Flag")],
       needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn interrupts_behind_stack_loads_in_real_mode() {
    stack_loads(Mode::Real);
}

/// In virtual-8086 mode, a load of SS beside STI holds a waiting interrupt back for one instruction or two.
#[case(feature = ExceptionShadow, spec = [sdm3a("Masking Exceptions and Interrupts When Switching Stacks"),
       sdm2("STI—Set Interrupt Flag")],
       needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn interrupts_behind_stack_loads_in_virtual_8086_mode() {
    stack_loads(Mode::Virtual8086);
}

/// In 64-bit mode at CPL 3, POPF and IRET that set IF let a waiting interrupt in at once.
#[case(feature = ExceptionShadow, spec = [sdm2("POPF/POPFD/POPFQ—Pop Stack Into EFLAGS Register"),
       sdm3a("Masking Maskable Hardware Interrupts")],
       needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn interrupts_behind_popf_and_iret_in_64_bit_mode_at_cpl_3() {
    others(Mode::Long3);
}

/// In 64-bit mode at CPL 0, POPF and IRET that set IF let a waiting interrupt in at once.
#[case(feature = ExceptionShadow, spec = [sdm2("POPF/POPFD/POPFQ—Pop Stack Into EFLAGS Register"),
       sdm3a("Masking Maskable Hardware Interrupts")],
       needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn interrupts_behind_popf_and_iret_in_64_bit_mode_at_cpl_0() {
    others(Mode::Long0);
}

/// In compatibility mode at CPL 3, POPF and IRET that set IF let a waiting interrupt in at once.
#[case(feature = ExceptionShadow, spec = [sdm2("POPF/POPFD/POPFQ—Pop Stack Into EFLAGS Register"),
       sdm3a("Masking Maskable Hardware Interrupts")],
       needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn interrupts_behind_popf_and_iret_in_compatibility_mode_at_cpl_3() {
    others(Mode::Compatible3);
}

/// In compatibility mode at CPL 0, POPF and IRET that set IF let a waiting interrupt in at once.
#[case(feature = ExceptionShadow, spec = [sdm2("POPF/POPFD/POPFQ—Pop Stack Into EFLAGS Register"),
       sdm3a("Masking Maskable Hardware Interrupts")],
       needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn interrupts_behind_popf_and_iret_in_compatibility_mode_at_cpl_0() {
    others(Mode::Compatible0);
}

/// In 32-bit protected mode at CPL 0, POPF and IRET that set IF let a waiting interrupt in at once.
#[case(feature = ExceptionShadow, spec = [sdm2("POPF/POPFD/POPFQ—Pop Stack Into EFLAGS Register"),
       sdm3a("Masking Maskable Hardware Interrupts")],
       needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn interrupts_behind_popf_and_iret_in_32_bit_mode_at_cpl_0() {
    others(Mode::Protected32);
}

/// In 32-bit protected mode at CPL 3, POPF and IRET that set IF let a waiting interrupt in at once.
#[case(feature = ExceptionShadow, spec = [sdm2("POPF/POPFD/POPFQ—Pop Stack Into EFLAGS Register"),
       sdm3a("Masking Maskable Hardware Interrupts")],
       needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn interrupts_behind_popf_and_iret_in_32_bit_mode_at_cpl_3() {
    others(Mode::User32);
}

/// In 16-bit protected mode at CPL 0, POPF and IRET that set IF let a waiting interrupt in at once.
#[case(feature = ExceptionShadow, spec = [sdm2("POPF/POPFD/POPFQ—Pop Stack Into EFLAGS Register"),
       sdm3a("Masking Maskable Hardware Interrupts")],
       needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn interrupts_behind_popf_and_iret_in_16_bit_mode_at_cpl_0() {
    others(Mode::Protected16);
}

/// In 16-bit protected mode at CPL 3, POPF and IRET that set IF let a waiting interrupt in at once.
#[case(feature = ExceptionShadow, spec = [sdm2("POPF/POPFD/POPFQ—Pop Stack Into EFLAGS Register"),
       sdm3a("Masking Maskable Hardware Interrupts")],
       needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn interrupts_behind_popf_and_iret_in_16_bit_mode_at_cpl_3() {
    others(Mode::User16);
}

/// In real mode, POPF and IRET that set IF let a waiting interrupt in at once.
#[case(feature = ExceptionShadow, spec = [sdm2("POPF/POPFD/POPFQ—Pop Stack Into EFLAGS Register"),
       sdm3a("Masking Maskable Hardware Interrupts")],
       needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn interrupts_behind_popf_and_iret_in_real_mode() {
    others(Mode::Real);
}

/// In virtual-8086 mode, POPF and IRET that set IF let a waiting interrupt in at once.
#[case(feature = ExceptionShadow, spec = [sdm2("POPF/POPFD/POPFQ—Pop Stack Into EFLAGS Register"),
       sdm3a("Masking Maskable Hardware Interrupts")],
       needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn interrupts_behind_popf_and_iret_in_virtual_8086_mode() {
    others(Mode::Virtual8086);
}

/// In 64-bit mode at CPL 3, an exception of the instruction behind STI comes before a waiting interrupt.
#[case(feature = ExceptionShadow, spec = [sdm2("STI—Set Interrupt Flag"), sdm3a("Prioritization of Concurrent Events")],
       needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn exceptions_behind_sti_in_64_bit_mode_at_cpl_3() {
    events(Mode::Long3);
}

/// In 64-bit mode at CPL 0, an exception of the instruction behind STI comes before a waiting interrupt.
#[case(feature = ExceptionShadow, spec = [sdm2("STI—Set Interrupt Flag"), sdm3a("Prioritization of Concurrent Events")],
       needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn exceptions_behind_sti_in_64_bit_mode_at_cpl_0() {
    events(Mode::Long0);
}

/// In compatibility mode at CPL 3, an exception of the instruction behind STI comes before a waiting interrupt.
#[case(feature = ExceptionShadow, spec = [sdm2("STI—Set Interrupt Flag"), sdm3a("Prioritization of Concurrent Events")],
       needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn exceptions_behind_sti_in_compatibility_mode_at_cpl_3() {
    events(Mode::Compatible3);
}

/// In compatibility mode at CPL 0, an exception of the instruction behind STI comes before a waiting interrupt.
#[case(feature = ExceptionShadow, spec = [sdm2("STI—Set Interrupt Flag"), sdm3a("Prioritization of Concurrent Events")],
       needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn exceptions_behind_sti_in_compatibility_mode_at_cpl_0() {
    events(Mode::Compatible0);
}

/// In 32-bit protected mode at CPL 0, an exception of the instruction behind STI comes before a waiting interrupt.
#[case(feature = ExceptionShadow, spec = [sdm2("STI—Set Interrupt Flag"), sdm3a("Prioritization of Concurrent Events")],
       needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn exceptions_behind_sti_in_32_bit_mode_at_cpl_0() {
    events(Mode::Protected32);
}

/// In 16-bit protected mode at CPL 0, an exception of the instruction behind STI comes before a waiting interrupt.
#[case(feature = ExceptionShadow, spec = [sdm2("STI—Set Interrupt Flag"), sdm3a("Prioritization of Concurrent Events")],
       needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn exceptions_behind_sti_in_16_bit_mode_at_cpl_0() {
    events(Mode::Protected16);
}

/// In real mode, an exception of the instruction behind STI comes before a waiting interrupt.
#[case(feature = ExceptionShadow, spec = [sdm2("STI—Set Interrupt Flag"), sdm3a("Prioritization of Concurrent Events")],
       needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn exceptions_behind_sti_in_real_mode() {
    events(Mode::Real);
}
