//! A program of a few bytes in any mode, and what it ended with.
//!
//! The program is put into memory with an instruction behind it by whose exception its end is told. Registers at its start: RBX and RDI hold the
//! address of its data, so that ModRM bytes of mod 00 and r/m 111 address them in every mode; RSI is 100H beyond; RAX
//! holds a selector that SS may take; RCX is 3, RDX and the others are 0.

use super::mode::Mode;
use rt::{
    Exception,
    cpu::control::{read_dr6, write_dr6},
    excursion::{ARENA, Arena, Arrival, Ending, Program, layout, register, tables},
    instruction, machine_code, mmio,
    paging::frame,
    tables::selector,
    user::{self, State},
};

machine_code! {
    /// Not executed: the programs stand elsewhere in the arena.
    32 NOT_EXECUTED = "nop";
}

/// Longest program in bytes.
pub(crate) const MAX_BYTES: usize = 28;

/// TF.
pub(crate) const TRAP_FLAG: u64 = 1 << 8;

/// What a program starts with, beyond the registers above.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    /// The flags beside bit 1.
    pub(crate) flags: u64,
    /// What RBX and RDI hold instead of the address of the data.
    pub(crate) address: Option<u64>,
    /// RDX.
    pub(crate) rdx: u64,
    /// What stands at the stack pointer: items of the mode's own width.
    pub(crate) stack: [u64; 3],
}

impl Start {
    /// No flags, the address of the data, nothing on the stack.
    pub(crate) const PLAIN: Self = Self { flags: 0, address: None, rdx: 0, stack: [0; 3] };
}

/// What a program ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Vector and error code as an outcome; [`rt::Outcome::COMPLETED`] if it came to its end.
    pub(crate) outcome: rt::Outcome,
    /// Saved instruction pointer, from the start of the program.
    pub(crate) ip: u64,
    /// Saved flags.
    pub(crate) flags: u64,
    /// Saved stack pointer, from that at the start: 16 bits.
    pub(crate) sp: u64,
    /// CR2 in the handler.
    pub(crate) cr2: u64,
    /// DR6 in the handler, cleared before.
    pub(crate) dr6: u64,
    /// RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI.
    pub(crate) registers: [u64; 8],
}

/// Runs programs.
#[derive(Debug)]
pub(crate) struct Machine {
    mode: Mode,
    arena: Option<Arena>,
    table_limit: Option<u16>,
    cr0: u32,
}

/// Where a program stands in the arena, and where its data do.
const CODE: u32 = layout::DATA;
const DATA: u32 = layout::DATA + 0x1000;
/// A selector of a data segment with the arena as base and a limit of 64 KiB, at CPL 3: what FS holds in protected mode.
const LIMITED: u16 = tables::selector::FREE | 3;

impl Machine {
    /// Makes ready for programs in this mode.
    pub(crate) fn new(mode: Mode) -> Self {
        let arena = (!mode.is_long()).then(|| {
            let arena = Arena::new();
            let access = tables::access::DATA | tables::access::DPL_3;
            tables::set_descriptor(LIMITED, tables::segment(ARENA, 0xffff, access, tables::flag::D_B));
            arena
        });
        Self { mode, arena, table_limit: None, cr0: 0 }
    }

    /// The same with this limit of the table of gates or, in real mode, of vectors. Long mode has [`rt::gate::Limit`].
    pub(crate) fn with_table_limit(self, limit: u16) -> Self {
        Self { table_limit: Some(limit), ..self }
    }

    /// The same with these bits of CR0 set outside of long mode, where a program has a CR0 of its own.
    pub(crate) fn with_cr0(self, bits: u64) -> Self {
        Self { cr0: bits as u32, ..self }
    }

    /// The address of the data, as the program has it.
    pub(crate) fn data(&self) -> u64 {
        if self.mode.is_long() { frame(1) } else { u64::from(self.base() + DATA) }
    }

    /// The linear address of the data, as breakpoints have it.
    pub(crate) fn linear_data(&self) -> u64 {
        if self.mode.is_long() { frame(1) } else { u64::from(ARENA + DATA) }
    }

    /// The linear address of the program.
    pub(crate) fn linear_code(&self) -> u64 {
        if self.mode.is_long() { frame(0) } else { u64::from(ARENA + CODE) }
    }

    /// The offset of a vector's handler in the flat code segment of protected mode; 0 in long mode.
    pub(crate) fn handler(&self, vector: u8) -> u32 {
        self.arena.as_ref().map_or(0, |arena| arena.handler(vector))
    }

    /// Distance between addresses of the program and those of the arena.
    fn base(&self) -> u32 {
        if matches!(self.mode, Mode::Protected32 | Mode::User32) { ARENA } else { 0 }
    }

    /// Runs these bytes.
    ///
    /// # Panics
    /// If they are more than [`MAX_BYTES`].
    pub(crate) fn run(&self, bytes: &[u8], mut start: Start) -> Seen {
        assert!(bytes.len() <= MAX_BYTES, "a program has 28 bytes");
        let has_prologue = start.flags & TRAP_FLAG != 0 && self.sets_flags_by_popf();
        let mut padded = [0x90; 32];
        let mut length = 0;
        if has_prologue {
            // POPF.
            padded[0] = 0x9d;
            length = 1;
            start.stack = [start.flags | 2, start.stack[0], start.stack[1]];
            start.flags &= !TRAP_FLAG;
        }
        for &byte in bytes {
            padded[length] = byte;
            length += 1;
        }
        // UD2, or INT 33 in real mode, where interpreters lack UD2.
        let is_real = self.mode == Mode::Real;
        (padded[length], padded[length + 1]) = if is_real { (0xcd, 33) } else { (0x0f, 0x0b) };
        let code = self.linear_code();
        for (index, word) in padded.as_chunks::<8>().0.iter().enumerate() {
            mmio::write_u64(code + index as u64 * 8, u64::from_le_bytes(*word));
        }
        mmio::write_u64(self.linear_data(), 0);
        let _ = write_dr6(0);
        let mut seen = match &self.arena {
            Some(arena) => self.run_in_arena(arena, start),
            None => self.run_in_long_mode(start),
        };
        if has_prologue {
            seen.ip = seen.ip.wrapping_sub(1) & 0xffff;
            seen.sp = seen.sp.wrapping_sub(if self.mode.is_16_bit() { 2 } else { 4 }) & 0xffff;
        }
        let (end, size) = if is_real { (rt::Outcome::exception(33, 0), 2) } else { (rt::Outcome::UD, 0) };
        if seen.outcome == end && seen.ip == bytes.len() as u64 + size {
            seen.outcome = rt::Outcome::COMPLETED;
            seen.ip -= size;
        }
        let _ = write_dr6(0);
        seen
    }

    /// Whether TF is set by the program itself: entering by a far return, it would strike one instruction too early.
    fn sets_flags_by_popf(&self) -> bool {
        matches!(self.mode, Mode::Protected32 | Mode::Protected16 | Mode::Real)
    }

    fn run_in_long_mode(&self, start: Start) -> Seen {
        let mut state = State::at(frame(0));
        (state.cs, state.ss) = match self.mode {
            Mode::Long0 => (selector::KERNEL_CODE, selector::KERNEL_DATA),
            Mode::Compatible0 => (selector::KERNEL_CODE_32, selector::KERNEL_DATA),
            Mode::Compatible3 => (selector::USER_CODE_32, selector::USER_DATA),
            _ => (selector::USER_CODE, selector::USER_DATA),
        };
        if !self.mode.is_64_bit() {
            load_data_segments();
        }
        state.rflags |= start.flags;
        let sp = user::stack_top() - 0x100;
        let width = if self.mode.is_64_bit() { 8 } else { 4 };
        for (index, item) in (0..).zip(start.stack) {
            // First to last, so that the upper half of one is overwritten by the next.
            mmio::write_u64(sp + index * width, item);
        }
        let address = start.address.unwrap_or(frame(1));
        state.registers[user::register::RAX] = u64::from(state.ss);
        state.registers[user::register::RCX] = 3;
        state.registers[user::register::RDX] = start.rdx;
        state.registers[user::register::RBX] = address;
        state.registers[user::register::RDI] = address;
        state.registers[user::register::RSI] = frame(1) + 0x100;
        state.registers[user::register::RSP] = sp;
        let exception: Exception = user::enter(&mut state);
        let mut registers = [0; 8];
        registers.copy_from_slice(&state.registers[..8]);
        Seen {
            outcome: exception.into(),
            ip: exception.rip.wrapping_sub(frame(0)),
            flags: exception.rflags,
            sp: exception.rsp.wrapping_sub(sp) & 0xffff,
            cr2: exception.cr2,
            dr6: read_dr6(),
            registers,
        }
    }

    fn program(&self, start: Start) -> Program {
        let mut program = match self.mode {
            Mode::User32 => Program::USER_32,
            Mode::Protected16 => Program::PROTECTED_16,
            Mode::User16 => Program::USER_16,
            Mode::Real => Program::REAL,
            Mode::Virtual8086 => Program::VIRTUAL_8086,
            _ => Program::PROTECTED_32,
        };
        let base = self.base();
        let address = start.address.map_or(base + DATA, |address| address as u32);
        program.registers.eip = base + CODE;
        program.registers.eflags |= start.flags as u32;
        program.registers.general = [
            program.registers.ss,
            3,
            start.rdx as u32,
            address,
            base + layout::STACK - 0x100,
            0,
            base + DATA + 0x100,
            address,
        ];
        if !self.mode.is_8086() {
            program.registers.fs = u32::from(LIMITED);
        }
        if let Some(limit) = self.table_limit {
            program.idt_limit = limit;
            program.real_idt_limit = limit;
        }
        program.cr0 |= self.cr0;
        program.ending = Ending::Nothing;
        program
    }

    fn run_in_arena(&self, arena: &Arena, start: Start) -> Seen {
        let program = self.program(start);
        let width = if self.mode.is_16_bit() { 2 } else { 4 };
        // Words first to last, so that the upper half of one is overwritten by the next.
        for (index, item) in (0..).zip(start.stack) {
            tables::write_u32(layout::STACK - 0x100 + index * width, item as u32);
        }
        let arrival: Arrival = arena.run(&program, &NOT_EXECUTED);
        let registers = arrival.registers.general.map(u64::from);
        let sp = program.registers.general[register::ESP];
        Seen {
            outcome: arrival.outcome(),
            ip: u64::from(arrival.registers.eip.wrapping_sub(program.registers.eip)),
            flags: u64::from(arrival.registers.eflags),
            sp: u64::from(arrival.registers.general[register::ESP].wrapping_sub(sp) & 0xffff),
            cr2: u64::from(arrival.cr2),
            dr6: read_dr6(),
            registers,
        }
    }
}

/// Loads DS, ES and FS with a flat segment that every CPL may use. 64-bit code does without, but in compatibility mode a null
/// selector faults, and the return to CPL 3 makes one of each whose segment is of a lower DPL (SDM vol. 2, "IRET").
fn load_data_segments() {
    let selector = u64::from(selector::USER_DATA);
    let _ = instruction!("mov ds, {0:x}", in(reg) selector);
    let _ = instruction!("mov es, {0:x}", in(reg) selector);
    let _ = instruction!("mov fs, {0:x}", in(reg) selector);
}
