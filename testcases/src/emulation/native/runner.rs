//! The program that runs in the child: it takes inputs from the shared memory, one after the other, and executes them.
//!
//! It is put together here, needs no library and uses nothing but what [`super::layout`] names. IRETQ starts an
//! execution: it loads RIP, RSP and the flags at once and serializes, so that the new code is fetched. Behind the code
//! under test stands a jump to the *ending*, which depends on no register and no stack; exceptions come as signals to
//! the *handler*. Neither returns to where it came from.
//!
//! Source: Intel SDM vol. 3A, "Handling Self- and Cross-Modifying Code"; Linux, arch/x86/kernel/signal_64.c.

use super::{
    elf,
    layout::{
        PAGE, RUNNER, context, control, kind,
        shared::{self, NR_SLOTS},
        shared_address, slot,
    },
    start::{self, EXPECT_EQUAL, EXPECT_NOTHING, STEP_WORDS},
    system::KICK,
};
use iced_x86::{
    BlockEncoderOptions, Code, IcedError, Instruction, MemoryOperand, Register,
    code_asm::{
        AsmMemoryOperand, AsmRegister64, CodeAssembler, CodeLabel, ds, dword_ptr, eax, edi, edx, es, esi, fs, gs,
        qword_ptr, r8, r9, r10, r12, r15, rax, rbp, rbx, rcx, rdi, rdx, rsi, rsp,
    },
};
use std::ops::Range;

/// Offset of the tables behind the code from the start of the program.
const TABLES: usize = 2 * PAGE;
/// The largest offset in a context of the words that the kernel gives: `uc_mcontext` of `struct ucontext`.
const CONTEXT_WORDS: usize = 40;
/// Offset in `struct ucontext` of the pointer to the extended state.
const CONTEXT_EXTENDED: usize = CONTEXT_WORDS + context::NR_WORDS * 8;
/// Offset in `siginfo_t` of its value, for a signal that was queued.
const SIGNAL_VALUE: usize = 24;
/// Offset in `siginfo_t` of `si_code`.
const SIGNAL_CODE: usize = 8;
/// What stands in the code pages around the code: INT3.
const FILLING: u64 = 0xcccc_cccc_cccc_cccc;
/// Flags that the runner itself is happy with: none but the one that is always set.
const CLEAN_FLAGS: i32 = 2;

/// The program, and where things stand in it.
#[derive(Debug)]
pub(super) struct Runner {
    /// The executable file.
    pub(super) file: Vec<u8>,
    /// The ending: an execution that got here is complete.
    pub(super) ending: Range<u64>,
    /// Names of the steps of the start, in their order.
    pub(super) steps: Vec<&'static str>,
}

/// The components of the extended state, and how much space they take.
#[derive(Clone, Copy, Debug)]
pub(super) struct ExtendedState {
    /// Mask of the components.
    pub(super) components: u64,
    /// Size of their area in the standard form, in bytes; a multiple of 8.
    pub(super) size: usize,
}

#[derive(Clone, Copy)]
struct Labels {
    step: CodeLabel,
    step_done: CodeLabel,
    failed: CodeLabel,
    wait: CodeLabel,
    futex: CodeLabel,
    next_slot: CodeLabel,
    finish_batch: CodeLabel,
    ending: CodeLabel,
    ending_done: CodeLabel,
    handler: CodeLabel,
    restorer: CodeLabel,
    finish_slot: CodeLabel,
}

impl Runner {
    /// Whether an address lies in the program.
    pub(super) fn contains(&self, address: u64) -> bool {
        (RUNNER..RUNNER + self.file.len() as u64).contains(&address)
    }

    /// Puts the program together; `harness` is the process that will be its parent.
    pub(super) fn assemble(extended: ExtendedState, harness: u32) -> Result<Self, IcedError> {
        let mut a = CodeAssembler::new(64)?;
        let mut labels = Labels {
            step: a.create_label(),
            step_done: a.create_label(),
            failed: a.create_label(),
            wait: a.create_label(),
            futex: a.create_label(),
            next_slot: a.create_label(),
            finish_batch: a.create_label(),
            ending: a.create_label(),
            ending_done: a.create_label(),
            handler: a.create_label(),
            restorer: a.create_label(),
            finish_slot: a.create_label(),
        };
        perform_steps(&mut a, &mut labels)?;
        wait_for_work(&mut a, &mut labels)?;
        execute_slot(&mut a, &mut labels, extended)?;
        end(&mut a, &mut labels, extended)?;
        handle_signal(&mut a, &mut labels, extended)?;
        finish_slot(&mut a, &mut labels)?;

        let origin = RUNNER + elf::HEADERS as u64;
        let assembled = a.assemble_options(origin, BlockEncoderOptions::RETURN_NEW_INSTRUCTION_OFFSETS)?;
        let mut segment = assembled.inner.code_buffer.clone();
        let places = start::Places {
            tables: RUNNER + TABLES as u64,
            handler: assembled.label_ip(&labels.handler)?,
            restorer: assembled.label_ip(&labels.restorer)?,
            futex: assembled.label_ip(&labels.futex)?,
        };
        let start = start::start(&places, harness);
        segment.resize(TABLES - elf::HEADERS, 0);
        segment.extend(&start.tables);
        Ok(Self {
            file: elf::executable(RUNNER, &segment),
            ending: assembled.label_ip(&labels.ending)?..assembled.label_ip(&labels.ending_done)?,
            steps: start.names,
        })
    }
}

fn at(register: AsmRegister64, offset: usize) -> AsmMemoryOperand {
    qword_ptr(register + offset as i32)
}

/// Performs the system calls of the start, and exits with the number of the first one that fails, counted from 1.
fn perform_steps(a: &mut CodeAssembler, labels: &mut Labels) -> Result<(), IcedError> {
    a.mov(rbx, RUNNER + TABLES as u64)?;
    a.mov(r12, 0_u64)?;
    a.set_label(&mut labels.step)?;
    a.inc(r12)?;
    a.mov(rax, at(rbx, 0))?;
    a.cmp(rax, -1)?;
    a.je(labels.wait)?;
    for (word, register) in [rdi, rsi, rdx, r10, r8, r9].into_iter().enumerate() {
        a.mov(register, at(rbx, 8 * (word + 1)))?;
    }
    a.syscall()?;
    a.mov(rcx, at(rbx, 8 * 7))?;
    a.cmp(rcx, EXPECT_NOTHING as i32)?;
    a.je(labels.step_done)?;
    a.cmp(rcx, EXPECT_EQUAL as i32)?;
    // Success is the usual expectation.
    a.mov(rcx, at(rbx, 8 * 8))?;
    let mut success = a.create_label();
    a.jne(success)?;
    a.cmp(rax, rcx)?;
    a.jne(labels.failed)?;
    a.set_label(&mut success)?;
    a.test(rax, rax)?;
    a.js(labels.failed)?;
    a.set_label(&mut labels.step_done)?;
    a.add(rbx, 8 * STEP_WORDS as i32)?;
    a.jmp(labels.step)?;
    a.set_label(&mut labels.failed)?;
    a.mov(rdi, r12)?;
    a.mov(eax, libc::SYS_exit_group as i32)?;
    a.syscall()?;
    a.hlt()
}

/// Sleeps until a batch comes, and says when it is finished. There is one SYSCALL for both: the filter knows it by its
/// address.
fn wait_for_work(a: &mut CodeAssembler, labels: &mut Labels) -> Result<(), IcedError> {
    let mut work = a.create_label();
    a.set_label(&mut labels.wait)?;
    a.mov(r15, shared_address(shared::CONTROL))?;
    a.mov(edx, dword_ptr(r15 + control::SUBMITTED as i32))?;
    a.cmp(edx, dword_ptr(r15 + control::FINISHED as i32))?;
    a.jne(work)?;
    a.lea(rdi, at(r15, control::SUBMITTED))?;
    a.mov(esi, libc::FUTEX_WAIT)?;
    let mut call = a.create_label();
    a.set_label(&mut call)?;
    a.mov(r10, 0_u64)?;
    a.mov(eax, libc::SYS_futex as i32)?;
    a.syscall()?;
    // The filter is told the address of the next instruction.
    a.set_label(&mut labels.futex)?;
    a.jmp(labels.wait)?;

    a.set_label(&mut labels.finish_batch)?;
    a.mov(eax, dword_ptr(r15 + control::SUBMITTED as i32))?;
    a.mov(dword_ptr(r15 + control::FINISHED as i32), eax)?;
    a.lea(rdi, at(r15, control::FINISHED))?;
    a.mov(esi, libc::FUTEX_WAKE)?;
    a.mov(edx, 1)?;
    a.jmp(call)?;

    a.set_label(&mut work)?;
    a.mov(at(r15, control::NEXT), 0)?;
    a.jmp(labels.next_slot)
}

/// Loads the state of the next slot and goes to its code.
fn execute_slot(a: &mut CodeAssembler, labels: &mut Labels, extended: ExtendedState) -> Result<(), IcedError> {
    a.set_label(&mut labels.next_slot)?;
    a.mov(r15, shared_address(shared::CONTROL))?;
    a.mov(rax, at(r15, control::NEXT))?;
    a.cmp(rax, at(r15, control::COUNT))?;
    a.jae(labels.finish_batch)?;
    a.cmp(rax, NR_SLOTS as i32)?;
    a.jae(labels.finish_batch)?;
    a.imul_3(rax, rax, slot::SIZE as i32)?;
    a.mov(rbx, shared_address(shared::SLOTS))?;
    a.add(rbx, rax)?;
    a.mov(at(r15, control::SLOT), rbx)?;

    // The stack and every window start as zeros, so that nothing is left of the execution before.
    a.mov(rdi, shared_address(shared::STACK))?;
    a.mov(rcx, ((shared::GATE - shared::STACK) / 8) as u64)?;
    a.xor(eax, eax)?;
    a.rep().stosq()?;
    a.lea(rsi, at(rbx, slot::CONTENT))?;
    a.mov(rdi, at(rbx, slot::CONTENT_AT))?;
    a.mov(rcx, at(rbx, slot::CONTENT_WORDS))?;
    a.rep().movsq()?;
    a.mov(rdi, at(rbx, slot::CODE_AT))?;
    for offset in (0..slot::CODE_SIZE).step_by(8) {
        a.mov(rax, at(rbx, slot::CODE + offset))?;
        a.mov(at(rdi, offset), rax)?;
    }
    // From here on a fault is one of this execution: that the processor refuses its state is told so.
    a.mov(rax, at(rbx, slot::NUMBER))?;
    a.mov(at(r15, control::RUNNING), rax)?;
    a.mov(rsi, at(rbx, slot::EXTENDED_FROM))?;
    load_components(a, extended)?;
    a.xrstor64(iced_x86::code_asm::ptr(rsi))?;
    a.mov(rax, at(rbx, slot::DATA_SELECTOR))?;
    a.mov(ds, eax)?;
    a.mov(es, eax)?;
    a.mov(fs, eax)?;
    a.mov(gs, eax)?;
    a.mov(rax, at(rbx, slot::BASES))?;
    a.wrfsbase(rax)?;
    a.mov(rax, at(rbx, slot::BASES + 8))?;
    a.wrgsbase(rax)?;
    a.lea(rsp, at(rbx, slot::FRAME))?;
    for (number, register) in REGISTERS.into_iter().enumerate() {
        if register != rsp {
            a.mov(register, at(rsp, slot::GENERAL - slot::FRAME + 8 * number))?;
        }
    }
    a.iretq()
}

/// General registers in the order of their numbers.
const REGISTERS: [AsmRegister64; 16] = {
    use iced_x86::code_asm::{r11, r13, r14};
    [rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15]
};

/// Saves what the code under test left behind.
fn end(a: &mut CodeAssembler, labels: &mut Labels, extended: ExtendedState) -> Result<(), IcedError> {
    let mut without_extended = a.create_label();
    a.set_label(&mut labels.ending)?;
    // The only store of a register that needs no other one.
    let saved = shared_address(control::SAVED);
    a.add_instruction(Instruction::with2(Code::Mov_moffs64_RAX, MemoryOperand::with_displ(saved, 8), Register::RAX)?)?;
    a.mov(rax, saved)?;
    for (number, register) in REGISTERS.into_iter().enumerate().skip(1) {
        a.mov(at(rax, 8 * number), register)?;
    }
    a.lea(rsp, at(rax, control::STACK_END - control::SAVED))?;
    a.pushfq()?;
    a.pop(at(rax, 8 * REGISTERS.len()))?;
    a.push(CLEAN_FLAGS)?;
    a.popfq()?;
    a.set_label(&mut labels.ending_done)?;
    a.mov(r15, shared_address(shared::CONTROL))?;
    a.mov(rbx, at(r15, control::SLOT))?;
    a.mov(at(r15, control::RUNNING), 0)?;
    a.cmp(at(rbx, slot::EXTENDED_WANTED), 0)?;
    a.je(without_extended)?;
    load_components(a, extended)?;
    a.xsave64(iced_x86::code_asm::ptr(rbx + slot::EXTENDED as i32))?;
    a.set_label(&mut without_extended)?;
    a.mov(rsi, saved)?;
    a.lea(rdi, at(rbx, slot::SAVED))?;
    a.mov(rcx, REGISTERS.len() as u64 + 1)?;
    a.rep().movsq()?;
    a.mov(at(rbx, slot::KIND), kind::ENDING as i32)?;
    a.jmp(labels.finish_slot)
}

/// Takes from a signal what the code under test left behind, or goes back if the signal came too late.
fn handle_signal(a: &mut CodeAssembler, labels: &mut Labels, extended: ExtendedState) -> Result<(), IcedError> {
    let mut record = a.create_label();
    let mut ignore = a.create_label();
    let mut broken = a.create_label();
    let mut without_extended = a.create_label();
    a.set_label(&mut labels.handler)?;
    a.mov(r15, shared_address(shared::CONTROL))?;
    a.mov(rax, at(r15, control::RUNNING))?;
    a.cmp(edi, KICK)?;
    a.jne(record)?;
    a.test(rax, rax)?;
    a.je(ignore)?;
    a.cmp(eax, dword_ptr(rsi + SIGNAL_VALUE as i32))?;
    a.jne(ignore)?;

    a.set_label(&mut record)?;
    a.test(rax, rax)?;
    a.je(broken)?;
    a.push(CLEAN_FLAGS)?;
    a.popfq()?;
    a.mov(at(r15, control::RUNNING), 0)?;
    a.mov(rbx, at(r15, control::SLOT))?;
    a.mov(dword_ptr(rbx + slot::SIGNAL as i32), edi)?;
    a.mov(eax, dword_ptr(rsi + SIGNAL_CODE as i32))?;
    a.mov(dword_ptr(rbx + (slot::SIGNAL + 4) as i32), eax)?;
    a.mov(r12, at(rdx, CONTEXT_EXTENDED))?;
    a.lea(rsi, at(rdx, CONTEXT_WORDS))?;
    a.lea(rdi, at(rbx, slot::CONTEXT))?;
    a.mov(rcx, context::NR_WORDS as u64)?;
    a.rep().movsq()?;
    a.cmp(at(rbx, slot::EXTENDED_WANTED), 0)?;
    a.je(without_extended)?;
    a.mov(rsi, r12)?;
    a.lea(rdi, at(rbx, slot::EXTENDED))?;
    a.mov(rcx, (extended.size / 8) as u64)?;
    a.rep().movsq()?;
    a.set_label(&mut without_extended)?;
    a.mov(at(rbx, slot::KIND), kind::SIGNAL as i32)?;
    a.jmp(labels.finish_slot)?;

    a.set_label(&mut ignore)?;
    a.ret()?;
    a.set_label(&mut labels.restorer)?;
    a.mov(eax, libc::SYS_rt_sigreturn as i32)?;
    a.syscall()?;
    // The runner itself is at fault: this raises signals until their stack is used up, and the kernel ends the child.
    a.set_label(&mut broken)?;
    a.hlt()
}

/// Saves the rest of the state and takes the code away.
fn finish_slot(a: &mut CodeAssembler, labels: &mut Labels) -> Result<(), IcedError> {
    a.set_label(&mut labels.finish_slot)?;
    a.rdfsbase(rax)?;
    a.mov(at(rbx, slot::OUT_BASES), rax)?;
    a.rdgsbase(rax)?;
    a.mov(at(rbx, slot::OUT_BASES + 8), rax)?;
    a.mov(rax, FILLING)?;
    a.mov(rdi, at(rbx, slot::CODE_AT))?;
    for offset in (0..slot::CODE_SIZE).step_by(8) {
        a.mov(at(rdi, offset), rax)?;
    }
    a.mov(rsi, at(rbx, slot::CONTENT_AT))?;
    a.lea(rdi, at(rbx, slot::CONTENT))?;
    a.mov(rcx, at(rbx, slot::CONTENT_WORDS))?;
    a.rep().movsq()?;
    a.inc(at(r15, control::NEXT))?;
    a.jmp(labels.next_slot)
}

/// The mask of components as XSAVE and XRSTOR take it.
fn load_components(a: &mut CodeAssembler, extended: ExtendedState) -> Result<(), IcedError> {
    a.mov(eax, extended.components as u32)?;
    a.mov(edx, (extended.components >> 32) as u32)
}
