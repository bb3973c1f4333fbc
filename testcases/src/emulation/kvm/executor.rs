//! The executor: a machine, and what makes a new one when the old is spent.

use super::{
    Flavour, batch,
    machine::{Failure, Machine},
};
use iced_decoder::{
    Bitness,
    machine::{Executor, ExecutorError, Input, Output},
};
use std::{error::Error, sync::Arc};
use vmm::Hypervisor;

/// Executes instructions on KVM.
pub struct KvmExecutor {
    hypervisor: Arc<Hypervisor>,
    flavour: Flavour,
    /// Nothing after an execution that spoilt it.
    machine: Option<Machine>,
    nr_batched: u64,
}

impl KvmExecutor {
    /// Makes the VM.
    ///
    /// # Errors
    /// What KVM lacks or refuses.
    pub fn new(hypervisor: Arc<Hypervisor>, flavour: Flavour) -> Result<Self, ExecutorError> {
        let machine = Machine::new(&hypervisor, flavour).map_err(failed(flavour))?;
        Ok(Self { hypervisor, flavour, machine: Some(machine), nr_batched: 0 })
    }

    /// Makes the executor end executions as one whose processor keeps CPL 3 from the port.
    #[cfg(test)]
    pub(super) fn end_by_int3(&mut self) {
        if let Some(machine) = &mut self.machine {
            machine.end_by_int3();
        }
    }

    /// Whether it can execute in a mode, found out by doing so.
    ///
    /// # Errors
    /// That it cannot, and what KVM did instead.
    pub fn can_execute(&mut self, bitness: Bitness) -> Result<(), ExecutorError> {
        let mut machine = match self.machine.take() {
            Some(machine) => machine,
            None => Machine::new(&self.hypervisor, self.flavour).map_err(failed(self.flavour))?,
        };
        machine.calibrate(bitness).map_err(failed(self.flavour))?;
        self.machine = Some(machine);
        Ok(())
    }

    /// How it executes.
    pub fn flavour(&self) -> Flavour {
        self.flavour
    }

    /// How many executions were made in batches so far.
    pub fn nr_batched(&self) -> u64 {
        self.nr_batched
    }

    /// Nothing stands for inputs that have to be executed alone: whatever went wrong shows there.
    fn try_batch(&mut self, inputs: &[&Input]) -> Vec<Option<Output>> {
        let Some(mut machine) = self.machine.take() else { return Vec::new() };
        match machine.run_batch(inputs) {
            Ok((outputs, is_usable)) => {
                self.machine = is_usable.then_some(machine);
                self.nr_batched += outputs.iter().flatten().count() as u64;
                outputs
            }
            Err(_) => Vec::new(),
        }
    }

    fn try_execute(&mut self, input: &Input) -> Result<Output, Failure> {
        let mut machine = match self.machine.take() {
            Some(machine) => machine,
            None => Machine::new(&self.hypervisor, self.flavour)?,
        };
        // On an error the machine is dropped: the next execution makes a new one.
        machine.prepare(input)?;
        let mut accesses = Vec::new();
        let ended = machine.run(input, &mut accesses)?;
        let extended = match &input.extended {
            Some(extended) => Some(Box::new(machine.extended(extended.bytes().len())?)),
            None => None,
        };
        let output = Output {
            end: ended.end,
            registers: ended.registers,
            extended,
            memory: machine.content(input.window).to_vec(),
            accesses: self.flavour.is_mmio().then_some(accesses),
        };
        if !ended.is_spent {
            self.machine = Some(machine);
        }
        Ok(output)
    }
}

impl Executor for KvmExecutor {
    fn name(&self) -> &str {
        self.flavour.name()
    }

    fn execute(&mut self, input: &Input) -> Result<Output, ExecutorError> {
        self.try_execute(input).map_err(failed(self.flavour))
    }

    /// Much cheaper than one by one for plain instructions on memory.
    fn execute_many(&mut self, inputs: &[Input]) -> Vec<Result<Output, ExecutorError>> {
        let mut outputs: Vec<Option<Output>> = vec![None; inputs.len()];
        if self.flavour.has_batches() {
            let plain: Vec<usize> = (0..inputs.len()).filter(|index| batch::is_plain(&inputs[*index])).collect();
            for indices in plain.chunks(batch::NR_SLOTS) {
                let chosen: Vec<&Input> = indices.iter().map(|index| &inputs[*index]).collect();
                for (index, output) in indices.iter().zip(self.try_batch(&chosen)) {
                    outputs[*index] = output;
                }
            }
        }
        let outputs = outputs.into_iter().zip(inputs);
        outputs.map(|(output, input)| output.map_or_else(|| self.execute(input), Ok)).collect()
    }
}

/// Makes an error with all its sources in one line.
fn failed(flavour: Flavour) -> impl Fn(Failure) -> ExecutorError {
    move |failure| {
        let mut text = format!("{}: {failure}", flavour.name());
        let mut source = failure.source();
        while let Some(error) = source {
            text += &format!(": {error}");
            source = error.source();
        }
        ExecutorError { text }
    }
}

const _: () = {
    const fn sent<T: Send>() {}
    sent::<KvmExecutor>();
    const fn is_error<T: Error>() {}
    is_error::<ExecutorError>();
};
