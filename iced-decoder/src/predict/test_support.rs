//! Inputs and predictions for tests.

use super::{Prediction, predict};
use crate::{
    access::Access,
    effects::Effects,
    machine::{
        Input,
        window::{CODE, CODE_OFFSET, PAGE, STACK, Window},
    },
    registers::{Bitness, Registers},
};
use iced_x86::{IcedError, code_asm::CodeAssembler};

/// Bytes of one instruction at the place of tests.
pub(crate) fn assemble(build: impl FnOnce(&mut CodeAssembler) -> Result<(), IcedError>) -> Vec<u8> {
    let mut assembler = CodeAssembler::new(64).unwrap();
    build(&mut assembler).unwrap();
    assembler.assemble(CODE + CODE_OFFSET).unwrap()
}

/// An input whose RBX, RSI and RDI point to the start of the first window.
pub(crate) fn input(code: &[u8]) -> Input {
    let window = Window::Plain;
    let mut registers = Registers { rip: CODE + CODE_OFFSET, ..Registers::default() };
    registers.general = [0; 16];
    for number in [3, 6, 7] {
        registers.general[number] = window.address();
    }
    registers.general[4] = STACK + PAGE;
    Input {
        bitness: Bitness::Bits64,
        code: code.to_vec(),
        registers,
        extended: None,
        window,
        memory_seed: 1,
        memory: Vec::new(),
    }
}

/// The prediction for an input changed by `change`.
pub(crate) fn predicted(code: &[u8], change: impl FnOnce(&mut Input)) -> Prediction {
    let mut input = input(code);
    change(&mut input);
    predict(&input).unwrap()
}

/// Its effects.
pub(crate) fn effects_with(code: &[u8], change: impl FnOnce(&mut Input)) -> Effects {
    predicted(code, change).effects
}

/// The effects with the input as it is.
pub(crate) fn predicted_effects(code: &[u8]) -> Effects {
    use iced_x86::{Decoder, InstructionInfoFactory};
    let input = input(code);
    let instruction = Decoder::with_ip(64, code, input.registers.rip, 0).decode();
    crate::effects::effects(&instruction, InstructionInfoFactory::new().info(&instruction), &input)
}

/// All accesses, each of which has to be certain.
pub(crate) fn certain(prediction: &Prediction) -> Vec<Access> {
    assert!(prediction.accesses.iter().all(|access| access.is_certain), "{prediction:?}");
    prediction.accesses.iter().map(|access| access.access).collect()
}
