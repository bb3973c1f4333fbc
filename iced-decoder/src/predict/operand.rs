//! The memory operands of an instruction that is no string instruction.

use super::{
    Unpredictable,
    mask::{Elements, Masking, masking},
};
use crate::{
    effects::{linear_address, operand_value, shift},
    machine::Input,
    registers::Bitness,
};
use iced_x86::{Instruction, InstructionInfo, Mnemonic, OpAccess, OpKind, Register, UsedMemory};

/// One place in memory that an instruction uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Operand {
    /// Linear address.
    pub(super) address: u64,
    /// Size in bytes.
    pub(super) size_bytes: u32,
    /// Whether it is read.
    pub(super) is_read: bool,
    /// Whether it is written.
    pub(super) is_written: bool,
    /// Whether all of it is read, if it is read.
    pub(super) is_read_certain: bool,
    /// Whether all of it is written, if it is written.
    pub(super) is_write_certain: bool,
    /// Whether nothing is accessed although all checks are made.
    pub(super) is_only_checked: bool,
    /// Whether the segment is SS.
    pub(super) is_stack: bool,
    /// Whether the segment is CS, which cannot be written in protected mode; not of interest in 64-bit mode.
    pub(super) is_code: bool,
    /// What its address must be a multiple of.
    pub(super) alignment: u32,
    /// The elements among which a mask selects. Address and size are then those from the first to the last one selected, and
    /// the size may be 0.
    pub(super) elements: Option<Elements>,
}

/// The operands in the order of their accesses.
pub(super) fn operands(
    instruction: &Instruction,
    info: &InstructionInfo,
    input: &Input,
) -> Result<Vec<Operand>, Unpredictable> {
    let mut operands = Vec::with_capacity(2);
    for used in info.used_memory() {
        operands.extend(operand(instruction, used, input)?);
    }
    // What is read comes first, as every instruction computes what it writes.
    operands.sort_by_key(|operand| !operand.is_read);
    Ok(operands)
}

fn operand(instruction: &Instruction, used: &UsedMemory, input: &Input) -> Result<Option<Operand>, Unpredictable> {
    let mnemonic = instruction.mnemonic();
    let (mut is_read, mut is_written) = directions(used.access());
    if !is_read && !is_written {
        return Ok(None);
    }
    let is_stack_memory = used.base().full_register() == Register::RSP && is_stack_operand(instruction, used);
    let address = used.virtual_address(0, |register, _, _| input.registers.value(register));
    let address = address.ok_or(Unpredictable::Address)?;
    let address = if is_stack_memory && input.bitness == Bitness::Bits16 {
        // The size of the stack pointer comes from SS, not from CS; the stack lies beyond what SP reaches, so it is ESP.
        let distance = used.displacement() as u16 as i16;
        input.registers.value(Register::ESP).unwrap_or_default().wrapping_add_signed(distance.into())
    } else {
        address.wrapping_add(bit_string_offset(instruction, input))
    };
    let address = linear(address, input.bitness);
    let masking = masking(instruction, input, address, used.memory_size().size() as u32);
    // A condition other than that of a mask.
    let is_conditional = masking == Masking::None;
    let mut is_read_certain = !(is_conditional && matches!(used.access(), OpAccess::CondRead));
    let mut is_write_certain =
        !(is_conditional && matches!(used.access(), OpAccess::CondWrite | OpAccess::ReadCondWrite));
    let mut size_bytes = u32::try_from(used.memory_size().size()).unwrap_or(u32::MAX);
    let mut is_only_checked = false;
    match mnemonic {
        // The operand is accessed whatever the outcome (Intel SDM vol. 2A, "CMPXCHG", "CMPXCHG8B/CMPXCHG16B", "CMOVcc").
        Mnemonic::Cmpxchg | Mnemonic::Cmpxchg8b | Mnemonic::Cmpxchg16b => {
            (is_read, is_written, is_read_certain, is_write_certain) = (true, true, true, true);
        }
        mnemonic if is_conditional_move(mnemonic) => is_read_certain = true,
        // Checked like a load of a byte (Intel SDM vol. 2A, "CLFLUSH").
        Mnemonic::Clflush | Mnemonic::Clflushopt | Mnemonic::Clwb => {
            (is_read, is_written, size_bytes, is_only_checked) = (true, false, 1, true);
        }
        // Reserved fields need not be accessed.
        Mnemonic::Fxsave | Mnemonic::Fxsave64 | Mnemonic::Fxrstor | Mnemonic::Fxrstor64 => {
            (is_read_certain, is_write_certain) = (false, false);
        }
        mnemonic if shift::is_shift(mnemonic) => is_write_certain = shift::count(instruction, input) != Some(0),
        _ => {}
    }
    if size_bytes == 0 {
        return Ok(None);
    }
    let mut operand = Operand {
        address,
        size_bytes,
        is_read,
        is_written,
        is_read_certain,
        is_write_certain,
        is_only_checked,
        is_stack: used.segment() == Register::SS,
        is_code: used.segment() == Register::CS && input.bitness != Bitness::Bits64,
        alignment: if is_stack_memory { 1 } else { alignment(instruction, is_written) },
        elements: None,
    };
    operand.apply(masking);
    Ok(Some(operand))
}

/// Whether memory is what PUSH and POP imply, not what ModR/M names.
fn is_stack_operand(instruction: &Instruction, used: &UsedMemory) -> bool {
    instruction.is_stack_instruction()
        && (instruction.memory_base() != used.base() || used.index() != instruction.memory_index())
}

fn directions(access: OpAccess) -> (bool, bool) {
    match access {
        OpAccess::Read | OpAccess::CondRead => (true, false),
        OpAccess::Write | OpAccess::CondWrite => (false, true),
        OpAccess::ReadWrite | OpAccess::ReadCondWrite => (true, true),
        _ => (false, false),
    }
}

/// A linear address has 32 bits outside of 64-bit mode.
pub(super) fn linear(address: u64, bitness: Bitness) -> u64 {
    if bitness == Bitness::Bits64 { address } else { address & 0xffff_ffff }
}

/// Distance in bytes of the word that BT, BTC, BTR or BTS with a bit offset in a register accesses.
///
/// The offset is signed and reaches beyond the operand (Intel SDM vol. 1, "Bit and Bit Field Addressing", and vol. 2A,
/// "BT—Bit Test").
fn bit_string_offset(instruction: &Instruction, input: &Input) -> u64 {
    let is_bit_test = matches!(instruction.mnemonic(), Mnemonic::Bt | Mnemonic::Btc | Mnemonic::Btr | Mnemonic::Bts);
    if !is_bit_test || instruction.op0_kind() != OpKind::Memory || instruction.op1_kind() != OpKind::Register {
        return 0;
    }
    let Some(offset) = operand_value(instruction, 1, input) else { return 0 };
    let (offset, size_bytes) = match instruction.op1_register().size() {
        2 => (i64::from(offset as u16 as i16), 2),
        4 => (i64::from(offset as u32 as i32), 4),
        _ => (offset as i64, 8),
    };
    let distance = (offset.div_euclid(size_bytes * 8) * size_bytes) as u64;
    // The sum of effective address and distance is cut to the address size, which matters for the base alone.
    let Some(start) = linear_address(instruction, 0, &input.registers) else { return distance };
    let base = input.registers.value(instruction.memory_segment()).unwrap_or_default();
    let mask = match address_bits(instruction) {
        16 => 0xffff,
        32 => 0xffff_ffff,
        _ => u64::MAX,
    };
    let effective = start.wrapping_sub(base);
    (effective.wrapping_add(distance) & mask).wrapping_sub(effective)
}

/// Size of the effective address of the ModR/M operand in bits.
fn address_bits(instruction: &Instruction) -> u32 {
    let size = |register: Register| if register == Register::None { 0 } else { register.size() as u32 * 8 };
    match size(instruction.memory_base()).max(size(instruction.memory_index())) {
        0 => instruction.memory_displ_size() * 8,
        bits => bits,
    }
}

fn is_conditional_move(mnemonic: Mnemonic) -> bool {
    use Mnemonic as M;
    matches!(
        mnemonic,
        M::Cmova
            | M::Cmovae
            | M::Cmovb
            | M::Cmovbe
            | M::Cmove
            | M::Cmovg
            | M::Cmovge
            | M::Cmovl
            | M::Cmovle
            | M::Cmovne
            | M::Cmovno
            | M::Cmovnp
            | M::Cmovns
            | M::Cmovo
            | M::Cmovp
            | M::Cmovs
    )
}

/// What the address of a ModR/M operand must be a multiple of, or #GP(0) is raised.
///
/// Source: Intel SDM vol. 1, "Memory Alignment Requirement" and table "Alignment Faulting Conditions"; vol. 2, exception
/// types 1, 2, 4, E1 and the instructions.
fn alignment(instruction: &Instruction, is_written: bool) -> u32 {
    use Mnemonic as M;
    match instruction.mnemonic() {
        M::Fxsave | M::Fxsave64 | M::Fxrstor | M::Fxrstor64 | M::Cmpxchg16b => 16,
        M::Movdir64b if is_written => 64,
        M::Movdir64b => 1,
        M::Vmovaps
        | M::Vmovapd
        | M::Vmovdqa
        | M::Vmovdqa32
        | M::Vmovdqa64
        | M::Vmovntps
        | M::Vmovntpd
        | M::Vmovntdq
        | M::Vmovntdqa => instruction.memory_size().size() as u32,
        M::Movups
        | M::Movupd
        | M::Movdqu
        | M::Lddqu
        | M::Maskmovdqu
        | M::Pcmpistri
        | M::Pcmpistrm
        | M::Pcmpestri
        | M::Pcmpestri64
        | M::Pcmpestrm
        | M::Pcmpestrm64 => 1,
        _ if is_legacy_vector(instruction) && instruction.memory_size().size() == 16 => 16,
        _ => 1,
    }
}

/// Whether an MMX or SSE instruction has neither a VEX nor an EVEX prefix.
pub(super) fn is_legacy_vector(instruction: &Instruction) -> bool {
    instruction.code().encoding() == iced_x86::EncodingKind::Legacy
        && (0..instruction.op_count()).any(|operand| {
            // CVTPD2PI takes a vector from memory to an MMX register.
            instruction.op_register(operand).is_vector_register() || instruction.op_register(operand).is_mm()
        })
}
