//! What a payload consists of, as files in the initramfs of the kernel that it is run on.

use super::{Form, GUEST_MEMORY, GUEST_WORDS, PayloadError, guest, host, lines::Marks, read};
use crate::{
    kernel::{Kernel, cpio::Archive},
    subjects::linux::{inside, with_modules},
};
use std::{
    fs::{self, File},
    hash::{BuildHasher as _, Hasher as _},
    io,
    path::Path,
    process::{Command, Stdio},
};

/// Where the files are.
const KERNEL: &str = "/payload/kernel";
const INITRD: &str = "/payload/initrd";
const DISK: &str = "/payload/disk";
const FIRMWARE: &str = "/payload/firmware";
/// Size of the disk in bytes.
const DISK_BYTES: u64 = 24 << 20;
/// Folders of the disk: what the kernel mounts there, and those of its two files.
const FOLDERS: &[&str] = &["dev", "proc", "sys", "tmp", "sbin", "etc"];
/// What makes the file system, and where it is for users whose path does not lead there.
const MKE2FS: [&str; 2] = ["mke2fs", "/usr/sbin/mke2fs"];

/// What is to be seen, and what the VMM is told.
pub(super) struct Files {
    pub(super) marks: Marks,
    pub(super) arguments: Vec<String>,
}

/// A Linux: kernel, initial RAM disk, and the disk with its root.
pub(super) fn of_linux(
    kernel: &Kernel,
    form: Form,
    hot_plug: bool,
    init: &[u8],
    archive: &mut Archive,
) -> Result<Files, PayloadError> {
    let bytes = match form {
        Form::BzImage => kernel.bytes.clone(),
        Form::Vmlinux => kernel.vmlinux()?,
    };
    // Nobody can have guessed it: what says it has read the disk.
    let token = format!("{:016x}", std::collections::hash_map::RandomState::new().build_hasher().finish());
    let mut initrd = with_modules(kernel, true);
    initrd.file("init", init);
    archive.file(inside(KERNEL), &bytes);
    archive.file(inside(INITRD), &initrd.finish());
    archive.file(inside(DISK), &disk(init, &token).map_err(PayloadError::Disk)?);
    let mut marks = vec![guest::is_up(&kernel.release), guest::has_root(&token), guest::has_network()];
    let mut words = GUEST_WORDS.to_owned();
    let arguments = ["run", "--kernel", KERNEL, "--initrd", INITRD, "--disk", DISK, "--net", "user", "--mem"];
    let mut arguments: Vec<_> = arguments.into_iter().chain([GUEST_MEMORY]).map(str::to_owned).collect();
    if hot_plug {
        marks.extend([guest::waits_for_processor(), guest::has_processor(), guest::lost_processor()]);
        words = format!("{words} {}", guest::HOT_PLUG);
        arguments.extend(["--cpus", "1,max=2", "--qmp", host::CONTROL_PATH].map(str::to_owned));
    }
    marks.push(guest::turns_off());
    arguments.extend(["--append".to_owned(), words]);
    Ok(Files { marks: Marks::new(marks), arguments })
}

/// Firmware with a disk that holds nothing.
pub(super) fn of_firmware(path: &Path, expected: &[String], archive: &mut Archive) -> Result<Files, PayloadError> {
    archive.file(inside(FIRMWARE), &read(path)?);
    let arguments = ["run", "--firmware", FIRMWARE, "--mem", GUEST_MEMORY].map(str::to_owned).to_vec();
    Ok(Files { marks: Marks::new(expected.iter().cloned()), arguments })
}

/// A disk with a file system that holds the first process and the token.
fn disk(init: &[u8], token: &str) -> io::Result<Vec<u8>> {
    let folder = tempfile::tempdir()?;
    let (root, image) = (folder.path().join("root"), folder.path().join("disk"));
    for name in FOLDERS {
        fs::create_dir_all(root.join(name))?;
    }
    let program = root.join(inside(guest::ON_DISK));
    fs::write(&program, init)?;
    fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    fs::write(root.join(inside(guest::TOKEN_PATH)), token)?;
    File::create(&image)?.set_len(DISK_BYTES)?;
    let make = |program: &str| {
        Command::new(program)
            .args(["-q", "-F", "-t", "ext4", "-E", "root_owner=0:0", "-d"])
            .args([&root, &image])
            .stdin(Stdio::null())
            .output()
    };
    let [first, second] = MKE2FS;
    let output = make(first).or_else(|_| make(second))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(io::Error::other(format!("{}: {text}", output.status)));
    }
    fs::read(&image)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_holds_an_ext4_file_system_with_the_token() {
        // Where it is not installed, the payload tells so.
        let Ok(disk) = disk(b"program", "0123456789abcdef") else { return };
        assert_eq!(disk.len() as u64, DISK_BYTES);
        // The superblock's magic number.
        assert_eq!(disk[0x438..0x43a], [0x53, 0xef]);
        assert!(disk.windows(16).any(|bytes| bytes == b"0123456789abcdef"));
    }
}
