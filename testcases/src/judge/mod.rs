//! From what a guest reported and how it ended to a verdict.
//!
//! The verdict is what was reported; how the virtual machine ended counts only if nothing was, or if the case said before
//! that it must end in a shutdown. A broken guest or
//! harness is an `error`, which says nothing of the subject: it is never counted as the subject's failure, and never
//! as a pass.

mod checks;
mod ending;
mod offers;
mod protocol;
mod reason;
pub(crate) mod render;
mod shutdown;
#[cfg(test)]
mod tests;
mod transcript;

pub use ending::Ending;
pub use offers::{Offers, ProbeError, offers};
pub use protocol::ProtocolFault;
pub use transcript::{MAX_MESSAGES, Transcript};

use crate::catalog::{Case, Catalog};
use case::message::Kind;
use checks::Reported;
use reports::model::{self, Verdict};
use std::time::Duration;

/// One start of a guest, from the first action to the verdict.
#[derive(Debug)]
pub struct Run {
    /// What the guest said.
    pub transcript: Transcript,
    /// How it ended.
    pub ending: Ending,
    /// From start to verdict.
    pub duration: Duration,
}

/// Judges a run of a case.
pub fn judge(case: &Case, run: Run, catalog: &Catalog) -> model::Case {
    let mut reported = Reported::collect(&run.transcript, catalog);
    let (verdict, reason) = decide(case, &run, &mut reported, catalog);
    let reason = reason.map(|reason| match verdict {
        Verdict::Pass | Verdict::Skip => reason,
        _ => reason + &reported.notes_text(),
    });
    model::Case {
        checks: reported.into_checks(),
        duration_us: u64::try_from(run.duration.as_micros()).unwrap_or(u64::MAX),
        ..result(case, verdict, reason)
    }
}

/// The result of a case that was not run, and why.
pub fn skipped(case: &Case, why: &str) -> model::Case {
    result(case, Verdict::Skip, Some(why.to_owned()))
}

/// The result of a case that the harness could not run.
pub fn failed_to_run(case: &Case, why: &str) -> model::Case {
    result(case, Verdict::Error, Some(why.to_owned()))
}

/// The result of a case of the host whose subject ended in it.
pub fn died(case: &Case, ending: &Ending) -> model::Case {
    let (verdict, reason) = reason::without_verdict(&Transcript::default(), ending, &Reported::default());
    result(case, verdict, Some(reason))
}

fn result(case: &Case, verdict: Verdict, reason: Option<String>) -> model::Case {
    model::Case {
        id: case.id.clone(),
        feature: case.feature.id().to_owned(),
        spec: case.spec(),
        rule: case.rule.clone(),
        source: case.source(),
        setup: case.interrupts.map(|setup| setup.name().to_owned()),
        axis: None,
        verdict,
        reason,
        checks: Vec::new(),
        duration_us: 0,
        against_baseline: None,
        known: None,
    }
}

fn decide(case: &Case, run: &Run, reported: &mut Reported, catalog: &Catalog) -> (Verdict, Option<String>) {
    if let Some(fault) = run.transcript.fault().or(reported.fault()) {
        return (Verdict::Error, Some(reason::fault(fault, &run.ending)));
    }
    if let Some(decided) = shutdown::decide(&run.transcript, &run.ending, reported) {
        return decided;
    }
    let Some(last) = run.transcript.last() else {
        let (verdict, reason) = reason::without_verdict(&run.transcript, &run.ending, reported);
        return (verdict, Some(reason));
    };
    match last.kind {
        Kind::Done => done(last.value(0), reported),
        Kind::Exception => (Verdict::Crash, Some(reason::exception(last, catalog, reported))),
        Kind::Redelivered => (Verdict::Crash, Some(reason::redelivered(last, reported))),
        Kind::Panic => (Verdict::Error, Some(reason::panic(last, catalog))),
        Kind::NoSuchCase => {
            (Verdict::Error, Some(format!("the image does not know the case `{}`; rebuild the image", case.id)))
        }
        kind @ (Kind::Check | Kind::Skip | Kind::Note | Kind::Offers | Kind::ShutdownDue | Kind::Record) => {
            (Verdict::Error, Some(format!("the harness took a message of the kind {kind:?} for the last one")))
        }
    }
}

/// Verdict and reason of a program that did not come to its end; nothing for one that did. What it said is not looked at.
pub(crate) fn loss(run: &Run, catalog: &Catalog) -> Option<(Verdict, String)> {
    let reported = Reported::default();
    if let Some(fault) = run.transcript.fault() {
        return Some((Verdict::Error, reason::fault(fault, &run.ending)));
    }
    let Some(last) = run.transcript.last() else {
        return Some(reason::without_verdict(&run.transcript, &run.ending, &reported));
    };
    match last.kind {
        Kind::Done => None,
        Kind::Exception => Some((Verdict::Crash, reason::exception(last, catalog, &reported))),
        Kind::Redelivered => Some((Verdict::Crash, reason::redelivered(last, &reported))),
        Kind::Panic => Some((Verdict::Error, reason::panic(last, catalog))),
        _ => Some((Verdict::Error, "the image does not know the program; rebuild the image".to_owned())),
    }
}

/// The verdict of a case that returned.
fn done(nr_checks: u64, reported: &Reported) -> (Verdict, Option<String>) {
    let nr_arrived = reported.nr_checks() as u64;
    if nr_checks != nr_arrived {
        return (Verdict::Error, Some(format!("the guest made {nr_checks} checks, but {nr_arrived} arrived")));
    }
    match (reported.first_failing(), reported.skip()) {
        (Some(failing), _) => (Verdict::Fail, Some(failing.to_owned() + &reported.share_text())),
        (None, Some(reason)) => (Verdict::Skip, Some(reason.to_owned())),
        (None, None) if nr_checks == 0 => {
            (Verdict::Error, Some("the case made no check, so it says nothing".to_owned()))
        }
        (None, None) => (Verdict::Pass, None),
    }
}
