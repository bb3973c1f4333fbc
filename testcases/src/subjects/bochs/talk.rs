//! The conversation with one Bochs.

use super::stopped::{Cause, Said};
use crate::{
    judge::Ending,
    process::Output,
    subjects::{
        Image,
        listening::{self, Heard, Line},
    },
};
use std::{io, process::ExitStatus};

/// What Bochs writes before its reason to give up.
const LAST_WORDS: &str = "Bochs is exiting with the following message:";

pub(super) struct Talk<'a> {
    image: &'a Image,
    heard: Heard,
    /// The standard output.
    said: Said,
    /// The standard error, which COM1 writes to as well: the end of it.
    words: Vec<u8>,
    /// Set once Bochs was interrupted because the time was over.
    is_interrupted: bool,
}

impl<'a> Talk<'a> {
    pub(super) fn new(image: &'a Image) -> Self {
        Self { image, heard: Heard::default(), said: Said::default(), words: Vec::new(), is_interrupted: false }
    }

    /// Why Bochs gave up, as it says itself.
    fn last_words(&self) -> String {
        let words = String::from_utf8_lossy(&self.words);
        let behind = words.rsplit_once(LAST_WORDS).and_then(|(_, behind)| behind.trim().lines().next());
        let line = behind.map(str::to_owned).or_else(|| self.said.panic());
        let last = || words.lines().rev().find(|line| !line.trim().is_empty()).map(str::to_owned);
        line.or_else(last).unwrap_or_else(|| "it said nothing".to_owned())
    }
}

impl listening::Talk for Talk<'_> {
    fn heard(&mut self) -> &mut Heard {
        &mut self.heard
    }

    fn take(&mut self, _line: &mut Line<'_>, output: Output, bytes: &[u8]) -> io::Result<Option<Ending>> {
        match output {
            Output::Stderr(_) => {
                self.words.extend(bytes);
                let surplus = self.words.len().saturating_sub(4096);
                self.words.drain(..surplus);
                self.heard.feed(bytes);
            }
            _ => self.said.feed(bytes),
        }
        Ok(None)
    }

    fn time_is_over(&mut self, line: &mut Line<'_>) -> Option<Ending> {
        if self.is_interrupted {
            // It does not even answer.
            return Some(Ending::Timeout { place: String::new() });
        }
        self.is_interrupted = true;
        line.wait_for_answer();
        line.process.interrupt();
        None
    }

    fn ended(&mut self, status: Option<ExitStatus>) -> Ending {
        if self.heard.is_complete() {
            return Ending::Reported;
        }
        let place = self.said.place().map(|(rip, bytes)| self.image.catalog.symbols().place(rip, &bytes));
        let place = place.unwrap_or_default();
        match self.said.cause() {
            Cause::TripleFault => Ending::Shutdown { place },
            Cause::Reset => Ending::Reset,
            Cause::Other if self.is_interrupted => Ending::Timeout { place },
            Cause::Other => Ending::Died { text: format!("{}: {}", listening::in_words(status), self.last_words()) },
        }
    }
}
