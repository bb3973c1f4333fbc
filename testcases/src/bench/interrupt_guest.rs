//! A guest that does nothing but halt and tell of each interrupt by one port write, as an ELF file with a PVH note.
//!
//! Source: Intel SDM vol. 3A, "Segment Descriptors", "IDT Descriptors", "Local APIC Register Address Map", "EOI Register";
//! 82093AA, "IOREGSEL—I/O Register Select Register", "IOREDTBL[23:0]—I/O Redirection Table Registers".

use super::loops::{ENTRY, PORT};
use iced_x86::{IcedError, code_asm::*};

/// The vector of every interrupt.
pub(super) const VECTOR: u8 = 0x41;
/// The pin of the I/O APIC; the 8259As have none of this number.
pub(super) const PIN: u32 = 20;

/// Where tables stand behind the code, and the stack below it.
const GDT: u64 = ENTRY + 0x400;
const POINTERS: u64 = ENTRY + 0x4f0;
const IDT: u64 = ENTRY + 0x500;
const END: u64 = IDT + 0x800;
const STACK: u32 = 0x8000;

const CODE_SELECTOR: u16 = 8;
/// Flat segments of 4 GiB, present, 32 bits: code that can be read, and data that can be written; their accessed bits are
/// set.
const SEGMENTS: [u64; 3] = [0, 0x00cf_9b00_0000_ffff, 0x00cf_9300_0000_ffff];

const LOCAL_APIC: u32 = 0xfee0_0000;
const END_OF_INTERRUPT: u32 = LOCAL_APIC + 0xb0;
const SPURIOUS: u32 = LOCAL_APIC + 0xf0;
/// Software enable, and the spurious vector.
const ENABLED: u32 = 0x1ff;
const IO_APIC_SELECT: u32 = 0xfec0_0000;
const IO_APIC_WINDOW: u32 = IO_APIC_SELECT + 0x10;
const REDIRECTIONS: u32 = 0x10;

/// 32-bit code with its tables: it takes interrupts for ever, from the I/O APIC's pin too if `with_pin`.
pub(super) fn code(with_pin: bool) -> Result<Vec<u8>, IcedError> {
    let mut a = CodeAssembler::new(32)?;
    let (mut again, mut handler) = (a.create_label(), a.create_label());
    a.lgdt(ptr(POINTERS))?;
    a.lidt(ptr(POINTERS + 8))?;
    a.mov(dword_ptr(SPURIOUS), ENABLED)?;
    if with_pin {
        // To the local APIC of id 0, an edge with fixed delivery.
        for (register, value) in [(REDIRECTIONS + 2 * PIN + 1, 0), (REDIRECTIONS + 2 * PIN, u32::from(VECTOR))] {
            a.mov(dword_ptr(IO_APIC_SELECT), register)?;
            a.mov(dword_ptr(IO_APIC_WINDOW), value)?;
        }
    }
    a.mov(edx, u32::from(PORT))?;
    // The first write says that it is ready.
    a.out(dx, eax)?;
    a.set_label(&mut again)?;
    a.mov(esp, STACK)?;
    a.sti()?;
    a.hlt()?;
    a.jmp(again)?;
    a.set_label(&mut handler)?;
    a.out(dx, eax)?;
    a.mov(dword_ptr(END_OF_INTERRUPT), 0)?;
    // Instead of IRET, which a KVM that interprets ring 0 may not know.
    a.jmp(again)?;
    let result = a.assemble_options(ENTRY, iced_x86::BlockEncoderOptions::RETURN_NEW_INSTRUCTION_OFFSETS)?;
    let handler = result.label_ip(&handler)?;
    let mut image = result.inner.code_buffer;
    image.resize((END - ENTRY) as usize, 0);
    let mut put = |address: u64, bytes: &[u8]| {
        let start = (address - ENTRY) as usize;
        if let Some(place) = image.get_mut(start..start + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    };
    put(GDT, SEGMENTS.map(u64::to_le_bytes).as_flattened());
    put(POINTERS, &pointer(GDT, size_of_val(&SEGMENTS)));
    put(POINTERS + 8, &pointer(IDT, (END - IDT) as usize));
    put(IDT + 8 * u64::from(VECTOR), &gate(handler as u32).to_le_bytes());
    Ok(image)
}

/// What LGDT and LIDT read.
fn pointer(base: u64, size_bytes: usize) -> [u8; 6] {
    let [a, b] = (size_bytes as u16 - 1).to_le_bytes();
    let [c, d, e, f] = (base as u32).to_le_bytes();
    [a, b, c, d, e, f]
}

/// A 32-bit interrupt gate of privilege level 0.
fn gate(handler: u32) -> u64 {
    const PRESENT_INTERRUPT_GATE: u64 = 0x8e00 << 32;
    let handler = u64::from(handler);
    handler & 0xffff | u64::from(CODE_SELECTOR) << 16 | PRESENT_INTERRUPT_GATE | (handler >> 16) << 48
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_fit_behind_the_code() {
        for with_pin in [false, true] {
            let image = code(with_pin).unwrap();
            assert_eq!(image.len() as u64, END - ENTRY);
            let between = image.get((GDT - ENTRY) as usize - 16..(GDT - ENTRY) as usize).unwrap();
            assert!(between.iter().all(|&byte| byte == 0), "the code reaches into its tables");
        }
    }

    #[test]
    fn a_gate_has_its_handler_in_two_halves() {
        assert_eq!(gate(0x1234_5678), 0x1234_8e00_0008_5678);
    }
}
