//! A booted kernel with our agent on it.

use super::{console::Console, options::LinuxOptions};
use crate::{
    cancel::Cancel,
    chain::chain,
    inherited::path_of,
    moment::Moment,
    process::{Control, Output, Patience, Process},
    remote::{
        Answer, Greeting, Request,
        frame::{self, FrameDecoder},
    },
};
use std::{fs::File, io, process::Command, time::Duration};

/// How long QEMU may take to end when its outputs are closed.
const END_LIMIT: Duration = Duration::from_secs(2);
/// What is kept of QEMU's own words in bytes.
const MAX_STDERR_BYTES: usize = 4096;

/// What every machine has. The first serial port is the kernel's console, the second the line to the agent.
const MACHINE: &[&str] = &[
    "-machine",
    "q35",
    "-m",
    "1024",
    "-nodefaults",
    "-no-user-config",
    "-display",
    "none",
    "-no-reboot",
    "-serial",
    "stdio",
];
/// The kernel's command line. A panic ends the machine at once, and an error of the kernel is a panic. The clock is not
/// doubted: on a busy host a translator's processors look as if theirs did not tick evenly.
const KERNEL_WORDS: &str = "console=ttyS0 panic=-1 oops=panic loglevel=5 no_timer_check tsc=reliable rdinit=/init kvm_amd.nested=1 kvm_intel.nested=1";

/// Why a machine is of no use any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// QEMU ended or the kernel panicked, with the last words.
    Died(String),
    /// It said nothing in time, with the last words.
    Silent(String),
    /// The user ended the session.
    Cancelled,
    /// The harness, the agent or the line between them failed.
    Harness(String),
}

impl Loss {
    /// In words.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Died(text) => format!("it died: {text}"),
            Self::Silent(text) => format!("it says nothing in time; its console ends: {text}"),
            Self::Cancelled => "cancelled".to_owned(),
            Self::Harness(text) => text.clone(),
        }
    }
}

impl From<io::Error> for Loss {
    fn from(error: io::Error) -> Self {
        Self::Harness(chain(&error))
    }
}

/// What a machine is booted from: files without names, which vanish with their last user.
#[derive(Debug)]
pub(crate) struct BootFiles {
    pub(crate) kernel: File,
    pub(crate) initramfs: File,
}

/// QEMU's command line for such files; `line` is the second serial port.
pub(crate) fn command(options: &LinuxOptions, files: &BootFiles, line: &Control) -> Command {
    let mut command = Command::new(&options.qemu);
    let (accelerator, nr_processors) = match options.accelerator.as_str() {
        // One thread for all processors: with more, a kernel that changes its own code now and then never gets out of
        // the breakpoint that it sets for the while (seen with QEMU 7.2). One processor: with more, that thread is kicked ten
        // times a second to go on with the next of them, and each time may deliver an injected interrupt twice (`super::is_spoiled`).
        "tcg" => ("tcg,thread=single", 1),
        other => (other, 2),
    };
    command.args(MACHINE).args(["-accel", accelerator]);
    let default = if options.accelerator == "kvm" { "host" } else { "max" };
    command.arg("-cpu").arg(options.processor.as_deref().unwrap_or(default));
    command.arg("-smp").arg(options.nr_processors.unwrap_or(nr_processors).to_string());
    command.arg("-chardev").arg(format!("socket,id=line,fd={}", line.child_descriptor()));
    command.args(["-serial", "chardev:line"]);
    command.arg("-kernel").arg(path_of(&files.kernel)).arg("-initrd").arg(path_of(&files.initramfs));
    let paging = u8::from(options.has_nested_paging);
    let words = format!("{KERNEL_WORDS} kvm_amd.npt={paging} kvm_intel.ept={paging} {}", options.append);
    command.arg("-append").arg(words.trim());
    command
}

/// A machine that answers requests.
#[derive(Debug)]
pub(super) struct Machine {
    process: Process,
    console: Console,
    stderr: Vec<u8>,
    frames: FrameDecoder,
}

impl Machine {
    /// Boots a kernel; returns it with the agent's greeting.
    pub(super) fn boot(
        options: &LinuxOptions,
        files: &BootFiles,
        limit: Duration,
        cancel: &Cancel,
    ) -> Result<(Self, Greeting), Loss> {
        let line = Control::new()?;
        let mut command = command(options, files, &line);
        let process = Process::start_with_files(&mut command, Some(line), &[&files.kernel, &files.initramfs])?;
        let mut machine =
            Self { process, console: Console::default(), stderr: Vec::new(), frames: FrameDecoder::default() };
        match machine.hear(limit, cancel)? {
            Answer::Greeting(greeting) => Ok((machine, greeting)),
            Answer::Failed { text } => Err(Loss::Harness(text)),
            other => Err(Loss::Harness(format!("the agent begins with {other:?}"))),
        }
    }

    /// Asks for something and waits for the answer.
    pub(super) fn ask(&mut self, request: &Request, limit: Duration, cancel: &Cancel) -> Result<Answer, Loss> {
        let payload = serde_json::to_vec(request).map_err(|error| Loss::Harness(chain(&error)))?;
        let frame = frame::encode(&payload).map_err(|error| Loss::Harness(chain(&error)))?;
        self.console.clear();
        self.process.write_control(&frame);
        self.hear(limit, cancel)
    }

    fn hear(&mut self, limit: Duration, cancel: &Cancel) -> Result<Answer, Loss> {
        let patience = Patience::new(&self.process, limit);
        let mut buffer = vec![0; 16 << 10];
        loop {
            if let Some(payload) = self.frames.next_payload().map_err(|error| Loss::Harness(chain(&error)))? {
                return serde_json::from_slice(&payload)
                    .map_err(|error| Loss::Harness(format!("the agent's answer is not understood: {error}")));
            }
            if cancel.is_cancelled() {
                return Err(Loss::Cancelled);
            }
            if patience.is_over(&self.process) {
                return Err(Loss::Silent(self.console.last_words()));
            }
            match self.process.read(&mut buffer)? {
                Output::Stdout(length) => self.console.feed(buffer.get(..length).unwrap_or_default()),
                Output::Control(length) => self.frames.feed(buffer.get(..length).unwrap_or_default()),
                Output::Stderr(length) => {
                    let room = MAX_STDERR_BYTES - self.stderr.len();
                    self.stderr.extend(buffer.iter().take(length.min(room)));
                }
                Output::End => {
                    let status = self.process.wait(Moment::now() + END_LIMIT)?;
                    return Err(Loss::Died(self.epitaph(status.map(|status| status.to_string()))));
                }
                Output::Nothing => {}
            }
        }
    }

    /// QEMU's words if it has some, else the kernel's.
    fn epitaph(&self, status: Option<String>) -> String {
        let words = String::from_utf8_lossy(&self.stderr);
        match words.lines().find(|line| !line.contains("warning:")) {
            Some(line) => format!("QEMU: {}: {line}", status.unwrap_or_default()),
            None => match status {
                Some(status) => format!("{}; QEMU ended with {status}", self.console.last_words()),
                None => self.console.last_words(),
            },
        }
    }
}
