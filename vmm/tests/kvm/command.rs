//! The command `vmm` as its user sees it.

use crate::guest::{CODE, elf, exit_with_eax};
use iced_x86::code_asm::*;
use std::{
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    process::{Command, Output, Stdio},
};
use tempfile::NamedTempFile;

/// Ends a guest that would run for ever; none of the others needs a thousandth of it.
const TIMEOUT: [&str; 2] = ["--timeout", "60"];

fn image(program: impl FnOnce(&mut CodeAssembler)) -> NamedTempFile {
    let mut assembler = CodeAssembler::new(32).unwrap();
    program(&mut assembler);
    let code = assembler.assemble(CODE).unwrap();
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(&elf(CODE, &code, Some(CODE as u32))).unwrap();
    file
}

fn vmm() -> Command {
    Command::new(env!("CARGO_BIN_EXE_vmm"))
}

fn run(image: &NamedTempFile, arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } =
        vmm().arg("run").arg(image.path()).args(TIMEOUT).args(arguments).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// Prints the first two bytes of the command line and ends with 0.
fn polite(a: &mut CodeAssembler) {
    a.mov(esi, dword_ptr(ebx + 24)).unwrap();
    a.mov(dx, 0x3f8_u32).unwrap();
    for _ in 0..2 {
        a.lodsb().unwrap();
        a.out(dx, al).unwrap();
    }
    a.xor(eax, eax).unwrap();
    exit_with_eax(a);
}

#[test]
fn serial_goes_to_standard_output_and_success_is_quiet() {
    let image = image(polite);
    assert_eq!(run(&image, &["--append", "hi"]), (Some(0), "hi".to_owned(), String::new()));
    for irqchip in ["split", "kernel", "user"] {
        let shape = ["--append", "hi", "--mem", "4", "--cpus", "2", "--irqchip", irqchip, "--entry", "pvh"];
        assert_eq!(run(&image, &shape), (Some(0), "hi".to_owned(), String::new()));
    }
}

#[test]
fn pc_is_turned_off_by_its_guest_in_each_set_up() {
    // The FADT, which the RSDP at F0010H leads to, names the PM1 control register at 64.
    let image = image(|a| {
        a.mov(eax, dword_ptr(ebx + 32)).unwrap();
        a.mov(eax, dword_ptr(eax + 24)).unwrap();
        a.mov(eax, dword_ptr(eax + 36)).unwrap();
        a.mov(edx, dword_ptr(eax + 64)).unwrap();
        a.mov(ax, 0x3400).unwrap();
        a.out(dx, ax).unwrap();
        a.ud2().unwrap();
    });
    for irqchip in ["kernel", "split", "user"] {
        let (status, _, stderr) = run(&image, &["--machine", "pc", "--irqchip", irqchip, "--trace"]);
        assert_eq!(status, Some(0), "{irqchip}: {stderr}");
        assert!(stderr.contains("turned the machine off"), "{irqchip}: {stderr}");
    }
    let (status, _, stderr) = run(&image, &["--hpet"]);
    assert_eq!(status, Some(2));
    assert!(stderr.contains("--hpet needs interrupt controllers: --irqchip"), "{stderr}");
}

#[test]
fn trace_tells_each_exit_with_its_instruction() {
    let (status, _, stderr) = run(&image(polite), &["--append", "hi", "--trace"]);
    assert_eq!(status, Some(0));
    let lines: Vec<_> = stderr.lines().collect();
    assert_eq!(lines.len(), 6, "{stderr}");
    assert!(lines[0].contains("vcpu0") && lines[0].contains("out dx,al"), "{stderr}");
    assert!(lines[0].ends_with("port 0x3f8 <- 0x68") && lines[1].ends_with("port 0x3f8 <- 0x69"), "{stderr}");
    assert!(lines[2].contains("out dx,eax") && lines[2].ends_with("port 0xf4 <- 0x00000000"), "{stderr}");
}

#[test]
fn guest_failures_are_status_1_with_the_place() {
    let (status, _, stderr) = run(&image(|a| a.ud2().unwrap()), &[]);
    assert_eq!(status, Some(1));
    assert!(stderr.contains("triple fault"), "{stderr}");
    let (status, _, stderr) = run(&image(|a| exit_with_eax(&mut *a)), &[]);
    assert_eq!((status, stderr.contains("debug exit")), (Some(0), false), "{stderr}");
    let nonzero = image(|a| {
        a.mov(eax, 3).unwrap();
        exit_with_eax(a);
    });
    let (status, _, stderr) = run(&nonzero, &[]);
    assert_eq!(status, Some(1));
    assert!(stderr.contains("debug exit with 0x3"), "{stderr}");
    let (status, _, stderr) = run(&image(|a| a.hlt().unwrap()), &[]);
    assert_eq!(status, Some(1));
    assert!(stderr.contains("halted"), "{stderr}");
}

#[test]
fn spinning_guest_is_ended_by_the_timeout() {
    let spin = image(|a| {
        let mut here = a.create_label();
        a.set_label(&mut here).unwrap();
        a.jmp(here).unwrap();
    });
    let Output { status, stderr, .. } = vmm().arg("run").arg(spin.path()).args(["--timeout", "1"]).output().unwrap();
    let stderr = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(1));
    assert!(stderr.contains("time-out after 1 s") && stderr.contains("jmp"), "{stderr}");
}

#[test]
fn request_and_host_failures_are_status_2() {
    let image = image(polite);
    let no_elf = NamedTempFile::new().unwrap();
    let path = |file: &NamedTempFile| file.path().to_str().unwrap().to_owned();
    let cases = [
        (vec!["run".to_owned(), "/no/such/image".to_owned()], "No such file"),
        (vec!["run".to_owned(), path(&no_elf)], "not an ELF file"),
        (vec!["run".to_owned(), path(&image), "--mem=0".to_owned()], "0 is not in"),
        (vec!["run".to_owned(), path(&image), "--cpus=2".to_owned()], "needs local APICs"),
        (vec!["run".to_owned(), path(&image), "--irqchip=full".to_owned()], "possible values"),
        (vec!["run".to_owned(), path(&image), "--gdb=no address".to_owned()], "gdb"),
        (vec![], "Usage"),
    ];
    for (arguments, expected) in cases {
        let Output { status, stderr, .. } = vmm().args(&arguments).output().unwrap();
        let stderr = String::from_utf8(stderr).unwrap();
        assert_eq!(status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.contains(expected), "{arguments:?}: {stderr}");
    }
}

#[test]
fn closed_output_is_a_failure_of_the_host() {
    let flood = image(|a| {
        let mut here = a.create_label();
        a.mov(dx, 0x3f8_u32).unwrap();
        a.mov(al, 10).unwrap();
        a.set_label(&mut here).unwrap();
        a.out(dx, al).unwrap();
        a.jmp(here).unwrap();
    });
    let mut child =
        vmm().arg("run").arg(flood.path()).args(TIMEOUT).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(2), "{stderr}");
    assert!(stderr.contains("Broken pipe"), "{stderr}");
}

#[test]
fn help_documents_the_exit_status() {
    let stdout = String::from_utf8(vmm().args(["run", "--help"]).output().unwrap().stdout).unwrap();
    assert!(stdout.contains("Exit status:") && stdout.contains("Examples:"), "{stdout}");
}

#[test]
fn gdb_comes_by_a_unix_socket() {
    let image = image(polite);
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("gdb");
    let mut child = vmm()
        .arg("run")
        .arg(image.path())
        .args(["--append", "hi", "--gdb"])
        .arg(&socket)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("waiting for gdb"), "{line}");
    let mut gdb = UnixStream::connect(&socket).unwrap();
    // Continue; the guest ends with 0.
    gdb.write_all(b"$c#63").unwrap();
    let mut answer = [0; 8];
    gdb.read_exact(&mut answer[..5]).unwrap();
    assert_eq!(&answer[..5], b"+$W00", "{answer:?}");
    drop(gdb);
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), &output.stdout[..]), (Some(0), &b"hi"[..]));
    assert!(!socket.exists());
}
