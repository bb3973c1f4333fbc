//! What an excursion is told and what it tells: a block at the start of the arena, which assembly reads and writes.

use core::mem::offset_of;

/// Where the arena is: 64 KiB of conventional memory that every mode can address. Nothing else uses it.
pub const ARENA: u32 = 0x1_0000;
/// The segment value that addresses the arena in real and virtual-8086 mode.
pub const ARENA_SEGMENT: u32 = ARENA >> 4;

/// Registers of a program outside of long mode.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Registers {
    /// EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI: in the order of their encoding.
    pub general: [u32; 8],
    /// EIP.
    pub eip: u32,
    /// EFLAGS.
    pub eflags: u32,
    /// CS.
    pub cs: u32,
    /// SS.
    pub ss: u32,
    /// DS.
    pub ds: u32,
    /// ES.
    pub es: u32,
    /// FS.
    pub fs: u32,
    /// GS.
    pub gs: u32,
}

/// Indices into [`Registers::general`].
#[expect(missing_docs, reason = "registers")]
pub mod register {
    pub const EAX: usize = 0;
    pub const ECX: usize = 1;
    pub const EDX: usize = 2;
    pub const EBX: usize = 3;
    pub const ESP: usize = 4;
    pub const EBP: usize = 5;
    pub const ESI: usize = 6;
    pub const EDI: usize = 7;
}

/// What an excursion ended with.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Arrival {
    /// Registers as the exception found them; of one without a change of privilege ESP is that before its frame.
    pub registers: Registers,
    /// Its vector, or [`Arrival::END`].
    pub vector: u32,
    /// Its error code, 0 where it has none.
    pub error_code: u32,
    /// CR2 in the handler.
    pub cr2: u32,
    /// CR0 in the handler.
    pub cr0: u32,
    /// TR in the handler.
    pub tr: u32,
    /// SS in the handler.
    pub handler_ss: u32,
    /// ESP in the handler, at the saved EIP.
    pub handler_esp: u32,
    /// Not 0 if the handler is one of real mode.
    pub is_real: u32,
}

impl Arrival {
    /// The program ran to its end; EIP and CS mean nothing then.
    pub const END: u32 = 0x100;
}

/// How the program is entered.
pub(super) mod kind {
    /// By a far return at CPL 0.
    pub(crate) const FAR_RETURN: u32 = 0;
    /// By IRET, to whatever privilege.
    pub(crate) const INTERRUPT_RETURN: u32 = 1;
    /// By IRET to virtual-8086 mode.
    pub(crate) const VIRTUAL_8086: u32 = 2;
    /// By clearing CR0.PE.
    pub(crate) const REAL: u32 = 3;
    /// The same, with the data segments' limits left at 4 GiB.
    pub(crate) const BIG_REAL: u32 = 4;
}

/// The block.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Block {
    pub(super) cr0: u32,
    pub(super) cr3: u32,
    pub(super) cr4: u32,
    pub(super) efer: u32,
    /// Limit and base, as LGDT takes them, for each of the three.
    pub(super) gdtr: [u16; 4],
    pub(super) idtr: [u16; 4],
    pub(super) real_idtr: [u16; 4],
    pub(super) ldtr: u32,
    pub(super) tr: u32,
    pub(super) kind: u32,
    pub(super) into: Registers,
    pub(super) out: Arrival,
    /// The runtime's state meanwhile.
    pub(super) saved: Saved,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Saved {
    rsp: [u32; 2],
    cr0: u32,
    cr3: u32,
    cr4: u32,
    efer: u32,
    gdtr: [u16; 8],
    idtr: [u16; 8],
    fs_base: [u32; 2],
    gs_base: [u32; 2],
    ds: u32,
    es: u32,
    fs: u32,
    gs: u32,
}

/// Offsets in the block, for assembly.
pub(super) mod at {
    use super::{Arrival, Block, Registers, Saved, offset_of};
    pub(crate) const CR0: usize = offset_of!(Block, cr0);
    pub(crate) const CR3: usize = offset_of!(Block, cr3);
    pub(crate) const CR4: usize = offset_of!(Block, cr4);
    pub(crate) const EFER: usize = offset_of!(Block, efer);
    pub(crate) const GDTR: usize = offset_of!(Block, gdtr);
    pub(crate) const IDTR: usize = offset_of!(Block, idtr);
    pub(crate) const REAL_IDTR: usize = offset_of!(Block, real_idtr);
    pub(crate) const LDTR: usize = offset_of!(Block, ldtr);
    pub(crate) const TR: usize = offset_of!(Block, tr);
    pub(crate) const KIND: usize = offset_of!(Block, kind);
    pub(crate) const IN: usize = offset_of!(Block, into);
    pub(crate) const OUT: usize = offset_of!(Block, out);
    pub(crate) const EIP: usize = offset_of!(Registers, eip);
    pub(crate) const EFLAGS: usize = offset_of!(Registers, eflags);
    pub(crate) const CS: usize = offset_of!(Registers, cs);
    pub(crate) const SS: usize = offset_of!(Registers, ss);
    pub(crate) const DS: usize = offset_of!(Registers, ds);
    pub(crate) const ES: usize = offset_of!(Registers, es);
    pub(crate) const FS: usize = offset_of!(Registers, fs);
    pub(crate) const GS: usize = offset_of!(Registers, gs);
    pub(crate) const VECTOR: usize = OUT + offset_of!(Arrival, vector);
    pub(crate) const ERROR_CODE: usize = OUT + offset_of!(Arrival, error_code);
    pub(crate) const CR2: usize = OUT + offset_of!(Arrival, cr2);
    pub(crate) const CR0_OUT: usize = OUT + offset_of!(Arrival, cr0);
    pub(crate) const TR_OUT: usize = OUT + offset_of!(Arrival, tr);
    pub(crate) const HANDLER_SS: usize = OUT + offset_of!(Arrival, handler_ss);
    pub(crate) const HANDLER_ESP: usize = OUT + offset_of!(Arrival, handler_esp);
    pub(crate) const IS_REAL: usize = OUT + offset_of!(Arrival, is_real);
    pub(crate) const SAVED_RSP: usize = offset_of!(Block, saved) + offset_of!(Saved, rsp);
    pub(crate) const SAVED_CR0: usize = offset_of!(Block, saved) + offset_of!(Saved, cr0);
    pub(crate) const SAVED_CR3: usize = offset_of!(Block, saved) + offset_of!(Saved, cr3);
    pub(crate) const SAVED_CR4: usize = offset_of!(Block, saved) + offset_of!(Saved, cr4);
    pub(crate) const SAVED_EFER: usize = offset_of!(Block, saved) + offset_of!(Saved, efer);
    pub(crate) const SAVED_GDTR: usize = offset_of!(Block, saved) + offset_of!(Saved, gdtr);
    pub(crate) const SAVED_IDTR: usize = offset_of!(Block, saved) + offset_of!(Saved, idtr);
    pub(crate) const SAVED_FS_BASE: usize = offset_of!(Block, saved) + offset_of!(Saved, fs_base);
    pub(crate) const SAVED_GS_BASE: usize = offset_of!(Block, saved) + offset_of!(Saved, gs_base);
    pub(crate) const SAVED_DS: usize = offset_of!(Block, saved) + offset_of!(Saved, ds);
    pub(crate) const SAVED_ES: usize = offset_of!(Block, saved) + offset_of!(Saved, es);
    pub(crate) const SAVED_FS: usize = offset_of!(Block, saved) + offset_of!(Saved, fs);
    pub(crate) const SAVED_GS: usize = offset_of!(Block, saved) + offset_of!(Saved, gs);
}

const _: () = assert!(size_of::<Block>() <= super::layout::BLOB as usize, "the block runs into the code");

/// Words of an arrival are known to the host by their numbers.
const _: () = {
    use case::observation::arrival as word;
    const fn is_at(number: u64, offset: usize) -> bool {
        number as usize * 4 == offset
    }
    let registers = offset_of!(Arrival, registers);
    assert!(is_at(word::EAX, registers) && is_at(word::ESP, registers + register::ESP * 4), "general registers");
    assert!(is_at(word::EIP, registers + offset_of!(Registers, eip)), "EIP");
    assert!(is_at(word::EFLAGS, registers + offset_of!(Registers, eflags)), "EFLAGS");
    assert!(is_at(word::CS, registers + offset_of!(Registers, cs)), "CS");
    assert!(is_at(word::DS, registers + offset_of!(Registers, ds)), "DS");
    assert!(is_at(word::VECTOR, offset_of!(Arrival, vector)), "the vector");
    assert!(is_at(word::ERROR_CODE, offset_of!(Arrival, error_code)), "the error code");
    assert!(is_at(word::CR2, offset_of!(Arrival, cr2)), "CR2");
    assert!(is_at(word::TR, offset_of!(Arrival, tr)), "TR");
    assert!(is_at(word::HANDLER_ESP, offset_of!(Arrival, handler_esp)), "ESP in the handler");
};
