//! The system ROM: a loader instead of a BIOS.
//!
//! A BIOS takes a second of each run where it is translated or interpreted. This ROM takes a processor from reset to the PVH
//! entry and does what guests rely on a BIOS for: COM1 takes 8 bits, and the ACPI timer has its ports. All else is as reset
//! left it.
//!
//! A reset leads here again. A guest that asks for one has ended, so that the loader then ends the hypervisor.

use super::{
    layout::{BLOCK, ROM, ROM_SIZE, START_INFO},
    start_info,
};
use iced_x86::{Code, IcedError, Instruction, MemoryOperand, Register, code_asm::*};

/// Offset of the first instruction after reset.
const RESET_VECTOR: usize = 0xfff0;
/// Offsets of the parts: 16-bit code, 32-bit code, what LGDT reads, and the table that it leads to.
const REAL: usize = 0xf000;
const PROTECTED: usize = 0xf100;
const GDT_POINTER: usize = 0xff00;
const GDT: usize = 0xff10;
/// What is no code halts.
const HLT: u8 = 0xf4;

/// Null, and flat segments of code and data at CPL 0.
const DESCRIPTORS: [u64; 3] = [0, 0x00cf_9b00_0000_ffff, 0x00cf_9300_0000_ffff];
const CODE: u16 = 0x08;
const DATA: u32 = 0x10;

/// COM1's line control register, and its value for 8 data bits (PC16550D, "Line Control Register").
const LINE_CONTROL: u32 = 0x3fb;
const EIGHT_BITS: u32 = 3;
/// Configuration mechanism 1 of PCI: the port of addresses, and the port of data.
const CONFIG_ADDRESS: u32 = 0xcf8;
const CONFIG_DATA: u32 = 0xcfc;

/// What differs between the machines that the loader starts.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Machine {
    /// Double words written to the configuration space of PCI, by address of configuration mechanism 1: those that give the
    /// ACPI timer its ports.
    pub(in super::super) power_management: &'static [(u32, u32)],
    /// Whether memory has to be touched in the order of its addresses before anything else is.
    pub(in super::super) is_touched_first: bool,
    /// A port that ends the hypervisor, and what has to be written to it; without one a guest that was reset halts.
    pub(in super::super) end: Option<(u32, &'static [u8])>,
}

/// The bytes of the ROM for an image with this entry and this end.
///
/// # Errors
/// Those of the assembler, if the entry is no address below 4 GiB.
pub(in super::super) fn build(machine: Machine, entry: u32, image_end: u32) -> Result<Vec<u8>, IcedError> {
    let mut rom = vec![HLT; ROM_SIZE];
    let mut put = |offset: usize, bytes: &[u8]| {
        for (place, &byte) in rom.iter_mut().skip(offset).zip(bytes) {
            *place = byte;
        }
    };
    put(RESET_VECTOR, &reset_vector()?);
    put(REAL, &real_mode()?);
    put(PROTECTED, &protected_mode(machine, entry, image_end)?);
    let limit = (size_of_val(&DESCRIPTORS) - 1) as u16;
    put(GDT_POINTER, &limit.to_le_bytes());
    put(GDT_POINTER + 2, &(ROM + GDT as u32).to_le_bytes());
    put(GDT, &DESCRIPTORS.map(u64::to_le_bytes).concat());
    Ok(rom)
}

/// After reset the base of CS is that of the ROM, and a near jump keeps it.
fn reset_vector() -> Result<Vec<u8>, IcedError> {
    let mut a = CodeAssembler::new(16)?;
    a.jmp(REAL as u64)?;
    a.assemble(RESET_VECTOR as u64)
}

fn real_mode() -> Result<Vec<u8>, IcedError> {
    let mut a = CodeAssembler::new(16)?;
    // The form with an operand size of 32 bits: the other one drops the uppermost 8 bits of the base.
    let pointer = MemoryOperand::new(Register::None, Register::None, 1, GDT_POINTER as i64, 2, false, Register::CS);
    a.add_instruction(Instruction::with1(Code::Lgdt_m1632, pointer)?)?;
    // PE and ET alone: reset has set CD and NW, which the PVH entry must not find.
    a.mov(eax, 0x11)?;
    a.mov(cr0, eax)?;
    a.add_instruction(Instruction::with_far_branch(Code::Jmp_ptr1632, CODE, ROM + PROTECTED as u32)?)?;
    a.assemble(REAL as u64)
}

fn protected_mode(machine: Machine, entry: u32, image_end: u32) -> Result<Vec<u8>, IcedError> {
    let mut a = CodeAssembler::new(32)?;
    let (mut again, mut touch) = (a.create_label(), a.create_label());
    a.mov(eax, DATA)?;
    for segment in [ds, es, ss] {
        a.mov(segment, eax)?;
    }
    if machine.is_touched_first {
        a.mov(edi, START_INFO as u32)?;
        a.set_label(&mut touch)?;
        a.mov(eax, dword_ptr(edi))?;
        a.add(edi, BLOCK as u32)?;
        a.cmp(edi, image_end)?;
        a.jb(touch)?;
    }

    let started = START_INFO as u32 + start_info::STARTED as u32;
    a.cmp(dword_ptr(started), 0)?;
    a.jne(again)?;
    a.mov(dword_ptr(started), 1)?;

    a.mov(edx, LINE_CONTROL)?;
    a.mov(al, EIGHT_BITS)?;
    a.out(dx, al)?;
    for &(address, value) in machine.power_management {
        a.mov(edx, CONFIG_ADDRESS)?;
        a.mov(eax, address)?;
        a.out(dx, eax)?;
        a.mov(edx, CONFIG_DATA)?;
        a.mov(eax, value)?;
        a.out(dx, eax)?;
    }
    a.mov(ebx, START_INFO as u32)?;
    a.mov(eax, entry)?;
    a.jmp(eax)?;

    a.set_label(&mut again)?;
    if let Some((port, bytes)) = machine.end {
        a.mov(edx, port)?;
        for &byte in bytes {
            a.mov(al, u32::from(byte))?;
            a.out(dx, al)?;
        }
    }
    a.hlt()?;
    a.assemble(u64::from(ROM) + PROTECTED as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use iced_x86::{Decoder, DecoderOptions, Formatter as _, IntelFormatter};

    const MACHINE: Machine = Machine {
        power_management: &[(0x8000_0b40, 0x601), (0x8000_0b80, 1)],
        is_touched_first: true,
        end: Some((0x8900, b"Shutdown")),
    };

    fn text(rom: &[u8], bitness: u32, offset: usize) -> String {
        let address = if bitness == 16 { offset as u64 } else { u64::from(ROM) + offset as u64 };
        let mut decoder = Decoder::with_ip(bitness, &rom[offset..], address, DecoderOptions::NONE);
        let (mut formatter, mut text) = (IntelFormatter::new(), String::new());
        while decoder.can_decode() {
            let instruction = decoder.decode();
            if instruction.code() == Code::Hlt {
                break;
            }
            let mut line = String::new();
            formatter.format(&instruction, &mut line);
            text += &format!("{:08X} {line}\n", instruction.ip32());
        }
        text
    }

    #[test]
    fn the_loader_goes_from_reset_to_the_entry() {
        let rom = build(MACHINE, 0x21_8000, 0x59_0000).unwrap();
        assert_eq!(rom.len(), ROM_SIZE);
        let parts = [(16, RESET_VECTOR), (16, REAL), (32, PROTECTED)].map(|(bits, offset)| text(&rom, bits, offset));
        let [reset, real, protected] = &parts;
        assert!(reset.starts_with("0000FFF0 jmp ") && reset.lines().next().unwrap().contains("F000h"), "{reset}");
        let real: Vec<_> = real.lines().map(|line| line[9..].split(' ').next().unwrap()).collect();
        assert_eq!(real, ["lgdt", "mov", "mov", "data32"], "a far jump with an offset of 32 bits");
        // What ends Bochs is behind the jump to the image.
        let protected: Vec<_> = protected.lines().map(|line| &line[9..]).collect();
        let jump = protected.iter().position(|line| *line == "jmp eax").unwrap();
        assert_eq!(protected[jump - 2..jump], ["mov ebx,1E0000h", "mov eax,218000h"]);
        assert_eq!(protected[jump + 1], "mov edx,8900h");
        assert_eq!(protected.len(), jump + 2 + 2 * 8);
    }

    #[test]
    fn the_global_descriptor_table_is_where_its_pointer_says() {
        let rom = build(MACHINE, 0, 0).unwrap();
        assert_eq!(rom[GDT_POINTER..GDT_POINTER + 6], [23, 0, 0x10, 0xff, 0xff, 0xff]);
        assert_eq!(rom[GDT + 8..GDT + 16], 0x00cf_9b00_0000_ffff_u64.to_le_bytes());
    }

    #[test]
    fn parts_do_not_overlap() {
        assert!(real_mode().unwrap().len() <= PROTECTED - REAL);
        assert!(protected_mode(MACHINE, u32::MAX, u32::MAX).unwrap().len() <= GDT_POINTER - PROTECTED);
        assert!(GDT + size_of_val(&DESCRIPTORS) <= RESET_VECTOR);
        assert!(reset_vector().unwrap().len() <= ROM_SIZE - RESET_VECTOR);
    }

    #[test]
    fn a_machine_without_an_end_halts() {
        let machine = Machine { power_management: &[], is_touched_first: false, end: None };
        let rom = build(machine, 0x21_8000, 0x59_0000).unwrap();
        let text = text(&rom, 32, PROTECTED);
        assert!(text.trim_end().ends_with("jmp eax"), "{text}");
        assert!(!text.contains("0CF8h") && !text.contains("edi"), "{text}");
    }
}
