//! Cases notice what is wrong: a slice of the faults of `cargo xtask mutants`, one or more of each kind.

#![forbid(unsafe_code)]

use std::{path::Path, sync::Arc};
use testcases::{
    cancel::Cancel,
    image::{self, Guest},
    mutants::{self, Fate, Options, Wrong},
    subjects::Image,
};

/// Faults whose cases take milliseconds and depend on no clock.
const SLICE: &[&str] = &[
    "cpuid-largest-leaf-zero",
    "cpuid-apic-id",
    "msr-lstar-read",
    "msr-fs-base-write-dropped",
    "msr-unknown-never-fault",
    "event-de-rip",
    "event-ss-as-gp",
    "event-df-error-code",
    "pio-read-bit",
    "pio-write-dropped",
    "mmio-write-bit",
    "serial-scratchpad-bit",
    "pic-poll-ignored",
    "pic-specific-eoi-ends-highest",
    "pit-gate-bit-not-readable",
    "ioapic-version-wrong",
    "apic-eoi-ignored",
    "rtc-battery-empty",
    "hpet-counter-read-only",
    "i8042-answer",
];

#[test]
fn each_fault_of_a_slice_is_noticed_by_its_feature() {
    if !Path::new("/dev/kvm").exists() {
        eprintln!("no /dev/kvm: not tested here");
        return;
    }
    let ids: Vec<_> = SLICE.iter().map(|id| (*id).to_owned()).collect();
    let image = Arc::new(Image::open(&image::build(Guest::Conformance).unwrap()).unwrap());
    let selected = mutants::select(&image.catalog, &ids).unwrap();
    assert_eq!(selected.len(), SLICE.len());
    let outcome = mutants::run(&image, &selected, Options::default(), &Cancel::default()).unwrap();
    let others: Vec<_> = outcome.tried.iter().filter(|tried| !matches!(tried.fate, Fate::Killed { .. })).collect();
    assert!(others.is_empty(), "{}", outcome.summary());
    assert_eq!(outcome.exit_status(), 0);
}

#[test]
fn a_table_survives_nothing_if_its_subject_is_not_there() {
    const MISSING: &str = "bochs=/nowhere/bochs";
    if !Path::new("/dev/kvm").exists() {
        eprintln!("no /dev/kvm: not tested here");
        return;
    }
    let image = Arc::new(Image::open(&image::build(Guest::Conformance).unwrap()).unwrap());
    // The second is left out, which does not hide that its subject cannot be asked.
    let ids = ["table-vmx-entry-checks-vpid", "table-vmx-entry-checks-guest-bounds"].map(str::to_owned);
    let mut selected = mutants::select(&image.catalog, &ids).unwrap();
    for trial in &mut selected {
        if let Wrong::Table { subject, .. } = &mut trial.wrong {
            *subject = MISSING;
        }
    }
    let outcome = mutants::run(&image, &selected, Options::default(), &Cancel::default()).unwrap();
    assert_eq!(outcome.tried.len(), ids.len());
    for tried in &outcome.tried {
        assert!(matches!(&tried.fate, Fate::Failed { reason } if reason.contains("/nowhere/bochs")), "{tried}");
    }
    assert_eq!(outcome.exit_status(), 2);
}
