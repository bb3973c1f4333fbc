//! The conversation with one Bochs.

use super::stopped::{Cause, Said};
use crate::{
    cancel::Cancel,
    judge::{Ending, Run, Transcript},
    messages::line::LineDecoder,
    moment::Moment,
    process::{Output, Process},
    subjects::Image,
};
use std::{
    io,
    time::{Duration, Instant},
};

/// How long Bochs may take to say where a guest stands, and to end after its outputs are closed.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
/// How long a guest that has reported its verdict may take to end: whatever it still sends is not lost.
const END_LIMIT: Duration = Duration::from_secs(2);
/// How often the wish to cancel is looked at while nothing comes.
const SLICE: Duration = Duration::from_millis(50);
/// What a guest may write on COM1 in bytes: more than any transcript takes.
const MAX_SERIAL_BYTES: usize = 8 << 20;
/// What Bochs writes before its reason to give up.
const LAST_WORDS: &str = "Bochs is exiting with the following message:";

pub(super) struct Talk<'a> {
    image: &'a Image,
    transcript: Transcript,
    /// When the verdict arrived.
    reported_at: Option<Instant>,
    lines: LineDecoder,
    nr_serial_bytes: usize,
    /// The standard output.
    said: Said,
    /// The standard error, which COM1 writes to as well: the end of it.
    words: Vec<u8>,
    /// Set once Bochs was interrupted because the time was over.
    is_interrupted: bool,
}

impl<'a> Talk<'a> {
    pub(super) fn new(image: &'a Image) -> Self {
        Self {
            image,
            transcript: Transcript::default(),
            reported_at: None,
            lines: LineDecoder::default(),
            nr_serial_bytes: 0,
            said: Said::default(),
            words: Vec::new(),
            is_interrupted: false,
        }
    }

    pub(super) fn into_run(self, ending: Ending, start: Instant) -> Run {
        let duration = self.reported_at.unwrap_or_else(Instant::now) - start;
        Run { transcript: self.transcript, ending, duration }
    }

    /// Listens until Bochs has ended or must end.
    pub(super) fn run(&mut self, process: &mut Process, deadline: Moment, cancel: &Cancel) -> io::Result<Ending> {
        let mut buffer = vec![0; 16 * 1024];
        let mut deadline = deadline;
        loop {
            if cancel.is_cancelled() {
                return Ok(Ending::Cancelled);
            }
            if self.transcript.fault().is_some() || self.reported_at.is_some() && deadline.has_passed() {
                return Ok(Ending::Reported);
            }
            if deadline.has_passed() {
                if self.is_interrupted {
                    // It does not even answer.
                    return Ok(Ending::Timeout { place: String::new() });
                }
                self.is_interrupted = true;
                deadline = Moment::now() + ANSWER_LIMIT;
                process.interrupt();
            }
            match process.read(&mut buffer, deadline, SLICE)? {
                Output::Stderr(length) => {
                    self.serial(buffer.get(..length).unwrap_or_default());
                    if self.transcript.is_complete() && self.reported_at.is_none() {
                        self.reported_at = Some(Instant::now());
                        deadline = deadline.min(Moment::now() + END_LIMIT);
                    }
                    if self.nr_serial_bytes > MAX_SERIAL_BYTES {
                        return Ok(Ending::Flood { text: format!("more than {MAX_SERIAL_BYTES} bytes on COM1") });
                    }
                }
                Output::Stdout(length) => self.said.feed(buffer.get(..length).unwrap_or_default()),
                Output::End => {
                    if let Err(fault) = self.lines.finish() {
                        self.transcript.take(Err(fault));
                    }
                    let status = process.wait(Moment::now() + ANSWER_LIMIT)?;
                    return Ok(self.ending(status.map(|status| status.to_string())));
                }
                Output::Control(_) | Output::Nothing => {}
            }
        }
    }

    fn serial(&mut self, bytes: &[u8]) {
        self.nr_serial_bytes += bytes.len();
        self.words.extend(bytes);
        let surplus = self.words.len().saturating_sub(4096);
        self.words.drain(..surplus);
        for item in self.lines.feed(bytes) {
            self.transcript.take(item);
        }
    }

    /// How it ended, once Bochs has.
    fn ending(&self, status: Option<String>) -> Ending {
        if self.transcript.is_complete() {
            return Ending::Reported;
        }
        let place = self.said.place().map(|(rip, bytes)| self.image.catalog.symbols().place(rip, &bytes));
        let place = place.unwrap_or_default();
        match self.said.cause() {
            Cause::TripleFault => Ending::Shutdown { place },
            Cause::Reset => Ending::Reset,
            Cause::Other if self.is_interrupted => Ending::Timeout { place },
            Cause::Other => {
                let status = status.unwrap_or_else(|| "it closed its outputs and lives on".to_owned());
                Ending::Died { text: format!("{status}: {}", self.last_words()) }
            }
        }
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
