//! Guests that do nothing but cause exits: a loop of one instruction, as an ELF file with a PVH note.

use iced_x86::{IcedError, code_asm::*};

/// Port and address of every exit; nothing of a PC is there.
pub(super) const PORT: u16 = 0x5c0;
pub(super) const ADDRESS: u64 = 0xd000_0000;
/// Where the code stands.
pub(super) const ENTRY: u64 = 0x10_0000;

/// The kinds of exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    PortRead,
    PortWrite,
    MmioRead,
    MmioWrite,
}

impl Kind {
    pub(super) const ALL: [Self; 4] = [Self::PortWrite, Self::PortRead, Self::MmioWrite, Self::MmioRead];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::PortRead => "PIO read",
            Self::PortWrite => "PIO write",
            Self::MmioRead => "MMIO read",
            Self::MmioWrite => "MMIO write",
        }
    }
}

/// 32-bit code for flat segments: `nr_exits` exits, then HLT.
pub(super) fn code(kind: Kind, nr_exits: u32) -> Result<Vec<u8>, IcedError> {
    let mut a = CodeAssembler::new(32)?;
    let mut again = a.create_label();
    a.mov(ecx, nr_exits)?;
    a.mov(edx, u32::from(PORT))?;
    a.mov(ebx, ADDRESS as u32)?;
    a.set_label(&mut again)?;
    match kind {
        Kind::PortRead => a.in_(eax, dx)?,
        Kind::PortWrite => a.out(dx, eax)?,
        Kind::MmioRead => a.mov(eax, dword_ptr(ebx))?,
        Kind::MmioWrite => a.mov(dword_ptr(ebx), eax)?,
    }
    a.dec(ecx)?;
    a.jne(again)?;
    a.hlt()?;
    a.assemble(ENTRY)
}

/// The code as an ELF64 file with a PVH note (System V ABI, "ELF Header", "Program Header"; Xen, "elfnote.h").
pub(super) fn image(code: &[u8]) -> Vec<u8> {
    const HEADER: u16 = 64;
    const PROGRAM_HEADER: u16 = 56;
    const NOTE_BYTES: u64 = 20;
    const XEN_ELFNOTE_PHYS32_ENTRY: u32 = 18;
    let note_offset = u64::from(HEADER + 2 * PROGRAM_HEADER);
    let code_offset = note_offset + NOTE_BYTES;
    let mut file = Vec::new();
    // Identification: 64-bit, little-endian, version 1.
    file.extend([0x7f, b'E', b'L', b'F', 2, 1, 1, 0]);
    file.extend([0; 8]);
    // ET_EXEC for EM_X86_64, version 1.
    file.extend([2, 0, 62, 0, 1, 0, 0, 0]);
    for word in [ENTRY, u64::from(HEADER), 0] {
        file.extend(word.to_le_bytes());
    }
    file.extend([0; 4]);
    for half in [HEADER, PROGRAM_HEADER, 2, 0, 0, 0] {
        file.extend(half.to_le_bytes());
    }
    let mut program_header = |kind: u32, flags: u32, offset: u64, address: u64, size: u64| {
        file.extend(kind.to_le_bytes());
        file.extend(flags.to_le_bytes());
        for word in [offset, address, address, size, size, 4] {
            file.extend(word.to_le_bytes());
        }
    };
    // PT_LOAD, readable and executable; PT_NOTE, readable.
    program_header(1, 5, code_offset, ENTRY, code.len() as u64);
    program_header(4, 4, note_offset, 0, NOTE_BYTES);
    for word in [4, 4, XEN_ELFNOTE_PHYS32_ENTRY] {
        file.extend(word.to_le_bytes());
    }
    file.extend(b"Xen\0");
    file.extend((ENTRY as u32).to_le_bytes());
    file.extend(code);
    file
}
