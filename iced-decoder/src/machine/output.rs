//! What comes out of an execution.

use super::{Extended, Input};
use crate::{access::Access, registers::Registers};
use std::fmt;

/// What an instruction raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Exception {
    /// Vector.
    pub vector: u8,
    /// Error code, for vectors that have one.
    pub error_code: Option<u32>,
    /// The faulting address of a page fault.
    pub address: Option<u64>,
}

/// How an execution ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The instruction was completed.
    Completed,
    /// It raised an exception.
    Raised(Exception),
    /// The hypervisor says that it cannot execute it.
    Refused(String),
    /// It neither completed nor raised anything in time.
    Hung,
}

/// State after an execution.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// How it ended.
    pub end: End,
    /// Registers; of a fault those at the instruction, as they were saved.
    pub registers: Registers,
    /// Extended state, if the input had any.
    pub extended: Option<Box<Extended>>,
    /// Content of the input's window: two pages; those that are not mapped as they were.
    pub memory: Vec<u8>,
    /// Accesses to the pages under test in their order, if they are a device on this executor.
    pub accesses: Option<Vec<Access>>,
}

/// Why an executor could not execute: says nothing of the instruction.
#[derive(Debug)]
pub struct ExecutorError {
    /// What failed, and why.
    pub text: String,
}

impl fmt::Display for ExecutorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for ExecutorError {}

/// Something that executes instructions.
pub trait Executor {
    /// Its name, such as `native` or `mmio-user`.
    fn name(&self) -> &str;

    /// The components of extended state that inputs may use, as bits of XCR0.
    fn components(&self) -> u64 {
        u64::MAX
    }

    /// Executes one input. The next one is not influenced by it, whatever it did.
    ///
    /// # Errors
    /// [`ExecutorError`], after which the executor may be used again or says so once more.
    fn execute(&mut self, input: &Input) -> Result<Output, ExecutorError>;

    /// Executes many, each as [`execute`](Self::execute) would, in their order; an executor may have a way that is cheaper
    /// than one by one. As many results come as there are inputs, and an error is that of its own input.
    fn execute_many(&mut self, inputs: &[Input]) -> Vec<Result<Output, ExecutorError>> {
        inputs.iter().map(|input| self.execute(input)).collect()
    }
}
