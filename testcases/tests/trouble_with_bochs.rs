//! Bochs that is missing or another program, and, where it is installed, guests that end in every way.

#![forbid(unsafe_code)]

mod smoke;

use reports::model::Verdict;
use smoke::image;
use std::{fs, os::unix::fs::PermissionsExt as _, time::Duration};
use testcases::{
    cancel::Cancel,
    chain::chain,
    judge,
    subjects::{self, Opened, Program, SubjectError},
};

fn error(name: &str) -> String {
    chain(&Opened::open(name, &image()).err().expect("no such subject"))
}

#[test]
fn a_missing_program_is_named_with_what_to_type() {
    let text = error("bochs=/nowhere/bochs");
    assert!(text.contains("`/nowhere/bochs`") && text.contains("apt-get install bochs bochs-term"), "{text}");
}

#[test]
fn a_program_that_is_another_one_or_lacks_the_model_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bochs");
    for (script, words) in
        [("echo no idea", "does not say its version"), ("echo Bochs x86 Emulator 9.9", "no CPU model `tigerlake`")]
    {
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let text = error(&format!("bochs={}", path.display()));
        assert!(text.contains(words), "{text}");
    }
}

#[test]
fn guests_end_in_every_way_on_bochs() {
    let image = image();
    let subject = match subjects::open("bochs", &image) {
        Ok(subject) => subject,
        Err(SubjectError::Missing { .. }) => return eprintln!("bochs is not installed: not tried"),
        Err(error) => panic!("{}", chain(&error)),
    };
    let run = |name: &str, limit| {
        let case = image.catalog.cases().iter().find(|case| case.name == name).expect("a case of the image");
        judge::judge(case, subject.run(Program::Case(case), limit, &Cancel::default()), &image.catalog)
    };
    let limit = Duration::from_secs(60);
    for (name, limit, verdict, words) in [
        ("passes", limit, Verdict::Pass, ""),
        ("triple_faults", limit, Verdict::Crash, "triple fault"),
        ("spins", Duration::from_secs(3), Verdict::Hang, "no verdict in time at "),
    ] {
        let result = run(name, limit);
        let reason = result.reason.unwrap_or_default();
        assert!(result.verdict == verdict && reason.contains(words), "{name}: {:?}: {reason}", result.verdict);
    }
}
