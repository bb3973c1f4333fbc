//! Former runs beside the present one: verdicts by run, and which case changed when.

use crate::{
    changes::{Changes, Kind},
    json::{self, ReadError},
    model::{Report, Verdict},
    tally::Tally,
};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// What the present run is called.
const THIS_RUN: &str = "this run";
/// The name of a report in its folder, which says nothing of the run.
const REPORT_NAME: &str = "report.json";

/// A former run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// What it is called: its file's name, or its folder's.
    pub label: String,
    /// What it gave.
    pub report: Report,
}

/// Former runs, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// In the order of their paths, if they were read.
    pub runs: Vec<Run>,
}

/// The verdicts on a subject in one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// The run.
    pub label: String,
    /// Its verdicts; nothing if the subject was not run.
    pub tally: Option<Tally>,
}

/// A case that changed from one run to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The run in which it is another.
    pub label: String,
    /// How.
    pub kind: Kind,
    /// The case.
    pub case: String,
    /// The subject.
    pub subject: String,
    /// `pass → fail`.
    pub verdicts: String,
}

impl History {
    /// Reads former reports: files in the given order, and of a folder each `*.json` and each `*/report.json`, by name. A
    /// folder that holds none, or is not there yet, is a history that begins now.
    ///
    /// # Errors
    /// [`ReadError`], which names the file.
    pub fn read(paths: &[PathBuf]) -> Result<Self, ReadError> {
        let mut files = Vec::new();
        for path in paths {
            let is_json = path.extension().is_some_and(|end| end == "json");
            if path.is_dir() {
                files.extend(in_folder(path).map_err(|source| ReadError::File { path: path.clone(), source })?);
            } else if path.exists() || is_json {
                files.push(path.clone());
            }
        }
        let run = |path: PathBuf| Ok(Run { report: json::read_file(&path)?, label: label(&path) });
        Ok(Self { runs: files.into_iter().map(run).collect::<Result<_, ReadError>>()? })
    }

    /// Whether there is no former run.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// All runs, the present one last.
    fn with<'a>(&'a self, present: &'a Report) -> impl Iterator<Item = (&'a str, &'a Report)> {
        let former = self.runs.iter().map(|run| (run.label.as_str(), &run.report));
        former.chain([(THIS_RUN, present)])
    }

    /// The verdicts on a subject in all runs, the present one last.
    pub fn points(&self, present: &Report, subject: &str) -> Vec<Point> {
        let point = |(label, report): (&str, &Report)| Point {
            label: label.to_owned(),
            tally: report.subjects.iter().find(|found| found.id == subject).map(crate::Subject::tally),
        };
        self.with(present).map(point).collect()
    }

    /// What changed from each run to the next, the latest first.
    pub fn turns(&self, present: &Report) -> Vec<Turn> {
        let runs: Vec<_> = self.with(present).collect();
        let mut turns = Vec::new();
        for pair in runs.windows(2).rev() {
            let [(_, before), (label, now)] = pair else { continue };
            // Runs without a common subject, or of different shards, tell of no change.
            let changes = Changes::between(before, now).unwrap_or_default();
            // What the harness fails to run each time is no news.
            let is_news =
                |change: &crate::changes::Change| change.before != Some(Verdict::Error) || change.kind != Kind::Broken;
            turns.extend(changes.list.into_iter().filter(is_news).map(|change| Turn {
                label: (*label).to_owned(),
                kind: change.kind,
                verdicts: change.verdicts(),
                case: change.case.id,
                subject: change.subject,
            }));
        }
        turns
    }
}

/// The reports in a folder and one level below it, by name.
fn in_folder(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let below = path.join(REPORT_NAME);
        if below.is_file() {
            files.push(below);
        } else if path.extension().is_some_and(|end| end == "json") && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn label(path: &Path) -> String {
    let is_named = path.file_name().is_some_and(|name| name != REPORT_NAME);
    let stem = if is_named { path.file_stem() } else { path.parent().and_then(Path::file_name) };
    stem.map_or_else(|| path.display().to_string(), |stem| stem.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::{History, Run};
    use crate::{
        changes::Kind,
        example, json,
        model::{Report, Verdict},
    };
    use std::{fs, path::PathBuf};

    fn run(label: &str, report: Report) -> Run {
        Run { label: label.to_owned(), report }
    }

    #[test]
    fn a_folder_is_read_by_name_with_the_folders_below_it() {
        let folder = tempfile::tempdir().unwrap();
        let text = json::write(&example::report()).unwrap();
        fs::write(folder.path().join("2026-02.json"), &text).unwrap();
        fs::create_dir(folder.path().join("2026-01")).unwrap();
        fs::write(folder.path().join("2026-01/report.json"), &text).unwrap();
        fs::write(folder.path().join("notes.txt"), "").unwrap();
        let history = History::read(&[folder.path().to_owned()]).unwrap();
        let labels: Vec<_> = history.runs.iter().map(|run| run.label.as_str()).collect();
        assert_eq!(labels, ["2026-01", "2026-02"]);
    }

    #[test]
    fn a_history_may_begin_now_and_a_broken_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        assert!(History::read(&[folder.path().join("none"), folder.path().to_owned()]).unwrap().is_empty());
        fs::write(folder.path().join("x.json"), "{").unwrap();
        let error = History::read(&[folder.path().to_owned()]).unwrap_err().to_string();
        assert!(error.contains("x.json"), "{error}");
        let missing: PathBuf = folder.path().join("missing.json");
        assert!(History::read(&[missing]).unwrap_err().to_string().contains("missing.json"));
    }

    #[test]
    fn a_turn_is_told_with_the_run_in_which_it_came() {
        let present = example::report();
        let mut older = present.clone();
        older.subjects[0].cases[0].verdict = Verdict::Hang;
        older.subjects.iter_mut().for_each(|subject| subject.cases.retain(|case| case.verdict != Verdict::Error));
        let mut middle = older.clone();
        middle.subjects[0].cases[0].verdict = Verdict::Pass;
        let history = History { runs: vec![run("1", older), run("2", middle.clone())] };
        let turns = history.turns(&middle);
        let told: Vec<_> = turns.iter().map(|turn| (turn.label.as_str(), turn.kind, turn.verdicts.as_str())).collect();
        assert_eq!(told, [("2", Kind::Fixed, "hang → pass")]);
        let points = history.points(&middle, "vmm");
        assert_eq!(points.last().map(|point| point.label.as_str()), Some("this run"));
        assert!(history.points(&middle, "bochs").iter().all(|point| point.tally.is_none()));
    }
}
