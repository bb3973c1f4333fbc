//! What is known of a form before anything is chosen.

use super::values::Elements;
use crate::machine::window::CODE;
use crate::random::mix;
use iced_x86::{
    Code, CpuidFeature, EncodingKind, Instruction, InstructionInfoFactory, MemorySize, OpCodeOperandKind as Kind,
    OpKind, Register,
};

/// How an instruction names its memory operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Memory {
    /// By a ModR/M byte.
    Explicit,
    /// By a ModR/M byte and a vector of indices.
    Vector {
        /// The first register of the kind that holds the indices.
        first: Register,
        /// Size of an index in bytes.
        index_bytes: usize,
    },
    /// By an offset behind the opcode.
    Offset,
    /// By RSI, RDI or both.
    String,
    /// By RBX and AL.
    Table,
    /// By a register that the instruction does not name.
    Implicit(Implicit),
}

/// Memory beside a register that an instruction does not name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Implicit {
    /// Number of the register.
    pub(super) register: usize,
    /// Distance of the first byte from what it points to.
    pub(super) first: i64,
    /// Size of all that is accessed in bytes.
    pub(super) size: u64,
}

/// A form, ready to be filled in.
#[derive(Clone, Debug)]
pub(super) struct Recipe {
    /// The form.
    pub(super) code: Code,
    /// A number that belongs to its name, which stays when iced-x86 numbers forms anew.
    pub(super) key: u64,
    /// The instruction with the kinds of its operands, fixed registers and constants.
    pub(super) template: Instruction,
    /// Kinds of its operands.
    pub(super) operands: &'static [Kind],
    /// How it names its memory operand.
    pub(super) memory: Memory,
    /// Size of that in bytes, at least 1.
    pub(super) size: u64,
    /// What it holds.
    pub(super) elements: Elements,
    /// Whether it reads or writes the stack, too.
    pub(super) uses_stack: bool,
    /// Whether x87 or MMX registers are used.
    pub(super) uses_x87: bool,
    /// State components that it may read or write, as in XSTATE_BV.
    pub(super) components: u64,
    /// Whether an operand that is not aligned only faults, or is slow beyond measure.
    pub(super) is_aligned: bool,
    /// Address size in bits, if it has no choice.
    pub(super) address_bits: Option<u32>,
}

/// Why a form has no recipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoRecipe {
    /// There is nothing to point into a window.
    #[error("has no memory operand")]
    NoMemory,
    /// Its bytes are decoded as two instructions.
    #[error("is WAIT and another instruction")]
    Wait,
    /// The target is in an operand of a kind that needs the code segment.
    #[error("has a relative operand that only this form knows")]
    Relative,
    /// A register of 16 bits is an address without a segment base of its own.
    #[error("has an operand that lies in the first 64 KiB")]
    Low,
}

impl Recipe {
    pub(super) fn new(code: Code) -> Result<Self, NoRecipe> {
        let info = code.op_code();
        if info.fwait() {
            return Err(NoRecipe::Wait);
        }
        let operands = info.op_kinds();
        if operands.contains(&Kind::r16_reg_mem) {
            return Err(NoRecipe::Low);
        }
        let mut template = Instruction::default();
        template.set_code(code);
        let mut memory = None;
        for (number, &kind) in (0..).zip(operands) {
            match kind {
                Kind::seg_rSI | Kind::es_rDI | Kind::seg_rDI => memory = Some(Memory::String),
                Kind::mem_offs => memory = Some(Memory::Offset),
                Kind::seg_rBX_al => memory = Some(Memory::Table),
                _ if vector_index(kind).is_some() => memory = vector_index(kind),
                _ if is_explicit(kind) => memory = Some(Memory::Explicit),
                _ => {
                    set_constant(&mut template, number, kind).ok_or(NoRecipe::Relative)?;
                    continue;
                }
            }
            template.set_op_kind(number, OpKind::Memory);
        }
        let memory = match memory {
            Some(memory) => memory,
            None => Memory::Implicit(implicit(&with_registers(template, operands)).ok_or(NoRecipe::NoMemory)?),
        };
        let size = match memory {
            Memory::Implicit(implicit) => implicit.size,
            _ => operand_size(template.memory_size(), code),
        };
        let uses_x87 = uses_x87(&template, operands);
        Ok(Self {
            code,
            key: format!("{code:?}").bytes().fold(0, |key, byte| mix(key ^ u64::from(byte)).wrapping_add(1)),
            template,
            operands,
            memory,
            size: size.clamp(1, 4096),
            elements: elements(template.memory_size()),
            uses_stack: info.is_stack_instruction(),
            uses_x87,
            is_aligned: is_aligned(code, size),
            components: components(code, operands, uses_x87),
            address_bits: operands.iter().find_map(|kind| match kind {
                Kind::r32_reg_mem => Some(32),
                Kind::r64_reg_mem => Some(64),
                _ => None,
            }),
        })
    }
}

/// Whether an operand of this kind is or may be memory that a ModR/M byte names.
fn is_explicit(kind: Kind) -> bool {
    use Kind::*;
    matches!(
        kind,
        mem | mem_mpx
            | mem_mib
            | sibmem
            | r8_or_mem
            | r16_or_mem
            | r32_or_mem
            | r32_or_mem_mpx
            | r64_or_mem
            | r64_or_mem_mpx
            | mm_or_mem
            | xmm_or_mem
            | ymm_or_mem
            | zmm_or_mem
            | bnd_or_mem_mpx
            | k_or_mem
    )
}

fn vector_index(kind: Kind) -> Option<Memory> {
    let (first, index_bytes) = match kind {
        Kind::mem_vsib32x => (Register::XMM0, 4),
        Kind::mem_vsib64x => (Register::XMM0, 8),
        Kind::mem_vsib32y => (Register::YMM0, 4),
        Kind::mem_vsib64y => (Register::YMM0, 8),
        Kind::mem_vsib32z => (Register::ZMM0, 4),
        Kind::mem_vsib64z => (Register::ZMM0, 8),
        _ => return None,
    };
    Some(Memory::Vector { first, index_bytes })
}

/// Sets what an operand always is; registers to be chosen stay. Nothing for kinds that are not understood.
fn set_constant(template: &mut Instruction, number: u32, kind: Kind) -> Option<()> {
    use Kind::*;
    let register = match kind {
        es => Register::ES,
        cs => Register::CS,
        ss => Register::SS,
        ds => Register::DS,
        fs => Register::FS,
        gs => Register::GS,
        al => Register::AL,
        cl => Register::CL,
        ax => Register::AX,
        dx => Register::DX,
        eax => Register::EAX,
        rax => Register::RAX,
        st0 => Register::ST0,
        _ => Register::None,
    };
    if register != Register::None {
        template.set_op_register(number, register);
        return Some(());
    }
    let has_immediate = (0..number).any(|earlier| template.op_kind(earlier) != OpKind::Register);
    let op_kind = match kind {
        imm8 if has_immediate
            && matches!(
                template.code(),
                Code::Enterw_imm16_imm8 | Code::Enterd_imm16_imm8 | Code::Enterq_imm16_imm8
            ) =>
        {
            OpKind::Immediate8_2nd
        }
        imm8 | imm8_const_1 | imm4_m2z => OpKind::Immediate8,
        imm8sex16 => OpKind::Immediate8to16,
        imm8sex32 => OpKind::Immediate8to32,
        imm8sex64 => OpKind::Immediate8to64,
        imm16 => OpKind::Immediate16,
        imm32 => OpKind::Immediate32,
        imm32sex64 => OpKind::Immediate32to64,
        imm64 => OpKind::Immediate64,
        br16_1 | br16_2 => OpKind::NearBranch16,
        br32_1 | br32_4 => OpKind::NearBranch32,
        br64_1 | br64_4 => OpKind::NearBranch64,
        farbr2_2 => OpKind::FarBranch16,
        farbr4_2 => OpKind::FarBranch32,
        xbegin_2 | xbegin_4 | brdisp_2 | brdisp_4 => return Option::None,
        _ => return Some(()),
    };
    template.set_op_kind(number, op_kind);
    match op_kind {
        OpKind::NearBranch16 => template.set_near_branch16(CODE as u16),
        OpKind::NearBranch32 => template.set_near_branch32(CODE as u32),
        OpKind::NearBranch64 => template.set_near_branch64(CODE),
        OpKind::Immediate8 if kind == imm8_const_1 => template.set_immediate8(1),
        _ => {}
    }
    Some(())
}

/// The template with some general registers, as iced-x86 asks for them to tell what is accessed.
fn with_registers(mut template: Instruction, operands: &[Kind]) -> Instruction {
    for (number, kind) in (0..).zip(operands) {
        let register = match kind {
            Kind::r16_reg | Kind::r16_rm | Kind::r16_opcode => Register::AX,
            Kind::r32_reg | Kind::r32_rm | Kind::r32_opcode => Register::EAX,
            Kind::r64_reg | Kind::r64_rm | Kind::r64_opcode => Register::RAX,
            _ => continue,
        };
        template.set_op_register(number, register);
    }
    template
}

/// The accesses beside the first register that is not the stack pointer, or beside that.
fn implicit(instruction: &Instruction) -> Option<Implicit> {
    let mut factory = InstructionInfoFactory::new();
    let info = factory.info(instruction);
    let base = |memory: &iced_x86::UsedMemory| memory.base().full_register();
    let mut bases = info.used_memory().iter().map(base).filter(|base| base.is_gpr());
    let last = bases.clone().next_back()?;
    let wanted = bases.find(|&base| base != Register::RSP).unwrap_or(last);
    let mut ends: Option<(i64, i64)> = None;
    for memory in info.used_memory().iter().filter(|memory| base(memory) == wanted) {
        let first = memory.displacement() as i64;
        let end = first + memory.memory_size().size().max(1) as i64;
        ends = Some(ends.map_or((first, end), |(low, high)| (low.min(first), high.max(end))));
    }
    let (first, end) = ends?;
    Some(Implicit { register: wanted.number(), first, size: (end - first) as u64 })
}

/// Size of an operand in bytes; of state images whose size depends on what is enabled a usual one.
fn operand_size(size: MemorySize, code: Code) -> u64 {
    match size.size() as u64 {
        0 if code.op_code().is_save_restore() => 2696,
        0 => 1,
        size => size,
    }
}

fn elements(size: MemorySize) -> Elements {
    match size.element_type() {
        MemorySize::Float16 => Elements::Halves,
        MemorySize::Float32 => Elements::Singles,
        MemorySize::Float64 => Elements::Doubles,
        MemorySize::Float80 => Elements::Extended,
        element => match element.size() {
            size @ (1 | 2 | 4 | 8) => Elements::Integers(size),
            _ => Elements::Bits,
        },
    }
}

fn uses_x87(template: &Instruction, operands: &[Kind]) -> bool {
    let has_mmx = operands.iter().any(|kind| matches!(kind, Kind::mm_or_mem | Kind::mm_reg | Kind::mm_rm));
    let is_x87 = template
        .cpuid_features()
        .iter()
        .any(|feature| matches!(feature, CpuidFeature::FPU | CpuidFeature::FPU287 | CpuidFeature::FPU387));
    has_mmx || is_x87 || template.fpu_stack_increment_info().writes_top() || template.is_save_restore_instruction()
}

/// The components that a form may use.
fn components(code: Code, operands: &[Kind], uses_x87: bool) -> u64 {
    use Kind::*;
    let has = |wanted: &[Kind]| operands.iter().any(|kind| wanted.contains(kind));
    let has_opmask = has(&[k_or_mem, k_reg, kp1_reg, k_rm, k_vvvv]);
    let has_vector = has(&[
        xmm_or_mem, xmm_reg, xmm_rm, xmm_vvvv, xmmp3_vvvv, xmm_is4, xmm_is5, ymm_or_mem, ymm_reg, ymm_rm, ymm_vvvv,
        ymm_is4, ymm_is5,
    ]);
    let is_control =
        matches!(code, Code::Ldmxcsr_m32 | Code::Stmxcsr_m32 | Code::VEX_Vldmxcsr_m32 | Code::VEX_Vstmxcsr_m32);
    match code.encoding() {
        EncodingKind::EVEX => 0xe7,
        _ if has_opmask => 0xe7,
        EncodingKind::VEX | EncodingKind::XOP if has_vector || is_control => 0b111,
        _ if code.op_code().is_save_restore() && !uses_x87_only(code) => 0b111,
        _ if uses_x87 || has_vector || is_control => 0b11,
        _ => 0,
    }
}

/// Saving and restoring instructions from before XSAVE.
fn uses_x87_only(code: Code) -> bool {
    let features = code.cpuid_features();
    !features.iter().any(|feature| {
        use CpuidFeature::*;
        matches!(feature, XSAVE | XSAVEC | XSAVEOPT | XSAVES)
    })
}

/// Whether a form wants its operand aligned: SSE in general, moves that say so, and those that replace cache lines.
fn is_aligned(code: Code, size: u64) -> bool {
    let name = format!("{:?}", code.mnemonic());
    let is_move = ["Movap", "Movdqa", "Movnt", "Movdir64", "Cmpxchg16b"].iter().any(|part| name.contains(part));
    let is_vector_move = ["movap", "movdqa", "movnt"].iter().any(|part| name.contains(part));
    let is_sse = size == 16 && code.encoding() == EncodingKind::Legacy;
    is_sse || is_move || is_vector_move || code.op_code().is_save_restore()
}
