//! What an instruction may change, and what its description leaves undefined.

mod bits;
pub(crate) mod bound;
pub(crate) mod divide;
mod normalize;
pub(crate) mod shift;
mod x87;

pub use normalize::normalize;

use crate::{
    machine::Input,
    predict::{content, simd},
    registers::Registers,
};
use iced_x86::{Instruction, InstructionInfo, Mnemonic, OpAccess, OpKind, Register, RflagsBits};

/// Flags that executions are compared by: CF, PF, AF, ZF, SF, DF and OF. The others belong to the executor.
pub const COMPARED_FLAGS: u64 = CF | PF | AF | ZF | SF | DF | OF;

pub(crate) const CF: u64 = 1;
pub(crate) const PF: u64 = 1 << 2;
pub(crate) const AF: u64 = 1 << 4;
pub(crate) const ZF: u64 = 1 << 6;
pub(crate) const SF: u64 = 1 << 7;
pub(crate) const DF: u64 = 1 << 10;
pub(crate) const OF: u64 = 1 << 11;
/// All flags that arithmetic sets.
pub(crate) const STATUS_FLAGS: u64 = CF | PF | AF | ZF | SF | OF;

/// What one execution may change, and what of that no program may rely on. Masks have a bit for each register, by number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// General registers that may change.
    pub general: u16,
    /// Of those the ones that hold anything afterwards.
    pub general_undefined: u16,
    /// Bits of RFLAGS that may change.
    pub flags: u64,
    /// Of those the ones that hold anything afterwards.
    pub flags_undefined: u64,
    /// Vector registers (of any width) that may change.
    pub vector: u32,
    /// Parts of vector registers that hold anything afterwards: the number of a register, and a bit for each of its bytes.
    pub vector_undefined: [(u8, u64); 2],
    /// Opmask registers that may change.
    pub opmask: u8,
    /// Bits of an opmask register that hold anything afterwards, behind its number.
    pub opmask_undefined: (u8, u64),
    /// Whether the x87 state, of which MMX registers are a part, may change.
    pub x87: bool,
    /// Bits of the x87 status word that hold anything afterwards (among C0 to C3).
    pub x87_status_undefined: u16,
    /// Whether MXCSR may change (its status flags among others).
    pub mxcsr: bool,
    /// Whether the content of the memory operand is undefined afterwards.
    pub memory_undefined: bool,
}

impl Effects {
    /// General registers to compare after the instruction was completed: those that may not change among them.
    pub fn general_compared(&self) -> u16 {
        !self.general_undefined
    }

    /// Flags to compare after the instruction was completed.
    pub fn flags_compared(&self) -> u64 {
        COMPARED_FLAGS & !self.flags_undefined
    }

    /// Numbers of the general registers whose values differ although they are defined.
    pub fn differing_general(&self, one: &Registers, other: &Registers) -> impl Iterator<Item = usize> + use<> {
        let (one, other, compared) = (one.general, other.general, self.general_compared());
        (0..one.len()).filter(move |&number| compared >> number & 1 != 0 && one[number] != other[number])
    }

    /// Flags that differ although they are defined.
    pub fn differing_flags(&self, one: &Registers, other: &Registers) -> u64 {
        (one.rflags ^ other.rflags) & self.flags_compared()
    }
}

/// The effects of an instruction with this state, `info` being what iced-x86 says about it.
pub(crate) fn effects(instruction: &Instruction, info: &InstructionInfo, input: &Input) -> Effects {
    let mut effects = Effects {
        flags: flags(instruction.rflags_modified()),
        flags_undefined: flags(instruction.rflags_undefined()),
        ..Effects::default()
    };
    for used in info.used_registers() {
        if writes(used.access()) {
            effects.add_register(used.register());
        }
    }
    effects.x87 |= x87::is_used(instruction);
    effects.x87_status_undefined = x87::status_undefined(instruction);
    effects.mxcsr = simd::may_raise(instruction) || loads_mxcsr(instruction);
    refine(instruction, input, &mut effects);
    effects
}

impl Effects {
    /// What remains where an exception is raised: the flags of a SIMD floating-point exception are set (Intel SDM vol. 1,
    /// "MXCSR Control and Status Register"), and whether the registers of the x87 FPU were turned into those of MMX before is
    /// not told.
    pub(crate) fn of_fault(instruction: &Instruction, is_simd: bool) -> Self {
        let has_mmx = (0..instruction.op_count()).any(|operand| instruction.op_register(operand).is_mm());
        Self { mxcsr: is_simd, x87: has_mmx, ..Self::default() }
    }

    fn add_register(&mut self, register: Register) {
        if register.is_gpr() {
            self.general |= 1 << register.full_register().number();
        } else if register.is_vector_register() {
            self.vector |= 1_u32.checked_shl(register.number() as u32).unwrap_or_default();
        } else if register.is_k() {
            self.opmask |= 1 << (register.number() & 7);
        } else if register.is_mm() || register.is_st() {
            self.x87 = true;
        }
    }
}

/// What depends on values: counts, sources that are zero.
fn refine(instruction: &Instruction, input: &Input, effects: &mut Effects) {
    match instruction.mnemonic() {
        Mnemonic::Shl | Mnemonic::Sal | Mnemonic::Shr | Mnemonic::Sar => shift::shift(instruction, input, effects),
        Mnemonic::Rol | Mnemonic::Ror | Mnemonic::Rcl | Mnemonic::Rcr => shift::rotate(instruction, input, effects),
        Mnemonic::Shld | Mnemonic::Shrd => shift::double_shift(instruction, input, effects),
        Mnemonic::Bsf | Mnemonic::Bsr => bits::scan(instruction, input, effects),
        Mnemonic::Fxrstor | Mnemonic::Fxrstor64 => effects.vector = 0xffff,
        _ => {}
    }
}

/// Value of operand `operand` of `size_bytes`: a register, an immediate, or memory that is known.
pub(crate) fn operand_value(instruction: &Instruction, operand: u32, input: &Input) -> Option<u64> {
    match instruction.op_kind(operand) {
        OpKind::Register => input.registers.value(instruction.op_register(operand)),
        OpKind::Memory => {
            let address = linear_address(instruction, operand, &input.registers)?;
            content::read(input, address, u32::try_from(instruction.memory_size().size()).ok()?)
        }
        _ => instruction.try_immediate(operand).ok(),
    }
}

/// Linear address of a memory operand.
pub(crate) fn linear_address(instruction: &Instruction, operand: u32, registers: &Registers) -> Option<u64> {
    instruction.virtual_address(operand, 0, |register, _, _| registers.value(register))
}

fn writes(access: OpAccess) -> bool {
    matches!(access, OpAccess::Write | OpAccess::CondWrite | OpAccess::ReadWrite | OpAccess::ReadCondWrite)
}

/// Flags of iced-x86 as bits of RFLAGS.
fn flags(bits: u32) -> u64 {
    const PAIRS: [(u32, u64); 7] = [
        (RflagsBits::CF, CF),
        (RflagsBits::PF, PF),
        (RflagsBits::AF, AF),
        (RflagsBits::ZF, ZF),
        (RflagsBits::SF, SF),
        (RflagsBits::DF, DF),
        (RflagsBits::OF, OF),
    ];
    PAIRS.iter().filter(|(from, _)| bits & from != 0).fold(0, |mask, (_, to)| mask | to)
}

/// Whether an instruction loads MXCSR.
fn loads_mxcsr(instruction: &Instruction) -> bool {
    matches!(instruction.mnemonic(), Mnemonic::Ldmxcsr | Mnemonic::Vldmxcsr | Mnemonic::Fxrstor | Mnemonic::Fxrstor64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::predict::test_support::{assemble, predicted_effects};
    use iced_x86::code_asm::*;

    #[test]
    fn registers_written_are_those_of_the_instruction() {
        let effects = predicted_effects(&assemble(|a| a.add(ch, byte_ptr(rbx))));
        assert_eq!((effects.general, effects.flags, effects.flags_undefined), (1 << 1, STATUS_FLAGS, 0));
        let effects = predicted_effects(&assemble(|a| a.rep().movsq()));
        assert_eq!((effects.general, effects.flags), (1 << 1 | 1 << 6 | 1 << 7, 0));
        let effects = predicted_effects(&assemble(|a| a.cmpxchg16b(xmmword_ptr(rbx))));
        assert_eq!((effects.general, effects.flags), (1 << 0 | 1 << 2, ZF));
    }

    #[test]
    fn vector_and_opmask_registers_have_masks_of_their_own() {
        let effects = predicted_effects(&assemble(|a| a.vpaddd(zmm17, zmm2, zmmword_ptr(rbx))));
        assert_eq!((effects.vector, effects.general, effects.x87), (1 << 17, 0, false));
        let effects = predicted_effects(&assemble(|a| a.kmovw(k3, word_ptr(rbx))));
        assert_eq!((effects.opmask, effects.vector), (1 << 3, 0));
        assert!(predicted_effects(&assemble(|a| a.paddb(mm1, qword_ptr(rbx)))).x87);
        assert!(predicted_effects(&assemble(|a| a.ldmxcsr(dword_ptr(rbx)))).mxcsr);
    }

    #[test]
    fn undefined_flags_are_those_of_the_manual() {
        let undefined = |code: &[u8]| predicted_effects(code).flags_undefined;
        assert_eq!(undefined(&assemble(|a| a.and(dword_ptr(rbx), eax))), AF);
        assert_eq!(undefined(&assemble(|a| a.mul(dword_ptr(rbx)))), SF | ZF | AF | PF);
        assert_eq!(undefined(&assemble(|a| a.imul_2(eax, dword_ptr(rbx)))), SF | ZF | AF | PF);
        assert_eq!(undefined(&assemble(|a| a.div(dword_ptr(rbx)))), STATUS_FLAGS);
        assert_eq!(undefined(&assemble(|a| a.bt(dword_ptr(rbx), eax))), OF | SF | AF | PF);
        assert_eq!(undefined(&assemble(|a| a.lzcnt(eax, dword_ptr(rbx)))), OF | SF | AF | PF);
        assert_eq!(undefined(&assemble(|a| a.popcnt(eax, dword_ptr(rbx)))), 0);
        assert_eq!(undefined(&assemble(|a| a.blsr(eax, dword_ptr(rbx)))), AF | PF);
        assert_eq!(undefined(&assemble(|a| a.bextr(eax, dword_ptr(rbx), ecx))), AF | SF | PF);
        assert_eq!(undefined(&assemble(|a| a.cmpxchg8b(qword_ptr(rbx)))), 0);
    }

    #[test]
    fn differences_in_what_is_undefined_do_not_count() {
        let effects = Effects { general_undefined: 1 << 2, flags_undefined: AF, ..Effects::default() };
        let one = Registers::default();
        let mut other = Registers { rflags: AF | CF, ..one };
        other.general[2] = 1;
        other.general[5] = 1;
        assert_eq!(effects.differing_general(&one, &other).collect::<Vec<_>>(), [5]);
        assert_eq!(effects.differing_flags(&one, &other), CF);
    }
}
