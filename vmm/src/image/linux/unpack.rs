//! The ELF file in a bzImage, unpacked before the guest starts: where KVM interprets a kernel's first code, the kernel's own
//! unpacker takes hours.
//!
//! Sources: Linux, "Documentation/arch/x86/boot.rst", fields `setup_sects`, `payload_offset` and `payload_length`, and
//! "scripts/Makefile.lib" (the size behind a payload).

use goblin::elf::header::ELFMAG;
use std::io::{self, Read};

/// Size of a sector of the setup code in bytes, and how many there are where the header says 0.
const SECTOR_BYTES: usize = 512;
const SETUP_SECTORS_DEFAULT: usize = 4;
/// Offsets of fields of the header in the file.
const SETUP_SECTORS: usize = 0x1f1;
const PAYLOAD_OFFSET: usize = 0x248;
const PAYLOAD_LENGTH: usize = 0x24c;
/// Size in bytes of the number behind a payload: the size that it unpacks to. A gzip file ends with it by itself.
const SIZE_BYTES: usize = 4;
/// More is no kernel: Linux maps 1 GiB for itself.
const UNPACKED_BYTES_MAX: u32 = 1 << 30;
/// What unpacking by xz may take, in KiB; kernels are packed with dictionaries of up to 128 MiB.
const XZ_MEMORY_KIB_MAX: u32 = 256 << 10;

/// Why there is no ELF file to be had from a bzImage.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The header contradicts the file.
    #[error(
        "the header tells of a packed kernel that is not within the file (fields payload_offset and payload_length)"
    )]
    NoPayload,
    /// The kernel is packed in another way.
    #[error("the kernel in it, which begins with {magic:02x?}, is packed neither by gzip, xz and zstd nor by lz4")]
    Unknown {
        /// What it begins with.
        magic: Vec<u8>,
    },
    /// What is packed is damaged.
    #[error("the kernel in it, packed by {format}, is damaged")]
    Damaged {
        /// The program that packs like this.
        format: &'static str,
        /// Why.
        source: io::Error,
    },
    /// Something else was packed, or another size than is told.
    #[error("the kernel in it, packed by {format}, unpacks to {found} bytes and {told} are told, or is no ELF file")]
    NotKernel {
        /// The program that packs like this.
        format: &'static str,
        /// How many bytes there were, or at least one more than are told.
        found: usize,
        /// How many there should be.
        told: u32,
    },
}

/// The ELF file in a bzImage; behind it may stand its relocations, which do not matter where it was linked to.
///
/// # Errors
/// [`UnpackError`].
pub fn unpack_linux(image: &[u8]) -> Result<Vec<u8>, UnpackError> {
    let payload = payload(image).ok_or(UnpackError::NoPayload)?;
    if payload.starts_with(ELFMAG) {
        return Ok(payload.to_vec());
    }
    let (packed, size) = payload.split_last_chunk::<SIZE_BYTES>().ok_or(UnpackError::NoPayload)?;
    let told = u32::from_le_bytes(*size);
    let (format, mut unpacked) = unpacker(payload, packed)?;
    let damaged = |source| UnpackError::Damaged { format, source };
    let mut elf = Vec::new();
    // One byte more shows that there is more.
    let limit = u64::from(told.min(UNPACKED_BYTES_MAX)) + 1;
    let found = unpacked.as_mut().map_err(|error| damaged(io::Error::other(error.to_string())))?;
    let found = found.take(limit).read_to_end(&mut elf).map_err(damaged)?;
    match found as u64 == u64::from(told) && elf.starts_with(ELFMAG) {
        true => Ok(elf),
        false => Err(UnpackError::NotKernel { format, found, told }),
    }
}

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

/// What unpacks, or why its first bytes do not let it.
type Unpacker<'a> = io::Result<Box<dyn Read + 'a>>;

/// The format's name and what unpacks `packed`, which is the payload without the size behind it.
fn unpacker<'a>(payload: &'a [u8], packed: &'a [u8]) -> Result<(&'static str, Unpacker<'a>), UnpackError> {
    Ok(match payload {
        [0x1f, 0x8b, ..] => ("gzip", Ok(Box::new(flate2::read::GzDecoder::new(payload)))),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => {
            ("xz", Ok(Box::new(lzma_rust2::XzReader::new_mem_limit(packed, false, XZ_MEMORY_KIB_MAX))))
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            let reader = ruzstd::decoding::StreamingDecoder::new(packed);
            ("zstd", reader.map(|reader| Box::new(reader) as Box<dyn Read>).map_err(io::Error::other))
        }
        [0x02, 0x21, 0x4c, 0x18, ..] => ("lz4", Ok(Box::new(lz4_flex::frame::FrameDecoder::new(packed)))),
        _ => return Err(UnpackError::Unknown { magic: payload.iter().take(6).copied().collect() }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What is packed below: an ELF file's magic number and as many zeros as to make 4 KiB.
    fn elf() -> Vec<u8> {
        let mut elf = ELFMAG.to_vec();
        elf.resize(4096, 0);
        elf
    }

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

    /// Made by the programs, as kernels' makefiles call them (xz with the filter for x86).
    const PACKED: [(&str, &[u8]); 4] = [
        (
            "gzip",
            &[
                0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xed, 0xc1, 0x31, 0x11, 0x00, 0x00, 0x08,
                0x04, 0x20, 0xcb, 0xe9, 0xf4, 0x9d, 0xac, 0x6e, 0x0f, 0x0f, 0xd8, 0xce, 0x14, 0x00, 0x00, 0x00, 0xf0,
                0xda, 0x01, 0x02, 0x82, 0x7f, 0x5e, 0x00, 0x10, 0x00, 0x00,
            ],
        ),
        (
            "xz",
            &[
                0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00, 0x00, 0x01, 0x69, 0x22, 0xde, 0x36, 0x02, 0x01, 0x04, 0x00, 0x21,
                0x01, 0x08, 0x00, 0xd2, 0xb9, 0x74, 0xcb, 0xe0, 0x0f, 0xff, 0x00, 0x1e, 0x5d, 0x00, 0x3f, 0x91, 0x45,
                0x84, 0x68, 0x33, 0x69, 0xa2, 0xa3, 0x88, 0x44, 0x3f, 0xa8, 0xaf, 0x18, 0xe9, 0x7c, 0xa0, 0x3c, 0x00,
                0x00, 0x53, 0x4b, 0x2f, 0xbe, 0x9d, 0x47, 0xa5, 0x88, 0xe8, 0x00, 0x00, 0x00, 0x02, 0x82, 0x7f, 0x5e,
                0x00, 0x01, 0x36, 0x80, 0x20, 0x00, 0x00, 0x00, 0xc1, 0x2f, 0xa2, 0x00, 0x3e, 0x30, 0x0d, 0x8b, 0x02,
                0x00, 0x00, 0x00, 0x00, 0x01, 0x59, 0x5a,
            ],
        ),
        (
            "zstd",
            &[
                0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x88, 0x65, 0x00, 0x00, 0x28, 0x7f, 0x45, 0x4c, 0x46, 0x00, 0x01, 0x00,
                0xf8, 0xf7, 0x81, 0x16,
            ],
        ),
        (
            "lz4",
            &[
                0x02, 0x21, 0x4c, 0x18, 0x1e, 0x00, 0x00, 0x00, 0x5f, 0x7f, 0x45, 0x4c, 0x46, 0x00, 0x01, 0x00, 0xff,
                0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xf2, 0x50, 0x00,
                0x00, 0x00, 0x00, 0x00,
            ],
        ),
    ];

    fn of_format(name: &str) -> Vec<u8> {
        let (_, packed) = PACKED.iter().find(|(format, _)| *format == name).unwrap();
        let told: &[u8] = if name == "gzip" { &[] } else { &4096_u32.to_le_bytes() };
        [packed, told].concat()
    }

    #[test]
    fn a_kernel_is_unpacked_from_each_format() {
        assert_eq!(unpack_linux(&image(&elf())).unwrap(), elf());
        for (name, _) in PACKED {
            assert_eq!(unpack_linux(&image(&of_format(name))).unwrap(), elf(), "{name}");
        }
    }

    #[test]
    fn what_cannot_be_unpacked_is_told() {
        let refused = |payload: &[u8]| unpack_linux(&image(payload)).unwrap_err();
        assert!(matches!(refused(b"text"), UnpackError::Unknown { .. }));
        assert!(matches!(unpack_linux(&image(b"text")[..1030]), Err(UnpackError::NoPayload)));
        for (name, packed) in PACKED {
            let half = [&packed[..packed.len() / 2], &4096_u32.to_le_bytes()].concat();
            let error = refused(&half);
            assert!(matches!(error, UnpackError::Damaged { .. } | UnpackError::NotKernel { .. }), "{name}: {error}");
            let mut wrong = of_format(name);
            let end = wrong.len() - SIZE_BYTES;
            wrong[end..].copy_from_slice(&4095_u32.to_le_bytes());
            let error = refused(&wrong);
            assert!(matches!(error, UnpackError::NotKernel { .. } | UnpackError::Damaged { .. }), "{name}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(at in 0_usize..200, value in any::<u8>(), format in 0_usize..PACKED.len()) {
            let mut payload = of_format(PACKED[format].0);
            let last = payload.len() - 1;
            payload[at.min(last)] = value;
            let _ = unpack_linux(&image(&payload));
            let _ = unpack_linux(&payload);
        }
    }
}
