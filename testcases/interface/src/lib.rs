//! KVM's interface as the host uses it: each case calls `/dev/kvm` in a way that the kernel's documentation of KVM speaks
//! of, and compares the answer with it. The cases say nothing of verdicts and reports; that is for `testcases`.
//!
//! **Architecture Invariant:** a case has a VM of its own, which is gone when the case ends; no KVM_RUN is without a
//! watchdog; nothing is judged by how long it took, but where time itself is the subject.

mod api;
mod cases;
mod check;
mod exit;
mod fault;
mod machine;
mod requests;
mod signals;
mod trouble;

pub use check::{Check, Expect, Seen, judge};
pub use fault::{Fault, Wrong};
pub use trouble::{Errno, Trouble};

use api::Handle;
use case::{Feature, Spec};
use check::Checks;
use std::thread;

/// A capability, as KVM_CHECK_EXTENSION knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capability {
    /// Its number.
    pub number: u32,
    /// Its name in `linux/kvm.h`.
    pub name: &'static str,
}

/// A case.
#[derive(Debug)]
pub struct Case {
    /// Unique among the cases; letters, digits and underscores.
    pub name: &'static str,
    /// The row of the report that it counts for.
    pub feature: Feature,
    /// The rule in a sentence.
    pub rule: &'static str,
    /// Where it stands.
    pub spec: Spec,
    /// Without one of these it has nothing to try.
    pub needs: &'static [Capability],
    /// Its source file, from the root of the workspace.
    pub file: &'static str,
    /// Line in it.
    pub line: u32,
    run: fn(&mut Checks) -> Result<(), Trouble>,
}

/// What became of a case.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It made these checks.
    Checked(Vec<Check>),
    /// KVM does not offer this.
    NotOffered(&'static str),
    /// It could not be carried out.
    Failed(Trouble),
}

impl Case {
    /// Carries it out on `/dev/kvm`, which is wrong on purpose if there is a fault, in a thread of its own: signals that are the
    /// caller's would end KVM_RUN.
    pub fn run(&self, fault: Option<Fault>) -> Outcome {
        let outcome = thread::scope(|scope| scope.spawn(|| self.run_here(fault)).join());
        // Only what a check cannot be told by panics; the caller's thread goes on with it.
        outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    fn run_here(&self, fault: Option<Fault>) -> Outcome {
        let mut checks = Checks::default();
        match self.missing() {
            Ok(Some(name)) => return Outcome::NotOffered(name),
            Ok(None) => {}
            Err(error) => return Outcome::Failed(error.into()),
        }
        fault::set(fault);
        match (self.run)(&mut checks) {
            Ok(()) => Outcome::Checked(checks.0),
            Err(Trouble::NotOffered(name)) => Outcome::NotOffered(name),
            Err(trouble) => Outcome::Failed(trouble),
        }
    }

    fn missing(&self) -> Result<Option<&'static str>, Errno> {
        let kvm = Handle::open()?;
        let offers = |need: &Capability| kvm.order(requests::CHECK_EXTENSION, need.number.into()).unwrap_or(0) != 0;
        Ok(self.needs.iter().find(|need| !offers(need)).map(|need| need.name))
    }
}

/// Every case.
pub fn all() -> impl Iterator<Item = &'static Case> {
    cases::TOPICS.iter().copied().flatten()
}

#[cfg(test)]
mod tests;
