//! The cases on `/dev/kvm`, where there is one, and the judge on wrong observations.

use super::*;
use std::{collections::BTreeSet, time::Instant};

/// What is certainly not asked for.
fn wrong(expect: &Expect) -> Vec<Seen> {
    match expect {
        Expect::Is(value) => vec![Seen::Value(value ^ 1), Seen::Value(value ^ 1 << 63), Seen::Refused(libc::EINVAL)],
        Expect::Within(low, high) => {
            let outside = [low.checked_sub(1), high.checked_add(1)];
            outside.into_iter().flatten().map(Seen::Value).chain([Seen::Refused(libc::EINVAL)]).collect()
        }
        Expect::Done => vec![Seen::Refused(libc::EINVAL), Seen::Refused(0)],
        Expect::Refused(errors) => {
            assert!(!errors.contains(&libc::EXDEV) && !errors.is_empty());
            vec![Seen::Value(0), Seen::Value(1), Seen::Refused(libc::EXDEV)]
        }
    }
}

#[test]
fn every_check_of_every_case_can_fail() {
    let mut nr_checks = 0;
    for case in all() {
        let Outcome::Checked(checks) = case.run(None) else { continue };
        assert!(!checks.is_empty(), "{}: no check", case.name);
        let ids: BTreeSet<_> = checks.iter().map(|check| &check.id).collect();
        assert_eq!(ids.len(), checks.len(), "{}: an id stands twice", case.name);
        for check in &checks {
            let wrongs = wrong(&check.expect);
            assert!(!wrongs.is_empty());
            for seen in wrongs {
                assert!(!judge(&check.expect, seen), "{}: {check:?} takes {seen:?}", case.name);
            }
        }
        nr_checks += checks.len();
    }
    println!("{nr_checks} checks");
}

#[test]
fn names_are_unique_and_rules_are_sentences() {
    let mut names = BTreeSet::new();
    for case in all() {
        assert!(names.insert(case.name), "{}", case.name);
        assert!(case.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'), "{}", case.name);
        assert!(case.rule.ends_with('.') && case.rule.starts_with(|c: char| c.is_uppercase()), "{}", case.rule);
        assert_eq!(case.feature.area(), "interface", "{}", case.name);
    }
    assert!(names.len() >= 120, "{}", names.len());
}

/// A report for people; what fails here is a matter of the kernel, and is judged where the cases become verdicts.
#[test]
fn cases_are_carried_out() {
    for case in all() {
        let start = Instant::now();
        let outcome = case.run(None);
        let time = start.elapsed().as_micros();
        match outcome {
            Outcome::Checked(checks) => {
                for check in checks.iter().filter(|check| !check.passes()) {
                    println!("{} FAIL {}: {} but {}", case.name, check.id, check.expected(), check.actual());
                }
                println!("{} {} checks, {time} us", case.name, checks.len());
            }
            Outcome::NotOffered(what) => println!("{} skip {what}", case.name),
            Outcome::Failed(trouble) => println!("{} ERROR {trouble:?}", case.name),
        }
    }
}

#[test]
fn the_judge_takes_what_is_asked_for() {
    assert!(judge(&Expect::Is(5), Seen::Value(5)) && judge(&Expect::Within(1, 3), Seen::Value(3)));
    assert!(judge(&Expect::Done, Seen::Value(7)));
    assert!(judge(&Expect::Refused(&[libc::EINVAL, libc::ENXIO]), Seen::Refused(libc::ENXIO)));
}
