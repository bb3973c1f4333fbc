//! The ROM with which QEMU starts the guest: from reset to flat segments of 32 bits, and no more. A BIOS would take seconds where
//! ring 0 is interpreted.

use super::super::loops::ENTRY;
use iced_x86::{Code, IcedError, Instruction, MemoryOperand, Register, code_asm::*};

/// Size of the ROM, and where it is.
const ROM_BYTES: usize = 0x1_0000;
const ROM: u32 = 0xffff_0000;
/// Offsets of its parts.
const RESET_VECTOR: usize = 0xfff0;
const REAL: usize = 0xf000;
const PROTECTED: usize = 0xf100;
const POINTER: usize = 0xff00;
const SEGMENTS: usize = 0xff10;
/// Null, and flat segments of code and data.
const DESCRIPTORS: [u64; 3] = [0, 0x00cf_9b00_0000_ffff, 0x00cf_9300_0000_ffff];

/// Its bytes.
pub(super) fn build() -> Result<Vec<u8>, IcedError> {
    let mut real = CodeAssembler::new(16)?;
    let pointer = MemoryOperand::new(Register::None, Register::None, 1, POINTER as i64, 2, false, Register::CS);
    // The form with 32 bits: the other one drops the uppermost 8 bits of the base.
    real.add_instruction(Instruction::with1(Code::Lgdt_m1632, pointer)?)?;
    real.mov(eax, 0x11)?;
    real.mov(cr0, eax)?;
    real.add_instruction(Instruction::with_far_branch(Code::Jmp_ptr1632, 8, ROM + PROTECTED as u32)?)?;
    let mut protected = CodeAssembler::new(32)?;
    protected.mov(eax, 0x10)?;
    for segment in [ds, es, ss] {
        protected.mov(segment, eax)?;
    }
    protected.mov(eax, ENTRY as u32)?;
    protected.jmp(eax)?;
    let mut reset = CodeAssembler::new(16)?;
    reset.jmp(REAL as u64)?;
    let mut pointer = 23_u16.to_le_bytes().to_vec();
    pointer.extend((ROM + SEGMENTS as u32).to_le_bytes());
    let mut rom = vec![0xf4; ROM_BYTES];
    for (offset, bytes) in [
        (RESET_VECTOR, reset.assemble(RESET_VECTOR as u64)?),
        (REAL, real.assemble(REAL as u64)?),
        (PROTECTED, protected.assemble(PROTECTED as u64)?),
        (POINTER, pointer),
        (SEGMENTS, DESCRIPTORS.map(u64::to_le_bytes).concat()),
    ] {
        if let Some(place) = rom.get_mut(offset..offset + bytes.len()) {
            place.copy_from_slice(&bytes);
        }
    }
    Ok(rom)
}
