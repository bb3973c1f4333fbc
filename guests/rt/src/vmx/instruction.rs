//! The instructions of VMX, each with the outcome that its flags tell.
//!
//! Before each one all of the six status flags are set, so that one that does not clear them is found: flags that are
//! neither VMsucceed's, VMfailInvalid's nor VMfailValid's make an outcome of their own.
//!
//! Source: SDM vol. 3C, "VMX Instruction Reference", "Conventions".

#![expect(unsafe_code, reason = "instructions")]
// UNSAFETY: instructions of VMX inside of `catch`. They read and write pages of `super::page` or what the case owns; a
// transition to a guest is made by `super::entry` alone.

use super::field;
use crate::{
    Exception, Outcome, catch,
    observed::{Place, seen},
};
use core::arch::asm;

const CF: u64 = 1 << 0;
const ZF: u64 = 1 << 6;
/// CF, PF, AF, ZF, SF and OF.
const STATUS: u64 = 0x8d5;

/// Executes an instruction with all status flags set; yields the flags behind it.
macro_rules! flags {
    ($($instruction:literal),+ $(; $($operands:tt)+)?) => {
        catch(|| {
            let flags: u64;
            // SAFETY: the stack is used as PUSH and POP do; `catch` restores RFLAGS.
            unsafe { asm!("push 0x8d7", "popfq", $($instruction,)+ "pushfq", "pop {flags}", flags = lateout(reg) flags $(, $($operands)+)?) };
            flags
        })
    };
}

/// What flags mean, without the number of VMfailValid.
fn outcome(flags: Result<u64, Exception>) -> Outcome {
    let flags = match flags {
        Ok(flags) => flags & STATUS,
        Err(exception) => return exception.into(),
    };
    match flags {
        0 => Outcome::COMPLETED,
        CF => Outcome::VM_FAIL_INVALID,
        ZF => Outcome::vm_fail_valid(read(field::INSTRUCTION_ERROR).unwrap_or(0) as u32),
        _ => Outcome::undefined_flags(flags),
    }
}

/// What RFLAGS behind an instruction of VMX mean.
pub fn outcome_of_flags(flags: u64) -> Outcome {
    outcome(Ok(flags))
}

/// Executes VMXON with this address.
pub fn vmxon(address: u64) -> Outcome {
    outcome(flags!("vmxon [{operand}]"; operand = in(reg) &raw const address))
}

/// Executes VMXOFF.
pub fn vmxoff() -> Outcome {
    outcome(flags!("vmxoff"))
}

/// Executes VMCLEAR with this address.
pub fn clear(address: u64) -> Outcome {
    outcome(flags!("vmclear [{operand}]"; operand = in(reg) &raw const address))
}

/// Executes VMPTRLD with this address.
pub fn load_pointer(address: u64) -> Outcome {
    outcome(flags!("vmptrld [{operand}]"; operand = in(reg) &raw const address))
}

/// Executes VMPTRST, and returns what it stores.
pub fn store_pointer() -> Result<u64, Outcome> {
    let mut address = 0_u64;
    let operand = &raw mut address;
    match outcome(flags!("vmptrst [{operand}]"; operand = in(reg) operand)) {
        // SAFETY: a local variable, which the instruction may have written.
        Outcome::COMPLETED => Ok(unsafe { operand.read_volatile() }),
        other => Err(other),
    }
}

/// Executes VMREAD of a field, whose number may have 64 bits.
///
/// # Errors
/// The outcome that is not success.
pub fn read_number(number: u64) -> Result<u64, Outcome> {
    stored(number).map(|value| seen(Place::VmcsField, number, value))
}

/// What a field holds, whatever cases see of it.
pub(super) fn stored(number: u64) -> Result<u64, Outcome> {
    let mut value = 0_u64;
    let place = &raw mut value;
    // The place is written inside, so that an exception leaves it.
    let flags = flags!("vmread {value}, {number}", "mov [{place}], {value}"; value = out(reg) _, number = in(reg) number, place = in(reg) place);
    let flags = match flags {
        Ok(flags) => flags & STATUS,
        Err(exception) => return Err(exception.into()),
    };
    match flags {
        // SAFETY: a local variable.
        0 => Ok(unsafe { place.read_volatile() }),
        CF => Err(Outcome::VM_FAIL_INVALID),
        // Its own number could fail to be read for ever.
        ZF if number == u64::from(field::INSTRUCTION_ERROR) => Err(Outcome::vm_fail_valid(0)),
        flags => Err(outcome(Ok(flags))),
    }
}

/// Executes VMREAD of a field.
///
/// # Errors
/// The outcome that is not success.
pub fn read(encoding: u32) -> Result<u64, Outcome> {
    read_number(encoding.into())
}

/// Executes VMWRITE of a field, whose number may have 64 bits.
pub fn write_number(number: u64, value: u64) -> Outcome {
    outcome(flags!("vmwrite {number}, {value}"; number = in(reg) number, value = in(reg) value))
}

/// Executes VMWRITE of a field.
pub fn write(encoding: u32, value: u64) -> Outcome {
    write_number(encoding.into(), value)
}

/// Executes VMLAUNCH where it must be refused: it comes back by a fault or a failure.
pub fn launch_refused() -> Outcome {
    outcome(flags!("vmlaunch"))
}

/// Executes VMRESUME where it must be refused: it comes back by a fault or a failure.
pub fn resume_refused() -> Outcome {
    outcome(flags!("vmresume"))
}

/// Executes VMCALL.
pub fn call() -> Outcome {
    outcome(flags!("vmcall"))
}

/// Executes INVEPT of this type with a descriptor of two quadwords: EPT pointer and 0.
pub fn invalidate_ept(kind: u64, descriptor: [u64; 2]) -> Outcome {
    outcome(flags!("invept {kind}, [{operand}]"; kind = in(reg) kind, operand = in(reg) &raw const descriptor))
}

/// Executes INVVPID of this type with a descriptor of two quadwords: VPID with zeros above it, and a linear address.
pub fn invalidate_vpid(kind: u64, descriptor: [u64; 2]) -> Outcome {
    outcome(flags!("invvpid {kind}, [{operand}]"; kind = in(reg) kind, operand = in(reg) &raw const descriptor))
}
