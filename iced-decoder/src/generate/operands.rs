//! Choice of the operands that are not memory.

use super::{
    draft::{Draft, general},
    recipe::Memory,
    values,
};
use crate::registers::Bitness;
use iced_x86::{Code, OpCodeOperandKind as Kind, OpKind, Register, RoundingControl};

/// Chooses registers and immediates, an opmask, and whether one element is broadcast.
pub(super) fn choose(draft: &mut Draft<'_>) {
    let operands = draft.recipe.operands;
    for (number, &kind) in (0..).zip(operands) {
        match draft.instruction.op_kind(number) {
            OpKind::Register if draft.instruction.op_register(number) == Register::None => {
                let register = register(draft, kind);
                draft.instruction.set_op_register(number, register);
            }
            OpKind::Register | OpKind::Memory => {}
            _ => immediate(draft, number, kind),
        }
    }
    choose_evex(draft);
}

fn register(draft: &mut Draft<'_>, kind: Kind) -> Register {
    use Kind::*;
    let numbers = draft.nameable();
    let nr_vectors = match draft.recipe.code.op_code().encoding() {
        _ if draft.bitness != Bitness::Bits64 => 8,
        iced_x86::EncodingKind::EVEX => 32,
        _ => 16,
    };
    let random = &mut draft.random;
    match kind {
        r8_reg | r8_opcode => byte_register(draft),
        r16_reg | r16_reg_mem | r16_rm | r16_opcode => general(16, random.bit_of(numbers).unwrap_or(0)),
        r32_reg | r32_reg_mem | r32_rm | r32_opcode | r32_vvvv => general(32, random.bit_of(numbers).unwrap_or(0)),
        r64_reg | r64_reg_mem | r64_rm | r64_opcode | r64_vvvv => general(64, random.bit_of(numbers).unwrap_or(0)),
        seg_reg => random.one_of(&[Register::ES, Register::DS, Register::SS, Register::FS, Register::GS]),
        // K0 as the operand of an arithmetic instruction is like the others.
        k_reg | k_rm | k_vvvv => Register::K0 + random.below(8) as u32,
        kp1_reg => Register::K0 + random.below(4) as u32 * 2,
        mm_reg | mm_rm => Register::MM0 + random.below(8) as u32,
        xmm_reg | xmm_rm | xmm_vvvv | xmm_is4 | xmm_is5 => vector(draft, Register::XMM0, nr_vectors, 1),
        xmmp3_vvvv => vector(draft, Register::XMM0, nr_vectors, 4),
        ymm_reg | ymm_rm | ymm_vvvv | ymm_is4 | ymm_is5 => vector(draft, Register::YMM0, nr_vectors, 1),
        zmm_reg | zmm_rm | zmm_vvvv => vector(draft, Register::ZMM0, nr_vectors, 1),
        zmmp3_vvvv => vector(draft, Register::ZMM0, nr_vectors, 4),
        bnd_reg => Register::BND0 + random.below(4) as u32,
        tmm_reg | tmm_rm | tmm_vvvv => Register::TMM0 + random.below(8) as u32,
        cr_reg => Register::CR0,
        dr_reg => Register::DR0,
        tr_reg => Register::TR3,
        _ => Register::ST0 + random.below(8) as u32,
    }
}

/// A vector register; a different one each time where the form asks for that.
fn vector(draft: &mut Draft<'_>, first: Register, nr: u32, step: u32) -> Register {
    let info = draft.recipe.code.op_code();
    let is_unique = info.requires_unique_reg_nums() || info.requires_unique_dest_reg_num();
    // Gathers raise #UD for the same register twice, which is tried, but rarely.
    let is_indexed = matches!(draft.recipe.memory, Memory::Vector { .. });
    let may_repeat = !is_unique || is_indexed && draft.random.once_in(64);
    let taken = if may_repeat { 0 } else { draft.vectors };
    let all = u32::MAX >> (32 - nr);
    let free = if step == 4 { all & 0x1111_1111 } else { all & !taken };
    let number = draft.random.bit_of(free).unwrap_or(0);
    draft.vectors |= 1 << number;
    first + number
}

fn byte_register(draft: &mut Draft<'_>) -> Register {
    // AL to BH; SPL to DIL and R8L to R15L, which need a REX prefix.
    let nr = if draft.bitness == Bitness::Bits64 { 20 } else { 8 };
    let number = draft.random.below(nr) as u32;
    draft.has_high_byte |= (4..8).contains(&number);
    Register::AL + number
}

fn immediate(draft: &mut Draft<'_>, number: u32, kind: Kind) {
    let random = &mut draft.random;
    let value = match kind {
        Kind::imm8_const_1 => 1,
        Kind::imm4_m2z => random.below(4),
        // Half of them within what a shift or a shuffle uses.
        Kind::imm8 if random.once_in(2) => random.below(66),
        _ => values::integer(random),
    };
    let instruction = &mut draft.instruction;
    match instruction.op_kind(number) {
        OpKind::Immediate8 => instruction.set_immediate8(value as u8),
        // The nesting level of ENTER: small ones only, each is an access.
        OpKind::Immediate8_2nd => instruction.set_immediate8_2nd((value % 4) as u8),
        OpKind::Immediate16 if instruction.code().op_code().is_stack_instruction() => {
            instruction.set_immediate16((value % 512) as u16);
        }
        OpKind::Immediate16 => instruction.set_immediate16(value as u16),
        OpKind::Immediate32 => instruction.set_immediate32(value as u32),
        OpKind::Immediate64 => instruction.set_immediate64(value),
        OpKind::Immediate8to16 => instruction.set_immediate8to16(i16::from(value as i8)),
        OpKind::Immediate8to32 => instruction.set_immediate8to32(i32::from(value as i8)),
        OpKind::Immediate8to64 => instruction.set_immediate8to64(i64::from(value as i8)),
        OpKind::Immediate32to64 => instruction.set_immediate32to64(i64::from(value as i32)),
        _ => {}
    }
}

fn choose_evex(draft: &mut Draft<'_>) {
    let info = draft.recipe.code.op_code();
    let random = &mut draft.random;
    if info.can_broadcast() && random.once_in(3) {
        draft.instruction.set_is_broadcast(true);
    }
    if info.require_op_mask_register() || info.can_use_op_mask_register() && random.once_in(2) {
        draft.instruction.set_op_mask(Register::K1 + random.below(7) as u32);
        if info.can_use_zeroing_masking() && random.once_in(2) {
            draft.instruction.set_zeroing_masking(true);
        }
    }
    draft.instruction.set_rounding_control(RoundingControl::None);
}

/// Gives the values of operands that only some values make sense for, before an address is chosen.
pub(super) fn choose_values(draft: &mut Draft<'_>) {
    use iced_x86::Mnemonic::*;
    const RAX: usize = 0;
    const RCX: usize = 1;
    const RDX: usize = 2;
    match draft.instruction.mnemonic() {
        // CL is the count of a shift: mostly one around the operand's size.
        Rcl | Rcr | Rol | Ror | Sal | Sar | Shl | Shld | Shr | Shrd if draft.random.below(4) != 0 => {
            let count = draft.random.below(66);
            draft.registers.general[RCX] = draft.registers.general[RCX] & !0xff | count;
        }
        // A dividend whose upper half is 0 or the sign of the lower one, so that not all quotients overflow.
        Div | Idiv if draft.random.below(4) != 0 => {
            let dividend = draft.registers.general[RAX];
            draft.registers.general[RDX] = match draft.random.below(3) {
                0 => ((dividend as i64) >> 63) as u64,
                1 => draft.random.below(256),
                _ => 0,
            };
            if draft.recipe.size == 1 {
                draft.registers.general[RAX] = dividend & !0xff00;
            } else if draft.recipe.size == 4 && draft.random.once_in(2) {
                draft.registers.general[RDX] = ((dividend as i32) >> 31) as u32 as u64;
            }
        }
        Bt | Btc | Btr | Bts => choose_bit(draft),
        _ => {}
    }
}

/// A bit in memory may be anywhere relative to the operand: Intel SDM vol. 1, "Bit Strings" and vol. 2, "BT".
fn choose_bit(draft: &mut Draft<'_>) {
    let (bits, register) = match draft.recipe.operands.get(1) {
        Some(Kind::r16_reg) => (16, draft.instruction.op1_register()),
        Some(Kind::r32_reg) => (32, draft.instruction.op1_register()),
        Some(Kind::r64_reg) => (64, draft.instruction.op1_register()),
        _ => return,
    };
    let offset = match draft.random.below(4) {
        0 => draft.random.below(bits) as i64,
        1 => draft.random.below(0x8000) as i64 - 0x4000,
        2 => -1 - draft.random.below(bits) as i64,
        _ => draft.random.below(4 * bits) as i64,
    };
    let number = register.number();
    let above = if bits == 64 { 0 } else { draft.random.bits() << bits };
    draft.fix(number, above | offset as u64 & super::draft::mask(bits as u32));
    draft.bit_displacement = offset.div_euclid(bits as i64) * (bits as i64 / 8);
}

/// Whether the instruction locks the bus without a prefix.
pub(super) fn locks_always(code: Code) -> bool {
    matches!(code, Code::Xchg_rm8_r8 | Code::Xchg_rm16_r16 | Code::Xchg_rm32_r32 | Code::Xchg_rm64_r64)
}

/// The register of indices of a gather or scatter.
pub(super) fn vector_index(draft: &mut Draft<'_>, first: Register) -> Register {
    let nr = match draft.recipe.code.encoding() {
        _ if draft.bitness != Bitness::Bits64 => 8,
        iced_x86::EncodingKind::EVEX => 32,
        _ => 16,
    };
    vector(draft, first, nr, 1)
}
