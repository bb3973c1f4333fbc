//! Every command: what it takes and returns, and what does it.
//!
//! One table is all that there is: requests are checked against it before anything is done, and `query-commands` and `query-qmp-schema` tell
//! what stands in it.

use super::{
    Answer, Commands, arguments::Arguments, backends, changes, cpus, devices, migration, nothing, options, query,
    run_state, types::*,
};
use qmp::schema::{Event, Object, Signature, Type, Variants, introspection, needed, optional};
use qmp::{Value, json};

type Run = fn(&mut Commands, Arguments) -> Answer;

/// A command and what does it.
pub(super) struct Command {
    pub(super) signature: Signature,
    pub(super) run: Run,
}

const fn command(name: &'static str, arguments: &'static Object, returns: Type, run: Run) -> Command {
    Command { signature: Signature { name, arguments, returns }, run }
}

/// All commands but `qmp_capabilities`, sorted.
pub(super) const COMMANDS: &[Command] = &[
    command("announce-self", &ANNOUNCE_SELF, NOTHING, changes::announce),
    command("balloon", &BALLOON, NOTHING, devices::balloon),
    command("block_resize", &BLOCK_RESIZE, NOTHING, changes::resize_disk),
    command("blockdev-add", &BLOCKDEV_ADD, NOTHING, backends::add_disk),
    command("blockdev-del", &NODE_NAME, NOTHING, backends::remove_disk),
    command("cont", NONE, NOTHING, run_state::resume),
    command("device_add", &DEVICE_ADD, NOTHING, devices::add),
    command("device_del", &ID, NOTHING, devices::remove),
    command("migrate", &URI, NOTHING, migration::migrate),
    command("netdev_add", &NETDEV_ADD, NOTHING, backends::add_network),
    command("netdev_del", &ID, NOTHING, backends::remove_network),
    command("query-balloon", NONE, Type::Object(&ACTUAL), devices::query_balloon),
    command("query-block", NONE, Type::Array(&Type::Object(&BLOCK)), query::block),
    command("query-block-jobs", NONE, Type::Array(&Type::Any), nothing::none),
    command("query-chardev", NONE, Type::Array(&Type::Object(&CHARDEV)), nothing::chardev),
    command("query-command-line-options", &OPTION, Type::Array(&Type::Object(&COMMAND_LINE_OPTION)), options::query),
    command("query-commands", NONE, Type::Array(&Type::Object(&NAME)), query::command_names),
    command("query-cpu-definitions", NONE, Type::Array(&Type::Object(&CPU_DEFINITION)), cpus::definitions),
    command("query-cpus-fast", NONE, Type::Array(&Type::Object(&CPU)), cpus::query),
    command("query-current-machine", NONE, Type::Object(&CURRENT_MACHINE), nothing::current_machine),
    command("query-hotpluggable-cpus", NONE, Type::Array(&Type::Object(&PLUGGABLE_CPU)), cpus::query_hotpluggable),
    command("query-iothreads", NONE, Type::Array(&Type::Any), nothing::none),
    command("query-jobs", NONE, Type::Array(&Type::Any), nothing::none),
    command("query-kvm", NONE, Type::Object(&KVM), query::kvm),
    command("query-machines", NONE, Type::Array(&Type::Object(&MACHINE)), nothing::machines),
    command("query-memory-devices", NONE, Type::Array(&Type::Any), nothing::none),
    command("query-memory-size-summary", NONE, Type::Object(&MEMORY_SIZE), query::memory),
    command("query-migrate", NONE, Type::Object(&MIGRATION), migration::query),
    command("query-name", NONE, Type::Object(&OPTIONAL_NAME), query::name),
    command("query-named-block-nodes", NONE, Type::Array(&Type::Object(&BLOCK_NODE)), query::block_nodes),
    command("query-pci", NONE, Type::Array(&Type::Object(&PCI_BUS)), query::pci),
    command("query-qmp-schema", NONE, Type::Array(&Type::Any), schema),
    command("query-status", NONE, Type::Object(&STATUS), run_state::query),
    command("query-target", NONE, Type::Object(&TARGET), nothing::target),
    command("query-uuid", NONE, Type::Object(&UUID), nothing::uuid),
    command("query-version", NONE, Type::Object(&VERSION), query::version),
    command("quit", NONE, NOTHING, run_state::quit),
    command("screendump", &SCREENDUMP, NOTHING, devices::screendump),
    command("set_link", &SET_LINK, NOTHING, changes::set_link),
    command("stop", NONE, NOTHING, run_state::stop),
    command("system_powerdown", NONE, NOTHING, run_state::power_down),
    command("system_reset", NONE, NOTHING, run_state::reset),
];

/// The command of a name.
pub(super) fn find(name: &str) -> Option<&'static Command> {
    COMMANDS.iter().find(|command| command.signature.name == name)
}

const NONE: &Object = &Object::EMPTY;
const OPTION: Object = Object::new(&[optional("option", Type::Str)]);
const ANNOUNCE_SELF: Object = Object::new(&[
    needed("initial", Type::Number),
    needed("max", Type::Number),
    needed("rounds", Type::Number),
    needed("step", Type::Number),
    optional("id", Type::Str),
]);
const BALLOON: Object = Object::new(&[needed("value", Type::Number)]);
const URI: Object = Object::new(&[needed("uri", Type::Str)]);
const ID: Object = Object::new(&[needed("id", Type::Str)]);
const NODE_NAME: Object = Object::new(&[needed("node-name", Type::Str)]);
const BLOCK_RESIZE: Object =
    Object::new(&[optional("device", Type::Str), optional("node-name", Type::Str), needed("size", Type::Number)]);
const SET_LINK: Object = Object::new(&[needed("name", Type::Str), needed("up", Type::Bool)]);
const FILE: Object =
    Object::new(&[optional("driver", Type::Enum(&["file", "host_device"])), needed("filename", Type::Str)]);
const BLOCKDEV_ADD: Object = Object::new(&[
    needed("driver", Type::Enum(&["raw", "qcow2"])),
    needed("node-name", Type::Str),
    optional("read-only", Type::Bool),
    needed("file", Type::Object(&FILE)),
]);
const NETDEV_ADD: Object = Object {
    members: &[
        needed("type", Type::Enum(&["user", "tap"])),
        needed("id", Type::Str),
        optional("script", Type::Str),
        optional("downscript", Type::Str),
    ],
    variants: Some(Variants { tag: "type", cases: &[("user", &[]), ("tap", &[needed("ifname", Type::Str)])] }),
};
const SCREENDUMP: Object = Object::new(&[needed("filename", Type::Str), optional("format", Type::Enum(&["ppm"]))]);
const DEVICE_ADD: Object = Object {
    members: &[needed("driver", Type::Enum(DRIVERS)), optional("id", Type::Str)],
    variants: Some(Variants {
        tag: "driver",
        cases: &[
            ("virtio-blk-pci", &[BUS, ADDR, needed("drive", Type::Str)]),
            ("virtio-net-pci", &[BUS, ADDR, needed("netdev", Type::Str), optional("mac", Type::Str)]),
            ("virtio-rng-pci", &[BUS, ADDR]),
            ("virtio-balloon-pci", &[BUS, ADDR]),
            ("virtio-gpu-pci", &[BUS, ADDR]),
            ("vhost-vsock-pci", &[BUS, ADDR, needed("guest-cid", Type::Number), needed("path", Type::Str)]),
            (
                cpus::DRIVER,
                &[
                    needed("socket-id", Type::Number),
                    optional("core-id", Type::Number),
                    optional("thread-id", Type::Number),
                ],
            ),
        ],
    }),
};
const DRIVERS: &[&str] = &[
    "virtio-blk-pci",
    "virtio-net-pci",
    "virtio-rng-pci",
    "virtio-balloon-pci",
    "virtio-gpu-pci",
    "vhost-vsock-pci",
    cpus::DRIVER,
];
const BUS: qmp::schema::Member = optional("bus", Type::Str);
const ADDR: qmp::schema::Member = optional("addr", Type::Str);

/// All events.
pub(super) const EVENTS: &[Event] = &[
    Event { name: "ACPI_DEVICE_OST", data: &OST },
    Event { name: "BALLOON_CHANGE", data: &ACTUAL },
    Event { name: "DEVICE_DELETED", data: &DELETED },
    Event { name: "POWERDOWN", data: NONE },
    Event { name: "RESET", data: &ENDING },
    Event { name: "RESUME", data: NONE },
    Event { name: "SHUTDOWN", data: &ENDING },
    Event { name: "STOP", data: NONE },
];

/// `query-qmp-schema`.
fn schema(_: &mut Commands, arguments: Arguments) -> Answer {
    arguments.end()?;
    Ok(introspection(COMMANDS.iter().map(|command| &command.signature), EVENTS))
}

/// What `query-commands` tells.
pub(super) fn names() -> Value {
    let names = COMMANDS.iter().map(|command| command.signature.name).chain([qmp::schema::NEGOTIATION.name]);
    names.map(|name| json!({ "name": name })).collect()
}
