//! Programs that are no QEMU, or a QEMU in trouble: each gives a clear error or the right verdict, and nothing hangs.

#![forbid(unsafe_code)]

mod smoke;

use reports::model::{Case, Verdict};
use smoke::image;
use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    time::{Duration, Instant},
};
use testcases::{
    cancel::Cancel,
    chain::chain,
    judge,
    subjects::{self, Opened, Program},
};

/// Time limit of a case here; what is shorter does not wait for it.
const LIMIT: Duration = Duration::from_millis(300);
/// No run may come near this, whatever the machine has to do besides.
const FAR_TOO_LONG: Duration = Duration::from_secs(60);

/// A program that answers `--version` as QEMU does and else runs a script.
struct Fake {
    folder: tempfile::TempDir,
}

impl Fake {
    fn new(script: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let fake = Self { folder };
        let version = "[ \"$1\" = --version ] && echo 'QEMU emulator version 0.0' && exit 0";
        fs::write(fake.path(), format!("#!/bin/bash\n{version}\n{script}\n")).unwrap();
        fs::set_permissions(fake.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fake
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("qemu")
    }

    fn name(&self) -> String {
        format!("qemu-tcg={}", self.path().display())
    }

    /// The verdict of a case on it.
    fn run(&self) -> Case {
        let image = image();
        let subject = subjects::open(&self.name(), &image).expect("it says its version");
        let case = image.catalog.cases().first().expect("a case");
        let start = Instant::now();
        let run = subject.run(Program::Case(case), LIMIT, &Cancel::default());
        assert!(start.elapsed() < FAR_TOO_LONG);
        judge::judge(case, run, &image.catalog)
    }
}

#[track_caller]
fn assert_result(result: &Case, verdict: Verdict, words: &str) {
    let reason = result.reason.as_deref().unwrap_or("");
    assert!(result.verdict == verdict && reason.contains(words), "{:?}: {reason}", result.verdict);
}

fn error(name: &str) -> String {
    chain(&Opened::open(name, &image()).err().expect("no such subject"))
}

#[test]
fn a_missing_program_is_named_with_what_to_do() {
    let text = error("qemu-tcg=/nonexistent/qemu");
    assert!(text.contains("`/nonexistent/qemu`") && text.contains("apt-get install qemu-system-x86"), "{text}");
}

#[test]
fn a_program_that_is_no_qemu_is_refused() {
    let text = error("qemu-tcg=/bin/false");
    assert!(text.contains("`/bin/false --version` failed"), "{text}");
    let text = error("qemu-tcg=/bin/echo");
    assert!(text.contains("`/bin/echo --version` failed") || text.contains("probe"), "{text}");
}

#[test]
fn an_unknown_subject_is_told_with_those_there_are() {
    let text = error("quemu");
    assert!(text.contains("no subject `quemu`") && text.contains("vmm, qemu-kvm, qemu-tcg"), "{text}");
    assert!(error("vmm=/bin/true").contains("takes no `=PATH`"));
}

#[test]
fn early_death_is_a_crash_with_status_and_last_words() {
    let result = Fake::new("echo 'cannot set up guest memory' >&2; exit 1").run();
    assert_result(&result, Verdict::Crash, "exit status: 1: cannot set up guest memory");
    let result = Fake::new("kill -SEGV $$").run();
    assert_result(&result, Verdict::Crash, "signal: 11");
}

#[test]
fn a_subject_that_dies_in_the_probe_is_no_subject() {
    let fake = Fake::new("echo 'no such machine' >&2; exit 1");
    let text = error(&fake.name());
    assert!(text.contains("probe") && text.contains("no such machine"), "{text}");
}

#[test]
fn garbage_without_end_is_ended() {
    let result = Fake::new("exec cat /dev/zero").run();
    assert_result(&result, Verdict::Error, "8388608 bytes");
}

#[test]
fn garbage_and_an_orderly_end_report_nothing() {
    let result = Fake::new("echo 'SeaBIOS ~vp ~v~'; exit 0").run();
    assert!(!matches!(result.verdict, Verdict::Pass | Verdict::Skip), "{result:?}");
}

#[test]
fn a_torn_message_is_an_error() {
    let result = Fake::new("printf '\\n~vp:1,0,2034c0,fff'; exit 0").run();
    assert_result(&result, Verdict::Error, "~vp:1,0,2034c0,fff");
}

#[test]
fn silence_is_a_hang() {
    assert_result(&Fake::new("exec sleep 1000").run(), Verdict::Hang, "");
}

#[test]
fn closed_outputs_of_a_process_that_lives_on_are_a_crash() {
    let result = Fake::new("exec >&- 2>&-; exec sleep 1000").run();
    assert_result(&result, Verdict::Crash, "lives on");
}

#[test]
fn a_flood_of_complaints_is_bounded() {
    let result = Fake::new("exec yes complaint >&2").run();
    assert_result(&result, Verdict::Hang, "");
}
