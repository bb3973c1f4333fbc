//! Disks of every kind, and what cannot be opened as one.

use super::*;
use imago::{
    FormatCreateBuilder, Storage, StorageCreateOptions,
    file::File as ImageFile,
    qcow2::{Qcow2, Qcow2CreateBuilder},
};
use std::{
    fs::{File, OpenOptions, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

const SIZE: u64 = 1 << 20;

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn raw(folder: &TempDir, size: u64) -> PathBuf {
    let path = folder.path().join("disk.img");
    File::create(&path).unwrap().set_len(size).unwrap();
    path
}

fn qcow2(folder: &TempDir, size: u64, backing: Option<&str>) -> PathBuf {
    let path = folder.path().join("disk.qcow2");
    let file = ImageFile::create_open(StorageCreateOptions::new().filename(&path)).unwrap();
    let mut builder: Qcow2CreateBuilder<ImageFile> = Qcow2::create_builder(file).size(size);
    if let Some(backing) = backing {
        builder = builder.backing(backing.into(), "raw".into());
    }
    builder.create().unwrap();
    path
}

/// One of version 2, which has no clusters of zeros: header, reference counts and the first table, a cluster of 64 KiB each.
fn old_qcow2(folder: &TempDir, size: u64) -> PathBuf {
    let path = folder.path().join("old.qcow2");
    let mut image = vec![0; 4 << 16];
    let words = [0x5146_49fb, 2, 0, 0, 0, 16, (size >> 32) as u32, size as u32, 0, 1, 0, 0x3_0000, 0, 0x1_0000, 1_u32];
    for (word, bytes) in words.iter().zip(image.chunks_exact_mut(4)) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    image[0x1_0000..][..8].copy_from_slice(&0x2_0000_u64.to_be_bytes());
    image[0x2_0000..][..8].copy_from_slice(&[0, 1, 0, 1, 0, 1, 0, 1]);
    std::fs::write(&path, image).unwrap();
    path
}

fn with(format: Format, read_only: bool) -> DiskOptions {
    DiskOptions { format, read_only, backing: false }
}

fn read(disk: &mut dyn Disk, offset: u64, size: usize) -> Vec<u8> {
    let mut data = vec![0xee; size];
    disk.read_at(offset, &mut data).unwrap();
    data
}

fn error(path: &Path, options: DiskOptions) -> String {
    let error = open(path, options).err().expect("an error");
    error.to_string().replace(&path.display().to_string(), "FILE")
}

/// What every disk does.
fn keeps_what_is_written(disk: &mut dyn Disk) {
    assert_eq!((disk.size_bytes(), disk.is_read_only()), (SIZE, false));
    assert_eq!(read(disk, 0, 1024), [0; 1024]);
    disk.write_at(512, &[7; 1024]).unwrap();
    disk.write_at(SIZE - 512, &[9; 512]).unwrap();
    disk.flush().unwrap();
    let all = [vec![0; 512], vec![7; 1024], vec![0; 512]].concat();
    assert_eq!((read(disk, 0, 2048), read(disk, SIZE - 512, 512)), (all, vec![9; 512]));
    for may_unmap in [false, true] {
        disk.write_at(0, &[3; 8192]).unwrap();
        disk.write_zeroes(512, 7168, may_unmap).unwrap();
        let all = [vec![3; 512], vec![0; 7168], vec![3; 512]].concat();
        assert_eq!(read(disk, 0, 8192), all, "{may_unmap}");
    }
    disk.discard(0, 4096).unwrap();
    disk.discard(0, 0).unwrap();
    disk.write_zeroes(0, 0, true).unwrap();
    assert_eq!(read(disk, 7680, 512), [3; 512]);
}

#[test]
fn disks_keep_what_is_written() {
    let folder = folder();
    keeps_what_is_written(&mut MemoryDisk::new(vec![0; SIZE as usize + 5], false));
    keeps_what_is_written(&mut *open(&raw(&folder, SIZE), DiskOptions::default()).unwrap().disk);
    for format in [Format::Qcow2, Format::Auto] {
        let path = qcow2(&folder, SIZE, None);
        keeps_what_is_written(&mut *open(&path, with(format, false)).unwrap().disk);
        // Behind the end of its process, too.
        let mut again = open(&path, with(format, true)).unwrap().disk;
        assert_eq!((read(&mut *again, SIZE - 512, 512), again.is_read_only()), (vec![9; 512], true));
        std::fs::remove_file(path).unwrap();
    }
}

#[test]
fn disks_get_another_size_and_what_is_new_reads_as_zeros() {
    let folder = folder();
    let paths = [raw(&folder, SIZE), qcow2(&folder, SIZE, None), old_qcow2(&folder, SIZE)];
    for (path, format) in paths.iter().zip([Format::Raw, Format::Qcow2, Format::Qcow2]) {
        let mut disk = open(path, with(format, false)).unwrap().disk;
        disk.write_at(0, &[7; 8192]).unwrap();
        disk.write_at(SIZE - 512, &[9; 512]).unwrap();
        // In the middle of a cluster.
        for size in [1024, 3 * SIZE, 3 * SIZE, 512, SIZE] {
            disk.resize(size).unwrap();
            assert_eq!(disk.size_bytes(), size, "{format:?}");
        }
        assert_eq!(
            (read(&mut *disk, 0, 512), read(&mut *disk, 512, 7680)),
            (vec![7; 512], vec![0; 7680]),
            "{format:?}"
        );
        assert_eq!(read(&mut *disk, SIZE - 512, 512), [0; 512]);
        disk.write_at(SIZE - 512, &[5; 512]).unwrap();
        disk.flush().unwrap();
        drop(disk);
        let mut again = open(path, with(format, true)).unwrap().disk;
        assert_eq!((again.size_bytes(), read(&mut *again, SIZE - 512, 512)), (SIZE, vec![5; 512]), "{format:?}");
    }
}

#[test]
fn an_image_behind_does_not_show_through_what_is_new() {
    let folder = folder();
    std::fs::write(raw(&folder, SIZE), vec![0xbb; SIZE as usize]).unwrap();
    let options = DiskOptions { format: Format::Qcow2, read_only: false, backing: true };
    let mut disk = open(&qcow2(&folder, SIZE, Some("disk.img")), options).unwrap().disk;
    for size in [4096, SIZE] {
        disk.resize(size).unwrap();
    }
    assert_eq!((read(&mut *disk, 0, 4096), read(&mut *disk, 4096, 8192)), (vec![0xbb; 4096], vec![0; 8192]));
    assert_eq!(read(&mut *disk, SIZE - 4096, 4096), [0; 4096]);
}

#[test]
fn a_raw_disk_stays_raw_whatever_the_guest_writes() {
    let folder = folder();
    let path = raw(&folder, SIZE);
    std::fs::copy(qcow2(&folder, 1 << 30, None), &path).unwrap();
    OpenOptions::new().write(true).open(&path).unwrap().set_len(SIZE).unwrap();
    let mut disk = open(&path, DiskOptions::default()).unwrap().disk;
    assert_eq!((disk.size_bytes(), &read(&mut *disk, 0, 4)[..]), (SIZE, &b"QFI\xfb"[..]));
}

#[test]
fn the_rest_of_a_sector_is_told() {
    let folder = folder();
    let opened = open(&raw(&folder, 1025), DiskOptions::default()).unwrap();
    assert_eq!((opened.disk.size_bytes(), opened.nr_ignored_bytes), (1024, 1));
    drop(opened);
    assert_eq!(
        error(&raw(&folder, 511), DiskOptions::default()),
        "FILE has a disk of 511 bytes, which is less than a sector of 512"
    );
}

#[test]
fn a_writable_disk_is_used_once() {
    let folder = folder();
    for (path, format) in [(raw(&folder, SIZE), Format::Raw), (qcow2(&folder, SIZE, None), Format::Qcow2)] {
        let locked = "FILE is in use by another VM or program";
        let writer = open(&path, with(format, false)).unwrap();
        assert_eq!(error(&path, with(format, false)), locked);
        assert_eq!(error(&path, with(format, true)), locked);
        drop(writer);
        let readers = [(); 2].map(|()| open(&path, with(format, true)).unwrap());
        assert_eq!(error(&path, with(format, false)), locked);
        drop(readers);
        open(&path, with(format, false)).unwrap();
    }
}

#[test]
fn what_is_no_disk_is_named() {
    let folder = folder();
    let missing = folder.path().join("none.img");
    assert_eq!(error(&missing, DiskOptions::default()), "there is no file FILE");
    for read_only in [false, true] {
        let kind = "FILE is neither a regular file nor a block device";
        assert_eq!(error(folder.path(), with(Format::Raw, read_only)), kind);
        assert_eq!(error(Path::new("/dev/full"), with(Format::Raw, read_only)), kind);
    }
    let path = raw(&folder, SIZE);
    assert_eq!(error(&path, with(Format::Qcow2, false)), "FILE is no qcow2 image: its first bytes are others");
    let broken = qcow2(&folder, SIZE, None);
    OpenOptions::new().write(true).open(&broken).unwrap().set_len(40).unwrap();
    assert_eq!(error(&broken, with(Format::Auto, false)), "FILE cannot be used as a qcow2 image");
}

#[test]
fn a_disk_that_may_not_be_written_says_so() {
    let folder = folder();
    let path = raw(&folder, SIZE);
    std::fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
    // Who may do everything is told nothing.
    if OpenOptions::new().write(true).open(&path).is_err() {
        assert_eq!(
            error(&path, DiskOptions::default()),
            "FILE may not be written; a disk that is read-only need not be"
        );
    }
    assert!(open(&path, with(Format::Raw, true)).is_ok());
}

#[test]
fn other_files_are_opened_only_when_that_is_allowed() {
    let folder = folder();
    std::fs::write(raw(&folder, SIZE), [5; SIZE as usize]).unwrap();
    let path = qcow2(&folder, SIZE, Some("disk.img"));
    let Err(DiskError::Image { source, .. }) = open(&path, with(Format::Qcow2, false)) else { panic!("it is refused") };
    assert_eq!(source.to_string(), "the image needs the file \"disk.img\", and may not open other files");
    let options = DiskOptions { backing: true, ..with(Format::Qcow2, false) };
    let mut disk = open(&path, options).unwrap().disk;
    disk.write_at(512, &[6; 512]).unwrap();
    assert_eq!(read(&mut *disk, 0, 1536), [[5; 512], [6; 512], [5; 512]].concat());
}

#[test]
fn a_full_disk_is_an_error_of_that_write() {
    // Writes to this device fail as those to a full file system do.
    let file = OpenOptions::new().read(true).write(true).open("/dev/full").unwrap();
    let mut disk = RawDisk::new(file, false).unwrap();
    for _ in 0..2 {
        assert_eq!(disk.write_at(0, &[1; 512]).unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(disk.write_zeroes(0, 512, false).unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(read(&mut disk, 0, 512), [0; 512]);
    }
}
