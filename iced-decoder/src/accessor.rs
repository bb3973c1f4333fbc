//! Which instruction made an access that a hypervisor reported.

use crate::{
    access::{Access, accesses},
    registers::Registers,
};
use iced_x86::{Decoder, DecoderOptions, Instruction};

/// The longest instruction in bytes (Intel SDM vol. 2A, "Instruction Format").
const MAX_INSTRUCTION_BYTES: usize = 15;
/// Linear and physical addresses have these bits in common, whatever the page size.
const PAGE_OFFSET: u64 = 0xfff;

/// Code on both sides of an instruction pointer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Code<'a> {
    /// Up to 15 bytes that end directly below RIP.
    pub before: &'a [u8],
    /// Up to 15 bytes from RIP on.
    pub at: &'a [u8],
}

/// Where an instruction stands with respect to RIP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// RIP points to it: the access is not completed.
    AtRip,
    /// RIP points behind it: the access is completed but for the device.
    BeforeRip,
}

/// An instruction that makes the access in question.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Accessor {
    /// The instruction.
    pub instruction: Instruction,
    /// Where it stands.
    pub place: Place,
}

/// Finds the instruction that makes `access`, whose address may be physical: only the offset in its page is compared.
///
/// A hypervisor reports reads with RIP at the instruction. For writes RIP is already behind it on KVM, so if the
/// instruction at RIP does not fit, the shortest one that ends there and fits is taken. Nothing is returned if none
/// fits; an access that is only a part of the predicted one (a wide write comes in parts of eight bytes) does fit.
pub fn accessor(code: Code<'_>, registers: &Registers, access: &Access) -> Option<Accessor> {
    let at = decode(code.at, registers, registers.rip).filter(|instruction| fits(instruction, registers, access));
    if let Some(instruction) = at {
        return Some(Accessor { instruction, place: Place::AtRip });
    }
    (1..=code.before.len().min(MAX_INSTRUCTION_BYTES)).find_map(|length| {
        let bytes = code.before.get(code.before.len() - length..)?;
        let rip = registers.rip.wrapping_sub(length as u64);
        let instruction = decode(bytes, registers, rip).filter(|instruction| instruction.len() == length)?;
        let before = Registers { rip, ..*registers };
        fits(&instruction, &before, access).then_some(Accessor { instruction, place: Place::BeforeRip })
    })
}

fn decode(bytes: &[u8], registers: &Registers, rip: u64) -> Option<Instruction> {
    let mut decoder = Decoder::with_ip(registers.bitness.bits(), bytes, rip, DecoderOptions::NONE);
    let instruction = decoder.decode();
    (!instruction.is_invalid()).then_some(instruction)
}

fn fits(instruction: &Instruction, registers: &Registers, access: &Access) -> bool {
    let accesses = accesses(instruction, registers);
    let same_kind = |predicted: &&Access| predicted.space == access.space && predicted.direction == access.direction;
    let has_moved = instruction.is_string_instruction();
    accesses.iter().filter(same_kind).any(|predicted| {
        // The registers of a string instruction may have moved on already.
        let distance = access.address.wrapping_sub(predicted.address) & PAGE_OFFSET;
        has_moved || distance < u64::from(predicted.size_bytes)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Direction, Space};
    use iced_x86::{Mnemonic, code_asm::*};

    fn code(build: impl FnOnce(&mut CodeAssembler)) -> Vec<u8> {
        let mut assembler = CodeAssembler::new(64).unwrap();
        build(&mut assembler);
        assembler.assemble(0x20_0000).unwrap()
    }

    fn state() -> Registers {
        let mut registers = Registers { rip: 0x20_0000, ..Registers::default() };
        registers.general[3] = 0xd000_0000;
        registers
    }

    const WRITE: Access =
        Access { space: Space::Memory, address: 0xd000_0010, size_bytes: 4, direction: Direction::Write };

    #[test]
    fn read_is_the_instruction_at_rip() {
        let bytes = code(|a| a.mov(eax, dword_ptr(rbx + 0x10)).unwrap());
        let read = Access { direction: Direction::Read, ..WRITE };
        let found = accessor(Code { before: &[], at: &bytes }, &state(), &read).unwrap();
        assert_eq!((found.instruction.mnemonic(), found.place), (Mnemonic::Mov, Place::AtRip));
    }

    #[test]
    fn completed_write_is_the_instruction_that_ends_at_rip() {
        let before = code(|a| {
            a.xor(ecx, ecx).unwrap();
            a.or(dword_ptr(rbx + 0x10), 1).unwrap();
        });
        let at = code(|a| a.mov(eax, dword_ptr(rbx + 0x10)).unwrap());
        let found = accessor(Code { before: &before, at: &at }, &state(), &WRITE).unwrap();
        assert_eq!((found.instruction.mnemonic(), found.place), (Mnemonic::Or, Place::BeforeRip));
        assert_eq!(found.instruction.next_ip(), 0x20_0000);
    }

    #[test]
    fn second_half_of_a_wide_write_fits() {
        let before = code(|a| a.movups(xmmword_ptr(rbx + 8), xmm0).unwrap());
        let found = accessor(Code { before: &before, at: &[] }, &state(), &WRITE).unwrap();
        assert_eq!(found.instruction.mnemonic(), Mnemonic::Movups);
    }

    #[test]
    fn accesses_that_nothing_there_makes_have_no_accessor() {
        let bytes = code(|a| a.mov(eax, dword_ptr(rbx + 0x20)).unwrap());
        assert_eq!(accessor(Code { before: &bytes, at: &bytes }, &state(), &WRITE), None);
        assert_eq!(accessor(Code::default(), &state(), &WRITE), None);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_decoded_without_panic(before: Vec<u8>, at: Vec<u8>, address: u64, general: [u64; 16], rip: u64) {
            let registers = Registers { general, rip, ..Registers::default() };
            accessor(Code { before: &before, at: &at }, &registers, &Access { address, ..WRITE });
        }
    }
}
