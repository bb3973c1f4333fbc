//! The verdict of a case that said that its processor must shut down.

use super::{Ending, Transcript, checks::Reported, reason, render};
use case::message::Kind;
use reports::model::Verdict;

/// Verdict and reason, or `None` if the case said nothing of a shutdown, or if how the run ended speaks for itself: a hang
/// stays a hang, a hypervisor that gave up stays a crash, a broken guest or harness an error.
///
/// It passes if nothing was said behind the announcement and the processor shut down. Everything else that a guest can do
/// is a failure: it went on, it got an exception instead, it ended in another way.
pub(super) fn decide(
    transcript: &Transcript,
    ending: &Ending,
    reported: &mut Reported,
) -> Option<(Verdict, Option<String>)> {
    let is_past = reported.due()?.is_past || transcript.unfinished().is_some();
    let instead = match transcript.last() {
        Some(last) => match last.kind {
            // A wrong number of checks is told first.
            Kind::Done if last.value(0) != reported.nr_checks() as u64 => return None,
            Kind::Done => Some("it went on".to_owned()),
            Kind::Exception => Some(exception(last.value(0), last.value(1))),
            _ => return None,
        },
        None => match ending {
            Ending::Shutdown { .. } if is_past => Some("it went on, and shut down later".to_owned()),
            Ending::Shutdown { .. } => None,
            Ending::Reset | Ending::DebugExit { .. } => Some(reason::how(ending)),
            _ => return None,
        },
    };
    reported.settle(instead.as_deref());
    Some(match reported.first_failing() {
        Some(failing) => (Verdict::Fail, Some(failing.to_owned() + &reported.share_text())),
        None => (Verdict::Pass, None),
    })
}

fn exception(vector: u64, error_code: u64) -> String {
    match (u8::try_from(vector), u32::try_from(error_code)) {
        (Ok(vector), Ok(error_code)) => format!("it got {}", render::exception(vector, error_code)),
        _ => format!("it got vector {vector:#x}"),
    }
}
