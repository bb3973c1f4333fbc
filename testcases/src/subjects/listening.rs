//! Listening to a VMM that is another program until its guest has said all or its time is over.

use crate::{
    cancel::Cancel,
    judge::{Ending, Run, Transcript},
    messages::{Received, line::LineDecoder},
    moment::Moment,
    process::{Output, Patience, Process},
};
use std::{
    io,
    path::Path,
    process::ExitStatus,
    time::{Duration, Instant},
};

/// How long a VMM may take to say where a guest stands, and to end after its outputs are closed.
pub(super) const ANSWER_LIMIT: Duration = Duration::from_secs(2);
/// How long a guest that has reported its verdict may take to end: whatever it still sends is not lost.
const END_LIMIT: Duration = Duration::from_secs(2);
/// What may be written in bytes: more than any transcript takes.
const MAX_BYTES: usize = 8 << 20;

/// What a guest has said so far.
#[derive(Default)]
pub(super) struct Heard {
    transcript: Transcript,
    /// When the verdict arrived.
    reported_at: Option<Instant>,
    lines: LineDecoder,
    nr_bytes: usize,
}

impl Heard {
    pub(super) fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    pub(super) fn is_complete(&self) -> bool {
        self.transcript.is_complete()
    }

    /// Counts bytes that are not the guest's, which a VMM without end may write as well.
    pub(super) fn count(&mut self, bytes: &[u8]) {
        self.nr_bytes += bytes.len();
    }

    /// What such bytes of the guest's say.
    pub(super) fn decode(&mut self, bytes: &[u8]) -> Vec<Received> {
        self.count(bytes);
        self.lines.feed(bytes)
    }

    pub(super) fn take(&mut self, received: Received) {
        self.transcript.take(received);
    }

    /// Takes all that such bytes of the guest's say.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        for received in self.decode(bytes) {
            self.take(received);
        }
    }

    /// Tells the transcript of a message that had begun when the output ended.
    fn finish(&mut self) {
        if let Err(fault) = self.lines.finish() {
            self.take(Err(fault));
        }
    }
}

/// A VMM that is another program, as it is listened to.
pub(super) trait Talk {
    /// What its guest has said.
    fn heard(&mut self) -> &mut Heard;

    /// Takes what came on an output; how the run ended, if that tells it.
    ///
    /// # Errors
    /// Those of talking to the program.
    fn take(&mut self, line: &mut Line<'_>, output: Output, bytes: &[u8]) -> io::Result<Option<Ending>>;

    /// The guest's time is over: how the run ended, or nothing if the program was asked something and has more time to answer.
    fn time_is_over(&mut self, line: &mut Line<'_>) -> Option<Ending>;

    /// How the run ended, now that the program has closed its outputs, and ended if there is a status.
    fn ended(&mut self, status: Option<ExitStatus>) -> Ending;
}

/// The program on the other side.
pub(super) struct Line<'a> {
    pub(super) process: &'a mut Process,
    patience: Patience,
}

impl Line<'_> {
    /// The program has been asked something: so long it has to answer.
    pub(super) fn wait_for_answer(&mut self) {
        self.patience = Patience::new(self.process, ANSWER_LIMIT);
    }

    /// What came on the standard output, read without waiting, up to the bytes that a talk may take.
    pub(super) fn drain(&mut self, heard: &mut Heard) -> io::Result<()> {
        let mut buffer = [0; 4096];
        while heard.nr_bytes <= MAX_BYTES
            && let Output::Stdout(length) = self.process.read_at_once(&mut buffer)?
        {
            heard.feed(buffer.get(..length).unwrap_or_default());
        }
        heard.finish();
        Ok(())
    }
}

/// Starts a program by `start` and listens to it: what its guest's run came to.
pub(super) fn run(
    program: &Path,
    mut talk: impl Talk,
    limit: Duration,
    cancel: &Cancel,
    start: impl FnOnce() -> io::Result<Process>,
) -> Run {
    let begin = Instant::now();
    let ending = start().and_then(|mut process| listen(&mut talk, &mut process, limit, cancel));
    let ending = ending
        .unwrap_or_else(|error| Ending::Harness { text: format!("failed to run {}: {error}", program.display()) });
    let heard = std::mem::take(talk.heard());
    let duration = heard.reported_at.unwrap_or_else(Instant::now) - begin;
    Run { transcript: heard.transcript, ending, duration }
}

fn listen(talk: &mut impl Talk, process: &mut Process, limit: Duration, cancel: &Cancel) -> io::Result<Ending> {
    let patience = Patience::new(process, limit);
    let mut line = Line { process, patience };
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let heard = talk.heard();
        if cancel.is_cancelled() {
            return Ok(Ending::Cancelled);
        }
        let is_over = line.patience.is_over(line.process);
        if heard.transcript.fault().is_some() || heard.reported_at.is_some() && is_over {
            return Ok(Ending::Reported);
        }
        if is_over && let Some(ending) = talk.time_is_over(&mut line) {
            return Ok(ending);
        }
        let output = line.process.read(&mut buffer)?;
        let bytes = match output {
            Output::Stdout(length) | Output::Stderr(length) | Output::Control(length) => {
                buffer.get(..length).unwrap_or_default()
            }
            Output::End => {
                talk.heard().finish();
                let status = line.process.wait(Moment::now() + ANSWER_LIMIT)?;
                return Ok(talk.ended(status));
            }
            Output::Nothing => continue,
        };
        if let Some(ending) = talk.take(&mut line, output, bytes)? {
            return Ok(ending);
        }
        let heard = talk.heard();
        if heard.is_complete() && heard.reported_at.is_none() {
            heard.reported_at = Some(Instant::now());
            line.patience = line.patience.or_sooner(line.process, END_LIMIT);
        }
        if heard.nr_bytes > MAX_BYTES {
            return Ok(Ending::Flood { text: format!("more than {MAX_BYTES} bytes on its outputs") });
        }
    }
}

/// What is told where a program that closed its outputs did not end in time.
pub(super) fn in_words(status: Option<ExitStatus>) -> String {
    status.map_or_else(|| "it closed its outputs and lives on".to_owned(), |status| status.to_string())
}
