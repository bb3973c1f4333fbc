//! What is not ours: Linux kernels, Multiboot images and firmware, as far as tiny ones made here can stand for them.

use crate::guest::DEBUG_EXIT;
use iced_x86::code_asm::*;
use std::{
    io::Write,
    process::{Command, Output},
};
use tempfile::NamedTempFile;

/// Where Multiboot code is loaded and entered.
const CODE: u32 = 0x10_0000;
/// Where the kernel prefers to be.
const KERNEL: u64 = 16 << 20;
/// Size of the firmware.
const ROM_SIZE: usize = 0x1_0000;

fn saved(bytes: &[u8]) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn assemble(bits: u32, address: u64, program: impl FnOnce(&mut CodeAssembler)) -> Vec<u8> {
    let mut assembler = CodeAssembler::new(bits).unwrap();
    program(&mut assembler);
    assembler.assemble(address).unwrap()
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// A 32-bit ELF file with a Multiboot header before the program.
fn multiboot(program: impl FnOnce(&mut CodeAssembler)) -> NamedTempFile {
    let code = assemble(32, u64::from(CODE) + 12, program);
    let size = 12 + code.len() as u32;
    let mut file = vec![0x7f, b'E', b'L', b'F', 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    // Type EXEC, machine 386, version, entry, program headers, section headers, flags, sizes and numbers.
    file.extend([2, 0, 3, 0]);
    file.extend(words(&[1, CODE + 12, 52, 0, 0]));
    file.extend([52_u16, 32, 1, 40, 0, 0].iter().flat_map(|half| half.to_le_bytes()));
    file.extend(words(&[1, 84, CODE, CODE, size, size, 7, 4]));
    file.extend(words(&[0x1bad_b002, 0, 0_u32.wrapping_sub(0x1bad_b002)]));
    file.extend(code);
    saved(&file)
}

/// A bzImage whose 64-bit entry is the program.
fn bzimage(program: impl FnOnce(&mut CodeAssembler)) -> NamedTempFile {
    let code = assemble(64, KERNEL + 0x200, program);
    let mut file = vec![0; 0x400 + 0x200];
    let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
    for (at, bytes) in [
        (0x1f1, &[1][..]),
        (0x1fe, &[0x55, 0xaa]),
        (0x202, b"HdrS"),
        (0x206, &0x20f_u16.to_le_bytes()),
        (0x211, &[1]),
        (0x214, &0x10_0000_u32.to_le_bytes()),
        (0x22c, &0x7fff_ffff_u32.to_le_bytes()),
        (0x234, &[1]),
        (0x236, &[1]),
        (0x238, &2047_u32.to_le_bytes()),
        (0x258, &KERNEL.to_le_bytes()),
        (0x260, &0x10_0000_u32.to_le_bytes()),
    ] {
        put(at, bytes);
    }
    file.extend(code);
    saved(&file)
}

/// Firmware whose program is at its start, and whose reset vector jumps there.
fn firmware(program: impl FnOnce(&mut CodeAssembler)) -> NamedTempFile {
    let mut rom = vec![0; ROM_SIZE];
    let code = assemble(16, 0, program);
    rom[..code.len()].copy_from_slice(&code);
    let jump = assemble(16, 0xfff0, |a| {
        a.xor(ax, ax).unwrap();
        a.jmp(ax).unwrap();
    });
    rom[0xfff0..][..jump.len()].copy_from_slice(&jump);
    rom[ROM_SIZE - 1] = b'R';
    saved(&rom)
}

/// Status, standard output, standard error.
fn run(kind: &str, file: &NamedTempFile, arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_vmm"))
        .args(["run", "--timeout", "60", kind])
        .arg(file.path())
        .args(arguments)
        .output()
        .unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

fn print_al(a: &mut CodeAssembler) {
    a.mov(dx, 0x3f8_u32).unwrap();
    a.out(dx, al).unwrap();
}

fn exit_32(a: &mut CodeAssembler, value: u32) {
    a.mov(eax, value).unwrap();
    a.out(i32::from(DEBUG_EXIT), eax).unwrap();
}

/// Ends with `value` unless the last comparison was equal.
fn unless_equal(a: &mut CodeAssembler, value: u32) {
    let mut fine = a.create_label();
    a.je(fine).unwrap();
    exit_32(a, value);
    a.set_label(&mut fine).unwrap();
}

#[test]
fn multiboot_image_finds_memory_and_command_line_and_passes_its_status_on() {
    let image = multiboot(|a| {
        a.cmp(eax, 0x2bad_b002_u32 as i32).unwrap();
        unless_equal(a, 1);
        // Memory from 1 MiB on, in KiB.
        a.cmp(dword_ptr(ebx + 8), 15 << 10).unwrap();
        unless_equal(a, 2);
        // The memory map: the size, then the low half of the length of its last entry.
        a.mov(esi, dword_ptr(ebx + 48)).unwrap();
        a.cmp(dword_ptr(ebx + 44), 72).unwrap();
        unless_equal(a, 3);
        a.cmp(dword_ptr(esi + 48 + 12), 15 << 20).unwrap();
        unless_equal(a, 4);
        // The rest of the command line behind the first blank.
        a.mov(esi, dword_ptr(ebx + 16)).unwrap();
        let (mut find, mut print, mut end) = (a.create_label(), a.create_label(), a.create_label());
        a.set_label(&mut find).unwrap();
        a.lodsb().unwrap();
        a.cmp(al, 0x20).unwrap();
        a.jne(find).unwrap();
        a.set_label(&mut print).unwrap();
        a.lodsb().unwrap();
        a.test(al, al).unwrap();
        a.jz(end).unwrap();
        print_al(a);
        a.jmp(print).unwrap();
        a.set_label(&mut end).unwrap();
        exit_32(a, 21);
    });
    let (status, stdout, stderr) = run("--multiboot", &image, &["--mem", "16", "--append", "smp 2"]);
    assert_eq!((status, stdout.as_str(), stderr.as_str()), (Some(43), "smp 2", ""));
}

#[test]
fn multiboot_image_finds_more_memory_than_lies_below_4_gib_in_every_kind_of_pages() {
    let image = multiboot(|a| {
        // The last entry of the memory map: 2 MiB from 4 GiB on.
        a.mov(esi, dword_ptr(ebx + 48)).unwrap();
        a.add(esi, dword_ptr(ebx + 44)).unwrap();
        for (before, value) in [(20, 0), (16, 1), (12, 2 << 20), (8, 0), (4, 1)] {
            a.cmp(dword_ptr(esi - before), value).unwrap();
            unless_equal(a, 1);
        }
        // The end of what lies below.
        let last = 0xc000_0000_u64 - 4;
        a.cmp(dword_ptr(last), 0).unwrap();
        unless_equal(a, 2);
        a.mov(dword_ptr(last), 0x1234_5678).unwrap();
        a.cmp(dword_ptr(last), 0x1234_5678).unwrap();
        unless_equal(a, 3);
        exit_32(a, 21);
    });
    for kind in ["", ",thp", ",mergeable", ",hugetlb"] {
        let size = format!("{}{kind}", (3 << 10) + 2);
        let (status, stdout, stderr) = run("--multiboot", &image, &["--mem", &size]);
        match status {
            Some(43) => assert_eq!((stdout.as_str(), stderr.as_str()), ("", ""), "{kind}"),
            // What the host does not offer says what it is.
            Some(2) if stderr.contains("nr_hugepages") => assert_eq!(kind, ",hugetlb"),
            Some(2) if stderr.contains("this kernel has no") => assert!([",thp", ",mergeable"].contains(&kind)),
            _ => panic!("{kind}: {status:?} {stdout} {stderr}"),
        }
    }
}

#[test]
fn multiboot_image_finds_its_module_and_the_devices_of_kvm_unit_tests() {
    let image = multiboot(|a| {
        // One module: its first and only doubleword.
        a.cmp(dword_ptr(ebx + 20), 1).unwrap();
        unless_equal(a, 1);
        a.mov(esi, dword_ptr(ebx + 24)).unwrap();
        a.mov(eax, dword_ptr(esi)).unwrap();
        a.cmp(dword_ptr(eax), i32::from_le_bytes(*b"A=1\n")).unwrap();
        unless_equal(a, 2);
        // fw_cfg: the number of processors.
        a.mov(edx, 0x510).unwrap();
        a.mov(eax, 5).unwrap();
        a.out(dx, ax).unwrap();
        a.inc(edx).unwrap();
        a.in_(al, dx).unwrap();
        a.cmp(al, 2).unwrap();
        unless_equal(a, 3);
        // The test device: bytes that are kept, and its memory.
        a.mov(eax, 0x1234_5678).unwrap();
        a.out(0xe0, eax).unwrap();
        a.in_(al, 0xea).unwrap();
        a.cmp(al, 0x34).unwrap();
        unless_equal(a, 4);
        a.mov(dword_ptr(0xff00_1000_u64), 0x77).unwrap();
        a.cmp(dword_ptr(0xff00_1000_u64), 0x77).unwrap();
        unless_equal(a, 5);
        // A line of the 8259A: asserted, it is requested.
        a.mov(al, 0x0a).unwrap();
        a.out(0x20, al).unwrap();
        a.mov(edx, 0x2003).unwrap();
        a.mov(al, 1).unwrap();
        a.out(dx, al).unwrap();
        a.in_(al, 0x20).unwrap();
        a.and(al, 8).unwrap();
        a.cmp(al, 8).unwrap();
        unless_equal(a, 6);
        exit_32(a, 0);
    });
    let module = saved(b"A=1\n");
    let module = module.path().to_str().unwrap();
    for irqchip in ["kernel", "split", "user"] {
        let arguments = ["--cpus", "2", "--irqchip", irqchip, "--initrd", module];
        assert_eq!(run("--multiboot", &image, &arguments), (Some(1), String::new(), String::new()), "{irqchip}");
    }
}

#[test]
fn a_multiboot_image_that_crashes_is_no_success() {
    let (status, _, stderr) = run("--multiboot", &multiboot(|a| a.ud2().unwrap()), &[]);
    assert_eq!(status, Some(2));
    assert!(stderr.contains("triple fault"), "{stderr}");
}

#[test]
fn linux_kernel_finds_its_zero_page() {
    let kernel = bzimage(|a| {
        let mut wrong = a.create_label();
        // Segments as the protocol wants them, the header, memory below 640 KiB, and ACPI's root pointer.
        a.mov(ax, cs).unwrap();
        a.cmp(ax, 0x10).unwrap();
        a.jne(wrong).unwrap();
        a.cmp(dword_ptr(rsi + 0x202), i32::from_le_bytes(*b"HdrS")).unwrap();
        a.jne(wrong).unwrap();
        a.cmp(byte_ptr(rsi + 0x1e8), 3).unwrap();
        a.jne(wrong).unwrap();
        a.cmp(dword_ptr(rsi + 0x2d0 + 8), 0xa_0000).unwrap();
        a.jne(wrong).unwrap();
        a.cmp(dword_ptr(rsi + 0x70), 0xf_0010).unwrap();
        a.jne(wrong).unwrap();
        // The initial RAM disk's first bytes, then the command line's.
        a.mov(eax, dword_ptr(rsi + 0x218)).unwrap();
        a.mov(al, byte_ptr(rax)).unwrap();
        a.mov(dx, 0x3f8_u32).unwrap();
        a.out(dx, al).unwrap();
        a.mov(esi, dword_ptr(rsi + 0x228)).unwrap();
        for _ in 0..2 {
            a.lodsb().unwrap();
            a.out(dx, al).unwrap();
        }
        a.xor(eax, eax).unwrap();
        a.out(i32::from(DEBUG_EXIT), eax).unwrap();
        a.set_label(&mut wrong).unwrap();
        a.ud2().unwrap();
    });
    let disk = saved(b"initrd");
    let disk = disk.path().to_str().unwrap();
    for irqchip in ["kernel", "split", "user"] {
        let arguments = ["--initrd", disk, "--append", "ro", "--mem", "64M,thp", "--rng", "--irqchip", irqchip];
        assert_eq!(run("--kernel", &kernel, &arguments), (Some(0), "iro".to_owned(), String::new()), "{irqchip}");
    }
}

#[test]
fn an_instruction_that_kvm_cannot_emulate_ends_a_kernel_by_its_name() {
    // A processor executes it; a KVM that interprets ring 0 may not know it.
    let kernel = bzimage(|a| {
        a.mov(ecx, 0x70).unwrap();
        a.popcnt(eax, ecx).unwrap();
        a.sub(eax, 3).unwrap();
        a.out(i32::from(DEBUG_EXIT), eax).unwrap();
    });
    let (status, _, stderr) = run("--kernel", &kernel, &[]);
    match status {
        Some(0) => assert_eq!(stderr, ""),
        Some(1) => assert!(stderr.contains("internal error") && stderr.contains("popcnt eax,ecx"), "{stderr}"),
        other => panic!("{other:?}: {stderr}"),
    }
}

#[test]
fn input_of_the_serial_port_comes_from_a_pipe() {
    let kernel = bzimage(|a| {
        // The line status says that something came; it is sent back, and the second byte ends it.
        for _ in 0..2 {
            let mut wait = a.create_label();
            a.set_label(&mut wait).unwrap();
            a.mov(dx, 0x3fd_u32).unwrap();
            a.in_(al, dx).unwrap();
            a.test(al, 1).unwrap();
            a.jz(wait).unwrap();
            a.mov(dx, 0x3f8_u32).unwrap();
            a.in_(al, dx).unwrap();
            a.out(dx, al).unwrap();
        }
        a.xor(eax, eax).unwrap();
        a.out(i32::from(DEBUG_EXIT), eax).unwrap();
    });
    let mut child = Command::new(env!("CARGO_BIN_EXE_vmm"))
        .args(["run", "--timeout", "60", "--serial", "stdio", "--kernel"])
        .arg(kernel.path())
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // The pipe stays open: nothing may wait for its end.
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"ok").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), &output.stdout[..]), (Some(0), &b"ok"[..]));
    drop(input);
}

#[test]
fn firmware_finds_the_acpi_tables_and_a_q35() {
    let firmware = firmware(|a| {
        // Configuration space of the host bridge, by the address 80000000H: the high byte of its device ID.
        a.mov(eax, 0x8000_0000_u32).unwrap();
        a.mov(dx, 0xcf8_u32).unwrap();
        a.out(dx, eax).unwrap();
        a.mov(dx, 0xcff_u32).unwrap();
        a.in_(al, dx).unwrap();
        print_al(a);
        // fw_cfg's directory: how many files, in the low byte of four.
        a.mov(ax, 0x19_u32).unwrap();
        a.mov(dx, 0x510_u32).unwrap();
        a.out(dx, ax).unwrap();
        a.inc(dx).unwrap();
        for _ in 0..4 {
            a.in_(al, dx).unwrap();
        }
        a.add(al, u32::from(b'0')).unwrap();
        print_al(a);
        a.xor(ax, ax).unwrap();
        a.out(i32::from(DEBUG_EXIT), al).unwrap();
    });
    // Tables, root pointer, script, map of memory, port of the console, no menu.
    let (status, stdout, stderr) = run("--firmware", &firmware, &[]);
    assert_eq!((status, stdout.as_str(), stderr.as_str()), (Some(0), ")6", ""));
}

#[test]
fn firmware_starts_after_reset_and_learns_of_its_machine() {
    let firmware = firmware(|a| {
        // CMOS: memory above 16 MiB in units of 64 KiB, low byte; fw_cfg's signature; both to COM1.
        a.mov(al, 0x34).unwrap();
        a.out(0x70, al).unwrap();
        a.in_(al, 0x71).unwrap();
        print_al(a);
        a.mov(dx, 0x511_u32).unwrap();
        a.in_(al, dx).unwrap();
        print_al(a);
        // The copy at 1 MiB: the byte at the end of the firmware.
        a.mov(ax, 0xf000_u32).unwrap();
        a.mov(ds, ax).unwrap();
        a.mov(bx, 0xffff_u32).unwrap();
        a.mov(al, byte_ptr(bx)).unwrap();
        a.mov(dx, 0x402_u32).unwrap();
        a.out(dx, al).unwrap();
        a.xor(ax, ax).unwrap();
        a.out(i32::from(DEBUG_EXIT), al).unwrap();
    });
    let (status, stdout, stderr) = run("--firmware", &firmware, &["--mem", "20M", "--debug-port"]);
    assert_eq!((status, stdout.as_str(), stderr.as_str()), (Some(0), "@Q", "R"));
}

/// SeaBIOS as Debian and Fedora install it.
const SEABIOS: &str = "/usr/share/seabios/bios-256k.bin";

#[test]
fn seabios_boots_from_a_virtio_disk_where_it_is_installed() {
    if !std::path::Path::new(SEABIOS).exists() {
        return;
    }
    let mut disk = assemble(16, 0x7c00, |a| {
        a.mov(al, u32::from(b'K')).unwrap();
        print_al(a);
        a.xor(ax, ax).unwrap();
        a.out(i32::from(DEBUG_EXIT), al).unwrap();
    });
    disk.resize(510, 0);
    disk.extend([0x55, 0xaa]);
    disk.resize(1 << 20, 0);
    let disk = saved(&disk);
    let disk = format!("{},readonly", disk.path().display());
    let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_vmm"))
        .args(["run", "--timeout", "300", "--firmware", SEABIOS, "--mem", "64M", "--disk", &disk])
        .output()
        .unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert_eq!(status.code(), Some(0), "{stdout}{stderr}");
    assert!(stdout.contains("Booting from Hard Disk") && stdout.contains('K'), "{stdout}");
}

#[test]
fn payloads_that_cannot_be_run_are_requests_that_failed() {
    let kernel = bzimage(|a| a.hlt().unwrap());
    let no_kernel = saved(b"neither");
    let cases: [(&str, &NamedTempFile, &[&str], &str); 8] = [
        ("--kernel", &no_kernel, &[], "is not a kernel"),
        ("--kernel", &kernel, &["--mem", "16"], "give it 17 MiB or more"),
        ("--kernel", &kernel, &["--initrd", "/no/such/disk"], "failed to read /no/such/disk"),
        ("--kernel", &kernel, &["--irqchip", "none"], "needs interrupt controllers"),
        ("--multiboot", &no_kernel, &[], "not a Multiboot image"),
        ("--firmware", &no_kernel, &[], "has 0x7 bytes"),
        ("--kernel", &kernel, &["--disk", "/no/such/image"], "there is no file /no/such/image"),
        ("--kernel", &kernel, &["--mem", "64,large"], "type hugetlb, thp or mergeable"),
    ];
    for (kind, file, arguments, expected) in cases {
        let (status, _, stderr) = run(kind, file, arguments);
        assert_eq!(status, Some(2), "{kind} {arguments:?}: {stderr}");
        assert!(stderr.contains(expected), "{kind} {arguments:?}: {stderr}");
    }
}
