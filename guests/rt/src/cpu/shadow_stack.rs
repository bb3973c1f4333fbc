//! Programs at CPL 0 that have a shadow stack, from SETSSBSY to their end or their first exception.
//!
//! The runtime has no shadow stack: its handlers go on elsewhere than where they were called from. So a program is entered
//! and left by jumps, with an IDT of its own, whose handlers tell of the exception and end the program.
//!
//! Sources: SDM vol. 1, "Control-flow Enforcement Technology (CET)"; SDM vol. 2, "SETSSBSY—Mark Shadow Stack Busy".

#![expect(unsafe_code, reason = "shadow stacks and their IDT are assembly")]
// UNSAFETY: `global_asm!` and one call of it; the contract is written at `shadow_stack_run`.

use crate::{
    catch::{Outcome, catch},
    tables::{Shared, selector},
};
use core::{arch::global_asm, mem::size_of};

/// How a program ends: JMP R15.
pub const END: [u8; 3] = [0x41, 0xff, 0xe7];
/// INT n of this vector comes back by IRETQ.
pub const RETURNING: u8 = 32;
/// INT n of this vector comes back by IRETQ to an address that is one higher than it should be.
pub const ASTRAY: u8 = 33;

const NR_VECTORS: usize = 34;
/// No exception has come.
const NONE: u64 = u64::MAX;

static IDT: Shared<[[u64; 2]; NR_VECTORS]> = Shared::new([[0; 2]; NR_VECTORS]);

/// A program, which is code that ends in [`END`] and leaves RBX, R15 and the stack as they are.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// Address of its first instruction.
    pub code: u64,
    /// Address of the token of the shadow stack that it starts on, by IA32_PL0_SSP and SETSSBSY.
    pub start: u64,
    /// What IA32_PL0_SSP holds from then on.
    pub pointer: u64,
    /// RDI.
    pub operand: u64,
}

/// What a program came to.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// It ended, or raised this.
    pub outcome: Outcome,
    /// Where, if it raised something.
    pub rip: u64,
    /// SSP at the end, or in the handler.
    pub ssp: u64,
    /// RFLAGS at the end.
    pub rflags: u64,
}

/// What assembly and Rust share, in the order in which the assembly counts.
#[repr(C)]
struct Shuttle {
    start: u64,
    pointer: u64,
    operand: u64,
    code: u64,
    vector: u64,
    error_code: u64,
    rip: u64,
    ssp: u64,
    rflags: u64,
    rsp: u64,
    idt: [u16; 8],
}

impl Program {
    /// Runs it. CR4.CET must be set; IA32_S_CET is 0 afterwards.
    pub fn run(&self) -> Arrival {
        let Self { code, start, pointer, operand } = *self;
        let mut shuttle = Shuttle {
            start,
            pointer,
            operand,
            code,
            vector: NONE,
            error_code: 0,
            rip: 0,
            ssp: 0,
            rflags: 0,
            rsp: 0,
            idt: write_idt(),
        };
        // SAFETY: the program keeps RBX, R15 and the stack, which its type demands; all else the function preserves.
        let entered = catch(|| unsafe { shadow_stack_run(&mut shuttle) });
        let outcome = match (entered, shuttle.vector) {
            (Err(exception), _) => exception.into(),
            (Ok(()), NONE) => Outcome::COMPLETED,
            (Ok(()), vector) => Outcome::exception(vector as u8, shuttle.error_code as u32),
        };
        Arrival { outcome, rip: shuttle.rip, ssp: shuttle.ssp, rflags: shuttle.rflags }
    }
}

/// Fills the IDT with interrupt gates and returns the operand of LIDT.
fn write_idt() -> [u16; 8] {
    let stubs = shadow_stack_stubs as *const () as u64;
    for vector in 0..NR_VECTORS {
        let offset = stubs + 16 * vector as u64;
        let low =
            offset & 0xffff | u64::from(selector::KERNEL_CODE) << 16 | 0x8e00 << 32 | (offset >> 16 & 0xffff) << 48;
        // SAFETY: the table is no processor's IDT now, and `vector` is below its length.
        unsafe { (*IDT.0.get())[vector] = [low, offset >> 32] };
    }
    let address = IDT.0.get() as u64;
    let limit = size_of::<[[u64; 2]; NR_VECTORS]>() as u16 - 1;
    let words = [0, 16, 32, 48].map(|shift| (address >> shift) as u16);
    [limit, words[0], words[1], words[2], words[3], 0, 0, 0]
}

unsafe extern "C" {
    /// Runs the program of the shuttle. It must leave RBX, R15 and the stack as they are, and end by JMP R15.
    fn shadow_stack_run(shuttle: *mut Shuttle);
    fn shadow_stack_stubs();
}

global_asm!(
    r#"
    .pushsection .text.shadow_stack, "ax", @progbits
    .global shadow_stack_run
    shadow_stack_run:
        push rbx
        push rbp
        push r12
        push r13
        push r14
        push r15
        sub rsp, 24
        sidt [rsp]
        mov rbx, rdi
        mov [rbx + 72], rsp
        lidt [rbx + 80]
        mov ecx, 0x6a4
        mov eax, [rbx]
        mov edx, [rbx + 4]
        wrmsr
        mov ecx, 0x6a2
        mov eax, 1
        xor edx, edx
        wrmsr
        // SETSSBSY
        .byte 0xf3, 0x0f, 0x01, 0xe8
        mov ecx, 0x6a4
        mov eax, [rbx + 8]
        mov edx, [rbx + 12]
        wrmsr
        mov rdi, [rbx + 16]
        lea r15, [rip + 2f]
        xor eax, eax
        jmp [rbx + 24]
    2:
        pushfq
        pop [rbx + 64]
    3:
        xor eax, eax
        // RDSSPQ RAX
        .byte 0xf3, 0x48, 0x0f, 0x1e, 0xc8
        mov [rbx + 56], rax
        mov ecx, 0x6a2
        xor eax, eax
        xor edx, edx
        wrmsr
        mov rsp, [rbx + 72]
        lidt [rsp]
        add rsp, 24
        pop r15
        pop r14
        pop r13
        pop r12
        pop rbp
        pop rbx
        ret

    4:
        pop [rbx + 32]
        pop [rbx + 40]
        pop [rbx + 48]
        jmp 3b

    .balign 16
    .global shadow_stack_stubs
    shadow_stack_stubs:
    .set vector, 0
    .rept 32
        .balign 16
        .if ((0x60227d00 >> vector) & 1) == 0
            push 0
        .endif
        push vector
        jmp 4b
        .set vector, vector + 1
    .endr
        .balign 16
        iretq
        .balign 16
        add qword ptr [rsp], 1
        iretq
    .popsection
    "#
);
