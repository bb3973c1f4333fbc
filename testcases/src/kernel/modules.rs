//! The modules that a kernel needs for a purpose, found in a folder and brought into the order in which they are loaded.

use super::{
    source::KernelError,
    version::{self, ModuleFacts},
};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// KVM's modules of the processors' vendors; one of them must be there.
const VENDORS: &[&str] = &["kvm_amd", "kvm_intel"];
/// What a guest needs for its disk and its network on virtio, and for the file system on it. That one asks for a checksum by
/// name and not by a symbol, so that nothing else leads to its module.
const GUEST: &[&str] = &["virtio_pci", "virtio_blk", "virtio_net", "crc32c_generic", "ext4"];
/// The most files and folders that are looked at: a built kernel tree has a tenth of it.
const MAX_ENTRIES: usize = 1_000_000;
/// What unpacks a module, by the end of its name.
const UNPACKERS: &[(&str, &str)] = &[("xz", "xz"), ("zst", "zstd"), ("gz", "gzip")];

/// What a kernel is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Run virtual machines by KVM.
    Kvm,
    /// Be a guest with a disk and a network on virtio, and a root file system of the type ext4.
    Guest,
}

impl Purpose {
    /// The modules that everything else follows from. One that is not there is built into the kernel.
    const fn roots(self) -> &'static [&'static str] {
        match self {
            Self::Kvm => VENDORS,
            Self::Guest => GUEST,
        }
    }
}

/// A module as it is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadedModule {
    /// Its name, with underscores.
    pub name: String,
    /// The unpacked file.
    pub bytes: Vec<u8>,
    /// Names of its parameters.
    pub parameters: Vec<String>,
    /// Whether it is one of a processor's vendor.
    pub is_of_vendor: bool,
}

/// Modules, each behind those that it uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadOrder(pub Vec<LoadedModule>);

/// Finds the modules for a purpose in a folder and everything that they use. Empty if the folder has none of them, as that of a
/// kernel with KVM built in.
pub(super) fn find(folder: &Path, release: &str, purpose: Purpose) -> Result<LoadOrder, KernelError> {
    let files = list(folder)?;
    let mut order = LoadOrder::default();
    for root in purpose.roots() {
        if files.contains_key(*root) {
            add(root, &files, folder, release, &mut order, 0)?;
        }
    }
    Ok(order)
}

/// More modules than can use each other in a row: a circle.
const MAX_DEPTH: usize = 32;

fn add(
    name: &str,
    files: &BTreeMap<String, PathBuf>,
    folder: &Path,
    release: &str,
    order: &mut LoadOrder,
    depth: usize,
) -> Result<(), KernelError> {
    if order.0.iter().any(|module| module.name == name) {
        return Ok(());
    }
    let missing = || KernelError::MissingModule { name: name.to_owned(), folder: folder.to_owned() };
    let path = files.get(name).filter(|_| depth < MAX_DEPTH).ok_or_else(missing)?;
    let bytes = read(path)?;
    let no_module = || KernelError::NoModule { path: path.clone() };
    let ModuleFacts { release: found, uses, parameters } = version::of_module(&bytes).ok_or_else(no_module)?;
    if found != release {
        let (path, kernel) = (path.clone(), release.to_owned());
        return Err(KernelError::OtherRelease { path, module: found, kernel });
    }
    for used in &uses {
        add(&normal(used), files, folder, release, order, depth + 1)?;
    }
    let is_of_vendor = VENDORS.contains(&name);
    order.0.push(LoadedModule { name: name.to_owned(), bytes, parameters, is_of_vendor });
    Ok(())
}

/// Every module below a folder by its name.
fn list(folder: &Path) -> Result<BTreeMap<String, PathBuf>, KernelError> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    let mut nr_entries = 0;
    while let Some(folder) = folders.pop() {
        let failed = |source| KernelError::Read { path: folder.clone(), source };
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            nr_entries += 1;
            if nr_entries > MAX_ENTRIES {
                return Err(KernelError::TooManyFiles { folder, limit: MAX_ENTRIES });
            }
            // Links are not followed: `build` and `source` lead to whole kernel trees, and in circles.
            if entry.file_type().map_err(failed)?.is_dir() {
                folders.push(entry.path());
            } else if let Some((name, rest)) = entry.file_name().to_str().and_then(|name| name.split_once(".ko"))
                && (rest.is_empty() || unpacker(rest).is_some())
            {
                files.insert(normal(name), entry.path());
            }
        }
    }
    Ok(files)
}

/// Names are the same with hyphens and underscores.
fn normal(name: &str) -> String {
    name.replace('-', "_")
}

/// The program that unpacks files whose names end so, behind `.ko`.
fn unpacker(rest: &str) -> Option<&'static str> {
    UNPACKERS.iter().find(|(end, _)| rest.strip_prefix('.') == Some(end)).map(|(_, program)| *program)
}

fn read(path: &Path) -> Result<Vec<u8>, KernelError> {
    let end = path.extension().map(|end| format!(".{}", end.to_string_lossy())).unwrap_or_default();
    let Some(program) = unpacker(&end) else {
        return fs::read(path).map_err(|source| KernelError::Read { path: path.to_owned(), source });
    };
    let output = Command::new(program).arg("-dc").arg(path).output();
    let output = output.map_err(|source| KernelError::Unpack { path: path.to_owned(), program, source })?;
    if output.status.success() { Ok(output.stdout) } else { Err(KernelError::NoModule { path: path.to_owned() }) }
}

#[cfg(test)]
mod tests {
    use super::{version::testing, *};

    #[test]
    fn modules_are_found_at_any_depth_and_links_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("kernel/arch")).unwrap();
        for name in ["kernel/arch/kvm-amd.ko", "kernel/ccp.ko.xz", "kernel/notes.korea", "rng-core.ko.zst"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        std::os::unix::fs::symlink(folder.path(), folder.path().join("build")).unwrap();
        let files = list(folder.path()).unwrap();
        assert_eq!(files.keys().collect::<Vec<_>>(), ["ccp", "kvm_amd", "rng_core"]);
    }

    #[test]
    fn a_file_that_is_no_module_is_told() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("kvm-amd.ko"), "text").unwrap();
        let error = find(folder.path(), "6.1", Purpose::Kvm).unwrap_err().to_string();
        assert!(error.contains("kvm-amd.ko is no kernel module"), "{error}");
    }

    #[test]
    fn modules_come_behind_those_that_they_use() {
        let folder = tempfile::tempdir().unwrap();
        for (name, uses) in [("kvm-amd", &["kvm", "ccp"][..]), ("ccp", &["rng-core"]), ("rng-core", &[]), ("kvm", &[])]
        {
            fs::write(folder.path().join(format!("{name}.ko")), testing::module("6.1", uses, &["npt:int"])).unwrap();
        }
        let order = find(folder.path(), "6.1", Purpose::Kvm).unwrap();
        let names: Vec<_> = order.0.iter().map(|module| module.name.as_str()).collect();
        assert_eq!(names, ["kvm", "rng_core", "ccp", "kvm_amd"]);
        fs::remove_file(folder.path().join("rng-core.ko")).unwrap();
        let error = find(folder.path(), "6.1", Purpose::Kvm).unwrap_err().to_string();
        assert!(error.contains("has no module `rng_core`"), "{error}");
    }

    #[test]
    fn a_guest_gets_other_modules_and_is_content_with_those_there_are() {
        let folder = tempfile::tempdir().unwrap();
        for (name, uses) in [("kvm-amd", &[][..]), ("virtio_blk", &["virtio"]), ("virtio", &[]), ("ext4", &[])] {
            fs::write(folder.path().join(format!("{name}.ko")), testing::module("6.1", uses, &[])).unwrap();
        }
        let order = find(folder.path(), "6.1", Purpose::Guest).unwrap();
        let names: Vec<_> = order.0.iter().map(|module| module.name.as_str()).collect();
        assert_eq!(names, ["virtio", "virtio_blk", "ext4"]);
    }

    #[test]
    fn modules_of_another_kernel_are_told_with_both_releases() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("kvm-amd.ko"), testing::module("6.1.0-53-amd64", &[], &[])).unwrap();
        let error = find(folder.path(), "7.2.13+deb14-amd64", Purpose::Kvm).unwrap_err().to_string();
        let expected = "is a module for Linux 6.1.0-53-amd64, but the kernel is 7.2.13+deb14-amd64; give its own with `modules=DIR`";
        assert!(error.ends_with(expected), "{error}");
    }

    #[test]
    fn modules_that_use_each_other_in_a_circle_are_no_endless_loop() {
        let folder = tempfile::tempdir().unwrap();
        for (name, uses) in [("kvm-amd", ["kvm"]), ("kvm", ["kvm-amd"])] {
            fs::write(folder.path().join(format!("{name}.ko")), testing::module("6.1", &uses, &[])).unwrap();
        }
        assert!(matches!(find(folder.path(), "6.1", Purpose::Kvm), Err(KernelError::MissingModule { .. })));
    }

    #[test]
    fn a_folder_without_kvm_gives_no_modules() {
        assert_eq!(find(tempfile::tempdir().unwrap().path(), "6.1", Purpose::Kvm).unwrap(), LoadOrder::default());
    }
}
