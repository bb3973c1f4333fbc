//! One entry after the other until an execution has ended, and what can be said of it then.

use super::{
    device, layout,
    machine::{Failure, INT3, Machine},
    state,
};
use iced_decoder::{
    Access, Registers,
    machine::{
        End, Exception, Input,
        window::{self, PAGE},
    },
};
use kvm_bindings::kvm_regs;
use kvm_ioctls::VcpuExit;
use std::ops::Range;
use vmm::reusable::TICK_MS;

/// What an execution may use of a processor before it is taken for hung, in milliseconds; at most one tick more.
const LIMIT_MS: u32 = 60;
/// How many accesses to devices an execution may make.
const NR_ACCESSES_MAX: usize = 4096;
/// Size of `out imm8, al` in bytes.
const OUT_SIZE: u64 = 2;
/// Size of `int3` in bytes.
const INT3_SIZE: u64 = 1;
/// Vectors that push an error code (Intel SDM vol. 3A, "Error Code").
const WITH_ERROR_CODE: [u8; 10] = [8, 10, 11, 12, 13, 14, 17, 21, 29, 30];
/// Vectors by name.
mod vector {
    pub(super) const DEBUG: u8 = 1;
    pub(super) const BREAKPOINT: u8 = 3;
    pub(super) const PAGE_FAULT: u8 = 14;
}

/// How an execution ended on KVM, with what the output needs.
pub(super) struct Ended {
    pub(super) end: End,
    pub(super) registers: Registers,
    /// Whether the VM has to be made anew.
    pub(super) is_spent: bool,
}

/// How the guest left for good.
enum Left {
    /// The instruction is done, and the guest was not entered again.
    Completed,
    /// By HLT.
    Halted,
    /// By the port that ends executions.
    Out,
    /// KVM does not execute this, and can go on with something else.
    Refused(String),
    /// KVM cannot go on.
    Dead(String),
    /// It did not leave in time, or made too many accesses.
    Hung,
}

impl Machine {
    /// Enters the guest until the instruction has ended.
    pub(super) fn run(&mut self, input: &Input, accesses: &mut Vec<Access>) -> Result<Ended, Failure> {
        let behind = behind(input);
        self.vm.start_ticks()?;
        let (mut has_access, mut nr_port_accesses) = (false, 0);
        loop {
            // After an access the emulator may have the rest of the instruction done without an entry.
            let exit = if has_access { self.vm.complete()? } else { self.vm.enter()? };
            let was_completion = std::mem::take(&mut has_access);
            let left = match exit {
                VcpuExit::MmioRead(address, data) => {
                    let mut buffer = [0xff; 8];
                    let size = data.len();
                    let told = device::read(self.vm.memory(), address, &mut buffer[..size]);
                    self.vm.answer(&buffer[..size]);
                    accesses.extend(told);
                    has_access = true;
                    None
                }
                VcpuExit::MmioWrite(address, data) => {
                    let mut buffer = [0; 8];
                    let size = data.len();
                    buffer[..size].copy_from_slice(data);
                    accesses.extend(device::write(self.vm.memory_mut(), address, &buffer[..size]));
                    has_access = true;
                    None
                }
                VcpuExit::Intr => self.interrupted(was_completion, behind),
                VcpuExit::IoOut(layout::END_PORT, _) => {
                    let rip = self.vm.state().regs.rip;
                    if self.out_moves_rip(input.bitness, rip != behind) {
                        Some(Left::Out)
                    } else {
                        // It would move it when the next execution starts.
                        self.vm.complete()?;
                        Some(Left::Out)
                    }
                }
                VcpuExit::Hlt => Some(Left::Halted),
                VcpuExit::InternalError => Some(self.refusal()),
                VcpuExit::Shutdown => Some(Left::Dead("KVM_EXIT_SHUTDOWN".into())),
                // Ring 0 may use ports: there is nothing on them.
                VcpuExit::IoIn(_, data) => {
                    data.fill(0xff);
                    nr_port_accesses += 1;
                    has_access = true;
                    None
                }
                VcpuExit::IoOut(..) => {
                    nr_port_accesses += 1;
                    has_access = true;
                    None
                }
                exit => Some(Left::Dead(name(&exit))),
            };
            if let Some(left) = left {
                return Ok(self.ended(input, left));
            }
            if accesses.len() + nr_port_accesses > NR_ACCESSES_MAX {
                return Ok(self.ended(input, Left::Hung));
            }
        }
    }

    /// What follows an exit without a reason.
    fn interrupted(&mut self, was_completion: bool, behind: u64) -> Option<Left> {
        let state = self.vm.state();
        let exception = state.events.exception;
        if was_completion && state.regs.rip == behind && exception.injected | exception.pending == 0 {
            return Some(Left::Completed);
        }
        (self.vm.ticks() * u64::from(TICK_MS) > u64::from(LIMIT_MS)).then_some(Left::Hung)
    }

    /// Makes an output's registers and end of where the guest stands.
    fn ended(&mut self, input: &Input, left: Left) -> Ended {
        let state = *self.vm.state();
        let mut regs = state.regs;
        let code = input.registers.rip..behind(input);
        let mut is_spent = false;
        let end = match left {
            Left::Completed => End::Completed,
            Left::Halted => match self.exception(&mut regs, state.sregs.cr2) {
                // Ring 0 may halt.
                None => End::Completed,
                Some(exception) if self.is_ending(&exception, &regs, &code) => {
                    regs.rip -= INT3_SIZE;
                    End::Completed
                }
                Some(exception) => {
                    self.debug_used |= exception.vector == vector::DEBUG;
                    End::Raised(exception)
                }
            },
            Left::Out => {
                regs.rip = regs.rip.wrapping_sub(OUT_SIZE);
                match code.contains(&regs.rip) {
                    true => End::Refused("it writes to the port that ends executions".into()),
                    false => End::Completed,
                }
            }
            Left::Refused(text) => End::Refused(text),
            Left::Dead(text) => {
                is_spent = true;
                End::Refused(text)
            }
            Left::Hung => {
                is_spent = true;
                End::Hung
            }
        };
        Ended { end, registers: state::from_kvm(&regs, &state.sregs, &input.registers), is_spent }
    }

    /// Whether an exception is that of the instruction which ends executions; `regs` are those of its frame.
    fn is_ending(&self, exception: &Exception, regs: &kvm_regs, code: &Range<u64>) -> bool {
        let place = regs.rip.wrapping_sub(INT3_SIZE);
        let is_code = (window::CODE..window::CODE + window::NR_CODE_PAGES * PAGE).contains(&place);
        self.ending == INT3 && exception.vector == vector::BREAKPOINT && is_code && !code.contains(&place)
    }

    /// The exception whose handler has been reached; `regs` become those of its frame.
    fn exception(&self, regs: &mut kvm_regs, cr2: u64) -> Option<Exception> {
        let handlers = layout::SYSTEM + layout::HANDLERS;
        let offset = regs.rip.checked_sub(handlers).filter(|offset| *offset <= PAGE)?;
        let vector = u8::try_from(offset / layout::HANDLER_STEP).ok()?;
        let has_error_code = WITH_ERROR_CODE.contains(&vector);
        let frame = regs.rsp.checked_sub(layout::SYSTEM)? as usize;
        let memory = self.vm.memory();
        let word = |number: usize| -> Option<u64> {
            let at = frame.checked_add(number * 8)?;
            memory.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes)
        };
        let first = usize::from(has_error_code);
        let error_code = if has_error_code { word(0)? as u32 } else { 0 };
        (regs.rip, regs.rflags, regs.rsp) = (word(first)?, word(first + 2)?, word(first + 3)?);
        Some(Exception {
            vector,
            error_code: has_error_code.then_some(error_code),
            address: (vector == vector::PAGE_FAULT).then_some(cr2),
        })
    }

    fn refusal(&mut self) -> Left {
        const EMULATION: u32 = 1;
        const HAS_BYTES: u64 = 1;
        let (suberror, data) = self.vm.internal_error();
        Left::Refused(match (suberror, data.first()) {
            (EMULATION, Some(flags)) if flags & HAS_BYTES != 0 => "KVM_INTERNAL_ERROR_EMULATION with its bytes".into(),
            (EMULATION, _) => "KVM_INTERNAL_ERROR_EMULATION without bytes".into(),
            _ => format!("KVM_EXIT_INTERNAL_ERROR {suberror}"),
        })
    }
}

/// Address of the byte behind the instruction.
fn behind(input: &Input) -> u64 {
    input.registers.rip.wrapping_add(input.code.len() as u64)
}

/// The name of an exit without the numbers in it.
fn name(exit: &VcpuExit<'_>) -> String {
    let text = format!("{exit:?}");
    let end = text.find(['(', ' ', '{']).unwrap_or(text.len());
    format!("KVM exit {}", &text[..end])
}
