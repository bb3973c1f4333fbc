//! Tests of the judge.

use super::*;
use crate::{
    catalog::synthetic::{BASE, Built, Source},
    messages::{
        Fault, Message, Received,
        testing::{any_message, message, message_in_row},
    },
};
use case::{Needs, message::outcome};
use proptest::prelude::*;

const CASE: &str = "pio::outs_advances_rsi@user";

/// The synthetic image, and the messages a guest of it could send.
struct Guest {
    catalog: Catalog,
    built: Built,
}

impl Guest {
    fn new() -> Self {
        let built = Source::new().build();
        Self { catalog: Catalog::parse(built.bytes.clone()).unwrap(), built }
    }

    fn site(&self, text: &str) -> u64 {
        self.catalog.sites().find(|(_, site)| site.text == text).unwrap().0
    }

    fn check(&self, sequence: u32, text: &str, actual: u64, expected: u64) -> Received {
        Ok(message(Kind::Check, sequence, self.site(text), &[actual, expected]))
    }

    fn row(&self, sequence: u32, text: &str, row: u64, actual: u64, expected: u64) -> Received {
        Ok(message_in_row(Kind::Check, sequence, self.site(text), row, &[actual, expected]))
    }

    fn note(&self, sequence: u32, value: u64) -> Received {
        Ok(message(Kind::Note, sequence, self.site("RSI"), &[value]))
    }

    fn skip(&self, sequence: u32) -> Received {
        Ok(message(Kind::Skip, sequence, self.site("carry is clear"), &[]))
    }

    fn judge(&self, received: impl IntoIterator<Item = Received>, ending: Ending) -> model::Case {
        let mut transcript = Transcript::default();
        received.into_iter().for_each(|received| transcript.take(received));
        let run = Run { transcript, ending, duration: Duration::from_micros(1234) };
        judge(self.catalog.case(CASE).unwrap(), run, &self.catalog)
    }

    #[track_caller]
    fn assert(&self, received: Vec<Received>, ending: Ending, verdict: Verdict, reason: &str) {
        let result = self.judge(received, ending);
        assert_eq!((result.verdict, result.reason.as_deref().unwrap_or_default()), (verdict, reason));
    }
}

fn done(sequence: u32, nr_checks: u64) -> Received {
    Ok(message(Kind::Done, sequence, 0, &[nr_checks]))
}

fn place() -> String {
    "foo+0x1: rep outsb".to_owned()
}

#[test]
fn a_result_carries_what_the_catalog_says() {
    let guest = Guest::new();
    let result = guest.judge([guest.check(0, "RSI", 4, 4), done(1, 1)], Ending::Reported);
    let check = model::Check {
        id: "RSI".to_owned(),
        verdict: Verdict::Pass,
        expected: "0x4".to_owned(),
        actual: "0x4".to_owned(),
    };
    let expected = model::Case {
        id: CASE.to_owned(),
        feature: "PortIoString".to_owned(),
        spec: "SDM vol. 2 (087), \"OUTS\"".to_owned(),
        rule: "The rule holds.".to_owned(),
        source: "guests/suite/src/pio/string.rs:12".to_owned(),
        setup: Some("user".to_owned()),
        axis: None,
        verdict: Verdict::Pass,
        reason: None,
        checks: vec![check],
        duration_us: 1234,
        against_baseline: None,
        known: None,
    };
    assert_eq!(result, expected);
}

#[test]
fn a_case_that_returned_is_judged_by_its_checks() {
    let guest = Guest::new();
    let good = |sequence| guest.check(sequence, "carry is clear", 1, 1);
    let bad = |sequence| guest.check(sequence, "RSI", 5, 4);
    let fails = "RSI: expected 0x4, but it is 0x5 (guests/suite/src/pio/string.rs:34)";
    let rows = [
        (vec![good(0), done(1, 1)], Verdict::Pass, String::new()),
        (vec![good(0), guest.note(1, 7), done(2, 1)], Verdict::Pass, String::new()),
        (vec![good(0), bad(1), done(2, 2)], Verdict::Fail, fails.to_owned()),
        (vec![bad(0), bad(1), good(2), done(3, 3)], Verdict::Fail, format!("{fails}; 2 of 3 checks fail")),
        (vec![guest.note(0, 7), bad(1), done(2, 1)], Verdict::Fail, format!("{fails}; noted: RSI = 0x7")),
        (vec![guest.skip(0), done(1, 0)], Verdict::Skip, "carry is clear".to_owned()),
        (vec![good(0), guest.skip(1), done(2, 1)], Verdict::Skip, "carry is clear".to_owned()),
        // A rule that was seen broken stays broken.
        (vec![bad(0), guest.skip(1), done(2, 1)], Verdict::Fail, fails.to_owned()),
        (vec![done(0, 0)], Verdict::Error, "the case made no check, so it says nothing".to_owned()),
        (vec![good(0), done(1, 2)], Verdict::Error, "the guest made 2 checks, but 1 arrived".to_owned()),
        (vec![bad(0), done(1, 0)], Verdict::Error, "the guest made 0 checks, but 1 arrived".to_owned()),
    ];
    for (received, verdict, reason) in rows {
        // How it ended does not matter once it has reported.
        for ending in [Ending::Reported, Ending::Shutdown { place: place() }, Ending::Timeout { place: place() }] {
            guest.assert(received.clone(), ending, verdict, &reason);
        }
    }
}

#[test]
fn a_guest_that_broke_down_is_told_from_a_broken_rule() {
    let guest = Guest::new();
    let last = |kind, values: &[u64]| Ok(message(kind, 0, 0, values));
    let file = guest.built.records[0] + case::record::layout::FILE;
    let file = u64::from_le_bytes(guest.built.bytes[file..file + 8].try_into().unwrap());
    let panic = "the guest panicked at guests/suite/src/pio/string.rs:77";
    guest.assert(vec![last(Kind::Panic, &[file, 30, 77])], Ending::Reported, Verdict::Error, panic);
    let panic = "the guest panicked at an unknown place";
    guest.assert(vec![last(Kind::Panic, &[0, 0, 0])], Ending::Reported, Verdict::Error, panic);
    guest.assert(vec![last(Kind::Panic, &[file, u64::MAX, 1])], Ending::Reported, Verdict::Error, panic);
    let text = format!("the image does not know the case `{CASE}`; rebuild the image");
    guest.assert(vec![last(Kind::NoSuchCase, &[])], Ending::Reported, Verdict::Error, &text);

    let rip = guest.built.functions[0] + 1;
    let exception = last(Kind::Exception, &[14, 2, rip, 0x123, 0x9000]);
    let text =
        format!("unexpected #PF(0x2) at suite::pio::string::foo+0x1: rep outsb (RIP {rip:#x}, CR2 0x123, RSP 0x9000)");
    guest.assert(vec![exception], Ending::Reported, Verdict::Crash, &text);
    let exception = Ok(message(Kind::Exception, 1, 0, &[6, 0, 0x10, 0, 0]));
    let text = "unexpected #UD at 0x10 (RIP 0x10, CR2 0x0, RSP 0x0); before it failed RSI: expected 0x4, but it is 0x5 \
                (guests/suite/src/pio/string.rs:34)";
    guest.assert(vec![guest.check(0, "RSI", 5, 4), exception], Ending::Reported, Verdict::Crash, text);
    let text = "vector 0x6f was delivered again before the first instruction of its handler, where IF is clear";
    guest.assert(vec![last(Kind::Redelivered, &[0x6f])], Ending::Reported, Verdict::Crash, text);
    let text = "unexpected vector 0x1000(0x0) at 0x0 (RIP 0x0, CR2 0x0, RSP 0x0)";
    guest.assert(vec![last(Kind::Exception, &[0x1000, 0, 0, 0, 0])], Ending::Reported, Verdict::Crash, text);
}

#[test]
fn without_a_verdict_the_ending_decides() {
    let guest = Guest::new();
    let (place, none) = (place, String::new);
    let died = "exit status: 1: no such device".to_owned();
    let rows = [
        (Ending::Shutdown { place: place() }, Verdict::Crash, "triple fault at foo+0x1: rep outsb"),
        (Ending::Shutdown { place: none() }, Verdict::Crash, "triple fault"),
        (
            Ending::InternalError { text: "emulation failed".to_owned(), place: place() },
            Verdict::Crash,
            "the hypervisor gave up: emulation failed at foo+0x1: rep outsb",
        ),
        (Ending::Died { text: died }, Verdict::Crash, "the hypervisor died: exit status: 1: no such device"),
        (Ending::Timeout { place: place() }, Verdict::Hang, "no verdict in time at foo+0x1: rep outsb"),
        (Ending::Halted { place: none() }, Verdict::Hang, "the guest halted for ever"),
        (Ending::Reset, Verdict::Error, "the guest asked for a reset before its verdict"),
        (Ending::DebugExit { value: 3 }, Verdict::Error, "the guest ended with exit value 0x3 before its verdict"),
        (Ending::Flood { text: "9 MB".to_owned() }, Verdict::Error, "the guest flooded its output: 9 MB"),
        (Ending::Cancelled, Verdict::Error, "cancelled before its verdict"),
        (Ending::Reported, Verdict::Error, "the harness ended the guest before its verdict"),
        (Ending::Harness { text: "no memory".to_owned() }, Verdict::Error, "the harness failed: no memory"),
    ];
    for (ending, verdict, reason) in rows {
        guest.assert(Vec::new(), ending.clone(), verdict, &format!("{reason}; it reported nothing"));
        let text = format!("{reason}; the last check before it was carry is clear");
        guest.assert(vec![guest.check(0, "carry is clear", 1, 1)], ending.clone(), verdict, &text);
        let text = format!(
            "{reason}; before it failed RSI: expected 0x4, but it is 0x5 (guests/suite/src/pio/string.rs:34); noted: RSI \
             = 0x9"
        );
        let result = guest.judge([guest.check(0, "RSI", 5, 4), guest.note(1, 9)], ending);
        assert_eq!((result.verdict, result.reason.as_deref()), (verdict, Some(text.as_str())));
        assert_eq!(result.checks.len(), 1);
    }
}

#[test]
fn a_guest_that_dies_while_it_speaks_is_judged_by_its_death() {
    let guest = Guest::new();
    let unfinished = Err(Fault::Unfinished { text: "~vp:1,".to_owned() });
    let reason = "triple fault; it reported nothing; the output on COM1 ends in the middle of a message: `~vp:1,`";
    guest.assert(vec![unfinished.clone()], Ending::Shutdown { place: String::new() }, Verdict::Crash, reason);
    // Whatever stands behind the last message was cut off by its end.
    guest.assert(vec![guest.check(0, "RSI", 4, 4), done(1, 1), unfinished], Ending::Reported, Verdict::Pass, "");
}

#[test]
fn broken_messages_are_an_error_whatever_else_was_said() {
    let guest = Guest::new();
    let bad = || guest.check(0, "RSI", 5, 4);
    let torn = Fault::Torn { text: "~vp:1".to_owned() };
    let middle = guest.site("RSI") + 8;
    let site = |sequence, kind, values: &[u64]| Ok(message(kind, sequence, guest.site("RSI"), values));
    let rows = [
        (vec![Err(torn), done(0, 0)], "a message on COM1 is torn: `~vp:1`".to_owned()),
        (
            vec![Err(Fault::Count { count: 2048 })],
            "the report pages say that they hold 2048 messages, but at most 2047 fit".to_owned(),
        ),
        (vec![bad(), done(2, 1)], "message 2 arrived where message 1 was due".to_owned()),
        (vec![bad(), bad()], "message 0 arrived where message 1 was due".to_owned()),
        (
            vec![bad(), done(1, 1), done(2, 1)],
            "a message of the kind Done follows Done, after which nothing may".to_owned(),
        ),
        (vec![done(0, 0), bad()], "a message of the kind Check follows Done, after which nothing may".to_owned()),
        (
            vec![Ok(message(Kind::Check, 0, middle, &[1, 1])), done(1, 1)],
            format!("message 0 (Check) names the site {middle:#x}, which the image does not have"),
        ),
        (
            vec![Ok(message(Kind::Skip, 0, 0, &[])), done(1, 0)],
            "message 0 (Skip) names the site 0x0, which the image does not have".to_owned(),
        ),
        (
            vec![site(0, Kind::Done, &[0])],
            format!("message 0 (Done) names the site {:#x}, but one of its kind names none", guest.site("RSI")),
        ),
        (
            vec![Ok(message_in_row(Kind::Note, 0, guest.site("RSI"), 3, &[0])), done(1, 0)],
            "message 0 (Note) names the row 0x3, but one of its kind names none".to_owned(),
        ),
        (
            vec![guest.row(0, "access", 2, 0, 0), done(1, 1)],
            "message 0 names the row 0x2 of `access`, which has 2".to_owned(),
        ),
        (
            vec![guest.check(0, "access", 0, 0), done(1, 1)],
            "message 0 names the row 0xffffffffffffffff of `access`, which has 2".to_owned(),
        ),
        (
            vec![Ok(message(Kind::Offers, 0, 0, &[0; 5])), done(1, 0)],
            "message 0 answers a probe, but a case was asked for".to_owned(),
        ),
    ];
    for (received, fault) in rows {
        let reason = format!("what the guest sent is broken: {fault}");
        guest.assert(received.clone(), Ending::Reported, Verdict::Error, &reason);
        let ending = Ending::Shutdown { place: String::new() };
        guest.assert(received, ending, Verdict::Error, &format!("{reason}; triple fault"));
    }
}

#[test]
fn after_the_first_fault_nothing_is_taken() {
    let guest = Guest::new();
    let mut transcript = Transcript::default();
    transcript.take(guest.note(5, 0));
    transcript.take(Err(Fault::Count { count: 2048 }));
    transcript.take(guest.note(0, 0));
    assert_eq!(transcript.fault(), Some(&ProtocolFault::Sequence { expected: 0, found: 5 }));
    assert_eq!(transcript.messages(), []);
}

#[test]
fn a_flood_of_messages_is_an_error_and_takes_bounded_memory() {
    let guest = Guest::new();
    let mut transcript = Transcript::default();
    for sequence in 0..MAX_MESSAGES as u32 {
        transcript.take(guest.note(sequence, 0));
    }
    assert!(!transcript.is_complete());
    for sequence in 0..100 {
        transcript.take(guest.note(MAX_MESSAGES as u32 + sequence, 0));
    }
    assert!(transcript.is_complete());
    assert_eq!(transcript.messages().len(), MAX_MESSAGES);
    assert_eq!(transcript.fault(), Some(&ProtocolFault::TooMany { limit: MAX_MESSAGES }));
    let run = Run { transcript, ending: Ending::Reported, duration: Duration::ZERO };
    assert_eq!(judge(guest.catalog.case(CASE).unwrap(), run, &guest.catalog).verdict, Verdict::Error);
}

#[test]
fn ids_of_checks_are_unique_and_name_their_rows() {
    let mut source = Source::new();
    source.sites.push(crate::catalog::synthetic::SiteSource { text: "RSI (2)", rows: &[], style: 0 });
    let built = source.build();
    let guest = Guest { catalog: Catalog::parse(built.bytes.clone()).unwrap(), built };
    let received = [
        guest.row(0, "access", 0, outcome::COMPLETED, outcome::COMPLETED),
        guest.row(1, "access", 1, outcome::exception(14, 3), outcome::exception(14, 7)),
        guest.row(2, "access", 1, outcome::COMPLETED, outcome::exception(13, 0)),
        guest.row(3, "count", 17, 10, 12),
        guest.check(4, "RSI", 0, 0),
        guest.check(5, "RSI (2)", 0, 0),
        guest.check(6, "RSI", 0, 0),
        guest.check(7, "carry is clear", 0, 1),
        done(8, 8),
    ];
    let result = guest.judge(received, Ending::Reported);
    let checks: Vec<_> = result
        .checks
        .iter()
        .map(|check| (check.id.as_str(), check.verdict.name(), check.expected.as_str(), check.actual.as_str()))
        .collect();
    let expected = [
        ("access [read]", "pass", "completed", "completed"),
        ("access [write]", "fail", "#PF(0x7)", "#PF(0x3)"),
        ("access [write] (2)", "fail", "#GP(0)", "completed"),
        ("count [17]", "fail", "12", "10"),
        ("RSI", "pass", "0x0", "0x0"),
        ("RSI (2)", "pass", "0x0", "0x0"),
        ("RSI (3)", "pass", "0x0", "0x0"),
        ("carry is clear", "fail", "true", "false"),
    ];
    assert_eq!(checks, expected);
    let reason = "access [write]: expected #PF(0x7), but it is #PF(0x3) (guests/suite/src/pio/string.rs:34); 4 of 8 \
                  checks fail";
    assert_eq!(result.reason.as_deref(), Some(reason));
}

#[test]
fn two_checks_with_one_id_are_an_error_that_names_it() {
    let mut source = Source::new();
    source.sites.push(crate::catalog::synthetic::SiteSource { text: "RSI", rows: &[], style: 0 });
    let built = source.build();
    let other = *built.sites.last().unwrap();
    let guest = Guest { catalog: Catalog::parse(built.bytes.clone()).unwrap(), built };
    let second = Ok(message(Kind::Check, 1, other, &[0, 0]));
    let result = guest.judge([Ok(message(Kind::Check, 0, guest.built.sites[0], &[0, 0])), second], Ending::Reported);
    let reason = result.reason.unwrap();
    assert_eq!(result.verdict, Verdict::Error, "{reason}");
    assert!(reason.contains("a second check with the id `RSI`, at guests/suite/src/pio/string.rs:34"), "{reason}");
}

#[test]
fn a_case_that_was_not_run_says_why() {
    let guest = Guest::new();
    let case = guest.catalog.case(CASE).unwrap();
    let reason = "needs X2APIC, which the subject does not offer";
    let result = skipped(case, reason);
    assert_eq!((result.verdict, result.reason.as_deref()), (Verdict::Skip, Some(reason)));
    let result = failed_to_run(case, "no memory");
    assert_eq!((result.verdict, result.reason.as_deref()), (Verdict::Error, Some("no memory")));
}

fn transcript_of(messages: impl IntoIterator<Item = Message>) -> Transcript {
    let mut transcript = Transcript::default();
    messages.into_iter().for_each(|message| transcript.take(Ok(message)));
    transcript
}

#[test]
fn the_probe_tells_offers_and_vendor() {
    let word = |text: &[u8; 4]| u64::from(u32::from_le_bytes(*text));
    let needs = Needs::X2APIC | Needs::NX | Needs::VMX_EPT;
    let [low, high] = [needs.bits() as u64, (needs.bits() >> 64) as u64];
    let answer = message(Kind::Offers, 0, 0, &[low, word(b"Genu"), word(b"ineI"), word(b"ntel"), high]);
    let transcript = transcript_of([answer, message(Kind::Done, 1, 0, &[0])]);
    let expected = Offers { needs, vendor: "GenuineIntel".to_owned() };
    assert_eq!(offers(&transcript, &Ending::Reported), Ok(expected));
}

#[test]
fn a_probe_without_answer_says_why() {
    let failure = |messages: Vec<Message>, ending| offers(&transcript_of(messages), &ending).unwrap_err().to_string();
    let text = failure(Vec::new(), Ending::Shutdown { place: place() });
    assert_eq!(text, "triple fault at foo+0x1: rep outsb; it reported nothing");
    let text = failure(vec![message(Kind::NoSuchCase, 0, 0, &[])], Ending::Reported);
    assert_eq!(text, "the guest answered with [NoSuchCase] instead of its offers; rebuild the image");
    let board = message(Kind::Offers, 0, 0, &[Needs::COM1.bits() as u64, 0, 0, 0, 0]);
    let text = failure(vec![board, message(Kind::Done, 1, 0, &[0])], Ending::Reported);
    assert!(text.contains("unknown bits 0x2000000000000"), "{text}");
    let text = failure(vec![message(Kind::Done, 5, 0, &[0])], Ending::Reported);
    assert_eq!(text, "what the guest sent is broken");
}

proptest! {
    #[test]
    fn no_messages_make_it_panic_and_nonsense_never_passes(
        messages in prop::collection::vec((any_message(), any::<prop::sample::Index>(), any::<bool>()), 0..20),
    ) {
        let guest = Guest::new();
        let received = messages.into_iter().zip(0..).map(|((sent, site, in_order), sequence)| {
            let site = if in_order { guest.built.sites[site.index(guest.built.sites.len())] } else { BASE };
            let sequence = if in_order { sequence } else { sent.sequence };
            Ok(message_in_row(sent.kind, sequence, site, sent.row, sent.values()))
        });
        // `Done` with a site is broken, so none of these runs has a verdict.
        prop_assert_ne!(guest.judge(received, Ending::Reported).verdict, Verdict::Pass);
    }
}

/// The announcement of a shutdown, with "carry is clear" as its text.
fn due(guest: &Guest, sequence: u32) -> Received {
    Ok(message(Kind::ShutdownDue, sequence, guest.site("carry is clear"), &[]))
}

#[test]
fn a_shutdown_that_was_due_passes_and_is_a_check() {
    let guest = Guest::new();
    let shutdown = || Ending::Shutdown { place: place() };
    for received in [vec![due(&guest, 0)], vec![guest.check(0, "RSI", 4, 4), guest.note(1, 1), due(&guest, 2)]] {
        let result = guest.judge(received, shutdown());
        assert_eq!((result.verdict, result.reason), (Verdict::Pass, None));
        let check = result.checks.last().unwrap();
        let check = (check.id.as_str(), check.verdict.name(), check.expected.as_str(), check.actual.as_str());
        assert_eq!(check, ("carry is clear", "pass", "shutdown", "shutdown"));
    }
    // A rule that was seen broken before stays broken.
    let failing = "RSI: expected 0x4, but it is 0x5 (guests/suite/src/pio/string.rs:34)";
    guest.assert(vec![guest.check(0, "RSI", 5, 4), due(&guest, 1)], shutdown(), Verdict::Fail, failing);
    // Without the announcement, it is a crash.
    let crash = "triple fault at foo+0x1: rep outsb; the last check before it was RSI";
    guest.assert(vec![guest.check(0, "RSI", 4, 4)], shutdown(), Verdict::Crash, crash);
}

#[test]
fn whatever_comes_in_place_of_a_shutdown_is_no_pass() {
    let guest = Guest::new();
    let fails = |instead: &str| {
        let source = guest.catalog.site(guest.site("carry is clear")).unwrap().source();
        format!("carry is clear: expected a shutdown, but {instead} ({source})")
    };
    let shutdown = || Ending::Shutdown { place: String::new() };
    let unfinished = || Err(Fault::Unfinished { text: "~vp:1,".to_owned() });
    let exception = Ok(message(Kind::Exception, 1, 0, &[8, 0, 0x10, 0, 0]));
    let went_on = || fails("it went on, and shut down later");
    let rows = [
        (vec![done(1, 0)], Ending::Reported, fails("it went on")),
        // How it ended does not matter once the case has said that it returned.
        (vec![done(1, 0)], shutdown(), fails("it went on")),
        (vec![guest.skip(1), done(2, 0)], Ending::Reported, fails("it went on")),
        (vec![due(&guest, 1), done(2, 0)], Ending::Reported, fails("it went on")),
        (vec![exception.clone()], Ending::Reported, fails("it got #DF(0)")),
        (vec![exception], shutdown(), fails("it got #DF(0)")),
        (vec![guest.note(1, 1)], shutdown(), went_on() + "; noted: RSI = 0x1"),
        (vec![guest.check(1, "RSI", 4, 4)], shutdown(), went_on()),
        (vec![due(&guest, 1)], shutdown(), went_on()),
        (vec![unfinished()], shutdown(), went_on()),
        (vec![], Ending::Reset, fails("the guest asked for a reset before its verdict")),
        (vec![], Ending::DebugExit { value: 0 }, fails("the guest ended with exit value 0x0 before its verdict")),
    ];
    for (rest, ending, reason) in rows {
        let result = guest.judge([due(&guest, 0)].into_iter().chain(rest), ending);
        assert_eq!((result.verdict, result.reason.as_deref()), (Verdict::Fail, Some(reason.as_str())));
        let failing: Vec<_> = result.checks.iter().filter(|check| check.verdict == Verdict::Fail).collect();
        assert_eq!((failing.len(), failing[0].id.as_str()), (1, "carry is clear"));
    }
}

#[test]
fn what_is_no_answer_to_a_due_shutdown_keeps_its_verdict() {
    let guest = Guest::new();
    let rows = [
        (Ending::Halted { place: place() }, Verdict::Hang, "the guest halted for ever at foo+0x1: rep outsb"),
        (Ending::Timeout { place: String::new() }, Verdict::Hang, "no verdict in time"),
        (
            Ending::InternalError { text: "emulation failed".to_owned(), place: String::new() },
            Verdict::Crash,
            "the hypervisor gave up: emulation failed",
        ),
        (Ending::Died { text: "signal: 6".to_owned() }, Verdict::Crash, "the hypervisor died: signal: 6"),
        (Ending::Reported, Verdict::Error, "the harness ended the guest before its verdict"),
        (Ending::Flood { text: "9 MB".to_owned() }, Verdict::Error, "the guest flooded its output: 9 MB"),
        (Ending::Cancelled, Verdict::Error, "cancelled before its verdict"),
        (Ending::Harness { text: "no memory".to_owned() }, Verdict::Error, "the harness failed: no memory"),
    ];
    for (ending, verdict, reason) in rows {
        let reason = format!("{reason}; a shutdown was due: carry is clear");
        guest.assert(vec![due(&guest, 0)], ending, verdict, &reason);
    }
    let shutdown = || Ending::Shutdown { place: String::new() };
    let panic = Ok(message(Kind::Panic, 1, 0, &[0, 0, 0]));
    let reason = "the guest panicked at an unknown place";
    guest.assert(vec![due(&guest, 0), panic], Ending::Reported, Verdict::Error, reason);
    let reason = "the guest made 3 checks, but 0 arrived";
    guest.assert(vec![due(&guest, 0), done(1, 3)], Ending::Reported, Verdict::Error, reason);
    // An announcement that is broken announces nothing.
    let broken = Ok(message(Kind::ShutdownDue, 0, 0x1234, &[]));
    let reason = "what the guest sent is broken: message 0 (ShutdownDue) names the site 0x1234, which the image does not \
                  have; triple fault";
    guest.assert(vec![broken], shutdown(), Verdict::Error, reason);
    let broken = Ok(message_in_row(Kind::ShutdownDue, 0, guest.site("RSI"), 1, &[]));
    let reason = "what the guest sent is broken: message 0 (ShutdownDue) names the row 0x1, but one of its kind names none; \
                  triple fault";
    guest.assert(vec![broken], shutdown(), Verdict::Error, reason);
}
