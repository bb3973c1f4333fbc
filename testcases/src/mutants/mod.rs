//! Proof that the suite's checks can fail: cases run on our VMM while it is wrong on purpose.
//!
//! [`table`] is the faults, as data, each with the feature whose cases have to notice it. [`run()`] runs these with the fault
//! and without, and tells which noticed: a fault that no case of its feature notices is a hole in the suite.
//!
//! What KVM and the processor do by themselves cannot be made wrong from here. For those rules the judging is tried instead:
//! `judged` makes the tables wrong that cases go by, and what cases saw is changed before it is judged, see
//! `testcases/tests/wrong_observations.rs`.

mod difference;
mod elsewhere;
mod judged;
mod on_kvm;
pub mod outcome;
pub mod rewritten;
pub mod run;
mod select;
pub mod table;
pub mod trial;

pub use outcome::{Fate, Killer, Outcome, Tried};
pub use run::{Options, run};
pub use select::{UnknownFault, select};
pub use trial::{Trial, Wrong};

use case::Feature;
use vmm::Fault;

/// A fault, and who has to notice it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mutant {
    /// Its name on the command line.
    pub id: &'static str,
    /// What is wrong, in a sentence.
    pub what: &'static str,
    /// Whose cases have to notice it.
    pub feature: Feature,
    /// What the VMM is told.
    pub fault: Fault,
}
