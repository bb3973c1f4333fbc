//! Some sixty instructions in each mode, each with vector, error code, saved instruction pointer, flags, stack pointer
//! and CR2.

use super::{
    mode::Mode,
    program::{Machine, Start},
    vector_model::{INTERRUPTS, Observed, PRIVILEGED, Place, RARE, Row, UNPRIVILEGED, columns, expected, names},
};
use rt::{case, check_eq, check_outcome, layout, vocabulary::Text};

/// An address that is not canonical, or the last byte of a segment of 64 KiB, or one that nothing maps.
fn address_of(place: Place, mode: Mode) -> Option<u64> {
    match place {
        Place::Data => None,
        Place::Beyond if mode.is_long() => Some(1 << 63),
        Place::Beyond => Some(0xffff),
        Place::Unmapped => Some(layout::UNMAPPED),
    }
}

fn observe(machine: &Machine, mode: Mode, row: &Row) -> Observed {
    let start = Start {
        flags: u64::from(row.flags),
        address: address_of(row.place, mode),
        rdx: u64::from(row.rdx),
        ..Start::PLAIN
    };
    let seen = machine.run(row.bytes, start);
    Observed { outcome: seen.outcome.0, ip: seen.ip, flags: seen.flags, sp: seen.sp, cr2: seen.cr2 }
}

macro_rules! walk {
    ($rows:ident, $mode:expr) => {{
        const NAMES: &[Text] = &names(&$rows);
        let machine = Machine::new($mode);
        for (index, row) in $rows.iter().enumerate() {
            let Some(expected) = expected(row, $mode, layout::UNMAPPED) else { continue };
            let [outcome, ip, flags, cr2] = columns(&expected, &observe(&machine, $mode, row));
            if let Some((actual, expected)) = outcome {
                check_outcome!("outcome", [NAMES; index], rt::Outcome(actual), rt::Outcome(expected));
            }
            if let Some((actual, expected)) = ip {
                check_eq!("saved IP", [NAMES; index], actual, expected);
            }
            if let Some((actual, expected)) = flags {
                check_eq!("stack pointer moved and saved flags", [NAMES; index], actual, expected);
            }
            if let Some((actual, expected)) = cr2 {
                check_eq!("CR2", [NAMES; index], actual, expected);
            }
        }
    }};
}

fn unprivileged(mode: Mode) {
    walk!(UNPRIVILEGED, mode);
}

fn privileged(mode: Mode) {
    walk!(PRIVILEGED, mode);
}

fn interrupts(mode: Mode) {
    walk!(INTERRUPTS, mode);
}

fn rare(mode: Mode) {
    walk!(RARE, mode);
}

/// In 64-bit mode at CPL 3, divisions by zero, invalid operands and what the mode lacks raise their exception, with vector, error code and all that it saves.
#[case(feature = ExceptionVectors, spec = [sdm3a("Exception and Interrupt Reference"), apm2("Vectors")])]
fn invalid_operations_in_64_bit_mode_at_cpl_3() {
    unprivileged(Mode::Long3);
}

/// In 64-bit mode at CPL 0, divisions by zero, invalid operands and what the mode lacks raise their exception, with vector, error code and all that it saves.
#[case(feature = ExceptionVectors, spec = [sdm3a("Exception and Interrupt Reference"), apm2("Vectors")])]
fn invalid_operations_in_64_bit_mode_at_cpl_0() {
    unprivileged(Mode::Long0);
}

/// In compatibility mode at CPL 3, divisions by zero, invalid operands and what the mode lacks raise their exception, with vector, error code and all that it saves.
#[case(feature = ExceptionVectors, spec = [sdm3a("Exception and Interrupt Reference"), apm2("Vectors")])]
fn invalid_operations_in_compatibility_mode_at_cpl_3() {
    unprivileged(Mode::Compatible3);
}

/// In compatibility mode at CPL 0, divisions by zero, invalid operands and what the mode lacks raise their exception, with vector, error code and all that it saves.
#[case(feature = ExceptionVectors, spec = [sdm3a("Exception and Interrupt Reference"), apm2("Vectors")])]
fn invalid_operations_in_compatibility_mode_at_cpl_0() {
    unprivileged(Mode::Compatible0);
}

/// In 32-bit protected mode at CPL 0, divisions by zero, invalid operands and what the mode lacks raise their exception, with vector, error code and all that it saves.
#[case(feature = ExceptionVectors, spec = [sdm3a("Exception and Interrupt Reference"), apm2("Vectors")])]
fn invalid_operations_in_32_bit_mode_at_cpl_0() {
    unprivileged(Mode::Protected32);
}

/// In 32-bit protected mode at CPL 3, divisions by zero, invalid operands and what the mode lacks raise their exception, with vector, error code and all that it saves.
#[case(feature = ExceptionVectors, spec = [sdm3a("Exception and Interrupt Reference"), apm2("Vectors")])]
fn invalid_operations_in_32_bit_mode_at_cpl_3() {
    unprivileged(Mode::User32);
}

/// In 16-bit protected mode at CPL 0, divisions by zero, invalid operands and what the mode lacks raise their exception, with vector, error code and all that it saves.
#[case(feature = ExceptionVectors, spec = [sdm3a("Exception and Interrupt Reference"), apm2("Vectors")])]
fn invalid_operations_in_16_bit_mode_at_cpl_0() {
    unprivileged(Mode::Protected16);
}

/// In 16-bit protected mode at CPL 3, divisions by zero, invalid operands and what the mode lacks raise their exception, with vector, error code and all that it saves.
#[case(feature = ExceptionVectors, spec = [sdm3a("Exception and Interrupt Reference"), apm2("Vectors")])]
fn invalid_operations_in_16_bit_mode_at_cpl_3() {
    unprivileged(Mode::User16);
}

/// In real mode, divisions by zero, invalid operands and what the mode lacks raise their exception, with vector, error code and all that it saves.
#[case(feature = ExceptionVectors, spec = [sdm3a("Exception and Interrupt Reference"), apm2("Vectors")])]
fn invalid_operations_in_real_mode() {
    unprivileged(Mode::Real);
}

/// In virtual-8086 mode, divisions by zero, invalid operands and what the mode lacks raise their exception, with vector, error code and all that it saves.
#[case(feature = ExceptionVectors, spec = [sdm3a("Exception and Interrupt Reference"), apm2("Vectors")])]
fn invalid_operations_in_virtual_8086_mode() {
    unprivileged(Mode::Virtual8086);
}

/// In 64-bit mode at CPL 3, what the length, privilege, segments or paging forbid raises their exception, with vector, error code and all that it saves.
#[case(feature = ExceptionVectors, spec = [sdm3a("Exception and Interrupt Reference"), sdm3a("Error Code"), apm2("Vectors")])]
fn protection_in_64_bit_mode_at_cpl_3() {
    privileged(Mode::Long3);
}

/// In 64-bit mode at CPL 0, what the length, privilege, segments or paging forbid raises their exception, with vector, error code and all that it saves.
#[case(feature = ExceptionVectors, spec = [sdm3a("Exception and Interrupt Reference"), sdm3a("Error Code"), apm2("Vectors")])]
fn protection_in_64_bit_mode_at_cpl_0() {
    privileged(Mode::Long0);
}

/// In compatibility mode at CPL 3, what the length, privilege, segments or paging forbid raises their exception, with vector, error code and all that it saves.
#[case(feature = ExceptionVectors, spec = [sdm3a("Exception and Interrupt Reference"), sdm3a("Error Code"), apm2("Vectors")])]
fn protection_in_compatibility_mode_at_cpl_3() {
    privileged(Mode::Compatible3);
}

/// In compatibility mode at CPL 0, what the length, privilege, segments or paging forbid raises their exception, with vector, error code and all that it saves.
#[case(feature = ExceptionVectors, spec = [sdm3a("Exception and Interrupt Reference"), sdm3a("Error Code"), apm2("Vectors")])]
fn protection_in_compatibility_mode_at_cpl_0() {
    privileged(Mode::Compatible0);
}

/// In 32-bit protected mode at CPL 0, what the length, privilege, segments or paging forbid raises their exception, with vector, error code and all that it saves.
#[case(feature = ExceptionVectors, spec = [sdm3a("Exception and Interrupt Reference"), sdm3a("Error Code"), apm2("Vectors")])]
fn protection_in_32_bit_mode_at_cpl_0() {
    privileged(Mode::Protected32);
}

/// In 32-bit protected mode at CPL 3, what the length, privilege, segments or paging forbid raises their exception, with vector, error code and all that it saves.
#[case(feature = ExceptionVectors, spec = [sdm3a("Exception and Interrupt Reference"), sdm3a("Error Code"), apm2("Vectors")])]
fn protection_in_32_bit_mode_at_cpl_3() {
    privileged(Mode::User32);
}

/// In 16-bit protected mode at CPL 0, what the length, privilege, segments or paging forbid raises their exception, with vector, error code and all that it saves.
#[case(feature = ExceptionVectors, spec = [sdm3a("Exception and Interrupt Reference"), sdm3a("Error Code"), apm2("Vectors")])]
fn protection_in_16_bit_mode_at_cpl_0() {
    privileged(Mode::Protected16);
}

/// In 16-bit protected mode at CPL 3, what the length, privilege, segments or paging forbid raises their exception, with vector, error code and all that it saves.
#[case(feature = ExceptionVectors, spec = [sdm3a("Exception and Interrupt Reference"), sdm3a("Error Code"), apm2("Vectors")])]
fn protection_in_16_bit_mode_at_cpl_3() {
    privileged(Mode::User16);
}

/// In real mode, what the length, privilege, segments or paging forbid raises their exception, with vector, error code and all that it saves.
#[case(feature = ExceptionVectors, spec = [sdm3a("Exception and Interrupt Reference"), sdm3a("Error Code"), apm2("Vectors")])]
fn protection_in_real_mode() {
    privileged(Mode::Real);
}

/// In virtual-8086 mode, what the length, privilege, segments or paging forbid raises their exception, with vector, error code and all that it saves.
#[case(feature = ExceptionVectors, spec = [sdm3a("Exception and Interrupt Reference"), sdm3a("Error Code"), apm2("Vectors")])]
fn protection_in_virtual_8086_mode() {
    privileged(Mode::Virtual8086);
}

/// In 64-bit mode at CPL 3, INT n, INT3 and INTO raise their vector or, where the gate is too privileged, #GP.
#[case(feature = ExceptionVectors, spec = [sdm2("INT n/INTO/INT3/INT1—Call to Interrupt Procedure"), sdm3a("Error Code")])]
fn software_interrupts_in_64_bit_mode_at_cpl_3() {
    interrupts(Mode::Long3);
}

/// In 64-bit mode at CPL 0, INT n, INT3 and INTO raise their vector or, where the gate is too privileged, #GP.
#[case(feature = ExceptionVectors, spec = [sdm2("INT n/INTO/INT3/INT1—Call to Interrupt Procedure"), sdm3a("Error Code")])]
fn software_interrupts_in_64_bit_mode_at_cpl_0() {
    interrupts(Mode::Long0);
}

/// In compatibility mode at CPL 3, INT n, INT3 and INTO raise their vector or, where the gate is too privileged, #GP.
#[case(feature = ExceptionVectors, spec = [sdm2("INT n/INTO/INT3/INT1—Call to Interrupt Procedure"), sdm3a("Error Code")])]
fn software_interrupts_in_compatibility_mode_at_cpl_3() {
    interrupts(Mode::Compatible3);
}

/// In compatibility mode at CPL 0, INT n, INT3 and INTO raise their vector or, where the gate is too privileged, #GP.
#[case(feature = ExceptionVectors, spec = [sdm2("INT n/INTO/INT3/INT1—Call to Interrupt Procedure"), sdm3a("Error Code")])]
fn software_interrupts_in_compatibility_mode_at_cpl_0() {
    interrupts(Mode::Compatible0);
}

/// In 32-bit protected mode at CPL 0, INT n, INT3 and INTO raise their vector or, where the gate is too privileged, #GP.
#[case(feature = ExceptionVectors, spec = [sdm2("INT n/INTO/INT3/INT1—Call to Interrupt Procedure"), sdm3a("Error Code")])]
fn software_interrupts_in_32_bit_mode_at_cpl_0() {
    interrupts(Mode::Protected32);
}

/// In 32-bit protected mode at CPL 3, INT n, INT3 and INTO raise their vector or, where the gate is too privileged, #GP.
#[case(feature = ExceptionVectors, spec = [sdm2("INT n/INTO/INT3/INT1—Call to Interrupt Procedure"), sdm3a("Error Code")])]
fn software_interrupts_in_32_bit_mode_at_cpl_3() {
    interrupts(Mode::User32);
}

/// In 16-bit protected mode at CPL 0, INT n, INT3 and INTO raise their vector or, where the gate is too privileged, #GP.
#[case(feature = ExceptionVectors, spec = [sdm2("INT n/INTO/INT3/INT1—Call to Interrupt Procedure"), sdm3a("Error Code")])]
fn software_interrupts_in_16_bit_mode_at_cpl_0() {
    interrupts(Mode::Protected16);
}

/// In 16-bit protected mode at CPL 3, INT n, INT3 and INTO raise their vector or, where the gate is too privileged, #GP.
#[case(feature = ExceptionVectors, spec = [sdm2("INT n/INTO/INT3/INT1—Call to Interrupt Procedure"), sdm3a("Error Code")])]
fn software_interrupts_in_16_bit_mode_at_cpl_3() {
    interrupts(Mode::User16);
}

/// In real mode, INT n, INT3 and INTO raise their vector or, where the gate is too privileged, #GP.
#[case(feature = ExceptionVectors, spec = [sdm2("INT n/INTO/INT3/INT1—Call to Interrupt Procedure"), sdm3a("Error Code")])]
fn software_interrupts_in_real_mode() {
    interrupts(Mode::Real);
}

/// In virtual-8086 mode, INT n, INT3 and INTO raise their vector or, where the gate is too privileged, #GP.
#[case(feature = ExceptionVectors, spec = [sdm2("INT n/INTO/INT3/INT1—Call to Interrupt Procedure"), sdm3a("Error Code")])]
fn software_interrupts_in_virtual_8086_mode() {
    interrupts(Mode::Virtual8086);
}

/// In 64-bit mode at CPL 3, INT1, BOUND, LAR and ARPL complete or raise their exception, INT1 whatever the privilege of the gate.
#[case(feature = ExceptionVectors, spec = [sdm2("INT n/INTO/INT3/INT1—Call to Interrupt Procedure"),
       sdm2("BOUND—Check Array Index Against Bounds"), apm2("#DB—Debug Exception (Vector 1)")])]
fn rare_instructions_in_64_bit_mode_at_cpl_3() {
    rare(Mode::Long3);
}

/// In 64-bit mode at CPL 0, INT1, BOUND, LAR and ARPL complete or raise their exception, INT1 whatever the privilege of the gate.
#[case(feature = ExceptionVectors, spec = [sdm2("INT n/INTO/INT3/INT1—Call to Interrupt Procedure"),
       sdm2("BOUND—Check Array Index Against Bounds"), apm2("#DB—Debug Exception (Vector 1)")])]
fn rare_instructions_in_64_bit_mode_at_cpl_0() {
    rare(Mode::Long0);
}

/// In compatibility mode at CPL 3, INT1, BOUND, LAR and ARPL complete or raise their exception, INT1 whatever the privilege of the gate.
#[case(feature = ExceptionVectors, spec = [sdm2("INT n/INTO/INT3/INT1—Call to Interrupt Procedure"),
       sdm2("BOUND—Check Array Index Against Bounds"), apm2("#DB—Debug Exception (Vector 1)")])]
fn rare_instructions_in_compatibility_mode_at_cpl_3() {
    rare(Mode::Compatible3);
}

/// In compatibility mode at CPL 0, INT1, BOUND, LAR and ARPL complete or raise their exception, INT1 whatever the privilege of the gate.
#[case(feature = ExceptionVectors, spec = [sdm2("INT n/INTO/INT3/INT1—Call to Interrupt Procedure"),
       sdm2("BOUND—Check Array Index Against Bounds"), apm2("#DB—Debug Exception (Vector 1)")])]
fn rare_instructions_in_compatibility_mode_at_cpl_0() {
    rare(Mode::Compatible0);
}

/// In 32-bit protected mode at CPL 0, INT1, BOUND, LAR and ARPL complete or raise their exception, INT1 whatever the privilege of the gate.
#[case(feature = ExceptionVectors, spec = [sdm2("INT n/INTO/INT3/INT1—Call to Interrupt Procedure"),
       sdm2("BOUND—Check Array Index Against Bounds"), apm2("#DB—Debug Exception (Vector 1)")])]
fn rare_instructions_in_32_bit_mode_at_cpl_0() {
    rare(Mode::Protected32);
}

/// In 32-bit protected mode at CPL 3, INT1, BOUND, LAR and ARPL complete or raise their exception, INT1 whatever the privilege of the gate.
#[case(feature = ExceptionVectors, spec = [sdm2("INT n/INTO/INT3/INT1—Call to Interrupt Procedure"),
       sdm2("BOUND—Check Array Index Against Bounds"), apm2("#DB—Debug Exception (Vector 1)")])]
fn rare_instructions_in_32_bit_mode_at_cpl_3() {
    rare(Mode::User32);
}

/// In 16-bit protected mode at CPL 0, INT1, BOUND, LAR and ARPL complete or raise their exception, INT1 whatever the privilege of the gate.
#[case(feature = ExceptionVectors, spec = [sdm2("INT n/INTO/INT3/INT1—Call to Interrupt Procedure"),
       sdm2("BOUND—Check Array Index Against Bounds"), apm2("#DB—Debug Exception (Vector 1)")])]
fn rare_instructions_in_16_bit_mode_at_cpl_0() {
    rare(Mode::Protected16);
}

/// In 16-bit protected mode at CPL 3, INT1, BOUND, LAR and ARPL complete or raise their exception, INT1 whatever the privilege of the gate.
#[case(feature = ExceptionVectors, spec = [sdm2("INT n/INTO/INT3/INT1—Call to Interrupt Procedure"),
       sdm2("BOUND—Check Array Index Against Bounds"), apm2("#DB—Debug Exception (Vector 1)")])]
fn rare_instructions_in_16_bit_mode_at_cpl_3() {
    rare(Mode::User16);
}

/// In real mode, INT1, BOUND, LAR and ARPL complete or raise their exception, INT1 whatever the privilege of the gate.
#[case(feature = ExceptionVectors, spec = [sdm2("INT n/INTO/INT3/INT1—Call to Interrupt Procedure"),
       sdm2("BOUND—Check Array Index Against Bounds"), apm2("#DB—Debug Exception (Vector 1)")])]
fn rare_instructions_in_real_mode() {
    rare(Mode::Real);
}

/// In virtual-8086 mode, INT1, BOUND, LAR and ARPL complete or raise their exception, INT1 whatever the privilege of the gate.
#[case(feature = ExceptionVectors, spec = [sdm2("INT n/INTO/INT3/INT1—Call to Interrupt Procedure"),
       sdm2("BOUND—Check Array Index Against Bounds"), apm2("#DB—Debug Exception (Vector 1)")])]
fn rare_instructions_in_virtual_8086_mode() {
    rare(Mode::Virtual8086);
}
