//! Bochs, with models of processors of Intel's and of AMD's, without a display and without a BIOS.
//!
//! A ROM of our own takes the processor from reset to the image's PVH entry. The guest talks on COM1, which
//! is Bochs' standard error; the debugger of Bochs tells on the standard output where a guest stood when it stopped or was
//! stopped. No file has a name: Bochs opens descriptors that it inherits.

mod options;
mod stopped;
mod talk;
mod video;

use super::{
    Image, Program, Subject, SubjectError,
    asked::{self, Said},
    command_line, listening,
    loader::{self, rom},
};
use crate::{
    cancel::Cancel,
    catalog::InterruptSetup,
    inherited::{path_of, unnamed},
    judge::Run,
    process::Process,
};
use case::Needs;
use options::Machine;
use std::{
    fs::File,
    io,
    os::fd::AsRawFd as _,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};
use talk::Talk;

/// What the board offers. There is no firmware, so that nobody makes tables for ACPI. Bochs has system-management mode, with a
/// handler whose CS it takes for flat.
pub(super) const BOARD: Needs = super::PC.union(Needs::SMI);
/// The program's usual name.
const PROGRAM: &str = "bochs";
/// What to type where it is missing.
const REMEDY: &str = "`apt-get install bochs bochs-term`, or give its path to a command that takes `--subject ID=PATH`";
/// What is kept of its answer in bytes.
const MAX_ANSWER_BYTES: usize = 16 << 10;
/// Time limit of a case, by the clock: it interprets, beside whatever else the host does. The longest case takes 8 seconds where
/// each processor of the host has four others to run.
const LIMIT: Duration = Duration::from_secs(60);
/// The model with all of VMX that Bochs knows.
const INTEL: &str = "tigerlake";
/// The model with all of SVM that Bochs knows.
const AMD: &str = "ryzen";
/// What the loader does here.
const LOADER: rom::Machine = rom::Machine {
    // The power-management function of the PIIX4: its port base at 608H less 8, and the bit that switches it on (82371AB
    // "PMBA—Power Management Base Address", "PMREGMISC—Miscellaneous Power Management").
    power_management: &[(0x8000_0b40, 0x601), (0x8000_0b80, 1)],
    // Bochs 2.7 reads a file into its own memory as if blocks stood one behind the other, and gives each block its place
    // when it is first touched. Touched in their order, they stand where the file was read to.
    is_touched_first: true,
    end: Some((0x8900, b"Shutdown")),
};
/// The display draws on the standard output, which is no terminal: it needs to be told of one.
const TERMINAL: (&str, &str) = ("TERM", "vt100");

#[derive(Debug)]
struct Bochs {
    id: &'static str,
    program: PathBuf,
    version: String,
    model: &'static str,
    image: Arc<Image>,
    files: loader::Files,
    video: File,
    script: File,
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
        let file = |bytes: &[u8]| unnamed(bytes).map_err(|source| SubjectError::Copy { id, source });
        Ok(Self {
            id,
            program,
            version,
            model,
            image: image.clone(),
            files: loader::files(id, LOADER, image)?,
            video: file(&video::video())?,
            script: file(options::SCRIPT.as_bytes())?,
        })
    }

    fn start(&self, program: Program<'_>) -> io::Result<Process> {
        let khz = options::INSTRUCTIONS_PER_SECOND / 1000;
        let line = format!("vp.tsc_khz={khz} {}", command_line(program));
        let start_info = loader::start_info(&line)?;
        let machine = Machine {
            model: self.model,
            nr_vcpus: program.nr_vcpus(),
            rom: self.files.rom.as_raw_fd(),
            video: self.video.as_raw_fd(),
            start_info: start_info.as_raw_fd(),
            image: self.files.memory.as_raw_fd(),
        };
        let options = unnamed(options::file(machine).as_bytes())?;
        let mut command = Command::new(&self.program);
        command.args(["-q", "-f", &path_of(&options)]);
        command.args(["-rc", &path_of(&self.script)]);
        command.env(TERMINAL.0, TERMINAL.1);
        let files = [&self.files.rom, &self.video, &self.files.memory, &self.script, &start_info, &options];
        Process::start_with_files(&mut command, None, &files)
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
        listening::run(&self.program, Talk::new(&self.image), limit, cancel, || self.start(program))
    }
}

/// The version, of a program that knows the CPU model.
fn version(program: &Path, model: &str) -> io::Result<String> {
    let Said { text, status } = asked::ask(Command::new(program).args(["--help", "cpu"]), MAX_ANSWER_BYTES)?;
    let mut lines = text.lines().map(str::trim);
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
