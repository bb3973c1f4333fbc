//! Files without names, which child processes inherit and open: each vanishes with its last user.

use std::{
    fs::File,
    io::{self, Write as _},
    os::fd::{AsRawFd as _, RawFd},
};

/// Bytes in a file without a name.
///
/// # Errors
/// If the folder for temporary files cannot take it.
pub(crate) fn unnamed(bytes: &[u8]) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    file.write_all(bytes)?;
    Ok(file)
}

/// A name for a file that a child inherits under the number that it has here. Each process that opens it has a position of its
/// own in the file.
pub(crate) fn path_of(file: &File) -> String {
    path(file.as_raw_fd())
}

/// The same by the number.
pub(crate) fn path(descriptor: RawFd) -> String {
    format!("/proc/self/fd/{descriptor}")
}
