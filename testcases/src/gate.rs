//! A gate: a kernel or a VMM under test against what is known of it, or against another one that is run first.

use crate::{
    baseline::Source,
    cancel::Cancel,
    progress::Manner,
    session::{self, Options, Outcome, SessionError},
    subjects::Image,
};
use reports::{
    History, ReadError, WriteError,
    changes::Changes,
    json,
    model::{Case, Subject},
    write,
};
use std::{path::Path, path::PathBuf, sync::Arc};

/// Exit status when something regressed or vanished.
const REGRESSED: u8 = 1;
/// Exit status when the harness or the request failed.
const FAILED: u8 = 2;

/// What to compare.
#[derive(Clone, Copy, Debug)]
pub struct Gate<'a> {
    /// The subject under test, as on the command line.
    pub subject: &'a str,
    /// Another one, which is run first and is the baseline.
    pub against: Option<&'a str>,
    /// What is known, if there is no other one.
    pub baseline: &'a Source,
    /// Cases; none selects all.
    pub filters: &'a [String],
    /// Cases side by side.
    pub jobs: Option<u32>,
    /// Folder for the report's files.
    pub folder: &'a Path,
    /// Former runs, for the page.
    pub history: &'a History,
    /// How progress is told.
    pub manner: Manner,
}

/// What a gate led to.
#[derive(Debug)]
pub struct Judged {
    /// The run.
    pub outcome: Outcome,
    /// What changed.
    pub changes: Changes,
    /// 0 if nothing is worse, 1 if something regressed or vanished or an entry of the baseline is out of date, 2 if the harness
    /// failed.
    pub status: u8,
}

/// Why a gate could not be run.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// There is nothing to compare with.
    #[error("without a baseline nothing can be worse than before; give one, or another kernel or VMM with `--against`")]
    NoBaseline,
    /// The user ended the first of two runs.
    #[error("interrupted before the other one was through")]
    Interrupted,
    /// The suite could not be run.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The report could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The former report could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Runs the suite, and the other subject before it if there is one; writes the reports.
///
/// # Errors
/// [`GateError`].
pub fn run(image: &Arc<Image>, gate: &Gate<'_>, cancel: &Cancel) -> Result<Judged, GateError> {
    if *gate.baseline == Source::None && gate.against.is_none() {
        return Err(GateError::NoBaseline);
    }
    write::prepare(gate.folder)?;
    let baseline = match gate.against {
        None => gate.baseline.clone(),
        Some(other) => {
            let folder = gate.folder.join("against");
            write::prepare(&folder)?;
            let outcome = gate.session(image, other, &Source::None, cancel)?;
            if outcome.interrupted.is_some() {
                return Err(GateError::Interrupted);
            }
            write::write_all(&outcome.report, &folder)?;
            Source::File(folder.join("report.json"))
        }
    };
    let outcome = gate.session(image, gate.subject, &baseline, cancel)?;
    write::write_all_with(&outcome.report, gate.history, gate.folder)?;
    let none = Subject::default();
    let now = outcome.report.subjects.first().unwrap_or(&none);
    let former = former(&baseline, &now.id)?;
    let changes = Changes::of_run(now, &former, |id| image.catalog.case(id).is_some());
    let status = match outcome.exit_status() {
        FAILED => FAILED,
        _ if changes.is_worse() => REGRESSED,
        // Another one has no entries that could be out of date.
        _ if gate.against.is_some() => 0,
        status => status,
    };
    Ok(Judged { outcome, changes, status })
}

impl Gate<'_> {
    fn session(
        &self,
        image: &Arc<Image>,
        subject: &str,
        baseline: &Source,
        cancel: &Cancel,
    ) -> Result<Outcome, SessionError> {
        let options = Options {
            subjects: &[subject.to_owned()],
            filters: self.filters,
            interrupts: &[],
            shard: None,
            baseline,
            jobs: self.jobs,
            seed: 0,
            repeat: 1,
            time_limit: None,
            axis: None,
            manner: self.manner,
        };
        session::run(image, &options, cancel)
    }
}

impl Judged {
    /// For people, and for a log: nothing if everything is as it was. `argument` is what the command line calls the subject.
    pub fn tell(&self, argument: &str) -> String {
        let mut text = self.changes.tell(Some(argument));
        if let Some((done, asked)) = self.outcome.interrupted {
            text += &format!("interrupted: {done} of {asked} runs finished\n");
        }
        text
    }
}

/// The results of the run that was the baseline; none if it was written down.
fn former(baseline: &Source, subject: &str) -> Result<Vec<Case>, ReadError> {
    let is_report = |path: &&PathBuf| path.extension().is_some_and(|end| end.eq_ignore_ascii_case("json"));
    let Source::File(path) = baseline else { return Ok(Vec::new()) };
    let Some(path) = Some(path).filter(is_report) else { return Ok(Vec::new()) };
    let report = json::read_file(path)?;
    Ok(report.subjects.into_iter().find(|found| found.id == subject).map(|found| found.cases).unwrap_or_default())
}
