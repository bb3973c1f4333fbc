//! A kernel as the user names it.

use super::{
    modules::{self, LoadOrder, Purpose},
    package, version,
};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// A kernel under test with its modules, read into memory.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// The bzImage.
    pub bytes: Vec<u8>,
    /// Its release, such as `6.1.0-53-amd64`.
    pub release: String,
    /// The modules that it needs for its purpose, without those that are built in.
    pub modules: LoadOrder,
}

/// Why a kernel cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// A file or folder cannot be read.
    #[error("failed to read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is no kernel.
    #[error("{} is neither a bzImage (`arch/x86/boot/bzImage`, `/boot/vmlinuz-…`) nor a Debian package", path.display())]
    NoKernel {
        /// The file.
        path: PathBuf,
    },
    /// A package cannot be unpacked.
    #[error("failed to unpack the package {} with `dpkg-deb` and `tar`; are they installed?", path.display())]
    Package {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A package holds no kernel.
    #[error(
        "the package {} holds no kernel; take the one of a version that does, such as linux-image-6.1.0-53-amd64 or \
         linux-binary-7.2.13+deb14-amd64 (with linux-modules-7.2.13+deb14-amd64 beside it), not one that depends on it",
        path.display()
    )]
    NoKernelInPackage {
        /// The file.
        path: PathBuf,
    },
    /// No folder for temporary files.
    #[error("failed to make a folder for temporary files")]
    Temporary(#[source] io::Error),
    /// A module that is needed is missing.
    #[error("{} has no module `{name}`, which others there use", folder.display())]
    MissingModule {
        /// Its name.
        name: String,
        /// Where it was looked for.
        folder: PathBuf,
    },
    /// A file is no module.
    #[error("{} is no kernel module", path.display())]
    NoModule {
        /// The file.
        path: PathBuf,
    },
    /// A module belongs to another kernel.
    #[error("{} is a module for Linux {module}, but the kernel is {kernel}; give its own with `modules=DIR`", path.display())]
    OtherRelease {
        /// The module's file.
        path: PathBuf,
        /// What the module is for.
        module: String,
        /// The kernel's release.
        kernel: String,
    },
    /// A module cannot be unpacked.
    #[error("failed to start `{program}` to unpack {}", path.display())]
    Unpack {
        /// The file.
        path: PathBuf,
        /// What was to unpack it.
        program: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// The kernel in a bzImage cannot be unpacked.
    #[error("the kernel in the bzImage of Linux {release} cannot be unpacked: {detail}")]
    Vmlinux {
        /// The kernel's release.
        release: String,
        /// Why.
        detail: String,
    },
    /// The folder for modules holds a file system or the like.
    #[error("{} holds more than {limit} files; name the folder of the kernel's own modules", folder.display())]
    TooManyFiles {
        /// The folder.
        folder: PathBuf,
        /// How many are looked at.
        limit: usize,
    },
}

impl Kernel {
    /// Reads a kernel and its modules, which are looked for beside it unless their folder or package is given.
    ///
    /// # Errors
    /// [`KernelError`].
    pub fn open(path: &Path, modules: Option<&Path>) -> Result<Self, KernelError> {
        Self::open_for(Purpose::Kvm, path, modules)
    }

    /// As [`Self::open`], which is for KVM, with the modules for another purpose.
    ///
    /// # Errors
    /// [`KernelError`].
    pub fn open_for(purpose: Purpose, path: &Path, modules: Option<&Path>) -> Result<Self, KernelError> {
        let temporary = tempfile::tempdir().map_err(KernelError::Temporary)?;
        let (of_kernel, of_modules) = (temporary.path().join("kernel"), temporary.path().join("modules"));
        for folder in [&of_kernel, &of_modules] {
            fs::create_dir(folder).map_err(KernelError::Temporary)?;
        }
        let kernel = if package::is_package(path) {
            package::unpack(path, &of_kernel)?;
            package::kernel(&of_kernel).ok_or_else(|| KernelError::NoKernelInPackage { path: path.to_owned() })?
        } else {
            path.to_owned()
        };
        let beside = modules.is_none().then(|| package::modules_beside(path)).flatten();
        match beside.as_deref().or(modules) {
            Some(modules) if package::is_package(modules) => {
                package::unpack(modules, &of_modules)?;
                Self::open_image(purpose, &kernel, Some(&of_modules))
            }
            modules => Self::open_image(purpose, &kernel, modules),
        }
    }

    fn open_image(purpose: Purpose, path: &Path, modules: Option<&Path>) -> Result<Self, KernelError> {
        let bytes = fs::read(path).map_err(|source| KernelError::Read { path: path.to_owned(), source })?;
        let no_kernel = || KernelError::NoKernel { path: path.to_owned() };
        let release = version::of_kernel(&bytes).ok_or_else(no_kernel)?;
        let folder = modules.map(Path::to_owned).or_else(|| beside(path, &release));
        let modules = folder.map(|folder| modules::find(&folder, &release, purpose)).transpose()?.unwrap_or_default();
        Ok(Self { bytes, release, modules })
    }
}

/// The folder of the modules of a kernel: in the root of the system that its path is in, beside it, or the tree that it
/// was built in.
fn beside(kernel: &Path, release: &str) -> Option<PathBuf> {
    let kernel = kernel.canonicalize().ok()?;
    let folder = kernel.parent()?;
    let roots = [folder.parent(), Some(folder)].into_iter().flatten();
    let of_system = roots.flat_map(package::module_folders).find(|found| found.ends_with(release));
    let own = || Some(folder.join("modules")).filter(|folder| folder.is_dir());
    // lib/modules/<release>/vmlinuz, as newer packages have it.
    let of_release = || Some(folder.to_owned()).filter(|folder| folder.ends_with(release));
    let tree = || kernel.ancestors().nth(4).filter(|_| folder.ends_with("arch/x86/boot")).map(Path::to_owned);
    of_system.or_else(own).or_else(of_release).or_else(tree)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::chain;

    fn refused(path: &Path) -> String {
        chain(&Kernel::open(path, None).unwrap_err())
    }

    #[test]
    fn what_is_no_kernel_is_refused_with_what_would_be_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vmlinuz");
        assert!(refused(&path).contains("failed to read"), "{}", refused(&path));
        fs::write(&path, "text").unwrap();
        assert!(refused(&path).contains("neither a bzImage"), "{}", refused(&path));
        let path = folder.path().join("a.deb");
        fs::write(&path, "text").unwrap();
        assert!(refused(&path).contains("a.deb"), "{}", refused(&path));
    }

    #[test]
    fn modules_are_found_in_the_system_of_the_kernel() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("boot")).unwrap();
        for release in ["6.1", "6.2"] {
            fs::create_dir_all(root.path().join("lib/modules").join(release)).unwrap();
        }
        let kernel = root.path().join("boot/vmlinuz-6.2");
        fs::write(&kernel, "").unwrap();
        let expected = root.path().canonicalize().unwrap().join("lib/modules/6.2");
        assert_eq!(beside(&kernel, "6.2"), Some(expected));
        assert_eq!(beside(&kernel, "6.3"), None);
    }
}
