//! An executor whose results are wrong on purpose, which shows that the cross-check sees it.

use iced_decoder::machine::{End, Executor, ExecutorError, Extended, Input, Output};

/// What is wrong with each result of an instruction that is completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Garbling {
    /// CF is inverted.
    Flags,
    /// Bit 0 of RAX is inverted.
    Register,
    /// Bit 0 of the first byte of memory is inverted.
    Memory,
    /// Bit 0 of a byte of the XSAVE area in its standard form is inverted.
    Extended(usize),
}

/// The executor.
pub(super) struct Garbled {
    pub(super) executor: Box<dyn Executor>,
    pub(super) wrong: Garbling,
}

impl Garbled {
    fn garbled(&self, mut output: Output) -> Output {
        if output.end != End::Completed {
            return output;
        }
        match self.wrong {
            Garbling::Flags => output.registers.rflags ^= 1,
            Garbling::Register => output.registers.general[0] ^= 1,
            Garbling::Memory => output.memory.iter_mut().take(1).for_each(|byte| *byte ^= 1),
            Garbling::Extended(offset) => {
                let bytes = output.extended.as_deref_mut().map(Extended::bytes_mut).unwrap_or_default();
                bytes.iter_mut().skip(offset).take(1).for_each(|byte| *byte ^= 1);
            }
        }
        output
    }
}

impl Executor for Garbled {
    fn name(&self) -> &str {
        self.executor.name()
    }

    fn components(&self) -> u64 {
        self.executor.components()
    }

    fn execute(&mut self, input: &Input) -> Result<Output, ExecutorError> {
        self.executor.execute(input).map(|output| self.garbled(output))
    }

    fn execute_many(&mut self, inputs: &[Input]) -> Vec<Result<Output, ExecutorError>> {
        let outputs = self.executor.execute_many(inputs);
        outputs.into_iter().map(|output| output.map(|output| self.garbled(output))).collect()
    }
}
