//! The cross-check of MMIO on this host: deterministic, resumable, and without failures of its own executors.
//!
//! What KVM gets wrong is not judged here: `cargo xtask fuzz mmio` does.

#![forbid(unsafe_code)]

use iced_decoder::Bitness;
use std::path::Path;
use testcases::{
    cancel::Cancel,
    emulation::{
        kvm::Flavour,
        mmio::{self, Options},
        outcome::Outcome,
    },
};

fn has_kvm() -> bool {
    let has_kvm = Path::new("/dev/kvm").exists();
    if !has_kvm {
        eprintln!("no /dev/kvm: not tested here");
    }
    has_kvm
}

fn options(folder: &Path) -> Options {
    Options {
        on: Flavour::MmioUser,
        forms: None,
        bitness: Bitness::Bits64,
        nr_inputs: Some(6000),
        seed: 1,
        time: None,
        nr_workers: Some(1),
        resume: false,
        folder: folder.to_owned(),
        show_progress: false,
    }
}

fn run(options: &Options) -> Outcome {
    mmio::run(options, &Cancel::default()).unwrap_or_else(|error| panic!("{error:#}"))
}

/// Everything that must not depend on how it was run.
fn findings(outcome: &Outcome) -> Vec<String> {
    let one = |(key, finding): (&_, &testcases::emulation::tally::Finding)| {
        format!("{key:?} {} {}", finding.count, finding.index)
    };
    outcome.all().map(one).collect()
}

#[test]
fn same_seed_gives_the_same_findings_on_any_number_of_threads_and_in_parts() {
    if !has_kvm() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let whole = run(&options(folder.path()));
    assert!(whole.failures().is_empty(), "{whole}");
    let threads = run(&Options { nr_workers: Some(3), ..options(folder.path()) });
    assert_eq!(findings(&whole), findings(&threads));
    let first = run(&Options { nr_inputs: Some(2000), ..options(folder.path()) });
    assert!(findings(&first).len() < findings(&whole).len());
    let both = run(&Options { nr_inputs: Some(4000), resume: true, ..options(folder.path()) });
    assert_eq!(findings(&whole), findings(&both));
}

#[test]
fn forms_that_do_not_exist_are_refused() {
    if !has_kvm() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let none = Options { forms: Some("Frobnicate_*".to_owned()), ..options(folder.path()) };
    let error = mmio::run(&none, &Cancel::default()).unwrap_err().to_string();
    assert!(error.contains("Frobnicate_*") && error.contains("Add_rm32_r32"), "{error}");
    let resumed = Options { resume: true, ..options(folder.path()) };
    let error = format!("{:#}", mmio::run(&resumed, &Cancel::default()).unwrap_err());
    assert!(error.contains("without --resume"), "{error}");
}
