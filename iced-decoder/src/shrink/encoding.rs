//! Fewer and plainer bytes of code.

use super::Shrinker;
use crate::{
    generate::decode,
    machine::{
        Input,
        window::{CODE, CODE_OFFSET},
    },
    registers::Bitness,
};
use iced_x86::{Encoder, Instruction, OpKind, Register};

/// General registers to take for an address, those that instructions use by themselves last: RBX, RSI, RDI, RBP, RDX,
/// RCX, RAX.
const BASES: [usize; 7] = [3, 6, 7, 5, 2, 1, 0];

/// What a base costs, so that of equally short ones always the same is kept.
pub(super) fn base_cost(instruction: &Instruction) -> u64 {
    let base = instruction.memory_base();
    let place = BASES.iter().position(|&number| base.is_gpr() && base.full_register().number() == number);
    if base == Register::None { 0 } else { place.unwrap_or(BASES.len()) as u64 }
}

/// Replaces the instruction of an input; nothing if the new one has no encoding.
pub(super) fn with_instruction(input: &Input, instruction: &Instruction) -> Option<Input> {
    let mut encoder = Encoder::new(input.bitness.bits());
    encoder.encode(instruction, input.registers.rip).ok()?;
    Some(Input { code: encoder.take_buffer(), ..input.clone() })
}

/// Simplifies the instruction.
pub(super) fn simplify(shrinker: &mut Shrinker<'_>) {
    // At its usual place first, which is what displacements from RIP depend on.
    change(shrinker, |input, _| {
        input.registers.rip = CODE + CODE_OFFSET;
        true
    });
    // As the encoder would, without prefixes that change nothing.
    change(shrinker, |_, _| true);
    for number in BASES {
        let is_taken = change(shrinker, |input, instruction| point_with(input, instruction, number, true));
        if is_taken || change(shrinker, |input, instruction| point_with(input, instruction, number, false)) {
            break;
        }
    }
    change(shrinker, without_segment);
    change(shrinker, without_index);
    change(shrinker, without_displacement);
    change(shrinker, with_short_displacement);
    change(shrinker, |_, instruction| {
        instruction.set_has_lock_prefix(false);
        true
    });
    change(shrinker, |_, instruction| {
        instruction.set_has_rep_prefix(false);
        instruction.set_has_repne_prefix(false);
        true
    });
    change(shrinker, |_, instruction| {
        instruction.set_is_broadcast(false);
        true
    });
    change(shrinker, |_, instruction| {
        instruction.set_zeroing_masking(false);
        true
    });
    change(shrinker, |_, instruction| {
        instruction.set_zeroing_masking(false);
        instruction.set_op_mask(Register::None);
        true
    });
    change(shrinker, narrow_strings);
    operands(shrinker);
}

/// Offers the best input with what `change` makes of it and of its instruction, if that says that there is anything.
fn change(shrinker: &mut Shrinker<'_>, change: impl FnOnce(&mut Input, &mut Instruction) -> bool) -> bool {
    let mut input = shrinker.best.clone();
    let mut instruction = decode(input.bitness, &input.code, input.registers.rip);
    if !change(&mut input, &mut instruction) {
        return false;
    }
    let candidate = with_instruction(&input, &instruction);
    candidate.is_some_and(|candidate| shrinker.offer(candidate, 0))
}

/// Lets a ModR/M operand be addressed by one register alone, with a segment override or without.
fn point_with(input: &mut Input, instruction: &mut Instruction, number: usize, drop_segment: bool) -> bool {
    let is_named = |register: Register| register.is_gpr() && register.full_register().number() == number;
    let is_operand = (0..instruction.op_count())
        .any(|operand| instruction.op_kind(operand) == OpKind::Register && is_named(instruction.op_register(operand)));
    let is_vector = instruction.memory_index().is_vector_register();
    let Some(operand) = modrm_operand(instruction).filter(|_| !is_operand && !is_vector) else { return false };
    let address = instruction.virtual_address(operand, 0, |register, _, _| input.registers.value(register));
    let Some(address) = address else { return false };
    if drop_segment {
        instruction.set_segment_prefix(Register::None);
        clear_bases(input);
    }
    let first = if input.bitness == Bitness::Bits64 { Register::RAX } else { Register::EAX };
    let before = instruction.memory_base();
    instruction.set_memory_base(first + number as u32);
    instruction.set_memory_index(Register::None);
    instruction.set_memory_index_scale(1);
    instruction.set_memory_displ_size(0);
    instruction.set_memory_displacement64(0);
    let base = input.registers.value(instruction.memory_segment()).unwrap_or(0);
    // POP from RSP and bit strings: what lies between the effective address and the access stays.
    let popped = super::beside(&decode(input.bitness, &input.code, input.registers.rip), &input.registers)
        - super::beside(instruction, &input.registers);
    let value = address.wrapping_add_signed(popped).wrapping_sub(base);
    if before.is_gpr() {
        // Exchanged, so that the old base does not keep an address for nothing.
        input.registers.general[before.full_register().number()] = input.registers.general[number];
    }
    input.registers.general[number] = if input.bitness == Bitness::Bits64 { value } else { value & 0xffff_ffff };
    true
}

/// The operand that a ModR/M byte names; XLAT and `MOV moffs` have none.
fn modrm_operand(instruction: &Instruction) -> Option<u32> {
    use iced_x86::OpCodeOperandKind as Kind;
    let info = instruction.op_code();
    (0..instruction.op_count()).find(|&operand| {
        instruction.op_kind(operand) == OpKind::Memory
            && !matches!(info.op_kind(operand), Kind::mem_offs | Kind::seg_rBX_al)
    })
}

fn clear_bases(input: &mut Input) {
    input.registers.segment_bases = [0; 6];
}

/// Number of the general register that a displacement can be moved to.
pub(super) fn base(instruction: &Instruction) -> Option<usize> {
    let base = instruction.memory_base();
    let is_alone = base != instruction.memory_index();
    modrm_operand(instruction)?;
    (base.is_gpr() && is_alone && base.size() > 2).then(|| base.full_register().number())
}

fn add(input: &mut Input, number: usize, value: u64) {
    let sum = input.registers.general[number].wrapping_add(value);
    input.registers.general[number] = if input.bitness == Bitness::Bits64 { sum } else { sum & 0xffff_ffff };
}

fn without_segment(input: &mut Input, instruction: &mut Instruction) -> bool {
    let value = input.registers.value(instruction.memory_segment()).unwrap_or(0);
    if instruction.segment_prefix() == Register::None {
        clear_bases(input);
        return true;
    }
    instruction.set_segment_prefix(Register::None);
    clear_bases(input);
    match (base(instruction), string_register(instruction)) {
        (Some(number), _) | (_, Some(number)) => add(input, number, value),
        _ if instruction.memory_size().size() > 0 && value == 0 => {}
        _ => {
            let displacement = instruction.memory_displacement64().wrapping_add(value);
            instruction.set_memory_displacement64(displacement);
        }
    }
    true
}

/// RSI or RDI, whichever an override of the segment changes.
fn string_register(instruction: &Instruction) -> Option<usize> {
    (0..instruction.op_count()).find_map(|operand| match instruction.op_kind(operand) {
        OpKind::MemorySegRSI | OpKind::MemorySegESI => Some(6),
        OpKind::MemorySegRDI | OpKind::MemorySegEDI => Some(7),
        _ => None,
    })
}

fn without_index(input: &mut Input, instruction: &mut Instruction) -> bool {
    let index = instruction.memory_index();
    let (Some(number), Some(value)) = (base(instruction), input.registers.value(index)) else { return false };
    let scaled = value.wrapping_mul(u64::from(instruction.memory_index_scale()));
    instruction.set_memory_index(Register::None);
    instruction.set_memory_index_scale(1);
    add(input, number, scaled);
    true
}

fn without_displacement(input: &mut Input, instruction: &mut Instruction) -> bool {
    let Some(number) = base(instruction) else { return false };
    let displacement = instruction.memory_displacement64();
    instruction.set_memory_displ_size(0);
    instruction.set_memory_displacement64(0);
    add(input, number, displacement);
    true
}

/// For what needs a displacement in its encoding, such as an access across a page from a register that has a meaning.
fn with_short_displacement(input: &mut Input, instruction: &mut Instruction) -> bool {
    const SHORT: u64 = 1;
    let Some(number) = base(instruction) else { return false };
    let displacement = instruction.memory_displacement64();
    instruction.set_memory_displ_size(1);
    instruction.set_memory_displacement64(SHORT);
    add(input, number, displacement.wrapping_sub(SHORT));
    true
}

/// Takes 64-bit addresses for strings, which need no prefix.
fn narrow_strings(input: &mut Input, instruction: &mut Instruction) -> bool {
    if input.bitness != Bitness::Bits64 {
        return false;
    }
    let mut has_changed = false;
    for operand in 0..instruction.op_count() {
        let wide = match instruction.op_kind(operand) {
            OpKind::MemorySegESI => OpKind::MemorySegRSI,
            OpKind::MemorySegEDI => OpKind::MemorySegRDI,
            OpKind::MemoryESEDI => OpKind::MemoryESRDI,
            _ => continue,
        };
        instruction.set_op_kind(operand, wide);
        has_changed = true;
    }
    // RCX, RSI and RDI: now all of their bits count.
    for number in [1, 6, 7] {
        input.registers.general[number] &= if has_changed { 0xffff_ffff } else { u64::MAX };
    }
    has_changed
}

/// Lower registers and immediates.
fn operands(shrinker: &mut Shrinker<'_>) {
    let instruction = decode(shrinker.best.bitness, &shrinker.best.code, shrinker.best.registers.rip);
    for operand in 0..instruction.op_count() {
        if instruction.op_kind(operand) == OpKind::Register {
            lower_register(shrinker, operand);
        } else if let Ok(value) = instruction.try_immediate(operand) {
            for smaller in [0, 1, value & 0xf, value & 0xff, value >> 1] {
                change(shrinker, |_, instruction| instruction.try_set_immediate_u64(operand, smaller).is_ok());
            }
        }
    }
}

/// Takes one of the first registers of a class, with the value of the one before or with its own.
fn lower_register(shrinker: &mut Shrinker<'_>, operand: u32) {
    for number in 0..4 {
        for brings_value in [true, false] {
            if change(shrinker, |input, instruction| lower(input, instruction, operand, number, brings_value)) {
                return;
            }
        }
    }
}

fn lower(input: &mut Input, instruction: &mut Instruction, operand: u32, number: u32, brings_value: bool) -> bool {
    let register = instruction.op_register(operand);
    let is_byte = register.is_gpr8();
    // AL to R15L follow each other, AH to BH among them; in the other classes a number says the same.
    let distance = if is_byte { register as u32 - Register::AL as u32 } else { register.number() as u32 };
    let has_class = register.is_gpr() || register.is_vector_register() || register.is_k() || register.is_mm();
    if distance <= number || !has_class {
        return false;
    }
    let lower = register - distance + number;
    instruction.set_op_register(operand, lower);
    if !register.is_gpr() || !brings_value {
        return true;
    }
    let [from, to] = [register, lower].map(|register| register.full_register().number());
    let named = [instruction.memory_base(), instruction.memory_index()];
    let is_address =
        |number: usize| named.iter().any(|named| named.is_gpr() && named.full_register().number() == number);
    if is_address(from) || is_address(to) {
        return false;
    }
    if is_byte {
        let value = input.registers.value(register).unwrap_or(0);
        input.registers.general[to] = value;
    } else {
        input.registers.general.swap(from, to);
    }
    true
}
