//! Tests of the image loader, with files made here and with damaged ones.

use super::*;
use proptest::prelude::*;

const MEMORY: u64 = 4 << 20;
const CODE: u64 = 0x10_0000;

struct Segment {
    kind: u32,
    address: u64,
    bytes: Vec<u8>,
    size_in_memory: u64,
}

fn load(address: u64, bytes: &[u8], size_in_memory: u64) -> Segment {
    Segment { kind: 1, address, bytes: bytes.to_vec(), size_in_memory }
}

fn note(name: &[u8; 4], kind: u32, descriptor: &[u32]) -> Segment {
    let mut words = vec![4, 4 * descriptor.len() as u32, kind, u32::from_le_bytes(*name)];
    words.extend(descriptor);
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    Segment { kind: 4, address: 0, size_in_memory: bytes.len() as u64, bytes }
}

/// Offset of the first program header; they have 56 bytes each.
const PROGRAM_HEADERS: usize = 64;

fn elf(segments: &[Segment]) -> Vec<u8> {
    let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    file.extend([2, 0, 62, 0, 1, 0, 0, 0]);
    file.extend([CODE, PROGRAM_HEADERS as u64, 0].iter().flat_map(|word| word.to_le_bytes()));
    file.extend([0; 4]);
    file.extend([64, 56, segments.len() as u16, 64, 0, 0].iter().flat_map(|half| half.to_le_bytes()));
    let mut offset = (PROGRAM_HEADERS + 56 * segments.len()) as u64;
    for segment in segments {
        file.extend([segment.kind, 7].iter().flat_map(|word| word.to_le_bytes()));
        let size = segment.bytes.len() as u64;
        let words = [offset, segment.address, segment.address, size, segment.size_in_memory, 4];
        file.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        offset += size;
    }
    file.extend(segments.iter().flat_map(|segment| &segment.bytes));
    file
}

fn error_of(file: &[u8]) -> ImageError {
    Image::from_bytes(file, MEMORY).expect_err("a damaged file")
}

#[test]
fn segments_and_the_entry_are_found() {
    let notes = [note(b"GNU\0", 18, &[1]), note(b"Xen\0", 17, &[2]), note(b"Xen\0", 18, &[CODE as u32, 0])];
    let mut segments = vec![load(CODE, b"code", 4), load(CODE + 0x1000, b"data", 0x2000)];
    segments.extend(notes);
    let image = Image::from_bytes(&elf(&segments), MEMORY).unwrap();
    assert_eq!(image.pvh_entry().unwrap(), CODE as u32);
    assert_eq!((image.elf_entry(), image.memory_size_bytes()), (CODE, MEMORY));
    let memory = image.instantiate(Backing::Template).unwrap();
    let mut bytes = [0xff; 8];
    memory.read(CODE + 0x1000, &mut bytes).unwrap();
    assert_eq!(&bytes, b"data\0\0\0\0");
}

#[test]
fn a_file_that_is_no_elf_is_told() {
    for file in [&b""[..], b"\x7fEL", b"#!/bin/sh\n"] {
        assert!(matches!(error_of(file), ImageError::NotElf));
    }
    let missing = Image::load("/no/such/file".as_ref(), MEMORY).unwrap_err();
    assert!(matches!(missing, ImageError::Read { .. }), "{missing:?}");
}

#[test]
fn files_for_other_machines_are_told() {
    // Class, byte order, type and machine.
    for (offset, value) in [(4, 1), (5, 2), (16, 3), (18, 40)] {
        let mut file = elf(&[load(CODE, b"code", 4)]);
        file[offset] = value;
        let error = error_of(&file);
        assert!(matches!(error, ImageError::NotX86_64 { .. }), "{offset}: {error:?}");
    }
}

#[test]
fn segments_outside_memory_are_told() {
    for (address, size) in [(MEMORY - 4, 5), (MEMORY, 1), (u64::MAX - 4, 4), (u64::MAX, 4), (0, MEMORY + 1)] {
        let error = error_of(&elf(&[load(address, b"", size)]));
        assert!(matches!(error, ImageError::SegmentOutside { .. }), "{address:#x}: {error:?}");
    }
}

#[test]
fn segments_over_the_start_info_are_told() {
    let start = layout::START_INFO;
    for (address, size) in [(start, 1), (start + 0xfff, 1), (start - 1, 2), (0, 0x10_0000)] {
        let error = error_of(&elf(&[load(address, b"", size)]));
        assert!(matches!(error, ImageError::SegmentOverStartInfo { .. }), "{address:#x}: {error:?}");
    }
    let beside = [load(start - 4, b"code", 4), load(start + layout::PAGE_SIZE, b"code", 4), load(start, b"", 0)];
    Image::from_bytes(&elf(&beside), MEMORY).unwrap();
}

#[test]
fn structures_that_contradict_themselves_are_told() {
    let larger_in_file = elf(&[load(CODE, b"code", 3)]);
    let mut beyond_the_file = elf(&[load(CODE, b"code", 4)]);
    beyond_the_file.truncate(beyond_the_file.len() - 1);
    let short_entry = elf(&[note(b"Xen\0", 18, &[])]);
    let mut headers_nowhere = elf(&[load(CODE, b"code", 4)]);
    headers_nowhere[32..40].fill(0xff);
    let mut header_only = elf(&[]);
    header_only.truncate(40);
    for file in [larger_in_file, beyond_the_file, short_entry, headers_nowhere, header_only] {
        assert!(matches!(error_of(&file), ImageError::Malformed { .. }), "{:?}", error_of(&file));
    }
}

#[test]
fn memory_sizes_are_checked() {
    let error = Image::from_bytes(&elf(&[load(CODE, b"code", 4)]), 0x1234).unwrap_err();
    assert!(matches!(error, ImageError::Memory(MemoryError::Size { size_bytes: 0x1234 })), "{error:?}");
}

proptest! {
    #[test]
    fn bytes_at_random_never_panic(tail in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut file = b"\x7fELF\x02\x01\x01".to_vec();
        file.extend(tail);
        let _ = Image::from_bytes(&file, MEMORY);
    }

    #[test]
    fn damage_at_random_never_panics(damage in proptest::collection::vec((0..400_usize, any::<u8>()), 1..8)) {
        let mut file = elf(&[load(CODE, b"code", 0x1000), note(b"Xen\0", 18, &[CODE as u32])]);
        for (offset, value) in damage {
            let offset = offset % file.len();
            file[offset] = value;
        }
        let _ = Image::from_bytes(&file, MEMORY);
    }
}
