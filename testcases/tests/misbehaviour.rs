//! Guests that misbehave on purpose: each gets its verdict and its place on every subject, and nothing hangs.
//!
//! QEMU's part is left out where it is not installed, KVM's where there is no `/dev/kvm`; both say so.

#![forbid(unsafe_code)]

mod smoke;

use reports::model::{Case, Verdict};
use smoke::image;
use std::{path::Path, time::Duration};
use testcases::{
    cancel::Cancel,
    session,
    subjects::{Image, Opened, SubjectError},
};

use Verdict::{Crash, Error, Fail, Hang, Pass, Skip};

/// Name of a case of the smoke image, its verdict, and what the reason must contain.
type Row = (&'static str, Verdict, &'static [&'static str]);

/// The same on every subject.
const EVERYWHERE: &[Row] = &[
    ("passes", Pass, &[]),
    ("many_checks", Pass, &[]),
    ("fails", Fail, &["one is two: expected 0x2, but it is 0x1", "guests/smoke/src/verdicts.rs"]),
    ("skips", Skip, &["this case always skips"]),
    ("panics", Error, &["the guest panicked at guests/smoke/src/verdicts.rs"]),
    ("no_checks", Error, &["no check"]),
    ("wrong_count", Error, &["2 checks, but 1 arrived"]),
    ("raises_ud", Crash, &["unexpected #UD at smoke::endings::raises_ud", "ud2"]),
    ("jumps_to_nowhere", Crash, &["unexpected #PF", "0x10000000000"]),
    ("triple_faults", Crash, &["triple fault at smoke::endings::triple_faults", "ud2"]),
    ("fails_then_dies", Crash, &["triple fault", "before it failed one is two"]),
    ("shuts_down_when_due", Pass, &[]),
    ("goes_on_when_due", Fail, &["no handler is left: expected a shutdown, but it went on"]),
    ("raises_ud_when_due", Fail, &["no handler is left: expected a shutdown, but it got #UD"]),
    ("goes_on_and_shuts_down_later", Fail, &["but it went on, and shut down later"]),
    ("spins_when_due", Hang, &["a shutdown was due: no handler is left", "jmp"]),
    ("debug_exits_when_due", Fail, &["but the guest ended with exit value 0x0"]),
    ("spins", Hang, &["smoke::endings::spins", "jmp"]),
    ("halts", Hang, &["smoke::endings::halts"]),
    ("reports_nothing", Error, &["it reported nothing"]),
    ("debug_exits", Error, &["before its verdict"]),
    ("reports_twice", Error, &["Done follows Done"]),
    ("unknown_kind", Error, &["unknown kind 99"]),
    ("unknown_site", Error, &["0x1234, which the image does not have"]),
    ("wrong_sequence", Error, &["message 8 arrived where message 1 was due"]),
    ("wrong_number_of_values", Error, &["carries 5 values"]),
];

/// By the shared pages.
const BY_PAGE: &[Row] = &[
    ("torn_message", Error, &["unknown kind 0"]),
    ("too_many_messages", Error, &["at most 2047 fit"]),
    ("floods_doorbell", Error, &["rang the doorbell"]),
    ("floods_serial", Error, &["flooded", "2048 bytes"]),
];

/// By lines on COM1.
const BY_LINES: &[Row] = &[
    ("torn_message", Error, &["torn", "~vp:1,"]),
    ("too_many_messages", Error, &["longer than"]),
    // It is the transport of others.
    ("floods_doorbell", Hang, &["smoke::floods::floods_doorbell"]),
];

fn run(subject: &Opened, image: &Image, name: &str, limit: Option<Duration>) -> Case {
    let case = image.catalog.case(&format!("pio::{name}")).unwrap_or_else(|| panic!("no case {name}"));
    session::run_case(subject, case, image, limit, &Cancel::default()).expect("a verdict")
}

fn check(subject: &Opened, rows: &[Row], limit: Option<Duration>) {
    let image = image();
    let mut wrong = Vec::new();
    for &(name, verdict, words) in rows {
        let result = run(subject, &image, name, limit);
        let reason = result.reason.as_deref().unwrap_or("");
        if result.verdict != verdict || !words.iter().all(|word| reason.contains(word)) {
            wrong.push(format!("{name}: wanted {verdict:?} with {words:?}, got {:?}: {reason}", result.verdict));
        }
    }
    assert!(wrong.is_empty(), "on {}:\n{}", subject.subject.id(), wrong.join("\n"));
}

fn vmm() -> Option<Opened> {
    if !Path::new("/dev/kvm").exists() {
        eprintln!("no /dev/kvm: not tested here");
        return None;
    }
    Some(Opened::open("vmm", &image()).unwrap_or_else(|error| panic!("{error}")))
}

#[test]
fn our_vmm_gives_each_its_verdict() {
    let Some(subject) = vmm() else { return };
    check(&subject, EVERYWHERE, None);
    check(&subject, BY_PAGE, None);
    // On a slow host time ends it, on a fast one the number of messages.
    let flood = run(&subject, &image(), "floods_messages", None);
    assert!(matches!(flood.verdict, Error | Hang), "{flood:?}");
}

#[test]
fn qemu_gives_each_its_verdict() {
    let subject = match Opened::open("qemu-tcg", &image()) {
        Ok(subject) => subject,
        Err(SubjectError::Missing { .. }) => return eprintln!("no QEMU: not tested here"),
        Err(error) => panic!("{error}"),
    };
    // What hangs costs this; what does not takes a tenth.
    let limit = Some(Duration::from_secs(3));
    check(&subject, EVERYWHERE, limit);
    check(&subject, BY_LINES, limit);
    for flood in ["floods_messages", "floods_serial"] {
        let result = run(&subject, &image(), flood, limit);
        assert!(matches!(result.verdict, Error | Hang), "{result:?}");
    }
}

#[test]
fn other_cases_do_not_suffer() {
    let Some(subject) = vmm() else { return };
    let image = image();
    std::thread::scope(|scope| {
        let hanging = scope.spawn(|| run(&subject, &image, "spins", None));
        for _ in 0..20 {
            assert_eq!(run(&subject, &image, "passes", None).verdict, Pass);
        }
        assert_eq!(hanging.join().unwrap().verdict, Hang);
    });
}

#[test]
fn nothing_is_left_behind() {
    let Some(subject) = vmm() else { return };
    let image = image();
    let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    run(&subject, &image, "passes", None);
    let before = open();
    for name in ["passes", "spins", "triple_faults", "reports_nothing", "panics"] {
        run(&subject, &image, name, None);
    }
    // Other tests of this process run at the same time and hold some for a moment.
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while open() > before {
        assert!(std::time::Instant::now() < deadline, "{} descriptors instead of {before}", open());
        std::thread::sleep(Duration::from_millis(10));
    }
}
