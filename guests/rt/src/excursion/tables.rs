//! Descriptors, gates and task-state segments of the arena.
//!
//! Sources: SDM vol. 3A, "Segment Descriptors", "System Descriptor Types", "Task Management Data Structures".

use super::{block::ARENA, layout};
use crate::mmio;

/// Number of descriptors of the GDT.
pub const NR_DESCRIPTORS: u16 = 256;
/// Number of vectors that lead to an arrival; the others have no gate.
pub const NR_VECTORS: u32 = 36;

/// Selectors of the arena's GDT. From [`FREE`] on descriptors belong to the case.
pub mod selector {
    /// Flat 32-bit code at CPL 0.
    pub const CODE_32: u16 = 0x08;
    /// Flat data at CPL 0.
    pub const DATA_32: u16 = 0x10;
    /// 16-bit code at CPL 0 with the arena as base and a limit of 64 KiB.
    pub const CODE_16: u16 = 0x18;
    /// The data segment of the same.
    pub const DATA_16: u16 = 0x20;
    /// Flat 32-bit code at CPL 3.
    pub const USER_CODE_32: u16 = 0x28 | 3;
    /// Flat data at CPL 3.
    pub const USER_DATA_32: u16 = 0x30 | 3;
    /// The 32-bit TSS.
    pub const TSS: u16 = 0x38;
    /// The LDT.
    pub const LDT: u16 = 0x40;
    /// 16-bit code at CPL 3 with the arena as base.
    pub const USER_CODE_16: u16 = 0x48 | 3;
    /// The data segment of the same.
    pub const USER_DATA_16: u16 = 0x50 | 3;
    /// The first that belongs to the case.
    pub const FREE: u16 = 0x58;
}

/// Bits 8 to 15 of a descriptor's upper half: type, S, DPL and P.
pub mod access {
    /// Data, writable, accessed.
    pub const DATA: u32 = 0x93;
    /// Code, readable, accessed.
    pub const CODE: u32 = 0x9b;
    /// The same, conforming.
    pub const CONFORMING: u32 = 0x9f;
    /// LDT.
    pub const LDT: u32 = 0x82;
    /// Available 16-bit TSS.
    pub const TSS_16: u32 = 0x81;
    /// Available 32-bit TSS.
    pub const TSS_32: u32 = 0x89;
    /// 16-bit call gate.
    pub const CALL_GATE_16: u32 = 0x84;
    /// Task gate.
    pub const TASK_GATE: u32 = 0x85;
    /// 16-bit interrupt gate.
    pub const INTERRUPT_GATE_16: u32 = 0x86;
    /// 16-bit trap gate.
    pub const TRAP_GATE_16: u32 = 0x87;
    /// 32-bit call gate.
    pub const CALL_GATE_32: u32 = 0x8c;
    /// 32-bit interrupt gate.
    pub const INTERRUPT_GATE_32: u32 = 0x8e;
    /// 32-bit trap gate.
    pub const TRAP_GATE_32: u32 = 0x8f;
    /// Privilege level 3.
    pub const DPL_3: u32 = 0x60;
    /// Bit P.
    pub const PRESENT: u32 = 0x80;
}

/// Bits 20 to 23 of a descriptor's upper half.
pub mod flag {
    /// D/B: 32-bit.
    pub const D_B: u32 = 1 << 22;
    /// G: the limit counts pages.
    pub const G: u32 = 1 << 23;
    /// Both.
    pub const FLAT: u32 = D_B | G;
}

/// A segment descriptor; `limit` has 20 bits.
pub const fn segment(base: u32, limit: u32, access: u32, flags: u32) -> u64 {
    let low = limit & 0xffff | base << 16;
    let high = base >> 16 & 0xff | access << 8 | limit & 0xf_0000 | flags | base & 0xff00_0000;
    (high as u64) << 32 | low as u64
}

/// A gate: call, interrupt or trap (with `parameters` of a call gate), or a task gate, whose offset is 0.
pub const fn gate(selector: u16, offset: u32, access: u32, parameters: u32) -> u64 {
    let low = offset & 0xffff | (selector as u32) << 16;
    let high = offset & 0xffff_0000 | access << 8 | parameters & 0x1f;
    (high as u64) << 32 | low as u64
}

/// Writes a descriptor of the arena's GDT.
///
/// # Panics
/// If the selector is beyond [`NR_DESCRIPTORS`].
pub fn set_descriptor(selector: u16, descriptor: u64) {
    assert!(selector >> 3 < NR_DESCRIPTORS, "the GDT has no such descriptor");
    write_u64(layout::GDT + u32::from(selector & !7), descriptor);
}

/// Reads a descriptor of the arena's GDT.
///
/// # Panics
/// If the selector is beyond [`NR_DESCRIPTORS`].
pub fn descriptor(selector: u16) -> u64 {
    assert!(selector >> 3 < NR_DESCRIPTORS, "the GDT has no such descriptor");
    read_u64(layout::GDT + u32::from(selector & !7))
}

/// Writes a gate of the arena's IDT.
pub fn set_gate(vector: u8, gate: u64) {
    write_u64(layout::IDT + u32::from(vector) * 8, gate);
}

/// Reads four bytes of the arena.
pub fn read_u32(offset: u32) -> u32 {
    mmio::read_u32(u64::from(ARENA + offset))
}

/// Writes four bytes of the arena.
pub fn write_u32(offset: u32, value: u32) {
    mmio::write_u32(u64::from(ARENA + offset), value);
}

/// Writes UD2 into the arena, twice, for control that comes there.
pub fn write_ud2(offset: u32) {
    write_u32(offset, u32::from_le_bytes([0x0f, 0x0b, 0x0f, 0x0b]));
}

/// Reads eight bytes of the arena.
pub fn read_u64(offset: u32) -> u64 {
    mmio::read_u64(u64::from(ARENA + offset))
}

/// Writes eight bytes of the arena.
pub fn write_u64(offset: u32, value: u64) {
    mmio::write_u64(u64::from(ARENA + offset), value);
}

/// Offsets in a 32-bit TSS (SDM vol. 3A, "Task-State Segment (TSS)").
#[expect(missing_docs, reason = "fields of the TSS")]
pub mod tss_32 {
    pub const LINK: u32 = 0;
    pub const ESP_0: u32 = 4;
    pub const SS_0: u32 = 8;
    pub const ESP_1: u32 = 12;
    pub const SS_1: u32 = 16;
    pub const ESP_2: u32 = 20;
    pub const SS_2: u32 = 24;
    pub const CR3: u32 = 28;
    pub const EIP: u32 = 32;
    pub const EFLAGS: u32 = 36;
    /// EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI.
    pub const GENERAL: u32 = 40;
    pub const ES: u32 = 72;
    pub const CS: u32 = 76;
    pub const SS: u32 = 80;
    pub const DS: u32 = 84;
    pub const FS: u32 = 88;
    pub const GS: u32 = 92;
    pub const LDT: u32 = 96;
    /// Bit T.
    pub const TRAP: u32 = 100;
    /// Word: offset of the I/O permission bitmap.
    pub const IO_BITMAP: u32 = 102;
    /// Size without bitmaps.
    pub const SIZE: u32 = 104;
}

/// Number of bytes of the interrupt redirection bitmap, in front of the I/O permission bitmap.
pub const REDIRECTION_SIZE: u32 = 32;
/// Limit of the arena's TSS: ports 0 to 7FH have a bit in it.
pub const TSS_LIMIT: u32 = tss_32::SIZE + REDIRECTION_SIZE + 16;

/// Puts every table of the arena in its place.
pub(super) fn write(stubs_32: u32) {
    let code_limit = 0xffff;
    let flat = |access| segment(0, 0xf_ffff, access, flag::FLAT);
    let low = |access| segment(ARENA, code_limit, access, 0);
    let descriptors = [
        0,
        flat(access::CODE),
        flat(access::DATA),
        low(access::CODE),
        low(access::DATA),
        flat(access::CODE | access::DPL_3),
        flat(access::DATA | access::DPL_3),
        segment(ARENA + layout::TSS, TSS_LIMIT, access::TSS_32, 0),
        segment(ARENA + layout::LDT, layout::TSS - layout::LDT - 1, access::LDT, 0),
        low(access::CODE | access::DPL_3),
        low(access::DATA | access::DPL_3),
    ];
    for (index, descriptor) in (0..).zip(descriptors) {
        set_descriptor(index * 8, descriptor);
    }
    for vector in 0..NR_VECTORS as u8 {
        let offset = stubs_32 + u32::from(vector) * 16;
        // Programs at CPL 3 may raise these by instructions for them.
        let dpl = if matches!(vector, 3 | 4 | 32..) { access::DPL_3 } else { 0 };
        set_gate(vector, gate(selector::CODE_32, offset, access::INTERRUPT_GATE_32 | dpl, 0));
    }
    write_u32(layout::TSS + tss_32::ESP_0, ARENA + layout::STACK_0);
    write_u32(layout::TSS + tss_32::SS_0, u32::from(selector::DATA_32));
    // No bit of the I/O bitmap is clear: it lies beyond the limit until a case moves it.
    write_u32(layout::TSS + tss_32::TRAP, 0xffff << 16);
}
