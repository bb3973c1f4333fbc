//! What an execution must do: accesses, exceptions, effects.

pub(crate) mod content;
mod due;
mod indexed;
mod layout;
mod mask;
mod operand;
pub(crate) mod page;
mod pieces;
#[cfg(test)]
mod proptests;
pub(crate) mod simd;
mod string;
#[cfg(test)]
pub(crate) mod test_support;
mod x87;

pub use due::{Due, OpenCause};
pub use pieces::{pieces, split_at_pages};

use crate::{
    access::{Access, Direction, Space},
    effects::{Effects, STATUS_FLAGS, effects},
    machine::{Exception, Input, Mode},
    unpredictable::{Reason, why_code},
};
use iced_x86::{Code, Decoder, DecoderError, DecoderOptions, Instruction, InstructionInfoFactory};
use std::ops::Range;
use thiserror::Error;

/// The longest instruction in bytes (Intel SDM vol. 2A, "Instruction Format").
const MAX_INSTRUCTION_BYTES: usize = 15;
/// Vector of the invalid-opcode exception.
const INVALID_OPCODE: u8 = 6;

/// Why nothing can be said about an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Unpredictable {
    /// iced-x86 does not know the bytes.
    #[error("the bytes are no instruction that is known")]
    Undecodable,
    /// The bytes end within the instruction.
    #[error("the {0} bytes end within the instruction")]
    Incomplete(usize),
    /// The form is left out.
    #[error("{0:?} is left out: {1:?}")]
    Form(Code, Reason),
    /// It accesses what executors do not have in common.
    #[error("it accesses {0:#x}, which belongs to no window of this input")]
    Elsewhere(u64),
    /// Its address depends on more than general registers.
    #[error("its address depends on more than general registers")]
    Address,
    /// It repeats more often than is followed.
    #[error("it repeats {0} times, more than {MAX_ELEMENTS}")]
    TooManyElements(u64),
}

/// How many elements of a repeated string instruction are followed.
pub const MAX_ELEMENTS: u64 = 1024;

/// One access that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PredictedAccess {
    /// What is accessed; it does not cross a page end.
    pub access: Access,
    /// Whether it must be made, and all of it. Otherwise a processor may make it, a part of it or nothing (masked elements,
    /// a shift by 0, the state before a fault).
    pub is_certain: bool,
}

/// What an execution must do.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// The instruction.
    pub instruction: Instruction,
    /// Its accesses to memory in their order, each within a page. Wide ones may come in several [`pieces`]. The manuals do
    /// not order reads among each other; here the source of a string instruction comes first.
    pub accesses: Vec<PredictedAccess>,
    /// Whether they may come in any other order, too: those of gathers and scatters, but for stores that overlap.
    pub is_order_open: bool,
    /// How it ends.
    pub due: Due,
    /// Why that is open, if it is.
    pub open_cause: Option<OpenCause>,
    /// What it may change. Nothing if it raises an exception, but for repeated string instructions, gathers and scatters.
    pub effects: Effects,
    /// Linear addresses whose content is undefined afterwards.
    pub undefined_memory: Vec<Range<u64>>,
}

/// Predicts executions in one mode.
///
/// One predictor for many inputs is faster than one for each.
pub struct Predictor {
    factory: InstructionInfoFactory,
    mode: Mode,
}

impl std::fmt::Debug for Predictor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Predictor").field("mode", &self.mode).finish_non_exhaustive()
    }
}

impl Default for Predictor {
    fn default() -> Self {
        Self::new(Mode::User)
    }
}

impl Predictor {
    /// A predictor of executions with that privilege.
    pub fn new(mode: Mode) -> Self {
        Self { factory: InstructionInfoFactory::new(), mode }
    }

    /// What the execution of `input` must do.
    ///
    /// # Errors
    /// [`Unpredictable`] if nothing can be said.
    pub fn predict(&mut self, input: &Input) -> Result<Prediction, Unpredictable> {
        let instruction = match decode(input)? {
            Decoded::Valid(instruction) => instruction,
            Decoded::Invalid(instruction) => return Ok(invalid_opcode(instruction)),
        };
        if let Some(reason) = why_code(instruction.code()) {
            return Err(Unpredictable::Form(instruction.code(), reason));
        }
        let info = self.factory.info(&instruction);
        let effects = effects(&instruction, info, input);
        let operands = if instruction.is_vsib() {
            indexed::operands(&instruction, info, input)?
        } else if string::is_string(&instruction) {
            string::operands(&instruction, input)?
        } else {
            operand::operands(&instruction, info, input)?
        };
        let (accesses, due, open_cause) = due::follow(&instruction, &operands, input, self.mode)?;
        let is_restarted = matches!(due, Due::Raises { .. }) && !string::is_repeated(&instruction);
        let mut undefined_memory = layout::undefined(&instruction, &operands, &effects, &due);
        let mut effects = if is_restarted { Effects::of_fault(&instruction, due.is_simd()) } else { effects };
        if string::is_repeated(&instruction) && string::is_comparison(&instruction) && due != Due::Completes {
            // Intel: a fault restores the flags from before the first element (SDM vol. 2, "REP/REPE/REPZ/REPNE/REPNZ").
            // AMD leaves them as the last element set them.
            effects.flags_undefined |= STATUS_FLAGS;
        }
        if instruction.is_vsib() {
            indexed::note_changes(&instruction, input, &mut effects);
            let fault = |operand: &operand::Operand| due::fault(operand, input, self.mode).ok().flatten();
            if let Some(index) = operands.iter().position(|operand| fault(operand).is_some()) {
                let may_be_written = indexed::note_fault(&instruction, &operands, index, input, &mut effects);
                undefined_memory.extend(may_be_written);
            }
        }
        let is_order_open = instruction.is_vsib() && accesses.len() > 1;
        Ok(Prediction { instruction, accesses, is_order_open, due, open_cause, effects, undefined_memory })
    }
}

/// What the execution of one input in user mode must do.
///
/// # Errors
/// [`Unpredictable`] if nothing can be said.
pub fn predict(input: &Input) -> Result<Prediction, Unpredictable> {
    Predictor::default().predict(input)
}

enum Decoded {
    Valid(Instruction),
    /// It is valid but for its LOCK prefix, or for the registers of a gather or scatter.
    Invalid(Instruction),
}

fn decode(input: &Input) -> Result<Decoded, Unpredictable> {
    let with_options = |options| {
        let mut decoder = Decoder::with_ip(input.bitness.bits(), &input.code, input.registers.rip, options);
        (decoder.decode(), decoder.last_error())
    };
    match with_options(DecoderOptions::NONE) {
        (instruction, DecoderError::None) => return Ok(Decoded::Valid(instruction)),
        // iced-x86 reads on behind some opcodes before it says that they are none.
        (_, DecoderError::NoMoreBytes) if has_continuation(input) => {
            return Err(Unpredictable::Incomplete(input.code.len()));
        }
        (_, DecoderError::NoMoreBytes) => return Err(Unpredictable::Undecodable),
        _ => {}
    }
    match with_options(DecoderOptions::NO_INVALID_CHECK) {
        // AMD processors take LOCK MOV CR0 as access to CR8, hence only what is predicted without the prefix.
        (instruction, DecoderError::None)
            if (instruction.has_lock_prefix() || instruction.is_vsib()) && why_code(instruction.code()).is_none() =>
        {
            Ok(Decoded::Invalid(instruction))
        }
        _ => Err(Unpredictable::Undecodable),
    }
}

/// Whether bytes that end too early could be the start of an instruction.
fn has_continuation(input: &Input) -> bool {
    let mut code = input.code.clone();
    code.resize(code.len() + MAX_INSTRUCTION_BYTES, 0);
    !Decoder::with_ip(input.bitness.bits(), &code, input.registers.rip, DecoderOptions::NONE).decode().is_invalid()
}

fn invalid_opcode(instruction: Instruction) -> Prediction {
    let exception = Exception { vector: INVALID_OPCODE, error_code: None, address: None };
    Prediction {
        instruction,
        accesses: Vec::new(),
        is_order_open: false,
        due: Due::Raises { exception, error_code_open: 0, is_address_open: false },
        open_cause: None,
        effects: Effects::default(),
        undefined_memory: Vec::new(),
    }
}

/// An access of memory at a linear address.
fn memory(address: u64, size_bytes: u32, direction: Direction) -> Access {
    Access { space: Space::Memory, address, size_bytes, direction }
}

#[cfg(test)]
mod tests {
    use super::{test_support::*, *};
    use crate::machine::window::{STACK, Window};
    use Direction::{Read, Write};
    use iced_x86::code_asm::*;

    #[test]
    fn crossing_accesses_are_split() {
        let prediction = predicted(&assemble(|a| a.add(qword_ptr(rbx + 0xffd), rax)), |_| {});
        let base = Window::Plain.address();
        assert_eq!(
            certain(&prediction),
            [
                memory(base + 0xffd, 3, Read),
                memory(base + 0x1000, 5, Read),
                memory(base + 0xffd, 3, Write),
                memory(base + 0x1000, 5, Write)
            ]
        );
        assert_eq!(prediction.due, Due::Completes);
    }

    #[test]
    fn flags_of_a_comparison_that_faults_on_the_way_are_open() {
        let near_the_end = |input: &mut Input| {
            input.window = Window::EndsAbsent;
            input.registers.general[1] = 8;
            input.registers.general[7] = Window::EndsAbsent.address() + 0xffe;
        };
        // AL is none of the bytes before the end.
        let faults = predicted(&assemble(|a| a.repne().scasb()), near_the_end);
        assert_ne!(faults.due, Due::Completes);
        assert_eq!(faults.effects.flags_compared() & STATUS_FLAGS, 0);
        let completes = predicted(&assemble(|a| a.scasb()), near_the_end);
        assert_eq!((completes.due, completes.effects.flags_undefined), (Due::Completes, 0));
    }

    #[test]
    fn lock_is_invalid_where_nothing_is_locked() {
        let mut code = assemble(|a| a.mov(dword_ptr(rbx), eax));
        code.insert(0, 0xf0);
        let prediction = predicted(&code, |_| {});
        let Due::Raises { exception, .. } = prediction.due else { panic!("{prediction:?}") };
        assert_eq!((exception.vector, prediction.accesses.len()), (INVALID_OPCODE, 0));
    }

    #[test]
    fn bytes_without_instruction_are_told_apart() {
        let result = |code: &[u8]| predict(&input(code)).unwrap_err();
        assert_eq!(result(&[]), Unpredictable::Incomplete(0));
        assert_eq!(result(&[0x48, 0x8b]), Unpredictable::Incomplete(2));
        assert_eq!(result(&[0x66; 16]), Unpredictable::Undecodable);
        assert_eq!(result(&[0x0f, 0x04, 0, 0, 0, 0, 0, 0]), Unpredictable::Undecodable);
        assert_eq!(result(&[0x06]), Unpredictable::Undecodable);
        assert_eq!(result(&[0xf4]), Unpredictable::Form(Code::Hlt, Reason::Privileged));
    }

    #[test]
    fn stack_accesses_lie_below_the_stack_pointer() {
        let code = assemble(|a| a.push(qword_ptr(rbx)));
        let prediction = predicted(&code, |input| input.registers.general[4] = STACK + 0x100);
        assert_eq!(certain(&prediction), [memory(Window::Plain.address(), 8, Read), memory(STACK + 0xf8, 8, Write)]);
    }

    #[test]
    fn addresses_of_no_window_are_refused() {
        let code = assemble(|a| a.mov(eax, dword_ptr(rbx + 0x10_0000)));
        assert_eq!(predict(&input(&code)), Err(Unpredictable::Elsewhere(Window::EndsAbsent.address())));
    }
}
