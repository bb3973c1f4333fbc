//! What the DSDT tells of processors that come and go.
//!
//! All of them are devices with the number that the MADT has: their _STA asks the registers, which one method at a time may use, because
//! they are about the processor that was selected last. _MAT tells of a processor as the MADT will, once it is there.
//!
//! Sources: ACPI specification 6.5, § "Declaring Processors", § "_MAT (Multiple APIC Table Entry)", § "_EJx (Eject)", § "_OST (OSPM Status
//! Indication)"; QEMU, "docs/specs/acpi_cpu_hotplug.rst", for the registers.

use super::{
    acpi::{self, bytes_of},
    event::{DEVICE_CHECK, EJECT_REQUEST, Raw, four},
};
use crate::{layout::pc, spares::REGISTERS_SIZE_BYTES};
use acpi_tables::{
    Aml,
    aml::{
        Acquire, Arg, BufferData, Device, EISAName, Else, Equal, Field, FieldAccessType, FieldEntry, FieldLockRule,
        FieldUpdateRule, IO, If, Local, Method, MethodCall, Mutex, Name, Notify, ONE, OpRegion, OpRegionSpace, Path,
        Release, ResourceTemplate, Return, Store, While, ZERO,
    },
    madt::EnabledStatus,
};

/// What _STA says of a device that is there: present, enabled, shown and working.
const IS_THERE: u8 = 0xf;
/// As long as it takes.
const FOR_EVER: u16 = 0xffff;
/// Commands of the registers.
const NEXT: u8 = 0;
const OST_EVENT: u8 = 1;
const OST_STATUS: u8 = 2;

/// Bytes as AML.
fn all(objects: &[&dyn Aml]) -> Raw {
    Raw(objects.iter().flat_map(|object| bytes_of(*object)).collect())
}

/// The registers and all processors, in the scope of the system bus: `nr` that are there for good, then `nr_spare`.
pub(super) fn devices(nr: u32, nr_spare: u32) -> Vec<u8> {
    let ids = 0..nr + nr_spare;
    let each = Raw(ids.clone().flat_map(|id| processor(id, id >= nr)).collect());
    let tell = Raw(ids.flat_map(notified).collect());
    let tell = Method::new("TELL".into(), 2, false, vec![&tell]);
    let (scan, status, eject, report) = (scan(), status(), eject(), report());
    let (kind, compatible) =
        (Name::new("_HID".into(), &"ACPI0010"), Name::new("_CID".into(), &EISAName::new("PNP0A05")));
    let children: Vec<&dyn Aml> = vec![&kind, &compatible, &status, &eject, &report, &tell, &scan, &each];
    [registers(), bytes_of(&Device::new("CPUS".into(), children))].concat()
}

/// What the handler of the event does.
pub(super) fn told() -> Vec<u8> {
    bytes_of(&MethodCall::new("\\_SB_.CPUS.SCAN".into(), Vec::new()))
}

fn registers() -> Vec<u8> {
    let (port, size) = (pc::CPU_HOT_PLUG, REGISTERS_SIZE_BYTES);
    // A device of the board, so that nobody else takes the ports; there is one such id for each of them.
    let ports = IO::new(port, port, 1, size as u8);
    let resources = ResourceTemplate::new(vec![&ports]);
    let (kind, number) = (Name::new("_HID".into(), &EISAName::new("PNP0A06")), Name::new("_UID".into(), &"CPU"));
    let (resources, lock) = (Name::new("_CRS".into(), &resources), Mutex::new("LOCK".into(), 0));
    let region = OpRegion::new("CPUR".into(), OpRegionSpace::SystemIO, &port, &size);
    let named = |name, bits| FieldEntry::Named(four(name), bits);
    let field = |access, entries| {
        // Bits that are not written are left as they are by zeros.
        Field::new("CPUR".into(), access, FieldLockRule::NoLock, FieldUpdateRule::WriteAsZeroes, entries)
    };
    let flags = [named("ISIN", 1), named("CAME", 1), named("GOES", 1), named("EJCT", 1)];
    let bytes = [FieldEntry::Reserved(32)].into_iter().chain(flags).chain([FieldEntry::Reserved(4), named("COMD", 8)]);
    let bytes = field(FieldAccessType::Byte, bytes.collect());
    let words = field(FieldAccessType::DWord, vec![named("SELC", 32), FieldEntry::Reserved(32), named("DATA", 32)]);
    bytes_of(&Device::new("CPUB".into(), vec![&kind, &number, &resources, &lock, &region, &bytes, &words]))
}

fn register(name: &str) -> Path {
    Path::new(&format!("\\_SB_.CPUB.{name}"))
}

/// A method that has the registers for itself.
fn locked(name: &str, nr_arguments: u8, body: &[&dyn Aml], end: &[&dyn Aml]) -> Raw {
    let lock = || register("LOCK");
    let body = all(&[&Acquire::new(lock(), FOR_EVER), &all(body), &Release::new(lock()), &all(end)]);
    all(&[&Method::new(name.into(), nr_arguments, true, vec![&body])])
}

/// `STAT (processor)`: its _STA.
fn status() -> Raw {
    let is_in = register("ISIN");
    let is_there = Equal::new(&is_in, &ONE);
    let body = all(&[
        &Store::new(&register("SELC"), &Arg(0)),
        &Store::new(&Local(0), &ZERO),
        &If::new(&is_there, vec![&Store::new(&Local(0), &IS_THERE)]),
    ]);
    locked("STAT", 1, &[&body], &[&Return::new(&Local(0))])
}

/// `EJEC (processor)`: ejects it.
fn eject() -> Raw {
    let body = all(&[&Store::new(&register("SELC"), &Arg(0)), &Store::new(&register("EJCT"), &ONE)]);
    locked("EJEC", 1, &[&body], &[])
}

/// `REPO (processor, event, status)`: its _OST.
fn report() -> Raw {
    let store = |name, value: &dyn Aml| all(&[&Store::new(&register(name), value)]);
    let steps = [
        store("SELC", &Arg(0)),
        store("COMD", &OST_EVENT),
        store("DATA", &Arg(1)),
        store("COMD", &OST_STATUS),
        store("DATA", &Arg(2)),
    ];
    locked("REPO", 3, &[&Raw(steps.into_iter().flat_map(|step| step.0).collect())], &[])
}

/// `SCAN ()`: tells the guest of each processor that came or is to go, once.
fn scan() -> Raw {
    // What was told is written back to its own bit.
    let told = |bit: &str, event: u8| {
        let (tell, bit) = (MethodCall::new("TELL".into(), vec![&Local(1), &event]), register(bit));
        all(&[&tell, &Store::new(&bit, &ONE), &Store::new(&Local(0), &ONE)])
    };
    let (came, goes) = (told("CAME", DEVICE_CHECK), told("GOES", EJECT_REQUEST));
    let (goes_bit, came_bit) = (register("GOES"), register("CAME"));
    let is_to_go = Equal::new(&goes_bit, &ONE);
    let otherwise = If::new(&is_to_go, vec![&goes]);
    let has_come = Equal::new(&came_bit, &ONE);
    let each = all(&[
        &Store::new(&register("COMD"), &NEXT),
        &Store::new(&Local(0), &ZERO),
        &Store::new(&Local(1), &register("DATA")),
        &If::new(&has_come, vec![&came]),
        &Else::new(vec![&otherwise]),
    ]);
    let again = Equal::new(&Local(0), &ONE);
    let body = all(&[&Store::new(&Local(0), &ONE), &While::new(&again, vec![&each])]);
    locked("SCAN", 0, &[&body], &[])
}

fn name_of(id: u32) -> String {
    format!("C{id:03X}")
}

/// `If (Arg0 == id) { Notify (processor, Arg1) }`.
fn notified(id: u32) -> Vec<u8> {
    let (is_it, name) = (Equal::new(&Arg(0), &id), Path::new(&name_of(id)));
    bytes_of(&If::new(&is_it, vec![&Notify::new(&name, &Arg(1))]))
}

fn processor(id: u32, can_go: bool) -> Vec<u8> {
    let mut entry = Vec::new();
    acpi::processor(id, EnabledStatus::Enabled, &mut entry);
    let entry = BufferData::new(entry);
    let kind = Name::new("_HID".into(), &"ACPI0007");
    let (number, entry) = (Name::new("_UID".into(), &id), Name::new("_MAT".into(), &entry));
    let status = MethodCall::new("STAT".into(), vec![&id]);
    let status = Return::new(&status);
    let status = Method::new("_STA".into(), 0, true, vec![&status]);
    let eject = MethodCall::new("EJEC".into(), vec![&id]);
    let eject = Method::new("_EJ0".into(), 1, true, vec![&eject]);
    let report = MethodCall::new("REPO".into(), vec![&id, &Arg(0), &Arg(1)]);
    let report = Method::new("_OST".into(), 3, true, vec![&report]);
    let mut children: Vec<&dyn Aml> = vec![&kind, &number, &entry, &status];
    if can_go {
        children.extend([&eject as &dyn Aml, &report]);
    }
    bytes_of(&Device::new(name_of(id).as_str().into(), children))
}
