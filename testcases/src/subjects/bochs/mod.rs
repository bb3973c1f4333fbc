//! Bochs, with models of processors of Intel's and of AMD's, without a display and without a BIOS.
//!
//! A ROM of our own takes the processor from reset to the image's PVH entry, see [`rom`]. The guest talks on COM1, which
//! is Bochs' standard error; the debugger of Bochs tells on the standard output where a guest stood when it stopped or was
//! stopped. No file has a name: Bochs opens descriptors that it inherits.

mod layout;
mod memory;
mod options;
mod rom;
mod start_info;
mod stopped;
mod talk;

use super::{Image, Program, Subject, SubjectError, command_line};
use crate::{
    cancel::Cancel,
    catalog::InterruptSetup,
    chain::chain,
    judge::{Ending, Run},
    process::{Output, Process},
};
use case::Needs;
use options::Machine;
use std::{
    fs::File,
    io::{self, Write as _},
    os::fd::AsRawFd as _,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};
use talk::Talk;

/// What the board offers. There is no firmware, so that nobody makes tables for ACPI.
pub(super) const BOARD: Needs = super::PC;
/// The program's usual name.
const PROGRAM: &str = "bochs";
/// What to type where it is missing.
const REMEDY: &str = "`apt-get install bochs bochs-term`, or give its path with `--subject ID=PATH`";
/// How long Bochs may take to tell its version.
const VERSION_LIMIT: Duration = Duration::from_secs(20);
/// What is kept of its answer in bytes.
const MAX_ANSWER_BYTES: usize = 16 << 10;
/// Time limit of a case, by the clock: it interprets, beside whatever else the host does.
const LIMIT: Duration = Duration::from_secs(30);
/// The model with all of VMX that Bochs knows.
const INTEL: &str = "tigerlake";
/// The model with all of SVM that Bochs knows.
const AMD: &str = "ryzen";
/// The display draws on the standard output, which is no terminal: it needs to be told of one.
const TERMINAL: (&str, &str) = ("TERM", "vt100");

#[derive(Debug)]
struct Bochs {
    id: &'static str,
    program: PathBuf,
    version: String,
    model: &'static str,
    image: Arc<Image>,
    rom: File,
    video: File,
    memory: File,
    script: File,
}

/// Why a machine cannot be made of the image.
#[derive(Debug, thiserror::Error)]
enum PrepareError {
    #[error(transparent)]
    Layout(#[from] memory::LayoutError),
    #[error("the loader cannot be assembled")]
    Assemble { source: iced_x86::IcedError },
}

pub(super) fn open_intel(
    id: &'static str,
    path: Option<&Path>,
    image: &Arc<Image>,
) -> Result<Box<dyn Subject>, SubjectError> {
    Ok(Box::new(Bochs::open(id, path, INTEL, image)?))
}

pub(super) fn open_amd(
    id: &'static str,
    path: Option<&Path>,
    image: &Arc<Image>,
) -> Result<Box<dyn Subject>, SubjectError> {
    Ok(Box::new(Bochs::open(id, path, AMD, image)?))
}

impl Bochs {
    fn open(
        id: &'static str,
        path: Option<&Path>,
        model: &'static str,
        image: &Arc<Image>,
    ) -> Result<Self, SubjectError> {
        let program = path.unwrap_or(Path::new(PROGRAM)).to_owned();
        let version = version(&program, model).map_err(|error| {
            let program = program.display().to_string();
            match error.kind() {
                io::ErrorKind::NotFound => SubjectError::Missing { id, program, remedy: REMEDY },
                _ => SubjectError::Unfit { program, said: error.to_string() },
            }
        })?;
        // It tells what is wrong with an image.
        let loaded = vmm::Image::from_bytes(image.catalog.bytes(), layout::MEMORY_SIZE_BYTES)
            .map_err(|source| SubjectError::Image { id, source })?;
        let entry = loaded.pvh_entry().map_err(|source| SubjectError::Image { id, source })?;
        let unloadable = |error: PrepareError| SubjectError::Unloadable { id, reason: chain(&error) };
        let (memory, end) = memory::lay_out(image.catalog.bytes()).map_err(|error| unloadable(error.into()))?;
        let rom = rom::build(entry, end).map_err(|source| unloadable(PrepareError::Assemble { source }))?;
        let file = |bytes: &[u8]| unnamed(bytes).map_err(|source| SubjectError::Copy { id, source });
        Ok(Self {
            id,
            program,
            version,
            model,
            image: image.clone(),
            rom: file(&rom)?,
            video: file(&rom::video())?,
            memory: file(&memory)?,
            script: file(options::SCRIPT.as_bytes())?,
        })
    }

    fn converse(
        &self,
        program: Program<'_>,
        deadline: Instant,
        cancel: &Cancel,
        talk: &mut Talk<'_>,
    ) -> io::Result<Ending> {
        let khz = options::INSTRUCTIONS_PER_SECOND / 1000;
        let line = format!("vp.tsc_khz={khz} {}", command_line(program));
        let start_info = unnamed(&start_info::page(&line).map_err(io::Error::other)?)?;
        let machine = Machine {
            model: self.model,
            nr_vcpus: program.nr_vcpus(),
            rom: self.rom.as_raw_fd(),
            video: self.video.as_raw_fd(),
            start_info: start_info.as_raw_fd(),
            image: self.memory.as_raw_fd(),
        };
        let options = unnamed(options::file(machine).as_bytes())?;
        let mut command = Command::new(&self.program);
        command.args(["-q", "-f", &options::path(options.as_raw_fd())]);
        command.args(["-rc", &options::path(self.script.as_raw_fd())]);
        command.env(TERMINAL.0, TERMINAL.1);
        let files = [&self.rom, &self.video, &self.memory, &self.script, &start_info, &options];
        let mut process = Process::start_with_files(&mut command, None, &files)?;
        talk.run(&mut process, deadline, cancel)
    }
}

impl Subject for Bochs {
    fn id(&self) -> &str {
        self.id
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn board(&self) -> Needs {
        BOARD
    }

    fn set_ups(&self) -> &'static [InterruptSetup] {
        &[InterruptSetup::User]
    }

    fn time_limit(&self) -> Duration {
        LIMIT
    }

    fn run(&self, program: Program<'_>, limit: Duration, cancel: &Cancel) -> Run {
        let start = Instant::now();
        let mut talk = Talk::new(&self.image);
        let ending = self.converse(program, start + limit, cancel, &mut talk).unwrap_or_else(|error| Ending::Harness {
            text: format!("failed to run {}: {error}", self.program.display()),
        });
        talk.into_run(ending, start)
    }
}

/// Bytes in a file that vanishes with its last user.
fn unnamed(bytes: &[u8]) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    file.write_all(bytes)?;
    Ok(file)
}

/// The version, of a program that knows the CPU model.
fn version(program: &Path, model: &str) -> io::Result<String> {
    let mut process = Process::start(Command::new(program).args(["--help", "cpu"]), None)?;
    let deadline = Instant::now() + VERSION_LIMIT;
    let (mut text, mut buffer) = (Vec::new(), [0; 1024]);
    while Instant::now() < deadline && text.len() < MAX_ANSWER_BYTES {
        match process.read(&mut buffer, deadline, VERSION_LIMIT)? {
            Output::Stdout(length) | Output::Stderr(length) => text.extend(buffer.iter().take(length)),
            Output::End => break,
            Output::Control(_) | Output::Nothing => {}
        }
    }
    let text = String::from_utf8_lossy(&text);
    let mut lines = text.lines().map(str::trim);
    let status = match process.wait(deadline)? {
        Some(status) => status.to_string(),
        None => format!("no end after {} s", VERSION_LIMIT.as_secs()),
    };
    let version = lines.clone().find(|line| line.starts_with("Bochs x86 Emulator"));
    let Some(version) = version else {
        let line = lines.next().unwrap_or("it said nothing");
        return Err(io::Error::other(format!("it does not say its version to `--help cpu`: {status}: {line}")));
    };
    if !lines.any(|line| line == model) {
        return Err(io::Error::other(format!("{version} has no CPU model `{model}`")));
    }
    Ok(format!("{version}, {model}"))
}
