//! What this host's KVM does otherwise than the processor: every kind of difference that a fixed slice of the cross-check
//! finds, by form and differing fields.
//!
//! The list is a snapshot of the KVM that it was made on. On another one, every difference has to be explained by the
//! baseline, or this test fails and lists them.

#![forbid(unsafe_code)]

use iced_decoder::Bitness;
use std::{collections::BTreeMap, fmt::Write as _, path::Path};
use testcases::{
    cancel::Cancel,
    emulation::{
        judge::{ORACLE, REFUSED},
        kvm::Flavour,
        mmio::{self, Options},
        outcome::Outcome,
    },
    host, placement,
};

/// Part of the version of the KVM that the snapshots are of.
const MADE_ON: &str = "kvm_pvm";
/// Two of each form.
const NR_INPUTS: u64 = 6_000;

fn run(on: Flavour, bitness: Bitness, folder: &Path) -> Outcome {
    let options = Options {
        on,
        forms: None,
        bitness,
        nr_inputs: Some(NR_INPUTS),
        seed: 0,
        time: None,
        nr_workers: Some(1),
        resume: false,
        folder: folder.to_owned(),
        show_progress: false,
    };
    mmio::run(&options, &Cancel::default()).unwrap_or_else(|error| panic!("{error:#}"))
}

/// A line for each combination of fields: the forms that differ in them. Refusals are no differences: the coverage tells
/// them.
fn list(outcome: &Outcome) -> String {
    let mut forms: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (key, _) in outcome.all().filter(|(key, _)| key.fields != ORACLE && key.fields != REFUSED) {
        forms.entry(&key.fields).or_default().push(&key.form);
    }
    let mut text = String::new();
    for (fields, forms) in forms {
        writeln!(text, "{fields}: {}", forms.join(" ")).unwrap();
    }
    text
}

fn check(on: Flavour) {
    if !Path::new("/dev/kvm").exists() {
        eprintln!("no /dev/kvm: not tested here");
        return;
    }
    // A KVM may behave differently on different processors of one host.
    let _pinned = placement::pin(0);
    let folder = tempfile::tempdir().unwrap();
    let (mut text, mut unexplained) = (String::new(), String::new());
    for bitness in [Bitness::Bits64, Bitness::Bits32, Bitness::Bits16] {
        let outcome = run(on, bitness, folder.path());
        assert!(outcome.failures().is_empty(), "{outcome}");
        writeln!(text, "{}-bit\n{}", bitness.bits(), list(&outcome)).unwrap();
        // Where the oracle is wrong nothing is said of the subject; a test of the oracle's own finds that.
        if outcome.unexplained().any(|(key, _)| key.fields != ORACLE) {
            unexplained += &outcome.to_string();
        }
    }
    if host::kvm_version().contains(MADE_ON) {
        insta::assert_snapshot!(format!("vmm-{}", on.name()), text);
    } else {
        eprintln!("{}: there is no snapshot of this KVM", host::kvm_version());
    }
    assert!(unexplained.is_empty(), "nothing explains these:\n{unexplained}");
}

#[test]
fn mmio_at_cpl_3_differs_as_known() {
    check(Flavour::MmioUser);
}

#[test]
fn mmio_at_cpl_0_differs_as_known() {
    check(Flavour::MmioSupervisor);
}

#[test]
fn memory_at_cpl_3_differs_as_known() {
    check(Flavour::MemoryUser);
}

#[test]
fn memory_at_cpl_0_differs_as_known() {
    check(Flavour::MemorySupervisor);
}
