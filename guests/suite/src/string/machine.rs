//! Runs one string instruction with given registers, at either privilege level.

use rt::{
    Exception, Outcome,
    catch::{Registers, call_with_registers},
    mmio, names,
    paging::frame,
    user::{self, State, register},
    vocabulary::Text,
};

pub(super) type Code = extern "C" fn(u64) -> u64;

/// The registers that string instructions use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Operands {
    pub(super) rax: u64,
    pub(super) rcx: u64,
    pub(super) rsi: u64,
    pub(super) rdi: u64,
    pub(super) flags: u64,
}

/// Rows of sixteen: widths upwards and downwards, at CPL 0 and CPL 3.
pub(super) const BY_WIDTH: &[Text] = names![
    "byte up, CPL 0",
    "word up, CPL 0",
    "doubleword up, CPL 0",
    "quadword up, CPL 0",
    "byte down, CPL 0",
    "word down, CPL 0",
    "doubleword down, CPL 0",
    "quadword down, CPL 0",
    "byte up, CPL 3",
    "word up, CPL 3",
    "doubleword up, CPL 3",
    "quadword up, CPL 3",
    "byte down, CPL 3",
    "word down, CPL 3",
    "doubleword down, CPL 3",
    "quadword down, CPL 3",
];

/// RFLAGS.DF.
pub(super) const DF: u64 = 1 << 10;
/// CF, PF, AF, ZF, SF and OF.
pub(super) const STATUS: u64 = 0x8d5;
pub(super) const ZF: u64 = 1 << 6;

/// Defines functions that load the operands from the block at their argument, execute the instruction, and store them.
macro_rules! string_code {
    ($($name:ident: $($assembly:literal),+;)*) => {
        $(rt::user_code!($name: "mov r8, rdi", "push qword ptr [r8 + 32]", "popfq", "mov rax, [r8]", "mov rcx, [r8 + 8]",
                         "mov rsi, [r8 + 16]", "mov rdi, [r8 + 24]", "2:", $($assembly,)+ "mov [r8], rax",
                         "mov [r8 + 8], rcx", "mov [r8 + 16], rsi", "mov [r8 + 24], rdi", "pushfq",
                         "pop qword ptr [r8 + 32]", "cld", "ret");)*
    };
}
pub(super) use string_code;

/// Length of the code in front of the instruction: what an exception's RIP is compared with.
pub(super) const PROLOGUE: u64 = 3 + 4 + 1 + 3 + 4 + 4 + 4;

/// The frame that holds the block of operands.
const BLOCK_FRAME: usize = 15;

/// Where source and destination of most cases start: a third into a frame, so that both directions have room.
pub(super) fn source() -> u64 {
    frame(1) + 0x400
}

/// See [`source`].
pub(super) fn destination() -> u64 {
    frame(3) + 0x400
}

fn store(operands: Operands) -> u64 {
    let block = frame(BLOCK_FRAME);
    let values = [operands.rax, operands.rcx, operands.rsi, operands.rdi, operands.flags | user::RFLAGS_CLEAR];
    for (index, value) in values.into_iter().enumerate() {
        mmio::write_u64(block + index as u64 * 8, value);
    }
    block
}

fn load() -> Operands {
    let word = |index: u64| mmio::read_u64(frame(BLOCK_FRAME) + index * 8);
    Operands { rax: word(0), rcx: word(1), rsi: word(2), rdi: word(3), flags: word(4) & (STATUS | DF) }
}

/// The instruction's result, or the exception with the operands as it found them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub(super) exception: Option<Exception>,
    pub(super) operands: Operands,
}

impl Run {
    pub(super) fn outcome(&self) -> Outcome {
        self.exception.map_or(Outcome::COMPLETED, Outcome::from)
    }
}

/// Executes it at CPL 3 or CPL 0.
pub(super) fn run(is_user: bool, code: Code, operands: Operands) -> Run {
    let block = store(operands);
    if is_user { run_state(&mut State::calling(code, block)) } else { run_supervisor(code, block) }
}

fn run_supervisor(code: Code, block: u64) -> Run {
    let mut registers = [0; 16];
    match call_with_registers(code, block, &mut registers) {
        Ok(_) => Run { exception: None, operands: load() },
        Err(exception) => interrupted(exception, &registers),
    }
}

/// Goes on with what an exception left at CPL 3.
pub(super) fn run_state(state: &mut State) -> Run {
    let exception = user::enter(state);
    // The end of the call is a UD2.
    if exception.vector == 6 {
        Run { exception: None, operands: load() }
    } else {
        interrupted(exception, &state.registers)
    }
}

/// The state for a run at CPL 3 that a case wants to go on with.
pub(super) fn user_state(code: Code, operands: Operands) -> State {
    State::calling(code, store(operands))
}

fn interrupted(exception: Exception, registers: &Registers) -> Run {
    let operands = Operands {
        rax: registers[register::RAX],
        rcx: registers[register::RCX],
        rsi: registers[register::RSI],
        rdi: registers[register::RDI],
        flags: exception.rflags & (STATUS | DF),
    };
    Run { exception: Some(exception), operands }
}

/// Writes eight bytes that differ from one another and from those of other seeds.
pub(super) fn fill(address: u64, quadwords: u64, seed: u64) {
    for index in 0..quadwords {
        mmio::write_u64(address + index * 8, pattern(seed, index));
    }
}

/// The quadword that [`fill`] writes.
pub(super) const fn pattern(seed: u64, index: u64) -> u64 {
    0x0706_0504_0302_0100 | (seed * 0x1010_1010_1010_1010) ^ (index * 0x0808_0808_0808_0808)
}
