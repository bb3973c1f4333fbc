//! QEMU, with its own translator and with KVM.
//!
//! A ROM of our own takes the processor from reset to the image's PVH entry. SeaBIOS takes a good part of a translated start
//! and nearly all of one on a KVM that interprets it, so that it is left to the cases that need its tables.
//!
//! The guest talks on COM1, which is QEMU's standard output. QEMU's control socket tells how and where a guest
//! stopped; when the guest has reported its verdict, the process is killed, because the verdict is what was reported.

mod devices;
mod qmp;
mod talk;

use super::{
    Image, Program, Subject, SubjectError, VirtioDevices,
    asked::{self, Said},
    command_line, listening,
    loader::{self, layout, rom},
};
use crate::{
    cancel::Cancel,
    catalog::InterruptSetup,
    host,
    inherited::{path_of, unnamed},
    judge::Run,
    process::{Control, Process},
};
use case::Needs;
pub(super) use devices::VIRTIO_DEVICES;
use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};
use talk::Talk;

/// What the board offers.
pub(super) const BOARD: Needs = super::PC.union(Needs::FIRMWARE_TABLES).union(Needs::PCI).union(Needs::VIRTIO_PCI);
/// The same of the translator, which has system-management mode; a KVM may have none.
pub(super) const TCG_BOARD: Needs = BOARD.union(Needs::SMI);
/// What the loader does here: it gives the power-management function of the ICH9 its ports, at 608H less 8, and switches them
/// on (ICH9, "PMBASE—ACPI Base Address", "ACPI_CNTL—ACPI Control"). QEMU does not reset a machine, so that nothing comes back.
const LOADER: rom::Machine =
    rom::Machine { power_management: &[(0x8000_f840, 0x601), (0x8000_f844, 0x80)], is_touched_first: false, end: None };
/// The program's usual name.
const PROGRAM: &str = "qemu-system-x86_64";
/// What to type where it is missing.
const REMEDY: &str = "`apt-get install qemu-system-x86`, or give its path to a command that takes `--subject ID=PATH`";
/// What is kept of QEMU's own words in bytes.
const MAX_STDERR_BYTES: usize = 4096;

/// What executes the guest's instructions.
#[derive(Clone, Copy, Debug)]
struct Accelerator {
    /// What the board offers.
    board: Needs,
    /// Arguments of QEMU.
    arguments: &'static [&'static str],
    /// The interrupt set-ups that a program can be run in.
    set_ups: &'static [InterruptSetup],
    /// The machine in a set-up, or in whatever QEMU takes.
    machine: fn(Option<InterruptSetup>) -> &'static [&'static str],
    /// Time limit of a case, by the clock.
    limit: Duration,
    /// What the firmware may take of the time besides, in the cases that need it.
    firmware_limit: Duration,
}

/// With `-cpu max`, QEMU's translator offers all it has. There is no kernel part: every device is QEMU's.
const TCG: Accelerator = Accelerator {
    board: TCG_BOARD,
    arguments: &["-accel", "tcg", "-cpu", "max"],
    set_ups: &[InterruptSetup::User],
    machine: |_| &["q35"],
    limit: Duration::from_secs(10),
    firmware_limit: Duration::from_secs(5),
};
/// The same as a processor of Intel's: by default the translator's vendor is AMD, so that what the manuals tell apart by
/// vendor would be tried for one of them only.
const TCG_INTEL: Accelerator = Accelerator { arguments: &["-accel", "tcg", "-cpu", "max,vendor=GenuineIntel"], ..TCG };
/// The firmware may be interpreted instruction by instruction, which takes seconds.
const KVM: Accelerator = Accelerator {
    board: BOARD,
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
    // Each byte on COM1 is two exits to QEMU.
    limit: Duration::from_secs(30),
    firmware_limit: Duration::from_secs(80),
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
    // The guest starts when the control socket is listened to.
    "-S",
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
    /// What starts it without a BIOS.
    files: loader::Files,
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
        let copy = unnamed(image.catalog.bytes()).map_err(|source| SubjectError::Copy { id, source })?;
        let files = loader::files(id, LOADER, image)?;
        Ok(Self { id, program, version, accelerator, image: image.clone(), copy, files })
    }

    fn start(&self, program: Program<'_>) -> io::Result<Process> {
        let control = Control::new()?;
        let mut command = Command::new(&self.program);
        command.args(self.accelerator.arguments).args(MACHINE);
        // The last of two options holds.
        command.arg("-machine").args((self.accelerator.machine)(program.interrupts()));
        command.arg("-smp").arg(program.nr_vcpus().to_string());
        command.arg("-chardev").arg(format!("socket,id=control,fd={}", control.child_descriptor()));
        command.args(["-mon", "chardev=control,mode=control"]);
        let backends = devices::Backends::add(&mut command, program)?;
        let line = command_line(program);
        let start_info = loader::start_info(&line)?;
        let mut files = if program.needs_firmware() {
            command.arg("-kernel").arg(path_of(&self.copy)).arg("-append").arg(line);
            vec![&self.copy]
        } else {
            command.arg("-bios").arg(path_of(&self.files.rom));
            for (file, address) in [(&start_info, layout::START_INFO), (&self.files.memory, layout::IMAGE)] {
                let path = path_of(file);
                command.arg("-device").arg(format!("loader,file={path},addr={address:#x},force-raw=on"));
            }
            vec![&self.files.rom, &start_info, &self.files.memory]
        };
        files.extend(backends.files());
        let mut process = Process::start_with_files(&mut command, Some(control), &files)?;
        process.write_control(qmp::START);
        Ok(process)
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
        self.accelerator.board
    }

    fn virtio_devices(&self) -> VirtioDevices {
        VIRTIO_DEVICES
    }

    fn set_ups(&self) -> &'static [InterruptSetup] {
        self.accelerator.set_ups
    }

    fn time_limit(&self) -> Duration {
        self.accelerator.limit
    }

    fn run(&self, program: Program<'_>, limit: Duration, cancel: &Cancel) -> Run {
        let firmware_limit = if program.needs_firmware() { self.accelerator.firmware_limit } else { Duration::ZERO };
        let talk = Talk::new(&self.image);
        listening::run(&self.program, talk, limit + firmware_limit, cancel, || self.start(program))
    }
}

/// First line of what the program says to `--version`.
pub(crate) fn version(program: &Path) -> io::Result<String> {
    let Said { text, status } = asked::ask(Command::new(program).arg("--version"), MAX_STDERR_BYTES)?;
    let line = text.lines().next().unwrap_or("nothing").trim();
    if line.contains("version") { Ok(line.to_owned()) } else { Err(io::Error::other(format!("{status}: {line}"))) }
}
