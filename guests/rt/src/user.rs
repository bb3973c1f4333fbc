//! Ring 3.
//!
//! Code at CPL 3 is native on every subject, may use any instruction, and always comes back: by whatever exception it
//! raises, or by its subject's time limit.

#![expect(unsafe_code, reason = "entering ring 3 and coming back takes assembly")]
// UNSAFETY: `global_asm!` and calls of it; the contract is written at `user_enter`.

use crate::{
    catch::{Exception, Frame, Registers, frame},
    observed::{Place, is_asked, seen},
    smp::processor,
    tables::selector,
};
use core::{arch::global_asm, mem::MaybeUninit};

/// Indices into [`Registers`].
pub mod register {
    #![expect(missing_docs, reason = "registers")]
    pub const RAX: usize = 0;
    pub const RCX: usize = 1;
    pub const RDX: usize = 2;
    pub const RBX: usize = 3;
    pub const RSP: usize = 4;
    pub const RBP: usize = 5;
    pub const RSI: usize = 6;
    pub const RDI: usize = 7;
    pub const R8: usize = 8;
    pub const R11: usize = 11;
}

/// What code at CPL 3 starts with; afterwards what it had when the exception struck.
#[derive(Clone, Copy, Debug)]
pub struct State {
    /// General-purpose registers.
    pub registers: Registers,
    /// RIP.
    pub rip: u64,
    /// RFLAGS. IF is clear at the start, so that no interrupt counts as the end.
    pub rflags: u64,
    /// CS.
    pub cs: u16,
    /// SS.
    pub ss: u16,
}

/// RFLAGS with nothing but the bit that is always set.
pub const RFLAGS_CLEAR: u64 = 1 << 1;

impl State {
    /// 64-bit code at `rip`, with the stack of ring 3 and all other registers zero.
    pub fn at(rip: u64) -> Self {
        let mut registers = [0; 16];
        registers[register::RSP] = stack_top();
        Self { registers, rip, rflags: RFLAGS_CLEAR, cs: selector::USER_CODE, ss: selector::USER_DATA }
    }
}

/// The address behind the stack of ring 3: each processor has one.
pub fn stack_top() -> u64 {
    processor::read_user_stack()
}

// `user_enter(frame, rip, rflags, cs, ss)` loads the registers of the frame and goes to ring 3; it returns when the
// vectors' code leaves through `catch_leave`.
global_asm!(
    r#"
    .pushsection .text.user_enter, "ax", @progbits
    .global user_enter
    user_enter:
        push rbx
        push rbp
        push r12
        push r13
        push r14
        push r15
        pushfq
        mov [rdi + {RESUME_RSP}], rsp
        mov rax, [catch_top]
        mov [rdi + {PREVIOUS}], rax
        mov [catch_top], rdi
        push r8
        push qword ptr [rdi + {REGISTERS} + 32]
        push rdx
        push rcx
        push rsi
        mov rax, [rdi + {REGISTERS}]
        mov rcx, [rdi + {REGISTERS} + 8]
        mov rdx, [rdi + {REGISTERS} + 16]
        mov rbx, [rdi + {REGISTERS} + 24]
        mov rbp, [rdi + {REGISTERS} + 40]
        mov rsi, [rdi + {REGISTERS} + 48]
        mov r8, [rdi + {REGISTERS} + 64]
        mov r9, [rdi + {REGISTERS} + 72]
        mov r10, [rdi + {REGISTERS} + 80]
        mov r11, [rdi + {REGISTERS} + 88]
        mov r12, [rdi + {REGISTERS} + 96]
        mov r13, [rdi + {REGISTERS} + 104]
        mov r14, [rdi + {REGISTERS} + 112]
        mov r15, [rdi + {REGISTERS} + 120]
        mov rdi, [rdi + {REGISTERS} + 56]
        iretq
    .popsection

    .pushsection .text.user_trampoline, "ax", @progbits
    .global user_trampoline
    user_trampoline:
        call rax
    .global user_returned
    user_returned:
        ud2
    .popsection
    "#,
    RESUME_RSP = const frame::RESUME_RSP,
    PREVIOUS = const frame::PREVIOUS,
    REGISTERS = const frame::REGISTERS,
);

unsafe extern "C" {
    fn user_enter(frame: *mut Frame, rip: u64, rflags: u64, cs: u64, ss: u64) -> u64;
    fn user_trampoline();
    fn user_returned();
}

/// Runs code at CPL 3 until it raises an exception, and tells which. `state` then holds what the code left.
///
/// The boot page tables let ring 3 read, write and execute everything, so the code must be one that leaves the runtime
/// alone.
pub fn enter(state: &mut State) -> Exception {
    let mut frame: MaybeUninit<Frame> = Frame::new(true);
    // SAFETY: 1. the frame lives until `user_enter` returns. 2. the vectors' code writes every field of it, registers
    // included, before that.
    let (exception, registers) = unsafe {
        (&raw mut (*frame.as_mut_ptr()).registers).write(state.registers);
        user_enter(frame.as_mut_ptr(), state.rip, state.rflags, u64::from(state.cs), u64::from(state.ss));
        ((*frame.as_ptr()).exception(), (*frame.as_ptr()).registers)
    };
    state.registers = registers;
    if is_asked(Place::UserRegister) {
        for (index, register) in (0..).zip(&mut state.registers) {
            *register = seen(Place::UserRegister, index, *register);
        }
    }
    state.registers[register::RSP] = exception.rsp;
    state.rip = exception.rip;
    state.rflags = exception.rflags;
    state.cs = exception.cs;
    state.ss = exception.ss;
    exception
}

/// Calls a function at CPL 3; an exception other than its return becomes the error.
pub fn call(function: extern "C" fn(u64) -> u64, argument: u64) -> Result<u64, Exception> {
    call_with_flags(function, argument, RFLAGS_CLEAR)
}

/// IOPL 3 in RFLAGS: code at CPL 3 may use every port, CLI and STI.
pub const RFLAGS_IOPL_3: u64 = RFLAGS_CLEAR | 3 << 12;

/// Calls a function at CPL 3 with these RFLAGS, for cases about IOPL.
pub fn call_with_flags(function: extern "C" fn(u64) -> u64, argument: u64, rflags: u64) -> Result<u64, Exception> {
    let mut state = State::calling(function, argument);
    state.rflags = rflags;
    let exception = enter(&mut state);
    if is_return(&exception) { Ok(state.registers[register::RAX]) } else { Err(exception) }
}

/// Whether the exception is the #UD behind a call of [`State::calling`], by which its function returns.
pub fn is_return(exception: &Exception) -> bool {
    exception.rip == user_returned as *const () as u64 && exception.vector == 6
}

/// Calls a closure at CPL 3: for bulk that ring 0 is too slow for. It may report checks, whose ports it gets by the I/O
/// permission bitmap, because IOPL is not worth anything on every subject.
///
/// # Errors
/// The exception that it raised, other than its return.
pub fn run<F: FnMut()>(mut closure: F) -> Result<(), Exception> {
    extern "C" fn call<F: FnMut()>(closure: u64) -> u64 {
        // SAFETY: `run` passes the address of its closure, which lives until this returns, and uses it no further.
        unsafe { (*(closure as *mut F))() };
        0
    }
    let (first_port, nr_ports) = crate::report::ports();
    let _ports = crate::io_bitmap::allow(first_port, nr_ports);
    self::call(call::<F>, (&raw mut closure) as u64).map(|_| ())
}

impl State {
    /// A call of `function`: if it returns, [`enter`] ends with the #UD of an UD2 behind the call, and RAX is the result.
    pub fn calling(function: extern "C" fn(u64) -> u64, argument: u64) -> Self {
        Self::calling_address(function as usize as u64, argument)
    }

    /// The same of a function that is known by its address.
    pub(crate) fn calling_address(function: u64, argument: u64) -> Self {
        let mut state = Self::at(user_trampoline as *const () as u64);
        state.registers[register::RAX] = function;
        state.registers[register::RDI] = argument;
        state
    }
}
