//! The suite as tests, one a case: under `cargo test` and under cargo-nextest.
//!
//! The subject is `vmm`, or what the variable `VMPROOF_SUBJECT` names; the verdicts are judged against the subject's
//! checked-in baseline. On a host without `/dev/kvm` the cases of the subject `vmm` are listed as ignored; where it
//! exists and cannot be used, every test fails.

#![forbid(unsafe_code)]

use libtest_mimic::{Arguments, Failed, Trial};
use reports::model::{self, Against, Verdict};
use std::{
    path::Path,
    sync::{Arc, OnceLock},
};
use testcases::{
    baseline::{Baseline, Source},
    cancel::Cancel,
    chain::chain,
    image::{self, Guest},
    session,
    subjects::{Image, Opened},
};

/// Opened by the first test that runs, not by `--list`.
type Shared = Arc<OnceLock<Result<(Opened, Option<Baseline>), String>>>;

fn main() {
    let arguments = Arguments::from_args();
    let subject = std::env::var("VMPROOF_SUBJECT").unwrap_or_else(|_| "vmm".to_owned());
    let image = match open_image(&arguments) {
        Ok(image) => Arc::new(image),
        Err(error) => {
            // Nothing can be listed without the image, and a list without tests would pass.
            eprintln!("error: {error}");
            std::process::exit(2);
        }
    };
    let is_absent = subject == "vmm" && !Path::new("/dev/kvm").exists();
    if is_absent {
        eprintln!("no /dev/kvm: the cases are ignored; VMPROOF_SUBJECT=qemu-tcg runs them on QEMU");
    }
    let shared = Shared::default();
    let trials = image.catalog.cases().iter().map(|case| {
        let (id, subject, image, shared) = (case.id.clone(), subject.clone(), image.clone(), shared.clone());
        let test = move || run(&id, &subject, &image, &shared);
        Trial::test(&case.id, test).with_ignored_flag(is_absent)
    });
    libtest_mimic::run(&arguments, trials.collect()).exit();
}

/// cargo-nextest starts one process a test: each of those takes the image that `--list` has built.
fn open_image(arguments: &Arguments) -> Result<Image, String> {
    let is_one_of_many = std::env::var_os("NEXTEST").is_some() && !arguments.list;
    let built = Guest::Conformance.path();
    let path = match is_one_of_many && built.exists() {
        true => built,
        false => image::build(Guest::Conformance).map_err(|error| chain(&error))?,
    };
    Image::open(&path).map_err(|error| chain(&error))
}

fn run(id: &str, subject: &str, image: &Arc<Image>, shared: &Shared) -> Result<(), Failed> {
    let opened = shared.get_or_init(|| open_subject(subject, image));
    let (opened, baseline) = opened.as_ref().map_err(Failed::from)?;
    let case = image.catalog.case(id).ok_or("the case is not in the image")?;
    let result = session::run_case(opened, case, image, None, &Cancel::default()).ok_or("cancelled")?;
    verdict(&session::against(result, baseline.as_ref()), opened.subject.id())
}

fn open_subject(name: &str, image: &Arc<Image>) -> Result<(Opened, Option<Baseline>), String> {
    let opened = Opened::open(name, image).map_err(|error| chain(&error))?;
    let (id, version) = (opened.subject.id(), opened.subject.version());
    let baseline = Source::Auto.load(id, version, &image.catalog).map_err(|error| chain(&error))?;
    Ok((opened, baseline))
}

fn verdict(result: &model::Case, subject: &str) -> Result<(), Failed> {
    let is_quiet = matches!(result.verdict, Verdict::Pass | Verdict::Skip);
    match (result.verdict, result.against_baseline) {
        (Verdict::Fail | Verdict::Crash | Verdict::Hang, Some(Against::Expected)) => return Ok(()),
        (_, Some(Against::Expected | Against::New) | None) if is_quiet => return Ok(()),
        _ => {}
    }
    let (verdict, against) = (result.verdict.name(), result.against_baseline.map_or("", Against::name));
    let reason = result.reason.as_deref().unwrap_or("");
    let (rule, spec, id) = (&result.rule, &result.spec, &result.id);
    Err(format!(
        "{verdict} {against}: {reason}\n  rule: {rule}\n  clause: {spec}\n  again: cargo xtask run {id} --subject {subject}"
    )
    .into())
}
