//! QEMU, with its own translator and with KVM.
//!
//! The guest talks on COM1, which is QEMU's standard output. QEMU's control socket tells how and where a guest
//! stopped; when the guest has reported its verdict, the process is killed, because the verdict is what was reported.

use super::{Image, Program, Subject, SubjectError, command_line};
use crate::{
    cancel::Cancel,
    catalog::InterruptSetup,
    host,
    judge::{Ending, Run, Transcript},
    messages::line::LineDecoder,
    process::{Control, Output, Process},
    subjects::qmp::{self, Monitor, Said},
};
use case::Needs;
use std::{
    fs::File,
    io::{self, Write as _},
    os::fd::AsRawFd as _,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

/// What the board offers.
pub(super) const BOARD: Needs = super::PC.union(Needs::FIRMWARE_TABLES);
/// The program's usual name.
const PROGRAM: &str = "qemu-system-x86_64";
/// What to type where it is missing.
const REMEDY: &str = "`apt-get install qemu-system-x86`, or give its path with `--subject ID=PATH`";
/// How long QEMU may take to tell its version.
const VERSION_LIMIT: Duration = Duration::from_secs(20);
/// How long QEMU may take to answer on its control socket, and to end after its outputs are closed.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
/// How long a guest that has reported its verdict may take to end: whatever it still sends is not lost.
const END_LIMIT: Duration = Duration::from_secs(2);
/// How often the wish to cancel is looked at while nothing comes.
const SLICE: Duration = Duration::from_millis(50);
/// What a guest may write on COM1 in bytes: more than any transcript takes.
const MAX_SERIAL_BYTES: usize = 8 << 20;
/// What is kept of QEMU's own words in bytes.
const MAX_STDERR_BYTES: usize = 4096;
/// The wide ports of the debug exit make QEMU's exit status 2 × value + 1.
const DEBUG_EXIT_STATUS: i32 = 1;

/// What executes the guest's instructions.
#[derive(Clone, Copy, Debug)]
struct Accelerator {
    /// Arguments of QEMU.
    arguments: &'static [&'static str],
    /// The interrupt set-ups that a program can be run in.
    set_ups: &'static [InterruptSetup],
    /// The machine in a set-up, or in whatever QEMU takes.
    machine: fn(Option<InterruptSetup>) -> &'static [&'static str],
    /// Time limit of a case.
    limit: Duration,
}

/// With `-cpu max`, QEMU's translator offers all it has. There is no kernel part: every device is QEMU's.
const TCG: Accelerator = Accelerator {
    arguments: &["-accel", "tcg", "-cpu", "max"],
    set_ups: &[InterruptSetup::User],
    machine: |_| &["q35"],
    limit: Duration::from_secs(10),
};
/// The same as a processor of Intel's: by default the translator's vendor is AMD, so that what the manuals tell apart by
/// vendor would be tried for one of them only.
const TCG_INTEL: Accelerator = Accelerator { arguments: &["-accel", "tcg", "-cpu", "max,vendor=GenuineIntel"], ..TCG };
/// The firmware may be interpreted instruction by instruction, which takes seconds.
const KVM: Accelerator = Accelerator {
    arguments: &["-accel", "kvm", "-cpu", "host,arch-capabilities=off"],
    set_ups: InterruptSetup::ALL,
    machine: |interrupts| match interrupts {
        None => &["q35"],
        Some(InterruptSetup::Kernel) => &["q35,kernel-irqchip=on"],
        Some(InterruptSetup::Split) => &["q35,kernel-irqchip=split"],
        // QEMU sets the MSR of this feature, which KVM refuses without a local APIC of its own, and aborts.
        Some(InterruptSetup::User) => {
            &["q35,kernel-irqchip=off", "-cpu", "host,arch-capabilities=off,-kvm-asyncpf-int"]
        }
    },
    limit: Duration::from_secs(90),
};

/// What every machine has, by the accelerator's and the guest's arguments before and behind it.
const MACHINE: &[&str] = &[
    "-m",
    "128",
    "-nodefaults",
    "-no-user-config",
    "-display",
    "none",
    "-serial",
    "stdio",
    // A guest that resets or faults three times is kept, so that it can be asked where it stands.
    "-action",
    "reboot=shutdown,shutdown=pause",
    "-device",
    "isa-debug-exit,iobase=0xf4,iosize=0x4",
];

#[derive(Debug)]
struct Qemu {
    id: &'static str,
    program: PathBuf,
    version: String,
    accelerator: Accelerator,
    image: Arc<Image>,
    /// The bytes of the image under no name: the image's own file may be built again while cases run.
    copy: File,
}

pub(super) fn open_tcg(
    id: &'static str,
    path: Option<&Path>,
    image: &Arc<Image>,
) -> Result<Box<dyn Subject>, SubjectError> {
    let qemu = Qemu::open(id, path, TCG, image)?;
    Ok(Box::new(qemu))
}

pub(super) fn open_tcg_intel(
    id: &'static str,
    path: Option<&Path>,
    image: &Arc<Image>,
) -> Result<Box<dyn Subject>, SubjectError> {
    let qemu = Qemu::open(id, path, TCG_INTEL, image)?;
    Ok(Box::new(qemu))
}

pub(super) fn open_kvm(
    id: &'static str,
    path: Option<&Path>,
    image: &Arc<Image>,
) -> Result<Box<dyn Subject>, SubjectError> {
    // QEMU's own words for a KVM that cannot be used are many; ours name the remedy.
    vmm::Hypervisor::open().map_err(|source| SubjectError::Kvm { id, source })?;
    let mut qemu = Qemu::open(id, path, KVM, image)?;
    qemu.version = format!("{}, {}", qemu.version, host::kvm_version());
    Ok(Box::new(qemu))
}

impl Qemu {
    fn open(
        id: &'static str,
        path: Option<&Path>,
        accelerator: Accelerator,
        image: &Arc<Image>,
    ) -> Result<Self, SubjectError> {
        let program = path.unwrap_or(Path::new(PROGRAM)).to_owned();
        let version = version(&program).map_err(|error| {
            let program = program.display().to_string();
            match error.kind() {
                io::ErrorKind::NotFound => SubjectError::Missing { id, program, remedy: REMEDY },
                _ => SubjectError::Version { program, said: error.to_string() },
            }
        })?;
        let copy = copy_of(image).map_err(|source| SubjectError::Copy { id, source })?;
        Ok(Self { id, program, version, accelerator, image: image.clone(), copy })
    }

    fn converse(
        &self,
        program: Program<'_>,
        deadline: Instant,
        cancel: &Cancel,
        talk: &mut Talk<'_>,
    ) -> io::Result<Ending> {
        let control = Control::new()?;
        let mut command = Command::new(&self.program);
        command.args(self.accelerator.arguments).args(MACHINE);
        // The last of two options holds.
        command.arg("-machine").args((self.accelerator.machine)(program.interrupts()));
        command.arg("-smp").arg(program.nr_vcpus().to_string());
        command.arg("-chardev").arg(format!("socket,id=control,fd={}", control.child_descriptor()));
        command.args(["-mon", "chardev=control,mode=control"]);
        // A name of its own for whatever QEMU opens, so that readers do not share a position.
        command.arg("-kernel").arg(format!("/proc/self/fd/{}", self.copy.as_raw_fd()));
        command.arg("-append").arg(command_line(program));
        let mut process = Process::start_with(&mut command, Some(control), Some(&self.copy))?;
        process.write_control(qmp::NEGOTIATE);
        talk.run(&mut process, deadline, cancel)
    }
}

impl Subject for Qemu {
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
        self.accelerator.set_ups
    }

    fn time_limit(&self) -> Duration {
        self.accelerator.limit
    }

    fn run(&self, program: Program<'_>, limit: Duration, cancel: &Cancel) -> Run {
        let start = Instant::now();
        let mut talk = Talk::new(&self.image);
        let ending = self.converse(program, start + limit, cancel, &mut talk).unwrap_or_else(|error| Ending::Harness {
            text: format!("failed to run {}: {error}", self.program.display()),
        });
        let duration = talk.reported_at.unwrap_or_else(Instant::now) - start;
        Run { transcript: talk.transcript, ending, duration }
    }
}

/// The conversation with one QEMU.
struct Talk<'a> {
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
    fn new(image: &'a Image) -> Self {
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

    fn run(&mut self, process: &mut Process, deadline: Instant, cancel: &Cancel) -> io::Result<Ending> {
        let mut buffer = vec![0; 16 * 1024];
        let mut deadline = deadline;
        loop {
            if cancel.is_cancelled() {
                return Ok(Ending::Cancelled);
            }
            if self.transcript.fault().is_some() || self.reported_at.is_some() && Instant::now() >= deadline {
                return Ok(Ending::Reported);
            }
            if Instant::now() >= deadline {
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
                        deadline = deadline.min(Instant::now() + END_LIMIT);
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
                    let status = process.wait(Instant::now() + ANSWER_LIMIT)?;
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
            && let Output::Stdout(length) = process.read(buffer, Instant::now(), Duration::ZERO)?
        {
            self.serial(buffer.get(..length).unwrap_or_default());
        }
        Ok(())
    }

    fn ask(&mut self, process: &mut Process, why: Stop, deadline: &mut Instant) {
        self.asked = Some(why);
        *deadline = Instant::now() + ANSWER_LIMIT;
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

/// The image's bytes in a file that vanishes with its last user.
fn copy_of(image: &Image) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    file.write_all(image.catalog.bytes())?;
    Ok(file)
}

/// First line of what the program says to `--version`.
pub(super) fn version(program: &Path) -> io::Result<String> {
    let mut process = Process::start(Command::new(program).arg("--version"), None)?;
    let deadline = Instant::now() + VERSION_LIMIT;
    let (mut text, mut buffer) = (Vec::new(), [0; 1024]);
    while Instant::now() < deadline && text.len() < MAX_STDERR_BYTES {
        match process.read(&mut buffer, deadline, VERSION_LIMIT)? {
            Output::Stdout(length) | Output::Stderr(length) => text.extend(buffer.iter().take(length)),
            Output::End => break,
            Output::Control(_) | Output::Nothing => {}
        }
    }
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().next().unwrap_or("nothing").trim();
    match process.wait(deadline)? {
        Some(status) if status.success() && line.contains("version") => Ok(line.to_owned()),
        Some(status) => Err(io::Error::other(format!("{status}: {line}"))),
        None => Err(io::Error::other(format!("no end after {} s: {line}", VERSION_LIMIT.as_secs()))),
    }
}
