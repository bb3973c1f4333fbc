//! The memory operands of string instructions, element by element.

use super::{
    MAX_ELEMENTS, Unpredictable, content,
    operand::{Operand, linear},
    page::{self, Permission},
};
use crate::{effects::DF, machine::Input, registers::Registers};
use iced_x86::{Instruction, Mnemonic, OpKind, Register};

/// Whether operands are those of MOVS, CMPS, STOS, LODS or SCAS.
pub(super) fn is_string(instruction: &Instruction) -> bool {
    (0..instruction.op_count()).any(|operand| pointer(instruction.op_kind(operand)).is_some())
        && !is_mask_move(instruction)
}

// MASKMOVDQU implies DS:rDI, too, but is no string instruction.
fn is_mask_move(instruction: &Instruction) -> bool {
    matches!(instruction.mnemonic(), Mnemonic::Maskmovq | Mnemonic::Maskmovdqu | Mnemonic::Vmaskmovdqu)
}

/// Whether it is CMPS or SCAS, which set flags by each element.
pub(super) fn is_comparison(instruction: &Instruction) -> bool {
    use Mnemonic::{Cmpsb, Cmpsd, Cmpsq, Cmpsw, Scasb, Scasd, Scasq, Scasw};
    matches!(instruction.mnemonic(), Cmpsb | Cmpsw | Cmpsd | Cmpsq | Scasb | Scasw | Scasd | Scasq)
}

/// Whether it is a string instruction with a repeat prefix.
pub(super) fn is_repeated(instruction: &Instruction) -> bool {
    (instruction.has_rep_prefix() || instruction.has_repne_prefix()) && is_string(instruction)
}

/// Number of memory operands of each element, if it is a string instruction.
pub(super) fn operands_per_element(instruction: &Instruction) -> Option<usize> {
    is_string(instruction).then(|| by_direction(instruction).count().max(1))
}

/// Register that points to an operand of that kind, and whether it is the destination (whose segment is ES).
fn pointer(kind: OpKind) -> Option<(Register, bool)> {
    Some(match kind {
        OpKind::MemorySegSI => (Register::SI, false),
        OpKind::MemorySegESI => (Register::ESI, false),
        OpKind::MemorySegRSI => (Register::RSI, false),
        OpKind::MemoryESDI => (Register::DI, true),
        OpKind::MemoryESEDI => (Register::EDI, true),
        OpKind::MemoryESRDI => (Register::RDI, true),
        _ => return None,
    })
}

/// Operands of all elements in their order: of each element the source, then the destination.
///
/// Source: Intel SDM vol. 1, "String Operations"; vol. 2B, "REP/REPE/REPZ/REPNE/REPNZ".
pub(super) fn operands(instruction: &Instruction, input: &Input) -> Result<Vec<Operand>, Unpredictable> {
    let count = count(instruction, &input.registers);
    let mut operands = Vec::new();
    let mut is_certain = true;
    for element in 0..count {
        if element == MAX_ELEMENTS {
            return Err(Unpredictable::TooManyElements(count));
        }
        let start = operands.len();
        for kind in by_direction(instruction) {
            operands.push(operand(instruction, kind, element, input, is_certain));
        }
        let element = operands.get(start..).unwrap_or_default();
        match ends_here(instruction, input, element) {
            // It faults: what would follow need not be known, and may be endless.
            _ if element.iter().any(|operand| !is_accessible(operand, input)) => break,
            Some(true) => break,
            Some(false) => {}
            // Whether there is a next element depends on memory that is not known.
            None => is_certain = false,
        }
    }
    Ok(operands)
}

/// Whether both its first and its last byte may be accessed.
fn is_accessible(operand: &Operand, input: &Input) -> bool {
    let last = operand.address.wrapping_add(u64::from(operand.size_bytes.max(1)) - 1);
    [operand.address, last].into_iter().all(|address| match page::permission(input, address) {
        Permission::ReadWrite => true,
        Permission::Read => !operand.is_written,
        Permission::Absent | Permission::Unknown => false,
    })
}

/// Kinds of the memory operands, sources before destinations.
fn by_direction(instruction: &Instruction) -> impl Iterator<Item = OpKind> + use<> {
    let kinds = [instruction.op0_kind(), instruction.op1_kind()];
    [false, true].into_iter().flat_map(move |wanted| {
        kinds.into_iter().filter(move |&kind| pointer(kind).is_some_and(|(_, is_destination)| is_destination == wanted))
    })
}

fn operand(instruction: &Instruction, kind: OpKind, element: u64, input: &Input, is_certain: bool) -> Operand {
    let (register, is_destination) = pointer(kind).unwrap_or((Register::RSI, false));
    let size_bytes = instruction.memory_size().size() as u32;
    let start = input.registers.value(register).unwrap_or_default();
    let distance = element.wrapping_mul(u64::from(size_bytes));
    let is_down = input.registers.rflags & DF != 0;
    let offset = if is_down { start.wrapping_sub(distance) } else { start.wrapping_add(distance) };
    let offset = offset & address_mask(register);
    let segment = if is_destination { Register::ES } else { instruction.memory_segment() };
    let base = input.registers.value(segment).unwrap_or_default();
    let is_written = is_destination && matches!(mnemonic_of(instruction), Element::Move | Element::Store);
    Operand {
        address: linear(base.wrapping_add(offset), input.bitness),
        size_bytes,
        is_read: !is_written,
        is_written,
        is_read_certain: is_certain,
        is_write_certain: is_certain,
        is_only_checked: false,
        is_stack: segment == Register::SS,
        is_code: false,
        alignment: 1,
        elements: None,
    }
}

#[derive(PartialEq)]
enum Element {
    Move,
    Store,
    Load,
    Compare,
    Scan,
}

fn mnemonic_of(instruction: &Instruction) -> Element {
    match instruction.mnemonic() {
        Mnemonic::Movsb | Mnemonic::Movsw | Mnemonic::Movsd | Mnemonic::Movsq => Element::Move,
        Mnemonic::Stosb | Mnemonic::Stosw | Mnemonic::Stosd | Mnemonic::Stosq => Element::Store,
        Mnemonic::Cmpsb | Mnemonic::Cmpsw | Mnemonic::Cmpsd | Mnemonic::Cmpsq => Element::Compare,
        Mnemonic::Scasb | Mnemonic::Scasw | Mnemonic::Scasd | Mnemonic::Scasq => Element::Scan,
        _ => Element::Load,
    }
}

fn address_mask(register: Register) -> u64 {
    match register.size() {
        2 => 0xffff,
        4 => 0xffff_ffff,
        _ => u64::MAX,
    }
}

/// Number of elements unless the comparison ends them before.
fn count(instruction: &Instruction, registers: &Registers) -> u64 {
    if !is_repeated(instruction) {
        return 1;
    }
    let pointers = [instruction.op0_kind(), instruction.op1_kind()];
    let size = pointers.into_iter().find_map(pointer).map_or(8, |(register, _)| register.size());
    let register = match size {
        2 => Register::CX,
        4 => Register::ECX,
        _ => Register::RCX,
    };
    registers.value(register).unwrap_or_default()
}

/// Whether a comparison ends the repetition after this element; nothing if memory is not known.
fn ends_here(instruction: &Instruction, input: &Input, element: &[Operand]) -> Option<bool> {
    let read = |operand: &Operand| content::read(input, operand.address, operand.size_bytes);
    let is_equal = match (mnemonic_of(instruction), element) {
        (Element::Compare, [source, destination]) => read(source)? == read(destination)?,
        (Element::Scan, [destination]) => {
            let accumulator = match destination.size_bytes {
                1 => Register::AL,
                2 => Register::AX,
                4 => Register::EAX,
                _ => Register::RAX,
            };
            read(destination)? == input.registers.value(accumulator)?
        }
        _ => return Some(false),
    };
    // REPE goes on while the operands are equal, REPNE while they are not.
    Some(if instruction.has_repne_prefix() { is_equal } else { !is_equal })
}
