//! The lock by which two VMs do not write one image.
//!
//! It is one of open file descriptions over the whole file, as other VMMs take it: QEMU locks single bytes of the same kind, so
//! that it and a VM with a writable disk keep each other out.

use nix::{
    errno::Errno,
    fcntl::{FcntlArg, fcntl},
};
use std::fs::File;

/// Locks `file`: with others who read it, or alone. Gives whether that was possible; it lasts until the last descriptor of this
/// open file is closed.
pub(super) fn lock(file: &File, shared: bool) -> Result<bool, Errno> {
    let kind = if shared { libc::F_RDLCK } else { libc::F_WRLCK };
    // A length of zero: to the end, wherever it is.
    let range = libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    match fcntl(file, FcntlArg::F_OFD_SETLK(&range)) {
        Ok(_) => Ok(true),
        Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
        // A file system without locks has none that others could hold.
        Err(Errno::ENOLCK | Errno::EOPNOTSUPP | Errno::ENOSYS) => Ok(true),
        Err(error) => Err(error),
    }
}
