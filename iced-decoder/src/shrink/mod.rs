//! Makes an input that shows a difference as small as it can be made, so that a human sees what matters.
//!
//! One thing is made simpler at a time: the encoding, the place of the operand, registers, flags, memory, extended state.
//! What still shows the difference is kept, until a round over everything changes nothing or [`MAX_TRIES`] is reached.
//! The form stays, the operand stays inside a window, and each step makes the input cheaper, so that the result
//! depends on the input and the answers only.

mod encoding;
mod place;
mod state;

use crate::{
    generate::decode,
    machine::{
        Input,
        window::{self, CODE, CODE_OFFSET, Window},
    },
    predict::predict,
    registers::Registers,
};
use iced_x86::{Instruction, Mnemonic, OpCodeOperandKind, OpKind, Register};

/// So often at most is it asked whether an input still fails: 40 ms at 20 µs an execution.
pub const MAX_TRIES: u32 = 2000;

/// Shrinks `input`, which fails, to a smaller one for which `still_fails` is true.
///
/// `still_fails` should be true for the same difference only, not for any, or the result may show another one. It is
/// called at most [`MAX_TRIES`] times, never with `input` itself. If it is never true, `input` is returned.
pub fn shrink(input: &Input, still_fails: &mut dyn FnMut(&Input) -> bool) -> Input {
    shrink_within(MAX_TRIES, input, still_fails)
}

fn shrink_within(max_tries: u32, input: &Input, still_fails: &mut dyn FnMut(&Input) -> bool) -> Input {
    let mut shrinker = Shrinker { best: input.clone(), cost: cost(input), tries_left: max_tries, still_fails };
    loop {
        let before = shrinker.cost;
        encoding::simplify(&mut shrinker);
        place::simplify(&mut shrinker);
        state::simplify(&mut shrinker);
        if shrinker.cost == before || shrinker.is_exhausted() {
            return shrinker.best;
        }
    }
}

/// What has been reached.
struct Shrinker<'a> {
    best: Input,
    cost: u64,
    tries_left: u32,
    still_fails: &'a mut dyn FnMut(&Input) -> bool,
}

impl Shrinker<'_> {
    fn is_exhausted(&self) -> bool {
        self.tries_left == 0
    }

    /// Takes `candidate` if it is cheaper, of the same form, with its operands at `shift` from where they are, and if it
    /// still fails.
    fn offer(&mut self, candidate: Input, shift: i64) -> bool {
        let cost = cost(&candidate);
        if cost >= self.cost || self.is_exhausted() || !is_alike(&self.best, &candidate, shift) {
            return false;
        }
        self.tries_left -= 1;
        let is_taken = (self.still_fails)(&candidate);
        if is_taken {
            self.best = candidate;
            self.cost = cost;
        }
        is_taken
    }

    /// Offers the best input as `change` leaves it.
    fn offer_changed(&mut self, change: impl FnOnce(&mut Input)) -> bool {
        let mut candidate = self.best.clone();
        change(&mut candidate);
        self.offer(candidate, 0)
    }

    /// Resets as many of `items` as possible: all of them, halves, quarters, down to single ones.
    fn reset_most<T: Copy>(&mut self, items: &[T], reset: impl Fn(&mut Input, &[T])) {
        let mut rest = items.to_vec();
        let mut size = rest.len();
        while size > 0 && !rest.is_empty() {
            let mut kept = Vec::with_capacity(rest.len());
            for chunk in rest.chunks(size) {
                if !self.offer_changed(|input| reset(input, chunk)) {
                    kept.extend_from_slice(chunk);
                }
            }
            rest = kept;
            size = if size == 1 { 0 } else { size.min(rest.len()).div_ceil(2) };
        }
    }
}

/// How far an input is from the simplest one. A byte of code weighs most, then whether something is used at all.
fn cost(input: &Input) -> u64 {
    let bits = |value: u64| u64::from(value.count_ones());
    let registers = &input.registers;
    let values = registers.general.iter().chain(&registers.segment_bases);
    let values: u64 =
        values.filter(|value| **value != 0).map(|&value| 32 + bits(value) + u64::from(value.ilog2())).sum();
    let nr_state = input.extended.as_ref().map_or(0, |extended| state::cost(extended));
    let instruction = decode(input.bitness, &input.code, registers.rip);
    let offset = operands(&instruction, registers)[0].map_or(0, |address| address.wrapping_sub(input.window.address()));
    input.code.len() as u64 * 128
        + name_cost(&instruction)
        + values
        + 8 * bits(registers.rflags)
        + if registers.rip == CODE + CODE_OFFSET { 0 } else { 64 }
        + Window::ALL.iter().position(|window| *window == input.window).map_or(0, |number| 128 * (number as u64).min(2))
        + bits(offset).min(64)
        + 4 * bits(offset & 63)
        + nr_state
        + input.memory.iter().map(|&(_, byte)| 2 + bits(byte.into())).sum::<u64>()
        + if input.memory_seed == 0 { 0 } else { 64 + bits(input.memory_seed) }
}

/// What an instruction names costs a little, so that of encodings of one length the plainer one is kept.
fn name_cost(instruction: &Instruction) -> u64 {
    let named = (0..instruction.op_count())
        .filter(|&operand| instruction.op_kind(operand) == OpKind::Register)
        .map(|operand| u64::from(instruction.op_register(operand).number() as u32));
    let has = [
        instruction.memory_index() != Register::None,
        instruction.has_lock_prefix(),
        instruction.has_rep_prefix() || instruction.has_repne_prefix(),
        instruction.op_mask() != Register::None,
        instruction.zeroing_masking(),
        instruction.is_broadcast(),
        instruction.segment_prefix() != Register::None,
    ];
    named.sum::<u64>()
        + encoding::base_cost(instruction)
        + 8 * has.iter().filter(|has| **has).count() as u64
        + immediate_cost(instruction)
}

fn immediate_cost(instruction: &Instruction) -> u64 {
    let immediates = (0..instruction.op_count()).filter_map(|operand| instruction.try_immediate(operand).ok());
    immediates.map(|immediate| u64::from(immediate.count_ones())).sum()
}

/// Whether two inputs execute the same form, the second one with its operands at `shift` from those of the first one.
fn is_alike(one: &Input, other: &Input, shift: i64) -> bool {
    let instruction = decode(one.bitness, &one.code, one.registers.rip);
    if instruction.is_vsib() {
        // Each element has a place, which vector registers decide.
        let is_same_form = decode(other.bitness, &other.code, other.registers.rip).code() == instruction.code();
        return is_same_form && predict(other).is_ok_and(|after| after.instruction.len() == other.code.len());
    }
    if one.registers == other.registers && one.code == other.code && one.window == other.window {
        // Memory, extended state: nothing of that moves an operand that is told here.
        return shift == 0;
    }
    let [before, after] = [one, other].map(|input| decode(input.bitness, &input.code, input.registers.rip));
    let expected =
        operands(&before, &one.registers).map(|address| address.map(|address| address.wrapping_add_signed(shift)));
    let is_inside = |input: &Input, address: u64| {
        address.checked_sub(input.window.address()).is_some_and(|offset| offset < window::SIZE as u64)
    };
    let addresses = operands(&before, &one.registers).into_iter().zip(operands(&after, &other.registers));
    let stays = |(before, after): (Option<u64>, Option<u64>)| {
        !before.is_some_and(|before| is_inside(one, before)) || after.is_some_and(|after| is_inside(other, after))
    };
    before.code() == after.code()
        && addresses.into_iter().all(stays)
        && after.len() == other.code.len()
        && expected == operands(&after, &other.registers)
        && (!before.is_stack_instruction() || one.registers.general[4] == other.registers.general[4])
}

/// Linear addresses of the memory operands, as far as general registers tell.
fn operands(instruction: &Instruction, registers: &Registers) -> [Option<u64>; 2] {
    let mut addresses = [None; 2];
    let mut nr = 0;
    for operand in 0..instruction.op_count() {
        let is_address = match instruction.op_kind(operand) {
            OpKind::Register => is_register_address(instruction, operand),
            OpKind::Memory
            | OpKind::MemorySegSI
            | OpKind::MemorySegESI
            | OpKind::MemorySegRSI
            | OpKind::MemorySegDI
            | OpKind::MemorySegEDI
            | OpKind::MemorySegRDI
            | OpKind::MemoryESDI
            | OpKind::MemoryESEDI
            | OpKind::MemoryESRDI => true,
            _ => false,
        };
        if !is_address || nr == addresses.len() {
            continue;
        }
        addresses[nr] = match instruction.op_kind(operand) {
            OpKind::Register => registers.value(instruction.op_register(operand)),
            _ => instruction
                .virtual_address(operand, 0, |register, _, _| registers.value(register))
                .map(|address| address.wrapping_add_signed(beside(instruction, registers))),
        };
        nr += 1;
    }
    addresses
}

/// Whether a register operand holds an address (MOVDIR64B).
fn is_register_address(instruction: &Instruction, operand: u32) -> bool {
    use OpCodeOperandKind as Kind;
    matches!(instruction.op_code().op_kind(operand), Kind::r16_reg_mem | Kind::r32_reg_mem | Kind::r64_reg_mem)
}

/// Distance of the access from the effective address: of a bit string, and of POP to an address from RSP.
///
/// Source: Intel SDM vol. 1, "Bit Strings"; vol. 2, "POP".
fn beside(instruction: &Instruction, registers: &Registers) -> i64 {
    match instruction.mnemonic() {
        Mnemonic::Bt | Mnemonic::Btc | Mnemonic::Btr | Mnemonic::Bts if instruction.op1_kind() == OpKind::Register => {
            let register = instruction.op1_register();
            let bits = 8 * register.size() as u32;
            let value = registers.value(register).unwrap_or(0) << (64 - bits);
            (value as i64 >> (64 - bits)).div_euclid(bits.into()) * i64::from(bits / 8)
        }
        Mnemonic::Pop if instruction.memory_base().full_register() == Register::RSP => {
            instruction.memory_size().size() as i64
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
