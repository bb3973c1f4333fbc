//! What is tried: faults of our VMM and of KVM's interface, and mutations of tables, under one kind of name.

use super::{Mutant, judged, table};
use crate::catalog::Catalog;
use case::Feature;
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
    /// A request of KVM's interface, as a case of the host makes it.
    Interface(interface::Fault),
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
    table::all().map(Trial::from).chain(table::interface::trials()).chain(judged::trials(catalog)).collect()
}
