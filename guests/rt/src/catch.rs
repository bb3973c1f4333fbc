//! Exceptions as values.

#![expect(unsafe_code, reason = "leaving a handler without returning from it takes assembly")]
// UNSAFETY: `global_asm!` and calls of it; the contract is written at `catch_enter`.

use crate::{
    observed::{Place, is_asked, seen},
    smp::processor,
    trap::TrapFrame,
};
use case::{message::outcome, observation::exception as observation};
use core::{
    arch::global_asm,
    mem::{MaybeUninit, needs_drop, offset_of},
};

/// General-purpose registers in the order of their encoding: RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 to R15.
pub type Registers = [u64; 16];

/// An exception, as the processor delivered it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exception {
    /// Its vector.
    pub vector: u8,
    /// Its error code, 0 where the vector has none.
    pub error_code: u32,
    /// The saved RIP.
    pub rip: u64,
    /// The saved CS.
    pub cs: u16,
    /// The saved RFLAGS.
    pub rflags: u64,
    /// The saved RSP.
    pub rsp: u64,
    /// The saved SS.
    pub ss: u16,
    /// CR2 in the handler.
    pub cr2: u64,
    /// Address of the saved RIP on the handler's stack.
    pub saved_rip_address: u64,
}

/// What an attempt led to: it completed, or it raised an exception; comparable with one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome(pub u64);

impl Outcome {
    /// No exception.
    pub const COMPLETED: Self = Self(outcome::COMPLETED);

    /// This exception. The error code is 0 for a vector without one.
    pub const fn exception(vector: u8, error_code: u32) -> Self {
        Self(outcome::exception(vector, error_code))
    }

    /// An instruction of VMX ended with VMfailInvalid.
    pub const VM_FAIL_INVALID: Self = Self(outcome::VM_FAIL_INVALID);

    /// An instruction of VMX ended with VMfailValid and this number of an error.
    pub const fn vm_fail_valid(number: u32) -> Self {
        Self(outcome::vm_fail_valid(number))
    }

    /// An instruction of VMX ended with status flags that mean nothing.
    pub const fn undefined_flags(flags: u64) -> Self {
        Self(outcome::vmx_flags(flags))
    }

    /// #DE.
    pub const DE: Self = Self::exception(0, 0);
    /// #DB.
    pub const DB: Self = Self::exception(1, 0);
    /// #BP.
    pub const BP: Self = Self::exception(3, 0);
    /// #OF.
    pub const OF: Self = Self::exception(4, 0);
    /// #UD.
    pub const UD: Self = Self::exception(6, 0);
    /// #NM.
    pub const NM: Self = Self::exception(7, 0);
    /// #GP(0).
    pub const GP: Self = Self::exception(13, 0);
    /// #SS(0).
    pub const SS: Self = Self::exception(12, 0);
    /// #MF.
    pub const MF: Self = Self::exception(16, 0);
    /// #AC(0).
    pub const AC: Self = Self::exception(17, 0);
    /// #XM.
    pub const XM: Self = Self::exception(19, 0);

    /// #PF with this error code.
    pub const fn pf(error_code: u32) -> Self {
        Self::exception(14, error_code)
    }

    /// #GP with this error code.
    pub const fn gp(error_code: u32) -> Self {
        Self::exception(13, error_code)
    }
}

impl<T> From<Result<T, Exception>> for Outcome {
    fn from(result: Result<T, Exception>) -> Self {
        match result {
            Ok(_) => Self::COMPLETED,
            Err(exception) => exception.into(),
        }
    }
}

impl From<Exception> for Outcome {
    fn from(exception: Exception) -> Self {
        Self::exception(exception.vector, exception.error_code)
    }
}

/// Where the vectors' code writes an exception, and how it gets back.
#[repr(C)]
pub(crate) struct Frame {
    resume_rsp: u64,
    previous: *mut Frame,
    /// Not 0 if the registers at the exception are wanted too.
    pub(crate) wants_registers: u64,
    vector: u64,
    error_code: u64,
    rip: u64,
    cs: u64,
    rflags: u64,
    rsp: u64,
    ss: u64,
    cr2: u64,
    handler_rsp: u64,
    /// RSP is not written here but in `rsp`.
    pub(crate) registers: Registers,
}

/// Offsets in [`Frame`], for assembly.
pub(crate) mod frame {
    use super::{Frame, offset_of};
    pub(crate) const RESUME_RSP: usize = offset_of!(Frame, resume_rsp);
    pub(crate) const PREVIOUS: usize = offset_of!(Frame, previous);
    pub(crate) const WANTS_REGISTERS: usize = offset_of!(Frame, wants_registers);
    pub(crate) const VECTOR: usize = offset_of!(Frame, vector);
    pub(crate) const ERROR_CODE: usize = offset_of!(Frame, error_code);
    pub(crate) const RIP: usize = offset_of!(Frame, rip);
    pub(crate) const CS: usize = offset_of!(Frame, cs);
    pub(crate) const RFLAGS: usize = offset_of!(Frame, rflags);
    pub(crate) const RSP: usize = offset_of!(Frame, rsp);
    pub(crate) const SS: usize = offset_of!(Frame, ss);
    pub(crate) const CR2: usize = offset_of!(Frame, cr2);
    pub(crate) const HANDLER_RSP: usize = offset_of!(Frame, handler_rsp);
    pub(crate) const REGISTERS: usize = offset_of!(Frame, registers);
}

impl Frame {
    /// Makes a frame without writing more of it than is read before the vectors' code writes the rest.
    pub(crate) fn new(wants_registers: bool) -> MaybeUninit<Self> {
        let mut frame = MaybeUninit::<Self>::uninit();
        // SAFETY: writes one field of a frame that is ours, through a pointer into it.
        unsafe { (&raw mut (*frame.as_mut_ptr()).wants_registers).write(u64::from(wants_registers)) };
        frame
    }

    pub(crate) fn exception(&self) -> Exception {
        let exception = Exception {
            vector: self.vector as u8,
            error_code: self.error_code as u32,
            rip: self.rip,
            cs: self.cs as u16,
            rflags: self.rflags,
            rsp: self.rsp,
            ss: self.ss as u16,
            cr2: self.cr2,
            // Below the saved RIP stand error code and vector, RAX and RDI.
            saved_rip_address: self.handler_rsp + 32,
        };
        if is_asked(Place::Exception) { exception.seen() } else { exception }
    }
}

impl Exception {
    /// What a case sees of it, if that is wrong on purpose.
    #[cold]
    fn seen(self) -> Self {
        let seen = |member, value: u64| seen(Place::Exception, member, value);
        Self {
            vector: seen(observation::VECTOR, self.vector.into()) as u8,
            error_code: seen(observation::ERROR_CODE, self.error_code.into()) as u32,
            rip: seen(observation::RIP, self.rip),
            cr2: seen(observation::CR2, self.cr2),
            ..self
        }
    }
}

// `catch_enter(frame, function, data)` calls `function(data)` and returns 0; or it returns 1, if an exception struck in
// it, which is then written in the frame. Either way it restores the registers that the System V ABI preserves, RFLAGS
// with them. `catch_leave` is entered with the frame in RDI, RAX set and RSP as `catch_enter` stored it.
global_asm!(
    r#"
    .pushsection .text.catch, "ax", @progbits
    .global catch_enter
    catch_enter:
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
        push rdi
        sub rsp, 8
        mov rdi, rdx
        call rsi
        add rsp, 8
        pop rdi
        xor eax, eax
    .global catch_leave
    catch_leave:
        mov rcx, [rdi + {PREVIOUS}]
        mov [catch_top], rcx
        popfq
        pop r15
        pop r14
        pop r13
        pop r12
        pop rbp
        pop rbx
        ret
    .popsection
    "#,
    RESUME_RSP = const frame::RESUME_RSP,
    PREVIOUS = const frame::PREVIOUS,
);

unsafe extern "C" {
    fn catch_enter(frame: *mut Frame, function: unsafe extern "C" fn(*mut u8), data: *mut u8) -> u64;
}

struct Data<T, F> {
    attempt: MaybeUninit<F>,
    result: MaybeUninit<T>,
}

unsafe extern "C" fn call<T, F: FnOnce() -> T>(data: *mut u8) {
    let data = data.cast::<Data<T, F>>();
    // SAFETY: 1. `data` is the `Data` of `enter`, of the same types, which nothing else refers to meanwhile. 2. `attempt`
    // is initialised and read once.
    unsafe { (*data).result.write(((*data).attempt.assume_init_read())()) };
}

fn enter<T, F: FnOnce() -> T>(data: &mut Data<T, F>, frame: &mut MaybeUninit<Frame>) -> u64 {
    const { assert!(!needs_drop::<T>() && !needs_drop::<F>(), "an exception would skip the drop") };
    // SAFETY: 1. the frame lives until `catch_enter` returns, which unlinks it. 2. `call` gets the data it was
    // made for.
    unsafe { catch_enter(frame.as_mut_ptr(), call::<T, F>, (&raw mut *data).cast()) }
}

/// Calls `attempt`; an exception in it becomes the error.
///
/// An exception skips the rest of `attempt` and of whatever it called, so nothing in it may need dropping; that of the
/// closure itself and of its result is checked at compile time. Interrupts (vectors from 32 up) that have a handler are
/// handled meanwhile. Calls nest.
pub fn catch<T>(attempt: impl FnOnce() -> T) -> Result<T, Exception> {
    let mut data = Data { attempt: MaybeUninit::new(attempt), result: MaybeUninit::uninit() };
    let mut frame = Frame::new(false);
    if enter(&mut data, &mut frame) == 0 {
        // SAFETY: `call` returned, so it has written the result.
        Ok(unsafe { data.result.assume_init() })
    } else {
        // SAFETY: the vectors' code has written every field but the registers, which are not read.
        Err(unsafe { (*frame.as_ptr()).exception() })
    }
}

/// Calls a function at CPL 0; an exception in it becomes the error, and `registers` what the exception found in them.
///
/// The function must be one that may run at CPL 0: no SSE, and nothing to drop.
pub fn call_with_registers(
    function: extern "C" fn(u64) -> u64,
    argument: u64,
    registers: &mut Registers,
) -> Result<u64, Exception> {
    let attempt = move || function(argument);
    let mut data = Data { attempt: MaybeUninit::new(attempt), result: MaybeUninit::uninit() };
    let mut frame = Frame::new(true);
    if enter(&mut data, &mut frame) == 0 {
        // SAFETY: `call` returned, so it has written the result.
        return Ok(unsafe { data.result.assume_init() });
    }
    // SAFETY: the vectors' code has written every field but RSP among the registers, which is replaced below before
    // anything reads it.
    let exception = unsafe {
        (&raw mut *registers).copy_from(&raw const (*frame.as_ptr()).registers, 1);
        (*frame.as_ptr()).exception()
    };
    registers[crate::user::register::RSP] = exception.rsp;
    Err(exception)
}

/// Sends an exception or unhandled interrupt of the slow path to the innermost frame; false if none waits.
pub(crate) fn divert(trap: &TrapFrame) -> bool {
    unsafe extern "C" {
        fn catch_divert(frame: *mut Frame) -> !;
    }
    let frame = processor::read_catch_top();
    if frame.is_null() {
        return false;
    }
    let registers = [
        trap.rax, trap.rcx, trap.rdx, trap.rbx, trap.rsp, trap.rbp, trap.rsi, trap.rdi, trap.r8, trap.r9, trap.r10,
        trap.r11, trap.r12, trap.r13, trap.r14, trap.r15,
    ];
    // SAFETY: 1. it is null or a frame whose `catch_enter` has not returned. 2. what is left behind is the
    // handler's stack, which holds nothing to drop.
    unsafe {
        (*frame).vector = trap.vector;
        (*frame).error_code = trap.error_code;
        (*frame).rip = trap.rip;
        (*frame).cs = trap.cs;
        (*frame).rflags = trap.rflags;
        (*frame).rsp = trap.rsp;
        (*frame).ss = trap.ss;
        (*frame).cr2 = crate::cpu::control::read_cr2();
        (*frame).handler_rsp = (&raw const trap.vector) as u64 - 16;
        if (*frame).wants_registers != 0 {
            (*frame).registers = registers;
        }
        catch_divert(frame)
    }
}

global_asm!(
    r#"
    .pushsection .text.catch, "ax", @progbits
    .global catch_divert
    catch_divert:
        mov rsp, [rdi + {RESUME_RSP}]
        mov eax, 1
        jmp catch_leave
    .popsection
    "#,
    RESUME_RSP = const frame::RESUME_RSP,
);
