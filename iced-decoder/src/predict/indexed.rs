//! Gathers and scatters: one operand for each element that the mask selects, addressed by a vector of indices.
//!
//! Source: Intel SDM vol. 2, "VGATHERDPS/VGATHERDPD", "VPSCATTERDD/VPSCATTERDQ/VPSCATTERQD/VPSCATTERQQ" and the like, in both
//! encodings: faults are delivered from the lowest element to the highest, elements above the one that faults may be done
//! or not, and those below it are done; writes to overlapping addresses are ordered from the lowest element on, and earlier
//! ones that overlap completely may be skipped.

use super::{
    Unpredictable,
    mask::{Elements, Others, low_bits, opmask, signs},
    operand::{Operand, linear},
};
use crate::{
    effects::Effects,
    machine::{Input, VECTOR_BYTES},
    registers::Bitness,
};
use iced_x86::{Instruction, InstructionInfo, OpKind, Register};
use std::ops::Range;

/// What a gather or scatter works on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// The register that is loaded or stored.
    data: Register,
    /// The register whose signs are the mask; nothing if that is the opmask register.
    mask: Option<Register>,
    /// Whether memory is written.
    is_scatter: bool,
    /// Size of an element in bytes.
    element_bytes: usize,
    /// Number of elements.
    nr: usize,
    /// A bit for each element that the mask selects.
    selected: u64,
}

impl Shape {
    /// Nothing if the input does not tell vector registers.
    pub(super) fn new(instruction: &Instruction, input: &Input) -> Option<Self> {
        let is_scatter = instruction.op0_kind() == OpKind::Memory;
        let data = if is_scatter { instruction.op1_register() } else { instruction.op0_register() };
        let mask = Some(instruction.op2_register()).filter(|register| register.is_vector_register());
        let element_bytes = instruction.memory_size().size().max(1);
        let index_bytes = if instruction.is_vsib64() { 8 } else { 4 };
        let nr = (data.size() / element_bytes).min(instruction.memory_index().size() / index_bytes);
        let extended = input.extended.as_ref()?;
        let selected = match mask {
            Some(mask) => signs(&extended.vector(mask.number()), element_bytes),
            None => opmask(instruction, input)?,
        };
        Some(Self { data, mask, is_scatter, element_bytes, nr, selected: selected & low_bits(nr as u32) })
    }

    /// Numbers of the elements that are selected, the lowest first.
    fn elements(&self) -> impl DoubleEndedIterator<Item = usize> + use<> {
        let Self { nr, selected, .. } = *self;
        (0..nr).filter(move |number| selected >> number & 1 != 0)
    }

    /// The bytes of an element in its register, a bit for each.
    fn bytes(&self, number: usize) -> u64 {
        low_bits(self.element_bytes as u32).checked_shl((number * self.element_bytes) as u32).unwrap_or(0)
    }

    /// The bytes of a register behind its elements.
    fn behind(&self) -> u64 {
        !low_bits((self.nr * self.element_bytes) as u32)
    }
}

/// The operands, the lowest element first.
pub(super) fn operands(
    instruction: &Instruction,
    info: &InstructionInfo,
    input: &Input,
) -> Result<Vec<Operand>, Unpredictable> {
    let shape = Shape::new(instruction, input).ok_or(Unpredictable::Address)?;
    let indices = input.extended.as_ref().map(|extended| extended.vector(instruction.memory_index().number()));
    let (Some(indices), Some(used)) = (indices, info.used_memory().first()) else { return Err(Unpredictable::Address) };
    let value = |register: Register, element: usize, size: usize| {
        if !register.is_vector_register() {
            return input.registers.value(register);
        }
        let bytes = indices.get(element * size..(element + 1) * size)?;
        Some(bytes.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte)))
    };
    let mut operands: Vec<Operand> = Vec::with_capacity(shape.nr);
    for number in shape.elements() {
        let address = used.virtual_address(number, value).ok_or(Unpredictable::Address)?;
        let address = linear(address, input.bitness);
        let size_bytes = shape.element_bytes as u32;
        if shape.is_scatter {
            let earlier = operands.iter_mut().filter(|earlier| earlier.address == address);
            earlier.for_each(|earlier| earlier.is_write_certain = false);
        }
        let element =
            Elements { address, size_bytes, element_bytes: size_bytes, selected: 1, others: Others::Suppressed };
        operands.push(Operand {
            address,
            size_bytes,
            is_read: !shape.is_scatter,
            is_written: shape.is_scatter,
            is_read_certain: true,
            is_write_certain: true,
            is_only_checked: false,
            is_stack: used.segment() == Register::SS,
            is_code: used.segment() == Register::CS && input.bitness != Bitness::Bits64,
            // No alignment is checked, with AC neither.
            alignment: 1,
            elements: Some(element),
        });
    }
    Ok(operands)
}

/// Notes what the instruction may change: the data of a gather, and the mask, which is cleared element by element.
pub(super) fn note_changes(instruction: &Instruction, input: &Input, effects: &mut Effects) {
    let Some(shape) = Shape::new(instruction, input) else { return };
    let vector = |register: Register| 1_u32.checked_shl(register.number() as u32).unwrap_or(0);
    if !shape.is_scatter {
        effects.vector |= vector(shape.data);
    }
    match shape.mask {
        Some(mask) => effects.vector |= vector(mask),
        None => effects.opmask |= 1 << (instruction.op_mask().number() & 7),
    }
}

/// What is left open after the fault of operand number `index`: whether the elements above it are done, and which of the
/// bits that say nothing have changed. Returned are the places in memory that may have been written.
pub(super) fn note_fault(
    instruction: &Instruction,
    operands: &[Operand],
    index: usize,
    input: &Input,
    effects: &mut Effects,
) -> Vec<Range<u64>> {
    let (Some(shape), Some(extended)) = (Shape::new(instruction, input), &input.extended) else { return Vec::new() };
    let Some(faulting) = shape.elements().nth(index) else { return Vec::new() };
    let above = |number: &usize| *number > faulting;
    let data = shape.elements().filter(above).fold(shape.behind(), |bytes, number| bytes | shape.bytes(number));
    if !shape.is_scatter {
        effects.vector_undefined[0] = (shape.data.number() as u8, data);
    }
    match shape.mask {
        Some(mask) => {
            let open = open_mask_bytes(&shape, faulting, &extended.vector(mask.number()));
            effects.vector_undefined[1] = (mask.number() as u8, open);
        }
        None => {
            let bits =
                shape.elements().filter(above).fold(!low_bits(shape.nr as u32), |bits, number| bits | 1 << number);
            effects.opmask_undefined = (instruction.op_mask().number() as u8, bits);
        }
    }
    let later = operands.get(index + 1..).unwrap_or_default().iter().filter(|operand| operand.is_written);
    later.map(|operand| operand.address..operand.address.wrapping_add(operand.size_bytes.into())).collect()
}

/// The bytes of a mask in a vector register that are open: the sign of an element may be spread over all of it before the
/// first access, so that other bits of what is not done are those from before or copies of it.
fn open_mask_bytes(shape: &Shape, faulting: usize, before: &[u8; VECTOR_BYTES]) -> u64 {
    (0..shape.nr).fold(shape.behind(), |open, number| {
        let is_selected = shape.selected >> number & 1 != 0;
        let bytes = shape.bytes(number);
        let range = number * shape.element_bytes..(number + 1) * shape.element_bytes;
        let is_spread =
            |value: u8| before.get(range.clone()).is_some_and(|bytes| bytes.iter().all(|byte| *byte == value));
        let is_settled = match (is_selected, number.cmp(&faulting)) {
            (true, std::cmp::Ordering::Less) => true,
            (true, std::cmp::Ordering::Equal) => is_spread(0xff),
            (true, std::cmp::Ordering::Greater) => false,
            (false, _) => is_spread(0),
        };
        if is_settled { open } else { open | bytes }
    })
}
