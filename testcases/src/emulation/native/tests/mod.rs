//! Instructions whose results are known, and instructions that try to break out.

mod compatibility;
mod extended;
mod faults;
mod generated;
mod integers;

mod robustness;

use super::Native;
use iced_decoder::{
    Bitness, Registers,
    iced_x86::{IcedError, code_asm::CodeAssembler},
    machine::{End, Exception, Executor, Input, Output, window, window::Window},
};

/// Flags by their bits.
mod flag {
    pub(super) const CF: u64 = 1 << 0;
    pub(super) const PF: u64 = 1 << 2;
    pub(super) const AF: u64 = 1 << 4;
    pub(super) const ZF: u64 = 1 << 6;
    pub(super) const SF: u64 = 1 << 7;
    pub(super) const DF: u64 = 1 << 10;
    pub(super) const OF: u64 = 1 << 11;
    pub(super) const ALL: u64 = CF | PF | AF | ZF | SF | DF | OF;
}

/// Numbers of registers.
mod number {
    pub(super) const RAX: usize = 0;
    pub(super) const RCX: usize = 1;
    pub(super) const RDX: usize = 2;
    pub(super) const RBX: usize = 3;
    pub(super) const RSP: usize = 4;
    pub(super) const RSI: usize = 6;
    pub(super) const RDI: usize = 7;
}

/// Where the code of these tests stands.
const RIP: u64 = window::CODE + window::CODE_OFFSET;
/// The stack pointer of these tests.
const TOP: u64 = window::STACK + window::PAGE;
/// The window of these tests, unless they say another one.
const DATA: u64 = window::DATA;

/// An instruction with RDI and RSI at the start of the window of [`Window::Plain`].
fn input(build: impl FnOnce(&mut CodeAssembler) -> Result<(), IcedError>) -> Input {
    let mut assembler = CodeAssembler::new(64).unwrap();
    build(&mut assembler).unwrap();
    bytes(&assembler.assemble(RIP).unwrap())
}

/// The same with bytes.
fn bytes(code: &[u8]) -> Input {
    let mut registers = Registers { rip: RIP, ..Registers::default() };
    registers.general[number::RSP] = TOP;
    registers.general[number::RSI] = DATA;
    registers.general[number::RDI] = DATA;
    Input {
        bitness: Bitness::Bits64,
        code: code.to_vec(),
        registers,
        extended: None,
        window: Window::Plain,
        memory_seed: 1,
        memory: Vec::new(),
    }
}

fn with(mut input: Input, number: usize, value: u64) -> Input {
    input.registers.general[number] = value;
    input
}

fn with_flags(mut input: Input, flags: u64) -> Input {
    input.registers.rflags = flags;
    input
}

fn in_window(mut input: Input, window: Window) -> Input {
    input.window = window;
    with(input, number::RDI, window.address())
}

fn word(memory: &[u8], offset: usize) -> u64 {
    u64::from_le_bytes(memory[offset..offset + 8].try_into().unwrap())
}

fn execute(input: &Input) -> Output {
    Native::start().unwrap().execute(input).unwrap()
}

/// Asserts that an input completes behind its bytes, and gives what came out.
fn completed(native: &mut Native, input: &Input) -> Output {
    let output = native.execute(input).unwrap();
    assert_eq!(output.end, End::Completed, "{:02x?}", input.code);
    assert_eq!(output.registers.rip, input.registers.rip + input.code.len() as u64, "{:02x?}", input.code);
    output
}

fn raised(vector: u8, error_code: Option<u32>, address: Option<u64>) -> End {
    End::Raised(Exception { vector, error_code, address })
}
