//! A fault on the way to the handler of #DF shuts the processor down: long mode.
//!
//! Each case ends its virtual machine. Its name tells the first, the second and the third exception, of which the second
//! comes of the first's way to its handler, and the third of that of #DF.

use super::{
    delivery_model::{DIVIDE, First, NOT_PRESENT, Obstacle, PAGE_FAULT, PROTECTION, STACK, is_shutdown},
    double_fault::{block, observe},
    mode::Mode,
    program::{Machine, Start},
};
use rt::{
    case,
    gate::{self, Gate, Stack},
    layout, note, shutdown_due,
};

/// Raises the first event with both obstacles in place. Announces the shutdown only if the manuals' classes make one.
fn shut_down(mode: Mode, first: &First, second: Obstacle, third: Obstacle) {
    let machine = Machine::new(mode);
    let _second = block(first.vector, second, 7);
    let _third = block(8, third, 6);
    if is_shutdown(first, second, third) {
        shutdown_due!("a fault on the way to the handler of #DF");
    }
    note!("what came instead", observe(&machine, first).outcome);
}

/// Runs a program that shuts the processor down by tables that are set already.
fn run(mode: Mode, bytes: &[u8]) {
    let machine = Machine::new(mode);
    shutdown_due!("no handler can be reached");
    note!("it goes on with", machine.run(bytes, Start::PLAIN).outcome.0);
}

/// At CPL 3, #DE with a gate that is not present, and #DF with a gate that is not present.
#[case(feature = ExceptionDoubleFault, spec = [sdm3a("Interrupt 8—Double Fault Exception (#DF)"),
       apm2("#DF—Double-Fault Exception (Vector 8)")])]
fn shutdown_long_de_np_np_at_cpl_3() {
    shut_down(Mode::Long3, &DIVIDE, Obstacle::GateNotPresent, Obstacle::GateNotPresent);
}

/// At CPL 0, #DE with a gate of a wrong type, and #DF with a gate of a wrong type.
#[case(feature = ExceptionDoubleFault, spec = [sdm3a("Interrupt 8—Double Fault Exception (#DF)"),
       apm2("#DF—Double-Fault Exception (Vector 8)")])]
fn shutdown_long_de_gp_gp_at_cpl_0() {
    shut_down(Mode::Long0, &DIVIDE, Obstacle::GateType, Obstacle::GateType);
}

/// At CPL 3, #DE with a stack that is not canonical, and #DF with a stack that is not canonical.
#[case(feature = ExceptionDoubleFault, spec = [sdm3a("Interrupt 8—Double Fault Exception (#DF)"),
       apm2("#DF—Double-Fault Exception (Vector 8)")])]
fn shutdown_long_de_ss_ss_at_cpl_3() {
    shut_down(Mode::Long3, &DIVIDE, Obstacle::StackNotCanonical, Obstacle::StackNotCanonical);
}

/// At CPL 0, #DE with a gate that is not present, and #DF with a stack that is not mapped.
#[case(feature = ExceptionDoubleFault, spec = [sdm3a("Interrupt 8—Double Fault Exception (#DF)"),
       apm2("#DF—Double-Fault Exception (Vector 8)")])]
fn shutdown_long_de_np_pf_at_cpl_0() {
    shut_down(Mode::Long0, &DIVIDE, Obstacle::GateNotPresent, Obstacle::StackNotMapped);
}

/// At CPL 0, #GP with a gate that is not present, and #DF with a gate of a wrong type.
#[case(feature = ExceptionDoubleFault, spec = [sdm3a("Interrupt 8—Double Fault Exception (#DF)"),
       apm2("#DF—Double-Fault Exception (Vector 8)")])]
fn shutdown_long_gp_np_gp_at_cpl_0() {
    shut_down(Mode::Long0, &PROTECTION, Obstacle::GateNotPresent, Obstacle::GateType);
}

/// At CPL 3, #GP with a gate of a wrong type, and #DF with a gate without a segment.
#[case(feature = ExceptionDoubleFault, spec = [sdm3a("Interrupt 8—Double Fault Exception (#DF)"),
       apm2("#DF—Double-Fault Exception (Vector 8)")])]
fn shutdown_long_gp_gp_null_at_cpl_3() {
    shut_down(Mode::Long3, &PROTECTION, Obstacle::GateType, Obstacle::NullSegment);
}

/// At CPL 0, #GP with a stack that is not canonical, and #DF with a stack that is not mapped.
#[case(feature = ExceptionDoubleFault, spec = [sdm3a("Interrupt 8—Double Fault Exception (#DF)"),
       apm2("#DF—Double-Fault Exception (Vector 8)")])]
fn shutdown_long_gp_ss_pf_at_cpl_0() {
    shut_down(Mode::Long0, &PROTECTION, Obstacle::StackNotCanonical, Obstacle::StackNotMapped);
}

/// At CPL 0, #NP with a gate that is not present, and #DF with a stack that is not canonical.
#[case(feature = ExceptionDoubleFault, spec = [sdm3a("Interrupt 8—Double Fault Exception (#DF)"),
       apm2("#DF—Double-Fault Exception (Vector 8)")])]
fn shutdown_long_np_np_ss_at_cpl_0() {
    shut_down(Mode::Long0, &NOT_PRESENT, Obstacle::GateNotPresent, Obstacle::StackNotCanonical);
}

/// At CPL 0, #NP with a gate of a wrong type, and #DF with a gate that is not present.
#[case(feature = ExceptionDoubleFault, spec = [sdm3a("Interrupt 8—Double Fault Exception (#DF)"),
       apm2("#DF—Double-Fault Exception (Vector 8)")])]
fn shutdown_long_np_gp_np_at_cpl_0() {
    shut_down(Mode::Long0, &NOT_PRESENT, Obstacle::GateType, Obstacle::GateNotPresent);
}

/// At CPL 0, #NP with a stack that is not canonical, and #DF with a gate without a segment.
#[case(feature = ExceptionDoubleFault, spec = [sdm3a("Interrupt 8—Double Fault Exception (#DF)"),
       apm2("#DF—Double-Fault Exception (Vector 8)")])]
fn shutdown_long_np_ss_null_at_cpl_0() {
    shut_down(Mode::Long0, &NOT_PRESENT, Obstacle::StackNotCanonical, Obstacle::NullSegment);
}

/// At CPL 0, #SS with a gate that is not present, and #DF with a gate without a segment.
#[case(feature = ExceptionDoubleFault, spec = [sdm3a("Interrupt 8—Double Fault Exception (#DF)"),
       apm2("#DF—Double-Fault Exception (Vector 8)")])]
fn shutdown_long_ss_np_null_at_cpl_0() {
    shut_down(Mode::Long0, &STACK, Obstacle::GateNotPresent, Obstacle::NullSegment);
}

/// At CPL 0, #SS with a gate of a wrong type, and #DF with a stack that is not mapped.
#[case(feature = ExceptionDoubleFault, spec = [sdm3a("Interrupt 8—Double Fault Exception (#DF)"),
       apm2("#DF—Double-Fault Exception (Vector 8)")])]
fn shutdown_long_ss_gp_pf_at_cpl_0() {
    shut_down(Mode::Long0, &STACK, Obstacle::GateType, Obstacle::StackNotMapped);
}

/// At CPL 0, #SS with a stack that is not canonical, and #DF with a gate that is not present.
#[case(feature = ExceptionDoubleFault, spec = [sdm3a("Interrupt 8—Double Fault Exception (#DF)"),
       apm2("#DF—Double-Fault Exception (Vector 8)")])]
fn shutdown_long_ss_ss_np_at_cpl_0() {
    shut_down(Mode::Long0, &STACK, Obstacle::StackNotCanonical, Obstacle::GateNotPresent);
}

/// At CPL 3, #PF with a gate that is not present, and #DF with a gate that is not present.
#[case(feature = ExceptionDoubleFault, spec = [sdm3a("Interrupt 8—Double Fault Exception (#DF)"),
       apm2("#DF—Double-Fault Exception (Vector 8)")])]
fn shutdown_long_pf_np_np_at_cpl_3() {
    shut_down(Mode::Long3, &PAGE_FAULT, Obstacle::GateNotPresent, Obstacle::GateNotPresent);
}

/// At CPL 0, #PF with a gate of a wrong type, and #DF with a stack that is not mapped.
#[case(feature = ExceptionDoubleFault, spec = [sdm3a("Interrupt 8—Double Fault Exception (#DF)"),
       apm2("#DF—Double-Fault Exception (Vector 8)")])]
fn shutdown_long_pf_gp_pf_at_cpl_0() {
    shut_down(Mode::Long0, &PAGE_FAULT, Obstacle::GateType, Obstacle::StackNotMapped);
}

/// At CPL 3, #PF with a stack that is not canonical, and #DF with a gate of a wrong type.
#[case(feature = ExceptionDoubleFault, spec = [sdm3a("Interrupt 8—Double Fault Exception (#DF)"),
       apm2("#DF—Double-Fault Exception (Vector 8)")])]
fn shutdown_long_pf_ss_gp_at_cpl_3() {
    shut_down(Mode::Long3, &PAGE_FAULT, Obstacle::StackNotCanonical, Obstacle::GateType);
}

/// At CPL 3, #PF with a stack that is not mapped, and #DF with a gate that is not present.
#[case(feature = ExceptionDoubleFault, spec = [sdm3a("Interrupt 8—Double Fault Exception (#DF)"),
       apm2("#DF—Double-Fault Exception (Vector 8)")])]
fn shutdown_long_pf_pf_np_at_cpl_3() {
    shut_down(Mode::Long3, &PAGE_FAULT, Obstacle::StackNotMapped, Obstacle::GateNotPresent);
}

/// At CPL 3, #PF with a stack that is not mapped, and #DF with a stack that is not mapped.
#[case(feature = ExceptionDoubleFault, spec = [sdm3a("Interrupt 8—Double Fault Exception (#DF)"),
       apm2("#DF—Double-Fault Exception (Vector 8)")])]
fn shutdown_long_pf_pf_pf_at_cpl_3() {
    shut_down(Mode::Long3, &PAGE_FAULT, Obstacle::StackNotMapped, Obstacle::StackNotMapped);
}

/// At CPL 0, #PF with a stack that is not mapped, and #DF with a stack that is not mapped.
#[case(feature = ExceptionDoubleFault, spec = [sdm3a("Interrupt 8—Double Fault Exception (#DF)"),
       apm2("#DF—Double-Fault Exception (Vector 8)")])]
fn shutdown_long_pf_pf_pf_at_cpl_0() {
    shut_down(Mode::Long0, &PAGE_FAULT, Obstacle::StackNotMapped, Obstacle::StackNotMapped);
}

/// At CPL 0, #PF with a stack that is not mapped, and #DF with a gate without a segment.
#[case(feature = ExceptionDoubleFault, spec = [sdm3a("Interrupt 8—Double Fault Exception (#DF)"),
       apm2("#DF—Double-Fault Exception (Vector 8)")])]
fn shutdown_long_pf_pf_null_at_cpl_0() {
    shut_down(Mode::Long0, &PAGE_FAULT, Obstacle::StackNotMapped, Obstacle::NullSegment);
}

/// At CPL 0, #PF with a stack that is not mapped, and #DF with a stack that is not canonical.
#[case(feature = ExceptionDoubleFault, spec = [sdm3a("Interrupt 8—Double Fault Exception (#DF)"),
       apm2("#DF—Double-Fault Exception (Vector 8)")])]
fn shutdown_long_pf_pf_ss_at_cpl_0() {
    shut_down(Mode::Long0, &PAGE_FAULT, Obstacle::StackNotMapped, Obstacle::StackNotCanonical);
}

/// At CPL 3, #PF with a gate that is not present, and #DF with a stack that is not mapped.
#[case(feature = ExceptionDoubleFault, spec = [sdm3a("Interrupt 8—Double Fault Exception (#DF)"),
       apm2("#DF—Double-Fault Exception (Vector 8)")])]
fn shutdown_long_pf_np_pf_at_cpl_3() {
    shut_down(Mode::Long3, &PAGE_FAULT, Obstacle::GateNotPresent, Obstacle::StackNotMapped);
}

/// With an empty IDT, #UD at CPL 0.
#[case(feature = ExceptionDoubleFault, spec = [sdm3a("Interrupt 8—Double Fault Exception (#DF)"),
       apm2("#DF—Double-Fault Exception (Vector 8)")])]
fn shutdown_long_empty_table_at_cpl_0() {
    let _limit = gate::Limit::new(0);
    run(Mode::Long0, &[0x0f, 0x0b, 0x90]);
}

/// With an empty IDT, #DE at CPL 3.
#[case(feature = ExceptionDoubleFault, spec = [sdm3a("Interrupt 8—Double Fault Exception (#DF)"),
       apm2("#DF—Double-Fault Exception (Vector 8)")])]
fn shutdown_long_empty_table_at_cpl_3() {
    let _limit = gate::Limit::new(0);
    run(Mode::Long3, &[0xf7, 0xf2]);
}

/// With an empty IDT, INT 80H at CPL 3.
#[case(feature = ExceptionDoubleFault, spec = [sdm3a("Interrupt 8—Double Fault Exception (#DF)"),
       apm2("#DF—Double-Fault Exception (Vector 8)")])]
fn shutdown_long_empty_table_and_software_interrupt() {
    let _limit = gate::Limit::new(0);
    run(Mode::Long3, &[0xcd, 0x80]);
}

/// With an IDT that ends before the gate of #DF, #DE whose gate is not present.
#[case(feature = ExceptionDoubleFault, spec = [sdm3a("Interrupt 8—Double Fault Exception (#DF)"),
       apm2("#DF—Double-Fault Exception (Vector 8)")])]
fn shutdown_long_table_ends_before_double_fault() {
    let _gate = Gate::not_present(0);
    let _limit = gate::Limit::new(8 * 16 - 1);
    run(Mode::Long0, &[0xf7, 0xf2]);
}

/// With an RSP0 that is not canonical, #DE at CPL 3 where neither #DE nor #DF has an interrupt stack.
#[case(feature = ExceptionDoubleFault, spec = [sdm3a("Interrupt 8—Double Fault Exception (#DF)"),
       apm2("#DF—Double-Fault Exception (Vector 8)")])]
fn shutdown_long_stack_of_cpl_0_not_canonical() {
    let _stack = Stack::privilege_0(0x8000_0000_1000);
    let _gates = [0, 8].map(|vector| Gate::with_interrupt_stack(vector, 0));
    run(Mode::Long3, &[0xf7, 0xf2]);
}

/// With an RSP0 that is not mapped, #DE at CPL 3 where neither #DE, #PF nor #DF has an interrupt stack: #DE leads to #PF,
/// #PF to #DF.
#[case(feature = ExceptionDoubleFault, spec = [sdm3a("Interrupt 8—Double Fault Exception (#DF)"),
       apm2("#DF—Double-Fault Exception (Vector 8)")])]
fn shutdown_long_stack_of_cpl_0_not_mapped() {
    let _stack = Stack::privilege_0(layout::UNMAPPED + 0x1000);
    let _gates = [0, 8, 14].map(|vector| Gate::with_interrupt_stack(vector, 0));
    run(Mode::Long3, &[0xf7, 0xf2]);
}
