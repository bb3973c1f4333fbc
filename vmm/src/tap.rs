//! Taps: network interfaces of the host whose other end is a file descriptor.
//!
//! Source: Linux, "Documentation/networking/tuntap.rst".

#![expect(unsafe_code, reason = "TUNSETIFF has no safe wrapper among our dependencies")]
// UNSAFETY: one ioctl that reads a structure of ours.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
};
use vmm_sys_util::ioctl::ioctl_with_ref;

/// The device that makes taps.
const DEVICE: &str = "/dev/net/tun";
/// Bytes of an interface's name, with the zero at its end.
const NAME_BYTES: usize = 16;

/// Why there is no tap.
#[derive(Debug, thiserror::Error)]
pub enum TapError {
    /// No interface can have such a name.
    #[error("an interface's name has 1 to 15 bytes, without a slash or a zero: {name:?}")]
    Name {
        /// The name.
        name: String,
    },
    /// The host's kernel has no taps.
    #[error("the host has no {DEVICE}: load its module with `modprobe tun`")]
    NoDevice,
    /// This user may not use the tap.
    #[error(
        "tap {name} is not permitted: make it once with `sudo ip tuntap add mode tap user $USER name {name}` and \
         `sudo ip link set {name} up`, or pass an open descriptor"
    )]
    NotPermitted {
        /// The name.
        name: String,
    },
    /// Another program uses it.
    #[error("tap {name} is used by another program")]
    Busy {
        /// The name.
        name: String,
    },
    /// The interface is something else than a tap.
    #[error("{name} is not a tap without IFF_VNET_HDR and multiple queues")]
    NotATap {
        /// The name.
        name: String,
    },
    /// Another failure.
    #[error("failed to open tap {name}")]
    Other {
        /// The name.
        name: String,
        /// What the host said.
        source: io::Error,
    },
}

/// `struct ifreq`, as TUNSETIFF reads it.
#[repr(C)]
struct Request {
    name: [u8; NAME_BYTES],
    flags: libc::c_short,
    rest: [u8; 22],
}

const _: () = assert!(size_of::<Request>() == size_of::<libc::ifreq>());

/// Opens the tap with this name, and makes it if this user may. Each read and write of the file is a frame, without anything
/// before it; it does not block. A tap that was made here goes when the file is closed.
///
/// # Errors
/// With what to do about it, as far as that is known.
pub fn open(name: &str) -> Result<File, TapError> {
    let mut request = Request { name: [0; NAME_BYTES], flags: 0, rest: [0; 22] };
    let is_name = !name.is_empty() && name.len() < NAME_BYTES && !name.bytes().any(|byte| byte == 0 || byte == b'/');
    if !is_name {
        return Err(TapError::Name { name: name.into() });
    }
    request.name[..name.len()].copy_from_slice(name.as_bytes());
    request.flags = (libc::IFF_TAP | libc::IFF_NO_PI) as libc::c_short;
    let explain = |error| explain(name, error);
    let file =
        OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(DEVICE).map_err(explain)?;
    // SAFETY: the request is as large as the kernel reads it, and lives until the call returns.
    if unsafe { ioctl_with_ref(&file, libc::TUNSETIFF as libc::c_ulong, &request) } < 0 {
        return Err(explain(io::Error::last_os_error()));
    }
    Ok(file)
}

fn explain(name: &str, source: io::Error) -> TapError {
    let name = name.to_owned();
    match source.raw_os_error() {
        Some(libc::ENOENT | libc::ENODEV | libc::ENXIO) => TapError::NoDevice,
        Some(libc::EPERM | libc::EACCES) => TapError::NotPermitted { name },
        Some(libc::EBUSY) => TapError::Busy { name },
        Some(libc::EINVAL) => TapError::NotATap { name },
        _ => TapError::Other { name, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn names_are_checked() {
        for name in ["", "0123456789abcdef", "a/b", "a\0b"] {
            assert!(matches!(open(name), Err(TapError::Name { .. })), "{name:?}");
        }
    }

    #[test]
    fn failures_say_what_to_do() {
        let told = |errno| explain("tap7", io::Error::from_raw_os_error(errno)).to_string();
        assert!(told(libc::EPERM).contains("ip tuntap add mode tap user $USER name tap7"));
        assert!(told(libc::ENOENT).contains("modprobe tun"));
        assert!(told(libc::EBUSY).contains("another program"));
        assert!(told(libc::EINVAL).contains("not a tap"));
        assert_eq!(told(libc::EIO), "failed to open tap tap7");
    }

    /// What this machine permits is not known; what it gives must not block.
    #[test]
    fn a_tap_that_is_permitted_does_not_block() {
        match open("vmprooftest%d") {
            Ok(mut file) => assert!(file.read(&mut [0; 64]).is_err(), "nobody sent anything"),
            Err(error) => {
                assert!(matches!(error, TapError::NotPermitted { .. } | TapError::NoDevice), "{error}: {error:?}");
            }
        }
    }
}
