//! Extended state where this processor keeps it.
//!
//! Inputs and outputs hold the components of extended state at fixed places; each processor has its own, told by CPUID.

use iced_decoder::machine::{
    Executor, ExecutorError, Extended, Input, Output,
    area::{COMPONENTS, Layout},
};

/// Leaf of CPUID that tells of extended state.
const EXTENDED_STATE: u32 = 0xd;

/// An executor of this processor, or of a virtual machine with the same places, which takes and gives areas as they are.
pub struct Placed<E> {
    executor: E,
    layout: Layout,
    /// Size of an area with every component in bytes.
    size_bytes: usize,
}

impl<E: Executor> Placed<E> {
    /// The executor, with areas moved on their way in and out.
    pub fn new(executor: E) -> Self {
        let layout = Layout::new(|component| {
            let leaf = std::arch::x86_64::__cpuid_count(EXTENDED_STATE, component);
            // EAX is the size: zero where there is no such component.
            (leaf.eax != 0).then_some(leaf.ebx as usize)
        });
        let has = |bit: u32| bit < 2 || std::arch::x86_64::__cpuid_count(EXTENDED_STATE, bit).eax != 0;
        let present = COMPONENTS.iter().filter(|component| has(component.bit));
        let components = present.fold(0_u64, |bits, component| bits | 1 << component.bit);
        Self { executor, layout, size_bytes: layout.size_bytes(components) }
    }
}

impl<E> Placed<E> {
    fn moved_in(&self, input: &Input) -> Input {
        let moved = input.extended.as_ref().map(|extended| {
            // All of it, because the instruction may bring components into use.
            let mut bytes = self.layout.to_processor(extended);
            bytes.resize(self.size_bytes.max(bytes.len()), 0);
            Box::new(Extended::from_bytes(bytes))
        });
        Input { extended: moved, ..input.clone() }
    }

    fn moved_out(&self, output: Result<Output, ExecutorError>) -> Result<Output, ExecutorError> {
        let mut output = output?;
        if let Some(area) = &mut output.extended {
            **area = self.layout.from_processor(area.bytes());
        }
        Ok(output)
    }
}

impl<E: Executor> Executor for Placed<E> {
    fn name(&self) -> &str {
        self.executor.name()
    }

    fn components(&self) -> u64 {
        self.executor.components()
    }

    fn execute(&mut self, input: &Input) -> Result<Output, ExecutorError> {
        if input.extended.is_none() {
            return self.executor.execute(input);
        }
        let output = self.executor.execute(&self.moved_in(input));
        self.moved_out(output)
    }

    fn execute_many(&mut self, inputs: &[Input]) -> Vec<Result<Output, ExecutorError>> {
        if inputs.iter().all(|input| input.extended.is_none()) {
            return self.executor.execute_many(inputs);
        }
        let moved: Vec<_> = inputs.iter().map(|input| self.moved_in(input)).collect();
        let outputs = self.executor.execute_many(&moved);
        outputs.into_iter().map(|output| self.moved_out(output)).collect()
    }
}
