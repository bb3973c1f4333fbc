//! Archives of the format that kernels unpack as their first file system.

/// Magic of an entry ("newc", `Documentation/driver-api/early-userspace/buffer-format.rst` of Linux).
const MAGIC: &[u8] = b"070701";
/// Name of the last entry.
const TRAILER: &str = "TRAILER!!!";
/// Headers and contents start at multiples of this.
const ALIGNMENT: usize = 4;
/// `S_IFREG` with the permissions of a program.
const PROGRAM: u32 = 0o100_755;
/// `S_IFDIR` with the permissions of a folder.
const FOLDER: u32 = 0o040_755;
/// `S_IFCHR` with those of a device of the superuser's.
const CHARACTER_DEVICE: u32 = 0o020_600;

/// An archive that grows by one entry after the other.
#[derive(Clone, Debug, Default)]
pub struct Archive {
    bytes: Vec<u8>,
    nr_entries: u32,
}

impl Archive {
    /// Adds a folder, by its path without the first slash.
    pub fn folder(&mut self, path: &str) {
        self.entry(path, FOLDER, (0, 0), &[]);
    }

    /// Adds a file that can be executed.
    pub fn file(&mut self, path: &str, contents: &[u8]) {
        self.entry(path, PROGRAM, (0, 0), contents);
    }

    /// Adds a character device of this major and minor number.
    pub fn character_device(&mut self, path: &str, numbers: (u32, u32)) {
        self.entry(path, CHARACTER_DEVICE, numbers, &[]);
    }

    /// The whole archive.
    pub fn finish(mut self) -> Vec<u8> {
        self.entry(TRAILER, 0, (0, 0), &[]);
        self.bytes
    }

    fn entry(&mut self, path: &str, mode: u32, (major, minor): (u32, u32), contents: &[u8]) {
        self.nr_entries += 1;
        // A file of 4 GiB fits into no initramfs.
        let size = contents.len() as u32;
        let name_size = path.len() as u32 + 1;
        // Number, mode, owner, group, links, time, size, device of the file system (2), device (2), size of the name, sum.
        let fields = [self.nr_entries, mode, 0, 0, 1, 0, size, 0, 0, major, minor, name_size, 0];
        self.bytes.extend(MAGIC);
        for field in fields {
            self.bytes.extend(format!("{field:08x}").bytes());
        }
        self.bytes.extend(path.bytes());
        self.bytes.push(0);
        self.align();
        self.bytes.extend(contents);
        self.align();
    }

    fn align(&mut self) {
        let size = self.bytes.len().next_multiple_of(ALIGNMENT);
        self.bytes.resize(size, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::Write as _,
        process::{Command, Stdio},
    };

    #[test]
    fn an_archive_is_what_the_format_says() {
        let mut archive = Archive::default();
        archive.folder("dev");
        archive.file("init", b"#!x");
        archive.character_device("dev/console", (5, 1));
        let bytes = archive.finish();
        assert_eq!(bytes.len() % ALIGNMENT, 0);
        insta::assert_snapshot!(bytes.escape_ascii().to_string().replace("070701", "\n070701"), @r"
        07070100000001000041ed0000000000000000000000010000000000000000000000000000000000000000000000000000000400000000dev\x00\x00\x00
        07070100000002000081ed0000000000000000000000010000000000000003000000000000000000000000000000000000000500000000init\x00\x00#!x\x00
        07070100000003000021800000000000000000000000010000000000000000000000000000000000000005000000010000000c00000000dev/console\x00\x00\x00
        07070100000004000000000000000000000000000000010000000000000000000000000000000000000000000000000000000b00000000TRAILER!!!\x00\x00\x00\x00
        ");
    }

    /// Where cpio is installed, it reads what was written.
    #[test]
    fn cpio_lists_every_entry() {
        let mut archive = Archive::default();
        archive.folder("modules");
        archive.file("modules/kvm.ko", &[7; 1001]);
        archive.file("a", b"");
        let command = Command::new("cpio").args(["-t", "--quiet"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let Ok(mut child) = command else { return };
        child.stdin.take().unwrap().write_all(&archive.finish()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "modules\nmodules/kvm.ko\na\n");
    }
}
