//! Where inputs come from, and what is known of them.

use super::compare::Open;
use iced_decoder::{Access, Prediction, machine::Input};

/// What the manuals say of one input.
#[derive(Clone, Debug, Default)]
pub struct Expectation {
    /// What they leave open.
    pub open: Open,
    /// Everything that is predicted; nothing for what is not.
    pub prediction: Option<Prediction>,
    /// The accesses to the pages under test in their order, each of at most eight bytes; nothing if they cannot be told.
    pub accesses: Option<Vec<Access>>,
}

/// Inputs by form and number.
pub trait Source: Sync {
    /// How many forms there are.
    fn nr_forms(&self) -> usize;

    /// Name of a form, such as `Add_rm32_r32`.
    fn name(&self, form: usize) -> String;

    /// Its encoding, such as `legacy` or `EVEX`: a row of the coverage.
    fn encoding(&self, form: usize) -> &'static str;

    /// Size of its memory operand in bits, if it is one of the usual ones: another row of the coverage.
    fn operand_bits(&self, form: usize) -> Option<u32>;

    /// One input of a form; the same for the same number. Nothing if the form cannot be generated.
    fn input(&self, form: usize, number: u64) -> Option<Input>;

    /// What is known of an input.
    fn expectation(&self, input: &Input) -> Expectation;
}
