//! Why a baseline cannot be used.

use crate::{axis::Axis, nearest::suggestion};
use std::{io, path::PathBuf};

/// Why a baseline cannot be used. Each text starts with the file, and with the line where there is one.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    /// The file cannot be read.
    #[error("failed to read the baseline {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is no TOML, or TOML with something unknown in it or something missing.
    #[error("{}:{line}:{column}: {message}", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// In characters, from 1.
        column: usize,
        /// What is wrong.
        message: String,
    },
    /// An entry of a case that passes says what fails in it.
    #[error("{}:{line}: the entry of `{case}` has `{key}`, but nothing fails in a case that passes; leave the key out", path.display())]
    KeyOfPass {
        /// The file.
        path: PathBuf,
        /// Its line, from 1.
        line: usize,
        /// The case.
        case: String,
        /// The key.
        key: &'static str,
    },
    /// A text that must say something is empty.
    #[error("{}:{line}: the entry for `{case}` has an empty `{key}`; {remedy}", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
        /// Line of the entry.
        line: usize,
        /// The case that the entry is for.
        case: String,
        /// The key.
        key: &'static str,
        /// What to write.
        remedy: &'static str,
    },
    /// An entry is for an axis that does not exist.
    #[error("{}:{line}: the entry for `{case}` is for the axis `{axis}`, but there are only {}", path.display(), Axis::KINDS.join(", "))]
    UnknownAxis {
        /// The file.
        path: PathBuf,
        /// Line of the entry.
        line: usize,
        /// The case that the entry is for.
        case: String,
        /// What it names.
        axis: String,
    },
    /// What an entry says of the number of runs does not go with the rest of it.
    #[error("{}:{line}: the entry for `{case}`: {problem}", path.display())]
    Runs {
        /// The file.
        path: PathBuf,
        /// Line of the entry.
        line: usize,
        /// The case that the entry is for.
        case: String,
        /// What does not go together.
        problem: &'static str,
    },
    /// Two entries are for one case.
    #[error("{}:{line}: `{case}` has an entry already, in line {first_line}; one of them must go", path.display())]
    Duplicate {
        /// The file.
        path: PathBuf,
        /// Line of the second entry.
        line: usize,
        /// The case that the entries are for.
        case: String,
        /// Line of the first.
        first_line: usize,
    },
    /// An entry is for a case that does not exist.
    #[error("{}:{line}: no case is called `{case}`{}", path.display(), suggestion(nearest))]
    UnknownCase {
        /// The file.
        path: PathBuf,
        /// Line of the entry.
        line: usize,
        /// What it names.
        case: String,
        /// What may have been meant.
        nearest: Vec<String>,
    },
    /// An entry is for the plain id of a case that is run once in each interrupt set-up.
    #[error("{}:{line}: `{case}` is run once in each interrupt set-up; write an entry for each that is wrong: {}",
            path.display(), ids.join(", "))]
    Several {
        /// The file.
        path: PathBuf,
        /// Line of the entry.
        line: usize,
        /// What it names.
        case: String,
        /// The full ids.
        ids: Vec<String>,
    },
    /// An entry stands in the file of another area.
    #[error("{}: the entry for `{case}` belongs in the file of its area, {}.toml", path.display(), area(case))]
    OtherArea {
        /// The file.
        path: PathBuf,
        /// The case that the entry is for.
        case: String,
    },
    /// It is no report.
    #[error("{}: it is no report of this program's version", path.display())]
    Report {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: serde_json::Error,
    },
    /// A report has another form.
    #[error("{}: it is a report of the form `{schema}`, but this program reads `{}`", path.display(), reports::model::SCHEMA)]
    Schema {
        /// The file.
        path: PathBuf,
        /// What it says.
        schema: String,
    },
    /// A report does not tell of the subject.
    #[error("{}: the report tells nothing of the subject `{subject}`, only of {}", path.display(), subjects.join(", "))]
    NoSubject {
        /// The file.
        path: PathBuf,
        /// What it was searched for.
        subject: String,
        /// Those it tells of.
        subjects: Vec<String>,
    },
}

/// The area that a case's id begins with.
fn area(case: &str) -> &str {
    case.split("::").next().unwrap_or(case)
}
