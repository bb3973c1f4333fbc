//! An input as the runner takes it.

use super::{
    extended::Layout,
    layout::{self, PAGE, shared, shared_address, slot},
    runner::Runner,
    start::CODE_16,
};
use iced_decoder::{
    Bitness,
    iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, OpKind},
    machine::{Input, window},
};

/// The longest instruction in bytes.
const LONGEST: usize = 15;
/// Flags that an input sets.
pub(super) const INPUT_FLAGS: u64 = 0xcd5;
/// Bit 1, and IF as every process has it.
const FIXED_FLAGS: u64 = 0x202;
/// TF.
const TRAP_FLAG: u64 = 1 << 8;
/// What stands in the code pages around the code: INT3.
const FILLING: u8 = 0xcc;

/// Selectors of Linux (arch/x86/include/asm/segment.h).
mod selector {
    pub(super) const CODE_32: u64 = 0x23;
    pub(super) const DATA: u64 = 0x2b;
    pub(super) const CODE_64: u64 = 0x33;
}

/// How an instruction is executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// Its ending stands behind it.
    Ending,
    /// It is stepped over: it may go elsewhere, or it ends where its bytes do not.
    Step,
    /// The kernel would do it instead of the processor.
    Refused(&'static str),
}

/// What belongs to one slot.
#[derive(Debug)]
pub(super) struct Request {
    /// How it is executed.
    pub(super) plan: Plan,
    /// What the harness writes to the start of the slot.
    pub(super) words: [u8; slot::INPUT_END],
    /// The extended state to be loaded.
    pub(super) extended: Option<Vec<u8>>,
}

impl Request {
    /// The request for an input.
    ///
    /// # Errors
    /// What the host lacks, in words.
    pub(super) fn new(input: &Input, runner: &Runner, extended: &Layout) -> Result<Self, String> {
        let registers = &input.registers;
        let offset = registers.rip.checked_sub(window::CODE).filter(|&offset| offset < window::PAGE);
        let Some(offset) = offset else {
            return Err(format!("RIP {:#x} is not in the first page of code", registers.rip));
        };
        if input.code.is_empty() || input.code.len() > LONGEST {
            return Err(format!("{} bytes are no instruction", input.code.len()));
        }
        let plan = plan(input);
        let trap = if plan == Plan::Step { TRAP_FLAG } else { 0 };
        let (code_selector, data_selector) = match input.bitness {
            Bitness::Bits64 => (selector::CODE_64, 0),
            Bitness::Bits32 => (selector::CODE_32, selector::DATA),
            Bitness::Bits16 => (CODE_16, selector::DATA),
        };
        let area = match &input.extended {
            Some(area) => Some(extended.loadable(area).map_err(|lacking| {
                format!("the host does not have the components {:#x} of the extended state", lacking.components)
            })?),
            None => None,
        };

        let mut words = [0; slot::INPUT_END];
        let mut put = |at: usize, value: u64| words[at..at + 8].copy_from_slice(&value.to_le_bytes());
        put(slot::FRAME, registers.rip);
        put(slot::FRAME + 8, code_selector);
        put(slot::FRAME + 16, registers.rflags & INPUT_FLAGS | FIXED_FLAGS | trap);
        put(slot::FRAME + 24, registers.general[4]);
        put(slot::FRAME + 32, selector::DATA);
        for (number, value) in registers.general.into_iter().enumerate() {
            put(slot::GENERAL + 8 * number, value);
        }
        put(slot::BASES, registers.segment_bases[4]);
        put(slot::BASES + 8, registers.segment_bases[5]);
        put(slot::DATA_SELECTOR, data_selector);
        put(slot::CODE_AT, shared_address(shared::CODE) + offset);
        put(slot::CONTENT_AT, shared_address(layout::data_offset(input.window)));
        put(slot::CONTENT_WORDS, (mapped_size(input) / 8) as u64);
        put(slot::EXTENDED_WANTED, u64::from(area.is_some()));
        let code = &mut words[slot::CODE..];
        code[..slot::CODE_SIZE].fill(FILLING);
        code[..input.code.len()].copy_from_slice(&input.code);
        if plan == Plan::Ending {
            put_ending(&mut code[input.code.len()..], runner, input.bitness);
        }
        Ok(Self { plan, words, extended: area })
    }

    /// Tells the runner which execution this is, and where its slot lies in the child.
    pub(super) fn number(&mut self, number: u32, slot_address: u64) {
        let mut put = |at: usize, value: u64| self.words[at..at + 8].copy_from_slice(&value.to_le_bytes());
        put(slot::NUMBER, number.into());
        let initial = shared_address(shared::INITIAL);
        let own = slot_address + slot::EXTENDED as u64;
        put(slot::EXTENDED_FROM, if self.extended.is_some() { own } else { initial });
    }
}

/// How many bytes of the window are mapped, from its start.
pub(super) fn mapped_size(input: &Input) -> usize {
    let [_, second] = input.window.pages();
    if second == window::Page::Absent { PAGE } else { window::SIZE }
}

/// Decides how an input is executed.
fn plan(input: &Input) -> Plan {
    let bits = input.bitness.bits();
    let instruction = Decoder::with_ip(bits, &input.code, input.registers.rip, DecoderOptions::NONE).decode();
    if matches!(
        instruction.mnemonic(),
        Mnemonic::Sgdt | Mnemonic::Sidt | Mnemonic::Sldt | Mnemonic::Str | Mnemonic::Smsw
    ) {
        return Plan::Refused("the kernel executes it where the processor has UMIP");
    }
    let is_whole = !instruction.is_invalid() && instruction.len() == input.code.len();
    if is_whole && (instruction.flow_control() == FlowControl::Next || is_endless(&instruction)) {
        Plan::Ending
    } else {
        Plan::Step
    }
}

/// Whether it is a jump to itself, which a step would leave and which on its own is never left.
fn is_endless(instruction: &Instruction) -> bool {
    let is_near = matches!(instruction.op0_kind(), OpKind::NearBranch16 | OpKind::NearBranch32 | OpKind::NearBranch64);
    let is_jump = instruction.is_jmp_short_or_near() || instruction.is_jcc_short_or_near();
    is_jump && is_near && instruction.near_branch_target() == instruction.ip()
}

/// Size of [`far_jump`] in bytes.
const FAR_JUMP: usize = 14;

/// JMP [RIP+0] with the address of the ending behind it.
pub(super) fn far_jump(runner: &Runner) -> [u8; FAR_JUMP] {
    let mut bytes = [0; FAR_JUMP];
    bytes[..2].copy_from_slice(&[0xff, 0x25]);
    bytes[6..].copy_from_slice(&runner.ending.start.to_le_bytes());
    bytes
}

/// Puts the jump that follows the code: it changes no register and no flag.
fn put_ending(bytes: &mut [u8], runner: &Runner, bitness: Bitness) {
    match bitness {
        Bitness::Bits64 => {
            bytes[..FAR_JUMP].copy_from_slice(&far_jump(runner));
        }
        Bitness::Bits32 => put_far_jump(bytes),
        Bitness::Bits16 => {
            // The offset has 32 bits, too.
            bytes[0] = 0x66;
            put_far_jump(&mut bytes[1..]);
        }
    }
}

/// JMP 33H:offset of the gate, back to 64-bit mode.
fn put_far_jump(bytes: &mut [u8]) {
    bytes[0] = 0xea;
    bytes[1..5].copy_from_slice(&(layout::GATE as u32).to_le_bytes());
    bytes[5..7].copy_from_slice(&(selector::CODE_64 as u16).to_le_bytes());
}
