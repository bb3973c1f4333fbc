//! Listening to a VMM that can only be started and killed.

use super::MAX_WORDS_BYTES;
use crate::{
    judge::Ending,
    process::Output,
    subjects::listening::{self, Heard, Line},
};
use case::message::Kind;
use std::{io, process::ExitStatus};

/// The conversation with one VMM.
#[derive(Default)]
pub(super) struct Talk {
    heard: Heard,
    /// The end of what was said on the standard error.
    words: Vec<u8>,
}

impl listening::Talk for Talk {
    fn heard(&mut self) -> &mut Heard {
        &mut self.heard
    }

    fn take(&mut self, _line: &mut Line<'_>, output: Output, bytes: &[u8]) -> io::Result<Option<Ending>> {
        if !matches!(output, Output::Stdout(_)) {
            self.heard.count(bytes);
            self.words.extend(bytes);
            let excess = self.words.len().saturating_sub(MAX_WORDS_BYTES);
            self.words.drain(..excess);
            return Ok(None);
        }
        for received in self.heard.decode(bytes) {
            // Some VMMs answer a triple fault by a reset, and boot the guest again for ever: its first message a second time.
            let is_first = received.as_ref().is_ok_and(|message| message.sequence == 0);
            if is_first && !self.heard.transcript().messages().is_empty() {
                return Ok(Some(Ending::Shutdown { place: String::new() }));
            }
            self.heard.take(received);
        }
        Ok(None)
    }

    fn time_is_over(&mut self, _line: &mut Line<'_>) -> Option<Ending> {
        Some(Ending::Timeout { place: String::new() })
    }

    fn ended(&mut self, status: Option<ExitStatus>) -> Ending {
        let transcript = self.heard.transcript();
        if transcript.is_complete() {
            return Ending::Reported;
        }
        // A VMM that ends by itself has seen a triple fault, a reset or an error of KVM, and its status does not tell which. A
        // guest that said before that it must shut down is believed.
        let is_due = transcript.messages().iter().any(|message| message.kind == Kind::ShutdownDue);
        if is_due && status.is_some_and(|status| status.code().is_some()) {
            return Ending::Shutdown { place: String::new() };
        }
        let words = String::from_utf8_lossy(&self.words);
        let line = words.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it said nothing");
        Ending::Died { text: format!("{}: {line}", listening::in_words(status)) }
    }
}
