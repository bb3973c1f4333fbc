//! Kernels made for the tests.

use crate::{Image, ImageError, LinuxError, memory::Backing};
use proptest::prelude::*;
use std::io::Write;
use tempfile::NamedTempFile;

const MEMORY: u64 = 32 << 20;
const PREFERRED: u64 = 16 << 20;

/// Offsets in a bzImage ("The Real-Mode Kernel Header").
const SETUP_SECTS: usize = 0x1f1;
const VERSION: usize = 0x206;
const LOADFLAGS: usize = 0x211;
const XLOADFLAGS: usize = 0x236;
const INIT_SIZE: usize = 0x260;

/// A bzImage of one sector of setup code and 1 KiB of kernel, which needs 64 KiB.
fn bzimage() -> Vec<u8> {
    let mut file = vec![0; 0x400 + 0x400];
    let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
    put(SETUP_SECTS, &[1]);
    put(0x1f4, &(0x400_u32 / 16).to_le_bytes());
    put(0x1fe, &[0x55, 0xaa]);
    put(0x202, b"HdrS");
    put(VERSION, &0x20f_u16.to_le_bytes());
    put(LOADFLAGS, &[1]);
    put(0x214, &0x10_0000_u32.to_le_bytes());
    put(0x22c, &0x7fff_ffff_u32.to_le_bytes());
    put(0x234, &[1]);
    put(XLOADFLAGS, &[1]);
    put(0x238, &20_u32.to_le_bytes());
    put(0x258, &PREFERRED.to_le_bytes());
    put(INIT_SIZE, &0x1_0000_u32.to_le_bytes());
    put(0x400, b"kernel");
    file
}

fn changed(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut file = bzimage();
    file[at..at + bytes.len()].copy_from_slice(bytes);
    file
}

fn saved(bytes: &[u8]) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn refused(bytes: &[u8]) -> LinuxError {
    match Image::load_linux(saved(bytes).path(), None, MEMORY) {
        Err(ImageError::Linux(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn bzimage_is_loaded_where_it_prefers_and_entered_behind_its_first_sector() {
    let image = Image::load_linux(saved(&bzimage()).path(), None, MEMORY).unwrap();
    let linux = image.linux().unwrap();
    assert_eq!(linux.entry, PREFERRED + 0x200);
    assert_eq!((linux.header.type_of_loader, { linux.header.code32_start }), (0xff, PREFERRED as u32));
    let memory = image.instantiate(Backing::Template).unwrap();
    assert_eq!(memory.read_u32(PREFERRED), Ok(u32::from_le_bytes(*b"kern")));
    // One that cannot be moved stays where it was linked.
    let fixed = Image::load_linux(saved(&changed(0x234, &[0])).path(), None, MEMORY).unwrap();
    assert_eq!(fixed.linux().unwrap().entry, 0x10_0200);
}

#[test]
fn the_vmlinux_in_a_bzimage_is_entered_where_it_was_linked_to_if_that_is_asked_for() {
    // An ELF header, and one segment of all of the file at the preferred address.
    let mut elf = vec![0; 0x100];
    let mut put = |at: usize, bytes: &[u8]| elf[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"\x7fELF\x02\x01\x01");
    put(0x10, &[2, 0, 62, 0, 1]);
    put(0x18, &(PREFERRED + 0x80).to_le_bytes());
    put(0x20, &0x40_u64.to_le_bytes());
    put(0x34, &[0x40, 0, 0x38, 0, 1, 0, 0x40]);
    put(0x40, &[1, 0, 0, 0, 5]);
    put(0x58, &PREFERRED.to_le_bytes());
    put(0x60, &0x100_u64.to_le_bytes());
    put(0x68, &0x100_u64.to_le_bytes());
    put(0x80, b"kernel");
    let mut file = changed(0x248, &8_u32.to_le_bytes());
    file[0x24c..0x250].copy_from_slice(&(elf.len() as u32).to_le_bytes());
    file[0x408..0x508].copy_from_slice(&elf);
    let file = saved(&file);
    let image = Image::load_linux_unpacked(file.path(), None, MEMORY).unwrap();
    assert_eq!(image.linux().unwrap().entry, PREFERRED + 0x80);
    let memory = image.instantiate(Backing::Template).unwrap();
    assert_eq!(memory.read_u32(PREFERRED + 0x80), Ok(u32::from_le_bytes(*b"kern")));
    // What is in no format that is known.
    let error = Image::load_linux_unpacked(saved(&bzimage()).path(), None, MEMORY).unwrap_err();
    assert!(matches!(error, ImageError::Linux(LinuxError::Unpack { .. })), "{error}");
}

#[test]
fn initial_ram_disk_stands_at_the_end_of_memory() {
    let (kernel, disk) = (saved(&bzimage()), saved(&[7; 0x1001]));
    let image = Image::load_linux(kernel.path(), Some(disk.path()), MEMORY).unwrap();
    let header = &image.linux().unwrap().header;
    assert_eq!(({ header.ramdisk_image }, { header.ramdisk_size }), (MEMORY as u32 - 0x2000, 0x1001));
    let memory = image.instantiate(Backing::Template).unwrap();
    assert_eq!(memory.read_u32(MEMORY - 0x2000), Ok(0x0707_0707));
    // One page more than there is.
    let large = saved(&vec![0; (MEMORY - PREFERRED - 0x1_0000) as usize + 1]);
    let error = Image::load_linux(kernel.path(), Some(large.path()), MEMORY).unwrap_err().to_string();
    assert!(error.contains("kernel's end at 0x1010000") && error.contains("give the VM 33 MiB"), "{error}");
}

#[test]
fn kernels_that_cannot_be_entered_say_why_and_where() {
    assert!(matches!(refused(b""), LinuxError::NotKernel { .. }));
    assert!(matches!(refused(b"#!/bin/sh"), LinuxError::NotKernel { .. }));
    assert!(matches!(refused(&bzimage()[..0x250]), LinuxError::Damaged { offset: 0x250, .. }));
    assert!(matches!(refused(&bzimage()[..0x500]), LinuxError::Damaged { offset: 0x500, .. }));
    for old in [changed(VERSION, &[0x0b]), changed(XLOADFLAGS, &[0]), changed(LOADFLAGS, &[0])] {
        assert!(matches!(refused(&old), LinuxError::No64BitEntry { .. }));
    }
    let error = refused(&changed(INIT_SIZE, &0x400_0000_u32.to_le_bytes()));
    assert!(error.to_string().contains("give it 80 MiB"), "{error}");
    assert!(matches!(refused(&changed(0x258, &[0xff; 8])), LinuxError::Damaged { offset: 0x258, .. }));
    assert!(matches!(refused(&changed(0x258, &0x9_0000_u64.to_le_bytes())), LinuxError::Damaged { .. }));
    let missing = Image::load_linux("/no/such/kernel".as_ref(), None, MEMORY).unwrap_err().to_string();
    assert!(missing.contains("/no/such/kernel"), "{missing}");
}

#[test]
fn a_broken_vmlinux_is_told_as_such() {
    let error = refused(&[b"\x7fELF".as_slice(), &[2, 1, 1, 0]].concat());
    assert!(matches!(error, LinuxError::Elf { .. }), "{error}");
}

#[test]
fn a_command_line_that_the_kernel_would_cut_off_is_refused() {
    let image = Image::load_linux(saved(&bzimage()).path(), None, MEMORY).unwrap();
    let linux = image.linux().unwrap();
    assert!(linux.check_command_line(20).is_ok());
    assert!(matches!(linux.check_command_line(21), Err(LinuxError::CommandLine { max_bytes: 20, .. })));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn damaged_headers_are_loaded_or_refused(changes in prop::collection::vec((0x1f1_usize..0x270, any::<u8>()), 1..6)) {
        let mut file = bzimage();
        for (at, value) in changes {
            file[at] = value;
        }
        let _ = Image::load_linux(saved(&file).path(), None, MEMORY);
    }
}
