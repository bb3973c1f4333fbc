//! Opening a disk that a person names.

use super::{Disk, ImageError, Qcow2Disk, RawDisk, SECTOR_BYTES, image, lock::lock};
use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt, FileTypeExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// Formats of images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// The bytes of the file are those of the disk.
    #[default]
    Raw,
    /// QEMU's format that grows.
    Qcow2,
    /// What the first bytes say. A guest with a raw disk can write them, so that its next start would open whatever files it
    /// names: only for images that no guest wrote.
    Auto,
}

/// How a disk is to be opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskOptions {
    /// Its format.
    pub format: Format,
    /// Whether the guest cannot write it; others may have it open like this, too.
    pub read_only: bool,
    /// Whether an image may name other files, such as the one that it is a difference to.
    pub backing: bool,
}

/// An open disk.
pub struct OpenDisk {
    /// The disk.
    pub disk: Box<dyn Disk>,
    /// Bytes behind the last whole sector, which the guest does not see: a person should be told.
    pub nr_ignored_bytes: u64,
}

/// Why a disk cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// There is no such file.
    #[error("there is no file {}", .path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// This process may not open it.
    #[error("{} may not be {}", .path.display(), if *.writing { "written; a disk that is read-only need not be" } else { "read" })]
    Permission {
        /// The file.
        path: PathBuf,
        /// Whether it was to be written.
        writing: bool,
    },
    /// Another process uses it.
    #[error("{} is in use by another VM or program", .path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// It is a directory, a pipe, a character device or the like.
    #[error("{} is neither a regular file nor a block device", .path.display())]
    Kind {
        /// The file.
        path: PathBuf,
    },
    /// It has not one sector.
    #[error("{} has a disk of {size_bytes} bytes, which is less than a sector of 512", .path.display())]
    TooSmall {
        /// The file.
        path: PathBuf,
        /// Bytes of the disk.
        size_bytes: u64,
    },
    /// It is not in the format that was told.
    #[error("{} is no qcow2 image: its first bytes are others", .path.display())]
    NotQcow2 {
        /// The file.
        path: PathBuf,
    },
    /// The image is broken, or needs other files.
    #[error("{} cannot be used as a qcow2 image", .path.display())]
    Image {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ImageError,
    },
    /// Something else went wrong.
    #[error("{} cannot be opened", .path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Opens and locks the disk at `path`.
///
/// # Errors
/// See [`DiskError`].
pub fn open(path: &Path, options: DiskOptions) -> Result<OpenDisk, DiskError> {
    let owned = || path.to_owned();
    let failed = |source| DiskError::Open { path: owned(), source };
    // What a pipe without a writer would make wait for ever; it does nothing to regular files.
    let flags = libc::O_NONBLOCK;
    let opened = OpenOptions::new().read(true).write(!options.read_only).custom_flags(flags).open(path);
    let file = opened.map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => DiskError::Missing { path: owned() },
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            DiskError::Permission { path: owned(), writing: !options.read_only }
        }
        io::ErrorKind::IsADirectory => DiskError::Kind { path: owned() },
        _ => failed(source),
    })?;
    let kind = file.metadata().map_err(failed)?.file_type();
    if !kind.is_file() && !kind.is_block_device() {
        return Err(DiskError::Kind { path: owned() });
    }
    if !lock(&file, options.read_only).map_err(|error| failed(error.into()))? {
        return Err(DiskError::Locked { path: owned() });
    }
    let is_qcow2 = match options.format {
        Format::Raw => false,
        Format::Qcow2 if !has_magic(&file) => return Err(DiskError::NotQcow2 { path: owned() }),
        Format::Qcow2 => true,
        Format::Auto => has_magic(&file),
    };
    let (disk, size_bytes): (Box<dyn Disk>, u64) = if is_qcow2 {
        let disk = Qcow2Disk::new(file, path, options.read_only, options.backing);
        let disk = disk.map_err(|source| DiskError::Image { path: owned(), source })?;
        let size_bytes = disk.image_bytes();
        (Box::new(disk), size_bytes)
    } else {
        let disk = RawDisk::new(file, options.read_only).map_err(failed)?;
        let size_bytes = disk.file_bytes();
        (Box::new(disk), size_bytes)
    };
    if size_bytes < SECTOR_BYTES {
        return Err(DiskError::TooSmall { path: owned(), size_bytes });
    }
    Ok(OpenDisk { disk, nr_ignored_bytes: size_bytes % SECTOR_BYTES })
}

fn has_magic(file: &File) -> bool {
    let mut magic = [0; 4];
    file.read_exact_at(&mut magic, 0).is_ok() && magic == image::MAGIC
}
