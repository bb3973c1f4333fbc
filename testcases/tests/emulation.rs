//! The cross-check of MMIO on this host: deterministic, resumable, and without failures of its own executors. And the oracle
//! against the processor, which needs no KVM.
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
        oracle,
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

/// Whether native execution is possible here; what it lacks is printed.
fn has_native() -> bool {
    match testcases::emulation::native::Native::start() {
        Ok(_) => true,
        Err(error) => {
            eprintln!("no native execution: not tested here: {error}");
            false
        }
    }
}

fn oracle_options(folder: &Path, bitness: Bitness) -> oracle::Options {
    oracle::Options {
        forms: None,
        bitness,
        nr_inputs: Some(ORACLE_INPUTS),
        seed: 5,
        nr_workers: Some(1),
        folder: folder.to_owned(),
        show_progress: false,
    }
}

/// Some ten inputs of each form.
const ORACLE_INPUTS: u64 = 30_000;

fn assert_oracle_agrees(bitness: Bitness) {
    if !has_native() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let options = oracle_options(folder.path(), bitness);
    let outcome = oracle::run(&options, &Cancel::default()).unwrap_or_else(|error| panic!("{error:#}"));
    assert_eq!(outcome.exit_status(), 0, "{outcome}");
    assert_eq!(outcome.nr_executed(), ORACLE_INPUTS, "{outcome}");
}

#[test]
fn oracle_agrees_with_the_processor_in_64_bit_mode() {
    assert_oracle_agrees(Bitness::Bits64);
}

#[test]
fn oracle_agrees_with_the_processor_in_32_bit_mode() {
    assert_oracle_agrees(Bitness::Bits32);
}

#[test]
fn oracle_agrees_with_the_processor_in_16_bit_mode() {
    assert_oracle_agrees(Bitness::Bits16);
}

#[test]
fn oracle_is_not_asked_about_forms_that_do_not_exist() {
    if !has_native() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let forms = Some("Frobnicate_*".to_owned());
    let none = oracle::Options { forms, ..oracle_options(folder.path(), Bitness::Bits64) };
    let error = oracle::run(&none, &Cancel::default()).unwrap_err().to_string();
    assert!(error.contains("Frobnicate_*") && error.contains("Add_rm32_r32"), "{error}");
}
