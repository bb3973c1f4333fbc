//! VMMs that are known by their command line alone: Firecracker, Cloud Hypervisor, crosvm.
//!
//! They have no way to ask where a guest stands, and their exit statuses mean nothing: a guest that ends, however it does,
//! may end the VMM, start again for ever or hang. The verdict is what stands on COM1, which is the VMM's standard output among
//! its own words; after it the VMM is killed, and everything has a time limit.

mod talk;

use super::{
    Image, Program, Subject, SubjectError,
    asked::{self, Said},
    command_line, listening,
};
use crate::{cancel::Cancel, catalog::InterruptSetup, host, inherited::unnamed, judge::Run, process::Process};
use case::Needs;
use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};
use talk::Talk;

/// Time limit of a case by the clock: each byte on COM1 is an exit to the VMM.
const LIMIT: Duration = Duration::from_secs(30);
/// What is kept of an answer, and of a VMM's last words, in bytes.
const MAX_WORDS_BYTES: usize = 4096;
/// Guest memory in MiB: what the other subjects have.
pub(super) const MEMORY_MIB: u32 = 128;

/// How a VMM is asked and started.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recipe {
    /// The program's usual name.
    pub(super) program: &'static str,
    /// What to do where it is missing.
    pub(super) remedy: &'static str,
    /// The arguments that make it say its version.
    pub(super) ask: &'static [&'static str],
    /// What stands in its answer, in lower case.
    pub(super) word: &'static str,
    /// What the board offers.
    pub(super) board: Needs,
    /// The interrupt set-ups that a program can be run in.
    pub(super) set_ups: &'static [InterruptSetup],
    /// The arguments, and the files that they name.
    pub(super) arguments: fn(&Guest<'_>) -> io::Result<Arguments>,
}

/// What a VMM is to start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guest<'a> {
    /// Path of the image, which the child can open.
    pub(super) image: &'a str,
    /// Its command line.
    pub(super) line: &'a str,
    /// Its virtual processors.
    pub(super) nr_vcpus: u32,
}

/// The command line of a VMM.
#[derive(Debug)]
pub(super) struct Arguments {
    /// Behind the program.
    pub(super) words: Vec<String>,
    /// Files without names that the words name, besides the image.
    pub(super) files: Vec<File>,
}

#[derive(Debug)]
struct Plain {
    id: &'static str,
    program: PathBuf,
    version: String,
    recipe: &'static Recipe,
    /// The bytes of the image under no name: the image's own file may be built again while cases run.
    copy: File,
}

/// Opens a VMM.
///
/// # Errors
/// [`SubjectError`]: it is missing, may not be executed, is another program, or there is no KVM for it.
pub(super) fn open(
    id: &'static str,
    path: Option<&Path>,
    image: &Arc<Image>,
    recipe: &'static Recipe,
) -> Result<Box<dyn Subject>, SubjectError> {
    let program = path.unwrap_or(Path::new(recipe.program)).to_owned();
    let version = version(id, &program, recipe)?;
    // Each VMM has other words for a KVM that cannot be used; ours name the remedy.
    vmm::Hypervisor::open().map_err(|source| SubjectError::Kvm { id, source })?;
    let copy = unnamed(image.catalog.bytes()).map_err(|source| SubjectError::Copy { id, source })?;
    Ok(Box::new(Plain { id, program, version: format!("{version}, {}", host::kvm_version()), recipe, copy }))
}

/// The line in which the program says its name.
fn version(id: &'static str, program: &Path, recipe: &Recipe) -> Result<String, SubjectError> {
    let unfit = |said: String| SubjectError::Unfit { program: program.display().to_string(), said };
    let question = recipe.ask.join(" ");
    let Said { text, status } = match asked::ask(Command::new(program).args(recipe.ask), MAX_WORDS_BYTES) {
        Ok(said) => said,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let program = program.display().to_string();
            return Err(SubjectError::Missing { id, program, remedy: recipe.remedy });
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let remedy = "it may not be executed; is it the program itself, and does it need `chmod +x`?";
            return Err(unfit(format!("{remedy} ({error})")));
        }
        Err(error) => return Err(unfit(format!("it cannot be started: {error}"))),
    };
    let line = text.lines().map(str::trim).find(|line| line.to_lowercase().contains(recipe.word));
    let first = text.lines().next().map(str::trim).filter(|line| !line.is_empty()).unwrap_or("it said nothing");
    line.map(str::to_owned).ok_or_else(|| {
        unfit(format!("it does not call itself `{}` when asked `{question}`: {status}: {first}", recipe.word))
    })
}

impl Plain {
    fn start(&self, program: Program<'_>) -> io::Result<Process> {
        let image = crate::inherited::path_of(&self.copy);
        let line = command_line(program);
        let guest = Guest { image: &image, line: &line, nr_vcpus: program.nr_vcpus() };
        let Arguments { words, files } = (self.recipe.arguments)(&guest)?;
        let inherited: Vec<&File> = files.iter().chain([&self.copy]).collect();
        Process::start_with_files(Command::new(&self.program).args(words), None, &inherited)
    }
}

impl Subject for Plain {
    fn id(&self) -> &str {
        self.id
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn board(&self) -> Needs {
        self.recipe.board
    }

    fn set_ups(&self) -> &'static [InterruptSetup] {
        self.recipe.set_ups
    }

    fn time_limit(&self) -> Duration {
        LIMIT
    }

    fn run(&self, program: Program<'_>, limit: Duration, cancel: &Cancel) -> Run {
        listening::run(&self.program, Talk::default(), limit, cancel, || self.start(program))
    }
}
