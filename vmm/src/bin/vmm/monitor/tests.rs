//! Commands on a machine that has no VM yet: what is wrong is named.

use super::{commands::COMMANDS, *};
use crate::devices::Kind;
use qmp::{ErrorClass, json};

fn commands() -> Commands {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::bind(&folder.path().join("qmp")).expect("a socket");
    Commands {
        inventory: Inventory::new(Vec::new(), None),
        facts: Facts { nr_vcpus: 2, nr_vcpus_max: 4, memory_bytes: 64 << 20, confinement: Confinement::Off },
        events: server.events(),
        backends: Backends::default(),
    }
}

fn execute(commands: &mut Commands, name: &str, arguments: Value) -> Answer {
    commands.execute(name, arguments.as_object().cloned().expect("an object"))
}

fn wrong(commands: &mut Commands, name: &str, arguments: Value) -> String {
    execute(commands, name, arguments).expect_err("it is wrong").description
}

#[test]
fn commands_are_sorted_and_listed() {
    assert!(COMMANDS.is_sorted_by_key(|command| command.signature.name));
    let list = execute(&mut commands(), "query-commands", json!({})).unwrap();
    assert_eq!(list.as_array().unwrap().len(), COMMANDS.len() + 1);
    assert!(commands().knows("device_add") && !commands().knows("human-monitor-command"));
}

#[test]
fn arguments_that_are_wrong_are_named() {
    let commands = &mut commands();
    for (name, arguments, expected) in [
        ("query-status", json!({ "x": 1 }), "no argument 'x'"),
        ("balloon", json!({}), "'value' is missing"),
        ("balloon", json!({ "value": -1 }), "'value' must be a number"),
        ("device_add", json!({ "id": "a" }), "'driver' is missing"),
        ("device_add", json!({ "driver": "e1000" }), "'driver' cannot be 'e1000'"),
        ("device_add", json!({ "driver": "virtio-rng-pci", "addr": "20" }), "no address on the bus"),
        ("device_add", json!({ "driver": "virtio-rng-pci", "addr": "0" }), "no address on the bus"),
        ("device_add", json!({ "driver": "virtio-rng-pci", "bus": "pci.1" }), "no bus 'pci.1'"),
        ("device_add", json!({ "driver": "virtio-blk-pci", "drive": "d" }), "no disk 'd'"),
        ("device_add", json!({ "driver": "virtio-net-pci", "netdev": "n" }), "no network 'n'"),
        ("device_add", json!({ "driver": "virtio-rng-pci", "id": "a" }), "being made or has ended"),
        (
            "blockdev-add",
            json!({ "driver": "vmdk", "node-name": "d", "file": { "filename": "f" } }),
            "'driver' cannot be 'vmdk'",
        ),
        ("netdev_add", json!({ "type": "bridge", "id": "n" }), "'type' cannot be 'bridge'"),
        ("netdev_add", json!({ "type": "tap", "id": "n" }), "'ifname' is missing"),
        ("screendump", json!({ "filename": "/x" }), "no screen"),
        ("screendump", json!({ "filename": "/x", "format": "png" }), "'format' cannot be 'png'"),
        ("block_resize", json!({ "device": "disk0" }), "'size' is missing"),
        ("block_resize", json!({ "device": "disk0", "size": -512 }), "'size' must be a number"),
        ("block_resize", json!({ "size": 512 }), "'device' or 'node-name'"),
        ("block_resize", json!({ "device": "a", "node-name": "b", "size": 512 }), "different disks"),
        ("block_resize", json!({ "node-name": "disk0", "size": 512 }), "no device 'disk0'"),
        ("set_link", json!({ "name": "net0" }), "'up' is missing"),
        ("set_link", json!({ "name": "net0", "up": true }), "no device 'net0'"),
        ("announce-self", json!({ "initial": 50, "max": 550, "rounds": 5 }), "'step' is missing"),
        (
            "announce-self",
            json!({ "initial": 50, "max": 550, "rounds": 5, "step": 50, "id": "net0" }),
            "no device 'net0'",
        ),
        ("stop", json!({}), "being made or has ended"),
        ("migrate", json!({}), "'uri' is missing"),
        ("migrate", json!({ "uri": "exec:cat" }), "type unix:PATH"),
        ("migrate", json!({ "uri": "file:/x" }), "being made or has ended"),
    ] {
        let description = wrong(commands, name, arguments.clone());
        assert!(description.contains(expected), "{name} {arguments}: {description}");
    }
    let missing = execute(commands, "device_del", json!({ "id": "a" })).unwrap_err();
    assert_eq!(missing.class, ErrorClass::DeviceNotFound);
    let missing = execute(commands, "query-balloon", json!({})).unwrap_err();
    assert_eq!(missing.class, ErrorClass::DeviceNotActive);
}

#[test]
fn only_disks_and_links_of_devices_change() {
    let commands = &mut commands();
    let scsi = "/b.img,bus=scsi".parse().unwrap();
    commands.inventory.add("scsi0", None, Kind::Scsi(vec![scsi])).unwrap();
    commands.inventory.add("rng0", None, Kind::Random).unwrap();
    let size = |id| json!({ "device": id, "size": 512 });
    assert!(wrong(commands, "block_resize", size("scsi0-0")).contains("being made or has ended"));
    assert!(wrong(commands, "block_resize", size("scsi1-0")).contains("no device 'scsi1-0'"));
    assert!(wrong(commands, "block_resize", size("rng0")).contains("being made or has ended"));
    assert!(wrong(commands, "set_link", json!({ "name": "rng0", "up": false })).contains("being made or has ended"));
}

#[test]
fn disks_and_networks_are_named_once_and_have_to_exist() {
    let commands = &mut commands();
    let missing = json!({ "driver": "raw", "node-name": "d", "file": { "driver": "file", "filename": "/no/such" } });
    assert!(wrong(commands, "blockdev-add", missing).contains("there is no file /no/such"));
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(4096).unwrap();
    let disk = json!({ "driver": "raw", "node-name": "d", "file": { "driver": "file", "filename": file.path() } });
    assert!(execute(commands, "blockdev-add", disk.clone()).is_ok());
    assert!(wrong(commands, "blockdev-add", disk).contains("'d' already"));
    assert!(execute(commands, "blockdev-del", json!({ "node-name": "d" })).is_ok());
    assert!(wrong(commands, "blockdev-del", json!({ "node-name": "d" })).contains("no 'd'"));
    let network = json!({ "type": "user", "id": "n" });
    assert!(execute(commands, "netdev_add", network.clone()).is_ok());
    assert!(wrong(commands, "netdev_add", network).contains("'n' already"));
    assert!(execute(commands, "netdev_del", json!({ "id": "n" })).is_ok());
}

#[test]
fn a_picture_is_written_as_a_whole_or_not_at_all() {
    use crate::whole_file::write_whole;
    use virtio::devices::Display;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ppm");
    let mut screen = virtio::devices::FrameBuffer::new();
    screen.resize(2, 1);
    let dump = |path| write_whole(path, |file| screen.write_ppm(file));
    dump(&path).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"P6\n2 1\n255\n\0\0\0\0\0\0");
    assert!(dump(&folder.path().join("no/such.ppm")).is_err());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn what_there_is_is_told() {
    let commands = &mut commands();
    let disk = "/a.img,readonly".parse().unwrap();
    commands.inventory.add("disk0", None, Kind::Disk(disk)).unwrap();
    let block = execute(commands, "query-block", json!({})).unwrap();
    assert_eq!((&block[0]["device"], &block[0]["inserted"]["ro"]), (&json!("disk0"), &json!(true)));
    assert_eq!(execute(commands, "query-status", json!({})).unwrap()["status"], "prelaunch");
    assert_eq!(execute(commands, "query-hotpluggable-cpus", json!({})).unwrap().as_array().unwrap().len(), 4);
    assert_eq!(execute(commands, "query-memory-size-summary", json!({})).unwrap()["base-memory"], 64 << 20);
}

#[test]
fn the_schema_is_the_table_that_is_dispatched_by() {
    let commands = &mut commands();
    let schema = execute(commands, "query-qmp-schema", json!({})).unwrap();
    let of = |kind: &str| {
        let entities = schema.as_array().unwrap().iter().filter(|entity| entity["meta-type"] == kind);
        entities.map(|entity| entity["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(of("command")[1..], COMMANDS.iter().map(|command| command.signature.name).collect::<Vec<_>>());
    assert!(of("event").contains(&"DEVICE_DELETED".to_owned()));
    // Whatever a command's own code would take, what its row does not name is refused.
    for command in COMMANDS {
        let error = execute(commands, command.signature.name, json!({ "no-such": 1 })).unwrap_err().description;
        assert!(error.contains("is missing") || error.contains("no argument 'no-such'"), "{error}");
    }
}

#[test]
fn what_is_returned_is_what_the_schema_says() {
    let commands = &mut commands();
    let (disk, scsi) = ("/a.img,readonly".parse().unwrap(), "/b.qcow2,format=qcow2,bus=scsi".parse().unwrap());
    commands.inventory.add("disk0", None, Kind::Disk(disk)).unwrap();
    commands.inventory.add("scsi0", None, Kind::Scsi(vec![scsi])).unwrap();
    let mut nr_checked = 0;
    for command in COMMANDS.iter().filter(|command| command.signature.name.starts_with("query-")) {
        // Without a VM some have no answer.
        if let Ok(answer) = execute(commands, command.signature.name, json!({})) {
            assert_eq!(command.signature.check_return(&answer), Ok(()), "{answer}");
            nr_checked += 1;
        }
    }
    assert!(nr_checked >= 18, "{nr_checked}");
}

#[test]
fn options_and_processors_are_those_that_there_are() {
    let commands = &mut commands();
    let options = execute(commands, "query-command-line-options", json!({})).unwrap();
    let find = |name: &str| options.as_array().unwrap().iter().find(|option| option["option"] == name).cloned();
    assert_eq!(find("mem").unwrap()["parameters"][0]["type"], "string");
    assert_eq!(find("acpi").unwrap()["parameters"][0]["type"], "boolean");
    let one = execute(commands, "query-command-line-options", json!({ "option": "cpus" })).unwrap();
    assert_eq!(Some(one), find("cpus").map(|option| json!([option])));
    assert!(wrong(commands, "query-command-line-options", json!({ "option": "x" })).contains("no option 'x'"));
    let processors = execute(commands, "query-cpu-definitions", json!({})).unwrap();
    assert_eq!((&processors[0]["name"], processors.as_array().unwrap().len()), (&json!("host"), 1));
    let places = execute(commands, "query-hotpluggable-cpus", json!({})).unwrap();
    assert_eq!(processors[0]["typename"], places[0]["type"]);
}
