//! Instructions whose results are known, and instructions that try to break out.

use super::Native;
use iced_decoder::{
    Bitness, Registers,
    iced_x86::{IcedError, code_asm::CodeAssembler},
    machine::{End, Executor, Input, window, window::Window},
};

mod integers;

/// An instruction with registers that point to the window of [`Window::Plain`].
fn input(build: impl FnOnce(&mut CodeAssembler) -> Result<(), IcedError>) -> Input {
    let mut assembler = CodeAssembler::new(64).unwrap();
    build(&mut assembler).unwrap();
    let rip = window::CODE + window::CODE_OFFSET;
    let mut registers = Registers { rip, ..Registers::default() };
    registers.general[4] = window::STACK + window::PAGE;
    Input {
        bitness: Bitness::Bits64,
        code: assembler.assemble(rip).unwrap(),
        registers,
        extended: None,
        window: Window::Plain,
        memory_seed: 1,
        memory: Vec::new(),
    }
}
