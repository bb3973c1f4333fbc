//! Why a subject cannot be used.

use super::{LinuxError, names};
use crate::judge::ProbeError;
use std::io;

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
