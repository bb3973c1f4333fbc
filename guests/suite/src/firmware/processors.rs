//! The MADT against processors and interrupt controllers.

use super::root;
use rt::{
    acpi::{Table, signature},
    case, check, check_count, check_eq,
    local_apic::{LocalApic, base, read_base},
    mmio,
    smp::Processors,
    vocabulary::Needs,
};

/// Types of the MADT's entries.
mod entry {
    pub(super) const LOCAL_APIC: u8 = 0;
    pub(super) const IO_APIC: u8 = 1;
    pub(super) const OVERRIDE: u8 = 2;
    pub(super) const LOCAL_NMI: u8 = 4;
    pub(super) const LOCAL_X2APIC: u8 = 9;
}

/// Offset of the first entry.
const ENTRIES: u64 = 44;
/// Flag of a processor: it can be used.
const ENABLED: u32 = 1 << 0;
/// Most processors whose ids are compared.
const NR_IDS: usize = 16;

fn madt() -> Option<Table> {
    root().and_then(|root| root.find(signature(*b"APIC")))
}

/// Calls `each` with the id of every processor that can be used.
fn for_each_processor(madt: Table, mut each: impl FnMut(u32)) {
    for (kind, at) in madt.entries(ENTRIES) {
        match kind {
            entry::LOCAL_APIC if madt.read_u32(at + 4) & ENABLED != 0 => each(madt.read_u8(at + 3).into()),
            entry::LOCAL_X2APIC if madt.read_u32(at + 8) & ENABLED != 0 => each(madt.read_u32(at + 4)),
            _ => (),
        }
    }
}

/// One processor is told of where there is one, by its id; the local APICs are where IA32_APIC_BASE says.
#[case(feature = FirmwareTables, spec = acpi("Multiple APIC Description Table (MADT)"),
       needs = Needs::FIRMWARE_TABLES | Needs::LOCAL_APIC, irqchip = Full)]
fn the_processor_is_told_of() {
    let Some(madt) = madt() else {
        check!("the MADT is found", false);
        return;
    };
    check_eq!("address of the local APICs", u64::from(madt.read_u32(36)), read_base() & base::ADDRESS);
    let own = LocalApic::enabled().id();
    let (mut nr_processors, mut is_told) = (0_u64, false);
    for_each_processor(madt, |id| {
        nr_processors += 1;
        is_told |= id == own;
    });
    check_count!("processors", nr_processors, 1);
    check!("this one is told of", is_told);
}

/// Of four processors each is told of with an id of its own, and they can be started.
#[case(feature = FirmwareTables, spec = acpi("Processor Local APIC Structure"),
       needs = Needs::FIRMWARE_TABLES | Needs::LOCAL_APIC, irqchip = Full, vcpus = 4)]
fn each_of_four_processors_is_told_of() {
    const NR: usize = 4;
    let Some(madt) = madt() else {
        check!("the MADT is found", false);
        return;
    };
    let (mut ids, mut nr_processors) = ([u32::MAX; NR_IDS], 0);
    for_each_processor(madt, |id| {
        check!("an id of its own", [&[]; nr_processors], !ids.contains(&id));
        if let Some(place) = ids.get_mut(nr_processors) {
            *place = id;
        }
        nr_processors += 1;
    });
    check_count!("processors", nr_processors, NR);
    let Ok(processors) = Processors::start(NR - 1) else {
        check!("they start", false);
        return;
    };
    for index in 1..NR {
        let id = processors.run_on(index, |_| u64::from(rt::smp::apic::read_id()), 0).unwrap_or(u64::MAX);
        check!("the id of one that runs is told", [&[]; index], ids.iter().any(|&told| u64::from(told) == id));
    }
}

/// Each I/O APIC that is told of answers at its address, with its first interrupt where it is told, and nobody else's there.
#[case(feature = FirmwareTables, spec = acpi("I/O APIC Structure"), needs = Needs::FIRMWARE_TABLES | Needs::IO_APIC,
       irqchip = Full)]
fn io_apics_answer() {
    let Some(madt) = madt() else {
        check!("the MADT is found", false);
        return;
    };
    let (mut nr_io_apics, mut next) = (0_u64, 0);
    for (_, at) in madt.entries(ENTRIES).filter(|(kind, _)| *kind == entry::IO_APIC) {
        let address = u64::from(madt.read_u32(at + 4));
        mmio::write_u32(address, 1);
        let version = mmio::read_u32(address + 0x10);
        check!("its version", [&[]; nr_io_apics], matches!(version & 0xff, 0x11 | 0x20));
        check_eq!("its first interrupt", [&[]; nr_io_apics], u64::from(madt.read_u32(at + 8)), next);
        next += u64::from(version >> 16 & 0xff) + 1;
        nr_io_apics += 1;
    }
    check!("there is one", nr_io_apics > 0);
}

/// Overrides are of ISA interrupts, each once, and none is led to a pin that is not there; NMIs come in at LINT1.
#[case(feature = FirmwareTables, spec = [acpi("Interrupt Source Override Structure"), acpi("Local APIC NMI Structure")],
       needs = Needs::FIRMWARE_TABLES | Needs::IO_APIC, irqchip = Full)]
fn overrides_are_of_isa_interrupts() {
    const NR_ISA: u8 = 16;
    const NR_PINS: u32 = 24;
    let Some(madt) = madt() else {
        check!("the MADT is found", false);
        return;
    };
    let mut seen = 0_u32;
    for (row, (_, at)) in madt.entries(ENTRIES).filter(|(kind, _)| *kind == entry::OVERRIDE).enumerate() {
        let source = madt.read_u8(at + 3);
        check_eq!("bus", [&[]; row], u64::from(madt.read_u8(at + 2)), 0);
        check!("an ISA interrupt", [&[]; row], source < NR_ISA);
        check!("once", [&[]; row], seen >> (source & 31) & 1 == 0);
        check!("a pin that there is", [&[]; row], madt.read_u32(at + 4) < NR_PINS);
        seen |= 1 << (source & 31);
    }
    for (row, (_, at)) in madt.entries(ENTRIES).filter(|(kind, _)| *kind == entry::LOCAL_NMI).enumerate() {
        check!("LINT0 or LINT1", [&[]; row], madt.read_u8(at + 5) < 2);
    }
}
