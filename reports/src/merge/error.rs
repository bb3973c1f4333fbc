//! Why reports cannot be put together.

use crate::{json::ReadError, text::one_line};
use std::path::PathBuf;

/// Why reports cannot be put together. Each names a file and what to do.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// There is no report.
    #[error("there is nothing to put together; name the report.json of each shard")]
    Nothing,
    /// A file is no report of this version, or cut off.
    #[error(
        "`{}` cannot be put together with the others; fetch it again, or run that shard again with this vmproof",
        .path.display()
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<ReadError>,
    },
    /// The reports are of different guest images.
    #[error(
        "`{}` is of the guest image {}, and `{}` of {}; run all shards with one image",
        .path.display(), named(.build_id), .first.display(), named(.first_build_id)
    )]
    OtherImage {
        /// The first file.
        first: PathBuf,
        /// Its image.
        first_build_id: String,
        /// The other file.
        path: PathBuf,
        /// Its image.
        build_id: String,
    },
    /// The reports know different features, although they are of one image.
    #[error(
        "`{}` and `{}` list different features or cases; run all shards with the same vmproof",
        .first.display(), .path.display()
    )]
    OtherFeatures {
        /// The first file.
        first: PathBuf,
        /// The other file.
        path: PathBuf,
    },
    /// A subject has another version in another report.
    #[error(
        "{} is `{}` in `{}` and `{}` in `{}`; run all shards on the same version",
        one_line(.subject), one_line(.first_version), .first.display(), one_line(.version), .path.display()
    )]
    OtherVersion {
        /// The subject.
        subject: Box<str>,
        /// The first file.
        first: PathBuf,
        /// Its version.
        first_version: Box<str>,
        /// The other file.
        path: PathBuf,
        /// Its version.
        version: Box<str>,
    },
    /// The parts of a subject are not of one split.
    #[error(
        "`{}` is a shard of {count} of {}, but `{}` is {shard}; give only the shards of one run",
        .first.display(), one_line(.subject), .path.display()
    )]
    OtherSplit {
        /// The subject.
        subject: String,
        /// The first file.
        first: PathBuf,
        /// Shards of its run.
        count: u32,
        /// The other file.
        path: PathBuf,
        /// What it is, for people.
        shard: String,
    },
    /// Shards are not there.
    #[error(
        "`{}` is a shard of {count} of {}, and {} missing: {}; add {}, or run with `--shard {}/{count}`",
        .first.display(), one_line(.subject),
        if *.nr_missing == 1 { "one is" } else { "some are" },
        shards(.missing, *.nr_missing, *.count),
        if *.nr_missing == 1 { "its report.json" } else { "their report.json" },
        .missing.first().copied().unwrap_or(1)
    )]
    Missing {
        /// The subject.
        subject: String,
        /// A file that says how many there are.
        first: PathBuf,
        /// The first few that are not there.
        missing: Vec<u32>,
        /// How many are not there.
        nr_missing: u64,
        /// How many there are.
        count: u32,
    },
    /// Two reports give a case different results.
    #[error(
        "{} on {} is {first_verdict} in `{}` and {verdict} in `{}`, or fails other checks there; \
         find out why it flakes, and leave one of the files out",
        one_line(.case), one_line(.subject), .first.display(), .path.display()
    )]
    Contradiction {
        /// The subject.
        subject: Box<str>,
        /// The case.
        case: Box<str>,
        /// The first file.
        first: PathBuf,
        /// The verdict there.
        first_verdict: &'static str,
        /// The other file.
        path: PathBuf,
        /// The verdict there.
        verdict: &'static str,
    },
    /// Two reports have numbers of the same instruction forms that differ.
    #[error(
        "`{}` and `{}` have different numbers of the instruction forms {}; leave one of the files out",
        .first.display(), .path.display(), one_line(.row)
    )]
    CoverageTwice {
        /// The first file.
        first: PathBuf,
        /// The other file.
        path: PathBuf,
        /// The row.
        row: String,
    },
}

fn named(build_id: &str) -> String {
    if build_id.is_empty() { "without a build id".to_owned() } else { format!("`{}`", one_line(build_id)) }
}

/// `2/4, 3/4 and 7 more`
fn shards(missing: &[u32], nr_missing: u64, count: u32) -> String {
    let names: Vec<_> = missing.iter().map(|number| format!("{number}/{count}")).collect();
    match nr_missing.saturating_sub(names.len() as u64) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}
