//! Shards put together, and those that do not fit refused.

use super::{MergeError, Part, merge, merge_files};
use crate::{
    example, hostile, json,
    model::{Report, Shard, Subject, Verdict},
};
use std::{error::Error as _, fs, path::PathBuf};

/// The example cut into so many shards, as a run would be.
fn shards(report: &Report, count: usize) -> Vec<Part> {
    let shard = |index: usize| {
        let subjects = report.subjects.iter().map(|subject| Subject {
            cases: subject.cases.iter().skip(index).step_by(count).cloned().collect(),
            ..subject.clone()
        });
        let mut part = Report {
            shard: Some(Shard { number: index as u32 + 1, count: count as u32 }),
            subjects: subjects.collect(),
            coverage: report.coverage.iter().skip(index).step_by(count).cloned().collect(),
            ..report.clone()
        };
        part.count_features();
        Part { path: PathBuf::from(format!("shard-{}/report.json", index + 1)), report: part }
    };
    (0..count).map(shard).collect()
}

fn sorted(mut report: Report) -> Report {
    report.coverage.sort_by_key(|row| format!("{row:?}"));
    report
}

#[test]
fn shards_in_any_order_give_the_run_that_was_split() {
    let whole = example::report();
    for count in [1, 2, 3, 5, 40] {
        let mut parts = shards(&whole, count);
        parts.reverse();
        assert_eq!(sorted(merge(&parts).unwrap()), sorted(whole.clone()), "{count}");
    }
}

#[test]
fn reports_of_different_subjects_are_put_side_by_side() {
    let whole = Report { coverage: Vec::new(), ..example::report() };
    let alone = |index: usize| {
        let mut report = Report { subjects: vec![whole.subjects[index].clone()], ..whole.clone() };
        report.count_features();
        Part { path: PathBuf::from(format!("{index}.json")), report }
    };
    assert_eq!(merge(&[alone(0), alone(1)]).unwrap(), whole);
}

#[test]
fn shards_of_two_subjects_in_files_of_their_own_are_put_together() {
    let whole = Report { coverage: Vec::new(), ..example::report() };
    let parts: Vec<_> = shards(&whole, 2)
        .into_iter()
        .flat_map(|part| {
            (0..2).map(move |index| {
                let subjects = vec![part.report.subjects[index].clone()];
                Part { report: Report { subjects, ..part.report.clone() }, ..part.clone() }
            })
        })
        .collect();
    assert_eq!(merge(&parts).unwrap(), whole);
}

#[test]
fn hosts_that_differ_are_all_named() {
    let mut parts = shards(&example::report(), 2);
    parts[1].report.host.kernel = "6.1.0".to_owned();
    parts[1].report.host.nr_processors = 8;
    let host = merge(&parts).unwrap().host;
    assert_eq!((host.kernel.as_str(), host.nr_processors), ("6.18.0-rc3+ / 6.1.0", 8));
    assert_eq!(host.kvm_module, "kvm_intel");
}

#[test]
fn each_thing_that_does_not_fit_names_the_file_and_what_to_do() {
    type Change = fn(&mut Vec<Part>);
    let changes: &[(&str, Change, &[&str])] = &[
        ("image", |parts| parts[1].report.image.build_id = "0bad".to_owned(), &["shard-2", "`0bad`", "one image"]),
        ("feature", |parts| _ = parts[2].report.features.pop(), &["shard-3", "same vmproof"]),
        ("missing", |parts| _ = parts.remove(1), &["shard-1", "one is missing: 2/3", "--shard 2/3"]),
        ("two missing", |parts| _ = parts.drain(1..), &["some are missing: 2/3, 3/3"]),
        ("nothing", |parts| parts.clear(), &["nothing to put together"]),
        ("version", |parts| parts[1].report.subjects[0].version.push('!'), &["vmm is", "shard-2", "same version"]),
        ("whole", |parts| parts[1].report.shard = None, &["shard-1", "shard-2", "the whole run"]),
        (
            "other split",
            |parts| parts[1].report.shard = Some(Shard { number: 1, count: 9 }),
            &["shard-2", "shard 1/9", "shards of one run"],
        ),
        (
            "contradiction",
            |parts| {
                let mut case = parts[0].report.subjects[0].cases[0].clone();
                case.verdict = Verdict::Hang;
                parts[2].report.subjects[0].cases.push(case);
            },
            &["cpuid::largest_basic_leaf on vmm is pass in `shard-1", "hang in `shard-3", "leave one"],
        ),
        (
            "coverage",
            |parts| {
                let mut row = parts[0].report.coverage[0].clone();
                row.handled += 1;
                parts[1].report.coverage.push(row);
            },
            &["shard-1", "shard-2", "mmio-user"],
        ),
    ];
    for (name, change, words) in changes {
        let mut parts = shards(&example::report(), 3);
        change(&mut parts);
        let text = merge(&parts).expect_err(name).to_string();
        for word in *words {
            assert!(text.contains(word), "{name}: `{word}` is not in: {text}");
        }
    }
}

#[test]
fn overlaps_that_agree_are_taken_once() {
    let mut parts = shards(&example::report(), 2);
    let mut case = parts[0].report.subjects[0].cases[0].clone();
    case.duration_us += 5;
    parts[1].report.subjects[0].cases.push(case);
    let again = parts[0].clone();
    parts.push(again);
    assert_eq!(sorted(merge(&parts).unwrap()), sorted(example::report()));
}

#[test]
fn a_number_of_shards_that_no_run_has_is_told_at_once() {
    let mut parts = shards(&example::report(), 1);
    parts[0].report.shard = Some(Shard { number: 1, count: u32::MAX });
    let error = merge(&parts).unwrap_err();
    assert!(matches!(&error, MergeError::Missing { nr_missing: 4_294_967_294, .. }), "{error}");
    assert!(error.to_string().contains("9/4294967295 and 4294967286 more"), "{error}");
}

#[test]
fn files_that_cannot_be_read_are_named_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let text = json::write(&example::report()).unwrap();
    let whole = folder.path().join("whole.json");
    fs::write(&whole, &text).unwrap();
    let files = [
        ("cut.json", text[..text.len() / 2].to_owned(), "cut off"),
        ("empty.json", String::new(), "cut off"),
        ("other.json", text.replace("vmproof/report/1", "vmproof/report/7"), "`vmproof/report/7`"),
        ("foreign.json", "{}".to_owned(), "schema"),
    ];
    for (name, text, words) in files {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        let error = merge_files(&[whole.clone(), path]).unwrap_err();
        assert!(error.to_string().contains(name) && error.to_string().contains("run that shard again"), "{error}");
        let mut causes = String::new();
        let mut cause = error.source();
        while let Some(error) = cause {
            causes += &error.to_string();
            cause = error.source();
        }
        assert!(causes.contains(words), "{name}: {causes}");
    }
    let error = merge_files(&[folder.path().join("none.json")]).unwrap_err();
    assert!(error.to_string().contains("none.json"), "{error}");
}

proptest::proptest! {
    #[test]
    fn hostile_reports_never_panic_and_stay_valid(text in hostile::text(), count in 1_usize..4) {
        let report = hostile::report(&text);
        // Ids are the same in each verdict there, so that they contradict each other.
        if let Ok(merged) = merge(&shards(&report, count)) {
            let json = json::write(&merged).unwrap();
            proptest::prop_assert_eq!(json::read(&json).unwrap(), merged);
        }
    }
}
