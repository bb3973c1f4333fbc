//! What became of an execution, from what the runner left in the slot.

use super::{
    layout::{USER_END, context, kind, slot},
    request::{INPUT_FLAGS, Plan},
    runner::Runner,
    system::KICK,
};
use iced_decoder::{
    Bitness, Registers,
    machine::{End, Exception, Input},
};
use std::ops::Range;

/// `si_code` of a SIGTRAP by TF: TRAP_TRACE.
const TRAP_TRACE: i32 = 2;
/// Vector of debug exceptions.
const DEBUG: u64 = 1;
/// Vector of page faults.
const PAGE_FAULT: u64 = 14;
/// Vectors with an error code: #DF, #TS, #NP, #SS, #GP, #PF, #AC and #CP (Intel SDM vol. 3A, "Exception and Interrupt
/// Vectors").
const WITH_ERROR_CODE: [u64; 8] = [8, 10, 11, 12, 13, 14, 17, 21];
/// P of a page fault's error code.
const PRESENT: u32 = 1;

/// How an execution ended, and with which registers.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    /// How it ended.
    pub(super) end: End,
    /// Registers.
    pub(super) registers: Registers,
}

/// Reads the words of a slot.
///
/// # Errors
/// In words: that there was no execution, which is the runner's fault or that of a state that cannot be loaded.
pub(super) fn outcome(words: &[u8], input: &Input, plan: Plan, runner: &Runner) -> Result<Outcome, String> {
    let mut registers = input.registers;
    for (base, at) in registers.segment_bases[4..].iter_mut().zip([slot::OUT_BASES, slot::OUT_BASES + 8]) {
        *base = word(words, at);
    }
    let behind = input.registers.rip + input.code.len() as u64;
    match word(words, slot::KIND) {
        kind::ENDING => {
            let saved = |index: usize| word(words, slot::SAVED + 8 * index);
            put_general(&mut registers, input, saved);
            let flags = saved(registers.general.len());
            put_flags(&mut registers, flags);
            registers.rip = behind;
            Ok(Outcome { end: End::Completed, registers })
        }
        kind::SIGNAL => {
            let saved = |index: usize| word(words, slot::CONTEXT + 8 * index);
            put_general(&mut registers, input, |number| saved(context::GENERAL[number]));
            put_flags(&mut registers, saved(context::FLAGS));
            registers.rip = saved(context::RIP);
            let signal = Signal {
                number: i32::from_le_bytes(bytes(words, slot::SIGNAL)),
                code: i32::from_le_bytes(bytes(words, slot::SIGNAL + 4)),
                vector: saved(context::VECTOR),
                error_code: saved(context::ERROR_CODE),
                address: saved(context::CR2),
            };
            let is_at_end = is_at_end(&runner.ending, registers.rip) || plan == Plan::Ending && registers.rip == behind;
            if is_at_end {
                registers.rip = behind;
            } else if runner.contains(registers.rip) && signal.number != KICK {
                return Err(format!("the processor refused the state of the input with vector {}", signal.vector));
            }
            Ok(Outcome { end: signal.end(plan, is_at_end), registers })
        }
        _ => Err("the child did not execute it".to_owned()),
    }
}

/// Whether an address is one of the ending, but for the jump that stands behind the code: what is raised there is the
/// effect of a flag that the code set, such as TF, or AC with a jump that is not aligned.
fn is_at_end(ending: &Range<u64>, rip: u64) -> bool {
    ending.contains(&rip) || super::layout::is_gate(rip)
}

struct Signal {
    number: i32,
    code: i32,
    vector: u64,
    error_code: u64,
    address: u64,
}

impl Signal {
    fn end(&self, plan: Plan, is_at_end: bool) -> End {
        let is_step = self.number == libc::SIGTRAP && self.code == TRAP_TRACE && self.vector == DEBUG;
        match self.number {
            KICK => End::Hung,
            libc::SIGSYS => End::Refused("it is a system call, which the kernel takes".to_owned()),
            _ if is_at_end || is_step && plan == Plan::Step => End::Completed,
            _ => End::Raised(self.exception()),
        }
    }

    fn exception(&self) -> Exception {
        // Both are 64-bit words of which the kernel uses the lower part.
        let mut error_code = self.error_code as u32;
        // The kernel says of its own half of the addresses that every page is present, whether it is or not
        // (Linux, arch/x86/mm/fault.c, `sanitize_error_code`). For an instruction under test nothing is mapped there.
        if self.vector == PAGE_FAULT && self.address >= USER_END {
            error_code &= !PRESENT;
        }
        Exception {
            vector: self.vector as u8,
            error_code: WITH_ERROR_CODE.contains(&self.vector).then_some(error_code),
            address: (self.vector == PAGE_FAULT).then_some(self.address),
        }
    }
}

/// Takes general registers; of those that the mode does not have, the values before.
fn put_general(registers: &mut Registers, input: &Input, saved: impl Fn(usize) -> u64) {
    for (number, value) in registers.general.iter_mut().enumerate() {
        match input.bitness {
            Bitness::Bits64 => *value = saved(number),
            Bitness::Bits16 | Bitness::Bits32 if number < 8 => *value = saved(number) & 0xffff_ffff,
            Bitness::Bits16 | Bitness::Bits32 => {}
        }
    }
}

/// Takes the flags that count; the others stay as they were.
fn put_flags(registers: &mut Registers, saved: u64) {
    registers.rflags = registers.rflags & !INPUT_FLAGS | saved & INPUT_FLAGS;
}

fn word(words: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes(words, at))
}

fn bytes<const N: usize>(words: &[u8], at: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&words[at..at + N]);
    bytes
}
