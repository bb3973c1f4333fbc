//! The subjects: hypervisors under test, each with how it is started.
//!
//! A new subject is a file here, a line in [`KINDS`], and a baseline in `testcases/baselines`.

mod asked;
mod bochs;
mod cloud_hypervisor;
mod crosvm;
mod devices;
mod dissolver;
mod firecracker;
mod kvm;
pub(crate) mod linux;
mod listening;
mod loader;
mod opened;
mod plain;
pub(crate) mod qemu;
mod watchdog;

pub use devices::{DeviceError, VirtioDevices};
pub use kvm::{OurVmm, StartError};
pub use linux::{LinuxError, OptionError};
pub use opened::Opened;

use crate::{
    axis::Axis,
    cancel::Cancel,
    catalog::{Case, Catalog, CatalogError, InterruptSetup},
    judge::{ProbeError, Run},
};
use case::{Needs, image::command_line as word};
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// A guest image with all that is known of it.
#[derive(Debug)]
pub struct Image {
    /// Where it was read from; its bytes are the catalog's, because the file may be another one by now.
    pub path: PathBuf,
    /// What it holds.
    pub catalog: Catalog,
}

impl Image {
    /// Reads an image; one of the suite gets the cases that the host runs by itself.
    ///
    /// # Errors
    /// [`CatalogError`], which says what is wrong with the file.
    pub fn open(path: &Path) -> Result<Self, CatalogError> {
        let mut catalog = Catalog::read(path)?;
        if catalog.is_suite() {
            let of_host = crate::emulation::cases::all().into_iter().chain(crate::host_cases::all());
            catalog = catalog.with_host_cases(of_host);
        }
        Ok(Self { path: path.to_owned(), catalog })
    }
}

/// What the board of a PC offers that a program emulates, without what firmware makes.
const PC: Needs = Needs::PVH_ENTRY
    .union(Needs::COM1)
    .union(Needs::I8042)
    .union(Needs::LOCAL_APIC)
    .union(Needs::UNCLAIMED)
    .union(Needs::IO_APIC)
    .union(Needs::PIC)
    .union(Needs::PIT)
    .union(Needs::HPET)
    .union(Needs::RTC)
    .union(Needs::PM_TIMER);

/// What a guest is started for.
#[derive(Clone, Copy, Debug)]
pub enum Program<'a> {
    /// To tell what its processor offers, in an interrupt set-up if one is named.
    Probe(Option<InterruptSetup>),
    /// To run a case.
    Case(&'a Case),
    /// To run a case with words on the command line before those that choose it.
    Changed(&'a Case, &'a str),
    /// To run a program that is no case, by the words of the command line that choose it.
    Other(&'a str),
}

impl<'a> Program<'a> {
    /// The case that it is, if any.
    pub fn case(self) -> Option<&'a Case> {
        match self {
            Self::Case(case) | Self::Changed(case, _) => Some(case),
            Self::Probe(_) | Self::Other(_) => None,
        }
    }

    /// How many virtual processors it runs on.
    pub fn nr_vcpus(self) -> u32 {
        self.case().map_or(1, |case| case.setup.nr_vcpus.into())
    }

    /// Whether a firmware has to leave tables for it.
    fn needs_firmware(self) -> bool {
        self.case().is_some_and(|case| case.needs.contains(Needs::FIRMWARE_TABLES))
    }

    /// The interrupt set-up that it runs in; nothing for one that does not care.
    pub fn interrupts(self) -> Option<InterruptSetup> {
        match self {
            Self::Probe(interrupts) => interrupts,
            Self::Case(case) | Self::Changed(case, _) => case.interrupts,
            Self::Other(_) => None,
        }
    }
}

/// A hypervisor under test. It runs each program in a virtual machine of its own.
pub trait Subject: Send + Sync {
    /// Its name on the command line.
    fn id(&self) -> &str;

    /// Its version, as it says itself.
    fn version(&self) -> &str;

    /// What its board offers; what its processors offer the probe tells.
    fn board(&self) -> Needs;

    /// The virtio devices that its board can have; a machine has those that its case wants.
    fn virtio_devices(&self) -> VirtioDevices {
        VirtioDevices::NONE
    }

    /// The interrupt set-ups that it can run a program in.
    fn set_ups(&self) -> &'static [InterruptSetup];

    /// How long a case may take, unless the case asks for more; each subject says what counts.
    fn time_limit(&self) -> Duration;

    /// How many cases run side by side unless the user says so: one more than there are processors, because cases wait for
    /// clocks a third of their time.
    fn nr_side_by_side(&self) -> u32 {
        crate::host::nr_processors().saturating_add(1)
    }

    /// Does what an axis wants to each case that it runs from now on; whether it can.
    ///
    /// # Errors
    /// If the axis needs files or threads, and this host has none.
    fn set_axis(&mut self, _axis: Axis) -> io::Result<bool> {
        Ok(false)
    }

    /// Why it cannot run a case that needs nothing that it lacks.
    fn reason_to_skip(&self, _case: &Case) -> Option<&'static str> {
        None
    }

    /// Runs a program for at most `limit`. Returns early, with whatever was said by then, once `cancel` is set.
    fn run(&self, program: Program<'_>, limit: Duration, cancel: &Cancel) -> Run;

    /// Runs a case of the host, see [`Case::is_of_host`]. A subject that offers what such a case needs must run it.
    fn run_host_case(&self, case: &Case, _cancel: &Cancel) -> reports::model::Case {
        crate::judge::failed_to_run(case, "the subject offers what the case needs, and cannot run it")
    }

    /// Which instruction forms it handles, as far as cases of the host have found out.
    fn coverage(&self) -> Vec<reports::CoverageRow> {
        Vec::new()
    }
}

/// Why a subject cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SubjectError {
    /// No subject has this name.
    #[error("no subject `{name}`; there are: {}", names().join(", "))]
    Unknown {
        /// What was asked for.
        name: String,
    },
    /// A path was given for a subject that is no program.
    #[error("the subject `{id}` takes no `=PATH`")]
    NoPath {
        /// The subject.
        id: &'static str,
    },
    /// This host's KVM cannot be used.
    #[error("the subject `{id}` needs KVM")]
    Kvm {
        /// The subject.
        id: &'static str,
        /// Why not.
        source: vmm::HostError,
    },
    /// A kernel under test cannot be used.
    #[error("the kernel under test cannot be used")]
    Linux {
        /// Why not.
        source: Box<LinuxError>,
    },
    /// The image cannot be loaded.
    #[error("the subject `{id}` cannot load the image")]
    Image {
        /// The subject.
        id: &'static str,
        /// Why not.
        source: vmm::ImageError,
    },
    /// The subject's own copy of the image cannot be written.
    #[error("the subject `{id}` needs a copy of the image in the folder for temporary files; is there space?")]
    Copy {
        /// The subject.
        id: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// The hypervisor's program is missing.
    #[error("the subject `{id}` needs the program `{program}`, which is not installed: {remedy}")]
    Missing {
        /// The subject.
        id: &'static str,
        /// The program.
        program: String,
        /// What to type.
        remedy: &'static str,
    },
    /// No machine of the hypervisor's can be made of the image.
    #[error("the subject `{id}` cannot load the image: {reason}")]
    Unloadable {
        /// The subject.
        id: &'static str,
        /// Why not.
        reason: String,
    },
    /// The hypervisor's program is another one, or one that lacks something.
    #[error("`{program}` is of no use: {said}")]
    Unfit {
        /// The program.
        program: String,
        /// What is wrong with it.
        said: String,
    },
    /// The hypervisor's program does not say its version.
    #[error("`{program} --version` failed: {said}")]
    Version {
        /// The program.
        program: String,
        /// What it said.
        said: String,
    },
    /// The probe gave no answer.
    #[error("the subject `{id}` does not run the image's probe{setup}")]
    Probe {
        /// The subject.
        id: String,
        /// The interrupt set-up as the end of the sentence; empty if it did not matter.
        setup: String,
        /// What happened instead.
        source: ProbeError,
    },
}

/// Opens a subject, given its name, the path after `=` if there is one, and the image.
type Open = fn(&'static str, Option<&Path>, &Arc<Image>) -> Result<Box<dyn Subject>, SubjectError>;

/// A kind of subject: its name, what it is, and how to open it, given the path after `=`, if any.
pub struct Kind {
    /// Its name on the command line.
    pub id: &'static str,
    /// What it is, for people.
    pub title: &'static str,
    /// The subject whose known failures hold for this one too, but for cases of which its own baseline has an entry.
    pub like: Option<&'static str>,
    /// What its board offers.
    pub board: Needs,
    /// The virtio devices that it can have.
    pub virtio_devices: VirtioDevices,
    open: Open,
}

/// Every kind of subject.
pub const KINDS: &[Kind] = &[
    Kind {
        id: "vmm",
        title: "our VMM on this host's KVM",
        like: None,
        board: kvm::BOARD,
        virtio_devices: VirtioDevices::OURS,
        open: kvm::open,
    },
    Kind {
        id: "qemu-kvm",
        title: "QEMU on this host's KVM",
        like: Some("vmm"),
        board: qemu::BOARD,
        virtio_devices: qemu::VIRTIO_DEVICES,
        open: qemu::open_kvm,
    },
    Kind {
        id: "qemu-tcg",
        title: "QEMU's own translator",
        like: None,
        board: qemu::TCG_BOARD,
        virtio_devices: qemu::VIRTIO_DEVICES,
        open: qemu::open_tcg,
    },
    Kind {
        id: "qemu-tcg-intel",
        title: "QEMU's own translator as a processor of Intel's",
        like: Some("qemu-tcg"),
        board: qemu::TCG_BOARD,
        virtio_devices: qemu::VIRTIO_DEVICES,
        open: qemu::open_tcg_intel,
    },
    Kind {
        id: "bochs",
        title: "Bochs as a processor of Intel's",
        like: None,
        board: bochs::BOARD,
        virtio_devices: VirtioDevices::NONE,
        open: bochs::open_intel,
    },
    Kind {
        id: "bochs-amd",
        title: "Bochs as a processor of AMD's",
        like: Some("bochs"),
        board: bochs::BOARD,
        virtio_devices: VirtioDevices::NONE,
        open: bochs::open_amd,
    },
    Kind {
        id: "firecracker",
        title: "Firecracker on this host's KVM",
        like: Some("vmm"),
        board: firecracker::BOARD,
        virtio_devices: VirtioDevices::NONE,
        open: |id, path, image| plain::open(id, path, image, &firecracker::RECIPE),
    },
    Kind {
        id: "cloud-hypervisor",
        title: "Cloud Hypervisor on this host's KVM",
        like: Some("vmm"),
        board: cloud_hypervisor::BOARD,
        virtio_devices: VirtioDevices::NONE,
        open: |id, path, image| plain::open(id, path, image, &cloud_hypervisor::RECIPE),
    },
    Kind {
        id: "crosvm",
        title: "crosvm on this host's KVM",
        like: Some("vmm"),
        board: crosvm::BOARD,
        virtio_devices: VirtioDevices::NONE,
        open: |id, path, image| plain::open(id, path, image, &crosvm::RECIPE),
    },
    Kind {
        id: "linux",
        title: "our VMM on the KVM of another kernel",
        like: None,
        board: linux::BOARD,
        virtio_devices: VirtioDevices::OURS,
        open: linux::open,
    },
    Kind {
        id: "linux-npt0",
        title: "our VMM on the KVM of another kernel, with shadow paging",
        like: Some("linux"),
        board: linux::BOARD,
        virtio_devices: VirtioDevices::OURS,
        open: linux::open,
    },
];

/// What some subject of this program may offer; what a processor offers only its probe tells.
pub fn offerable() -> Needs {
    KINDS.iter().fold(Needs::PROCESSOR, |offers, kind| offers | kind.board)
}

/// The virtio devices that some subject of this program has.
pub fn offerable_devices() -> VirtioDevices {
    KINDS.iter().fold(VirtioDevices::NONE, |offers, kind| offers.union(kind.virtio_devices))
}

/// The subject whose known failures hold for this one too.
pub(crate) fn like(id: &str) -> Option<&'static str> {
    KINDS.iter().find(|kind| kind.id == id)?.like
}

/// The names of all kinds.
pub fn names() -> Vec<&'static str> {
    KINDS.iter().map(|kind| kind.id).collect()
}

/// The subjects of a list that was cut at its commas: the options of a kernel under test have commas of their own.
pub fn joined(pieces: &[String]) -> Vec<String> {
    linux::with_options(pieces)
}

/// Opens what the command line names: `ID`, `ID=PATH` with the path of the hypervisor's program, or `ID:KERNEL` with that
/// of a kernel under test and its options.
///
/// # Errors
/// [`SubjectError`], which says what is missing and what to do.
pub fn open(name: &str, image: &Arc<Image>) -> Result<Box<dyn Subject>, SubjectError> {
    let kernel = name.split_once(':').filter(|(id, _)| id.starts_with("linux"));
    let (id, path) = match kernel.or_else(|| name.split_once('=')) {
        Some((id, path)) => (id, Some(Path::new(path))),
        None => (name, None),
    };
    let kind = KINDS.iter().find(|kind| kind.id == id).ok_or_else(|| SubjectError::Unknown { name: id.to_owned() })?;
    (kind.open)(kind.id, path, image)
}

/// The words of the command line that choose a program.
pub(crate) fn command_line(program: Program<'_>) -> String {
    match program {
        Program::Probe(_) => format!("{0}case={1}", word::PREFIX, word::PROBE),
        Program::Other(words) => words.to_owned(),
        Program::Changed(case, words) => format!("{words} {}", command_line(Program::Case(case))),
        Program::Case(case) => format!("{0}at={1:x} {0}case={2}", word::PREFIX, case.record_address, case.plain_id()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_property_of_a_board_is_offered_by_a_kind_of_subject() {
        let unoffered = Needs::all().difference(offerable());
        assert!(unoffered.is_empty(), "no board offers {unoffered:?}");
    }

    #[test]
    fn every_kind_of_virtio_device_is_offered_by_a_kind_of_subject() {
        let VirtioDevices { pci, mmio } = offerable_devices();
        assert_eq!(case::Devices::all().difference(pci | mmio), case::Devices::empty());
    }

    #[test]
    fn a_board_offers_no_property_of_a_processor() {
        for kind in KINDS {
            assert!(!kind.board.intersects(Needs::PROCESSOR), "{}", kind.id);
        }
    }
}
