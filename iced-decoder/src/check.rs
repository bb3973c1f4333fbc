//! Sets what a processor did against what was predicted, so that errors of the oracle are found.
//!
//! Values are not predicted, so what is checked is what must not happen: another end, a change of what an instruction
//! may not change, a write to where it does not write.

mod extended;

use crate::{
    access::Direction,
    effects::COMPARED_FLAGS,
    machine::{End, Input, Output},
    predict::{Due, Prediction},
    registers::Bitness,
};
use std::fmt;

/// What a processor and a prediction disagree about. The order is that of reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Aspect {
    /// Whether it completes, and what it raises.
    End,
    /// RIP afterwards.
    Rip,
    /// General registers that may not change.
    General,
    /// Flags that may not change.
    Flags,
    /// Memory that is not written.
    Memory,
    /// Vector registers that may not change.
    Vector,
    /// Opmask registers that may not change.
    Opmask,
    /// x87 state that may not change.
    X87,
    /// MXCSR, which may not change.
    Mxcsr,
}

/// One disagreement in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disagreement {
    /// What it is about.
    pub aspect: Aspect,
    /// Which register, or where in memory.
    pub what: String,
    /// What was predicted.
    pub predicted: String,
    /// What the processor did.
    pub seen: String,
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: predicted {}, seen {}", self.what, self.predicted, self.seen)
    }
}

/// Names of the general registers by their numbers.
const GENERAL: [&str; 16] =
    ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"];
/// So many bytes of memory are told.
const MAX_BYTES_TOLD: usize = 16;

/// Everything in which `output`, of an executor that is right, contradicts the prediction for `input`.
///
/// An executor that gave no answer ([`End::Refused`], [`End::Hung`]) contradicts every prediction.
pub fn check(input: &Input, prediction: &Prediction, output: &Output) -> Vec<Disagreement> {
    let mut found = Vec::new();
    let raised = match &output.end {
        End::Completed => None,
        End::Raised(exception) => Some(exception),
        End::Refused(_) | End::Hung => {
            note(&mut found, Aspect::End, "end", describe_due(&prediction.due), describe_end(&output.end));
            return found;
        }
    };
    if !prediction.due.allows(raised) {
        // Everything else follows from that.
        note(&mut found, Aspect::End, "end", describe_due(&prediction.due), describe_end(&output.end));
        return found;
    }
    check_registers(input, prediction, output, &mut found);
    check_memory(input, prediction, output, &mut found);
    if let (Some(before), Some(after)) = (&input.extended, &output.extended) {
        extended::check(before, after, prediction, &mut found);
    }
    found
}

fn note(
    found: &mut Vec<Disagreement>,
    aspect: Aspect,
    what: impl Into<String>,
    predicted: impl Into<String>,
    seen: impl Into<String>,
) {
    found.push(Disagreement { aspect, what: what.into(), predicted: predicted.into(), seen: seen.into() });
}

fn check_registers(input: &Input, prediction: &Prediction, output: &Output, found: &mut Vec<Disagreement>) {
    let (before, after, effects) = (&input.registers, &output.registers, &prediction.effects);
    // All exceptions that are predicted are faults, which leave RIP at the instruction.
    let rip = if output.end == End::Completed { prediction.instruction.next_ip() } else { before.rip };
    if after.rip != rip {
        note(found, Aspect::Rip, "rip", format!("{rip:#x}"), format!("{:#x}", after.rip));
    }
    // Other modes do not show the upper halves.
    let (width, nr_registers) =
        if input.bitness == Bitness::Bits64 { (u64::MAX, GENERAL.len()) } else { (u32::MAX.into(), 8) };
    for (number, name) in GENERAL.iter().enumerate().take(nr_registers) {
        let [before, after] = [before, after].map(|registers| registers.general[number] & width);
        if before != after && effects.general >> number & 1 == 0 {
            note(found, Aspect::General, *name, format!("{before:#x} as before"), format!("{after:#x}"));
        }
    }
    let fixed = COMPARED_FLAGS & !effects.flags & !effects.flags_undefined;
    let [before, after] = [before, after].map(|registers| registers.rflags & fixed);
    if before != after {
        note(found, Aspect::Flags, "flags", format!("{before:#x} as before"), format!("{after:#x}"));
    }
}

fn check_memory(input: &Input, prediction: &Prediction, output: &Output, found: &mut Vec<Disagreement>) {
    let before = input.content();
    if before == output.memory {
        return;
    }
    let start = input.window.address();
    let writes = prediction.accesses.iter().filter(|predicted| predicted.access.direction == Direction::Write);
    let written = writes.map(|predicted| {
        let access = &predicted.access;
        access.address..access.address.wrapping_add(access.size_bytes.into())
    });
    let allowed: Vec<_> = written.chain(prediction.undefined_memory.iter().cloned()).collect();
    let is_wrong = |offset: &usize| {
        let address = start + *offset as u64;
        before.get(*offset) != output.memory.get(*offset) && !allowed.iter().any(|range| range.contains(&address))
    };
    let length = before.len().max(output.memory.len());
    let Some(first) = (0..length).find(is_wrong) else { return };
    let last = (0..length).rfind(is_wrong).unwrap_or(first);
    let end = (last + 1).min(first + MAX_BYTES_TOLD);
    let bytes = |memory: &[u8]| hex(memory.get(first..end.min(memory.len())).unwrap_or_default());
    let what = format!("memory at {:#x}", start + first as u64);
    note(found, Aspect::Memory, what, format!("{} as before", bytes(&before)), bytes(&output.memory));
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn describe_due(due: &Due) -> String {
    match due {
        Due::Completes => "completion".to_owned(),
        Due::Raises { exception, .. } => describe_end(&End::Raised(*exception)),
        Due::Open => "any".to_owned(),
    }
}

fn describe_end(end: &End) -> String {
    match end {
        End::Completed => "completion".to_owned(),
        End::Raised(exception) => {
            let mut text = format!("exception {}", exception.vector);
            if let Some(code) = exception.error_code {
                text += &format!(" with error code {code:#x}");
            }
            if let Some(address) = exception.address {
                text += &format!(" at {address:#x}");
            }
            text
        }
        End::Refused(why) => format!("a refusal: {why}"),
        End::Hung => "a hang".to_owned(),
    }
}

#[cfg(test)]
mod tests;
