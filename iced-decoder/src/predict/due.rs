//! How an execution ends, and which accesses it makes until then.

use super::{
    PredictedAccess, Unpredictable, memory,
    operand::{Operand, is_legacy_vector},
    page::{self, GENERAL_PROTECTION, PRESENT, Permission, STACK_FAULT, WRITE},
    pieces::split_at_pages,
    simd, string, x87,
};
use crate::{
    access::Direction,
    effects::{bound, divide},
    machine::{Exception, Input, Mode},
    predict::content,
    registers::Bitness,
};
use iced_x86::{CpuidFeature, Instruction, Mnemonic};

/// Vector of the divide error.
const DIVIDE_ERROR: u8 = 0;
/// Vector of the exception of BOUND.
const BOUND_RANGE: u8 = 5;
/// Vector of the x87 floating-point exception.
const X87_FLOATING_POINT: u8 = 16;
/// Vector of the SIMD floating-point exception.
const SIMD_FLOATING_POINT: u8 = 19;
/// MXCSR: misaligned operands are allowed (AMD APM vol. 1, "Misaligned Exception Mask").
const MXCSR_MISALIGNED: u32 = 1 << 17;
/// Bits of MXCSR that no processor has.
const MXCSR_RESERVED: u32 = !0x2_ffff;

/// Why it is left open how an execution ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OpenCause {
    /// Whether an operand that is not aligned faults depends on the processor, or on a mask.
    Alignment,
    /// An operand faults of which it is left open whether it is accessed, or it does so in one of two ways.
    Access,
    /// Several faults are due, of which any may come first.
    Order,
    /// A floating-point exception depends on a result that is not computed here.
    Result,
    /// It depends on memory that is not known, or on a bit that not every processor has.
    Value,
}

/// How an execution ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// The instruction is completed.
    Completes,
    /// It raises an exception.
    Raises {
        /// The exception.
        exception: Exception,
        /// Bits of the error code that the manuals leave open: W/R of a read-modify-write, whose read may fault first.
        error_code_open: u32,
        /// Whether the faulting address may be any in the same page.
        is_address_open: bool,
    },
    /// It may do either: that depends on results that are not computed here, or is left open by the manuals.
    Open,
}

impl Due {
    fn raises(vector: u8, error_code: Option<u32>) -> Self {
        let exception = Exception { vector, error_code, address: None };
        Self::Raises { exception, error_code_open: 0, is_address_open: false }
    }

    /// Whether a SIMD floating-point exception is raised.
    pub(super) fn is_simd(&self) -> bool {
        matches!(self, Self::Raises { exception, .. } if exception.vector == SIMD_FLOATING_POINT)
    }

    /// Whether an exception is one that this allows.
    pub fn allows(&self, raised: Option<&Exception>) -> bool {
        match (self, raised) {
            (Self::Open, _) | (Self::Completes, None) => true,
            (Self::Completes, Some(_)) | (Self::Raises { .. }, None) => false,
            (Self::Raises { exception, error_code_open, is_address_open }, Some(raised)) => {
                let code = |exception: &Exception| exception.error_code.map(|code| code & !error_code_open);
                let address = |exception: &Exception| {
                    exception.address.map(|address| if *is_address_open { address >> 12 } else { address })
                };
                exception.vector == raised.vector
                    && code(exception) == code(raised)
                    && address(exception) == address(raised)
            }
        }
    }
}

/// Accesses, how it ends, and why that is open.
pub(super) type Followed = (Vec<PredictedAccess>, Due, Option<OpenCause>);

/// Follows the operands in their order up to the first that faults.
pub(super) fn follow(
    instruction: &Instruction,
    operands: &[Operand],
    input: &Input,
    mode: Mode,
) -> Result<Followed, Unpredictable> {
    let mut accesses = Vec::with_capacity(operands.len());
    let mut due = before_operands(instruction, operands, input);
    let is_pending = x87::is_exception_pending(instruction, input);
    if matches!(due, Due::Raises { .. }) {
        // Which of #MF and #GP comes first is not told of one instruction (Intel SDM vol. 3A, "Priority Among Concurrent
        // Events").
        let (due, cause) = if is_pending { (Due::Open, Some(OpenCause::Order)) } else { (due, None) };
        return Ok((accesses, due, cause));
    }
    let is_open = due == Due::Open || is_pending;
    let are_stores_open = is_open || x87::may_suppress_stores(instruction, input);
    // Gathers and scatters fault at the lowest of their elements that does, with those below it done.
    let nr_in_element = string::operands_per_element(instruction).or(instruction.is_vsib().then_some(1));
    let mut element = 0;
    for (index, operand) in operands.iter().enumerate() {
        if nr_in_element.is_some_and(|nr| index % nr == 0) {
            element = accesses.len();
        }
        let fault = fault(operand, input, mode)?;
        let is_done = fault.is_none() && !is_open;
        if !is_done {
            // Operands may be checked in any order, but elements before this one are done.
            accesses.iter_mut().skip(element).for_each(|access: &mut PredictedAccess| access.is_certain = false);
        }
        add_accesses(operand, is_done, are_stores_open, fault.as_ref(), &mut accesses);
        if let Some(fault) = fault {
            let after = if operand.is_written { after_operands(instruction, operands, input) } else { Due::Completes };
            let mut cause = match due {
                Due::Open => Some(OpenCause::Alignment),
                _ if is_pending || after != Due::Completes => Some(OpenCause::Order),
                _ => (fault == Due::Open || !is_certain(operand)).then_some(OpenCause::Access),
            };
            due = if cause.is_some() { Due::Open } else { fault };
            // Which of two operands is checked first is not told.
            let end = nr_in_element.map_or(operands.len(), |nr| (index / nr + 1) * nr).min(operands.len());
            for other in operands.get(index + 1..end).unwrap_or_default() {
                if self::fault(other, input, mode)?.is_some_and(|other| other != due) {
                    due = Due::Open;
                    cause = cause.or(Some(OpenCause::Order));
                }
            }
            return Ok((accesses, due, cause));
        }
    }
    if due != Due::Completes {
        return Ok((accesses, due, Some(OpenCause::Alignment)));
    }
    due = if is_pending { Due::raises(X87_FLOATING_POINT, None) } else { after_operands(instruction, operands, input) };
    let is_write = |access: &PredictedAccess| access.access.direction == Direction::Write;
    match due {
        Due::Completes => {}
        Due::Raises { .. } => accesses.retain(|access| !is_write(access)),
        Due::Open => accesses.iter_mut().filter(|access| is_write(access)).for_each(|access| access.is_certain = false),
    }
    let is_by_result = simd::may_raise(instruction);
    let cause = if is_by_result { OpenCause::Result } else { OpenCause::Value };
    Ok((accesses, due, (due == Due::Open).then_some(cause)))
}

fn is_certain(operand: &Operand) -> bool {
    // What a mask selects is checked, however it is accessed. FXSAVE and the like leave out reserved fields but are checked
    // as a whole only by some processors.
    operand.elements.is_some()
        || (operand.is_read_certain || !operand.is_read) && (operand.is_write_certain || !operand.is_written)
}

fn add_accesses(
    operand: &Operand,
    is_done: bool,
    are_stores_open: bool,
    fault: Option<&Due>,
    accesses: &mut Vec<PredictedAccess>,
) {
    if operand.is_only_checked {
        return;
    }
    // Of a read that faults, the part before the faulting page may have been made, and all of it if only the write faults.
    // A write is checked as a whole.
    let end = match fault {
        None => u64::MAX,
        Some(Due::Raises { exception: Exception { address: Some(address), error_code, .. }, .. }) => {
            let is_readable = error_code.is_some_and(|code| code & PRESENT != 0);
            if is_readable && operand.is_written { u64::MAX } else { *address }
        }
        Some(Due::Open) => u64::MAX,
        Some(_) => return,
    };
    let mut add = |direction, is_certain| {
        operand.for_each_access(direction, |access| {
            if access.address < end {
                accesses.push(PredictedAccess { access, is_certain });
            }
        });
    };
    if operand.is_read {
        add(Direction::Read, is_done && operand.is_read_certain);
    }
    let is_in_parts = !operand.is_write_certain && operand.elements.is_none();
    if operand.is_written && fault.is_none_or(|fault| is_in_parts || *fault == Due::Open) {
        add(Direction::Write, is_done && operand.is_write_certain && !are_stores_open);
    }
}

/// The fault that an operand raises.
pub(super) fn fault(operand: &Operand, input: &Input, mode: Mode) -> Result<Option<Due>, Unpredictable> {
    let fault = if operand.size_bytes == 0 { None } else { fault_within(operand, input, mode)? };
    match (fault, operand.with_others()) {
        (None, Some(all)) => Ok(fault_within(&all, input, mode)?.map(|_| Due::Open)),
        (fault, _) => Ok(fault),
    }
}

/// The same for all bytes from the first to the last one.
fn fault_within(operand: &Operand, input: &Input, mode: Mode) -> Result<Option<Due>, Unpredictable> {
    let last = operand.address.wrapping_add(u64::from(operand.size_bytes.max(1)) - 1);
    let is_canonical = |address| input.bitness != Bitness::Bits64 || page::is_canonical(address);
    if !is_canonical(operand.address) || !is_canonical(last) {
        let vector = if operand.is_stack { STACK_FAULT } else { GENERAL_PROTECTION };
        return Ok(Some(Due::raises(vector, Some(0))));
    }
    if operand.is_code && operand.is_written {
        // Code segments are never writable (Intel SDM vol. 3A, "Code- and Data-Segment Descriptor Types"), but for real
        // mode, which 16-bit code of CPL 0 may be.
        let is_real_mode = input.bitness == Bitness::Bits16 && mode == Mode::Supervisor;
        return Ok(Some(if is_real_mode { Due::Open } else { Due::raises(GENERAL_PROTECTION, Some(0)) }));
    }
    for part in split_at_pages(&memory(operand.address, operand.size_bytes, Direction::Read)) {
        let is_present = match page::permission(input, part.address) {
            Permission::ReadWrite => continue,
            Permission::Read if !operand.is_written => continue,
            Permission::Read => true,
            Permission::Absent => false,
            Permission::Unknown => return Err(Unpredictable::Elsewhere(part.address)),
        };
        let exception = page::page_fault(part.address, is_present, operand.is_written, mode);
        let is_either = operand.is_written && operand.is_read && !is_present;
        return Ok(Some(Due::Raises {
            exception,
            error_code_open: if is_either { WRITE } else { 0 },
            is_address_open: operand.size_bytes > 8 || operand.elements.is_some(),
        }));
    }
    Ok(None)
}

/// What an instruction raises before it accesses memory.
fn before_operands(instruction: &Instruction, operands: &[Operand], input: &Input) -> Due {
    if operands.iter().any(|operand| !operand.start().is_multiple_of(u64::from(operand.alignment.max(1)))) {
        let is_allowed = is_legacy_vector(instruction) && mxcsr(input) & MXCSR_MISALIGNED != 0;
        // An operand of which a mask selects nothing is checked by Intel processors and not by AMD's.
        let is_masked = operands.iter().any(|operand| !is_certain(operand) || operand.size_bytes == 0);
        let is_fx = instruction.op_code().is_save_restore();
        // AMD processors do not check the operands of SHA instructions, others do.
        let is_sha = instruction.cpuid_features().contains(&CpuidFeature::SHA);
        let is_foreign = operands.iter().any(|operand| !page::is_canonical(operand.start()));
        return if is_allowed || is_sha || (is_masked && !is_fx) || is_foreign {
            Due::Open
        } else {
            Due::raises(GENERAL_PROTECTION, Some(0))
        };
    }
    Due::Completes
}

/// What an instruction raises by the values that it has read.
fn after_operands(instruction: &Instruction, operands: &[Operand], input: &Input) -> Due {
    match instruction.mnemonic() {
        Mnemonic::Div | Mnemonic::Idiv => match divide::raises(instruction, input) {
            Some(true) => Due::raises(DIVIDE_ERROR, None),
            Some(false) => Due::Completes,
            None => Due::Open,
        },
        Mnemonic::Ldmxcsr | Mnemonic::Vldmxcsr => loaded_mxcsr(operands, 0, input),
        Mnemonic::Fxrstor | Mnemonic::Fxrstor64 => loaded_mxcsr(operands, 24, input),
        Mnemonic::Bound => match bound::raises(instruction, input) {
            Some(true) => Due::raises(BOUND_RANGE, None),
            Some(false) => Due::Completes,
            None => Due::Open,
        },
        _ => match simd::raises(instruction, input, mxcsr(input)) {
            simd::Raises::Never => Due::Completes,
            simd::Raises::Certainly => Due::raises(SIMD_FLOATING_POINT, None),
            simd::Raises::Perhaps => Due::Open,
        },
    }
}

/// A reserved bit that is set in the new value of MXCSR raises #GP(0); which bits are reserved differs in one.
fn loaded_mxcsr(operands: &[Operand], offset: u64, input: &Input) -> Due {
    let value = operands.first().and_then(|operand| content::read(input, operand.address.wrapping_add(offset), 4));
    match value {
        Some(value) if value as u32 & MXCSR_RESERVED != 0 => Due::raises(GENERAL_PROTECTION, Some(0)),
        Some(value) if value as u32 & MXCSR_MISALIGNED == 0 => Due::Completes,
        _ => Due::Open,
    }
}

fn mxcsr(input: &Input) -> u32 {
    input.extended.as_ref().map_or(0x1f80, |extended| word(extended.bytes(), 24) | word(extended.bytes(), 26) << 16)
}

fn word(bytes: &[u8], offset: usize) -> u32 {
    bytes.get(offset..offset + 2).map_or(0, |bytes| u32::from(bytes[1]) << 8 | u32::from(bytes[0]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::window::Window;
    use crate::predict::test_support::{assemble, predicted};
    use iced_x86::code_asm::*;

    #[test]
    fn open_bits_of_an_exception_are_allowed_to_differ() {
        let fault =
            |error_code, address| Exception { vector: 14, error_code: Some(error_code), address: Some(address) };
        let due = Due::Raises { exception: fault(6, 0x1000), error_code_open: WRITE, is_address_open: false };
        assert!(due.allows(Some(&fault(6, 0x1000))) && due.allows(Some(&fault(4, 0x1000))));
        assert!(!due.allows(Some(&fault(7, 0x1000))) && !due.allows(Some(&fault(6, 0x1001))) && !due.allows(None));
        let due = Due::Raises { exception: fault(6, 0x1000), error_code_open: 0, is_address_open: true };
        assert!(due.allows(Some(&fault(6, 0x1fff))) && !due.allows(Some(&fault(6, 0x2000))));
        assert!(Due::Completes.allows(None) && !Due::Completes.allows(Some(&fault(6, 0))));
        assert!(Due::Open.allows(None) && Due::Open.allows(Some(&fault(6, 0))));
    }

    #[test]
    fn nothing_changes_where_a_fault_is_raised() {
        let code = assemble(|a| a.add(eax, dword_ptr(rbx + 0x1000)));
        let prediction = predicted(&code, |input| {
            input.window = Window::EndsAbsent;
            input.registers.general[3] = input.window.address();
        });
        assert_eq!(prediction.effects, crate::effects::Effects::default());
        assert_eq!(prediction.accesses, []);
    }

    #[test]
    fn a_pending_exception_and_a_misaligned_operand_may_come_in_any_order() {
        let due = |status: u8, distance: u64| {
            let prediction = predicted(&assemble(|a| a.cvtpd2pi(mm0, xmmword_ptr(rbx))), |input| {
                input.registers.general[3] += distance;
                let mut extended = crate::machine::Extended::initial(0);
                extended.bytes_mut()[0] = 0;
                extended.bytes_mut()[2] = status;
                extended.set_components(1);
                input.extended = Some(Box::new(extended));
            });
            match prediction.due {
                Due::Raises { exception, .. } => Some(exception.vector),
                due => {
                    assert_eq!((due, prediction.open_cause), (Due::Open, Some(OpenCause::Order)));
                    None
                }
            }
        };
        assert_eq!(due(0, 8), Some(GENERAL_PROTECTION));
        assert_eq!(due(1, 0), Some(X87_FLOATING_POINT));
        assert_eq!(due(1, 8), None);
    }

    #[test]
    fn either_of_two_faulting_operands_may_be_told() {
        let prediction = predicted(&assemble(|a| a.cmpsd()), |input| {
            input.window = Window::EndsAbsent;
            input.registers.general[6] = input.window.address() + 0x1ffc;
            input.registers.general[7] = input.window.address() + 0xffd;
        });
        assert_eq!(prediction.due, Due::Open);
    }

    #[test]
    fn supervisors_fault_as_supervisors() {
        let mut input = crate::predict::test_support::input(&assemble(|a| a.mov(dword_ptr(rbx), eax)));
        input.window = Window::EndsReadOnly;
        input.registers.general[3] = input.window.address() + 0x1000;
        let due = crate::predict::Predictor::new(Mode::Supervisor).predict(&input).unwrap().due;
        let Due::Raises { exception, .. } = due else { panic!("{due:?}") };
        assert_eq!(exception.error_code, Some(PRESENT | WRITE));
    }
}
