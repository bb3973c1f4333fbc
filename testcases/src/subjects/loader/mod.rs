//! What starts an image on a hypervisor without its BIOS: a ROM of our own, and the page that tells the image of its machine.

pub(super) mod layout;
mod memory;
pub(super) mod rom;
mod start_info;

use super::{Image, SubjectError};
use crate::{chain::chain, inherited::unnamed};
use std::{fs::File, io};

/// Why a machine cannot be made of an image.
#[derive(Debug, thiserror::Error)]
enum PrepareError {
    #[error(transparent)]
    Layout(#[from] memory::LayoutError),
    #[error("the loader cannot be assembled")]
    Assemble { source: iced_x86::IcedError },
}

/// Files without names that a hypervisor inherits: each vanishes with its last user.
#[derive(Debug)]
pub(super) struct Files {
    /// The system ROM, for [`layout::ROM`].
    pub(super) rom: File,
    /// What stands in memory from [`layout::IMAGE`] on.
    pub(super) memory: File,
}

/// The ROM and the memory of an image for the machine of a subject.
///
/// # Errors
/// What is wrong with the image, or with the folder for temporary files.
pub(super) fn files(id: &'static str, machine: rom::Machine, image: &Image) -> Result<Files, SubjectError> {
    // It tells what is wrong with an image.
    let loaded = vmm::Image::from_bytes(image.catalog.bytes(), layout::MEMORY_SIZE_BYTES)
        .map_err(|source| SubjectError::Image { id, source })?;
    let entry = loaded.pvh_entry().map_err(|source| SubjectError::Image { id, source })?;
    let unloadable = |error: PrepareError| SubjectError::Unloadable { id, reason: chain(&error) };
    let (memory, end) = memory::lay_out(image.catalog.bytes()).map_err(|error| unloadable(error.into()))?;
    let rom = rom::build(machine, entry, end).map_err(|source| unloadable(PrepareError::Assemble { source }))?;
    let file = |bytes: &[u8]| unnamed(bytes).map_err(|source| SubjectError::Copy { id, source });
    Ok(Files { rom: file(&rom)?, memory: file(&memory)? })
}

/// The page for [`layout::START_INFO`], with a command line.
///
/// # Errors
/// If the command line is too long, or the file cannot be written.
pub(super) fn start_info(command_line: &str) -> io::Result<File> {
    unnamed(&start_info::page(command_line).map_err(io::Error::other)?)
}
