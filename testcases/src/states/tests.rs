//! Runs on a subject that answers as a guest would, and does not survive some of the states.

use super::{blocks::Done, records::Step, *};
use crate::{
    catalog::{
        Catalog, InterruptSetup,
        synthetic::{BASE, Built, Source},
    },
    judge::{Ending, Run, Transcript},
    messages::testing::{message, message_in_row},
    subjects::{Program, Subject},
};
use case::{
    fuzz::{Tag, word},
    message::Kind,
};
use reports::model::Verdict;
use std::path::PathBuf;

/// States of which each has an illegal value of rule 3 and a legal one of rule 4. Some end the guest unless the first is left
/// out or avoided, some are answered wrongly.
struct Fake {
    built: Built,
    site: u64,
    ends: fn(u64) -> bool,
    /// Whether those end it only if they are not announced.
    is_shy: bool,
}

impl Fake {
    fn new(ends: fn(u64) -> bool) -> (Self, Arc<Image>) {
        let built = Source::new().build();
        let catalog = Catalog::parse(built.bytes.clone()).unwrap();
        let site = catalog.sites().find(|(_, site)| site.text == "RSI").unwrap().0;
        (Self { built, site, ends, is_shy: false }, Arc::new(Image { path: PathBuf::new(), catalog }))
    }

    fn step(&self, rule: u64, is_legal: bool) -> [u64; 5] {
        let name = b"outs_advances_rsi";
        let at = self.built.bytes.windows(name.len()).position(|bytes| bytes == name).unwrap() as u64;
        [BASE + at, name.len() as u64, 0, 6, rule << 1 | u64::from(is_legal)]
    }

    fn messages(&self, words: &str) -> (Vec<(Tag, u64, [u64; 5])>, bool) {
        let text = |key: &str| words.split(' ').find_map(|word| word.strip_prefix(key));
        let number = |key, default| text(key).map_or(default, |text| u64::from_str_radix(text, 16).unwrap());
        let (first, count) = (number(word::FIRST, 0), number(word::COUNT, 1));
        let (every, keep) = (number(word::EVERY, 1), number(word::KEEP, u64::MAX));
        let avoids = text(word::AVOID).is_some_and(|list| list.split(',').any(|rule| rule == "3"));
        let mut said = vec![(Tag::Rules, 0, [7, 8, 9, 0, 0])];
        let mut nr_tried = 0;
        for state in first..first + count {
            let has_illegal = keep & 1 != 0;
            if has_illegal && avoids && (self.ends)(state) {
                continue;
            }
            if state % every == 0 {
                said.push((Tag::State, 0, [state, 0, 0, 0, 0]));
            }
            for (bit, rule, is_legal) in [(1, 3, false), (2, 4, true)] {
                if keep & bit != 0 {
                    said.push((Tag::Touched, 0, self.step(rule, is_legal)));
                    if every == 1 {
                        said.push((Tag::Step, 0, self.step(rule, is_legal)));
                    }
                }
            }
            nr_tried += 1;
            if has_illegal && (self.ends)(state) && !(self.is_shy && every == 1) {
                return (said, false);
            }
            if state % 50 == 10 {
                said.push((Tag::Finding, self.site, [state, 1, 2, 1, 0]));
                said.push((Tag::Step, 0, self.step(3, false)));
            }
        }
        said.push((Tag::Summary, 0, [nr_tried, count - nr_tried, 0, 0, 0]));
        (said, true)
    }
}

impl Subject for Fake {
    fn id(&self) -> &str {
        "fake"
    }
    fn version(&self) -> &str {
        "0"
    }
    fn board(&self) -> Needs {
        Needs::empty()
    }
    fn set_ups(&self) -> &'static [InterruptSetup] {
        &[]
    }
    fn time_limit(&self) -> Duration {
        Duration::from_secs(1)
    }
    fn run(&self, program: Program<'_>, _: Duration, _: &Cancel) -> Run {
        let Program::Other(words) = program else { panic!("{program:?}") };
        let (said, is_done) = self.messages(words);
        let mut transcript = Transcript::default();
        let length = said.len() as u32;
        for (sequence, (tag, site, values)) in (0..).zip(said) {
            transcript.take(Ok(message_in_row(Kind::Record, sequence, site, tag as u64, &values)));
        }
        if is_done {
            transcript.take(Ok(message(Kind::Done, length, 0, &[0])));
        }
        Run { transcript, ending: Ending::Died { text: "gone".to_owned() }, duration: Duration::ZERO }
    }
}

fn options(first: u64, count: u64) -> Options {
    Options {
        structure: Structure::Vmcs,
        subject: "fake".to_owned(),
        seed: 5,
        first,
        count,
        time: None,
        nr_workers: Some(2),
        baseline: baseline::Source::None,
        show_progress: false,
    }
}

fn done(fake: &Fake, image: &Image, options: &Options) -> Done {
    let cancel = Cancel::default();
    let blocks = Blocks::new(image, fake, options, &cancel, Instant::now());
    blocks.run(2, &|_| {});
    blocks.into_done()
}

fn outcome(fake: &Fake, image: &Image, options: &Options) -> Outcome {
    let done = done(fake, image, options);
    let findings = Findings::of(&done, &image.catalog, None);
    let time = Duration::from_secs(2);
    Outcome { options: options.clone(), version: "Fake 0".to_owned(), done, findings, time, was_cancelled: false }
}

#[test]
fn every_state_is_tried_once_and_findings_are_counted_by_rule() {
    let (fake, image) = Fake::new(|_| false);
    let outcome = outcome(&fake, &image, &options(100, 5_000));
    assert_eq!((outcome.nr_tried(), outcome.nr_touched(), outcome.done.rules), (5_000, [1, 1], [7, 8, 9]));
    let [finding] = outcome.findings.0.as_slice() else { panic!("{:?}", outcome.findings) };
    assert_eq!((finding.count, finding.number, finding.case.as_str()), (100, 110, "outs_advances_rsi"));
    assert_eq!(finding.checks.keys().collect::<Vec<_>>(), ["RSI [5]"]);
    assert_eq!(outcome.exit_status(), 1);
}

#[test]
fn a_state_that_is_not_survived_is_told_with_what_it_takes_and_the_rest_is_tried() {
    let (fake, image) = Fake::new(|state| state == 1_337);
    let done = done(&fake, &image, &options(0, 3_000));
    assert_eq!((done.nr_tried, done.nr_avoided, done.wrong.len()), (3_000, 0, 60));
    let [lost] = done.lost.as_slice() else { panic!("{:?}", done.lost) };
    let step = Step { case: "outs_advances_rsi".to_owned(), name: Some("5".to_owned()), rule: 3, is_legal: false };
    assert_eq!((lost.states.clone(), &lost.steps, lost.verdict), (1_337..1_338, &vec![step], Verdict::Crash));
    assert!(lost.why.contains("gone"), "{}", lost.why);
}

#[test]
fn a_rule_that_is_not_survived_is_avoided_from_then_on() {
    let (fake, image) = Fake::new(|state| state % 10 == 7);
    let done = done(&fake, &image, &options(0, 20_000));
    // Two workers may find out side by side.
    assert!((1..=2).contains(&done.lost.len()), "{:?}", done.lost);
    assert_eq!(done.nr_tried + done.nr_avoided, 20_000);
    assert!(done.nr_avoided > 1_900, "{}", done.nr_avoided);
}

#[test]
fn what_only_states_together_do_is_told_as_theirs() {
    let (mut fake, image) = Fake::new(|state| state == 70);
    fake.is_shy = true;
    let done = done(&fake, &image, &options(0, 200));
    let [lost] = done.lost.as_slice() else { panic!("{:?}", done.lost) };
    assert_eq!((lost.states.clone(), lost.steps.len(), done.nr_tried), (64..128, 0, 200));
}

#[test]
fn the_last_lines_tell_findings_coverage_and_how_to_repeat() {
    let (fake, image) = Fake::new(|state| state == 37);
    insta::assert_snapshot!(outcome(&fake, &image, &options(0, 100)));
}

#[test]
fn a_record_of_nonsense_is_the_harness_failure() {
    let (fake, image) = Fake::new(|_| false);
    for (site, row, values) in
        [(0, 99, [0; 5]), (1, Tag::Finding as u64, [0; 5]), (0, Tag::Touched as u64, [1, 9, 0, 0, 0])]
    {
        let mut transcript = Transcript::default();
        transcript.take(Ok(message_in_row(Kind::Record, 0, site, row, &values)));
        assert!(records::read(&transcript, &image.catalog).is_err(), "{site} {row}");
    }
    drop(fake);
}

#[test]
fn words_are_hexadecimal_and_those_of_the_usual_are_left_out() {
    let request = request::Request { states: 16..48, every: 64, keep: u64::MAX, avoid: Vec::new() };
    let words = request.words(&options(0, 1));
    assert_eq!(words, "vp.case=fuzz::vmcs vp.seed=5 vp.first=10 vp.count=20 vp.every=40");
    let request = request::Request { keep: 5, avoid: vec![10, 17], ..request };
    assert!(request.words(&options(0, 1)).ends_with(" vp.keep=5 vp.avoid=a,11"));
}
