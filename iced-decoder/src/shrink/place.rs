//! A plainer place for the operand.

use super::{Shrinker, encoding};
use crate::{
    generate::decode,
    machine::{
        Input,
        window::{PAGE, SIZE, Window},
    },
    registers::Bitness,
};
use iced_x86::{Instruction, OpKind, Register};

/// Tries simpler windows, and offsets that are aligned or in the first page.
pub(super) fn simplify(shrinker: &mut Shrinker<'_>) {
    for window in [Window::Plain, Window::EndsAbsent] {
        let here = shrinker.best.window;
        if window.address() < here.address() {
            let shift = window.address() as i64 - here.address() as i64;
            offer_moved(shrinker, window, shift);
        }
    }
    let Some(offset) = offset(&shrinker.best) else { return };
    let page = offset & !(PAGE as i64 - 1);
    let near_end = page + PAGE as i64 - 1;
    for wanted in [0, page, offset & !0x3f, offset & !0xf, offset & !7, offset & !3, offset & !1, near_end] {
        let Some(offset) = self::offset(&shrinker.best) else { return };
        offer_moved(shrinker, shrinker.best.window, wanted - offset);
    }
}

/// Offset of the first operand in its window.
fn offset(input: &Input) -> Option<i64> {
    let instruction = decode(input.bitness, &input.code, input.registers.rip);
    let [address, _] = super::operands(&instruction, &input.registers);
    Some(address?.wrapping_sub(input.window.address()) as i64).filter(|offset| (0..SIZE as i64).contains(offset))
}

fn offer_moved(shrinker: &mut Shrinker<'_>, window: Window, shift: i64) -> bool {
    let candidate = moved(&shrinker.best, window, shift);
    candidate.is_some_and(|candidate| shrinker.offer(candidate, shift))
}

/// The input with its operands `shift` bytes higher, and with the bytes that they hold.
fn moved(input: &Input, window: Window, shift: i64) -> Option<Input> {
    let mut moved = input.clone();
    let mut instruction = decode(input.bitness, &input.code, input.registers.rip);
    let within = shift.wrapping_add(input.window.address() as i64).wrapping_sub(window.address() as i64);
    let has_code_changed = shift_operands(&mut moved, &mut instruction, shift);
    moved.window = window;
    let stay =
        |offset: u16| u16::try_from(i64::from(offset) + within).ok().filter(|offset| usize::from(*offset) < SIZE);
    moved.memory = input.memory.iter().filter_map(|&(offset, byte)| Some((stay(offset)?, byte))).collect();
    if has_code_changed { encoding::with_instruction(&moved, &instruction) } else { Some(moved) }
}

/// 16 bits reach a window by the segment's base only.
fn shift_base(input: &mut Input, instruction: &Instruction, shift: i64) {
    let base = &mut input.registers.segment_bases[instruction.memory_segment().number()];
    *base = base.wrapping_add_signed(shift) & 0xffff_ffff;
}

/// Returns whether the instruction, and not only a register, was changed.
fn shift_operands(input: &mut Input, instruction: &mut Instruction, shift: i64) -> bool {
    let mut numbers = Vec::with_capacity(2);
    let mut has_code_changed = false;
    for operand in 0..instruction.op_count() {
        match instruction.op_kind(operand) {
            OpKind::MemorySegSI | OpKind::MemorySegDI => shift_base(input, instruction, shift),
            OpKind::MemorySegRSI | OpKind::MemorySegESI => numbers.push(6),
            OpKind::MemorySegRDI | OpKind::MemorySegEDI | OpKind::MemoryESRDI | OpKind::MemoryESEDI => numbers.push(7),
            OpKind::Register if super::is_register_address(instruction, operand) => {
                numbers.push(instruction.op_register(operand).full_register().number());
            }
            OpKind::Memory => {
                let base = instruction.memory_base();
                let keeps_rsp = base.full_register() == Register::RSP && instruction.is_stack_instruction();
                let is_both = base == instruction.memory_index();
                if base.size() == 2 || base == Register::None && instruction.memory_displ_size() == 2 {
                    shift_base(input, instruction, shift);
                } else if base.is_gpr() && !keeps_rsp && !is_both {
                    numbers.push(base.full_register().number());
                } else {
                    let displacement = instruction.memory_displacement64().wrapping_add_signed(shift);
                    instruction.set_memory_displacement64(displacement);
                    has_code_changed = true;
                }
            }
            _ => {}
        }
    }
    // A register that is two operands is moved once.
    numbers.dedup();
    for number in numbers {
        let moved = input.registers.general[number].wrapping_add_signed(shift);
        let is_wide = input.bitness == Bitness::Bits64;
        input.registers.general[number] = if is_wide { moved } else { moved & 0xffff_ffff };
    }
    has_code_changed
}
