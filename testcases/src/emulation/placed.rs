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

impl<E: Executor> Executor for Placed<E> {
    fn name(&self) -> &str {
        self.executor.name()
    }

    fn execute(&mut self, input: &Input) -> Result<Output, ExecutorError> {
        let Some(extended) = &input.extended else { return self.executor.execute(input) };
        // All of it, because the instruction may bring components into use.
        let mut bytes = self.layout.to_processor(extended);
        bytes.resize(self.size_bytes.max(bytes.len()), 0);
        let moved = Input { extended: Some(Box::new(Extended::from_bytes(bytes))), ..input.clone() };
        let mut output = self.executor.execute(&moved)?;
        if let Some(area) = &mut output.extended {
            **area = self.layout.from_processor(area.bytes());
        }
        Ok(output)
    }
}
