//! System-management interrupts: a handler in system-management RAM, which writes down what it finds, and the interrupts
//! that lead to it.
//!
//! The handler works as the tables of both vendors' manuals leave the processor: 16-bit code with segments of 4 GiB. On the
//! way back it changes what a case asks for in the save area, and sends what a case asks for by the local APIC's ICR.
//!
//! Source: SDM vol. 3C, "System Management Mode"; APM vol. 2, "System-Management Mode".

#![expect(unsafe_code, reason = "the handler is assembly, and what it interrupts has known registers")]
// UNSAFETY: `global_asm!` of a blob that is copied as bytes, and instructions around the write of the ICR.

use crate::{
    local_apic::{
        Registers,
        register::{Register, icr},
    },
    mmio,
    observed::{Place, seen},
};
use case::image::board::UNCLAIMED_PORT;
use core::{
    arch::{asm, global_asm},
    sync::atomic::AtomicU32,
};

/// SMBASE after reset.
pub const DEFAULT_BASE: u32 = 0x3_0000;
/// Another place for it, of which nothing else uses the 32 KiB behind the entry.
pub const OTHER_BASE: u32 = 0x5_0000;

/// Where a handler starts, from SMBASE on.
const ENTRY: u32 = 0x8000;
/// Where it writes, and from where it takes what it is asked for.
const RECORD: u32 = 0x9000;
const PATCHES: u32 = 0x9100;
const COMMANDS: u32 = 0x9140;
const WATCHED: u32 = 0x9150;
const NR_PATCHES: usize = ((COMMANDS - PATCHES) / 8) as usize;
const NR_COMMANDS: usize = ((WATCHED - COMMANDS) / 4) as usize;

/// What stands in the record, as an index of [`Handler::word`].
pub mod word {
    #![expect(missing_docs, reason = "registers")]
    pub const CS: usize = 8;
    pub const DS: usize = 9;
    pub const ES: usize = 10;
    pub const SS: usize = 11;
    pub const FS: usize = 12;
    pub const GS: usize = 13;
    pub const CR0: usize = 14;
    pub const CR4: usize = 15;
    pub const EFLAGS: usize = 16;
    pub const DR7: usize = 17;
    /// The low half of IA32_EFER.
    pub const EFER: usize = 18;
    /// How often the handler ran.
    pub const COUNT: usize = 19;
    /// What the watched word held when the handler had sent its commands and waited.
    pub const WATCHED_INSIDE: usize = 20;
    /// How often it had run by then: more than once before, if another interrupt came inside of it.
    pub const COUNT_INSIDE: usize = 21;
    pub(super) const NUMBER: usize = 22;
}

// All stores go through CS, whose base is SMBASE. Flags are read by way of a stack of its own.
global_asm!(
    r#"
    .pushsection .rodata.smm_handler, "a", @progbits
    .balign 8
    .global smm_handler
    .global smm_handler_end
    .code16
    smm_handler:
        movl %eax, %cs:{RECORD}
        movl %ecx, %cs:{RECORD} + 4
        movl %edx, %cs:{RECORD} + 8
        movl %ebx, %cs:{RECORD} + 12
        movl %esp, %cs:{RECORD} + 16
        movl %ebp, %cs:{RECORD} + 20
        movl %esi, %cs:{RECORD} + 24
        movl %edi, %cs:{RECORD} + 28
        movl %cs, %eax
        movl %eax, %cs:{RECORD} + 32
        movl %ds, %eax
        movl %eax, %cs:{RECORD} + 36
        movl %es, %eax
        movl %eax, %cs:{RECORD} + 40
        movl %ss, %eax
        movl %eax, %cs:{RECORD} + 44
        movl %fs, %eax
        movl %eax, %cs:{RECORD} + 48
        movl %gs, %eax
        movl %eax, %cs:{RECORD} + 52
        movl %cr0, %eax
        movl %eax, %cs:{RECORD} + 56
        movl %cr4, %eax
        movl %eax, %cs:{RECORD} + 60
        movw ${STACK_SEGMENT}, %ax
        movw %ax, %ss
        movl $0x7ff0, %esp
        pushfl
        popl %eax
        movl %eax, %cs:{RECORD} + 64
        movl %dr7, %eax
        movl %eax, %cs:{RECORD} + 68
        movl $0xc0000080, %ecx
        rdmsr
        movl %eax, %cs:{RECORD} + 72
        incl %cs:{RECORD} + 76

        movl ${PATCHES}, %esi
    1:
        movl %cs:(%esi), %ebx
        testl %ebx, %ebx
        jz 2f
        movl %cs:4(%esi), %eax
        movl %eax, %cs:(%ebx)
        movl $0, %cs:(%esi)
        addl $8, %esi
        cmpl ${COMMANDS}, %esi
        jb 1b
    2:
        movl ${COMMANDS}, %esi
        xorl %edi, %edi
        movl ${ICR}, %ebx
    3:
        movl %cs:(%esi), %eax
        testl %eax, %eax
        jz 4f
        movl $0, %cs:(%esi)
        movl %eax, %ds:(%ebx)
        incl %edi
        addl $4, %esi
        cmpl ${WATCHED}, %esi
        jb 3b
    4:
        testl %edi, %edi
        jz 6f
        movl $8, %ecx
        movw ${PORT}, %dx
    5:
        inb %dx, %al
        decl %ecx
        jnz 5b
        movl %cs:{WATCHED}, %ebx
        movl %ds:(%ebx), %eax
        movl %eax, %cs:{RECORD} + 80
        movl %cs:{RECORD} + 76, %eax
        movl %eax, %cs:{RECORD} + 84
    6:
        rsm
    .balign 8
    smm_handler_end:
    .code64
    .popsection
    "#,
    RECORD = const RECORD,
    PATCHES = const PATCHES,
    COMMANDS = const COMMANDS,
    WATCHED = const WATCHED,
    STACK_SEGMENT = const DEFAULT_BASE >> 4,
    ICR = const 0xfee0_0000_u32 + Register::ICR.offset() as u32,
    PORT = const UNCLAIMED_PORT,
    options(att_syntax),
);

unsafe extern "C" {
    static smm_handler: u64;
    static smm_handler_end: u64;
}

/// A handler at an SMBASE, which never ran.
#[derive(Clone, Copy, Debug)]
pub struct Handler {
    base: u32,
}

impl Handler {
    /// Puts it there.
    ///
    /// # Panics
    /// If it is neither [`DEFAULT_BASE`] nor [`OTHER_BASE`].
    pub fn put(base: u32) -> Self {
        assert!(base == DEFAULT_BASE || base == OTHER_BASE, "this memory may be in use");
        let (from, end) = ((&raw const smm_handler) as u64, (&raw const smm_handler_end) as u64);
        let to = u64::from(base + ENTRY);
        let mut offset = 0;
        while from + offset < end {
            mmio::write_u64(to + offset, mmio::read_u64(from + offset));
            offset += 8;
        }
        let handler = Self { base };
        for offset in (RECORD..RECORD + word::NUMBER as u32 * 4).step_by(4) {
            handler.set(offset, 0);
        }
        for offset in (PATCHES..WATCHED).step_by(4) {
            handler.set(offset, 0);
        }
        handler.set(WATCHED, base + RECORD);
        handler
    }

    fn set(&self, offset: u32, value: u32) {
        mmio::write_u32(u64::from(self.base + offset), value);
    }

    /// Has the next run write 32 bits each at these offsets from SMBASE, when the save area is complete.
    ///
    /// # Panics
    /// If there are more than 8.
    pub fn patch(&self, patches: &[(u16, u32)]) {
        assert!(patches.len() <= NR_PATCHES, "no place for so many");
        for (&(offset, value), index) in patches.iter().zip(0..) {
            self.set(PATCHES + index * 8 + 4, value);
            self.set(PATCHES + index * 8, offset.into());
        }
    }

    /// Has the next run write these commands to the low half of the ICR in memory, wait for eight exits, and then look at
    /// a word.
    ///
    /// # Panics
    /// If there are more than 4.
    pub fn send_inside(&self, commands: &[u32], watched: &'static AtomicU32) {
        assert!(commands.len() <= NR_COMMANDS, "no place for so many");
        self.set(WATCHED, watched.as_ptr() as u32);
        for (&command, index) in commands.iter().zip(0..) {
            self.set(COMMANDS + index * 4, command);
        }
    }

    /// What it found, by its index in [`word`].
    ///
    /// # Panics
    /// If there is no such word.
    pub fn word(&self, index: usize) -> u32 {
        assert!(index < word::NUMBER, "the record is shorter");
        mmio::read_u32(u64::from(self.base + RECORD) + index as u64 * 4)
    }

    /// How often it ran.
    pub fn count(&self) -> u32 {
        self.word(word::COUNT)
    }

    /// 32 bits of the save area, which the last interrupt left, at an offset from SMBASE.
    pub fn saved(&self, offset: u16) -> u32 {
        let value = mmio::read_u32(u64::from(self.base) + u64::from(offset));
        seen(Place::SavedInSmm, offset.into(), value.into()) as u32
    }
}

/// How many registers are known where [`send`] is interrupted: RCX, RDX, RSI, RDI, R8 to R15.
pub const NR_KNOWN: usize = 12;
/// How many bytes of instructions there are in which the interrupt is taken. A translator may look for one behind jumps alone.
pub const WINDOW: u64 = 4 * 3;

/// What [`send`] found behind an interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The known registers, in the order of [`NR_KNOWN`].
    pub registers: [u64; NR_KNOWN],
    /// Address of the instruction behind the write of the ICR. It and [`WINDOW`] bytes are where the interrupt may have come.
    pub first_rip: u64,
}

/// Values of the known registers: all different, in both halves. RCX and RDX are used.
pub fn known() -> [u64; NR_KNOWN] {
    let mut values = [0; NR_KNOWN];
    for (value, index) in values.iter_mut().zip(1_u64..) {
        *value = 0x1357_9bdf_0246_8ace_u64.rotate_left(index as u32 * 5) ^ index;
    }
    values[0] = 0xfee0_0000 + Register::ICR.offset();
    values[1] = UNCLAIMED_PORT.into();
    values
}

/// Sends an SMI to the processor itself by the ICR in memory, with known values in registers, and leaves the guest some times.
pub fn send(registers: &Registers) -> Sent {
    registers.write(Register::ICR_HIGH, registers.id() << 24);
    let mut known = known();
    let [rcx, rdx, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15] = &mut known;
    let first_rip: u64;
    // SAFETY: 1. the ICR is that of this processor's local APIC. 2. RSM restores what the handler changes; a processor that
    // does not is what cases look for, and the values are compared by them.
    unsafe {
        asm!(
            "mov dword ptr [rcx], eax",
            "2:",
            "in al, dx",
            "jmp 3f",
            "3:",
            "in al, dx",
            "jmp 4f",
            "4:",
            "in al, dx",
            "jmp 5f",
            "5:",
            "in al, dx",
            "jmp 6f",
            "6:",
            "lea rax, [rip + 2b]",
            inout("rax") u64::from(COMMAND) => first_rip,
            inout("rcx") *rcx, inout("rdx") *rdx, inout("rsi") *rsi, inout("rdi") *rdi,
            inout("r8") *r8, inout("r9") *r9, inout("r10") *r10, inout("r11") *r11,
            inout("r12") *r12, inout("r13") *r13, inout("r14") *r14, inout("r15") *r15,
        );
    }
    Sent { registers: known, first_rip }
}

/// An SMI as a command of the ICR. Its vector must be 0.
pub const COMMAND: u32 = icr::SMI | icr::ASSERT;
