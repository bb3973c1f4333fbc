//! Pausing a VM, and the control socket of `vmm`.

use crate::guest::{CODE, config, elf, hypervisor, image, with_deadline};
use iced_x86::code_asm::*;
use qmp::{Value, json};
use std::{
    io::{BufRead, BufReader, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};
use tempfile::TempDir;
use vmm::{HandleError, InterruptSetup, NoObserver, StopReason, Vm};

/// Where a guest counts.
const COUNTER: u64 = 0x20_0000;

fn count(a: &mut CodeAssembler) {
    let mut here = a.create_label();
    a.set_label(&mut here).unwrap();
    a.inc(dword_ptr(COUNTER)).unwrap();
    a.jmp(here).unwrap();
}

#[test]
fn a_guest_that_is_paused_stands_still_until_it_is_resumed() {
    let configs = InterruptSetup::ALL.map(|setup| config().with_interrupts(setup)).into_iter().chain([config()]);
    for config in configs {
        let mut vm = Vm::new(&hypervisor(), &image(32, count), config).unwrap();
        let (handle, memory) = (vm.handle(), vm.memory().clone());
        let counter = || memory.read_u32(COUNTER).unwrap();
        let wait_for_more = |than| {
            while counter() == than {
                thread::yield_now();
            }
        };
        with_deadline(|| {
            thread::scope(|scope| {
                let run = scope.spawn(|| vm.run(&mut NoObserver).unwrap());
                for _ in 0..3 {
                    wait_for_more(counter());
                    assert!(handle.pause() && handle.is_paused() && !handle.pause());
                    let before = counter();
                    (0..100).for_each(|_| thread::yield_now());
                    assert_eq!(counter(), before);
                    assert!(handle.resume() && !handle.is_paused() && !handle.resume());
                    wait_for_more(before);
                }
                assert_eq!(handle.vcpu_threads().len(), 1);
                // A guest that is paused can be ended.
                handle.pause();
                handle.stop();
                assert_eq!(run.join().unwrap().reason, StopReason::Requested);
            });
        });
    }
}

#[test]
fn a_run_that_is_still_to_start_waits_too() {
    let mut vm = Vm::new(&hypervisor(), &image(32, count), config()).unwrap();
    let (handle, memory) = (vm.handle(), vm.memory().clone());
    assert!(handle.pause());
    with_deadline(|| {
        thread::scope(|scope| {
            let run = scope.spawn(|| vm.run(&mut NoObserver).unwrap());
            (0..100).for_each(|_| thread::yield_now());
            assert_eq!(memory.read_u32(COUNTER), Ok(0));
            handle.resume();
            while memory.read_u32(COUNTER) == Ok(0) {
                thread::yield_now();
            }
            handle.stop();
            run.join().unwrap();
        });
    });
    assert_eq!(handle.press_power_button(), Err(HandleError::NoPowerButton));
}

/// Port of ACPI's timer, of which a guest shows the value in [`COUNTER`].
const PM_TIMER: u32 = 0x608;
/// Its frequency in ticks a millisecond, rounded down, and its width.
const PM_TIMER_KHZ: u32 = 3579;
const PM_TIMER_MASK: u32 = (1 << 24) - 1;

fn show_pm_timer(a: &mut CodeAssembler) {
    let mut here = a.create_label();
    a.mov(dx, PM_TIMER).unwrap();
    a.set_label(&mut here).unwrap();
    a.in_(eax, dx).unwrap();
    a.mov(dword_ptr(COUNTER), eax).unwrap();
    a.jmp(here).unwrap();
}

#[test]
fn clocks_of_devices_go_on_over_a_pause_and_between_runs() {
    const PAUSE_MS: u32 = 50;
    let config = config().with_interrupts(InterruptSetup::Split);
    let mut vm = Vm::new(&hypervisor(), &image(32, show_pm_timer), config).unwrap();
    let (handle, memory) = (vm.handle(), vm.memory().clone());
    let shown = || memory.read_u32(COUNTER).unwrap();
    let next_after = |last| {
        while shown() == last {
            thread::yield_now();
        }
        shown()
    };
    // The first value that is shown after a stand may have been read before it: guests stand still at exits, such as that of IN.
    let read_after = |last| next_after(next_after(last));
    let mut run_during = |work: &mut dyn FnMut() -> u32| {
        with_deadline(|| {
            thread::scope(|scope| {
                let run = scope.spawn(|| vm.run(&mut NoObserver).unwrap());
                let value = work();
                handle.suspend();
                assert_eq!(run.join().unwrap().reason, StopReason::Suspended);
                value
            })
        })
    };
    // What a stand takes beyond its time only adds to that.
    let assert_passed = |from: u32, to: u32, what: &str| {
        let passed_ms = (to.wrapping_sub(from) & PM_TIMER_MASK) / PM_TIMER_KHZ;
        assert!(passed_ms >= PAUSE_MS, "{what} from {from:#x} to {to:#x}");
    };
    let mut before = 0;
    let after = run_during(&mut || {
        next_after(shown());
        handle.pause();
        before = shown();
        thread::sleep(Duration::from_millis(PAUSE_MS.into()));
        handle.resume();
        read_after(before)
    });
    assert_passed(before, after, "a pause");
    let before = shown();
    thread::sleep(Duration::from_millis(PAUSE_MS.into()));
    let after = run_during(&mut || read_after(before));
    assert_passed(before, after, "nothing ran");
}

/// A running `vmm` with a control socket.
struct Machine {
    child: Child,
    client: BufReader<UnixStream>,
    /// Events that came before the answers that were read.
    events: Vec<Value>,
    socket: PathBuf,
    _folder: TempDir,
}

pub(crate) fn vmm(program: impl FnOnce(&mut CodeAssembler), folder: &Path, arguments: &[&str]) -> Command {
    let mut assembler = CodeAssembler::new(32).unwrap();
    program(&mut assembler);
    let code = assembler.assemble(CODE).unwrap();
    let image = folder.join("image");
    std::fs::write(&image, elf(CODE, &code, Some(CODE as u32))).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_vmm"));
    command.arg("run").arg(image).args(["--timeout", "60", "--qmp"]).arg(folder.join("qmp")).args(arguments);
    command
}

impl Machine {
    fn start(program: impl FnOnce(&mut CodeAssembler), arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("qmp");
        let mut child = vmm(program, folder.path(), arguments).stderr(Stdio::piped()).spawn().unwrap();
        let stream = loop {
            match UnixStream::connect(&socket) {
                Ok(stream) => break stream,
                Err(error) => assert!(child.try_wait().unwrap().is_none(), "{error}"),
            }
            thread::sleep(Duration::from_millis(5));
        };
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut machine = Self { child, client: BufReader::new(stream), events: Vec::new(), socket, _folder: folder };
        assert!(machine.next()["QMP"]["version"].is_object());
        assert_eq!(machine.execute("qmp_capabilities", json!({})), Ok(json!({})));
        machine
    }

    fn next(&mut self) -> Value {
        let mut line = String::new();
        self.client.read_line(&mut line).unwrap();
        line.parse().unwrap_or(Value::Null)
    }

    /// The next event of this name.
    fn event(&mut self, name: &str) -> Value {
        loop {
            let event = if self.events.is_empty() { self.next() } else { self.events.remove(0) };
            assert!(!event.is_null(), "no {name} came");
            if event["event"] == name {
                return event["data"].clone();
            }
        }
    }

    /// What a command returns, or the class of its error.
    fn execute(&mut self, command: &str, arguments: Value) -> Result<Value, String> {
        let message = json!({ "execute": command, "arguments": arguments, "id": command });
        self.client.get_mut().write_all(message.to_string().as_bytes()).unwrap();
        loop {
            let answer = self.next();
            assert!(!answer.is_null(), "{command}: no answer");
            if answer["event"].is_string() {
                self.events.push(answer);
                continue;
            }
            assert_eq!(answer["id"], command);
            return match answer.get("return") {
                Some(value) => Ok(value.clone()),
                None => Err(format!("{}: {}", answer["error"]["class"], answer["error"]["desc"])),
            };
        }
    }

    fn quit(mut self) -> Option<i32> {
        assert_eq!(self.execute("quit", json!({})), Ok(json!({})));
        assert_eq!(self.event("SHUTDOWN")["reason"], "host-qmp-quit");
        let status = self.child.wait().unwrap().code();
        assert!(!self.socket.exists());
        status
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_machine_is_stopped_continued_reset_and_ended() {
    let mut machine = Machine::start(count, &["--machine", "pc", "--rng"]);
    let status = |machine: &mut Machine| machine.execute("query-status", json!({})).unwrap()["status"].clone();
    assert_eq!(status(&mut machine), "running");
    for _ in 0..2 {
        assert_eq!(machine.execute("stop", json!({})), Ok(json!({})));
        assert_eq!(status(&mut machine), "paused");
    }
    machine.event("STOP");
    assert_eq!(machine.execute("cont", json!({})), Ok(json!({})));
    assert!(machine.event("RESUME").is_null());
    assert_eq!(machine.execute("system_powerdown", json!({})), Ok(json!({})));
    machine.event("POWERDOWN");
    let pci = machine.execute("query-pci", json!({})).unwrap();
    assert_eq!(
        (&pci[0]["devices"][1]["qdev_id"], &pci[0]["devices"][1]["id"]["device"]),
        (&json!("rng0"), &json!(0x1044))
    );
    assert_eq!(machine.execute("query-cpus-fast", json!({})).unwrap()[0]["cpu-index"], 0);
    assert_eq!(machine.execute("system_reset", json!({})), Ok(json!({})));
    assert_eq!(machine.event("RESET")["guest"], false);
    assert_eq!(status(&mut machine), "running");
    assert_eq!(machine.quit(), Some(0));
}

#[test]
fn malformed_messages_and_unknown_devices_are_errors_and_the_connection_lives() {
    let mut machine = Machine::start(count, &["--machine", "pc", "--balloon"]);
    for garbage in ["nonsense\n", "{\"execute\": }", "[]", "{\"execute\": \"no-such\"}"] {
        machine.client.get_mut().write_all(garbage.as_bytes()).unwrap();
        assert!(machine.next()["error"]["class"].is_string(), "{garbage}");
    }
    let add = json!({ "driver": "virtio-rng-pci", "id": "r1" });
    assert_eq!(machine.execute("device_add", add.clone()), Ok(json!({})));
    assert!(machine.execute("device_add", add).unwrap_err().contains("'r1' already"));
    assert!(machine.execute("device_add", json!({ "driver": "e1000" })).unwrap_err().contains("cannot be 'e1000'"));
    assert!(machine.execute("device_del", json!({ "id": "r2" })).unwrap_err().contains("DeviceNotFound"));
    assert_eq!(machine.execute("device_del", json!({ "id": "r1" })), Ok(json!({})));
    assert!(machine.execute("device_del", json!({ "id": "r1" })).unwrap_err().contains("asked to go already"));
    assert_eq!(machine.execute("balloon", json!({ "value": 32 << 20 })), Ok(json!({})));
    assert!(machine.execute("balloon", json!({ "value": 0 })).unwrap_err().contains("must be from 1"));
    assert_eq!(machine.execute("query-balloon", json!({})).unwrap()["actual"], 64 << 20);
    // What was asked to go is gone with the next start.
    assert_eq!(machine.execute("system_reset", json!({})), Ok(json!({})));
    assert_eq!(machine.event("DEVICE_DELETED")["device"], "r1");
    assert_eq!(machine.quit(), Some(0));
}

#[test]
fn disks_get_another_size_and_cables_are_pulled_out() {
    let disk = tempfile::NamedTempFile::new().unwrap();
    disk.as_file().set_len(1 << 20).unwrap();
    let path = disk.path().display().to_string();
    let target = tempfile::NamedTempFile::new().unwrap();
    target.as_file().set_len(1 << 20).unwrap();
    let scsi = format!("{},bus=scsi", target.path().display());
    let mut machine = Machine::start(count, &["--machine", "pc", "--disk", &path, "--disk", &scsi, "--net", "user"]);
    assert_eq!(machine.execute("block_resize", json!({ "device": "scsi0-0", "size": 8192 })), Ok(json!({})));
    assert_eq!(target.as_file().metadata().unwrap().len(), 8192);
    for (arguments, size_bytes) in [
        (json!({ "device": "disk0", "size": 2 << 20 }), 2 << 20),
        (json!({ "node-name": "disk0", "size": 1536 }), 1536),
        (json!({ "device": "disk0", "node-name": "disk0", "size": 4096 }), 4096),
    ] {
        assert_eq!(machine.execute("block_resize", arguments), Ok(json!({})));
        assert_eq!(disk.as_file().metadata().unwrap().len(), size_bytes);
    }
    for (command, arguments, expected) in [
        ("block_resize", json!({ "device": "disk0", "size": 513 }), "multiple of 512"),
        ("block_resize", json!({ "device": "disk0", "size": 0 }), "multiple of 512"),
        ("block_resize", json!({ "device": "net0", "size": 512 }), "'net0' is no disk"),
        ("block_resize", json!({ "device": "scsi0-1", "size": 512 }), "target 1 has no disk"),
        ("set_link", json!({ "name": "disk0", "up": true }), "'disk0' is no network device"),
        ("set_link", json!({ "name": "net1", "up": true }), "no device 'net1'"),
    ] {
        assert!(machine.execute(command, arguments).unwrap_err().contains(expected), "{expected}");
    }
    assert_eq!(disk.as_file().metadata().unwrap().len(), 4096);
    assert_eq!(machine.execute("set_link", json!({ "name": "net0", "up": false })), Ok(json!({})));
    let announce = |id| json!({ "initial": 50, "max": 550, "rounds": 1, "step": 50, "id": id });
    assert_eq!(machine.execute("announce-self", announce("net0")), Ok(json!({})));
    assert!(machine.execute("announce-self", announce("disk0")).unwrap_err().contains("'disk0' is no network device"));
    assert_eq!(machine.quit(), Some(0));
}

#[test]
fn a_device_goes_when_the_guest_ejects_it() {
    // Ejects whatever is to go.
    let eject = |a: &mut CodeAssembler| {
        let mut here = a.create_label();
        a.set_label(&mut here).unwrap();
        a.mov(edx, 0xae04).unwrap();
        a.in_(eax, dx).unwrap();
        a.add(edx, 4).unwrap();
        a.out(dx, eax).unwrap();
        a.jmp(here).unwrap();
    };
    let disk = tempfile::NamedTempFile::new().unwrap();
    disk.as_file().set_len(1 << 20).unwrap();
    let mut machine = Machine::start(eject, &["--machine", "pc", "--rng"]);
    let file = json!({ "driver": "file", "filename": disk.path() });
    let add = json!({ "driver": "raw", "node-name": "d", "file": file });
    assert_eq!(machine.execute("blockdev-add", add), Ok(json!({})));
    for (id, driver) in [("one", "virtio-blk-pci"), ("two", "virtio-blk-pci")] {
        let add = json!({ "driver": driver, "id": id, "drive": "d", "addr": "1f" });
        // The disk is locked while it is used: the second finds it free because the first is gone.
        assert_eq!(machine.execute("device_add", add.clone()), Ok(json!({})));
        assert_eq!(machine.execute("query-block", json!({})).unwrap()[0]["device"], id);
        assert_eq!(machine.execute("device_del", json!({ "id": id })), Ok(json!({})));
        assert_eq!(
            machine.event("DEVICE_DELETED"),
            json!({ "device": id, "path": format!("/machine/peripheral/{id}") })
        );
    }
    assert_eq!(machine.execute("device_del", json!({ "id": "rng0" })), Ok(json!({})));
    assert_eq!(machine.event("DEVICE_DELETED")["device"], "rng0");
    assert_eq!(machine.quit(), Some(0));
}

/// Whether a value is of a type of the schema that a client got; the path leads to what is not.
fn conforms(schema: &Value, kind: &Value, value: &Value) -> Result<(), String> {
    let is_it = |entity: &&Value| {
        entity["name"] == *kind && !["command", "event"].map(Value::from).contains(&entity["meta-type"])
    };
    let told = schema.as_array().unwrap().iter().find(is_it).ok_or_else(|| format!("there is no type {kind}"))?;
    let wrong = || Err(format!("{value} is no {told}"));
    match told["meta-type"].as_str().unwrap() {
        "array" => match value.as_array() {
            Some(items) => items.iter().try_for_each(|item| conforms(schema, &told["element-type"], item)),
            None => wrong(),
        },
        "object" => {
            let Some(members) = value.as_object() else { return wrong() };
            let known = told["members"].as_array().unwrap();
            let is_known = |name: &String| known.iter().any(|member| member["name"] == **name);
            if !members.keys().all(is_known) {
                return wrong();
            }
            known.iter().try_for_each(|member| match members.get(member["name"].as_str().unwrap()) {
                Some(value) => conforms(schema, &member["type"], value),
                None if member.get("default").is_some() => Ok(()),
                None => wrong(),
            })
        }
        "enum" if told["values"].as_array().unwrap().contains(value) => Ok(()),
        "builtin" => match (told["json-type"].as_str().unwrap(), value) {
            ("value", _) | ("string", Value::String(_)) | ("boolean", Value::Bool(_)) => Ok(()),
            ("int", value) if value.is_i64() || value.is_u64() => Ok(()),
            _ => wrong(),
        },
        _ => wrong(),
    }
}

#[test]
fn what_a_client_is_told_of_answers_holds_for_all_that_can_be_asked() {
    let disk = tempfile::NamedTempFile::new().unwrap();
    disk.as_file().set_len(1 << 20).unwrap();
    let path = disk.path().display().to_string();
    let devices = ["--machine", "pc", "--cpus", "1,max=2", "--rng", "--balloon", "--disk", &path];
    let mut machine = Machine::start(count, &devices);
    let schema = machine.execute("query-qmp-schema", json!({})).unwrap();
    let entities = schema.as_array().unwrap().clone();
    let find = |name: &Value| entities.iter().find(|entity| entity["name"] == *name).unwrap().clone();
    let names = machine.execute("query-commands", json!({})).unwrap();
    for name in names.as_array().unwrap().iter().map(|entry| &entry["name"]) {
        let command = find(name);
        assert_eq!(command["meta-type"], "command", "{name}");
        let name = name.as_str().unwrap();
        if name.starts_with("query-") {
            let answer = machine.execute(name, json!({})).unwrap();
            assert_eq!(conforms(&schema, &command["ret-type"], &answer), Ok(()), "{name}");
        }
    }
    let pci = machine.execute("query-pci", json!({})).unwrap();
    let regions = &pci[0]["devices"][1]["regions"];
    assert!(regions.as_array().is_some_and(|regions| !regions.is_empty()), "{pci}");
    // The guest has not mapped it.
    assert_eq!((&regions[0]["type"], &regions[0]["address"]), (&json!("memory"), &json!(-1)));
    assert!(regions[0]["size"].as_u64().is_some_and(u64::is_power_of_two));
    let event = find(&json!("STOP"));
    assert_eq!(machine.execute("stop", json!({})), Ok(json!({})));
    assert!(machine.event("STOP").is_null() && event["meta-type"] == "event");
    assert_eq!(machine.quit(), Some(0));
}

#[test]
fn processors_come_and_go_by_the_control_socket() {
    // Ejects what is to go, and looks at what came.
    let serve = |a: &mut CodeAssembler| {
        let (mut again, mut eject) = (a.create_label(), a.create_label());
        a.set_label(&mut again).unwrap();
        a.xor(eax, eax).unwrap();
        a.mov(edx, 0xaf05).unwrap();
        a.out(dx, al).unwrap();
        a.mov(edx, 0xaf04).unwrap();
        a.in_(al, dx).unwrap();
        a.test(al, 0b100).unwrap();
        a.jnz(eject).unwrap();
        a.and(al, 0b10).unwrap();
        a.out(dx, al).unwrap();
        a.jmp(again).unwrap();
        a.set_label(&mut eject).unwrap();
        // What was not yet acknowledged goes first.
        a.mov(al, 0b10).unwrap();
        a.out(dx, al).unwrap();
        a.mov(al, 0b1000).unwrap();
        a.out(dx, al).unwrap();
        a.jmp(again).unwrap();
    };
    let mut machine = Machine::start(serve, &["--machine", "pc", "--cpus", "1,max=3"]);
    let numbers = |machine: &mut Machine| {
        let cpus = machine.execute("query-cpus-fast", json!({})).unwrap();
        cpus.as_array().unwrap().iter().map(|cpu| cpu["cpu-index"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    let pluggable = machine.execute("query-hotpluggable-cpus", json!({})).unwrap();
    let free: Vec<_> =
        pluggable.as_array().unwrap().iter().filter(|cpu| cpu.get("qom-path").is_none()).cloned().collect();
    assert_eq!((pluggable.as_array().unwrap().len(), free.len()), (3, 2));
    let add = |id: &str, socket: u64| {
        let mut arguments = json!({ "driver": free[0]["type"], "id": id, "core-id": 0, "thread-id": 0 });
        arguments["socket-id"] = socket.into();
        arguments
    };
    for _ in 0..2 {
        assert_eq!(machine.execute("device_add", add("two", 2)), Ok(json!({})));
        assert_eq!(numbers(&mut machine), [0, 2]);
        assert!(machine.execute("device_add", add("again", 2)).unwrap_err().contains("processor 2 is there already"));
        assert!(machine.execute("device_add", add("two", 1)).unwrap_err().contains("'two' already"));
        assert_eq!(machine.execute("device_del", json!({ "id": "two" })), Ok(json!({})));
        assert_eq!(machine.event("DEVICE_DELETED")["path"], "/machine/peripheral/two");
        assert_eq!(numbers(&mut machine), [0]);
    }
    assert!(machine.execute("device_add", add("a", 3)).unwrap_err().contains("no place for processor 3"));
    assert!(machine.execute("device_add", add("a", 0)).unwrap_err().contains("processor 0 is there already"));
    let boot = json!({ "id": "/machine/unattached/device[0]" });
    assert!(machine.execute("device_del", boot).unwrap_err().contains("cannot go"));
    // What came stays when the machine starts again.
    assert_eq!(machine.execute("device_add", add("one", 1)), Ok(json!({})));
    assert_eq!(machine.execute("system_reset", json!({})), Ok(json!({})));
    assert_eq!(numbers(&mut machine), [0, 1]);
    assert_eq!(machine.execute("device_del", json!({ "id": "one" })), Ok(json!({})));
    machine.event("DEVICE_DELETED");
    assert_eq!(machine.quit(), Some(0));
}

#[test]
fn a_machine_without_places_for_processors_says_so() {
    let mut machine = Machine::start(count, &["--machine", "pc"]);
    let add = json!({ "driver": "host-x86_64-cpu", "socket-id": 1 });
    assert!(machine.execute("device_add", add).unwrap_err().contains("no place for processor 1"));
    let boot = json!({ "id": "/machine/unattached/device[0]" });
    assert!(machine.execute("device_del", boot).unwrap_err().contains("--cpus N,max=M"));
    assert_eq!(machine.quit(), Some(0));
}

/// An empty image in QEMU's format: header, reference counts and the first table, a cluster of 64 KiB each.
fn qcow2(path: &Path) {
    let mut image = vec![0; 4 << 16];
    let words = [0x5146_49fb, 2, 0, 0, 0, 16, 0, 8 << 20, 0, 1, 0, 0x3_0000, 0, 0x1_0000, 1_u32];
    for (word, bytes) in words.iter().zip(image.chunks_exact_mut(4)) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    image[0x1_0000..][..8].copy_from_slice(&0x2_0000_u64.to_be_bytes());
    image[0x2_0000..][..8].copy_from_slice(&[0, 1, 0, 1, 0, 1, 0, 1]);
    std::fs::write(path, image).unwrap();
}

#[test]
fn images_are_opened_by_threads_that_are_confined() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    qcow2(&path("first"));
    qcow2(&path("second"));
    let disk = format!("{},format=qcow2", path("first").display());
    let mut machine = Machine::start(count, &["--machine", "pc", "--disk", &disk]);
    let add = json!({ "driver": "qcow2", "node-name": "d", "file": { "filename": path("second") } });
    assert_eq!(machine.execute("blockdev-add", add), Ok(json!({})));
    let add = json!({ "driver": "virtio-blk-pci", "id": "second", "drive": "d" });
    assert_eq!(machine.execute("device_add", add), Ok(json!({})));
    assert_eq!(machine.execute("query-block", json!({})).unwrap().as_array().unwrap().len(), 2);
    // The size is the seventh and eighth doubleword of an image.
    let size_bytes = |name: &str| u64::from_be_bytes(*std::fs::read(path(name)).unwrap()[24..].first_chunk().unwrap());
    for size in [16_u64 << 20, 1 << 20, 12 << 20] {
        let arguments = json!({ "device": "second", "size": size });
        assert_eq!(machine.execute("block_resize", arguments), Ok(json!({})));
        assert_eq!((size_bytes("second"), size_bytes("first")), (size, 8 << 20));
    }
    assert_eq!(machine.execute("system_reset", json!({})), Ok(json!({})));
    assert_eq!(machine.execute("query-block", json!({})).unwrap()[1]["device"], "second");
    assert_eq!(machine.quit(), Some(0));
}

#[test]
fn the_end_that_the_guest_makes_is_told() {
    let mut machine = Machine::start(
        |a| {
            // Until the client is there: the first function comes.
            let mut here = a.create_label();
            a.set_label(&mut here).unwrap();
            a.mov(edx, 0xae00).unwrap();
            a.in_(eax, dx).unwrap();
            a.test(eax, eax).unwrap();
            a.jz(here).unwrap();
            a.xor(eax, eax).unwrap();
            a.mov(edx, 0xf4).unwrap();
            a.out(dx, eax).unwrap();
        },
        &["--machine", "pc"],
    );
    assert_eq!(machine.execute("device_add", json!({ "driver": "virtio-rng-pci" })), Ok(json!({})));
    assert_eq!(machine.event("SHUTDOWN"), json!({ "guest": true, "reason": "guest-shutdown" }));
    assert_eq!(machine.child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_guest_sees_the_power_button_and_turns_itself_off() {
    let mut machine = Machine::start(
        |a| {
            let mut here = a.create_label();
            a.set_label(&mut here).unwrap();
            a.mov(edx, 0x600).unwrap();
            a.in_(ax, dx).unwrap();
            a.test(ax, 0x100).unwrap();
            a.jz(here).unwrap();
            a.mov(edx, 0x604).unwrap();
            a.mov(ax, 0x3400).unwrap();
            a.out(dx, ax).unwrap();
        },
        &["--machine", "pc"],
    );
    assert_eq!(machine.execute("system_powerdown", json!({})), Ok(json!({})));
    assert_eq!(machine.event("SHUTDOWN"), json!({ "guest": true, "reason": "guest-shutdown" }));
    assert_eq!(machine.child.wait().unwrap().code(), Some(0));
}

#[test]
fn sockets_that_are_taken_and_networks_that_are_not_are_clear_errors() {
    let folder = tempfile::tempdir().unwrap();
    let failure = |arguments: &[&str]| {
        let output = vmm(count, folder.path(), arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).unwrap()
    };
    let stderr = failure(&["--net", "tap=a/b"]);
    assert!(stderr.contains("an interface's name"), "{stderr}");
    let stderr = failure(&["--vsock", "2,/tmp/x"]);
    assert!(stderr.contains("--vsock"), "{stderr}");
    drop(UnixListener::bind(folder.path().join("qmp")).unwrap());
    let stderr = failure(&[]);
    assert!(stderr.contains("--qmp") && stderr.contains("remove it"), "{stderr}");
}

#[test]
fn shells_are_told_the_options() {
    for shell in ["bash", "zsh", "fish"] {
        let output = Command::new(env!("CARGO_BIN_EXE_vmm")).args(["completions", shell]).output().unwrap();
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && script.contains("qmp"), "{shell}");
    }
}
