//! The conversation with a QEMU: what its guest says on COM1, and what QEMU says of it.

use super::{
    MAX_STDERR_BYTES,
    qmp::{self, Monitor, Said},
};
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

/// How long QEMU may take to answer on its control socket, and to end after its outputs are closed.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
/// How long a guest that has reported its verdict may take to end: whatever it still sends is not lost.
const END_LIMIT: Duration = Duration::from_secs(2);
/// How often the wish to cancel is looked at while nothing comes.
const SLICE: Duration = Duration::from_millis(50);
/// What a guest may write on COM1 in bytes: more than any transcript takes.
const MAX_SERIAL_BYTES: usize = 8 << 20;
/// The wide ports of the debug exit make QEMU's exit status 2 × value + 1.
const DEBUG_EXIT_STATUS: i32 = 1;

/// The conversation with one QEMU.
pub(super) struct Talk<'a> {
    image: &'a Image,
    transcript: Transcript,
    /// When the verdict arrived.
    reported_at: Option<Instant>,
    lines: LineDecoder,
    nr_serial_bytes: usize,
    monitor: Monitor,
    stderr: Vec<u8>,
    /// Set once QEMU was asked where the guest stands, to why it was asked.
    asked: Option<Stop>,
    /// QEMU's run state when it was asked.
    status: String,
    /// Why QEMU shut the machine down.
    cause: Option<String>,
}

/// Why QEMU was asked where the guest stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// QEMU says that the guest stopped.
    ByItself,
    /// Its time is over.
    Timeout,
}

impl<'a> Talk<'a> {
    pub(super) fn new(image: &'a Image) -> Self {
        Self {
            image,
            transcript: Transcript::default(),
            reported_at: None,
            lines: LineDecoder::default(),
            nr_serial_bytes: 0,
            monitor: Monitor::default(),
            stderr: Vec::new(),
            asked: None,
            status: String::new(),
            cause: None,
        }
    }

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
                if let Some(stop) = self.asked {
                    // It does not even answer.
                    return Ok(self.ending(stop, String::new()));
                }
                self.ask(process, Stop::Timeout, &mut deadline);
            }
            match process.read(&mut buffer, deadline, SLICE)? {
                Output::Stdout(length) => {
                    self.serial(buffer.get(..length).unwrap_or_default());
                    if self.transcript.is_complete() && self.reported_at.is_none() {
                        self.reported_at = Some(Instant::now());
                        deadline = deadline.min(Moment::now() + END_LIMIT);
                    }
                    if self.nr_serial_bytes > MAX_SERIAL_BYTES {
                        return Ok(Ending::Flood { text: format!("more than {MAX_SERIAL_BYTES} bytes on COM1") });
                    }
                }
                Output::Stderr(length) => {
                    let room = MAX_STDERR_BYTES - self.stderr.len();
                    self.stderr.extend(buffer.iter().take(length.min(room)));
                }
                Output::Control(length) => {
                    for mut said in self.monitor.feed(buffer.get(..length).unwrap_or_default()) {
                        if let Said::Shutdown(reason) = said {
                            self.cause.get_or_insert(reason);
                            said = Said::Stopped;
                        }
                        match said {
                            Said::Stopped if self.reported_at.is_some() => return Ok(Ending::Reported),
                            Said::Stopped if self.asked.is_none() => self.ask(process, Stop::ByItself, &mut deadline),
                            Said::Stopped | Said::Shutdown(_) => {}
                            Said::Status(status) => self.status = status,
                            Said::Code(code) => {
                                let place = code.map(|(rip, bytes)| self.image.catalog.symbols().place(rip, &bytes));
                                // Whatever the guest wrote before it stopped came before QEMU's answer.
                                self.drain(process, &mut buffer)?;
                                self.finish();
                                let stop = self.asked.unwrap_or(Stop::Timeout);
                                return Ok(self.ending(stop, place.unwrap_or_default()));
                            }
                        }
                    }
                }
                Output::End => {
                    self.finish();
                    let status = process.wait(Moment::now() + ANSWER_LIMIT)?;
                    if self.transcript.is_complete() {
                        return Ok(Ending::Reported);
                    }
                    return Ok(match status.and_then(|status| status.code()) {
                        Some(DEBUG_EXIT_STATUS) if self.stderr.is_empty() => Ending::DebugExit { value: 0 },
                        Some(0) if self.stderr.is_empty() => Ending::Reset,
                        _ => Ending::Died { text: self.last_words(status.map(|status| status.to_string())) },
                    });
                }
                Output::Nothing => {}
            }
        }
    }

    /// What the run came to, which began then.
    pub(super) fn into_run(self, ending: Ending, start: Instant) -> Run {
        let duration = self.reported_at.unwrap_or_else(Instant::now) - start;
        Run { transcript: self.transcript, ending, duration }
    }

    fn serial(&mut self, bytes: &[u8]) {
        self.nr_serial_bytes += bytes.len();
        for item in self.lines.feed(bytes) {
            self.transcript.take(item);
        }
    }

    /// Tells the transcript of a message that had begun when the output ended.
    fn finish(&mut self) {
        if let Err(fault) = self.lines.finish() {
            self.transcript.take(Err(fault));
        }
    }

    /// Reads what is there without waiting.
    fn drain(&mut self, process: &mut Process, buffer: &mut [u8]) -> io::Result<()> {
        while self.nr_serial_bytes <= MAX_SERIAL_BYTES
            && let Output::Stdout(length) = process.read(buffer, Moment::now(), Duration::ZERO)?
        {
            self.serial(buffer.get(..length).unwrap_or_default());
        }
        Ok(())
    }

    fn ask(&mut self, process: &mut Process, why: Stop, deadline: &mut Moment) {
        self.asked = Some(why);
        *deadline = Moment::now() + ANSWER_LIMIT;
        process.write_control(qmp::WHERE);
    }

    fn ending(&self, stop: Stop, place: String) -> Ending {
        match stop {
            _ if self.transcript.is_complete() => Ending::Reported,
            Stop::Timeout => Ending::Timeout { place },
            Stop::ByItself if self.status == "shutdown" && self.cause.as_deref() == Some(qmp::GUEST_RESET) => {
                Ending::Shutdown { place }
            }
            Stop::ByItself => {
                let cause = self.cause.as_ref().map(|cause| format!(" for {cause}")).unwrap_or_default();
                let text = self.last_words(Some(format!("QEMU's state is {}{cause}", self.status)));
                Ending::InternalError { text, place }
            }
        }
    }

    /// The first line of QEMU's own words behind its status.
    fn last_words(&self, status: Option<String>) -> String {
        let words = String::from_utf8_lossy(&self.stderr);
        let line = words.lines().next().unwrap_or("it said nothing");
        format!("{}: {line}", status.unwrap_or_else(|| "it closed its outputs and lives on".to_owned()))
    }
}
