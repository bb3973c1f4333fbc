//! The accesses of one instruction.

use crate::registers::Registers;
use iced_x86::{Code, Instruction, InstructionInfoFactory, Mnemonic, OpAccess, OpKind, Register};

/// Where an access goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// Memory, by linear address.
    Memory,
    /// Ports.
    Port,
}

/// Which way data goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To the processor.
    Read,
    /// From the processor.
    Write,
}

/// One access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Where it goes.
    pub space: Space,
    /// Linear address or port of the first byte.
    pub address: u64,
    /// Size in bytes.
    pub size_bytes: u32,
    /// Which way.
    pub direction: Direction,
}

/// The accesses that an instruction makes to memory and ports with these registers, reads before writes; for a string
/// instruction those of one element. Fetches, page-table and descriptor accesses are not told.
///
/// Nothing is returned for accesses whose address depends on registers that [`Registers`] does not hold (such as the
/// index vector of a gather).
///
/// Source: Intel SDM vol. 1, "Specifying an Offset"; vol. 2, the instructions.
pub fn accesses(instruction: &Instruction, registers: &Registers) -> Vec<Access> {
    let mut reads = Vec::new();
    let mut writes = Vec::new();
    let mut factory = InstructionInfoFactory::new();
    for memory in factory.info(instruction).used_memory() {
        let address = memory.virtual_address(0, |register, _, _| registers.value(register));
        let (Some(address), size_bytes @ 1..) = (address, memory.memory_size().size()) else { continue };
        let size_bytes = u32::try_from(size_bytes).unwrap_or(u32::MAX);
        let access = |direction| Access { space: Space::Memory, address, size_bytes, direction };
        if reads_memory(memory.access()) {
            reads.push(access(Direction::Read));
        }
        if writes_memory(memory.access()) {
            writes.push(access(Direction::Write));
        }
    }
    match port_access(instruction, registers) {
        Some(access) if access.direction == Direction::Read => reads.push(access),
        Some(access) => writes.push(access),
        None => {}
    }
    reads.append(&mut writes);
    reads
}

fn reads_memory(access: OpAccess) -> bool {
    matches!(access, OpAccess::Read | OpAccess::CondRead | OpAccess::ReadWrite | OpAccess::ReadCondWrite)
}

fn writes_memory(access: OpAccess) -> bool {
    matches!(access, OpAccess::Write | OpAccess::CondWrite | OpAccess::ReadWrite | OpAccess::ReadCondWrite)
}

fn port_access(instruction: &Instruction, registers: &Registers) -> Option<Access> {
    let direction = match instruction.mnemonic() {
        Mnemonic::In | Mnemonic::Insb | Mnemonic::Insw | Mnemonic::Insd => Direction::Read,
        Mnemonic::Out | Mnemonic::Outsb | Mnemonic::Outsw | Mnemonic::Outsd => Direction::Write,
        _ => return None,
    };
    let size_bytes = match instruction.code() {
        Code::In_AL_imm8 | Code::In_AL_DX | Code::Out_imm8_AL | Code::Out_DX_AL => 1,
        Code::In_AX_imm8 | Code::In_AX_DX | Code::Out_imm8_AX | Code::Out_DX_AX => 2,
        Code::In_EAX_imm8 | Code::In_EAX_DX | Code::Out_imm8_EAX | Code::Out_DX_EAX => 4,
        // INS and OUTS: the size of their memory operand.
        _ => u32::try_from(instruction.memory_size().size()).ok()?,
    };
    let has_immediate = (0..instruction.op_count()).any(|operand| instruction.op_kind(operand) == OpKind::Immediate8);
    let port = if has_immediate { u64::from(instruction.immediate8()) } else { registers.value(Register::DX)? };
    Some(Access { space: Space::Port, address: port, size_bytes, direction })
}

#[cfg(test)]
mod tests {
    use super::*;
    use Direction::{Read, Write};
    use iced_x86::{IcedError, code_asm::*};

    fn predicted(
        build: impl FnOnce(&mut CodeAssembler) -> Result<(), IcedError>,
        registers: &Registers,
    ) -> Vec<Access> {
        let mut assembler = CodeAssembler::new(64).unwrap();
        build(&mut assembler).unwrap();
        let bytes = assembler.assemble(registers.rip).unwrap();
        let mut decoder = iced_x86::Decoder::with_ip(64, &bytes, registers.rip, 0);
        accesses(&decoder.decode(), registers)
    }

    fn state() -> Registers {
        let mut registers = Registers { rip: 0x20_0000, ..Registers::default() };
        registers.general = std::array::from_fn(|number| 0x1000 * (number as u64 + 1));
        registers.segment_bases[5] = 0x70_0000;
        registers
    }

    fn memory(direction: Direction, address: u64, size_bytes: u32) -> Access {
        Access { space: Space::Memory, address, size_bytes, direction }
    }

    fn port(direction: Direction, address: u64, size_bytes: u32) -> Access {
        Access { space: Space::Port, address, size_bytes, direction }
    }

    #[test]
    fn addresses_are_base_plus_scaled_index_plus_displacement() {
        let seen = predicted(|a| a.mov(eax, dword_ptr(rbx + rcx * 4 - 8)), &state());
        assert_eq!(seen, [memory(Read, 0x4000 + 0x2000 * 4 - 8, 4)]);
    }

    #[test]
    fn read_modify_write_reads_then_writes() {
        let seen = predicted(|a| a.lock().xadd(qword_ptr(rdi), rax), &state());
        assert_eq!(seen, [memory(Read, 0x8000, 8), memory(Write, 0x8000, 8)]);
    }

    #[test]
    fn relative_addresses_count_from_the_next_instruction() {
        // `mov eax, [rip+0x10]`: the assembler takes absolute targets, so the bytes are decoded as they stand.
        let bytes = [0x8b, 0x05, 0x10, 0, 0, 0];
        let instruction = iced_x86::Decoder::with_ip(64, &bytes, 0x20_0000, 0).decode();
        assert_eq!(accesses(&instruction, &state()), [memory(Read, 0x20_0016, 4)]);
    }

    #[test]
    fn gs_base_counts_and_address_size_truncates() {
        let seen = predicted(|a| a.mov(byte_ptr(eax).gs(), cl), &state());
        assert_eq!(seen, [memory(Write, 0x70_1000, 1)]);
    }

    #[test]
    fn string_moves_read_the_source_and_write_the_destination() {
        let seen = predicted(|a| a.movsd(), &state());
        assert_eq!(seen, [memory(Read, 0x7000, 4), memory(Write, 0x8000, 4)]);
    }

    #[test]
    fn pushes_write_below_the_stack_pointer() {
        assert_eq!(predicted(|a| a.push(rax), &state()), [memory(Write, 0x4ff8, 8)]);
    }

    #[test]
    fn ports_come_from_the_immediate_or_from_dx() {
        assert_eq!(predicted(|a| a.in_(al, 0x64), &state()), [port(Read, 0x64, 1)]);
        let mut registers = state();
        registers.general[2] = 0xffff_0000_0000_03f8;
        assert_eq!(predicted(|a| a.out(dx, eax), &registers), [port(Write, 0x3f8, 4)]);
        assert_eq!(predicted(|a| a.outsw(), &registers), [memory(Read, 0x7000, 2), port(Write, 0x3f8, 2)]);
    }

    #[test]
    fn address_computations_access_nothing() {
        assert_eq!(predicted(|a| a.lea(rax, ptr(rbx + 8)), &state()), []);
        assert_eq!(predicted(|a| a.add(rax, rbx), &state()), []);
    }
}
