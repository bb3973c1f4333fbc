//! Why a VM could not be saved or restored.

use super::DeviceStateError;
use crate::{bus::Region, create::VmError, memory::OutsideMemory, spares::SpareError};
use std::io;
use vm_state::{FormatError, WriterError};

/// Why a VM could not be saved.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// One of its devices cannot.
    #[error("device {index} at {regions:x?} could not be saved")]
    Device {
        /// Its number.
        index: usize,
        /// Where it is.
        regions: Vec<Region>,
        /// Why.
        source: DeviceStateError,
    },
    /// KVM refused a request.
    #[error("KVM refused {request}")]
    Kvm {
        /// The request in the kernel's terms.
        request: &'static str,
        /// Why.
        source: io::Error,
    },
    /// What follows from the end of an interrupt could not be delivered.
    #[error("the end of interrupt {vector:#x} could not be told to the I/O APIC")]
    EndOfInterrupt {
        /// Its vector.
        vector: u8,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A part has no form in the file.
    #[error("section {name:?} could not be written")]
    Section {
        /// Its name.
        name: String,
    },
    /// The file does not take a section.
    #[error(transparent)]
    Format(#[from] WriterError),
    /// Guest memory could not be read.
    #[error(transparent)]
    Memory(#[from] OutsideMemory),
}

/// Why a VM could not be restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// It is no state file that can be read.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// A section does not hold what its name says.
    #[error("section {name:?} of the state file makes no sense")]
    Section {
        /// Its name.
        name: String,
    },
    /// The saved VM started other firmware, or none.
    #[error("the state file is of a VM with other firmware")]
    Firmware,
    /// The saved VM has another shape.
    #[error("the state file is of another VM: it has {saved}, and this one {here}")]
    Shape {
        /// What was saved.
        saved: String,
        /// What it was to be restored into.
        here: String,
    },
    /// A device's state is not that of a device of this VM.
    #[error("device {index} could not be restored")]
    Device {
        /// Its number.
        index: usize,
        /// Why.
        source: DeviceStateError,
    },
    /// A vCPU that had come later could not be made.
    #[error("processor {index}, which had come later, could not be made")]
    Spare {
        /// Which one.
        index: u8,
        /// Why.
        source: Box<SpareError>,
    },
    /// The VM could not be made.
    #[error(transparent)]
    Vm(#[from] VmError),
    /// The host's processor counts at another rate, and cannot scale.
    #[error("the time-stamp counter counted at {saved_khz} kHz and here at {here_khz}, and this KVM cannot scale it")]
    TscRate {
        /// Where it was saved.
        saved_khz: u32,
        /// Here.
        here_khz: u32,
    },
    /// KVM refused an MSR.
    #[error("KVM refused the value {value:#x} of MSR {index:#x}")]
    Msr {
        /// Its number.
        index: u32,
        /// What was saved of it.
        value: u64,
    },
    /// KVM refused a request.
    #[error("KVM refused {request}")]
    Kvm {
        /// The request in the kernel's terms.
        request: &'static str,
        /// Why.
        source: io::Error,
    },
    /// Guest memory could not be written.
    #[error(transparent)]
    Memory(#[from] OutsideMemory),
}
