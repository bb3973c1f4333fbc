//! What cases see of a processor, wrong on purpose.

mod modes;
mod svm;
mod vmx;

use super::super::{Trial, Wrong};
use case::{
    Feature,
    observation::{Observation, Place},
};

/// A fault.
struct Row {
    id: &'static str,
    what: &'static str,
    feature: Feature,
    subject: &'static str,
    observation: Observation,
}

type Words = (&'static str, &'static str, Feature);

const fn row((id, what, feature): Words, subject: &'static str, (place, number): (Place, u64), inverted: u64) -> Row {
    Row { id, what, feature, subject, observation: Observation { place, number, inverted } }
}

/// All of them.
pub(in super::super) fn trials() -> impl Iterator<Item = Trial> {
    [vmx::TABLE, svm::TABLE, modes::TABLE].into_iter().flatten().map(
        |&Row { id, what, feature, subject, observation }| Trial {
            id: id.to_owned(),
            what: what.to_owned(),
            feature,
            wrong: Wrong::Seen { subject, observation },
        },
    )
}
