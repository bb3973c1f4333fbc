//! Many executions on memory in one entry of the guest.
//!
//! A program in ring 3 takes one slot after the other: it puts content and code in their place, loads all registers,
//! jumps to the instruction, and saves what came out of it. An entry of the guest costs more than all of that. It takes
//! only plain instructions whose predicted accesses stay in their window; whatever leaves the guest early, or leaves
//! anything behind, is executed alone afterwards.

use super::{
    layout,
    machine::{Failure, INSTRUCTION_MAX, Machine},
    state,
};
use iced_decoder::{
    Bitness, Registers, Space, accesses,
    machine::{
        End, Input, Output,
        window::{self, PAGE},
    },
};
use iced_x86::{Decoder, DecoderOptions, IcedError, code_asm::*};
use kvm_bindings::kvm_regs;
use kvm_ioctls::VcpuExit;
use vmm::reusable::TICK_MS;

/// How many executions one entry makes at most.
pub(super) const NR_SLOTS: usize = 32;
/// Size of a slot in bytes.
pub(super) const SLOT_SIZE: usize = 0x3000;
/// Bytes of code in a slot: the instruction, an indirect jump of 6 bytes and its target.
const CODE_SIZE: usize = 32;
/// What a batch may use of a processor, in milliseconds.
const LIMIT_MS: u32 = 60;

/// Offsets in a slot: the window's content first, so that it is aligned.
mod slot {
    use iced_decoder::machine::window;

    /// General registers in the order of their numbers, going in and coming out.
    pub(super) const GENERAL: usize = window::SIZE;
    pub(super) const RFLAGS: usize = GENERAL + 16 * 8;
    /// Where the instruction starts.
    pub(super) const RIP: usize = RFLAGS + 8;
    /// Where the window and the code can be written.
    pub(super) const WINDOW_ALIAS: usize = RIP + 8;
    pub(super) const CODE_ALIAS: usize = WINDOW_ALIAS + 8;
    /// One once the slot is done.
    pub(super) const IS_DONE: usize = CODE_ALIAS + 8;
    pub(super) const CODE: usize = IS_DONE + 8;
}

/// Offsets in the page of variables.
mod variable {
    pub(super) const CURRENT: u64 = 0;
    pub(super) const END: u64 = 8;
    pub(super) const TARGET: u64 = 16;
    pub(super) const RBX: u64 = 24;
    /// Where the scratch stack starts, which grows down.
    pub(super) const STACK: u64 = 0x800;
}

fn at(offset: u64) -> AsmMemoryOperand {
    qword_ptr(layout::BATCH_VARIABLES_LINEAR + offset)
}

/// RBX is the slot in what follows.
fn field(offset: usize) -> AsmMemoryOperand {
    qword_ptr(rbx + offset as i32)
}

const GENERAL: [AsmRegister64; 16] = [rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15];
/// Number of RBX, which is loaded last and saved first.
const RBX: usize = 3;

/// The program: its bytes, and where it saves.
pub(super) fn program() -> Result<(Vec<u8>, u64), IcedError> {
    let mut a = CodeAssembler::new(64)?;
    let (mut next, mut done, mut save) = (a.create_label(), a.create_label(), a.create_label());
    let slot_address = |number: usize| field(slot::GENERAL + number * 8);
    let stack = layout::BATCH_VARIABLES_LINEAR + variable::STACK;
    a.set_label(&mut next)?;
    a.cld()?;
    a.mov(rbx, at(variable::CURRENT))?;
    a.cmp(rbx, at(variable::END))?;
    a.je(done)?;
    a.mov(rsi, rbx)?;
    a.mov(rdi, field(slot::WINDOW_ALIAS))?;
    a.mov(ecx, window::SIZE as u32 / 8)?;
    a.rep().movsq()?;
    a.lea(rsi, field(slot::CODE))?;
    a.mov(rdi, field(slot::CODE_ALIAS))?;
    a.mov(ecx, CODE_SIZE as u32)?;
    a.rep().movsb()?;
    a.mov(rax, field(slot::RIP))?;
    a.mov(at(variable::TARGET), rax)?;
    a.mov(rsp, stack)?;
    a.push(field(slot::RFLAGS))?;
    a.popfq()?;
    for (number, register) in GENERAL.into_iter().enumerate().filter(|(number, _)| *number != RBX) {
        a.mov(register, slot_address(number))?;
    }
    a.mov(rbx, slot_address(RBX))?;
    a.jmp(at(variable::TARGET))?;

    a.set_label(&mut save)?;
    a.mov(at(variable::RBX), rbx)?;
    a.mov(rbx, at(variable::CURRENT))?;
    for (number, register) in GENERAL.into_iter().enumerate().filter(|(number, _)| *number != RBX) {
        a.mov(slot_address(number), register)?;
    }
    a.mov(rsp, stack)?;
    a.pushfq()?;
    a.pop(field(slot::RFLAGS))?;
    a.mov(rax, at(variable::RBX))?;
    a.mov(slot_address(RBX), rax)?;
    a.cld()?;
    a.mov(rdi, rbx)?;
    a.mov(rsi, field(slot::WINDOW_ALIAS))?;
    a.mov(ecx, window::SIZE as u32 / 8)?;
    a.rep().movsq()?;
    // The next one finds all windows empty and all code gone.
    a.mov(rdi, field(slot::WINDOW_ALIAS))?;
    a.xor(eax, eax)?;
    a.mov(ecx, window::SIZE as u32 / 8)?;
    a.rep().stosq()?;
    a.mov(rdi, field(slot::CODE_ALIAS))?;
    a.mov(al, u32::from(layout::END_PORT))?;
    a.mov(ecx, CODE_SIZE as u32)?;
    a.rep().stosb()?;
    a.mov(field(slot::IS_DONE), 1)?;
    a.add(rbx, SLOT_SIZE as i32)?;
    a.mov(at(variable::CURRENT), rbx)?;
    a.jmp(next)?;
    a.set_label(&mut done)?;
    a.out(u32::from(layout::END_PORT), al)?;
    let options = iced_x86::BlockEncoderOptions::RETURN_NEW_INSTRUCTION_OFFSETS;
    let result = a.assemble_options(layout::BATCH_CODE_LINEAR, options)?;
    let save = result.label_ip(&save)?;
    Ok((result.inner.code_buffer, save))
}

/// Whether an input may be executed beside others.
pub(super) fn is_plain(input: &Input) -> bool {
    let has_bases = input.registers.segment_bases[4..].iter().any(|base| *base != 0);
    if input.bitness != Bitness::Bits64 || input.extended.is_some() || has_bases {
        return false;
    }
    if input.code.len() > INSTRUCTION_MAX
        || input.registers.rip.wrapping_sub(window::CODE) >= PAGE
        || state::uses_extended(input)
    {
        return false;
    }
    let instruction = Decoder::with_ip(64, &input.code, input.registers.rip, DecoderOptions::NONE).decode();
    if instruction.is_invalid() || instruction.is_privileged() || has_segment_register(&instruction) {
        return false;
    }
    let is_repeated = instruction.has_rep_prefix() || instruction.has_repne_prefix();
    let accesses = accesses(&instruction, &input.registers);
    let start = input.window.address();
    let end = start + window::SIZE as u64;
    !is_repeated
        && accesses.iter().all(|access| {
            let last = access.address.saturating_add(access.size_bytes.into());
            access.space == Space::Memory && access.address >= start && last <= end
        })
}

fn has_segment_register(instruction: &iced_x86::Instruction) -> bool {
    (0..instruction.op_count()).any(|operand| instruction.op_register(operand).is_segment_register())
}

impl Machine {
    /// Executes inputs for which [`is_plain`] holds, at most [`NR_SLOTS`]. Nothing stands for those that have to be
    /// executed alone. Says whether the machine can still be used.
    pub(super) fn run_batch(&mut self, inputs: &[&Input]) -> Result<(Vec<Option<Output>>, bool), Failure> {
        let count = inputs.len().min(NR_SLOTS);
        for (index, input) in inputs.iter().take(count).enumerate() {
            self.fill_slot(index, input);
        }
        self.empty_memory();
        let slots = layout::BATCH_SLOTS_LINEAR;
        let end = slots + (count * SLOT_SIZE) as u64;
        self.write_variable(variable::END, end);
        let mut next = 0;
        self.vm.start_ticks()?;
        while next < count {
            self.write_variable(variable::CURRENT, slots + (next * SLOT_SIZE) as u64);
            self.prepare_program()?;
            let is_over = loop {
                let exit = self.vm.enter()?;
                if matches!(exit, VcpuExit::Intr) {
                    if self.vm.ticks() * u64::from(TICK_MS) > u64::from(LIMIT_MS) {
                        break true;
                    }
                    continue;
                }
                match exit {
                    VcpuExit::IoOut(layout::END_PORT, _) => {
                        // See `run`: where RIP has not moved yet, it must do so now.
                        self.vm.complete()?;
                        break false;
                    }
                    VcpuExit::Hlt | VcpuExit::InternalError => break false,
                    _ => break true,
                }
            };
            if is_over {
                return Ok((vec![None; inputs.len()], false));
            }
            // The slot that left early is given up, and what it left behind goes.
            let done = (next..count).take_while(|index| self.is_done(*index)).count();
            next += done;
            if next < count {
                self.empty_memory();
            }
            next += 1;
        }
        // A batch of which something stayed behind is worth nothing.
        let is_clean = self.is_memory_empty();
        self.empty_memory();
        let outputs = inputs.iter().enumerate().map(|(index, input)| {
            (is_clean && index < count && self.is_done(index)).then(|| self.slot_output(index, input))
        });
        Ok((outputs.collect(), true))
    }

    fn slot(&mut self, index: usize) -> &mut [u8] {
        let start = layout::BATCH_SLOTS as usize + index * SLOT_SIZE;
        &mut self.vm.memory_mut()[start..start + SLOT_SIZE]
    }

    fn fill_slot(&mut self, index: usize, input: &Input) {
        let save = self.batch_save;
        let slot = self.slot(index);
        super::machine::fill_content(input, &mut slot[..window::SIZE]);
        let regs = state::to_kvm(&input.registers);
        let offset = input.registers.rip.wrapping_sub(window::CODE);
        let alias = layout::BATCH_ALIAS_LINEAR;
        for (at, value) in [
            (slot::RFLAGS, regs.rflags),
            (slot::RIP, regs.rip),
            (slot::WINDOW_ALIAS, alias + layout::backing(input.window) - layout::CODE),
            (slot::CODE_ALIAS, alias + offset),
            (slot::IS_DONE, 0),
        ] {
            slot[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        for (bytes, value) in slot[slot::GENERAL..].chunks_mut(8).zip(input.registers.general) {
            bytes.copy_from_slice(&value.to_le_bytes());
        }
        let code = &mut slot[slot::CODE..slot::CODE + CODE_SIZE];
        code.fill(layout::END_PORT as u8);
        let (instruction, behind) = code.split_at_mut(input.code.len());
        instruction.copy_from_slice(&input.code);
        // JMP through the eight bytes behind it.
        behind[..6].copy_from_slice(&[0xff, 0x25, 0, 0, 0, 0]);
        behind[6..14].copy_from_slice(&save.to_le_bytes());
    }

    fn word(&self, index: usize, offset: usize) -> u64 {
        let at = layout::BATCH_SLOTS as usize + index * SLOT_SIZE + offset;
        self.vm.memory()[at..at + 8].try_into().map(u64::from_le_bytes).unwrap_or_default()
    }

    fn is_done(&self, index: usize) -> bool {
        self.word(index, slot::IS_DONE) != 0
    }

    fn slot_output(&mut self, index: usize, input: &Input) -> Output {
        let general = std::array::from_fn(|number| self.word(index, slot::GENERAL + number * 8));
        let rflags = self.word(index, slot::RFLAGS);
        let memory = self.slot(index)[..window::SIZE].to_vec();
        let rip = input.registers.rip + input.code.len() as u64;
        let registers = Registers { general, rip, rflags, ..input.registers };
        Output { end: End::Completed, registers, extended: None, memory, accesses: None }
    }

    fn write_variable(&mut self, offset: u64, value: u64) {
        let at = (layout::BATCH_VARIABLES + offset) as usize;
        self.vm.memory_mut()[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }

    /// Registers for the program.
    fn prepare_program(&mut self) -> Result<(), Failure> {
        self.prepare_special(Bitness::Bits64, [0, 0])?;
        self.vm.set_regs(&kvm_regs { rip: layout::BATCH_CODE_LINEAR, rflags: 0x202, ..Default::default() });
        Ok(())
    }
}
