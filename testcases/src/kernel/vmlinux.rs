//! The ELF file in a bzImage: what a VMM loads that does not run the kernel's own unpacker.
//!
//! Source: Linux, "Documentation/arch/x86/boot.rst", fields `setup_sects`, `payload_offset` and `payload_length`.

use super::source::{Kernel, KernelError};
use std::{
    fs::File,
    io::{Seek as _, Write as _},
    process::{Command, Stdio},
};

/// Size of a sector of the setup code in bytes, and how many there are where the header says 0.
const SECTOR_BYTES: usize = 512;
const SETUP_SECTORS_DEFAULT: usize = 4;
/// Offsets of fields of the header in the file.
const SETUP_SECTORS: usize = 0x1f1;
const PAYLOAD_OFFSET: usize = 0x248;
const PAYLOAD_LENGTH: usize = 0x24c;
/// Size in bytes of the number that kernels' makefiles put behind a payload that does not tell its unpacked size by itself.
const SIZE_BYTES: usize = 4;
/// What an ELF file starts with.
const ELF: &[u8] = b"\x7fELF";

/// What a payload starts with, the program that unpacks it, and whether its size stands behind it.
const FORMATS: &[(&[u8], &str, bool)] = &[
    (b"\x1f\x8b", "gzip", false),
    (b"\xfd7zXZ\0", "xz", true),
    (b"\x28\xb5\x2f\xfd", "zstd", true),
    (b"\x02\x21\x4c\x18", "lz4", true),
    (b"BZh", "bzip2", true),
    (b"\x5d\0\0", "lzma", true),
];

/// The part of a bzImage that its unpacker works on; nothing if the header contradicts the file.
fn payload(image: &[u8]) -> Option<&[u8]> {
    let word = |at: usize| image.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes);
    let sectors = match usize::from(*image.get(SETUP_SECTORS)?) {
        0 => SETUP_SECTORS_DEFAULT,
        sectors => sectors,
    };
    let start = ((sectors + 1) * SECTOR_BYTES).checked_add(usize::try_from(word(PAYLOAD_OFFSET)?).ok()?)?;
    image.get(start..start.checked_add(usize::try_from(word(PAYLOAD_LENGTH)?).ok()?)?)
}

impl Kernel {
    /// The ELF file in the bzImage, unpacked by the program for its format.
    ///
    /// # Errors
    /// [`KernelError::Vmlinux`].
    pub fn vmlinux(&self) -> Result<Vec<u8>, KernelError> {
        unpack(&self.bytes).map_err(|detail| KernelError::Vmlinux { release: self.release.clone(), detail })
    }
}

fn unpack(image: &[u8]) -> Result<Vec<u8>, String> {
    let payload = payload(image).ok_or("its header tells of a payload that is not within the file")?;
    if payload.starts_with(ELF) {
        return Ok(payload.to_vec());
    }
    let format = FORMATS.iter().find(|(magic, ..)| payload.starts_with(magic));
    let (_, program, has_size) = format.ok_or("its payload is in no format that is known here")?;
    let end = if *has_size { payload.len().saturating_sub(SIZE_BYTES) } else { payload.len() };
    let failed = |error: std::io::Error| format!("`{program} -dc` cannot be started; is it installed? {error}");
    let input = stored(payload.get(..end).unwrap_or_default()).map_err(failed)?;
    let output = Command::new(program).arg("-dc").stdin(input).stderr(Stdio::null()).output().map_err(failed)?;
    // Behind the ELF file stand its relocations, which make no difference.
    match output.stdout.starts_with(ELF) {
        true => Ok(output.stdout),
        false => Err(format!("`{program} -dc` ends with {} and gives no ELF file", output.status)),
    }
}

/// A file without a name, at its start.
fn stored(bytes: &[u8]) -> std::io::Result<File> {
    let mut file = tempfile::tempfile()?;
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A bzImage of one setup sector with this payload.
    fn image(payload: &[u8]) -> Vec<u8> {
        let mut image = vec![0; 2 * SECTOR_BYTES];
        image[SETUP_SECTORS] = 1;
        image[PAYLOAD_OFFSET..][..4].copy_from_slice(&8_u32.to_le_bytes());
        image[PAYLOAD_LENGTH..][..4].copy_from_slice(&(payload.len() as u32).to_le_bytes());
        image.extend([0; 8]);
        image.extend(payload);
        image
    }

    #[test]
    fn a_kernel_is_unpacked_by_the_program_for_its_format() {
        let elf = [ELF, b"kernel"].concat();
        assert_eq!(unpack(&image(&elf)).unwrap(), elf);
        let packed = Command::new("gzip").arg("-c").stdin(stored(&elf).unwrap()).output().unwrap().stdout;
        assert_eq!(unpack(&image(&packed)).unwrap(), elf);
    }

    #[test]
    fn what_cannot_be_unpacked_is_told() {
        let refused = |payload: &[u8]| unpack(&image(payload)).unwrap_err();
        assert!(refused(b"text").contains("no format"));
        assert!(refused(b"\x1f\x8btext").contains("gives no ELF file"));
        assert!(unpack(&image(b"text")[..1030]).unwrap_err().contains("not within the file"));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..700)) {
            let _ = payload(&bytes);
        }
    }
}
