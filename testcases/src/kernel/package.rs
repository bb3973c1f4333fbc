//! Debian packages of kernels.

use super::source::KernelError;
use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The end of a package's name.
pub(super) const ENDING: &str = "deb";
/// What is taken out of a package, as `tar` names it: the kernel, and the modules that KVM may use.
const PARTS: &[&str] = &[
    "./boot/vmlinuz*",
    "*/lib/modules/*/vmlinuz*",
    "*/lib/modules/*/kernel/arch/x86/*",
    "*/lib/modules/*/kernel/virt/*",
    "*/lib/modules/*/kernel/crypto/*",
    "*/lib/modules/*/kernel/lib/*",
    "*/lib/modules/*/kernel/drivers/crypto/ccp/*",
    "*/lib/modules/*/kernel/drivers/char/*",
    "*/lib/modules/*/kernel/drivers/firmware/*",
    "*/lib/modules/*/kernel/drivers/virt/*",
];

/// Unpacks a package into a folder; returns where the kernel lies.
pub(super) fn unpack(package: &Path, folder: &Path) -> Result<PathBuf, KernelError> {
    let failed = |source| KernelError::Package { path: package.to_owned(), source };
    let mut list = Command::new("dpkg-deb");
    list.arg("--fsys-tarfile").arg(package).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut list = list.spawn().map_err(failed)?;
    let Some(output) = list.stdout.take() else {
        return Err(failed(io::Error::other("no output")));
    };
    let tar = Command::new("tar")
        .args(["-x", "--wildcards", "-C"])
        .arg(folder)
        .args(PARTS)
        .stdin(output)
        // It complains of each part that this package does not have.
        .stderr(Stdio::null())
        .status();
    let status = list.wait().map_err(failed)?;
    tar.map_err(failed)?;
    if !status.success() {
        return Err(failed(io::Error::other("dpkg-deb says that it is no package")));
    }
    find(folder).ok_or_else(|| KernelError::NoKernelInPackage { path: package.to_owned() })
}

/// The first kernel in an unpacked package.
fn find(folder: &Path) -> Option<PathBuf> {
    let boot = fs::read_dir(folder.join("boot")).into_iter().flatten().flatten().map(|entry| entry.path());
    let modules = module_folders(folder).into_iter().map(|folder| folder.join("vmlinuz"));
    let mut found: Vec<_> = boot.chain(modules).filter(|path| is_kernel(path)).collect();
    found.sort();
    found.into_iter().next()
}

fn is_kernel(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("vmlinuz")) && path.is_file()
}

/// The folders of modules in a tree that looks like the root of a system.
pub(super) fn module_folders(root: &Path) -> Vec<PathBuf> {
    let parents = [root.join("lib/modules"), root.join("usr/lib/modules")];
    let entries = parents.iter().filter_map(|parent| fs::read_dir(parent).ok()).flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}
