//! What changed between two reports, told from reports made by hand.

use super::{Changes, DiffError, Kind};
use crate::{
    example, hostile,
    model::{Against, Case, Report, Shard, Subject, Verdict},
};
use Verdict::{Crash, Error, Fail, Pass, Skip};

fn report(cases: Vec<Case>) -> Report {
    let subject = Subject { id: "vmm".to_owned(), cases, ..Subject::default() };
    Report { subjects: vec![subject], ..example::report() }
}

fn case(id: &str, verdict: Verdict) -> Case {
    let feature = if id.starts_with("msr") { "MsrPat" } else { "PagingPermissions" };
    example::case(id, feature, verdict)
}

fn with_checks(case: Case, checks: &[(&str, Verdict)]) -> Case {
    let checks =
        checks.iter().map(|&(id, verdict)| example::check(id, verdict, "1", if verdict == Pass { "1" } else { "0" }));
    Case { checks: checks.collect(), ..case }
}

fn kinds(changes: &Changes) -> Vec<(Kind, &str)> {
    changes.list.iter().map(|change| (change.kind, change.case.id.as_str())).collect()
}

#[test]
fn a_report_and_itself_are_silent() {
    let report = example::report();
    let mut same = report.clone();
    // What the harness failed to run is told even if it failed before.
    for subject in &mut same.subjects {
        subject.cases.retain(|case| case.verdict != Error);
    }
    let changes = Changes::between(&same, &same).unwrap();
    assert_eq!((changes.tell(None).as_str(), changes.is_worse(), changes.is_broken()), ("", false, false));
    assert!(Changes::between(&report, &report).unwrap().is_broken());
}

#[test]
fn a_regression_is_told_first_with_feature_clause_and_case() {
    let mut before: Vec<_> = (0..200).map(|number| case(&format!("msr::m{number}"), Fail)).collect();
    let mut now: Vec<_> = (0..200).map(|number| case(&format!("msr::m{number}"), Pass)).collect();
    before.push(with_checks(case("paging::permissions", Pass), &[("read", Pass), ("write", Pass)]));
    now.push(with_checks(case("paging::permissions", Fail), &[("read", Pass), ("write", Fail)]));
    let changes = Changes::between(&report(before), &report(now)).unwrap();
    let text = changes.tell(None);
    let screen: Vec<_> = text.lines().take(12).collect();
    for words in
        ["PagingPermissions: ", "paging::permissions on vmm: pass → fail", "SDM vol. 3A", "write: expected 1, actual 0"]
    {
        assert!(screen.iter().any(|line| line.contains(words)), "{words} is not in {screen:#?}");
    }
    assert_eq!((changes.is_worse(), changes.is_broken()), (true, false));
    insta::assert_snapshot!(text);
}

#[test]
fn every_kind_is_told() {
    let before = vec![
        case("msr::regresses", Pass),
        case("msr::is_fixed", Crash),
        case("msr::is_skipped_now", Pass),
        case("msr::is_no_more", Fail),
        case("msr::was_skipped_and_is_no_more", Skip),
        case("msr::breaks", Pass),
        case("msr::is_offered_now", Skip),
        with_checks(case("msr::loses_a_check", Pass), &[("a", Pass), ("b", Pass)]),
        with_checks(case("msr::gains_a_check", Pass), &[("a", Pass)]),
        with_checks(case("msr::fails_elsewhere", Fail), &[("a", Fail), ("b", Pass)]),
        with_checks(case("msr::crashes_elsewhere", Crash), &[("a", Pass)]),
    ];
    let now = vec![
        Case { reason: Some("triple fault at suite::x+0x1: ret".to_owned()), ..case("msr::regresses", Crash) },
        case("msr::is_fixed", Pass),
        case("msr::is_skipped_now", Skip),
        case("msr::breaks", Error),
        case("msr::is_offered_now", Pass),
        case("msr::is_new", Pass),
        case("msr::is_new_and_wrong", Fail),
        case("msr::is_new_and_skipped", Skip),
        with_checks(case("msr::loses_a_check", Pass), &[("a", Pass)]),
        with_checks(case("msr::gains_a_check", Pass), &[("a", Pass), ("b", Pass)]),
        with_checks(case("msr::fails_elsewhere", Fail), &[("a", Pass), ("b", Fail)]),
        with_checks(case("msr::crashes_elsewhere", Crash), &[]),
    ];
    let changes = Changes::between(&report(before), &report(now)).unwrap();
    assert_eq!(
        kinds(&changes),
        [
            (Kind::Regressed, "msr::regresses"),
            (Kind::Regressed, "msr::is_new_and_wrong"),
            (Kind::Regressed, "msr::fails_elsewhere"),
            (Kind::Broken, "msr::breaks"),
            (Kind::Vanished, "msr::is_skipped_now"),
            (Kind::Vanished, "msr::loses_a_check"),
            (Kind::Vanished, "msr::is_no_more"),
            (Kind::Fixed, "msr::is_fixed"),
            (Kind::Appeared, "msr::is_offered_now"),
            (Kind::Appeared, "msr::is_new"),
            (Kind::Appeared, "msr::gains_a_check"),
        ]
    );
    insta::assert_snapshot!(changes.tell(None));
}

#[test]
fn a_gate_without_a_former_run_goes_by_what_the_run_says() {
    let against = |id: &str, verdict, against| Case { against_baseline: Some(against), ..case(id, verdict) };
    let subject = Subject {
        id: "firecracker".to_owned(),
        cases: vec![
            with_checks(against("msr::known", Fail, Against::Expected), &[]),
            against("msr::regressed", Fail, Against::Regressed),
            against("msr::fixed", Pass, Against::Fixed),
            against("msr::new", Pass, Against::New),
        ],
        ..Subject::default()
    };
    let changes = Changes::of_run(&subject, &[], |_| true);
    assert_eq!(kinds(&changes), [(Kind::Regressed, "msr::regressed"), (Kind::Fixed, "msr::fixed")]);
    let text = changes.tell(Some("firecracker=/opt/fire cracker"));
    assert!(text.contains("cargo xtask run msr::regressed --subject 'firecracker=/opt/fire cracker'"), "{text}");
}

#[test]
fn a_known_failure_is_no_change_without_a_former_run() {
    let known = with_checks(case("msr::known", Fail), &[("a", Fail), ("b", Pass)]);
    let subject = Subject {
        id: "vmm".to_owned(),
        cases: vec![Case { against_baseline: Some(Against::Expected), ..known }],
        ..Subject::default()
    };
    assert!(Changes::of_run(&subject, &[], |_| true).is_empty());
}

#[test]
fn a_case_that_was_not_selected_has_not_vanished() {
    let former = [case("msr::one", Pass), case("msr::two", Pass), case("msr::three", Skip)];
    let subject = Subject { id: "vmm".to_owned(), ..Subject::default() };
    assert!(Changes::of_run(&subject, &former, |_| true).is_empty());
    let gone = Changes::of_run(&subject, &former, |_| false);
    assert_eq!(kinds(&gone), [(Kind::Vanished, "msr::one"), (Kind::Vanished, "msr::two")]);
}

#[test]
fn reports_of_different_subjects_are_not_compared() {
    let mut other = example::report();
    other.subjects.truncate(1);
    other.subjects[0].id = "bochs".to_owned();
    let error = Changes::between(&example::report(), &other).unwrap_err();
    assert!(matches!(&error, DiffError::NoCommonSubject { .. }));
    assert!(error.to_string().contains("vmm, qemu-tcg") && error.to_string().contains("bochs"), "{error}");
    let shard = Report { shard: Some(Shard { number: 2, count: 4 }), ..example::report() };
    let error = Changes::between(&example::report(), &shard).unwrap_err();
    assert!(error.to_string().contains("2/4") && error.to_string().contains("report merge"), "{error}");
}

#[test]
fn a_subject_that_was_not_run_is_worse_and_a_new_one_is_not() {
    let mut before = report(vec![case("msr::one", Pass)]);
    let now = before.clone();
    before.subjects.push(Subject { id: "qemu-tcg".to_owned(), ..Subject::default() });
    let changes = Changes::between(&before, &now).unwrap();
    assert!(changes.is_worse() && changes.tell(None).contains("the subject qemu-tcg was not run"));
    let changes = Changes::between(&now, &before).unwrap();
    assert!(!changes.is_worse() && changes.tell(None).contains("qemu-tcg was not run before"));
}

proptest::proptest! {
    #[test]
    fn any_string_keeps_each_change_on_its_lines(text in hostile::text()) {
        let changes = Changes::recorded(&hostile::report(&text));
        let told = changes.tell(None);
        let plain = Changes::recorded(&hostile::report("x")).tell(None);
        proptest::prop_assert!(told.chars().all(|character| character == '\n' || !character.is_control()));
        proptest::prop_assert_eq!(told.lines().count(), plain.lines().count());
    }
}
