//! The child: its start, its end, and the memory that it shares with the harness.
//!
//! It is no copy of this process but a program of its own, a small executable in a memory file that knows no library.
//! So it may be started from any thread of any program, holds no lock, no file and no memory of the harness, and has an
//! address space in which only the windows and its own pages are mapped.

use super::{
    NativeError,
    extended::Layout,
    layout::{PAGE, control, shared, slot},
    request,
    runner::Runner,
    system,
};
use iced_decoder::machine::Extended;
use std::{
    fs::File,
    io::{self, Write},
    os::{fd::AsRawFd, unix::process::CommandExt},
    process::{self, Command, Stdio},
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};
use vm_memory::{FileOffset, MmapRegion, VolatileMemory};

/// How often the harness looks after a child that does not answer.
const SLICE: Duration = Duration::from_millis(10);
/// Processor time after which an execution counts as hung.
const HUNG_AFTER: Duration = Duration::from_millis(100);
/// Processor time after which a child is lost that could not be interrupted.
const LOST_AFTER: Duration = Duration::from_secs(1);
/// Time after which a child is lost that uses no processor time.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// How long a program may be busy because another thread is just starting a process.
const BUSY_LIMIT: Duration = Duration::from_secs(1);
/// What stands in the code pages.
const FILLING: u8 = 0xcc;

const IN_BOUNDS: &str = "every offset of the layout is within the memory";

/// A child and its memory; it is killed when this is dropped, and by the kernel when the thread that started it ends.
#[derive(Debug)]
pub(super) struct Child {
    process: process::Child,
    memory: Memory,
    batch: u32,
}

/// What became of a batch.
#[derive(Debug)]
pub(super) enum Batch {
    /// Every slot was executed.
    Finished,
    /// The child ended, as the text tells, and can do no more.
    Ended {
        /// How many slots were executed before.
        nr_executed: usize,
        /// Whether the next slot was being executed.
        was_executing: bool,
        /// How it ended.
        how: String,
    },
}

impl Child {
    /// Starts a child.
    ///
    /// # Errors
    /// Those of making files and processes, and that a step of its start failed.
    pub(super) fn start(runner: &Runner, extended: &Layout) -> Result<Self, NativeError> {
        let file = system::memory_file(false).map_err(NativeError::system("create the shared memory"))?;
        file.set_len(shared::SIZE as u64).map_err(NativeError::system("give the shared memory its size"))?;
        let standard_input = file.try_clone().map_err(NativeError::system("share the memory"))?;
        let region = MmapRegion::from_file(FileOffset::new(file, 0), shared::SIZE)
            .map_err(|error| NativeError::System { what: "map the shared memory", source: io::Error::other(error) })?;
        let memory = Memory { region };
        memory.write(shared::CODE, &vec![FILLING; shared::STACK - shared::CODE]);
        memory.write(shared::GATE, &request::far_jump(runner));
        memory.write(shared::INITIAL, Extended::initial(extended.state.size).bytes());
        let process = spawn(&runner.file, standard_input)?;
        let mut child = Self { process, memory, batch: 0 };
        // An empty batch is finished as soon as the start is.
        match child.run(0) {
            Batch::Finished => Ok(child),
            Batch::Ended { how, .. } => Err(child.start_failure(runner, how)),
        }
    }

    fn start_failure(&mut self, runner: &Runner, how: String) -> NativeError {
        let code = self.process.try_wait().ok().flatten().and_then(|status| status.code());
        let index = code.and_then(|code| usize::try_from(code).ok()?.checked_sub(1));
        let step = index.and_then(|index| runner.steps.get(index)).copied();
        NativeError::Start { step: step.unwrap_or("answer"), status: how }
    }

    /// The shared memory.
    pub(super) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Number of its process.
    #[cfg(test)]
    pub(super) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Lets the child execute the first `nr_slots` slots, and waits for it.
    pub(super) fn run(&mut self, nr_slots: usize) -> Batch {
        self.batch = self.batch.wrapping_add(1);
        self.memory.word(control::NEXT).store(0, Ordering::Relaxed);
        self.memory.word(control::COUNT).store(nr_slots as u64, Ordering::Relaxed);
        self.memory.futex(control::SUBMITTED).store(self.batch, Ordering::Release);
        system::wake(self.memory.futex(control::SUBMITTED));
        self.await_batch()
    }

    fn await_batch(&mut self) -> Batch {
        let mut seen = Seen::new(&self.memory, self.process.id());
        loop {
            let finished = self.memory.futex(control::FINISHED).load(Ordering::Acquire);
            if finished == self.batch {
                return Batch::Finished;
            }
            system::wait(self.memory.futex(control::FINISHED), finished, SLICE);
            if seen.looked_at.elapsed() < SLICE {
                continue;
            }
            if let Ok(Some(status)) = self.process.try_wait() {
                return self.ended(status.to_string());
            }
            let now = Seen::new(&self.memory, self.process.id());
            if now.progress != seen.progress {
                seen = now;
                continue;
            }
            seen.looked_at = now.looked_at;
            let used = now.processor_time.saturating_sub(seen.processor_time);
            if used >= LOST_AFTER || seen.since.elapsed() >= ANSWER_LIMIT {
                self.end();
                return self.ended("it had to be killed because it did not answer".to_owned());
            }
            if used >= HUNG_AFTER {
                let (_, running) = seen.progress;
                system::kick(self.process.id(), running as u32);
            }
        }
    }

    fn ended(&self, how: String) -> Batch {
        // The child wrote these, so they are bounded before use.
        let nr_executed = self.memory.word(control::NEXT).load(Ordering::Relaxed).min(shared::NR_SLOTS as u64) as usize;
        let was_executing = self.memory.word(control::RUNNING).load(Ordering::Relaxed) != 0;
        Batch::Ended { nr_executed, was_executing, how }
    }

    fn end(&mut self) {
        // It fails only for a child that has ended and has been waited for.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.end();
    }
}

/// How far a child was when it was last looked at.
struct Seen {
    /// Next slot, and the number of the execution that is going on.
    progress: (u64, u64),
    processor_time: Duration,
    /// Since when it is there.
    since: Instant,
    looked_at: Instant,
}

impl Seen {
    fn new(memory: &Memory, pid: u32) -> Self {
        let progress = [control::NEXT, control::RUNNING].map(|at| memory.word(at).load(Ordering::Relaxed)).into();
        let processor_time = system::processor_time(pid).unwrap_or_default();
        let now = Instant::now();
        Self { progress, processor_time, since: now, looked_at: now }
    }
}

/// Starts the program in `file` with the shared memory as its standard input.
fn spawn(file: &[u8], standard_input: File) -> Result<process::Child, NativeError> {
    let program = program(file).map_err(NativeError::system("write the runner"))?;
    let standard_input = Stdio::from(standard_input);
    let mut command = Command::new(format!("/proc/self/fd/{}", program.as_raw_fd()));
    command.env_clear().stdin(standard_input).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    let deadline = Instant::now() + BUSY_LIMIT;
    loop {
        match command.spawn() {
            // A process that another thread has just forked still holds the file that the program was written by.
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy && Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(1));
            }
            result => return result.map_err(NativeError::system("start the runner")),
        }
    }
}

/// Writes an executable into a memory file, and gives that file for reading: what is open for writing cannot be run.
fn program(bytes: &[u8]) -> io::Result<File> {
    let mut file = system::memory_file(true)?;
    file.write_all(bytes)?;
    File::open(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// The memory that both sides see. The child may write anything anywhere at any time: what is read here is checked.
#[derive(Debug)]
pub(super) struct Memory {
    region: MmapRegion,
}

impl Memory {
    /// Writes bytes.
    pub(super) fn write(&self, offset: usize, bytes: &[u8]) {
        self.region.get_slice(offset, bytes.len()).expect(IN_BOUNDS).copy_from(bytes);
    }

    /// Reads bytes.
    pub(super) fn read(&self, offset: usize, bytes: &mut [u8]) {
        self.region.get_slice(offset, bytes.len()).expect(IN_BOUNDS).copy_to(bytes);
    }

    fn word(&self, offset: usize) -> &AtomicU64 {
        self.region.get_atomic_ref(shared::CONTROL + offset).expect(IN_BOUNDS)
    }

    fn futex(&self, offset: usize) -> &AtomicU32 {
        self.region.get_atomic_ref(shared::CONTROL + offset).expect(IN_BOUNDS)
    }
}

/// Offset in the shared memory of a slot.
pub(super) const fn slot_offset(index: usize) -> usize {
    shared::SLOTS + index * slot::SIZE
}

const _: () = assert!(PAGE >= control::STACK_END);
