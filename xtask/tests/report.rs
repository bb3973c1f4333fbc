//! `cargo xtask report` on files: the shell lines of the recipes, and files that cannot be used.

#![forbid(unsafe_code)]

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

/// A report of two cases, of which the second has this verdict, as a shard or whole.
fn report(shard: Option<(u32, u32)>, cases: &[(&str, &str)]) -> String {
    let case = |(id, verdict): &(&str, &str)| {
        let against = if *verdict == "pass" { "expected" } else { "regressed" };
        serde_json::json!({
            "id": id, "feature": "MsrPat", "spec": "SDM vol. 3A, \"Memory Cache Control\"", "rule": "A rule holds.",
            "source": "guests/suite/src/msr/pat.rs:7", "verdict": verdict, "duration_us": 5,
            "reason": if *verdict == "pass" { serde_json::Value::Null } else { "because".into() },
            "checks": [{ "id": "bit 3", "verdict": if *verdict == "fail" { "fail" } else { "pass" }, "expected": "1", "actual": "0" }],
            "against_baseline": against,
        })
    };
    let mut value = serde_json::json!({
        "schema": "vmproof/report/1",
        "host": { "kernel": "6.18", "processor": "x", "kvm_module": "kvm_intel", "nr_processors": 2 },
        "image": { "build_id": "0123" },
        "subjects": [{ "id": "vmm", "version": "1", "offers": [], "cases": cases.iter().map(case).collect::<Vec<_>>() }],
        "features": [],
    });
    for case in value["subjects"][0]["cases"].as_array_mut().unwrap() {
        let case = case.as_object_mut().unwrap();
        if case["reason"].is_null() {
            case.remove("reason");
        }
    }
    if let Some((number, count)) = shard {
        value["shard"] = serde_json::json!({ "number": number, "count": count });
    }
    value.to_string()
}

fn xtask(folder: &Path, arguments: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask"))
        .current_dir(folder)
        .arg("report")
        .args(arguments.split(' '))
        .output()
        .unwrap()
}

/// Exit status, standard output and standard error.
fn said(folder: &Path, arguments: &str) -> (i32, String, String) {
    let output = xtask(folder, arguments);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn diff_is_silent_or_names_feature_clause_and_case() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, cases: &[(&str, &str)]| fs::write(folder.path().join(name), report(None, cases)).unwrap();
    write("old.json", &[("msr::one", "pass"), ("msr::two", "pass")]);
    write("new.json", &[("msr::one", "pass"), ("msr::two", "fail")]);
    write("broken.json", &[("msr::one", "pass"), ("msr::two", "error")]);
    write("empty.json", &[]);
    assert_eq!(said(folder.path(), "diff old.json old.json"), (0, String::new(), String::new()));
    let (status, text, _) = said(folder.path(), "diff old.json new.json");
    assert_eq!(status, 1, "{text}");
    for words in [
        "1 regressed",
        "MsrPat: ",
        "msr::two on vmm: pass → fail",
        "Memory Cache Control",
        "bit 3: expected 1, actual 0",
    ] {
        assert!(text.lines().take(12).any(|line| line.contains(words)), "{words}: {text}");
    }
    let (status, text, _) = said(folder.path(), "diff new.json old.json");
    assert!(status == 0 && text.contains("1 fixed"), "{text}");
    assert_eq!(said(folder.path(), "diff old.json broken.json").0, 2);
    let (status, _, error) = said(folder.path(), "diff old.json empty.json");
    assert!(status == 2 && error.contains("holds no case"), "{error}");
    let (status, _, error) = said(folder.path(), "diff old.json none.json");
    assert!(status == 2 && error.contains("none.json"), "{error}");
}

#[test]
fn the_lines_of_the_recipes_run() {
    let folder = tempfile::tempdir().unwrap();
    for (number, cases) in [(1, [("msr::one", "pass")]), (2, [("msr::two", "fail")])] {
        let shard = folder.path().join(format!("shard-{number}"));
        fs::create_dir(&shard).unwrap();
        fs::write(shard.join("report.json"), report(Some((number, 2)), &cases)).unwrap();
    }
    let (status, text, error) =
        said(folder.path(), "merge shard-1/report.json shard-2/report.json --report whole --annotations");
    assert_eq!(status, 0, "{error}");
    assert!(text.contains("vmm: 1 pass, 1 fail (1 regressed)"), "{text}");
    assert!(text.contains("::error file=guests/suite/src/msr/pat.rs,line=7,title=msr%3A%3Atwo on vmm"), "{text}");
    for name in ["report.json", "junit.xml", "report.ktap", "report.md", "report.html"] {
        assert!(folder.path().join("whole").join(name).is_file(), "{name}");
    }
    let kcidb = "kcidb whole/report.json --origin my_ci --run 17 --build maestro:1 --output kcidb.json";
    let (status, text, error) = said(folder.path(), kcidb);
    assert_eq!((status, text.as_str(), error.as_str()), (0, "", ""));
    let kcidb: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(folder.path().join("kcidb.json")).unwrap()).unwrap();
    assert_eq!(kcidb["tests"][1]["path"], "vmproof.vmm.msr.two");
    let (status, text, _) = said(folder.path(), "show whole/report.json --report page --history shard-1");
    assert!(status == 0 && text.contains("page/report.html"), "{text}");
    let (status, text, _) = said(folder.path(), "show whole/report.json");
    assert!(status == 0 && text.contains("msr::two on vmm: fail"), "{text}");
}

#[test]
fn a_report_that_cannot_be_used_is_named_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let whole = report(Some((1, 2)), &[("msr::one", "pass")]);
    fs::write(folder.path().join("one.json"), &whole).unwrap();
    fs::write(folder.path().join("cut.json"), &whole[..whole.len() / 2]).unwrap();
    fs::write(folder.path().join("other.json"), whole.replace("report/1", "report/9")).unwrap();
    for (arguments, words) in [
        ("merge one.json --report out", ["one.json", "2/2", "--shard 2/2"]),
        ("merge one.json cut.json --report out", ["cut.json", "cut off", "run that shard again"]),
        ("merge one.json other.json --report out", ["other.json", "vmproof/report/9", "run the suite again"]),
        ("kcidb one.json --origin My-CI --run 1", ["My-CI", "lower-case", "origin"]),
        ("annotations cut.json", ["cut.json", "cut off", "not a report"]),
    ] {
        let (status, _, error) = said(folder.path(), arguments);
        assert_eq!(status, 2, "{arguments}");
        assert!(words.iter().all(|words| error.contains(words)), "{arguments}: {error}");
        assert!(!folder.path().join("out").exists());
    }
}
