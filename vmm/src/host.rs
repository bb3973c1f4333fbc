//! The host's KVM: opened once, checked, and what it offers remembered.

use kvm_bindings::{CpuId, KVM_MAX_CPUID_ENTRIES};
use kvm_ioctls::{Cap, Kvm};
use std::{ffi::CString, io, os::unix::ffi::OsStrExt, path::Path};

/// The API version that all kernels since 2.6.22 have (Linux, "Documentation/virt/kvm/api.rst" § 4.1).
const API_VERSION: i32 = 12;

/// What every VM of ours needs, with the names that the kernel's documentation uses.
const REQUIRED: &[(Cap, &str)] = &[
    (Cap::UserMemory, "KVM_CAP_USER_MEMORY"),
    (Cap::SetTssAddr, "KVM_CAP_SET_TSS_ADDR"),
    (Cap::SetIdentityMapAddr, "KVM_CAP_SET_IDENTITY_MAP_ADDR"),
    (Cap::ExtCpuid, "KVM_CAP_EXT_CPUID"),
    (Cap::MpState, "KVM_CAP_MP_STATE"),
    (Cap::VcpuEvents, "KVM_CAP_VCPU_EVENTS"),
    (Cap::ImmediateExit, "KVM_CAP_IMMEDIATE_EXIT"),
];

/// Why the host's KVM cannot be used; each text says what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// There is no such device.
    #[error(
        "{path} does not exist: load the module kvm_intel or kvm_amd, or enable virtualization in the firmware, or \
         nested virtualization if this is a VM"
    )]
    Missing {
        /// The device's path.
        path: String,
    },
    /// The device exists, and this user may not open it.
    #[error(
        "no permission to open {path}: add yourself to the group kvm (`sudo usermod -aG kvm $USER`) and log in anew"
    )]
    NoPermission {
        /// The device's path.
        path: String,
    },
    /// The device could not be opened for another reason.
    #[error("failed to open {path}")]
    Open {
        /// The device's path.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// What was opened does not answer as KVM does.
    #[error("{path} is not KVM: it does not answer KVM_GET_API_VERSION")]
    NotKvm {
        /// The device's path.
        path: String,
        /// What the request gave.
        source: io::Error,
    },
    /// KVM has another API.
    #[error("KVM has API version {version} and not 12: a newer kernel is needed")]
    ApiVersion {
        /// The version it has.
        version: i32,
    },
    /// KVM is too old.
    #[error("KVM of this kernel is too old, it lacks {name}: a newer kernel is needed")]
    MissingCapability {
        /// The capability in the kernel's terms.
        name: &'static str,
    },
    /// KVM refused a request that does not depend on a VM.
    #[error("KVM refused {request}")]
    Refused {
        /// The request in the kernel's terms.
        request: &'static str,
        /// Why.
        source: io::Error,
    },
}

/// The host's KVM. VMs borrow it only while they are created; open it once and share it among threads.
#[derive(Debug)]
pub struct Hypervisor {
    pub(crate) kvm: Kvm,
    pub(crate) supported_cpuid: CpuId,
    pub(crate) has_tsc_deadline: bool,
}

impl Hypervisor {
    /// Opens /dev/kvm.
    ///
    /// # Errors
    /// As [`Self::open_at`].
    pub fn open() -> Result<Self, HostError> {
        Self::open_at("/dev/kvm".as_ref())
    }

    /// Opens the device at `path` and checks that it is a KVM with all that is needed here.
    ///
    /// It also installs a handler for the real-time signal that ends a guest, once for the process.
    ///
    /// # Errors
    /// One variant of [`HostError`] for each reason that a user can do something about.
    pub fn open_at(path: &Path) -> Result<Self, HostError> {
        let kvm = open(path)?;
        check(kvm.get_api_version(), path, |capability| kvm.check_extension_int(capability))?;
        let supported_cpuid = kvm
            .get_supported_cpuid(KVM_MAX_CPUID_ENTRIES)
            .map_err(|error| HostError::Refused { request: "KVM_GET_SUPPORTED_CPUID", source: error.into() })?;
        crate::control::install_signal_handler()
            .map_err(|source| HostError::Refused { request: "a handler for its signal (sigaction)", source })?;
        let has_tsc_deadline = kvm.check_extension(Cap::TscDeadlineTimer);
        Ok(Self { kvm, supported_cpuid, has_tsc_deadline })
    }

    /// The CPUID table that KVM supports, before the corrections that a VM's shape asks for.
    pub fn supported_cpuid(&self) -> &CpuId {
        &self.supported_cpuid
    }
}

fn open(path: &Path) -> Result<Kvm, HostError> {
    let c_path =
        CString::new(path.as_os_str().as_bytes()).map_err(|_| open_error(path, io::ErrorKind::NotFound.into()))?;
    Kvm::new_with_path(&c_path).map_err(|error| open_error(path, error.into()))
}

fn open_error(path: &Path, source: io::Error) -> HostError {
    let path = path.display().to_string();
    match (source.kind(), source.raw_os_error()) {
        // The device file can be there without its driver.
        (io::ErrorKind::NotFound, _) | (_, Some(libc::ENODEV | libc::ENXIO)) => HostError::Missing { path },
        (io::ErrorKind::PermissionDenied, _) => HostError::NoPermission { path },
        _ => HostError::Open { path, source },
    }
}

/// Checks what KVM says of itself; `capability` is KVM_CHECK_EXTENSION, and in tests a kernel that nobody has at hand.
fn check(api_version: i32, path: &Path, capability: impl Fn(Cap) -> i32) -> Result<(), HostError> {
    if api_version < 0 {
        // The value is that of a failed ioctl, so errno is still that of KVM_GET_API_VERSION.
        return Err(HostError::NotKvm { path: path.display().to_string(), source: io::Error::last_os_error() });
    }
    if api_version != API_VERSION {
        return Err(HostError::ApiVersion { version: api_version });
    }
    match REQUIRED.iter().find(|(required, _)| capability(*required) <= 0) {
        Some((_, name)) => Err(HostError::MissingCapability { name }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_is_not_there_is_missing() {
        let error = Hypervisor::open_at("/dev/no-such-kvm".as_ref()).unwrap_err();
        assert!(matches!(&error, HostError::Missing { .. }), "{error:?}");
        assert!(error.to_string().contains("kvm_intel"), "{error}");
        for errno in [libc::ENODEV, libc::ENXIO] {
            let error = open_error("/dev/kvm".as_ref(), io::Error::from_raw_os_error(errno));
            assert!(matches!(error, HostError::Missing { .. }), "{error:?}");
        }
    }

    #[test]
    fn a_path_with_a_nul_is_missing() {
        let error = Hypervisor::open_at("/dev/k\0vm".as_ref()).unwrap_err();
        assert!(matches!(&error, HostError::Missing { .. }), "{error:?}");
    }

    #[test]
    fn a_refused_open_names_the_group() {
        let error = open_error("/dev/kvm".as_ref(), io::Error::from_raw_os_error(libc::EACCES));
        assert!(matches!(&error, HostError::NoPermission { path } if path == "/dev/kvm"), "{error:?}");
        assert!(error.to_string().contains("group kvm"), "{error}");
        let error = open_error("/dev/kvm".as_ref(), io::Error::from_raw_os_error(libc::EBUSY));
        assert!(matches!(error, HostError::Open { .. }), "{error:?}");
    }

    #[test]
    fn another_device_is_not_kvm() {
        let error = Hypervisor::open_at("/dev/null".as_ref()).unwrap_err();
        let HostError::NotKvm { source, .. } = &error else { panic!("{error:?}") };
        assert_eq!(source.raw_os_error(), Some(libc::ENOTTY));
    }

    #[test]
    fn another_api_version_is_told() {
        let error = check(11, "/dev/kvm".as_ref(), |_| 1).unwrap_err();
        assert!(matches!(error, HostError::ApiVersion { version: 11 }));
    }

    #[test]
    fn each_required_capability_is_named_when_it_lacks() {
        for (lacking, its_name) in REQUIRED {
            let error = check(12, "/dev/kvm".as_ref(), |asked| i32::from(asked as u32 != *lacking as u32)).unwrap_err();
            assert!(matches!(error, HostError::MissingCapability { name } if name == *its_name), "{error:?}");
            assert!(error.to_string().contains(its_name));
        }
        check(12, "/dev/kvm".as_ref(), |_| 1).unwrap();
    }
}
