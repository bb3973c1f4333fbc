//! What is tried: faults of our VMM and of KVM's interface, and mutations of tables, under one kind of name.

use super::{Mutant, judged, rewritten::Rewriting, table};
use crate::{catalog::Catalog, host_cases};
use case::{Feature, observation::Observation};
use vmm::Fault;

/// Something that is wrong on purpose, and who has to notice it.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// Its name on the command line.
    pub id: String,
    /// What is wrong, in a sentence.
    pub what: String,
    /// Whose cases have to notice it.
    pub feature: Feature,
    /// What is made wrong.
    pub wrong: Wrong,
}

/// What is made wrong.
#[derive(Clone, Debug, PartialEq)]
pub enum Wrong {
    /// Our VMM.
    Vmm(Fault),
    /// Our VMM, while it does to each case what an axis wants, as that is written.
    Along {
        /// The axis.
        axis: &'static str,
        /// The fault.
        fault: Fault,
    },
    /// What a case of the host sees: of requests of KVM's interface, of a processor's state, of emulated instructions.
    Host(host_cases::Wrong),
    /// What cases see of a processor, on a subject where they see it.
    Seen {
        /// Name of the subject.
        subject: &'static str,
        /// What they see wrong.
        observation: Observation,
    },
    /// Instructions of the image.
    Rewritten {
        /// Name of the subject that runs it.
        subject: &'static str,
        /// What becomes of which.
        rewriting: Rewriting,
    },
    /// The table of a case, on a subject that has what the table is about.
    Table {
        /// Id of the case.
        case: String,
        /// Name of the subject.
        subject: &'static str,
    },
}

impl From<Mutant> for Trial {
    fn from(Mutant { id, what, feature, fault }: Mutant) -> Self {
        Self { id: id.to_owned(), what: what.to_owned(), feature, wrong: Wrong::Vmm(fault) }
    }
}

/// All that there is for an image, in the order of the tables.
pub fn all(catalog: &Catalog) -> Vec<Trial> {
    of_tables().chain(judged::trials(catalog)).collect()
}

/// Those that no image is needed for.
fn of_tables() -> impl Iterator<Item = Trial> {
    table::all()
        .map(Trial::from)
        .chain(table::interface::trials())
        .chain(table::saved::trials())
        .chain(table::host::trials())
        .chain(table::seen::trials())
        .chain(table::rewritten::trials())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subjects;
    use std::collections::BTreeSet;

    #[test]
    fn each_has_a_name_of_its_own_and_a_sentence_and_a_subject_that_there_is() {
        let names = subjects::names();
        let mut ids = BTreeSet::new();
        for Trial { id, what, wrong, .. } in of_tables() {
            assert!(id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'), "{id}");
            assert!(what.ends_with('.') && what.len() > 10, "{id}");
            if let Wrong::Seen { subject, .. } | Wrong::Rewritten { subject, .. } = wrong {
                assert!(names.contains(&subject), "{id}: {subject}");
            }
            assert!(ids.insert(id.clone()), "{id} stands twice");
        }
    }
}
