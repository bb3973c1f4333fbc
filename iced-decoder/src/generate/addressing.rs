//! Chooses an addressing mode, and the registers and displacement with which it points where it should.
//!
//! Most registers of an address have their values before: an index is whatever it is, and the base is what is missing.

use super::{
    draft::{Draft, general, mask},
    recipe::Memory,
};
use crate::{
    machine::window::{CODE, STACK},
    registers::Bitness,
};
use iced_x86::Register;

/// Number of RSP.
const RSP: usize = 4;
/// Bases of FS and GS that every way of addressing can make up for stay below this.
const NEAR_BASE_END: u64 = CODE / 2;
/// Other bases are canonical addresses of the lower half, which every operating system lets a program set.
const FAR_BASE_END: u64 = 0x7fff_0000_0000;

/// What an address is computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Base,
    BaseAndIndex,
    Index,
    Relative,
    Absolute,
}

/// Points the memory operand that a ModR/M byte names to `target`.
pub(super) fn explicit(draft: &mut Draft<'_>, target: u64) {
    let target = target.wrapping_sub(draft.bit_displacement as u64);
    let bits = address_bits(draft);
    if bits == 16 {
        return of_16_bits(draft, target);
    }
    let shape = shape(draft);
    let is_near = bits == 32 || matches!(shape, Shape::Relative | Shape::Absolute);
    let wanted = target.wrapping_sub(segment(draft, is_near, false));
    match shape {
        Shape::Relative => {
            let base = if bits == 64 { Register::RIP } else { Register::EIP };
            draft.instruction.set_memory_base(base);
            draft.instruction.set_memory_displ_size(4);
            draft.instruction.set_memory_displacement64(wanted & mask(bits));
        }
        Shape::Absolute => displace(draft, bits, true, wanted as i64),
        Shape::Base => based(draft, bits, wanted, 0),
        Shape::BaseAndIndex => {
            let scaled = index(draft, bits);
            based(draft, bits, wanted, scaled);
        }
        Shape::Index => index_alone(draft, bits, wanted),
    }
}

/// Points an operand behind the opcode (`MOV moffs`) to `target`.
pub(super) fn offset(draft: &mut Draft<'_>, target: u64) {
    let bits = match draft.bitness {
        Bitness::Bits64 if !draft.random.once_in(4) => 64,
        Bitness::Bits64 => 32,
        _ => implied_bits(draft),
    };
    let wanted = segment_for(draft, bits, target) & mask(bits);
    draft.instruction.set_memory_displ_size(bits / 8);
    draft.instruction.set_memory_displacement64(wanted);
}

/// Address size in bits of an operand that no ModR/M byte names: mostly that of the mode.
pub(super) fn implied_bits(draft: &mut Draft<'_>) -> u32 {
    match draft.bitness {
        Bitness::Bits64 if draft.random.once_in(8) => 32,
        Bitness::Bits64 => 64,
        Bitness::Bits32 if draft.random.once_in(8) => 16,
        Bitness::Bits32 => 32,
        Bitness::Bits16 if draft.random.once_in(2) => 32,
        Bitness::Bits16 => 16,
    }
}

/// Chooses a segment override and returns the offset in that segment with which `target` is reached. 16 bits reach it by the
/// base of FS or GS alone.
pub(super) fn segment_for(draft: &mut Draft<'_>, bits: u32, target: u64) -> u64 {
    if bits != 16 {
        return target.wrapping_sub(segment(draft, bits == 32, false));
    }
    // The borders of the 64 KiB among them.
    let offset = match draft.random.below(8) {
        0 => draft.random.below(32),
        1 => 0x1_0000 - draft.recipe.size.clamp(1, 0x1000) * (1 + draft.random.below(4)),
        _ => draft.random.below(0xf000),
    };
    let register = if draft.random.once_in(2) { Register::FS } else { Register::GS };
    draft.instruction.set_segment_prefix(register);
    draft.registers.segment_bases[register.number()] = target.wrapping_sub(offset) & mask(32);
    offset
}

/// Chooses a segment override and returns the base that comes with it. A `near` one is below the windows.
pub(super) fn segment(draft: &mut Draft<'_>, near: bool, with_base: bool) -> u64 {
    let random = &mut draft.random;
    if !with_base && random.below(4) != 0 {
        return 0;
    }
    let register = match random.below(8) {
        0 if !with_base => Register::DS,
        1 if !with_base => Register::ES,
        2 if !with_base => Register::CS,
        3 if !with_base => Register::SS,
        4 | 5 => Register::FS,
        _ => Register::GS,
    };
    draft.instruction.set_segment_prefix(register);
    if register != Register::FS && register != Register::GS {
        return 0;
    }
    let end = if near || draft.bitness != Bitness::Bits64 { NEAR_BASE_END } else { FAR_BASE_END };
    let base = if draft.random.once_in(8) { 0 } else { draft.random.below(end) };
    draft.registers.segment_bases[register.number()] = base;
    base
}

fn address_bits(draft: &mut Draft<'_>) -> u32 {
    if let Some(bits) = draft.recipe.address_bits {
        return bits;
    }
    let is_vector = matches!(draft.recipe.memory, Memory::Vector { .. });
    match draft.bitness {
        Bitness::Bits64 if draft.random.once_in(8) => 32,
        Bitness::Bits64 => 64,
        // A displacement of a bit may leave the 64 KiB that 16 bits reach.
        _ if is_vector || draft.bit_displacement != 0 => 32,
        Bitness::Bits32 if draft.random.once_in(8) => 16,
        Bitness::Bits32 => 32,
        Bitness::Bits16 if draft.random.once_in(2) => 32,
        Bitness::Bits16 => 16,
    }
}

fn shape(draft: &mut Draft<'_>) -> Shape {
    use iced_x86::OpCodeOperandKind as Kind;
    let operands = draft.recipe.operands;
    if matches!(draft.recipe.memory, Memory::Vector { .. }) {
        return Shape::Base;
    }
    let choice = draft.random.below(16);
    // These have no relative form: a SIB byte is needed, or nothing but 64-bit addresses are allowed.
    let needs_sib = operands.iter().any(|kind| {
        matches!(
            kind,
            Kind::mem_mib
                | Kind::sibmem
                | Kind::mem_mpx
                | Kind::r64_or_mem_mpx
                | Kind::r32_or_mem_mpx
                | Kind::bnd_or_mem_mpx
        )
    });
    match choice {
        0..7 => Shape::Base,
        7..11 => Shape::BaseAndIndex,
        11 | 12 => Shape::Index,
        13 | 14 if draft.bitness == Bitness::Bits64 && !needs_sib => Shape::Relative,
        _ if needs_sib => Shape::Base,
        _ => Shape::Absolute,
    }
}

/// Chooses an index with the value that its register has, and returns what it adds.
fn index(draft: &mut Draft<'_>, bits: u32) -> u64 {
    let Some(number) = draft.random.bit_of(draft.nameable() & !(1 << RSP)) else { return 0 };
    let scale = 1 << draft.random.below(4);
    // Fixed, so that the base is another one.
    let value = draft.registers.general[number as usize] & mask(bits);
    draft.fixed |= 1 << number;
    draft.instruction.set_memory_index(general(bits, number));
    draft.instruction.set_memory_index_scale(scale);
    value.wrapping_mul(u64::from(scale))
}

/// Completes an address with a base and a displacement.
fn based(draft: &mut Draft<'_>, bits: u32, wanted: u64, scaled: u64) {
    // RSP, as it stands, if the stack is used: its windows are within reach of a displacement.
    let uses_rsp = draft.fixed >> RSP & 1 != 0 && (STACK..STACK + 0x2000).contains(&draft.registers.general[RSP]);
    if uses_rsp && draft.random.once_in(8) {
        let distance =
            wanted.wrapping_sub(scaled).wrapping_sub(draft.registers.general[RSP]).wrapping_sub(popped(draft));
        if i32::try_from(distance as i64).is_ok() || bits == 32 {
            draft.instruction.set_memory_base(general(bits, RSP as u32));
            return displace(draft, bits, true, distance as i64);
        }
    }
    let Some(base) = draft.random.bit_of(draft.nameable() & !draft.fixed) else {
        return displace(draft, bits, true, wanted.wrapping_sub(scaled) as i64);
    };
    let displacement = displacement(draft);
    draft.instruction.set_memory_base(general(bits, base));
    if let Some(displacement) = displacement {
        let is_long = i8::try_from(displacement / unit(draft)).is_err() || draft.random.once_in(8);
        displace(draft, bits, is_long, displacement);
    }
    let value = wanted.wrapping_sub(scaled).wrapping_sub(displacement.unwrap_or(0) as u64);
    draft.fix_address(base as usize, bits, value);
}

/// POP computes an address that contains RSP after it has incremented it (Intel SDM vol. 2, "POP").
fn popped(draft: &Draft<'_>) -> u64 {
    let is_pop = draft.instruction.mnemonic() == iced_x86::Mnemonic::Pop;
    if is_pop { draft.recipe.size } else { 0 }
}

/// An index with no base, and also a register that is both, so that only a few of its values come close.
fn index_alone(draft: &mut Draft<'_>, bits: u32, wanted: u64) {
    let Some(number) = draft.random.bit_of(draft.nameable() & !draft.fixed & !(1 << RSP)) else {
        return based(draft, bits, wanted, 0);
    };
    let scale = 1_i64 << draft.random.below(4);
    let is_base = draft.random.once_in(2);
    let divisor = scale + i64::from(is_base);
    let near = displacement(draft).unwrap_or(0);
    let signed = if bits == 64 { wanted as i64 } else { (wanted & mask(bits)) as i64 };
    let value = signed.wrapping_sub(near).div_euclid(divisor);
    let register = general(bits, number);
    draft.instruction.set_memory_index(register);
    draft.instruction.set_memory_index_scale(scale as u32);
    if is_base {
        draft.instruction.set_memory_base(register);
    }
    displace(draft, bits, true, signed.wrapping_sub(value.wrapping_mul(divisor)));
    draft.fix_address(number as usize, bits, value as u64);
}

/// A displacement: none, one of 8 bits (times the unit of EVEX), or one of 32 bits.
fn displacement(draft: &mut Draft<'_>) -> Option<i64> {
    let short = |draft: &mut Draft<'_>| i64::from(draft.random.bits() as i8);
    Some(match draft.random.below(8) {
        0 | 1 => return None,
        2 => draft.random.one_of(&[0, 1, -1, 127, -128, 128, -129, 0x7fff_ffff, -0x8000_0000]),
        3 | 4 => short(draft),
        5 => short(draft) * unit(draft),
        _ => i64::from(draft.random.bits() as i32),
    })
}

/// What an EVEX prefix multiplies short displacements by (Intel SDM vol. 2A, "Compressed Displacement (disp8*N)
/// Support in EVEX"): the size of what is accessed, for every tuple type but that of MOVDDUP.
fn unit(draft: &Draft<'_>) -> i64 {
    let is_evex = draft.recipe.code.encoding() == iced_x86::EncodingKind::EVEX;
    if !is_evex { 1 } else { (draft.instruction.memory_size().size() as i64).max(1) }
}

/// Sets the displacement; one that is not `long` is encoded in 8 bits if it fits there.
fn displace(draft: &mut Draft<'_>, bits: u32, long: bool, value: i64) {
    let value = if bits == 64 { value as u64 } else { value as u64 & mask(bits) };
    draft.instruction.set_memory_displ_size(if long { bits / 8 } else { 1 });
    // iced-x86 takes 8-bit displacements of 32-bit addresses sign-extended to 32 bits.
    draft.instruction.set_memory_displacement64(value);
}

/// The addressing modes of 16 bits. Only a segment base reaches the windows.
fn of_16_bits(draft: &mut Draft<'_>, target: u64) {
    const BX: u32 = 3;
    const BP: u32 = 5;
    const SI: u32 = 6;
    const DI: u32 = 7;
    let all = [
        (Some(BX), Some(SI)),
        (Some(BX), Some(DI)),
        (Some(BP), Some(SI)),
        (Some(BP), Some(DI)),
        (Some(SI), None),
        (Some(DI), None),
        (Some(BP), None),
        (Some(BX), None),
        (None, None),
    ];
    let (base, index) = draft.random.one_of(&all);
    // Not so near to the end of the 64 KiB that the operand wraps.
    let effective = draft.random.below(0xf000 - draft.size.min(0x2000));
    draft.instruction.set_segment_prefix(if draft.random.once_in(2) { Register::FS } else { Register::GS });
    let segment = draft.instruction.segment_prefix().number();
    draft.registers.segment_bases[segment] = target.wrapping_sub(effective) & mask(32);
    let of = |number: Option<u32>| number.map_or(Register::None, |number| general(16, number));
    draft.instruction.set_memory_base(of(base));
    draft.instruction.set_memory_index(of(index));
    let value = |draft: &Draft<'_>, number: Option<u32>| {
        number.map_or(0, |number| draft.registers.general[number as usize] & 0xffff)
    };
    let sum = value(draft, base).wrapping_add(value(draft, index));
    let displacement = effective.wrapping_sub(sum) as i16;
    draft.fixed |= base.map_or(0, |number| 1 << number) | index.map_or(0, |number| 1 << number);
    draft.instruction.set_memory_displ_size(2);
    let bits = if base.is_none() { u64::from(displacement as u16) } else { i64::from(displacement) as u64 };
    draft.instruction.set_memory_displacement64(bits);
}
