//! The conversation with a QEMU: what its guest says on COM1, and what QEMU says of it.

use super::{
    MAX_STDERR_BYTES,
    qmp::{self, Monitor, Said},
};
use crate::{
    judge::Ending,
    process::Output,
    subjects::{
        Image,
        listening::{self, Heard, Line},
    },
};
use std::{io, process::ExitStatus};

/// The wide ports of the debug exit make QEMU's exit status 2 × value + 1.
const DEBUG_EXIT_STATUS: i32 = 1;

/// The conversation with one QEMU.
pub(super) struct Talk<'a> {
    image: &'a Image,
    heard: Heard,
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
            heard: Heard::default(),
            monitor: Monitor::default(),
            stderr: Vec::new(),
            asked: None,
            status: String::new(),
            cause: None,
        }
    }

    fn ask(&mut self, line: &mut Line<'_>, why: Stop) {
        self.asked = Some(why);
        line.wait_for_answer();
        line.process.write_control(qmp::WHERE);
    }

    /// Takes one thing that QEMU says on its control socket.
    fn told(&mut self, line: &mut Line<'_>, said: Said) -> io::Result<Option<Ending>> {
        match said {
            Said::Shutdown(reason) => {
                self.cause.get_or_insert(reason);
                Ok(self.stopped(line))
            }
            Said::Stopped => Ok(self.stopped(line)),
            Said::Status(status) => {
                self.status = status;
                Ok(None)
            }
            Said::Code(code) => {
                let place = code.map(|(rip, bytes)| self.image.catalog.symbols().place(rip, &bytes));
                // Whatever the guest wrote before it stopped came before QEMU's answer.
                line.drain(&mut self.heard)?;
                let stop = self.asked.unwrap_or(Stop::Timeout);
                Ok(Some(self.ending(stop, place.unwrap_or_default())))
            }
        }
    }

    fn stopped(&mut self, line: &mut Line<'_>) -> Option<Ending> {
        if self.heard.is_complete() {
            return Some(Ending::Reported);
        }
        if self.asked.is_none() {
            self.ask(line, Stop::ByItself);
        }
        None
    }

    fn ending(&self, stop: Stop, place: String) -> Ending {
        match stop {
            _ if self.heard.is_complete() => Ending::Reported,
            Stop::Timeout => Ending::Timeout { place },
            Stop::ByItself if self.status == "shutdown" && self.cause.as_deref() == Some(qmp::GUEST_RESET) => {
                Ending::Shutdown { place }
            }
            Stop::ByItself => {
                let cause = self.cause.as_ref().map(|cause| format!(" for {cause}")).unwrap_or_default();
                let text = self.last_words(&format!("QEMU's state is {}{cause}", self.status));
                Ending::InternalError { text, place }
            }
        }
    }

    /// The first line of QEMU's own words behind its status.
    fn last_words(&self, status: &str) -> String {
        let words = String::from_utf8_lossy(&self.stderr);
        format!("{status}: {}", words.lines().next().unwrap_or("it said nothing"))
    }
}

impl listening::Talk for Talk<'_> {
    fn heard(&mut self) -> &mut Heard {
        &mut self.heard
    }

    fn take(&mut self, line: &mut Line<'_>, output: Output, bytes: &[u8]) -> io::Result<Option<Ending>> {
        match output {
            Output::Stdout(_) => self.heard.feed(bytes),
            Output::Control(_) => {
                for said in self.monitor.feed(bytes) {
                    if let Some(ending) = self.told(line, said)? {
                        return Ok(Some(ending));
                    }
                }
            }
            _ => {
                let room = MAX_STDERR_BYTES - self.stderr.len();
                self.stderr.extend(bytes.iter().take(room));
            }
        }
        Ok(None)
    }

    fn time_is_over(&mut self, line: &mut Line<'_>) -> Option<Ending> {
        match self.asked {
            // It does not even answer.
            Some(stop) => Some(self.ending(stop, String::new())),
            None => {
                self.ask(line, Stop::Timeout);
                None
            }
        }
    }

    fn ended(&mut self, status: Option<ExitStatus>) -> Ending {
        if self.heard.is_complete() {
            return Ending::Reported;
        }
        match status.and_then(|status| status.code()) {
            Some(DEBUG_EXIT_STATUS) if self.stderr.is_empty() => Ending::DebugExit { value: 0 },
            Some(0) if self.stderr.is_empty() => Ending::Reset,
            _ => Ending::Died { text: self.last_words(&listening::in_words(status)) },
        }
    }
}
