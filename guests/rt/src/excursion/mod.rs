//! Programs outside of long mode: in real, virtual-8086, 16-bit and 32-bit protected mode, with and without paging.
//!
//! An [`Arena`] is 64 KiB of conventional memory with a GDT, an IDT, a TSS and stacks, and [`Arena::run`] goes there and
//! comes back: by the program's end or by an exception in it, as an [`Arrival`]. Every exception outside of long mode has
//! a handler, so only a program that breaks its own tables or stacks ends in a triple fault.
//!
//! An excursion takes about 200 instructions of ring 0; making an arena some 1,500.
//!
//! Source: SDM vol. 3A, "Switching Out of IA-32e Mode Operation", "Mode Switching", "8086 Emulation".

#![expect(unsafe_code, reason = "changing the mode of the processor takes assembly")]
// UNSAFETY: `global_asm!` and one call of it, which restores all state of the runtime; and the symbols of code that is
// copied from the image.

mod assembly;
mod block;
mod code;
pub mod layout;
pub mod paging;
pub mod tables;

pub use block::{ARENA, ARENA_SEGMENT, Arrival, Registers, register};
pub use code::{Code, CodeTable};

use crate::{
    boot, mmio,
    observed::{Place, is_asked, seen},
};
use block::{Block, at, kind};
use tables::{access, selector};

/// How a program ends: by an instruction behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// A far jump to the runtime, by 32-bit code at CPL 0.
    FarJump32,
    /// The same by 16-bit code.
    FarJump16,
    /// The same in real mode.
    FarJumpReal,
    /// HLT, which raises #GP(0) at CPL 3.
    Halt,
    /// Nothing: the program ends in an exception or by a way of its own.
    Nothing,
}

/// What a program starts with.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// Its registers. ESP is that of its own stack, EIP that of [`layout::CODE`] in its code segment.
    pub registers: Registers,
    /// CR0; PE is cleared for real mode. Paging is off unless it is set here.
    pub cr0: u32,
    /// CR3.
    pub cr3: u32,
    /// CR4.
    pub cr4: u32,
    /// Low half of IA32_EFER, without LME.
    pub efer: u32,
    /// LDTR.
    pub ldtr: u16,
    /// TR; 0 leaves that of the runtime.
    pub tr: u16,
    /// Limit of the GDT.
    pub gdt_limit: u16,
    /// Limit of the IDT.
    pub idt_limit: u16,
    /// Limit of the interrupt vector table of real mode.
    pub real_idt_limit: u16,
    /// What stands behind the program.
    pub ending: Ending,
    kind: u32,
}

/// EFLAGS with nothing but the bit that is always set.
pub const EFLAGS_CLEAR: u32 = 1 << 1;
/// EFLAGS.VM.
pub const EFLAGS_VM: u32 = 1 << 17;
/// EFLAGS.IOPL of 3.
pub const EFLAGS_IOPL_3: u32 = 3 << 12;

impl Program {
    const fn new(kind: u32, ending: Ending, base: u32, code: u32, data: u32) -> Self {
        let mut registers = Registers {
            general: [0; 8],
            eip: base + layout::CODE,
            eflags: EFLAGS_CLEAR,
            cs: code,
            ss: data,
            ds: data,
            es: data,
            fs: data,
            gs: data,
        };
        registers.general[register::ESP] = base + layout::STACK;
        Self {
            registers,
            cr0: boot::CR0 as u32 & 0x7fff_ffff,
            cr3: 0,
            cr4: 0,
            efer: 0,
            ldtr: selector::LDT,
            tr: selector::TSS,
            gdt_limit: tables::NR_DESCRIPTORS * 8 - 1,
            idt_limit: 256 * 8 - 1,
            real_idt_limit: 0x3ff,
            ending,
            kind,
        }
    }

    /// 32-bit protected mode at CPL 0, all segments flat.
    pub const PROTECTED_32: Self =
        Self::new(kind::FAR_RETURN, Ending::FarJump32, ARENA, selector::CODE_32 as u32, selector::DATA_32 as u32);
    /// 16-bit protected mode at CPL 0, the arena as base of all segments.
    pub const PROTECTED_16: Self =
        Self::new(kind::FAR_RETURN, Ending::FarJump16, 0, selector::CODE_16 as u32, selector::DATA_16 as u32);
    /// 32-bit protected mode at CPL 3, all segments flat.
    pub const USER_32: Self = Self::new(
        kind::INTERRUPT_RETURN,
        Ending::Halt,
        ARENA,
        selector::USER_CODE_32 as u32,
        selector::USER_DATA_32 as u32,
    );
    /// 16-bit protected mode at CPL 3, the arena as base of all segments.
    pub const USER_16: Self = Self::new(
        kind::INTERRUPT_RETURN,
        Ending::Halt,
        0,
        selector::USER_CODE_16 as u32,
        selector::USER_DATA_16 as u32,
    );
    /// Virtual-8086 mode in the arena, IOPL 0.
    pub const VIRTUAL_8086: Self = {
        let mut program = Self::new(kind::VIRTUAL_8086, Ending::Halt, 0, ARENA_SEGMENT, ARENA_SEGMENT);
        program.registers.eflags |= EFLAGS_VM;
        program
    };
    /// Real mode in the arena.
    pub const REAL: Self = Self::new(kind::REAL, Ending::FarJumpReal, 0, ARENA_SEGMENT, ARENA_SEGMENT);
    /// Real mode in the arena with DS, ES, FS and GS of 4 GiB; SS has 64 KiB, as CS has.
    pub const BIG_REAL: Self = Self::new(kind::BIG_REAL, Ending::FarJumpReal, 0, ARENA_SEGMENT, ARENA_SEGMENT);

    /// The same entered by IRET instead of a far return, with whatever privilege its CS has.
    #[must_use]
    pub const fn by_interrupt_return(mut self) -> Self {
        self.kind = kind::INTERRUPT_RETURN;
        self
    }

    /// The same with other values of general registers.
    #[must_use]
    pub fn with(mut self, values: &[(usize, u32)]) -> Self {
        for &(index, value) in values {
            self.registers.general[index] = value;
        }
        self
    }

    const fn is_real(&self) -> bool {
        self.kind >= kind::REAL
    }
}

impl Arrival {
    /// Whether the program ran to its end.
    pub const fn has_ended(&self) -> bool {
        self.vector == Self::END
    }

    /// Vector and error code as an outcome; [`crate::Outcome::COMPLETED`] if the program ran to its end.
    pub fn outcome(&self) -> crate::Outcome {
        match self.vector {
            Self::END => crate::Outcome::COMPLETED,
            vector => crate::Outcome::exception(vector as u8, self.error_code),
        }
    }
}

/// The arena, ready for programs; a case has one at a time.
#[derive(Debug)]
pub struct Arena(());

unsafe extern "C" {
    fn excursion_run();
    static excursion_blob: u8;
    static excursion_blob_end: u8;
    static excursion_stubs_32: u8;
    static excursion_stubs_16: u8;
    static excursion_end_32: u8;
    static excursion_end_16: u8;
}

/// Addresses in the copy of the code, as distances from the start of the arena.
fn in_arena(symbol: *const u8) -> u32 {
    symbol as u32 - (&raw const excursion_blob) as u32 + layout::BLOB
}

impl Arena {
    /// Writes code and tables of the arena.
    pub fn new() -> Self {
        let start = &raw const excursion_blob;
        let size = (&raw const excursion_blob_end) as usize - start as usize;
        assert!(layout::BLOB as usize + size <= layout::REAL_IDT as usize, "the code runs into the tables");
        // SAFETY: the code stands in the image with this size, and the arena is memory of nobody else.
        unsafe { copy(start, layout::BLOB, size) };
        tables::write(ARENA + in_arena(&raw const excursion_stubs_32));
        for vector in 0..tables::NR_VECTORS {
            let offset = in_arena(&raw const excursion_stubs_16) + vector * 8;
            tables::write_u32(layout::REAL_IDT + vector * 4, ARENA_SEGMENT << 16 | offset);
        }
        Self(())
    }

    /// Address of the stub of a vector's handler in the flat code segment.
    pub fn handler(&self, vector: u8) -> u32 {
        ARENA + in_arena(&raw const excursion_stubs_32) + u32::from(vector) * 16
    }

    /// Address of what ends a program at CPL 0, in the flat code segment: where it may jump by itself, or a task may
    /// start.
    pub fn end(&self) -> u32 {
        ARENA + in_arena(&raw const excursion_end_32)
    }

    /// Puts code at an offset in the arena, with nothing behind it.
    ///
    /// # Panics
    /// If it does not fit.
    pub fn put(&self, offset: u32, code: &Code) {
        assert!(offset as usize + code.size() <= 0x1_0000, "the arena has 64 KiB");
        // SAFETY: `code` is in the image, and this part of the arena belongs to the case.
        unsafe { copy(code.start(), offset, code.size()) };
    }

    /// Runs a program, which stands at [`layout::CODE`].
    ///
    /// # Panics
    /// If it is longer than a page.
    pub fn run(&self, program: &Program, code: &Code) -> Arrival {
        assert!(code.size() <= 0xff0, "a program has one page");
        self.put(layout::CODE, code);
        let end = layout::CODE + code.size() as u32;
        let (end_32, end_16) = (self.end(), in_arena(&raw const excursion_end_16));
        let code_32 = u64::from(selector::CODE_32);
        let (low, high) = match program.ending {
            Ending::FarJump32 => (0xea | u64::from(end_32) << 8 | code_32 << 40, 0),
            Ending::FarJump16 => (0xea66 | u64::from(end_32) << 16 | code_32 << 48, 0),
            Ending::FarJumpReal => (0xea | u64::from(end_16) << 8 | u64::from(ARENA_SEGMENT) << 24, 0),
            Ending::Halt | Ending::Nothing => (0xf4, 0),
        };
        tables::write_u64(end, low);
        tables::write_u64(end + 8, high);
        self.free_task(program.tr);
        let block = Block {
            cr0: program.cr0,
            cr3: program.cr3,
            cr4: program.cr4,
            efer: program.efer,
            gdtr: table_register(program.gdt_limit, layout::GDT),
            idtr: table_register(program.idt_limit, layout::IDT),
            real_idtr: table_register(program.real_idt_limit, layout::REAL_IDT),
            ldtr: u32::from(program.ldtr),
            tr: u32::from(program.tr),
            kind: program.kind,
            into: program.registers,
            ..Block::default()
        };
        let pointer = ARENA as *mut Block;
        // SAFETY: 1. the block is the first part of the arena, which no Rust code refers to. 2. the assembly restores all
        // state of the runtime that it changes, and comes back from wherever the program ends.
        let mut arrival = unsafe {
            pointer.write_volatile(block);
            excursion_run();
            if is_asked(Place::Arrival) {
                for index in 0..size_of::<Arrival>() / 4 {
                    let word = (ARENA as *mut u8).add(at::OUT).cast::<u32>().add(index);
                    word.write_volatile(seen(Place::Arrival, index as u64, word.read_volatile().into()) as u32);
                }
            }
            (ARENA as *const u8).add(at::OUT).cast::<Arrival>().read_volatile()
        };
        let mask = if program.is_real() || program.registers.eflags & EFLAGS_VM != 0 { 0xffff } else { u32::MAX };
        let eip = program.registers.eip + code.size() as u32;
        if program.ending == Ending::Halt && arrival.vector == 13 && arrival.registers.eip & mask == eip & mask {
            arrival.vector = Arrival::END;
            arrival.error_code = 0;
        }
        arrival
    }

    /// LTR takes a TSS that is available only.
    fn free_task(&self, tr: u16) {
        if tr & !7 != 0 {
            let busy = u64::from(access::TSS_32 ^ 0x8b) << 40;
            tables::set_descriptor(tr, tables::descriptor(tr) & !busy);
        }
    }
}

impl Default for Arena {
    fn default() -> Self {
        Self::new()
    }
}

fn table_register(limit: u16, offset: u32) -> [u16; 4] {
    let base = ARENA + offset;
    [limit, base as u16, (base >> 16) as u16, 0]
}

/// # Safety
/// `size` bytes can be read at `from`, and those at `offset` in the arena are nobody's.
unsafe fn copy(from: *const u8, offset: u32, size: usize) {
    let to = u64::from(ARENA + offset);
    for index in 0..size.div_ceil(8) {
        // SAFETY: 1. by the contract, but for up to seven bytes behind the end, which are read from the image, whose
        // sections have pages behind them. 2. the alignment does not matter to this read.
        let word = unsafe { from.cast::<u64>().add(index).read_unaligned() };
        mmio::write_u64(to + index as u64 * 8, word);
    }
}
