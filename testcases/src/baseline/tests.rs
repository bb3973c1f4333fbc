//! Tests of the baseline.

use super::*;
use crate::catalog::{Catalog, synthetic::Source as ImageSource};
use proptest::prelude::*;
use reports::model::{Against, Check, Host, Image, Report, Subject};
use std::path::{Path, PathBuf};

const CASE: &str = "pio::outs_advances_rsi@user";
const OTHER: &str = "pio::ins_advances_rdi";
const PATH: &str = "testcases/baselines/vmm.toml";

fn entry(lines: &str) -> String {
    format!(
        "[[known]]\ncase = \"{CASE}\"\nexpected = \"RSI advances\"\nactual = \"RSI stays\"\nclause = \"SDM vol. 2, \
         OUTS\"\nreason = \"the emulator forgets it\"\n{lines}\n"
    )
}

fn catalog() -> Catalog {
    Catalog::parse(ImageSource::new().build().bytes).unwrap()
}

fn known(text: &str, version: &str) -> Result<Baseline, BaselineError> {
    let known = KnownFailures::parse(text, Path::new(PATH))?;
    known.check_cases(&catalog(), Path::new(PATH))?;
    Ok(Baseline::Known(known.for_version(version, Path::new(PATH))?))
}

fn result(id: &str, verdict: Verdict, failing: &[&str]) -> Case {
    let check =
        |id: &str, verdict| Check { id: id.to_owned(), verdict, expected: "0x1".to_owned(), actual: "0x2".to_owned() };
    let mut checks = vec![check("holds", Verdict::Pass)];
    checks.extend(failing.iter().map(|id| check(id, Verdict::Fail)));
    Case {
        id: id.to_owned(),
        feature: "PortIoString".to_owned(),
        spec: String::new(),
        rule: String::new(),
        source: String::new(),
        setup: None,
        axis: None,
        verdict,
        reason: (verdict != Verdict::Pass).then(|| format!("it is a {}", verdict.name())),
        checks,
        duration_us: 0,
        against_baseline: None,
        known: None,
    }
}

/// A verdict and the checks that fail under it.
type Seen<'a> = (Verdict, &'a [&'a str]);

fn applied(baseline: &Baseline, id: &str, (verdict, failing): Seen<'_>) -> (Option<Against>, Option<String>) {
    let mut result = result(id, verdict, failing);
    baseline.apply(&mut result);
    (result.against_baseline, result.known)
}

#[test]
fn a_listed_case_is_expected_only_as_it_is_listed() {
    use Against::{Expected, Fixed, Regressed};
    use Verdict::{Crash, Fail, Hang, Pass, Skip};
    #[rustfmt::skip]
    let rows: &[(&str, Seen<'_>, Against)] = &[
        ("verdict = \"fail\"", (Fail, &["a"]), Expected),
        ("verdict = \"fail\"", (Fail, &["b", "c"]), Expected),
        ("verdict = \"fail\"", (Pass, &[]), Fixed),
        ("verdict = \"fail\"", (Crash, &["a"]), Regressed),
        ("verdict = \"fail\"", (Hang, &["a"]), Regressed),
        ("verdict = \"fail\"", (Skip, &[]), Expected),
        ("verdict = \"pass\"", (Pass, &[]), Expected),
        ("verdict = \"pass\"", (Skip, &[]), Expected),
        ("verdict = \"pass\"", (Fail, &["a"]), Regressed),
        ("verdict = \"fail\"\nvaries = true", (Pass, &[]), Expected),
        ("verdict = \"fail\"\nvaries = true", (Fail, &["a"]), Expected),
        ("verdict = \"fail\"\nvaries = true", (Hang, &[]), Regressed),
        ("verdict = \"crash\"\nvaries = true", (Fail, &["a"]), Expected),
        ("verdict = \"crash\"\nvaries = true", (Hang, &[]), Expected),
        ("verdict = \"hang\"", (Fail, &["a"]), Regressed),
        ("verdict = \"fail\"\nvaries = true\nchecks = [\"a\", \"b\"]", (Fail, &["a"]), Expected),
        ("verdict = \"fail\"\nvaries = true\nchecks = [\"a\", \"b\"]", (Fail, &["a", "c"]), Regressed),
        ("verdict = \"fail\"\nvaries = [\"b\"]\nchecks = [\"a\"]", (Fail, &["a"]), Expected),
        ("verdict = \"fail\"\nvaries = [\"b\"]\nchecks = [\"a\"]", (Fail, &["a", "b"]), Expected),
        ("verdict = \"fail\"\nvaries = [\"b\"]\nchecks = [\"a\"]", (Fail, &["b"]), Fixed),
        ("verdict = \"fail\"\nvaries = [\"b\"]\nchecks = [\"a\"]", (Pass, &[]), Fixed),
        ("verdict = \"fail\"\nvaries = [\"b\"]\nchecks = [\"a\"]", (Fail, &["a", "c"]), Regressed),
        ("verdict = \"fail\"\nvaries = [\"b\"]", (Pass, &[]), Fixed),
        ("verdict = \"fail\"\nvaries = [\"b\"]", (Fail, &["b"]), Expected),
        ("verdict = \"fail\"\nvaries = [\"b\"]", (Fail, &["a"]), Regressed),
        ("verdict = \"crash\"", (Crash, &[]), Expected),
        ("verdict = \"crash\"", (Crash, &["a"]), Expected),
        ("verdict = \"crash\"", (Fail, &["a"]), Regressed),
        ("verdict = \"crash\"", (Pass, &[]), Fixed),
        ("verdict = \"hang\"", (Hang, &[]), Expected),
        ("verdict = \"hang\"", (Crash, &[]), Regressed),
        ("verdict = \"fail\"\nchecks = [\"b\", \"a\"]", (Fail, &["a", "b"]), Expected),
        ("verdict = \"fail\"\nchecks = [\"a\", \"b\"]", (Fail, &["a", "b", "c"]), Regressed),
        ("verdict = \"fail\"\nchecks = [\"a\", \"b\"]", (Fail, &["a", "c"]), Regressed),
        ("verdict = \"fail\"\nchecks = [\"a\", \"b\"]", (Fail, &["a"]), Fixed),
        ("verdict = \"fail\"\nchecks = [\"a\"]", (Pass, &[]), Fixed),
    ];
    for (lines, seen, against) in rows {
        let baseline = known(&entry(lines), "1.0").unwrap();
        let expected = (Some(*against), Some("the emulator forgets it".to_owned()));
        assert_eq!(applied(&baseline, CASE, *seen), expected, "{lines} {seen:?}");
    }
}

#[test]
fn a_spoiled_run_counts_only_if_each_is() {
    let text = entry("verdict = \"fail\"\nruns = 3").replace(CASE, "pio::outs_*");
    let baseline = known(&text, "1.0").unwrap();
    let nr_runs = |verdict| baseline.nr_runs(&result(CASE, verdict, &["a"]));
    assert_eq!([Verdict::Fail, Verdict::Pass, Verdict::Hang, Verdict::Crash].map(nr_runs), [3, 1, 1, 1]);
    assert_eq!(baseline.nr_runs(&result(OTHER, Verdict::Fail, &["a"])), 1);
    let reason = "the emulator forgets it".to_owned();
    for (verdict, expected) in
        [(Verdict::Fail, (Some(Against::Regressed), Some(reason))), (Verdict::Pass, (Some(Against::Expected), None))]
    {
        assert_eq!(applied(&baseline, CASE, (verdict, &["a"])), expected, "{verdict:?}");
    }
    // An entry of the case's own holds instead.
    let own = known(&format!("{text}{}", entry("verdict = \"fail\"")), "1.0").unwrap();
    assert_eq!(own.nr_runs(&result(CASE, Verdict::Fail, &[])), 1);
    assert_eq!(applied(&own, CASE, (Verdict::Fail, &[])).0, Some(Against::Expected));
}

#[test]
fn a_number_of_runs_is_for_failures_that_come_and_go() {
    for lines in [
        "verdict = \"fail\"\nruns = 1",
        "verdict = \"fail\"\nruns = 11",
        "verdict = \"pass\"\nruns = 3",
        "verdict = \"fail\"\nruns = 3\nvaries = true",
        "verdict = \"fail\"\nruns = 3\nchecks = [\"a\"]",
    ] {
        assert!(matches!(known(&entry(lines), "1.0").unwrap_err(), BaselineError::Runs { .. }), "{lines}");
    }
    let pattern = entry("verdict = \"fail\"\nvaries = true").replace(CASE, "pio::*");
    assert!(matches!(known(&pattern, "1.0").unwrap_err(), BaselineError::Runs { .. }));
    let nowhere = entry("verdict = \"fail\"\nruns = 3").replace(CASE, "pio::nothing_*");
    assert!(matches!(known(&nowhere, "1.0").unwrap_err(), BaselineError::UnknownCase { .. }));
}

#[test]
fn an_unlisted_case_may_pass_and_skip() {
    let baseline = known(&entry("verdict = \"fail\""), "1.0").unwrap();
    for (verdict, against) in [
        (Verdict::Pass, Some(Against::Expected)),
        (Verdict::Skip, Some(Against::Expected)),
        (Verdict::Fail, Some(Against::Regressed)),
        (Verdict::Crash, Some(Against::Regressed)),
        (Verdict::Hang, Some(Against::Regressed)),
        (Verdict::Error, None),
    ] {
        assert_eq!(applied(&baseline, OTHER, (verdict, &[])), (against, None), "{verdict:?}");
    }
    // Not even an entry excuses a harness that failed.
    assert_eq!(applied(&baseline, CASE, (Verdict::Error, &[])), (None, None));
}

#[test]
fn an_empty_baseline_expects_that_nothing_fails() {
    let baseline = known("", "1.0").unwrap();
    assert_eq!(applied(&baseline, CASE, (Verdict::Fail, &["a"])), (Some(Against::Regressed), None));
}

#[test]
fn an_entry_for_another_version_is_ignored() {
    let text = entry("verdict = \"fail\"\nwhen = \"kvm_pvm\"");
    let seen: Seen<'_> = (Verdict::Fail, &["a"]);
    let against = |version| applied(&known(&text, version).unwrap(), CASE, seen).0;
    assert_eq!(against("Linux 6.18, kvm_pvm"), Some(Against::Expected));
    assert_eq!(against("Linux 6.18, kvm_intel"), Some(Against::Regressed));
}

#[test]
fn two_entries_for_one_case_are_refused_where_both_hold() {
    let fail = entry("verdict = \"fail\"\nwhen = \"6.12\"");
    let crash = entry("verdict = \"crash\"\nwhen = \"6.18\"");
    let baseline = known(&(fail.clone() + &crash), "Linux 6.18").unwrap();
    assert_eq!(applied(&baseline, CASE, (Verdict::Crash, &[])).0, Some(Against::Expected));
    let text = known(&(fail.clone() + &crash), "6.12 and 6.18").unwrap_err().to_string();
    assert_eq!(text, format!("{PATH}:10: `{CASE}` has an entry already, in line 2; one of them must go"));
    let text = known(&(fail.clone() + &fail), "7").unwrap_err().to_string();
    assert_eq!(text, format!("{PATH}:10: `{CASE}` has an entry already, in line 2; one of them must go"));
}

#[test]
fn what_is_wrong_with_a_file_is_told_with_its_place() {
    let good = entry("verdict = \"fail\"");
    let refused = |text: &str| known(text, "1.0").unwrap_err().to_string();
    let rows = [
        ("[[known]\n".to_owned(), "vmm.toml:1:", ""),
        ("just words".to_owned(), "vmm.toml:1:", ""),
        (format!("{good}colour = \"red\"\n"), "vmm.toml:8:1: ", "unknown field `colour`"),
        ("[[unknown]]\n".to_owned(), "vmm.toml:1:", "unknown field `unknown`"),
        (good.replace("fail", "error"), "vmm.toml:7:11: ", "unknown variant `error`"),
        (good.replace("fail", "skip"), "vmm.toml:7:11: ", "expected one of `pass`, `fail`, `crash`, `hang`"),
        (good.replace("fail", "pass") + "checks = [\"a\"]\n", "vmm.toml:2: ", "has `checks`, but nothing fails"),
        (good.replace("fail", "pass") + "varies = true\n", "vmm.toml:2: ", "has `varies`, but nothing fails"),
        (good.replace("verdict = \"fail\"\n", ""), "vmm.toml:1:", "missing field `verdict`"),
        (good.replace("reason = \"the emulator forgets it\"\n", ""), "vmm.toml:1:", "missing field `reason`"),
        (good.replace("the emulator forgets it", " "), "vmm.toml:2: ", "empty `reason`; say why"),
        (good.replace("RSI stays", ""), "vmm.toml:2: ", "empty `actual`"),
        (good.replace("RSI advances", ""), "vmm.toml:2: ", "empty `expected`"),
        (good.replace("SDM vol. 2, OUTS", ""), "vmm.toml:2: ", "empty `clause`"),
        (format!("{good}checks = []\n"), "vmm.toml:2: ", "empty `checks`"),
        (format!("{good}checks = [\"\"]\n"), "vmm.toml:2: ", "empty `checks`"),
        (format!("{good}when = \"\"\n"), "vmm.toml:2: ", "empty `when`"),
        (
            good.replace("rsi", "rso"),
            "vmm.toml:2: ",
            "`pio::outs_advances_rso@user`; did you mean pio::outs_advances_rsi@user",
        ),
        (
            good.replace("rsi@user", "rsi"),
            "vmm.toml:2: ",
            "write an entry for each that is wrong: pio::outs_advances_rsi@kernel, pio::outs_advances_rsi@split, \
             pio::outs_advances_rsi@user",
        ),
    ];
    for (text, place, message) in rows {
        let error = refused(&text);
        assert!(error.contains(place) && error.contains(message), "{error}\n{text}");
    }
}

fn former(before: &[(&str, Seen<'_>)]) -> Baseline {
    let cases = before.iter().map(|(id, (verdict, failing))| result(id, *verdict, failing));
    Baseline::Former(Former::new(cases))
}

#[test]
fn a_former_run_is_expected_to_be_repeated() {
    use Against::{Expected, Fixed, New, Regressed};
    use Verdict::{Crash, Error, Fail, Hang, Pass, Skip};
    #[rustfmt::skip]
    let rows: &[(Seen<'_>, Seen<'_>, Option<Against>)] = &[
        ((Pass, &[]), (Pass, &[]), Some(Expected)),
        ((Pass, &[]), (Fail, &["a"]), Some(Regressed)),
        ((Pass, &[]), (Crash, &[]), Some(Regressed)),
        ((Pass, &[]), (Hang, &[]), Some(Regressed)),
        ((Pass, &[]), (Skip, &[]), Some(Regressed)),
        ((Pass, &[]), (Error, &[]), None),
        ((Fail, &["a"]), (Fail, &["a"]), Some(Expected)),
        ((Fail, &["a"]), (Fail, &["b"]), Some(Regressed)),
        ((Fail, &["a"]), (Fail, &["a", "b"]), Some(Regressed)),
        ((Fail, &["a", "b"]), (Fail, &["a"]), Some(Fixed)),
        ((Fail, &["a"]), (Pass, &[]), Some(Fixed)),
        ((Fail, &["a"]), (Crash, &["a"]), Some(Regressed)),
        ((Fail, &["a"]), (Skip, &[]), Some(Regressed)),
        ((Crash, &[]), (Crash, &[]), Some(Expected)),
        ((Crash, &[]), (Pass, &[]), Some(Fixed)),
        ((Crash, &[]), (Fail, &["a"]), Some(Regressed)),
        ((Hang, &[]), (Hang, &[]), Some(Expected)),
        ((Hang, &[]), (Pass, &[]), Some(Fixed)),
        ((Skip, &[]), (Skip, &[]), Some(Expected)),
        ((Skip, &[]), (Fail, &["a"]), Some(Regressed)),
        ((Skip, &[]), (Pass, &[]), Some(New)),
        ((Error, &[]), (Pass, &[]), Some(New)),
        ((Error, &[]), (Fail, &["a"]), Some(New)),
    ];
    for (before, now, against) in rows {
        let baseline = former(&[(CASE, *before)]);
        assert_eq!(applied(&baseline, CASE, *now).0, *against, "{before:?} {now:?}");
    }
    assert_eq!(applied(&former(&[]), CASE, (Pass, &[])), (Some(New), None));
    let known = applied(&former(&[(CASE, (Fail, &["a"]))]), CASE, (Fail, &["a"])).1;
    assert_eq!(known.as_deref(), Some("it is a fail"));
}

fn report(cases: Vec<Case>) -> Report {
    let subject = Subject { id: "vmm".to_owned(), cases, ..Subject::default() };
    Report::new(Host::default(), Image::default(), vec![subject], std::iter::empty())
}

#[test]
fn a_file_of_either_form_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let load = |name: &str, text: &str, subject: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        Source::File(path).load(subject, "1.0", &catalog())
    };
    let text = serde_json::to_string(&report(vec![result(CASE, Verdict::Hang, &[])])).unwrap();
    let baseline = load("report.json", &text, "vmm").unwrap().unwrap();
    assert_eq!(applied(&baseline, CASE, (Verdict::Hang, &[])).0, Some(Against::Expected));
    let baseline = load("known.toml", &entry("verdict = \"crash\""), "vmm").unwrap().unwrap();
    assert_eq!(applied(&baseline, CASE, (Verdict::Crash, &[])).0, Some(Against::Expected));

    let refused = |name, text, subject| load(name, text, subject).unwrap_err().to_string();
    assert!(refused("report.json", &text, "bochs").contains("nothing of the subject `bochs`, only of vmm"));
    assert!(refused("report.json", "{}", "vmm").contains("no report"));
    assert!(refused("report.json", "", "vmm").contains("no report"));
    let other = text.replace("vmproof/report/1", "vmproof/report/7");
    assert!(refused("report.json", &other, "vmm").contains("`vmproof/report/7`, but this program reads"));
}

#[test]
fn a_folder_has_a_file_for_each_area() {
    let folder = tempfile::tempdir().unwrap();
    let area = CASE.split("::").next().unwrap();
    let text = entry("verdict = \"crash\"");
    std::fs::write(folder.path().join(format!("{area}.toml")), &text).unwrap();
    let source = Source::File(folder.path().to_owned());
    let baseline = source.load("vmm", "1.0", &catalog()).unwrap().unwrap();
    assert_eq!(applied(&baseline, CASE, (Verdict::Crash, &[])).0, Some(Against::Expected));
    std::fs::write(folder.path().join("other.toml"), &text).unwrap();
    let error = source.load("vmm", "1.0", &catalog()).unwrap_err().to_string();
    assert!(error.contains(&format!("belongs in the file of its area, {area}.toml")), "{error}");
}

#[test]
fn a_source_is_a_word_or_a_path() {
    assert_eq!("auto".parse(), Ok(Source::Auto));
    assert_eq!("none".parse(), Ok(Source::None));
    assert_eq!("a.toml".parse(), Ok(Source::File(PathBuf::from("a.toml"))));
    assert_eq!(Source::None.load("vmm", "1.0", &catalog()).unwrap(), None);
    // A subject without a baseline of its own is expected to get nothing wrong.
    let none = Source::Auto.load("no-such-subject", "1.0", &catalog()).unwrap();
    assert_eq!(none, Some(Baseline::Known(Active::default())));
    let missing = Source::File(PathBuf::from("/nonexistent/baseline.toml"));
    let text = missing.load("vmm", "1.0", &catalog()).unwrap_err().to_string();
    assert_eq!(text, "failed to read the baseline /nonexistent/baseline.toml");
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in ".{0,80}", cut in any::<prop::sample::Index>()) {
        let _ = known(&text, "1.0");
        let good = entry("verdict = \"fail\"");
        let cut = cut.index(good.len());
        let _ = known(&format!("{}{text}{}", &good[..cut], &good[cut..]), "1.0");
    }
}

#[test]
fn an_entry_for_an_axis_holds_on_that_alone_and_before_others() {
    let axis = |text: &str| Some(text.parse().unwrap());
    let text = entry("verdict = \"fail\"") + &entry("verdict = \"crash\"\naxis = \"restore\"");
    let reversed = entry("verdict = \"crash\"\naxis = \"restore\"") + &entry("verdict = \"fail\"");
    for text in [text, reversed] {
        for (axis, verdict) in [
            (None, Verdict::Fail),
            (axis("restore=7"), Verdict::Crash),
            (axis("restore"), Verdict::Crash),
            (axis("migrate"), Verdict::Fail),
        ] {
            let known = KnownFailures::parse(&text, Path::new(PATH)).unwrap();
            let baseline = Baseline::Known(known.for_run("1.0", axis, Path::new(PATH)).unwrap());
            assert_eq!(applied(&baseline, CASE, (verdict, &[])).0, Some(Against::Expected), "{axis:?}");
        }
    }
    let several = entry("verdict = \"fail\"\naxis = [\"restore\", \"migrate\"]");
    for (text, against) in
        [("restore", Against::Expected), ("migrate=ring", Against::Expected), ("pause=5", Against::Regressed)]
    {
        let known = KnownFailures::parse(&several, Path::new(PATH)).unwrap();
        let baseline = Baseline::Known(known.for_run("1.0", axis(text), Path::new(PATH)).unwrap());
        assert_eq!(applied(&baseline, CASE, (Verdict::Fail, &[])).0, Some(against), "{text}");
    }
    let none = known(&entry("verdict = \"fail\"\naxis = []"), "1.0").unwrap_err().to_string();
    assert!(none.contains("empty `axis`"), "{none}");
    let error = known(&entry("verdict = \"fail\"\naxis = \"restored\""), "1.0").unwrap_err().to_string();
    assert!(error.contains("the axis `restored`") && error.contains("restore, pause, dirty, migrate"), "{error}");
    let twice = entry("verdict = \"fail\"\naxis = \"pause\"").repeat(2);
    assert!(matches!(known(&twice, "1.0").unwrap_err(), BaselineError::Duplicate { .. }));
}
