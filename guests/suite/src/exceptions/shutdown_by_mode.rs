//! A fault on the way to the handler of #DF shuts the processor down: protected, virtual-8086 and real mode.
//!
//! Each case ends its virtual machine.

use super::{
    mode::Mode,
    program::{Machine, Start},
};
use rt::{
    case,
    excursion::{
        ARENA, layout,
        tables::{self, access, selector, tss_32},
    },
    note, shutdown_due,
};

const DF: u8 = 8;
/// DIV by the zero in EDX or DX.
const DIVIDE: &[u8] = &[0xf7, 0xf2];
/// Selectors of the case's own segments.
const SEGMENT: u16 = 0x70;

fn run(machine: &Machine, bytes: &[u8]) {
    shutdown_due!("no handler can be reached");
    note!("it goes on with", machine.run(bytes, Start::PLAIN).outcome.0);
}

/// #DE, which has no gate, with this gate of #DF.
fn run_with_gate(gate: u64) {
    let machine = Machine::new(Mode::Protected32);
    tables::set_gate(0, 0);
    tables::set_gate(DF, gate);
    run(&machine, DIVIDE);
}

fn interrupt_gate(selector: u16) -> u64 {
    tables::gate(selector, ARENA + layout::CODE, access::INTERRUPT_GATE_32, 0)
}

fn task_gate() -> u64 {
    tables::gate(SEGMENT, 0, access::TASK_GATE, 0)
}

/// #DE in this mode with another stack of CPL 0.
fn run_with_stack(mode: Mode, ss: u16, esp: u32) {
    let machine = Machine::new(mode);
    tables::write_u32(layout::TSS + tss_32::SS_0, u32::from(ss));
    tables::write_u32(layout::TSS + tss_32::ESP_0, esp);
    run(&machine, DIVIDE);
}

const STACK: u32 = ARENA + layout::STACK_0;

fn flat(access: u32) -> u64 {
    tables::segment(0, 0xf_ffff, access, tables::flag::FLAT)
}

/// In protected mode, a gate of #DF that is not present.
#[case(feature = ExceptionDoubleFault, spec = [sdm3a("Interrupt 8—Double Fault Exception (#DF)"),
       apm2("#DF—Double-Fault Exception (Vector 8)")])]
fn shutdown_legacy_gate_not_present() {
    run_with_gate(0);
}

/// In protected mode, a gate of #DF that is a call gate.
#[case(feature = ExceptionDoubleFault, spec = [sdm3a("Interrupt 8—Double Fault Exception (#DF)"),
       apm2("#DF—Double-Fault Exception (Vector 8)")])]
fn shutdown_legacy_gate_type() {
    run_with_gate(tables::gate(selector::CODE_32, ARENA + layout::CODE, access::CALL_GATE_32, 0));
}

/// In protected mode, a gate of #DF without a segment.
#[case(feature = ExceptionDoubleFault, spec = [sdm3a("Interrupt 8—Double Fault Exception (#DF)"),
       apm2("#DF—Double-Fault Exception (Vector 8)")])]
fn shutdown_legacy_null_segment() {
    run_with_gate(interrupt_gate(0));
}

/// In protected mode, a gate of #DF to a data segment.
#[case(feature = ExceptionDoubleFault, spec = [sdm3a("Interrupt 8—Double Fault Exception (#DF)"),
       apm2("#DF—Double-Fault Exception (Vector 8)")])]
fn shutdown_legacy_data_segment() {
    run_with_gate(interrupt_gate(selector::DATA_32));
}

/// In protected mode, a task gate of #DF whose task-state segment is not present.
#[case(feature = ExceptionDoubleFault, spec = [sdm3a("Interrupt 8—Double Fault Exception (#DF)"),
       sdm3a("Interrupt 10—Invalid TSS Exception (#TS)"), apm2("#DF—Double-Fault Exception (Vector 8)")])]
fn shutdown_legacy_task_not_present() {
    let machine = Machine::new(Mode::Protected32);
    let available = access::TSS_32 & !access::PRESENT;
    tables::set_descriptor(SEGMENT, tables::segment(ARENA + layout::SPARE, tss_32::SIZE, available, 0));
    tables::set_gate(0, 0);
    tables::set_gate(DF, task_gate());
    run(&machine, DIVIDE);
}

/// In protected mode, a task gate of #DF that leads to a data segment.
#[case(feature = ExceptionDoubleFault, spec = [sdm3a("Interrupt 8—Double Fault Exception (#DF)"),
       sdm3a("Interrupt 10—Invalid TSS Exception (#TS)"), apm2("#DF—Double-Fault Exception (Vector 8)")])]
fn shutdown_legacy_task_is_data() {
    let machine = Machine::new(Mode::Protected32);
    tables::set_descriptor(SEGMENT, flat(access::DATA));
    tables::set_gate(0, 0);
    tables::set_gate(DF, task_gate());
    run(&machine, DIVIDE);
}

/// In protected mode, a task gate of #DF whose task-state segment is too short.
#[case(feature = ExceptionDoubleFault, spec = [sdm3a("Interrupt 8—Double Fault Exception (#DF)"),
       sdm3a("Interrupt 10—Invalid TSS Exception (#TS)"), apm2("#DF—Double-Fault Exception (Vector 8)")])]
fn shutdown_legacy_task_too_short() {
    let machine = Machine::new(Mode::Protected32);
    tables::set_descriptor(SEGMENT, tables::segment(ARENA + layout::SPARE, 0x66, access::TSS_32, 0));
    tables::set_gate(0, 0);
    tables::set_gate(DF, task_gate());
    run(&machine, DIVIDE);
}

/// In protected mode with an empty IDT, #DE.
#[case(feature = ExceptionDoubleFault, spec = [sdm3a("Interrupt 8—Double Fault Exception (#DF)"),
       apm2("#DF—Double-Fault Exception (Vector 8)")])]
fn shutdown_legacy_empty_table() {
    run(&Machine::new(Mode::Protected32).with_table_limit(0), DIVIDE);
}

/// In 16-bit protected mode with an empty IDT, INT3.
#[case(feature = ExceptionDoubleFault, spec = [sdm3a("Interrupt 8—Double Fault Exception (#DF)"),
       apm2("#DF—Double-Fault Exception (Vector 8)")])]
fn shutdown_legacy_empty_table_16() {
    run(&Machine::new(Mode::Protected16).with_table_limit(0), &[0xcc]);
}

/// At CPL 3 of protected mode with an empty IDT, #GP of a privileged instruction.
#[case(feature = ExceptionDoubleFault, spec = [sdm3a("Interrupt 8—Double Fault Exception (#DF)"),
       apm2("#DF—Double-Fault Exception (Vector 8)")])]
fn shutdown_legacy_empty_table_at_cpl_3() {
    run(&Machine::new(Mode::User32).with_table_limit(0), &[0xf4]);
}

/// In protected mode with an IDT that ends before the gate of #DF, #DE, which has no gate.
#[case(feature = ExceptionDoubleFault, spec = [sdm3a("Interrupt 8—Double Fault Exception (#DF)"),
       apm2("#DF—Double-Fault Exception (Vector 8)")])]
fn shutdown_legacy_table_ends_before_double_fault() {
    let machine = Machine::new(Mode::Protected32).with_table_limit(8 * 8 - 1);
    tables::set_gate(0, 0);
    run(&machine, DIVIDE);
}

/// At CPL 3 with a null SS0, #DE: #TS on the way to its handler, and on that to #DF's.
#[case(feature = ExceptionDoubleFault, spec = [sdm3a("Interrupt 8—Double Fault Exception (#DF)"),
       sdm3a("Interrupt 10—Invalid TSS Exception (#TS)"), apm2("#DF—Double-Fault Exception (Vector 8)")])]
fn shutdown_legacy_stack_is_null() {
    run_with_stack(Mode::User32, 0, STACK);
}

/// At CPL 3 with an SS0 of CPL 3, #DE: #TS on the way to its handler, and on that to #DF's.
#[case(feature = ExceptionDoubleFault, spec = [sdm3a("Interrupt 8—Double Fault Exception (#DF)"),
       sdm3a("Interrupt 10—Invalid TSS Exception (#TS)"), apm2("#DF—Double-Fault Exception (Vector 8)")])]
fn shutdown_legacy_stack_is_of_cpl_3() {
    run_with_stack(Mode::User32, selector::USER_DATA_32, STACK);
}

/// At CPL 3 with an SS0 that is code, #DE: #TS on the way to its handler, and on that to #DF's.
#[case(feature = ExceptionDoubleFault, spec = [sdm3a("Interrupt 8—Double Fault Exception (#DF)"),
       sdm3a("Interrupt 10—Invalid TSS Exception (#TS)"), apm2("#DF—Double-Fault Exception (Vector 8)")])]
fn shutdown_legacy_stack_is_code() {
    run_with_stack(Mode::User32, selector::CODE_32, STACK);
}

/// At CPL 3 with an SS0 that is not present, #DE: #SS on the way to its handler, and on that to #DF's.
#[case(feature = ExceptionDoubleFault, spec = [sdm3a("Interrupt 8—Double Fault Exception (#DF)"),
       sdm3a("Interrupt 10—Invalid TSS Exception (#TS)"), apm2("#DF—Double-Fault Exception (Vector 8)")])]
fn shutdown_legacy_stack_not_present() {
    let machine = Machine::new(Mode::User32);
    tables::set_descriptor(SEGMENT, flat(access::DATA & !access::PRESENT));
    tables::write_u32(layout::TSS + tss_32::SS_0, u32::from(SEGMENT));
    run(&machine, DIVIDE);
}

/// At CPL 3 with an ESP0 beyond the limit of SS0, #DE: #SS on the way to its handler, and on that to #DF's.
#[case(feature = ExceptionDoubleFault, spec = [sdm3a("Interrupt 8—Double Fault Exception (#DF)"),
       sdm3a("Interrupt 10—Invalid TSS Exception (#TS)"), apm2("#DF—Double-Fault Exception (Vector 8)")])]
fn shutdown_legacy_stack_beyond_limit() {
    let machine = Machine::new(Mode::User32);
    tables::set_descriptor(SEGMENT, tables::segment(ARENA, 0xfff, access::DATA, tables::flag::D_B));
    tables::write_u32(layout::TSS + tss_32::SS_0, u32::from(SEGMENT));
    tables::write_u32(layout::TSS + tss_32::ESP_0, layout::STACK_0);
    run(&machine, DIVIDE);
}

/// In virtual-8086 mode with a null SS0, #DE: #TS on the way to its handler, and on that to #DF's.
#[case(feature = ExceptionDoubleFault, spec = [sdm3a("Interrupt 8—Double Fault Exception (#DF)"),
       sdm3a("Interrupt 10—Invalid TSS Exception (#TS)"), apm2("#DF—Double-Fault Exception (Vector 8)")])]
fn shutdown_legacy_stack_is_null_in_virtual_8086_mode() {
    run_with_stack(Mode::Virtual8086, 0, STACK);
}

/// In real mode with an empty table of vectors, #DE.
#[case(feature = ExceptionDoubleFault, spec = [sdm3a("Interrupt 8—Double Fault Exception (#DF)"),
       sdm3b("Interrupt and Exception Handling"), apm2("#DF—Double-Fault Exception (Vector 8)")])]
fn shutdown_legacy_empty_table_in_real_mode() {
    run(&Machine::new(Mode::Real).with_table_limit(0), DIVIDE);
}

/// In real mode with an empty table of vectors, INT 33.
#[case(feature = ExceptionDoubleFault, spec = [sdm3a("Interrupt 8—Double Fault Exception (#DF)"),
       sdm3b("Interrupt and Exception Handling"), apm2("#DF—Double-Fault Exception (Vector 8)")])]
fn shutdown_legacy_empty_table_and_software_interrupt_in_real_mode() {
    run(&Machine::new(Mode::Real).with_table_limit(0), &[0xcd, 33]);
}

/// In real mode with a table of vectors that ends before that of #DF, INT 33.
#[case(feature = ExceptionDoubleFault, spec = [sdm3a("Interrupt 8—Double Fault Exception (#DF)"),
       sdm3b("Interrupt and Exception Handling"), apm2("#DF—Double-Fault Exception (Vector 8)")])]
fn shutdown_legacy_table_ends_before_double_fault_in_real_mode() {
    run(&Machine::new(Mode::Real).with_table_limit(8 * 4 - 1), &[0xcd, 33]);
}
