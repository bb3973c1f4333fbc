//! Reports of one run that was split, put together again: shards of the cases, and runs of different subjects.
//!
//! Nothing is guessed: what is missing, does not fit or contradicts is an error that names the file and what to do.

mod error;
#[cfg(test)]
mod tests;

pub use error::MergeError;

use crate::{
    compare::failing,
    json,
    model::{Case, Host, Report, Subject},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

/// A report and the file that it was read from.
#[derive(Clone, Debug)]
pub struct Part {
    /// The file; only named in errors.
    pub path: PathBuf,
    /// What it holds.
    pub report: Report,
}

/// Reads reports from files and puts them together.
///
/// # Errors
/// [`MergeError`].
pub fn merge_files(paths: &[PathBuf]) -> Result<Report, MergeError> {
    let read = |path: &PathBuf| match json::read_file(path) {
        Ok(report) => Ok(Part { path: path.clone(), report }),
        Err(source) => Err(MergeError::Read { path: path.clone(), source: Box::new(source) }),
    };
    merge(&paths.iter().map(read).collect::<Result<Vec<_>, _>>()?)
}

/// Puts reports together: the cases of each subject come from all shards of it, in the order that they have in a run that was
/// not split.
///
/// # Errors
/// [`MergeError`], but for [`MergeError::Read`].
pub fn merge(parts: &[Part]) -> Result<Report, MergeError> {
    let Some(first) = parts.first() else { return Err(MergeError::Nothing) };
    for part in parts {
        check_fits(first, part)?;
    }
    let mut ids: Vec<&str> = Vec::new();
    for subject in parts.iter().flat_map(|part| &part.report.subjects) {
        if !ids.contains(&subject.id.as_str()) {
            ids.push(&subject.id);
        }
    }
    let subjects = ids.into_iter().map(|id| merged_subject(id, parts)).collect::<Result<Vec<_>, _>>()?;
    let mut report = Report {
        host: merged_host(parts),
        shard: None,
        subjects,
        coverage: merged_coverage(parts)?,
        ..first.report.clone()
    };
    report.count_features();
    Ok(report)
}

/// Two reports are of one run only if they ran the same image, and so know the same features.
fn check_fits(first: &Part, part: &Part) -> Result<(), MergeError> {
    let (one, other) = (&first.report, &part.report);
    if one.image != other.image {
        return Err(MergeError::OtherImage {
            first: first.path.clone(),
            first_build_id: one.image.build_id.clone(),
            path: part.path.clone(),
            build_id: other.image.build_id.clone(),
        });
    }
    let features = |report: &Report| -> Vec<(String, String, u32)> {
        report.features.iter().map(|row| (row.id.clone(), row.title.clone(), row.cases)).collect()
    };
    if features(one) != features(other) {
        return Err(MergeError::OtherFeatures { first: first.path.clone(), path: part.path.clone() });
    }
    Ok(())
}

/// A subject in one of the parts.
type Of<'a> = (&'a Part, &'a Subject);

fn merged_subject(id: &str, parts: &[Part]) -> Result<Subject, MergeError> {
    let mut found: Vec<Of<'_>> = parts
        .iter()
        .flat_map(|part| part.report.subjects.iter().map(move |subject| (part, subject)))
        .filter(|(_, subject)| subject.id == id)
        .collect();
    check_complete(id, &found)?;
    // The first case of shard 1, then of shard 2 …: that is how a run is split.
    found.sort_by_key(|(part, _)| part.report.shard);
    let Some(&(first, subject)) = found.first() else { return Err(MergeError::Nothing) };
    for (part, other) in &found {
        if other.version != subject.version {
            return Err(MergeError::OtherVersion {
                subject: id.into(),
                first: first.path.clone(),
                first_version: subject.version.as_str().into(),
                path: part.path.clone(),
                version: other.version.as_str().into(),
            });
        }
    }
    let mut seen: BTreeMap<&str, (&Path, &Case)> = BTreeMap::new();
    let mut cases = Vec::new();
    let longest = found.iter().map(|(_, subject)| subject.cases.len()).max().unwrap_or(0);
    for index in 0..longest {
        for (part, subject) in &found {
            let Some(case) = subject.cases.get(index) else { continue };
            match seen.get(case.id.as_str()) {
                Some(&(path, other)) => check_same(id, path, other, &part.path, case)?,
                None => {
                    seen.insert(&case.id, (&part.path, case));
                    cases.push(case.clone());
                }
            }
        }
    }
    // What only some of the machines offer was not offered to the whole run.
    let offered_by_all = |need: &&String| found.iter().all(|(_, subject)| subject.offers.contains(need));
    let offers = subject.offers.iter().filter(offered_by_all).cloned().collect();
    Ok(Subject { id: id.to_owned(), version: subject.version.clone(), offers, cases })
}

/// Either every part is a whole run, or they are all shards of one.
fn check_complete(id: &str, found: &[Of<'_>]) -> Result<(), MergeError> {
    let Some((first, count)) = found.iter().find_map(|(part, _)| Some((part, part.report.shard?.count))) else {
        return Ok(());
    };
    let mut missing: BTreeSet<u32> = BTreeSet::new();
    // A number of shards that no run has costs nothing this way.
    let mut present: BTreeMap<u32, &Path> = BTreeMap::new();
    for (part, _) in found {
        let other = |shard| MergeError::OtherSplit {
            subject: id.to_owned(),
            first: first.path.clone(),
            count,
            path: part.path.clone(),
            shard,
        };
        match part.report.shard {
            None => return Err(other("the whole run".to_owned())),
            Some(shard) if shard.count != count => {
                return Err(other(format!("shard {}/{}", shard.number, shard.count)));
            }
            Some(shard) => _ = present.insert(shard.number, &part.path),
        }
    }
    missing.extend((1..=count).filter(|number| !present.contains_key(number)).take(MOST_NAMED));
    let nr_missing = u64::from(count).saturating_sub(present.len() as u64);
    if nr_missing == 0 {
        return Ok(());
    }
    Err(MergeError::Missing {
        subject: id.to_owned(),
        first: first.path.clone(),
        missing: missing.into_iter().collect(),
        nr_missing,
        count,
    })
}

/// Missing shards that are named.
const MOST_NAMED: usize = 8;

/// Two results of one case may differ in what they took, and in nothing else.
fn check_same(subject: &str, path: &Path, one: &Case, other_path: &Path, other: &Case) -> Result<(), MergeError> {
    if one.verdict == other.verdict && failing(one) == failing(other) && one.feature == other.feature {
        return Ok(());
    }
    Err(MergeError::Contradiction {
        subject: subject.into(),
        case: one.id.as_str().into(),
        first: path.to_owned(),
        first_verdict: one.verdict.name(),
        path: other_path.to_owned(),
        verdict: other.verdict.name(),
    })
}

/// The host; where the machines differ, all of their names.
fn merged_host(parts: &[Part]) -> Host {
    let joined = |field: fn(&Host) -> &String| {
        let mut names: Vec<&str> = Vec::new();
        for part in parts {
            let name = field(&part.report.host).as_str();
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names.join(" / ")
    };
    Host {
        kernel: joined(|host| &host.kernel),
        processor: joined(|host| &host.processor),
        kvm_module: joined(|host| &host.kvm_module),
        nr_processors: parts.iter().map(|part| part.report.host.nr_processors).max().unwrap_or(0),
    }
}

/// The rows of all parts. Each row is made by one case, which two shards do not both run.
fn merged_coverage(parts: &[Part]) -> Result<Vec<crate::CoverageRow>, MergeError> {
    let mut rows: Vec<(&Path, crate::CoverageRow)> = Vec::new();
    for part in parts {
        for row in &part.report.coverage {
            let is_same_place = |other: &crate::CoverageRow| {
                (&other.subject, &other.on, other.mode_bits, &other.encoding, other.operand_bits)
                    == (&row.subject, &row.on, row.mode_bits, &row.encoding, row.operand_bits)
            };
            match rows.iter().find(|(_, other)| is_same_place(other)) {
                None => rows.push((&part.path, row.clone())),
                Some((_, other)) if other == row => {}
                Some((path, _)) => {
                    return Err(MergeError::CoverageTwice {
                        first: (*path).to_owned(),
                        path: part.path.clone(),
                        row: format!("{} {} {}-bit {}", row.subject, row.on, row.mode_bits, row.encoding),
                    });
                }
            }
        }
    }
    Ok(rows.into_iter().map(|(_, row)| row).collect())
}
