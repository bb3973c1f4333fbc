//! A slice of `cargo xtask fuzz vmcs` and `fuzz vmcb`, with a fixed seed, where the hypervisors are installed.

#![forbid(unsafe_code)]

use std::sync::Arc;
use testcases::{
    baseline::Source,
    cancel::Cancel,
    chain::chain,
    image::{self, Guest},
    states::{self, Options, Outcome, Structure},
    subjects::{self, Image, SubjectError},
};

fn image() -> Arc<Image> {
    match image::build(Guest::Conformance) {
        Ok(path) => Arc::new(Image::open(&path).expect("an image")),
        Err(error) => panic!("{error}"),
    }
}

/// Nothing where the subject is not installed.
fn run(structure: Structure, subject: &str, seed: u64, first: u64, count: u64, baseline: Source) -> Option<Outcome> {
    let image = image();
    match subjects::open(subject, &image) {
        Ok(_) => {}
        Err(SubjectError::Missing { .. }) => {
            eprintln!("{subject} is not installed: not tried");
            return None;
        }
        Err(error) => panic!("{}", chain(&error)),
    }
    let options = Options {
        structure,
        subject: subject.to_owned(),
        seed,
        first,
        count,
        time: None,
        nr_workers: Some(2),
        baseline,
        show_progress: false,
    };
    Some(states::run(&image, &options, &Cancel::default()).expect("a subject with such states"))
}

#[test]
fn what_random_states_find_the_baselines_know() {
    for (structure, subject) in
        [(Structure::Vmcs, "bochs"), (Structure::Vmcb, "qemu-tcg"), (Structure::Vmcb, "bochs-amd")]
    {
        let Some(outcome) = run(structure, subject, 1, 0, 1_500, Source::Auto) else { continue };
        assert_eq!(outcome.exit_status(), 0, "{subject}:\n{outcome}");
        let [legal, illegal] = outcome.nr_touched();
        assert!(legal > 30 && illegal > 40, "{subject}:\n{outcome}");
        assert!(outcome.findings().all(|(_, is_known)| is_known), "{subject}:\n{outcome}");
    }
}

#[test]
fn a_finding_that_no_baseline_knows_is_found_again_by_its_number() {
    let Some(all) = run(Structure::Vmcb, "qemu-tcg", 1, 0, 500, Source::None) else { return };
    assert_eq!(all.exit_status(), 1, "{all}");
    let text = all.to_string();
    let number = text.split("--first ").nth(1).and_then(|text| text.split(' ').next()).expect("a line to repeat it");
    let again = run(Structure::Vmcb, "qemu-tcg", 1, number.parse().expect("a number"), 1, Source::None);
    let again = again.expect("it was there before");
    assert_eq!((again.nr_tried(), again.exit_status()), (1, 1), "{again}");
    let first = |outcome: &Outcome| outcome.findings().next().map(|(case, _)| case.to_owned());
    assert_eq!(first(&again), first(&all));
}

#[test]
fn a_subject_without_such_states_is_refused_with_what_has_them() {
    let image = image();
    let options = Options {
        structure: Structure::Vmcs,
        subject: "qemu-tcg".to_owned(),
        seed: 0,
        first: 0,
        count: 1,
        time: None,
        nr_workers: None,
        baseline: Source::Auto,
        show_progress: false,
    };
    match states::run(&image, &options, &Cancel::default()) {
        Ok(outcome) => panic!("{outcome}"),
        // Where the program is missing, that is told first.
        Err(error) => assert!(format!("{error:#}").contains("bochs") || format!("{error:#}").contains("install")),
    }
}
