//! The subjects: hypervisors under test, each with how it is started.
//!
//! A new subject is a file here, a line in [`KINDS`], and a baseline in `testcases/baselines`.

mod asked;
mod bochs;
mod cloud_hypervisor;
mod crosvm;
mod devices;
mod dissolver;
mod error;
mod firecracker;
mod kinds;
mod kvm;
pub(crate) mod linux;
mod listening;
mod loader;
mod opened;
mod plain;
pub(crate) mod qemu;
mod watchdog;

pub use devices::{DeviceError, VirtioDevices};
pub use error::SubjectError;
pub(crate) use kinds::like;
pub use kinds::{KINDS, Kind, joined, names, offerable, offerable_devices, open};
pub use kvm::{OurVmm, StartError};
pub use linux::{LinuxError, OptionError};
pub use opened::Opened;

use crate::{
    axis::Axis,
    cancel::Cancel,
    catalog::{Case, Catalog, CatalogError, InterruptSetup},
    judge::Run,
};
use case::{Needs, image::command_line as word};
use std::{
    io,
    path::{Path, PathBuf},
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

/// The words of the command line that choose a program.
pub(crate) fn command_line(program: Program<'_>) -> String {
    match program {
        Program::Probe(_) => format!("{0}case={1}", word::PREFIX, word::PROBE),
        Program::Other(words) => words.to_owned(),
        Program::Changed(case, words) => format!("{words} {}", command_line(Program::Case(case))),
        Program::Case(case) => format!("{0}at={1:x} {0}case={2}", word::PREFIX, case.record_address, case.plain_id()),
    }
}
