//! Debian packages of kernels.

use super::source::KernelError;
use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The end of a package's name.
const ENDING: &str = "deb";
/// What is taken out of a package, as `tar` names it: the kernel, the modules that KVM may use, and those of a guest on virtio.
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
    "*/lib/modules/*/kernel/drivers/virtio/*",
    "*/lib/modules/*/kernel/drivers/block/virtio_blk*",
    "*/lib/modules/*/kernel/drivers/net/virtio_net*",
    "*/lib/modules/*/kernel/drivers/net/net_failover*",
    "*/lib/modules/*/kernel/net/core/failover*",
    "*/lib/modules/*/kernel/fs/ext4/*",
    "*/lib/modules/*/kernel/fs/jbd2/*",
    "*/lib/modules/*/kernel/fs/mbcache*",
];

/// Newer packages hold either a kernel or its modules; those of one build differ in this part of their names.
const KERNEL_PART: &str = "linux-binary-";
/// The part that stands there in the name of the package of modules.
const MODULES_PART: &str = "linux-modules-";

/// Whether a path is named as packages are.
pub(super) fn is_package(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == ENDING)
}

/// The package of modules that lies beside one of a kernel without them.
pub(super) fn modules_beside(kernel: &Path) -> Option<PathBuf> {
    let version = kernel.file_name()?.to_str()?.strip_prefix(KERNEL_PART)?;
    Some(kernel.with_file_name(format!("{MODULES_PART}{version}"))).filter(|path| path.is_file())
}

/// Unpacks what is needed of a package into a folder.
pub(super) fn unpack(package: &Path, folder: &Path) -> Result<(), KernelError> {
    // So that a wrong path is told as such.
    fs::metadata(package).map_err(|source| KernelError::Read { path: package.to_owned(), source })?;
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
    Ok(())
}

/// The first kernel in an unpacked package.
pub(super) fn kernel(folder: &Path) -> Option<PathBuf> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_of_the_same_build_lie_beside_the_kernel() {
        let folder = tempfile::tempdir().unwrap();
        let kernel = folder.path().join("linux-binary-7.2.13+deb14-amd64_7.2.13-1_amd64.deb");
        assert_eq!(modules_beside(&kernel), None);
        let modules = folder.path().join("linux-modules-7.2.13+deb14-amd64_7.2.13-1_amd64.deb");
        fs::write(&modules, "").unwrap();
        assert_eq!(modules_beside(&kernel), Some(modules));
        assert_eq!(modules_beside(&folder.path().join("linux-image-6.1.0-53-amd64.deb")), None);
    }
}
