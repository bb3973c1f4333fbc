//! Each check of the suite is fed with wrong observations, and must tell each of them under its own id.
//!
//! What a guest sends of a check is what it saw beside what has to be; the host judges by comparing. So each case runs once
//! on KVM, and what it sent is judged again with bits of what it saw flipped: every column and every row of every table
//! that reaches a verdict does so here; those that KVM is known to hang in tell next to nothing, and are left out. What a guest
//! by itself before it sends, by a rule that is more than a comparison, are functions that compile for the
//! host, and `guests/suite/tests` feeds those.

#![forbid(unsafe_code)]

use case::message::{Kind, NO_ROW, checksum, line};
use reports::model::{self, Against, Verdict};
use std::{
    collections::HashSet,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use testcases::{
    baseline::{Baseline, Source},
    cancel::Cancel,
    catalog::{Case, Catalog},
    image::{self, Guest},
    judge::{Ending, Run, Transcript, died, judge},
    messages::{Message, Received, line::LineDecoder},
    subjects::{Image, Opened, Program},
};

/// A message as a guest would send it.
fn sent(kind: Kind, sequence: u32, site: u64, row: u64, values: &[u64]) -> Received {
    let words = [&[kind as u64, sequence.into(), site, row], values].concat();
    let words: Vec<_> = words.iter().chain([&checksum(&words)]).map(|word| format!("{word:x}")).collect();
    let text = format!("{}{}{}", line::PREFIX, words.join(","), char::from(line::END));
    LineDecoder::default().feed(text.as_bytes()).pop().unwrap()
}

/// Judges these checks, each with what it sees changed by `change`, as those of a case that returned.
fn judged(case: &Case, catalog: &Catalog, checks: &[&Message], change: impl Fn(usize, u64) -> u64) -> model::Case {
    let mut transcript = Transcript::default();
    for (index, check) in checks.iter().enumerate() {
        let expected = check.value(1);
        let values = [change(index, expected), expected];
        transcript.take(sent(Kind::Check, index as u32, check.site, check.row, &values));
    }
    transcript.take(sent(Kind::Done, checks.len() as u32, 0, NO_ROW, &[checks.len() as u64]));
    judge(case, Run { transcript, ending: Ending::Reported, duration: Duration::ZERO }, catalog)
}

/// How many of the case's checks were judged, or what was judged wrong.
fn feed(case: &Case, catalog: &Catalog, transcript: &Transcript) -> Result<usize, String> {
    let checks: Vec<_> = transcript.messages().iter().filter(|message| message.kind == Kind::Check).collect();
    if checks.is_empty() {
        return Ok(0);
    }
    let have = |result: &model::Case, verdict| result.checks.iter().filter(|check| check.verdict == verdict).count();
    let right = judged(case, catalog, &checks, |_, expected| expected);
    if right.verdict != Verdict::Pass || have(&right, Verdict::Pass) != checks.len() {
        return Err(format!("{}: what has to be is refused: {:?}", case.id, right.reason));
    }
    let wrong = judged(case, catalog, &checks, |index, expected| expected ^ 1 << (index % 64));
    if wrong.verdict != Verdict::Fail || have(&wrong, Verdict::Fail) != checks.len() {
        return Err(format!("{}: {} of {} checks fail", case.id, have(&wrong, Verdict::Fail), checks.len()));
    }
    // Of each column each bit, of its other rows one.
    let mut columns = HashSet::new();
    for (number, check) in checks.iter().enumerate() {
        let bits = if columns.insert(check.site) { 0..64 } else { number as u32 % 64..number as u32 % 64 + 1 };
        for bit in bits {
            let one = judged(case, catalog, &[check], |_, expected| expected ^ 1 << bit);
            let id = one.checks.first().map_or("", |check| check.id.as_str());
            if one.verdict != Verdict::Fail || !one.reason.is_some_and(|reason| reason.starts_with(id)) {
                return Err(format!("{}: bit {bit} of the check `{id}` may be wrong", case.id));
            }
        }
    }
    Ok(checks.len())
}

/// Whether the subject is known to hang in the case: that takes the whole of its time limit, and tells next to nothing.
fn is_known_to_hang(case: &Case, baseline: &Baseline) -> bool {
    let mut result = died(case, &Ending::Timeout { place: String::new() });
    baseline.apply(&mut result);
    // A baseline that tells of checks before the hang misses them here.
    matches!(result.against_baseline, Some(Against::Expected | Against::Fixed))
}

#[test]
fn a_wrong_observation_of_any_check_of_the_suite_is_told() {
    if !Path::new("/dev/kvm").exists() {
        eprintln!("no /dev/kvm: not tested here");
        return;
    }
    let path = image::build(Guest::Conformance).unwrap();
    let image = Arc::new(Image::open(&path).unwrap());
    let opened = Opened::open("vmm", &image).unwrap();
    let version = opened.subject.version();
    let baseline = Source::Auto.load(opened.subject.id(), version, &image.catalog).unwrap().unwrap();
    let is_wanted = |case: &&Case| !case.is_of_host() && !is_known_to_hang(case, &baseline);
    let cases: Vec<_> = image.catalog.plain_cases().filter(is_wanted).collect();
    let (next, nr_checks) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || {
        let mut wrong = Vec::new();
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            let cancel = Cancel::default();
            if !matches!(opened.reason_to_skip(case, &cancel), Ok(None)) {
                continue;
            }
            let limit = opened.subject.time_limit() * u32::from(case.setup.time_factor);
            let run = opened.subject.run(Program::Case(case), limit, &cancel);
            match feed(case, &image.catalog, &run.transcript) {
                Ok(checks) => drop(nr_checks.fetch_add(checks, Ordering::Relaxed)),
                Err(text) => wrong.push(text),
            }
        }
        wrong
    };
    // Some guests wait more than they work.
    let nr_threads = 2 * std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let wrong: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..nr_threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let nr_checks = nr_checks.into_inner();
    eprintln!("{nr_checks} checks were fed with wrong observations");
    assert!(nr_checks >= 20_000, "{nr_checks} checks are few");
}
