//! Images made for the tests.

use crate::{Image, ImageError, MultibootError, memory::Backing};
use proptest::prelude::*;
use std::io::Write;
use tempfile::NamedTempFile;

const MEMORY: u64 = 4 << 20;
const CODE: u32 = 0x10_0000;

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn header(flags: u32) -> [u32; 3] {
    [0x1bad_b002, flags, 0_u32.wrapping_sub(0x1bad_b002).wrapping_sub(flags)]
}

/// A 32-bit ELF file with one segment, which begins with a Multiboot header and takes `size_in_memory`.
fn elf(address: u32, flags: u32, size_in_memory: u32) -> Vec<u8> {
    let mut file = vec![0x7f, b'E', b'L', b'F', 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    file.extend([2, 0, 3, 0]);
    file.extend(words(&[1, address + 12, 52, 0, 0]));
    file.extend([52_u16, 32, 1, 40, 0, 0].iter().flat_map(|half| half.to_le_bytes()));
    file.extend(words(&[1, 84, address, address, 16, size_in_memory, 7, 4]));
    file.extend(words(&header(flags)));
    file.extend(words(&[0x90f4_f4f4]));
    file
}

fn saved(bytes: &[u8]) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn load(bytes: &[u8]) -> Result<Image, ImageError> {
    Image::load_multiboot(saved(bytes).path(), None, MEMORY)
}

fn refused(bytes: &[u8]) -> MultibootError {
    match load(bytes) {
        Err(ImageError::Multiboot(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn elf_image_and_its_module_are_loaded() {
    let (image, module) = (saved(&elf(CODE, 3, 0x1800)), saved(b"VAR=1"));
    let loaded = Image::load_multiboot(image.path(), Some(module.path()), MEMORY).unwrap();
    let multiboot = loaded.multiboot().unwrap();
    assert_eq!((multiboot.entry, multiboot.module), (CODE + 12, Some((CODE + 0x2000, CODE + 0x2005))));
    let memory = loaded.instantiate(Backing::Template).unwrap();
    assert_eq!(memory.read_u32(CODE.into()), Ok(0x1bad_b002));
    assert_eq!(memory.read_u32(u64::from(CODE) + 0x2000), Ok(u32::from_le_bytes(*b"VAR=")));
    assert!(loaded.linux().is_err() && loaded.rom().is_err() && loaded.pvh_entry().is_err());
}

#[test]
fn addresses_in_the_header_hold_instead_of_the_format() {
    // Four bytes of something else, then the header, which says that the file is loaded from there on.
    let mut file = words(&[0]);
    file.extend(words(&header(1 << 16)));
    file.extend(words(&[CODE + 4, CODE, CODE + 0x24, CODE + 0x100, CODE + 0x20, 0xaaaa_aaaa]));
    let image = load(&file).unwrap();
    assert_eq!(image.multiboot().unwrap().entry, CODE + 0x20);
    let memory = image.instantiate(Backing::Template).unwrap();
    assert_eq!(memory.read_u32(u64::from(CODE) + 4), Ok(0x1bad_b002));
    assert_eq!(memory.read_u32(u64::from(CODE) + 0x20), Ok(CODE + 0x20));
    // Field by field: the header below the load address, an end before the start, an end behind the file.
    for (field, value) in [(4, CODE + 8), (5, CODE - 1), (5, CODE + 0x1000)] {
        let mut damaged = file.clone();
        damaged[4 * field..][..4].copy_from_slice(&value.to_le_bytes());
        assert!(matches!(refused(&damaged), MultibootError::Addresses { offset: 4, .. }), "{field} {value:#x}");
    }
    assert!(matches!(refused(&file[..24]), MultibootError::Addresses { .. }));
}

#[test]
fn what_is_no_multiboot_image_is_told() {
    assert!(matches!(refused(b""), MultibootError::NoHeader { .. }));
    let mut broken = elf(CODE, 0, 16);
    broken[92] ^= 1;
    assert!(matches!(refused(&broken), MultibootError::NoHeader { .. }), "the checksum");
    let late = [vec![0; 8188], words(&header(0))].concat();
    assert!(matches!(refused(&late), MultibootError::NoHeader { .. }), "over the end of what is searched");
    assert!(matches!(refused(&elf(CODE, 4, 16)), MultibootError::Demands { flags: 4, offset: 84, .. }));
    let mut other_class = elf(CODE, 0, 16);
    other_class[4] = 2;
    let error = refused(&other_class);
    assert!(error.to_string().contains("objcopy -O elf32-i386"), "{error}");
    let missing = Image::load_multiboot("/no/such/file".as_ref(), None, MEMORY).unwrap_err();
    assert!(matches!(missing, ImageError::Multiboot(MultibootError::Read { .. })));
}

#[test]
fn what_does_not_fit_says_how_much_would() {
    let error = refused(&elf(0x50_0000, 0, 0x10_0000));
    assert!(error.to_string().contains("give it 6 MiB"), "{error}");
    let image = saved(&elf(CODE, 0, 16));
    let module = saved(&vec![0; MEMORY as usize]);
    let error = Image::load_multiboot(image.path(), Some(module.path()), MEMORY).unwrap_err();
    assert!(matches!(error, ImageError::Multiboot(MultibootError::TooLarge { .. })), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn damaged_files_are_loaded_or_refused(changes in prop::collection::vec((0_usize..100, any::<u8>()), 1..6)) {
        let mut file = elf(CODE, 1 << 16 | 3, 0x1000);
        for (at, value) in changes {
            let at = at % file.len();
            file[at] = value;
        }
        let _ = load(&file);
    }
}
