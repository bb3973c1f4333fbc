//! The report of a former run as a baseline.

use super::BaselineError;
use reports::{
    compare::compare,
    model::{Against, Case, Report, SCHEMA, Verdict},
};
use std::{collections::BTreeMap, path::Path};

/// The results of a former run on one subject.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Former {
    cases: BTreeMap<String, Case>,
}

impl Former {
    /// Reads a `report.json` and takes the results of a subject. `path` is only named in errors.
    ///
    /// # Errors
    /// [`BaselineError::Report`], [`BaselineError::Schema`], [`BaselineError::NoSubject`].
    pub fn parse(text: &str, subject: &str, path: &Path) -> Result<Self, BaselineError> {
        // Another version's report may differ anywhere, so its version is read first.
        if let Ok(Head { schema }) = serde_json::from_str(text)
            && schema != SCHEMA
        {
            return Err(BaselineError::Schema { path: path.to_owned(), schema });
        }
        let report: Report =
            serde_json::from_str(text).map_err(|source| BaselineError::Report { path: path.to_owned(), source })?;
        let subjects = report.subjects.iter().map(|subject| subject.id.clone()).collect();
        match report.subjects.into_iter().find(|candidate| candidate.id == subject) {
            Some(subject) => Ok(Self::new(subject.cases)),
            None => Err(BaselineError::NoSubject { path: path.to_owned(), subject: subject.to_owned(), subjects }),
        }
    }

    /// Takes the results of a former run on the same subject.
    pub fn new(cases: impl IntoIterator<Item = Case>) -> Self {
        Self { cases: cases.into_iter().map(|case| (case.id.clone(), case)).collect() }
    }

    /// How a result stands against the former one, and why the former was what it was.
    pub(super) fn compare(&self, result: &Case) -> (Against, Option<String>) {
        let former = self.cases.get(&result.id);
        let against = compare(former, result);
        let former = former.filter(|former| former.verdict != Verdict::Error);
        (against, former.and_then(|former| former.known.clone().or_else(|| former.reason.clone())))
    }
}

/// What every version of a report starts with.
#[derive(serde::Deserialize)]
struct Head {
    schema: String,
}
