//! Our VMM on the KVM of another kernel, which is booted in QEMU: emulated, or on KVM where the host nests.
//!
//! The initramfs holds our agent as the first process, KVM's modules and the guest image. One boot serves all cases, one
//! after the other; as many machines are booted as cases are run side by side. A kernel that dies or hangs in a case is that
//! case's crash or hang, and another is booted for the rest.

mod console;
mod files;
mod machine;
mod options;

pub(crate) use console::Console;
pub(crate) use files::{inside, with_modules};
pub(crate) use machine::{BootFiles, command};
pub(crate) use options::LinuxOptions;
pub use options::OptionError;

use super::{Image, Program, Subject, SubjectError, VirtioDevices, kvm, qemu};
use crate::{
    cancel::Cancel,
    catalog::{Case, InterruptSetup},
    image as builder,
    judge::{self, Ending, Run, Transcript},
    kernel::Kernel,
    remote::{Answer, Request, WAIT_FACTOR},
};
use case::{Needs, message::Kind};
use files::boot_files;
use machine::{Loss, Machine};
use std::{
    io,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

/// What the board offers: that of our VMM. Single instructions are compared with those of a processor, and there is none.
pub(super) const BOARD: Needs = kvm::BOARD.difference(Needs::SINGLE_INSTRUCTIONS);
/// The program's usual name.
const PROGRAM: &str = "qemu-system-x86_64";
/// What to type where it is missing.
const REMEDY: &str = "`apt-get install qemu-system-x86`, or give its path with `qemu=PATH` behind the kernel";
/// Whose failures are known under another name: shadow paging.
const SHADOW_ID: &str = "linux-npt0";
/// How long a kernel may take to come up.
const BOOT_LIMIT: Duration = Duration::from_secs(240);
/// Time limit of a case.
const LIMIT: Duration = Duration::from_secs(10);
/// The most of a case's limit that counts: cases of several processors are given many times more than they take, and a kernel
/// that hangs in some of them must not take longer than all the others.
const MAX_LIMIT: Duration = Duration::from_secs(20);
/// How long the agent may take besides what the guest takes, or for a case of the host.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);
/// So many machines may be lost before the kernel is taken to be of no use.
const MAX_LOST: usize = 64;

/// How often a run may be spoiled by what KVM runs on, and be made again.
const MAX_SPOILED: usize = 3;

/// Whether QEMU's translator has spoiled a run: an interrupt that KVM injects once is delivered twice.
///
/// QEMU 7.2's VMRUN (`target/i386/tcg/sysemu/svm_helper.c`, `helper_vmrun`) delivers an injected interrupt and leaves its exception
/// index set. If the thread of the processor is told to leave its loop before anything else sets the index, it delivers what that
/// says, IF or not. KVM's trace has one injection for both. That is not the kernel's doing, and came to a few runs in a thousand
/// while the machine had two processors, one of whose thread's reasons to leave the loop is to go on with the next of them; a
/// kernel that did so by itself would do so each time.
fn is_spoiled(run: &Run) -> bool {
    run.transcript.last().is_some_and(|last| last.kind == Kind::Redelivered)
}

/// The subject.
#[derive(Debug)]
struct Linux {
    id: &'static str,
    version: String,
    options: LinuxOptions,
    files: BootFiles,
    pool: Mutex<Pool>,
    nr_spoiled: AtomicUsize,
}

impl Drop for Linux {
    fn drop(&mut self) {
        let nr_spoiled = self.nr_spoiled.load(Ordering::Relaxed);
        if nr_spoiled != 0 {
            eprintln!(
                "{}: {nr_spoiled} runs were made again: QEMU's translator delivered an injected interrupt twice",
                self.id
            );
        }
    }
}

#[derive(Debug, Default)]
struct Pool {
    idle: Vec<Machine>,
    nr_lost: usize,
}

pub(super) fn open(
    id: &'static str,
    path: Option<&Path>,
    image: &Arc<Image>,
) -> Result<Box<dyn Subject>, SubjectError> {
    let failed = |source| SubjectError::Linux { source: Box::new(source) };
    let text = path.map(|path| path.to_string_lossy().into_owned()).unwrap_or_default();
    let mut options = LinuxOptions::parse(&text).map_err(|error| failed(LinuxError::Options(error)))?;
    options.has_nested_paging &= id != SHADOW_ID;
    let id = if options.has_nested_paging { id } else { SHADOW_ID };
    let qemu = qemu::version(&options.qemu).map_err(|error| {
        let program = options.qemu.display().to_string();
        match error.kind() {
            io::ErrorKind::NotFound => SubjectError::Missing { id, program, remedy: REMEDY },
            _ => SubjectError::Version { program, said: error.to_string() },
        }
    })?;
    let kernel =
        Kernel::open(&options.kernel, options.modules.as_deref()).map_err(|error| failed(LinuxError::Kernel(error)))?;
    let agent = builder::build_agent().map_err(|error| failed(LinuxError::Agent(error)))?;
    let agent = std::fs::read(agent).map_err(|error| failed(LinuxError::Files(error)))?;
    let files = boot_files(&kernel, &agent, image, options.has_nested_paging)
        .map_err(|error| failed(LinuxError::Files(error)))?;
    let (machine, greeting) = Machine::boot(&options, &files, BOOT_LIMIT, &Cancel::default())
        .map_err(|loss| failed(LinuxError::Boot { release: kernel.release.clone(), text: loss.text() }))?;
    let paging = if options.has_nested_paging { "nested" } else { "shadow" };
    let version = format!("{} with {paging} paging, on {qemu} ({})", greeting.version, options.accelerator);
    let pool = Mutex::new(Pool { idle: vec![machine], nr_lost: 0 });
    Ok(Box::new(Linux { id, version, options, files, pool, nr_spoiled: AtomicUsize::new(0) }))
}

/// Why a kernel under test cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LinuxError {
    /// The request is wrong.
    #[error(transparent)]
    Options(OptionError),
    /// The kernel or its modules are.
    #[error(transparent)]
    Kernel(crate::kernel::KernelError),
    /// The agent cannot be built.
    #[error(transparent)]
    Agent(builder::BuildError),
    /// The files for the boot cannot be written.
    #[error("failed to write the initramfs into the folder for temporary files; is there space?")]
    Files(#[source] io::Error),
    /// It does not come up.
    #[error("Linux {release} does not get as far as our agent: {text}")]
    Boot {
        /// Its release.
        release: String,
        /// Why.
        text: String,
    },
}

impl Linux {
    /// Asks a machine, which is booted if all are busy.
    fn ask(&self, request: &Request, limit: Duration, cancel: &Cancel) -> Result<Answer, Loss> {
        let mut machine = self.take(cancel)?;
        let answer = machine.ask(request, limit, cancel);
        let mut pool = self.lock();
        match &answer {
            Ok(_) => pool.idle.push(machine),
            Err(_) => pool.nr_lost += 1,
        }
        answer
    }

    fn run_once(&self, program: Program<'_>, limit: Duration, cancel: &Cancel) -> Run {
        let start = Instant::now();
        let limit = limit.min(MAX_LIMIT);
        let limit_ms = milliseconds(limit);
        let request = match program {
            Program::Probe(setup) => Request::Probe { setup: setup.map(|setup| setup.name().to_owned()), limit_ms },
            Program::Case(case) => Request::Case { id: case.id.clone(), words: String::new(), limit_ms },
            Program::Changed(case, words) => Request::Case { id: case.id.clone(), words: words.to_owned(), limit_ms },
            Program::Other(words) => Request::Other { words: words.to_owned(), limit_ms },
        };
        let ending = match self.ask(&request, limit * WAIT_FACTOR + ANSWER_LIMIT, cancel) {
            Ok(Answer::Run(said)) => match said.into_run() {
                Ok(run) => return run,
                Err(error) => Ending::Harness { text: crate::chain::chain(&error) },
            },
            Ok(Answer::Failed { text }) => Ending::Harness { text },
            Ok(other) => Ending::Harness { text: format!("the agent answers a run with {other:?}") },
            Err(loss) => ending(loss),
        };
        Run { transcript: Transcript::default(), ending, duration: start.elapsed() }
    }

    fn take(&self, cancel: &Cancel) -> Result<Machine, Loss> {
        let mut pool = self.lock();
        if let Some(machine) = pool.idle.pop() {
            return Ok(machine);
        }
        if pool.nr_lost >= MAX_LOST {
            return Err(Loss::Harness(format!("no more boots after {MAX_LOST} kernels that died or hung")));
        }
        drop(pool);
        let booted = Machine::boot(&self.options, &self.files, BOOT_LIMIT, cancel);
        // It came up once, so that this is nothing that the case has done.
        booted.map(|(machine, _)| machine).map_err(|loss| match loss {
            Loss::Cancelled => loss,
            _ => {
                self.lock().nr_lost += 1;
                Loss::Harness(format!("another boot of the kernel failed: {}", loss.text()))
            }
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Pool> {
        // No holder leaves it half changed.
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn ending(loss: Loss) -> Ending {
    match loss {
        Loss::Died(text) => Ending::Died { text: format!("the kernel under test: {text}") },
        Loss::Silent(text) => Ending::Timeout { place: format!("the kernel under test, which hangs: {text}") },
        Loss::Cancelled => Ending::Cancelled,
        Loss::Harness(text) => Ending::Harness { text },
    }
}

fn milliseconds(limit: Duration) -> u64 {
    u64::try_from(limit.as_millis()).unwrap_or(u64::MAX)
}

impl Subject for Linux {
    fn id(&self) -> &str {
        self.id
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn board(&self) -> Needs {
        BOARD
    }

    fn virtio_devices(&self) -> VirtioDevices {
        VirtioDevices::OURS
    }

    fn set_ups(&self) -> &'static [InterruptSetup] {
        InterruptSetup::ALL
    }

    fn time_limit(&self) -> Duration {
        LIMIT
    }

    /// A kernel under test has several processors that wait for each other: no more of them than the host can run.
    fn nr_side_by_side(&self) -> u32 {
        crate::host::nr_processors()
    }

    fn run(&self, program: Program<'_>, limit: Duration, cancel: &Cancel) -> Run {
        for _ in 0..MAX_SPOILED {
            let run = self.run_once(program, limit, cancel);
            if self.options.accelerator != "tcg" || !is_spoiled(&run) {
                return run;
            }
            self.nr_spoiled.fetch_add(1, Ordering::Relaxed);
        }
        self.run_once(program, limit, cancel)
    }

    fn run_host_case(&self, case: &Case, cancel: &Cancel) -> reports::model::Case {
        let request = Request::HostCase { id: case.id.clone() };
        match self.ask(&request, ANSWER_LIMIT, cancel) {
            Ok(Answer::HostCase(result)) => *result,
            Ok(Answer::Failed { text }) => judge::failed_to_run(case, &text),
            Ok(other) => judge::failed_to_run(case, &format!("the agent answers a case of the host with {other:?}")),
            Err(loss) => judge::died(case, &ending(loss)),
        }
    }
}

/// The subjects of a list that was cut at its commas: options stand with the kernel that they belong to.
pub(super) fn with_options(pieces: &[String]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for piece in pieces {
        match names.last_mut() {
            Some(name) if name.starts_with("linux") && options::is_option(piece) => *name = format!("{name},{piece}"),
            _ => names.push(piece.clone()),
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_behind_a_comma_belong_to_the_kernel_before() {
        let pieces = ["vmm", "linux:/k", "npt=0", "cpus=1", "qemu-tcg=/q"].map(str::to_owned);
        assert_eq!(with_options(&pieces), ["vmm", "linux:/k,npt=0,cpus=1", "qemu-tcg=/q"]);
    }
}
