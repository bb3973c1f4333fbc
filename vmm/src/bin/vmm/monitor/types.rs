//! What commands return, and what events carry.

use qmp::schema::{Object, Type, needed, optional};

pub(super) const NOTHING: Type = Type::Object(&Object::EMPTY);
pub(super) const ACTUAL: Object = Object::new(&[needed("actual", Type::Number)]);
pub(super) const NAME: Object = Object::new(&[needed("name", Type::Str)]);
pub(super) const OPTIONAL_NAME: Object = Object::new(&[optional("name", Type::Str)]);
pub(super) const KVM: Object = Object::new(&[needed("enabled", Type::Bool), needed("present", Type::Bool)]);
pub(super) const UUID: Object = Object::new(&[needed("UUID", Type::Str)]);
pub(super) const TARGET: Object = Object::new(&[needed("arch", Type::Enum(&["x86_64"]))]);
pub(super) const CURRENT_MACHINE: Object = Object::new(&[needed("wakeup-suspend-support", Type::Bool)]);
const PARAMETER: Object = Object::new(&[
    needed("name", Type::Str),
    needed("type", Type::Enum(&["string", "boolean"])),
    optional("help", Type::Str),
]);
pub(super) const COMMAND_LINE_OPTION: Object =
    Object::new(&[needed("option", Type::Str), needed("parameters", Type::Array(&Type::Object(&PARAMETER)))]);
pub(super) const CHARDEV: Object =
    Object::new(&[needed("label", Type::Str), needed("filename", Type::Str), needed("frontend-open", Type::Bool)]);
pub(super) const MACHINE: Object = Object::new(&[
    needed("name", Type::Str),
    optional("is-default", Type::Bool),
    needed("cpu-max", Type::Number),
    needed("hotpluggable-cpus", Type::Bool),
    needed("numa-mem-supported", Type::Bool),
    needed("deprecated", Type::Bool),
    needed("acpi", Type::Bool),
]);
pub(super) const MEMORY_SIZE: Object =
    Object::new(&[needed("base-memory", Type::Number), optional("plugged-memory", Type::Number)]);
pub(super) const STATUS: Object = Object::new(&[
    needed("running", Type::Bool),
    needed("status", Type::Enum(&["prelaunch", "running", "paused", "postmigrate", "shutdown"])),
]);
const TRIPLE: Object =
    Object::new(&[needed("major", Type::Number), needed("minor", Type::Number), needed("micro", Type::Number)]);
pub(super) const VERSION: Object = Object::new(&[needed("qemu", Type::Object(&TRIPLE)), needed("package", Type::Str)]);

const PLACE: Object = Object::new(&[
    needed("socket-id", Type::Number),
    needed("core-id", Type::Number),
    needed("thread-id", Type::Number),
]);
pub(super) const CPU: Object = Object::new(&[
    needed("cpu-index", Type::Number),
    needed("qom-path", Type::Str),
    needed("thread-id", Type::Number),
    needed("target", Type::Enum(&["x86_64"])),
    needed("props", Type::Object(&PLACE)),
]);
pub(super) const CPU_DEFINITION: Object = Object::new(&[
    needed("name", Type::Str),
    needed("typename", Type::Str),
    needed("static", Type::Bool),
    needed("migration-safe", Type::Bool),
    needed("unavailable-features", Type::Array(&Type::Str)),
    needed("deprecated", Type::Bool),
]);
pub(super) const PLUGGABLE_CPU: Object = Object::new(&[
    needed("type", Type::Str),
    needed("vcpus-count", Type::Number),
    needed("props", Type::Object(&PLACE)),
    optional("qom-path", Type::Str),
]);

const IMAGE: Object = Object::new(&[needed("filename", Type::Str), needed("format", Type::Str)]);
pub(super) const BLOCK_NODE: Object = Object::new(&[
    needed("file", Type::Str),
    needed("drv", Type::Str),
    needed("ro", Type::Bool),
    needed("node-name", Type::Str),
    needed("encrypted", Type::Bool),
    needed("image", Type::Object(&IMAGE)),
]);
pub(super) const BLOCK: Object = Object::new(&[
    needed("device", Type::Str),
    needed("locked", Type::Bool),
    needed("removable", Type::Bool),
    needed("type", Type::Str),
    optional("inserted", Type::Object(&BLOCK_NODE)),
]);

const CLASS: Object = Object::new(&[needed("class", Type::Number)]);
const PCI_ID: Object = Object::new(&[
    needed("vendor", Type::Number),
    needed("device", Type::Number),
    needed("subsystem-vendor", Type::Number),
    needed("subsystem", Type::Number),
]);
const REGION: Object = Object::new(&[
    needed("bar", Type::Number),
    needed("type", Type::Enum(&["io", "memory"])),
    needed("address", Type::Integer),
    needed("size", Type::Number),
    optional("prefetch", Type::Bool),
    optional("mem_type_64", Type::Bool),
]);
const PCI_DEVICE: Object = Object::new(&[
    needed("bus", Type::Number),
    needed("slot", Type::Number),
    needed("function", Type::Number),
    needed("qdev_id", Type::Str),
    needed("class_info", Type::Object(&CLASS)),
    needed("id", Type::Object(&PCI_ID)),
    needed("irq", Type::Number),
    needed("irq_pin", Type::Number),
    needed("regions", Type::Array(&Type::Object(&REGION))),
]);
pub(super) const PCI_BUS: Object =
    Object::new(&[needed("bus", Type::Number), needed("devices", Type::Array(&Type::Object(&PCI_DEVICE)))]);

const MIGRATED: Object = Object::new(&[needed("transferred", Type::Number), needed("total", Type::Number)]);
pub(super) const MIGRATION: Object = Object::new(&[
    optional("status", Type::Enum(&["active", "completed", "failed"])),
    optional("ram", Type::Object(&MIGRATED)),
    optional("error-desc", Type::Str),
]);

/// Of events.
pub(super) const DELETED: Object = Object::new(&[optional("device", Type::Str), needed("path", Type::Str)]);
pub(super) const ENDING: Object = Object::new(&[needed("guest", Type::Bool), needed("reason", Type::Str)]);
const OST_INFO: Object = Object::new(&[
    optional("device", Type::Str),
    needed("slot", Type::Str),
    needed("slot-type", Type::Enum(&["CPU"])),
    needed("source", Type::Number),
    needed("status", Type::Number),
]);
pub(super) const OST: Object = Object::new(&[needed("info", Type::Object(&OST_INFO))]);
