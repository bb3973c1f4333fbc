//! Instructions on the processor itself, in a child process: an oracle that no hypervisor has a part in.
//!
//! The code, the stack and the data windows lie in the child at the addresses of [`iced_decoder::machine::window`].
//! Nothing else is mapped below the upper end of the address space but the runner, far from them, so that what an
//! instruction should not reach faults. Exceptions come as signals, system calls of the code under test are refused,
//! and a child that does not survive an instruction is replaced.
//!
//! Not offered: ring 0, segment bases but those of FS and GS, and the instructions that Linux executes instead of the processor (UMIP).
//!
//! # Execution
//! Most instructions are followed by a jump to where their state is saved. Branches, and bytes that are not exactly
//! one instruction, are stepped over with TF, so that they end where they lead to. Only what TF leaves in memory
//! (nothing, for branches) could tell the difference.

mod child;
mod elf;
mod error;
mod extended;
mod layout;
mod outcome;
mod request;
mod runner;
mod start;
mod system;
#[cfg(test)]
mod tests;

pub use error::NativeError;

use child::{Batch, Child, slot_offset};
use extended::Layout;
use iced_decoder::machine::{End, Executor, ExecutorError, Input, Output, window};
use layout::{shared, shared_address, slot};
use request::{Plan, Request};
use runner::Runner;

/// Executes instructions in a child process.
///
/// The child ends with the thread that started it; when it is needed again, another one takes its place.
#[derive(Debug)]
pub struct Native {
    runner: Runner,
    extended: Layout,
    child: Option<Child>,
    next_number: u32,
}

/// An input that has a slot.
struct Placed<'a> {
    index: usize,
    input: &'a Input,
    request: Request,
}

type Outputs = Vec<Option<Result<Output, ExecutorError>>>;

impl Native {
    /// How many inputs are executed for one wake-up of the child: what [`Executor::execute_many`] is best given.
    pub const BATCH: usize = shared::NR_SLOTS;

    /// Starts the child.
    ///
    /// # Errors
    /// The host lacks XSAVE or FSGSBASE, or the child cannot be started.
    pub fn start() -> Result<Self, NativeError> {
        if !system::has_fsgsbase() {
            return Err(NativeError::Missing("FSGSBASE"));
        }
        let extended = Layout::of_host()?;
        let runner = Runner::assemble(extended.state, std::process::id())?;
        let child = Child::start(&runner, &extended)?;
        Ok(Self { runner, extended, child: Some(child), next_number: 1 })
    }

    fn execute_batch(&mut self, inputs: &[Input]) -> Vec<Result<Output, ExecutorError>> {
        let mut outputs: Outputs = inputs.iter().map(|_| None).collect();
        let mut placed = Vec::with_capacity(inputs.len());
        for (index, input) in inputs.iter().enumerate() {
            match Request::new(input, &self.runner, &self.extended) {
                Ok(Request { plan: Plan::Refused(why), .. }) => outputs[index] = Some(Ok(refused(input, why))),
                Ok(request) => placed.push(Placed { index, input, request }),
                Err(why) => outputs[index] = Some(Err(error(input, &why))),
            }
        }
        let mut remaining = placed.as_mut_slice();
        let mut may_restart = true;
        while !remaining.is_empty() {
            let nr_done = match self.run(remaining, &mut outputs, &mut may_restart) {
                Ok(nr_done) => nr_done,
                Err(why) => {
                    fail(remaining, &mut outputs, &why.to_string());
                    break;
                }
            };
            remaining = &mut remaining[nr_done..];
        }
        let missing = || Err(ExecutorError { text: "the input was lost".to_owned() });
        outputs.into_iter().map(|output| output.unwrap_or_else(missing)).collect()
    }

    /// Runs slots, and tells how many have an output or an error of their own.
    fn run(
        &mut self,
        placed: &mut [Placed<'_>],
        outputs: &mut Outputs,
        may_restart: &mut bool,
    ) -> Result<usize, NativeError> {
        let mut child = match self.child.take() {
            Some(child) => child,
            None => Child::start(&self.runner, &self.extended)?,
        };
        for (slot, placed) in placed.iter_mut().enumerate() {
            let number = self.next_number;
            self.next_number = number.checked_add(1).unwrap_or(1);
            placed.write(&child, slot, number);
        }
        let batch = child.run(placed.len());
        let nr_executed = match &batch {
            Batch::Finished => placed.len(),
            Batch::Ended { nr_executed, .. } => (*nr_executed).min(placed.len()),
        };
        for (slot, placed) in placed[..nr_executed].iter().enumerate() {
            outputs[placed.index] = Some(self.output(&child, slot, placed));
        }
        match batch {
            Batch::Finished => {
                self.child = Some(child);
                Ok(nr_executed)
            }
            Batch::Ended { was_executing: true, how, .. } => {
                let Some(culprit) = placed.get(nr_executed) else { return Ok(nr_executed) };
                outputs[culprit.index] = Some(Err(error(culprit.input, &format!("the child ended in it: {how}"))));
                Ok(nr_executed + 1)
            }
            // Nobody of these inputs is to blame: the thread that started the child has ended, or somebody killed it.
            Batch::Ended { .. } if std::mem::take(may_restart) => Ok(nr_executed),
            Batch::Ended { how, .. } => Err(NativeError::Ended(how)),
        }
    }

    fn output(&self, child: &Child, slot: usize, placed: &Placed<'_>) -> Result<Output, ExecutorError> {
        let offset = slot_offset(slot);
        let mut words = [0; slot::OUTPUT_END];
        child.memory().read(offset, &mut words);
        let outcome = outcome::outcome(&words, placed.input, placed.request.plan, &self.runner)
            .map_err(|why| error(placed.input, &why))?;
        let mut memory = vec![0; window::SIZE];
        child.memory().read(offset + slot::CONTENT, &mut memory);
        let extended = placed.request.extended.is_some().then(|| {
            let mut area = vec![0; self.extended.state.size];
            child.memory().read(offset + slot::EXTENDED, &mut area);
            Box::new(self.extended.saved(area))
        });
        Ok(Output { end: outcome.end, registers: outcome.registers, extended, memory, accesses: None })
    }
}

impl Placed<'_> {
    fn write(&mut self, child: &Child, slot: usize, number: u32) {
        let offset = slot_offset(slot);
        self.request.number(number, shared_address(offset));
        child.memory().write(offset, &self.request.words);
        if let Some(area) = &self.request.extended {
            child.memory().write(offset + slot::EXTENDED, area);
        }
        let mut content = [0; window::SIZE];
        self.input.fill_content(&mut content);
        child.memory().write(offset + slot::CONTENT, &content);
    }
}

impl Executor for Native {
    fn name(&self) -> &str {
        "native"
    }

    fn components(&self) -> u64 {
        self.extended.state.components
    }

    fn execute(&mut self, input: &Input) -> Result<Output, ExecutorError> {
        let missing = || Err(ExecutorError { text: "the input was lost".to_owned() });
        self.execute_many(std::slice::from_ref(input)).pop().unwrap_or_else(missing)
    }

    fn execute_many(&mut self, inputs: &[Input]) -> Vec<Result<Output, ExecutorError>> {
        inputs.chunks(Self::BATCH).flat_map(|inputs| self.execute_batch(inputs)).collect()
    }
}

/// The output of an input that is not executed.
fn refused(input: &Input, why: &str) -> Output {
    Output {
        end: End::Refused(why.to_owned()),
        registers: input.registers,
        extended: input.extended.clone(),
        memory: input.content(),
        accesses: None,
    }
}

fn fail(placed: &[Placed<'_>], outputs: &mut Outputs, why: &str) {
    for placed in placed {
        outputs[placed.index] = Some(Err(error(placed.input, why)));
    }
}

fn error(input: &Input, why: &str) -> ExecutorError {
    let bytes: Vec<_> = input.code.iter().map(|byte| format!("{byte:02x}")).collect();
    ExecutorError { text: format!("cannot execute {}: {why}", bytes.join(" ")) }
}
