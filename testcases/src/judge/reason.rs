//! Why a case did not pass, in words.

use super::{Ending, ProtocolFault, Transcript, checks::Reported, render};
use crate::{catalog::Catalog, messages::Message};
use reports::model::Verdict;

/// The reason for a run whose messages are wrong.
pub(super) fn fault(fault: &ProtocolFault, ending: &Ending) -> String {
    match ending {
        // The harness ended the guest because of the fault.
        Ending::Reported => format!("what the guest sent is broken: {fault}"),
        ending => format!("what the guest sent is broken: {fault}; {}", how(ending)),
    }
}

/// Verdict and reason of a run that ended without its last message.
pub(super) fn without_verdict(transcript: &Transcript, ending: &Ending, reported: &Reported) -> (Verdict, String) {
    let verdict = match ending {
        Ending::Shutdown { .. } | Ending::InternalError { .. } | Ending::Died { .. } => Verdict::Crash,
        Ending::Halted { .. } | Ending::Timeout { .. } => Verdict::Hang,
        Ending::Reported
        | Ending::DebugExit { .. }
        | Ending::Reset
        | Ending::Flood { .. }
        | Ending::Cancelled
        | Ending::Harness { .. } => Verdict::Error,
    };
    let mut reason = how(ending);
    reason += &before(reported);
    if let Some(due) = reported.due() {
        reason += &format!("; a shutdown was due: {}", due.id);
    }
    if transcript.messages().is_empty() {
        reason += "; it reported nothing";
    }
    if let Some(unfinished) = transcript.unfinished() {
        reason += &format!("; {unfinished}");
    }
    (verdict, reason)
}

/// The reason for a run that ended in an exception that nothing expected.
pub(super) fn exception(message: &Message, catalog: &Catalog, reported: &Reported) -> String {
    let [vector, error_code, rip, cr2, rsp] = [0, 1, 2, 3, 4].map(|index| message.value(index));
    let name = match (u8::try_from(vector), u32::try_from(error_code)) {
        (Ok(vector), Ok(error_code)) => render::exception(vector, error_code),
        _ => format!("vector {vector:#x}({error_code:#x})"),
    };
    let place = catalog.place(rip);
    format!("unexpected {name} at {place} (RIP {rip:#x}, CR2 {cr2:#x}, RSP {rsp:#x}){}", before(reported))
}

/// The reason for a run in which an interrupt came before the first instruction of its own handler.
pub(super) fn redelivered(message: &Message, reported: &Reported) -> String {
    let vector = message.value(0);
    format!(
        "vector {vector:#x} was delivered again before the first instruction of its handler, where IF is clear{}",
        before(reported)
    )
}

/// The reason for a run that ended in a panic of the guest.
pub(super) fn panic(message: &Message, catalog: &Catalog) -> String {
    let [address, length, line] = [0, 1, 2].map(|index| message.value(index));
    let file = catalog.memory(address, length).filter(|file| !file.is_empty());
    match file.and_then(|file| std::str::from_utf8(file).ok()) {
        Some(file) => format!("the guest panicked at {file}:{line}"),
        None => "the guest panicked at an unknown place".to_owned(),
    }
}

/// What the checks said before the end, or nothing.
fn before(reported: &Reported) -> String {
    match (reported.first_failing(), reported.last_check()) {
        (Some(failing), _) => format!("; before it failed {failing}{}", reported.share_text()),
        (None, Some(last)) => format!("; the last check before it was {last}"),
        (None, None) => String::new(),
    }
}

pub(super) fn how(ending: &Ending) -> String {
    let (text, place) = match ending {
        Ending::Reported => ("the harness ended the guest before its verdict".to_owned(), ""),
        Ending::DebugExit { value } => (format!("the guest ended with exit value {value:#x} before its verdict"), ""),
        Ending::Reset => ("the guest asked for a reset before its verdict".to_owned(), ""),
        Ending::Shutdown { place } => ("triple fault".to_owned(), place.as_str()),
        Ending::Halted { place } => ("the guest halted for ever".to_owned(), place.as_str()),
        Ending::InternalError { text, place } => (format!("the hypervisor gave up: {text}"), place.as_str()),
        Ending::Died { text } => (format!("the hypervisor died: {text}"), ""),
        Ending::Timeout { place } => ("no verdict in time".to_owned(), place.as_str()),
        Ending::Flood { text } => (format!("the guest flooded its output: {text}"), ""),
        Ending::Cancelled => ("cancelled before its verdict".to_owned(), ""),
        Ending::Harness { text } => (format!("the harness failed: {text}"), ""),
    };
    if place.is_empty() { text } else { format!("{text} at {place}") }
}
