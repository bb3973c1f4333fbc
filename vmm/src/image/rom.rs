//! Firmware: a file that ends at 4 GiB, where a processor starts after reset, and whose end is seen at 1 MiB too.
//!
//! Source: Intel SDM vol. 3A § "First Instruction Executed".

use super::ImageError;
use crate::{
    layout,
    memory::{MemoryMap, Rom, Template},
};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Why firmware cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum RomError {
    /// The file could not be read.
    #[error("failed to read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It has a size that firmware cannot have.
    #[error(
        "{} has {size_bytes:#x} bytes, and firmware has a multiple of {:#x}, from {:#x} to {:#x}: it is mapped in pages up to \
         4 GiB; give a whole image such as SeaBIOS' bios-256k.bin or OVMF.fd",
        path.display(),
        layout::PAGE_SIZE,
        layout::PAGE_SIZE,
        layout::ROM_END - layout::ROM_START
    )]
    Size {
        /// The file.
        path: PathBuf,
        /// Its size.
        size_bytes: u64,
    },
    /// Memory is too small for the copy at the end of the first mebibyte.
    #[error("firmware needs 1 MiB of memory or more, and the VM has {memory_size_bytes:#x} bytes")]
    Memory {
        /// Size of guest memory.
        memory_size_bytes: u64,
    },
}

pub(super) fn load(path: &Path, memory_size_bytes: u64) -> Result<(Template, Rom), ImageError> {
    let file = fs::read(path).map_err(|source| RomError::Read { path: path.into(), source })?;
    let size_bytes = file.len() as u64;
    if size_bytes == 0
        || !size_bytes.is_multiple_of(layout::PAGE_SIZE)
        || size_bytes > layout::ROM_END - layout::ROM_START
    {
        return Err(RomError::Size { path: path.into(), size_bytes }.into());
    }
    let shadow = &file[file.len().saturating_sub(layout::ROM_SHADOW_SIZE as usize)..];
    // Firmware that knows QEMU's q35 maps configuration space where other guests have memory.
    let map = MemoryMap::with_low_end(memory_size_bytes, layout::pci::Q35_MAPPED_CONFIG)?;
    let template = Template::of::<ImageError>(map, |memory| {
        // Memory, and not a view of the firmware: a BIOS makes it writable and stores variables there.
        memory
            .write(layout::LEGACY_HOLE_END - shadow.len() as u64, shadow)
            .map_err(|_| RomError::Memory { memory_size_bytes }.into())
    })?;
    Ok((template, Rom::new(layout::ROM_END - size_bytes, &file)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Image, memory::Backing};
    use std::io::Write;
    use tempfile::NamedTempFile;

    fn file(size: usize) -> NamedTempFile {
        let mut file = NamedTempFile::new().unwrap();
        let bytes: Vec<u8> = (0..size).map(|index| (index / 0x1000) as u8).collect();
        file.write_all(&bytes).unwrap();
        file
    }

    #[test]
    fn firmware_ends_at_4_gib_and_its_end_at_1_mib() {
        let image = Image::load_firmware(file(0x4_0000).path(), 2 << 20).unwrap();
        let memory = image.instantiate(Backing::Template).unwrap();
        let at = |address| {
            let mut byte = [0xee];
            memory.read(address, &mut byte).map(|()| byte[0])
        };
        for (address, expected) in [(0xfffc_0000, 0), (0xffff_ffff, 0x3f), (0xc_0000, 0), (0xf_ffff, 0x3f)] {
            assert_eq!(at(address), Ok(expected), "{address:#x}");
        }
        assert!(at(0xfffb_ffff).is_err() && at(1 << 32).is_err());
        assert!(memory.write(0xfffc_0000, &[1]).is_err());
        assert_eq!(memory.size_bytes(), 2 << 20);
    }

    #[test]
    fn sizes_that_cannot_be_mapped_are_refused_with_the_file() {
        for size in [0, 1, 0x1001, (16 << 20) + 0x1000] {
            let file = file(size);
            let error = Image::load_firmware(file.path(), 2 << 20).unwrap_err().to_string();
            assert!(error.contains(&format!("has {size:#x} bytes")) && error.contains(&*file.path().to_string_lossy()));
        }
        let error = Image::load_firmware(file(0x1000).path(), layout::MEMORY_MIN).unwrap_err();
        assert!(matches!(error, ImageError::Rom(RomError::Memory { .. })), "{error}");
        let error = Image::load_firmware("/no/such/bios".as_ref(), 2 << 20).unwrap_err();
        assert!(matches!(error, ImageError::Rom(RomError::Read { .. })), "{error}");
    }
}
