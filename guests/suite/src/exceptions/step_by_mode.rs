//! Single steps over each kind of instruction in each mode.

use super::{
    mode::Mode,
    program::{Machine, Start, TRAP_FLAG},
    step_model::{CALLS, Observed, PLAIN, Row, STACK_LOADS, SYSTEM, applies, columns, names},
};
use rt::{case, check_eq, check_outcome, vocabulary::Text};

fn observe(machine: &Machine, row: &Row) -> Observed {
    // What POPF takes; the others leave it alone or read it.
    let start = Start { flags: TRAP_FLAG, stack: [2, 0, 0], ..Start::PLAIN };
    let seen = machine.run(row.bytes, start);
    Observed { outcome: seen.outcome.0, ip: seen.ip, flags: seen.flags, dr6: seen.dr6 }
}

macro_rules! walk {
    ($rows:ident, $mode:expr) => {{
        const NAMES: &[Text] = &names(&$rows);
        let machine = Machine::new($mode);
        for (index, row) in $rows.iter().enumerate().filter(|(_, row)| applies(row, $mode)) {
            let [outcome, ip, flags, causes] = columns(row, &observe(&machine, row));
            check_outcome!("outcome", [NAMES; index], rt::Outcome(outcome.0), rt::Outcome(outcome.1));
            check_eq!("saved IP", [NAMES; index], ip.0, ip.1);
            check_eq!("saved TF", [NAMES; index], flags.0, flags.1);
            check_eq!("causes in DR6", [NAMES; index], causes.0, causes.1);
        }
    }};
}

fn plain(mode: Mode) {
    walk!(PLAIN, mode);
}

fn system(mode: Mode) {
    walk!(SYSTEM, mode);
}

fn stack_loads(mode: Mode) {
    walk!(STACK_LOADS, mode);
}

fn calls(mode: Mode) {
    walk!(CALLS, mode);
}

/// In 64-bit mode at CPL 3, with TF set #DB strikes behind each instruction, each iteration and each branch, and a fault takes its place.
#[case(feature = ExceptionDebug, spec = [sdm3b("Single-Step Exception Condition"), apm2("Single Stepping")])]
fn steps_in_64_bit_mode_at_cpl_3() {
    plain(Mode::Long3);
}

/// In 64-bit mode at CPL 0, with TF set #DB strikes behind each instruction, each iteration and each branch, and a fault takes its place.
#[case(feature = ExceptionDebug, spec = [sdm3b("Single-Step Exception Condition"), apm2("Single Stepping")])]
fn steps_in_64_bit_mode_at_cpl_0() {
    plain(Mode::Long0);
}

/// In compatibility mode at CPL 3, with TF set #DB strikes behind each instruction, each iteration and each branch, and a fault takes its place.
#[case(feature = ExceptionDebug, spec = [sdm3b("Single-Step Exception Condition"), apm2("Single Stepping")])]
fn steps_in_compatibility_mode_at_cpl_3() {
    plain(Mode::Compatible3);
}

/// In compatibility mode at CPL 0, with TF set #DB strikes behind each instruction, each iteration and each branch, and a fault takes its place.
#[case(feature = ExceptionDebug, spec = [sdm3b("Single-Step Exception Condition"), apm2("Single Stepping")])]
fn steps_in_compatibility_mode_at_cpl_0() {
    plain(Mode::Compatible0);
}

/// In 32-bit protected mode at CPL 0, with TF set #DB strikes behind each instruction, each iteration and each branch, and a fault takes its place.
#[case(feature = ExceptionDebug, spec = [sdm3b("Single-Step Exception Condition"), apm2("Single Stepping")])]
fn steps_in_32_bit_mode_at_cpl_0() {
    plain(Mode::Protected32);
}

/// In 32-bit protected mode at CPL 3, with TF set #DB strikes behind each instruction, each iteration and each branch, and a fault takes its place.
#[case(feature = ExceptionDebug, spec = [sdm3b("Single-Step Exception Condition"), apm2("Single Stepping")])]
fn steps_in_32_bit_mode_at_cpl_3() {
    plain(Mode::User32);
}

/// In 16-bit protected mode at CPL 0, with TF set #DB strikes behind each instruction, each iteration and each branch, and a fault takes its place.
#[case(feature = ExceptionDebug, spec = [sdm3b("Single-Step Exception Condition"), apm2("Single Stepping")])]
fn steps_in_16_bit_mode_at_cpl_0() {
    plain(Mode::Protected16);
}

/// In 16-bit protected mode at CPL 3, with TF set #DB strikes behind each instruction, each iteration and each branch, and a fault takes its place.
#[case(feature = ExceptionDebug, spec = [sdm3b("Single-Step Exception Condition"), apm2("Single Stepping")])]
fn steps_in_16_bit_mode_at_cpl_3() {
    plain(Mode::User16);
}

/// In real mode, with TF set #DB strikes behind each instruction, each iteration and each branch, and a fault takes its place.
#[case(feature = ExceptionDebug, spec = [sdm3b("Single-Step Exception Condition"), apm2("Single Stepping")])]
fn steps_in_real_mode() {
    plain(Mode::Real);
}

/// In virtual-8086 mode, with TF set #DB strikes behind each instruction, each iteration and each branch, and a fault takes its place.
#[case(feature = ExceptionDebug, spec = [sdm3b("Single-Step Exception Condition"), apm2("Single Stepping")])]
fn steps_in_virtual_8086_mode() {
    plain(Mode::Virtual8086);
}

/// In 64-bit mode at CPL 3, with TF set #DB strikes behind instructions that a hypervisor may have to do itself.
#[case(feature = ExceptionDebug, spec = [sdm3b("Single-Step Exception Condition"), apm2("Single Stepping")])]
fn steps_of_system_instructions_in_64_bit_mode_at_cpl_3() {
    system(Mode::Long3);
}

/// In 64-bit mode at CPL 0, with TF set #DB strikes behind instructions that a hypervisor may have to do itself.
#[case(feature = ExceptionDebug, spec = [sdm3b("Single-Step Exception Condition"), apm2("Single Stepping")])]
fn steps_of_system_instructions_in_64_bit_mode_at_cpl_0() {
    system(Mode::Long0);
}

/// In compatibility mode at CPL 3, with TF set #DB strikes behind instructions that a hypervisor may have to do itself.
#[case(feature = ExceptionDebug, spec = [sdm3b("Single-Step Exception Condition"), apm2("Single Stepping")])]
fn steps_of_system_instructions_in_compatibility_mode_at_cpl_3() {
    system(Mode::Compatible3);
}

/// In compatibility mode at CPL 0, with TF set #DB strikes behind instructions that a hypervisor may have to do itself.
#[case(feature = ExceptionDebug, spec = [sdm3b("Single-Step Exception Condition"), apm2("Single Stepping")])]
fn steps_of_system_instructions_in_compatibility_mode_at_cpl_0() {
    system(Mode::Compatible0);
}

/// In 32-bit protected mode at CPL 0, with TF set #DB strikes behind instructions that a hypervisor may have to do itself.
#[case(feature = ExceptionDebug, spec = [sdm3b("Single-Step Exception Condition"), apm2("Single Stepping")])]
fn steps_of_system_instructions_in_32_bit_mode_at_cpl_0() {
    system(Mode::Protected32);
}

/// In 32-bit protected mode at CPL 3, with TF set #DB strikes behind instructions that a hypervisor may have to do itself.
#[case(feature = ExceptionDebug, spec = [sdm3b("Single-Step Exception Condition"), apm2("Single Stepping")])]
fn steps_of_system_instructions_in_32_bit_mode_at_cpl_3() {
    system(Mode::User32);
}

/// In 16-bit protected mode at CPL 0, with TF set #DB strikes behind instructions that a hypervisor may have to do itself.
#[case(feature = ExceptionDebug, spec = [sdm3b("Single-Step Exception Condition"), apm2("Single Stepping")])]
fn steps_of_system_instructions_in_16_bit_mode_at_cpl_0() {
    system(Mode::Protected16);
}

/// In 16-bit protected mode at CPL 3, with TF set #DB strikes behind instructions that a hypervisor may have to do itself.
#[case(feature = ExceptionDebug, spec = [sdm3b("Single-Step Exception Condition"), apm2("Single Stepping")])]
fn steps_of_system_instructions_in_16_bit_mode_at_cpl_3() {
    system(Mode::User16);
}

/// In real mode, with TF set #DB strikes behind instructions that a hypervisor may have to do itself.
#[case(feature = ExceptionDebug, spec = [sdm3b("Single-Step Exception Condition"), apm2("Single Stepping")])]
fn steps_of_system_instructions_in_real_mode() {
    system(Mode::Real);
}

/// In virtual-8086 mode, with TF set #DB strikes behind instructions that a hypervisor may have to do itself.
#[case(feature = ExceptionDebug, spec = [sdm3b("Single-Step Exception Condition"), apm2("Single Stepping")])]
fn steps_of_system_instructions_in_virtual_8086_mode() {
    system(Mode::Virtual8086);
}

/// In 64-bit mode at CPL 3, a load of SS holds the single step back until the next instruction is done.
#[case(feature = ExceptionShadow, spec = [sdm3a("Masking Exceptions and Interrupts When Switching Stacks"),
       sdm3b("Single-Step Exception Condition")])]
fn steps_behind_stack_loads_in_64_bit_mode_at_cpl_3() {
    stack_loads(Mode::Long3);
}

/// In 64-bit mode at CPL 0, a load of SS holds the single step back until the next instruction is done.
#[case(feature = ExceptionShadow, spec = [sdm3a("Masking Exceptions and Interrupts When Switching Stacks"),
       sdm3b("Single-Step Exception Condition")])]
fn steps_behind_stack_loads_in_64_bit_mode_at_cpl_0() {
    stack_loads(Mode::Long0);
}

/// In compatibility mode at CPL 3, a load of SS holds the single step back until the next instruction is done.
#[case(feature = ExceptionShadow, spec = [sdm3a("Masking Exceptions and Interrupts When Switching Stacks"),
       sdm3b("Single-Step Exception Condition")])]
fn steps_behind_stack_loads_in_compatibility_mode_at_cpl_3() {
    stack_loads(Mode::Compatible3);
}

/// In compatibility mode at CPL 0, a load of SS holds the single step back until the next instruction is done.
#[case(feature = ExceptionShadow, spec = [sdm3a("Masking Exceptions and Interrupts When Switching Stacks"),
       sdm3b("Single-Step Exception Condition")])]
fn steps_behind_stack_loads_in_compatibility_mode_at_cpl_0() {
    stack_loads(Mode::Compatible0);
}

/// In 32-bit protected mode at CPL 0, a load of SS holds the single step back until the next instruction is done.
#[case(feature = ExceptionShadow, spec = [sdm3a("Masking Exceptions and Interrupts When Switching Stacks"),
       sdm3b("Single-Step Exception Condition")])]
fn steps_behind_stack_loads_in_32_bit_mode_at_cpl_0() {
    stack_loads(Mode::Protected32);
}

/// In 32-bit protected mode at CPL 3, a load of SS holds the single step back until the next instruction is done.
#[case(feature = ExceptionShadow, spec = [sdm3a("Masking Exceptions and Interrupts When Switching Stacks"),
       sdm3b("Single-Step Exception Condition")])]
fn steps_behind_stack_loads_in_32_bit_mode_at_cpl_3() {
    stack_loads(Mode::User32);
}

/// In 16-bit protected mode at CPL 0, a load of SS holds the single step back until the next instruction is done.
#[case(feature = ExceptionShadow, spec = [sdm3a("Masking Exceptions and Interrupts When Switching Stacks"),
       sdm3b("Single-Step Exception Condition")])]
fn steps_behind_stack_loads_in_16_bit_mode_at_cpl_0() {
    stack_loads(Mode::Protected16);
}

/// In 16-bit protected mode at CPL 3, a load of SS holds the single step back until the next instruction is done.
#[case(feature = ExceptionShadow, spec = [sdm3a("Masking Exceptions and Interrupts When Switching Stacks"),
       sdm3b("Single-Step Exception Condition")])]
fn steps_behind_stack_loads_in_16_bit_mode_at_cpl_3() {
    stack_loads(Mode::User16);
}

/// In real mode, a load of SS holds the single step back until the next instruction is done.
#[case(feature = ExceptionShadow, spec = [sdm3a("Masking Exceptions and Interrupts When Switching Stacks"),
       sdm3b("Single-Step Exception Condition")])]
fn steps_behind_stack_loads_in_real_mode() {
    stack_loads(Mode::Real);
}

/// In virtual-8086 mode, a load of SS holds the single step back until the next instruction is done.
#[case(feature = ExceptionShadow, spec = [sdm3a("Masking Exceptions and Interrupts When Switching Stacks"),
       sdm3b("Single-Step Exception Condition")])]
fn steps_behind_stack_loads_in_virtual_8086_mode() {
    stack_loads(Mode::Virtual8086);
}

/// In 64-bit mode at CPL 3, INT3 with TF set reaches its own handler, also behind a load of SS, and no step is reported.
#[case(feature = ExceptionShadow, spec = [sdm3b("Single-Step Exception Condition"),
       sdm3a("Masking Exceptions and Interrupts When Switching Stacks")])]
fn steps_over_breakpoints_in_64_bit_mode_at_cpl_3() {
    calls(Mode::Long3);
}

/// In 64-bit mode at CPL 0, INT3 with TF set reaches its own handler, also behind a load of SS, and no step is reported.
#[case(feature = ExceptionShadow, spec = [sdm3b("Single-Step Exception Condition"),
       sdm3a("Masking Exceptions and Interrupts When Switching Stacks")])]
fn steps_over_breakpoints_in_64_bit_mode_at_cpl_0() {
    calls(Mode::Long0);
}

/// In compatibility mode at CPL 3, INT3 with TF set reaches its own handler, also behind a load of SS, and no step is reported.
#[case(feature = ExceptionShadow, spec = [sdm3b("Single-Step Exception Condition"),
       sdm3a("Masking Exceptions and Interrupts When Switching Stacks")])]
fn steps_over_breakpoints_in_compatibility_mode_at_cpl_3() {
    calls(Mode::Compatible3);
}

/// In 32-bit protected mode at CPL 0, INT3 with TF set reaches its own handler, also behind a load of SS, and no step is reported.
#[case(feature = ExceptionShadow, spec = [sdm3b("Single-Step Exception Condition"),
       sdm3a("Masking Exceptions and Interrupts When Switching Stacks")])]
fn steps_over_breakpoints_in_32_bit_mode_at_cpl_0() {
    calls(Mode::Protected32);
}

/// In 32-bit protected mode at CPL 3, INT3 with TF set reaches its own handler, also behind a load of SS, and no step is reported.
#[case(feature = ExceptionShadow, spec = [sdm3b("Single-Step Exception Condition"),
       sdm3a("Masking Exceptions and Interrupts When Switching Stacks")])]
fn steps_over_breakpoints_in_32_bit_mode_at_cpl_3() {
    calls(Mode::User32);
}

/// In real mode, INT3 with TF set reaches its own handler, also behind a load of SS, and no step is reported.
#[case(feature = ExceptionShadow, spec = [sdm3b("Single-Step Exception Condition"),
       sdm3a("Masking Exceptions and Interrupts When Switching Stacks")])]
fn steps_over_breakpoints_in_real_mode() {
    calls(Mode::Real);
}

/// In virtual-8086 mode, INT3 with TF set reaches its own handler, also behind a load of SS, and no step is reported.
#[case(feature = ExceptionShadow, spec = [sdm3b("Single-Step Exception Condition"),
       sdm3a("Masking Exceptions and Interrupts When Switching Stacks")])]
fn steps_over_breakpoints_in_virtual_8086_mode() {
    calls(Mode::Virtual8086);
}
