//! Listening to a VMM that can only be started and killed.

use super::MAX_WORDS_BYTES;
use crate::{
    cancel::Cancel,
    judge::{Ending, Run, Transcript},
    messages::line::LineDecoder,
    moment::Moment,
    process::{Output, Process},
};
use case::message::Kind;
use std::{
    io,
    time::{Duration, Instant},
};

/// How long a VMM may take to end after its outputs are closed, and what a guest still sends after its verdict is waited for.
const END_LIMIT: Duration = Duration::from_secs(2);
/// How often the wish to cancel is looked at while nothing comes.
const SLICE: Duration = Duration::from_millis(50);
/// What may be written on both outputs together, in bytes: more than any transcript takes.
const MAX_BYTES: usize = 8 << 20;

/// The conversation with one VMM.
#[derive(Default)]
pub(super) struct Talk {
    transcript: Transcript,
    /// When the verdict arrived.
    reported_at: Option<Instant>,
    lines: LineDecoder,
    nr_bytes: usize,
    /// The end of what was said on the standard error.
    words: Vec<u8>,
    /// Whether the guest began anew.
    is_restarted: bool,
}

impl Talk {
    /// Listens until the VMM has ended or must end.
    pub(super) fn run(&mut self, process: &mut Process, deadline: Moment, cancel: &Cancel) -> io::Result<Ending> {
        let mut buffer = vec![0; 16 * 1024];
        let mut deadline = deadline;
        loop {
            if cancel.is_cancelled() {
                return Ok(Ending::Cancelled);
            }
            if self.is_restarted {
                return Ok(Ending::Shutdown { place: String::new() });
            }
            if self.transcript.fault().is_some() {
                return Ok(Ending::Reported);
            }
            if deadline.has_passed() {
                let is_complete = self.transcript.is_complete();
                return Ok(if is_complete { Ending::Reported } else { Ending::Timeout { place: String::new() } });
            }
            match process.read(&mut buffer, deadline, SLICE)? {
                Output::Stdout(length) => {
                    self.nr_bytes += length;
                    self.serial(buffer.get(..length).unwrap_or_default());
                    if self.transcript.is_complete() && self.reported_at.is_none() {
                        self.reported_at = Some(Instant::now());
                        deadline = deadline.min(Moment::now() + END_LIMIT);
                    }
                }
                Output::Stderr(length) => {
                    self.nr_bytes += length;
                    self.words.extend(buffer.iter().take(length));
                    let excess = self.words.len().saturating_sub(MAX_WORDS_BYTES);
                    self.words.drain(..excess);
                }
                Output::End => return self.ended(process),
                Output::Control(_) | Output::Nothing => {}
            }
            if self.nr_bytes > MAX_BYTES {
                return Ok(Ending::Flood { text: format!("more than {MAX_BYTES} bytes on its outputs") });
            }
        }
    }

    /// What the run came to, which began then.
    pub(super) fn into_run(self, ending: Ending, start: Instant) -> Run {
        let duration = self.reported_at.unwrap_or_else(Instant::now) - start;
        Run { transcript: self.transcript, ending, duration }
    }

    fn serial(&mut self, bytes: &[u8]) {
        for item in self.lines.feed(bytes) {
            // Some VMMs answer a triple fault by a reset, and boot the guest again for ever: its first message a second time.
            if item.as_ref().is_ok_and(|message| message.sequence == 0) && !self.transcript.messages().is_empty() {
                self.is_restarted = true;
                return;
            }
            self.transcript.take(item);
        }
    }

    /// The VMM has closed its outputs.
    fn ended(&mut self, process: &mut Process) -> io::Result<Ending> {
        if let Err(fault) = self.lines.finish() {
            self.transcript.take(Err(fault));
        }
        let status = process.wait(Moment::now() + END_LIMIT)?;
        if self.transcript.is_complete() {
            return Ok(Ending::Reported);
        }
        // A VMM that ends by itself has seen a triple fault, a reset or an error of KVM, and its status does not tell which. A
        // guest that said before that it must shut down is believed.
        let is_due = self.transcript.messages().iter().any(|message| message.kind == Kind::ShutdownDue);
        if is_due && status.is_some_and(|status| status.code().is_some()) {
            return Ok(Ending::Shutdown { place: String::new() });
        }
        let words = String::from_utf8_lossy(&self.words);
        let line = words.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it said nothing");
        let status =
            status.map_or_else(|| "it closed its outputs and lives on".to_owned(), |status| status.to_string());
        Ok(Ending::Died { text: format!("{status}: {line}") })
    }
}
