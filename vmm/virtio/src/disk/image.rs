//! qcow2 images.

use super::{Disk, SECTOR_BYTES};
use imago::{
    DenyImplicitOpenGate, FormatAccess, StorageOpenOptions, file::File as ImageFile, format::PreallocateMode,
    qcow2::Qcow2,
};
use std::{fs::File, io, path::Path};

/// What qcow2 images begin with.
pub(super) const MAGIC: [u8; 4] = *b"QFI\xfb";

/// Why an image cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// It is broken, of a kind that is not known, or a file that it needs cannot be opened.
    #[error("the image cannot be read")]
    Read(#[from] io::Error),
    /// It needs another file, and may not open others.
    #[error("the image needs the file {name:?}, and may not open other files")]
    NeedsOther {
        /// The file as the image names it.
        name: String,
    },
}

/// A disk in a qcow2 image.
pub struct Qcow2Disk {
    image: FormatAccess<ImageFile>,
    is_read_only: bool,
    /// Whether what it does not hold is read from an image behind it.
    has_backing: bool,
}

/// The largest clusters of an image.
const CLUSTER_BYTES_MAX: u64 = 2 << 20;

impl Qcow2Disk {
    /// The whole sectors of the disk in the image `file`, which must be open for writing unless the disk is read-only. `path` is
    /// what names of other files in it are relative to; without `may_open_others` it must not name any.
    ///
    /// # Errors
    /// If it is no such image, a broken one, or one that needs other files.
    pub fn new(file: File, path: &Path, is_read_only: bool, may_open_others: bool) -> Result<Self, ImageError> {
        let options = StorageOpenOptions::new().write(!is_read_only).filename(path);
        let storage = ImageFile::from_open_file(file, options)?;
        let mut image = Qcow2::<ImageFile>::open_image(storage, !is_read_only)?;
        let has_backing = image.implicit_backing_file().is_some();
        if may_open_others {
            image.open_implicit_dependencies()?;
        } else {
            // An image of unknown origin could name any file that this process may read.
            if let Some(name) = image.implicit_backing_file().or(image.implicit_external_data_file()) {
                return Err(ImageError::NeedsOther { name: name.clone() });
            }
            image.open_implicit_dependencies_gated(DenyImplicitOpenGate::default())?;
        }
        Ok(Self { image: FormatAccess::new(image), is_read_only, has_backing })
    }

    /// Makes it larger; what is new reads as zeros.
    fn grow(&mut self, size_bytes: u64) -> io::Result<()> {
        // Neither an image behind this one shows through, nor what the last cluster held.
        match self.image.resize_grow(size_bytes, PreallocateMode::Zero) {
            // Images of version 2 have no clusters of zeros. Without an image behind, those that there are not read as such.
            Err(error) if error.kind() == io::ErrorKind::Unsupported && !self.has_backing => {
                let before = self.image_bytes();
                self.image.resize_grow(size_bytes, PreallocateMode::None)?;
                let end = before.next_multiple_of(CLUSTER_BYTES_MAX).min(size_bytes);
                super::fill_with_zeros(self, before, end - before)
            }
            result => result,
        }
    }

    /// Size of the disk as the image says it, which need not be a multiple of a sector.
    pub fn image_bytes(&self) -> u64 {
        self.image.size()
    }
}

impl Disk for Qcow2Disk {
    fn size_bytes(&self) -> u64 {
        self.image_bytes() - self.image_bytes() % SECTOR_BYTES
    }

    fn is_read_only(&self) -> bool {
        self.is_read_only
    }

    fn read_at(&mut self, offset: u64, data: &mut [u8]) -> io::Result<()> {
        self.image.read(data, offset)
    }

    fn write_at(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.image.write(data, offset)
    }

    fn flush(&mut self) -> io::Result<()> {
        // What is kept of tables in this process, then what is kept by the host.
        self.image.flush()?;
        self.image.sync()
    }

    fn write_zeroes(&mut self, offset: u64, size_bytes: u64, may_unmap: bool) -> io::Result<()> {
        match may_unmap {
            true => self.image.discard_to_zero(offset, size_bytes),
            false => self.image.write_zeroes(offset, size_bytes),
        }
    }

    fn discard(&mut self, offset: u64, size_bytes: u64) -> io::Result<()> {
        match self.image.discard_to_any(offset, size_bytes) {
            Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(()),
            result => result,
        }
    }

    fn resize(&mut self, size_bytes: u64) -> io::Result<()> {
        match size_bytes < self.image_bytes() {
            true => self.image.resize_shrink(size_bytes),
            false => self.grow(size_bytes),
        }
    }
}
