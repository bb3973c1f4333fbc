//! Values as people read them.

use case::{Style, message::outcome};

/// A value of a check in its site's style.
pub(crate) fn value(style: Style, value: u64) -> String {
    match (style, value) {
        (Style::Decimal, value) => value.to_string(),
        (Style::Bool, 0) => "false".to_owned(),
        (Style::Bool, 1) => "true".to_owned(),
        (Style::Outcome, outcome::COMPLETED) => "completed".to_owned(),
        (Style::Outcome, value) => outcome_text(value).unwrap_or_else(|| format!("{value:#x}")),
        (Style::Hex | Style::Bool, value) => format!("{value:#x}"),
    }
}

/// `None` for a value that no outcome has.
fn outcome_text(value: u64) -> Option<String> {
    let low = value as u32;
    if value == outcome::VM_FAIL_INVALID {
        return Some("VMfailInvalid".to_owned());
    } else if value == outcome::vm_fail_valid(low) {
        return Some(format!("VMfailValid({low})"));
    } else if value == outcome::vmx_flags(low.into()) {
        return Some(format!("RFLAGS {low:#x}"));
    }
    let (vector, error_code) = outcome::decode(value)?;
    (outcome::exception(vector, error_code) == value).then(|| exception(vector, error_code))
}

/// An exception as the manuals write it: `#UD`, `#GP(0)`, `#PF(0x7)`.
pub(super) fn exception(vector: u8, error_code: u32) -> String {
    let Some(&(_, name, has_error_code)) = EXCEPTIONS.iter().find(|(known, ..)| *known == vector) else {
        return match error_code {
            0 => format!("vector {vector}"),
            error_code => format!("vector {vector}({error_code:#x})"),
        };
    };
    match error_code {
        0 if !has_error_code => name.to_owned(),
        0 => format!("{name}(0)"),
        // An error code where there should be none is told, too.
        error_code => format!("{name}({error_code:#x})"),
    }
}

/// Vector, mnemonic, and whether it pushes an error code (SDM vol. 3A, 253668-087, "Protected-Mode Exceptions and
/// Interrupts"; #HV, #VC and #SX: APM vol. 2, 24593 rev. 3.42, "Vectors").
const EXCEPTIONS: &[(u8, &str, bool)] = &[
    (0, "#DE", false),
    (1, "#DB", false),
    (2, "NMI", false),
    (3, "#BP", false),
    (4, "#OF", false),
    (5, "#BR", false),
    (6, "#UD", false),
    (7, "#NM", false),
    (8, "#DF", true),
    (10, "#TS", true),
    (11, "#NP", true),
    (12, "#SS", true),
    (13, "#GP", true),
    (14, "#PF", true),
    (16, "#MF", false),
    (17, "#AC", true),
    (18, "#MC", false),
    (19, "#XM", false),
    (20, "#VE", false),
    (21, "#CP", true),
    (28, "#HV", false),
    (29, "#VC", true),
    (30, "#SX", true),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_in_their_style() {
        let rows = [
            (Style::Hex, 0, "0x0"),
            (Style::Hex, u64::MAX, "0xffffffffffffffff"),
            (Style::Decimal, 4096, "4096"),
            (Style::Bool, 0, "false"),
            (Style::Bool, 1, "true"),
            (Style::Bool, 2, "0x2"),
            (Style::Outcome, outcome::COMPLETED, "completed"),
            (Style::Outcome, outcome::exception(13, 0), "#GP(0)"),
            (Style::Outcome, outcome::exception(13, 0x18), "#GP(0x18)"),
            (Style::Outcome, outcome::exception(14, 7), "#PF(0x7)"),
            (Style::Outcome, outcome::exception(6, 0), "#UD"),
            (Style::Outcome, outcome::exception(6, 5), "#UD(0x5)"),
            (Style::Outcome, outcome::exception(0, 0), "#DE"),
            (Style::Outcome, outcome::exception(9, 0), "vector 9"),
            (Style::Outcome, outcome::exception(255, 1), "vector 255(0x1)"),
            (Style::Outcome, outcome::VM_FAIL_INVALID, "VMfailInvalid"),
            (Style::Outcome, outcome::vm_fail_valid(12), "VMfailValid(12)"),
            (Style::Outcome, outcome::vmx_flags(0x41), "RFLAGS 0x41"),
            // Neither completed nor an exception.
            (Style::Outcome, 5, "0x5"),
            (Style::Outcome, outcome::exception(6, 0) | 1 << 50, "0x8004000600000000"),
        ];
        for (style, number, text) in rows {
            assert_eq!(value(style, number), text, "{style:?} {number:#x}");
        }
    }
}
