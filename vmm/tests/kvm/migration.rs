//! Migration: which pages were written, VMs that move while they run, and the commands that move them.

use crate::guest::{CODE, config, elf, exit_with_eax, hypervisor, image, with_deadline};
use iced_x86::code_asm::*;
use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};
use vmm::{
    DirtyMethod, DirtyTracking, Elapsed, Hypervisor, InterruptSetup, NoObserver, StopReason, Vm, VmConfig,
    migration::{MigrationError, Outgoing, StreamError},
};

/// Where guests count, and the flag that ends them.
const COUNTER: u64 = 0x20_0000;
const FLAG: u64 = 0x20_3000;
const PAGE_SIZE: u64 = 4096;

/// Passes some time without a write: a KVM that interprets ring 0 by the thousand instructions looks only then whether a ring is
/// full, and one that runs over loses pages. It keeps 64 entries free for what is written until then.
fn dawdle(a: &mut CodeAssembler) {
    let mut again = a.create_label();
    a.mov(ebx, 30).unwrap();
    a.set_label(&mut again).unwrap();
    a.dec(ebx).unwrap();
    a.jne(again).unwrap();
}

/// Counts in memory until the flag is set, and ends with 0 if the counter is what a register counted.
fn count(a: &mut CodeAssembler) {
    let mut again = a.create_label();
    a.xor(esi, esi).unwrap();
    a.set_label(&mut again).unwrap();
    dawdle(a);
    a.inc(esi).unwrap();
    a.inc(dword_ptr(COUNTER)).unwrap();
    a.cmp(dword_ptr(FLAG), 0).unwrap();
    a.je(again).unwrap();
    a.mov(eax, esi).unwrap();
    a.sub(eax, dword_ptr(COUNTER)).unwrap();
    exit_with_eax(a);
}

fn tracked(config: VmConfig, method: DirtyMethod) -> VmConfig {
    VmConfig { tracking: DirtyTracking::Always(method), ..config }
}

fn methods(hypervisor: &Hypervisor) -> impl Iterator<Item = DirtyMethod> {
    [DirtyMethod::Log, DirtyMethod::Ring].into_iter().filter(|method| method.is_offered(hypervisor))
}

#[test]
fn pages_that_are_written_are_told_once() {
    let hypervisor = hypervisor();
    let write = image(32, |a| {
        a.mov(dword_ptr(COUNTER), 1).unwrap();
        a.mov(dword_ptr(COUNTER + 5 * PAGE_SIZE - 2), 2).unwrap();
        a.xor(eax, eax).unwrap();
        exit_with_eax(a);
    });
    for tracking in
        methods(&hypervisor).flat_map(|method| [DirtyTracking::Always(method), DirtyTracking::OnDemand(method)])
    {
        let mut vm = Vm::new(&hypervisor, &write, VmConfig { tracking, ..config() }).unwrap();
        let dirty = vm.dirty_pages().unwrap().clone();
        dirty.start().unwrap();
        assert!(dirty.take().unwrap().is_empty() && dirty.is_complete(), "{tracking:?}");
        assert_eq!(with_deadline(|| vm.run(&mut NoObserver).unwrap()).reason, StopReason::DebugExit(0));
        // By this VMM.
        vm.memory().write(0x30_0000, &[1]).unwrap();
        let first = COUNTER / PAGE_SIZE;
        let expected = [first, first + 4, first + 5, 0x300];
        let told: Vec<_> = dirty.take().unwrap().numbers().collect();
        assert!(expected.iter().all(|page| told.contains(page)), "{tracking:?}: {told:x?}");
        assert!(!told.contains(&(first + 1)), "{tracking:?}: {told:x?}");
        assert!(dirty.take().unwrap().is_empty(), "{tracking:?}");
        dirty.stop().unwrap();
    }
}

#[test]
fn a_ring_that_is_full_suspends_the_run() {
    let hypervisor = hypervisor();
    if !DirtyMethod::Ring.is_offered(&hypervisor) {
        return;
    }
    // All of 4 MiB, some of it again and again: more than fits unless it is taken out.
    let touch = image(32, |a| {
        let (mut again, mut next) = (a.create_label(), a.create_label());
        a.mov(ecx, 9).unwrap();
        a.set_label(&mut again).unwrap();
        a.mov(edi, COUNTER as u32).unwrap();
        a.set_label(&mut next).unwrap();
        dawdle(&mut *a);
        a.inc(dword_ptr(edi)).unwrap();
        a.add(edi, PAGE_SIZE as i32).unwrap();
        a.cmp(edi, 0x40_0000).unwrap();
        a.jb(next).unwrap();
        a.dec(ecx).unwrap();
        a.jne(again).unwrap();
        a.mov(eax, dword_ptr(0x3f_f000)).unwrap();
        exit_with_eax(a);
    });
    let mut vm = Vm::new(&hypervisor, &touch, tracked(config(), DirtyMethod::Ring)).unwrap();
    let dirty = vm.dirty_pages().unwrap().clone();
    dirty.start().unwrap();
    let reason = loop {
        match with_deadline(|| vm.run(&mut NoObserver).unwrap()).reason {
            StopReason::Suspended => dirty.harvest().unwrap(),
            reason => break reason,
        }
    };
    assert_eq!(reason, StopReason::DebugExit(9));
    let told = dirty.take().unwrap();
    assert!((COUNTER / PAGE_SIZE..0x400).all(|page| told.numbers().any(|told| told == page)));
}

#[test]
fn a_guest_goes_on_where_it_moves_while_it_runs() {
    let (hypervisor, image) = (hypervisor(), image(32, count));
    // Not by rings: those of a KVM that interprets ring 0 may run over before it looks, and then lose pages.
    let method = DirtyMethod::Log;
    for setup in InterruptSetup::ALL.into_iter().map(Some).chain([None]) {
        let machine = || match setup {
            Some(setup) => tracked(config().with_interrupts(setup), method),
            None => tracked(config(), method),
        };
        let mut vm = Vm::new(&hypervisor, &image, machine()).unwrap();
        for _ in 0..3 {
            let (ours, theirs) = UnixStream::pair().unwrap();
            let (dirty, memory, handle) = (vm.dirty_pages().unwrap().clone(), vm.memory().clone(), vm.handle());
            let (has_sent, has_stopped) = (AtomicBool::new(false), AtomicBool::new(false));
            vm = with_deadline(|| {
                thread::scope(|scope| {
                    let receiver =
                        scope.spawn(|| Vm::receive(theirs, &hypervisor, &image, machine(), Elapsed::WentOn).unwrap());
                    let sender = scope.spawn(|| {
                        let mut outgoing = Outgoing::new(ours, &memory).unwrap();
                        outgoing.precopy(&memory, &dirty, |round, _| round >= 5).unwrap();
                        has_sent.store(true, Ordering::SeqCst);
                        // Again, because a run that is still to start does not take notice.
                        while !has_stopped.load(Ordering::SeqCst) {
                            handle.suspend();
                            thread::sleep(Duration::from_millis(1));
                        }
                        outgoing
                    });
                    while !has_sent.load(Ordering::SeqCst) {
                        assert_eq!(vm.run(&mut NoObserver).unwrap().reason, StopReason::Suspended);
                        dirty.harvest().unwrap();
                    }
                    has_stopped.store(true, Ordering::SeqCst);
                    sender.join().unwrap().finish(&mut vm, &hypervisor).unwrap();
                    receiver.join().unwrap()
                })
            });
        }
        vm.memory().write(FLAG, &[1]).unwrap();
        let reason = loop {
            match with_deadline(|| vm.run(&mut NoObserver).unwrap()).reason {
                StopReason::Suspended => vm.dirty_pages().unwrap().harvest().unwrap(),
                reason => break reason,
            }
        };
        assert_eq!(reason, StopReason::DebugExit(0), "{setup:?} {method:?}");
    }
}

#[test]
fn a_stream_of_another_vm_or_one_that_ends_is_refused_on_both_sides() {
    let (hypervisor, image) = (hypervisor(), image(32, count));
    let refuse = |config: VmConfig, bytes: &[u8]| {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        ours.write_all(bytes).unwrap();
        ours.shutdown(std::net::Shutdown::Write).unwrap();
        Vm::receive(theirs, &hypervisor, &image, config, Elapsed::WentOn).unwrap_err()
    };
    let error = refuse(config(), b"GET / HTTP/1.1\r\n\r\n");
    assert!(matches!(error, MigrationError::Stream(StreamError::Foreign)), "{error}");
    let error = refuse(config(), b"");
    assert!(matches!(error, MigrationError::Stream(StreamError::Connection(_))), "{error}");
    // What the source learns of a destination of another shape.
    let mut vm = Vm::new(&hypervisor, &image, tracked(config(), DirtyMethod::Log)).unwrap();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let error = thread::scope(|scope| {
        let other = config().with_interrupts(InterruptSetup::Split);
        let receiver = scope.spawn(|| Vm::receive(theirs, &hypervisor, &image, other, Elapsed::WentOn).map(|_| ()));
        let mut outgoing = Outgoing::new(ours, vm.memory()).unwrap();
        let (memory, dirty) = (vm.memory().clone(), vm.dirty_pages().unwrap().clone());
        outgoing.precopy(&memory, &dirty, |_, _| true).unwrap();
        let error = outgoing.finish(&mut vm, &hypervisor).unwrap_err();
        assert!(matches!(receiver.join().unwrap().unwrap_err(), MigrationError::Restore(_)));
        error
    });
    assert!(matches!(&error, MigrationError::Refused(why) if why.contains("another VM")), "{error}");
}

/// A `vmm` that is killed with this.
struct Running(Child);

impl Running {
    fn start(image: &Path, socket: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vmm"));
        command
            .arg("run")
            .arg(image)
            .args(["--timeout", "120", "--mem", "4", "--irqchip", "split", "--qmp"])
            .arg(socket);
        let child = command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut running = Self(child);
        running.wait_for(socket);
        running
    }

    /// Waits until a file is there.
    fn wait_for(&mut self, path: &Path) {
        while !path.exists() {
            assert!(self.0.try_wait().unwrap().is_none(), "{}", self.told());
            thread::sleep(Duration::from_millis(2));
        }
    }

    fn told(&mut self) -> String {
        let mut text = String::new();
        self.0.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        text
    }

    /// The exit status and what was written to the serial port.
    fn end(mut self) -> (Option<i32>, String) {
        let mut text = String::new();
        self.0.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        (self.0.wait().unwrap().code(), text)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn vmm(arguments: &[&str]) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = Command::new(env!("CARGO_BIN_EXE_vmm")).args(arguments).output().unwrap();
    (status.code(), String::from_utf8(stderr).unwrap())
}

/// Prints a letter, counts until a byte comes by the serial port, prints another one and ends with 0 if memory has what a register
/// counted.
fn write_image(path: &Path) {
    let mut a = CodeAssembler::new(32).unwrap();
    let mut again = a.create_label();
    a.mov(dx, 0x3f8_u32).unwrap();
    a.mov(al, u32::from(b'a')).unwrap();
    a.out(dx, al).unwrap();
    a.mov(dx, 0x3fd_u32).unwrap();
    a.xor(esi, esi).unwrap();
    a.set_label(&mut again).unwrap();
    a.inc(dword_ptr(COUNTER)).unwrap();
    a.inc(esi).unwrap();
    a.in_(al, dx).unwrap();
    a.test(al, 1).unwrap();
    a.je(again).unwrap();
    a.mov(dx, 0x3f8_u32).unwrap();
    a.mov(al, u32::from(b'z')).unwrap();
    a.out(dx, al).unwrap();
    a.mov(eax, esi).unwrap();
    a.sub(eax, dword_ptr(COUNTER)).unwrap();
    exit_with_eax(&mut a);
    let code = a.assemble(CODE).unwrap();
    std::fs::write(path, elf(CODE, &code, Some(CODE as u32))).unwrap();
}

#[test]
fn two_processes_hand_a_guest_to_and_fro() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let text = |name: &str| path(name).to_str().unwrap().to_owned();
    let image = path("image");
    write_image(&image);
    let mut running = Running::start(&image, &path("qmp0"), &[]);
    for number in 1..=4 {
        let way = format!("unix:{}", text("move"));
        let mut next = Command::new(env!("CARGO_BIN_EXE_vmm"));
        next.arg("run").arg(&image).args(["--timeout", "120", "--mem", "4", "--irqchip", "split", "--qmp"]);
        next.arg(path(&format!("qmp{number}"))).args(["--incoming", &way]);
        let mut next = Running(next.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
        next.wait_for(&path("move"));
        let moved = vmm(&["migrate", &text(&format!("qmp{}", number - 1)), &way]);
        assert_eq!(moved, (Some(0), String::new()), "{number}");
        assert_eq!(running.end().0, Some(0), "{number}");
        running = next;
    }
    // To a file, from which it goes on as often as one likes.
    assert_eq!(vmm(&["save", &text("qmp4"), &text("state")]), (Some(0), String::new()));
    assert_eq!(running.end().0, Some(0));
    assert!(path("state").exists() && !path("move").exists() && !path("qmp4").exists());
}

#[test]
fn a_guest_is_saved_to_a_file_and_goes_on_from_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let text = |name: &str| path(name).to_str().unwrap().to_owned();
    write_image(&path("image"));
    let running = Running::start(&path("image"), &path("qmp"), &[]);
    // A place that takes no file: it goes on.
    let (status, why) = vmm(&["save", &text("qmp"), &text("no/such/folder")]);
    assert_eq!(status, Some(1), "{why}");
    assert!(why.contains("goes on where it is") && why.contains("No such file"), "{why}");
    let (status, why) = vmm(&["save", &text("qmp"), "/dev/full/x"]);
    assert_eq!(status, Some(1), "{why}");
    assert_eq!(vmm(&["save", &text("qmp"), &text("state")]), (Some(0), String::new()));
    assert_eq!(running.end(), (Some(0), "a".to_owned()));
    let machine = |mem| ["--timeout", "120", "--mem", mem, "--irqchip", "split", "--serial", "stdio"];
    let restore = |state: &str, mem| {
        let (state, image) = (text(state), text("image"));
        let arguments: Vec<_> = ["restore", &state, &image].into_iter().chain(machine(mem)).collect();
        let mut command = Command::new(env!("CARGO_BIN_EXE_vmm"));
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // It may be gone before.
        let _ = child.stdin.as_mut().unwrap().write_all(b"x");
        let output = child.wait_with_output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap(), told)
    };
    for _ in 0..2 {
        assert_eq!(restore("state", "4"), (Some(0), "z".to_owned(), String::new()));
    }
    let (status, _, why) = restore("state", "8");
    assert!(status == Some(2) && why.contains("of another VM"), "{why}");
    let state = std::fs::read(path("state")).unwrap();
    std::fs::write(path("short"), &state[..state.len() - 1]).unwrap();
    let (status, _, why) = restore("short", "4");
    assert!(status == Some(2) && why.contains("failed to restore"), "{why}");
    let mut newer = state;
    newer[8] += 1;
    std::fs::write(path("newer"), newer).unwrap();
    let (status, _, why) = restore("newer", "4");
    assert!(status == Some(2) && why.contains("failed to restore"), "{why}");
    let (status, _, why) = restore("none", "4");
    assert!(status == Some(2) && why.contains("failed to read"), "{why}");
}

#[test]
fn what_cannot_be_moved_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let (status, why) = vmm(&["migrate", folder.path().join("none").to_str().unwrap(), "unix:/x"]);
    assert!(status == Some(2) && why.contains("failed to reach"), "{why}");
    let (status, why) = vmm(&["migrate", "/x", "exec:cat"]);
    assert!(status == Some(2) && why.contains("type unix:PATH"), "{why}");
    for command in ["save", "restore", "migrate"] {
        let output = Command::new(env!("CARGO_BIN_EXE_vmm")).args([command, "--help"]).output().unwrap();
        let help = String::from_utf8(output.stdout).unwrap();
        assert!(help.contains("Examples:") && help.contains("Exit status:"), "{help}");
    }
}
