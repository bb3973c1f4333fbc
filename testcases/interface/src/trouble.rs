//! Why a case could not be carried out.

use std::io;

/// An ioctl or system call that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{call}: {}", name(*.number))]
pub struct Errno {
    /// The request, as `linux/kvm.h` calls it.
    pub call: &'static str,
    /// The number of the error.
    pub number: i32,
}

impl Errno {
    pub(crate) const fn new(call: &'static str, number: i32) -> Self {
        Self { call, number }
    }

    /// What the last system call of this thread left.
    pub(crate) fn last(call: &'static str) -> Self {
        Self::new(call, io::Error::last_os_error().raw_os_error().unwrap_or(0))
    }
}

/// Why a case could not be carried out.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Trouble {
    /// A step that leads to what the case is about was refused.
    #[error("a step of the set-up was refused")]
    SetUp(#[from] Errno),
    /// The guest's code could not be assembled.
    #[error("the guest's code cannot be assembled")]
    Code(#[from] iced_x86::IcedError),
    /// The guest ended other than the set-up needs.
    #[error("the guest left with exit reason {reason} where the set-up needs {expected}")]
    Exit {
        /// What it left with.
        reason: u32,
        /// What it should have left with.
        expected: u32,
    },
    /// This KVM does not offer what the case is about.
    #[error("KVM does not offer {0}")]
    NotOffered(&'static str),
}

/// The name of an error that KVM answers with.
pub(crate) fn name(number: i32) -> String {
    let known = match number {
        libc::E2BIG => "E2BIG",
        libc::EAGAIN => "EAGAIN",
        libc::EBADF => "EBADF",
        libc::EBUSY => "EBUSY",
        libc::EEXIST => "EEXIST",
        libc::EFAULT => "EFAULT",
        libc::EINTR => "EINTR",
        libc::EINVAL => "EINVAL",
        libc::EIO => "EIO",
        libc::ENODEV => "ENODEV",
        libc::ENOENT => "ENOENT",
        libc::ENOMEM => "ENOMEM",
        libc::ENOSPC => "ENOSPC",
        libc::ENOTTY => "ENOTTY",
        libc::ENXIO => "ENXIO",
        libc::EOPNOTSUPP => "EOPNOTSUPP",
        libc::EPERM => "EPERM",
        other => return format!("error {other}"),
    };
    known.to_owned()
}
