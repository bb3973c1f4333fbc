//! Other people's payloads on our VMM, on the KVM of another kernel: Linux as a guest, and firmware.
//!
//! QEMU boots the kernel whose KVM is used, with the agent as its first process ([`host`]). That starts our VMM with the payload
//! and passes on what it says: a Linux with our first process ([`guest`]), or firmware as it is. Lines that prove it are
//! waited for, in their order and within a time limit.

mod files;
pub mod guest;
pub mod host;
mod lines;

pub use lines::Mark;

use crate::{
    cancel::Cancel,
    image::{self, BuildError, Standalone},
    kernel::{Kernel, KernelError, Purpose},
    process::{Control, Output, Patience, Process},
    subjects::{
        OptionError,
        linux::{self, BootFiles, Console, LinuxOptions},
        qemu,
    },
};
use files::Files;
use lines::{Lines, Marks};
use std::{
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Memory of the guest.
const GUEST_MEMORY: &str = "256M";
/// What a guest's kernel is told: its console, few words, and to end when it panics.
const GUEST_WORDS: &str = "console=ttyS0 loglevel=5 panic=-1";

/// Which file of a kernel the VMM gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The bzImage as it is.
    BzImage,
    /// The ELF file in it.
    Vmlinux,
}

/// What the VMM runs.
#[derive(Clone, Debug)]
pub enum Payload {
    /// A Linux with its root on a virtio disk, and with a virtio network.
    Linux {
        /// bzImage or Debian package, and where its modules are if not beside it.
        kernel: PathBuf,
        /// Folder or package of its modules, if not those beside it.
        modules: Option<PathBuf>,
        /// What the VMM gets of it.
        form: Form,
        /// Whether a processor comes and goes once it is in user space.
        hot_plug: bool,
    },
    /// Firmware with an empty disk.
    Firmware {
        /// Its file.
        path: PathBuf,
        /// Parts of lines on the serial port that it is done with, in their order.
        expected: Vec<String>,
    },
}

/// What is run, and where.
#[derive(Clone, Debug)]
pub struct Request {
    /// The kernel whose KVM is used, as behind `linux:` on the command line.
    pub host: String,
    /// What the VMM runs on it.
    pub payload: Payload,
    /// More arguments of `vmm run`.
    pub arguments: Vec<String>,
    /// How long all of it may take once QEMU is started.
    pub limit: Duration,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The VMM ended so.
    Ended(String),
    /// Everything was seen of what does not end by itself.
    Seen,
    /// The time was up.
    TimedOut,
    /// QEMU or the kernel under it died, with the last words.
    Died(String),
    /// The user ended it.
    Cancelled,
}

/// What became of it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What was expected, and when it came.
    pub marks: Vec<Mark>,
    /// How it ended.
    pub ending: Ending,
    /// How long it took from the start of QEMU.
    pub duration: Duration,
}

impl Outcome {
    /// Whether everything came, and nothing died.
    pub fn is_pass(&self) -> bool {
        let ended_well = match &self.ending {
            Ending::Seen => true,
            Ending::Ended(status) => status == SUCCESS,
            Ending::TimedOut | Ending::Died(_) | Ending::Cancelled => false,
        };
        ended_well && self.marks.iter().all(|mark| mark.seen.is_some())
    }

    /// For people: a line for each mark, then how it ended.
    pub fn tell(&self) -> String {
        let mut text = String::new();
        for mark in &self.marks {
            text += &match mark.seen {
                Some(at) => format!("{:>7.1} s  {}\n", at.as_secs_f64(), mark.text),
                None => format!("  missing  {}\n", mark.text),
            };
        }
        let ending = match &self.ending {
            Ending::Ended(status) => format!("the VMM ended with {status}"),
            Ending::Seen => "all of it was seen".to_owned(),
            Ending::TimedOut => "the time was up".to_owned(),
            Ending::Died(words) => format!("the machine under it died: {words}"),
            Ending::Cancelled => "it was interrupted".to_owned(),
        };
        text + &format!("{:>7.1} s  {ending}\n", self.duration.as_secs_f64())
    }
}

/// How the status of a process that succeeded is told.
const SUCCESS: &str = "exit status: 0";

/// Why a payload cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum PayloadError {
    /// The kernel is named in a way that says nothing.
    #[error(transparent)]
    Options(#[from] OptionError),
    /// QEMU cannot be used.
    #[error("`{}` cannot be used: `apt-get install qemu-system-x86`, or give its path with `qemu=PATH`", program.display())]
    Qemu {
        /// Its program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A kernel cannot be used.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// One of our programs cannot be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// A file cannot be read.
    #[error("failed to read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The disk cannot be made.
    #[error("failed to make a disk with `mke2fs`; is e2fsprogs installed?")]
    Disk(#[source] io::Error),
    /// Files for the boot cannot be written.
    #[error("failed to write the initramfs into the folder for temporary files; is there space?")]
    Files(#[source] io::Error),
    /// QEMU cannot be watched.
    #[error("failed to start QEMU or to read what it says")]
    Watch(#[source] io::Error),
}

/// Runs a payload; `tell` hears each line that the payload says, with the time since the start.
///
/// # Errors
/// [`PayloadError`]; what a payload does wrong is an [`Outcome`].
pub fn run(request: &Request, cancel: &Cancel, tell: &mut dyn FnMut(Duration, &str)) -> Result<Outcome, PayloadError> {
    let options = LinuxOptions::parse(&request.host)?;
    qemu::version(&options.qemu).map_err(|source| PayloadError::Qemu { program: options.qemu.clone(), source })?;
    let kernel = Kernel::open(&options.kernel, options.modules.as_deref())?;
    let mut archive = linux::with_modules(&kernel, options.has_nested_paging);
    archive.file("init", &built(Standalone::Agent)?);
    archive.file(linux::inside(host::VMM_PATH), &built(Standalone::Vmm)?);
    archive.folder("payload");
    let Files { marks, arguments } = match &request.payload {
        Payload::Linux { kernel, modules, form, hot_plug } => {
            let guest = Kernel::open_for(Purpose::Guest, kernel, modules.as_deref())?;
            files::of_linux(&guest, *form, *hot_plug, &built(Standalone::GuestInit)?, &mut archive)?
        }
        Payload::Firmware { path, expected } => files::of_firmware(path, expected, &mut archive)?,
    };
    let arguments: Vec<_> = arguments.iter().chain(&request.arguments).map(String::as_str).collect();
    archive.file(linux::inside(host::ARGUMENTS_PATH), arguments.join("\n").as_bytes());
    let unnamed = |bytes: &[u8]| crate::inherited::unnamed(bytes).map_err(PayloadError::Files);
    let files = BootFiles { kernel: unnamed(&kernel.bytes)?, initramfs: unnamed(&archive.finish())? };
    let ends_by_itself = matches!(request.payload, Payload::Linux { .. });
    let start = Instant::now();
    let mut watched = Watched { marks, lines: Lines::default(), status: None, start };
    let ending = watch(&options, &files, &mut watched, request.limit, ends_by_itself, cancel, tell)
        .map_err(PayloadError::Watch)?;
    Ok(Outcome { marks: watched.marks.0, ending, duration: start.elapsed() })
}

fn built(program: Standalone) -> Result<Vec<u8>, PayloadError> {
    read(&image::build_standalone(program)?)
}

fn read(path: &Path) -> Result<Vec<u8>, PayloadError> {
    std::fs::read(path).map_err(|source| PayloadError::Read { path: path.to_owned(), source })
}

/// What has come so far.
struct Watched {
    marks: Marks,
    lines: Lines,
    status: Option<String>,
    start: Instant,
}

impl Watched {
    fn feed(&mut self, bytes: &[u8], tell: &mut dyn FnMut(Duration, &str)) {
        for line in self.lines.feed(bytes) {
            let at = self.start.elapsed();
            tell(at, &line);
            match line.strip_prefix(host::STATUS) {
                Some(status) => self.status = Some(status.to_owned()),
                None => self.marks.look(&line, at),
            }
        }
        // A prompt stands in a line that does not end.
        let open = self.lines.open();
        self.marks.look(&open, self.start.elapsed());
    }
}

fn watch(
    options: &LinuxOptions,
    files: &BootFiles,
    watched: &mut Watched,
    limit: Duration,
    ends_by_itself: bool,
    cancel: &Cancel,
    tell: &mut dyn FnMut(Duration, &str),
) -> io::Result<Ending> {
    let line = Control::new()?;
    let mut command = linux::command(options, files, &line);
    let mut process = Process::start_with_files(&mut command, Some(line), &[&files.kernel, &files.initramfs])?;
    let patience = Patience::new(&process, limit);
    let (mut console, mut buffer) = (Console::default(), vec![0; 16 << 10]);
    loop {
        if let Some(status) = watched.status.take() {
            return Ok(Ending::Ended(status));
        }
        if !ends_by_itself && watched.marks.are_all_seen() {
            return Ok(Ending::Seen);
        }
        if cancel.is_cancelled() {
            return Ok(Ending::Cancelled);
        }
        if patience.is_over(&process) {
            return Ok(Ending::TimedOut);
        }
        match process.read(&mut buffer)? {
            Output::Control(length) => watched.feed(buffer.get(..length).unwrap_or_default(), tell),
            // QEMU's own words are as telling as the kernel's.
            Output::Stdout(length) | Output::Stderr(length) => {
                console.feed(buffer.get(..length).unwrap_or_default());
            }
            Output::End => return Ok(Ending::Died(console.last_words())),
            Output::Nothing => {}
        }
    }
}

#[cfg(test)]
mod tests;
