//! The tables read back as a guest reads them: from addresses, by lengths, with their sums.

use super::*;
use crate::{
    layout::pc,
    memory::{MemoryError, Template},
};
use acpi_tables::madt::EnabledStatus;
use std::collections::BTreeMap;

const PC: Machine<'static> = Machine {
    nr_vcpus: 3,
    nr_spare: 0,
    io_apic: Some(0x11),
    has_pics: true,
    hpet: Some(0x8086_a201),
    has_rtc: true,
    has_power: true,
    has_i8042: true,
    devices: &[],
};

/// The page, and the RSDP's address.
fn written(machine: Machine<'_>) -> (GuestMemory, u64) {
    let memory = Template::new::<MemoryError>(1 << 20, |_| Ok(())).unwrap().instantiate().unwrap();
    let rsdp = write(&memory, &machine).unwrap();
    (memory, rsdp)
}

fn read(memory: &GuestMemory, address: u64, size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    memory.read(address, &mut bytes).unwrap();
    bytes
}

fn u16_at(bytes: &[u8], offset: usize) -> u16 {
    u16::from_le_bytes(bytes[offset..][..2].try_into().unwrap())
}

fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(bytes[offset..][..4].try_into().unwrap())
}

fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    u64::from_le_bytes(bytes[offset..][..8].try_into().unwrap())
}

fn sum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

/// Reads a table by its header, and checks the sum.
fn table_at(memory: &GuestMemory, address: u64) -> (String, Vec<u8>) {
    let size = memory.read_u32(address + 4).unwrap();
    // All of them are within the place of the BIOS.
    assert!(u64::from(size) <= 2 * layout::PAGE_SIZE, "{size} bytes at {address:#x}");
    let bytes = read(memory, address, size as usize);
    let signature = String::from_utf8(bytes[..4].to_vec()).unwrap();
    // The FACS has none.
    assert!(signature == "FACS" || sum(&bytes) == 0, "{signature}");
    (signature, bytes)
}

fn tables(memory: &GuestMemory, rsdp: u64) -> BTreeMap<String, Vec<u8>> {
    let rsdp = read(memory, rsdp, 36);
    assert_eq!((&rsdp[..8], rsdp[15], u32_at(&rsdp, 20)), (&b"RSD PTR "[..], 2, 36));
    assert_eq!((sum(&rsdp[..20]), sum(&rsdp)), (0, 0));
    let (signature, xsdt) = table_at(memory, u64_at(&rsdp, 24));
    assert_eq!((signature.as_str(), (xsdt.len() - 36) % 8), ("XSDT", 0));
    let mut found: BTreeMap<_, _> = xsdt[36..].chunks(8).map(|address| table_at(memory, u64_at(address, 0))).collect();
    let fadt = found["FACP"].clone();
    assert_eq!(u64::from(u32_at(&fadt, 40)), u64_at(&fadt, 140));
    assert!(u32_at(&fadt, 36).is_multiple_of(64));
    found.extend([u32_at(&fadt, 36), u32_at(&fadt, 40)].map(|address| table_at(memory, address.into())));
    found
}

/// The structures of an MADT.
fn structures(madt: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = &madt[44..];
    let mut structures = Vec::new();
    while let [_, length, ..] = rest {
        let (structure, behind) = rest.split_at(usize::from(*length));
        structures.push(structure.to_vec());
        rest = behind;
    }
    structures
}

#[test]
fn every_table_is_led_to_and_sums_to_zero() {
    let (memory, rsdp) = written(PC);
    let tables = tables(&memory, rsdp);
    assert_eq!(tables.keys().collect::<Vec<_>>(), ["APIC", "DSDT", "FACP", "FACS", "HPET"]);
    assert!((0xe_0000..0x10_0000).contains(&rsdp) && rsdp.is_multiple_of(16));
}

#[test]
fn a_vm_without_hpet_and_io_apic_tells_of_none() {
    let without = Machine { io_apic: None, has_pics: false, hpet: None, has_rtc: false, ..PC };
    let (memory, rsdp) = written(without);
    let tables = tables(&memory, rsdp);
    assert!(!tables.contains_key("HPET"));
    let kinds: Vec<u8> = structures(&tables["APIC"]).iter().map(|structure| structure[0]).collect();
    assert_eq!((kinds, u32_at(&tables["APIC"], 40)), (vec![0, 0, 0, 4], 0));
    assert_ne!(u16_at(&tables["FACP"], 109) & 1 << 5, 0);
}

#[test]
fn madt_tells_processors_io_apic_overrides_and_nmi() {
    let (memory, rsdp) = written(PC);
    let madt = &tables(&memory, rsdp)["APIC"];
    assert_eq!((u32_at(madt, 36), u32_at(madt, 40)), (0xfee0_0000, 1));
    let expected: [&[u8]; 7] = [
        &[0, 8, 0, 0, 1, 0, 0, 0],
        &[0, 8, 1, 1, 1, 0, 0, 0],
        &[0, 8, 2, 2, 1, 0, 0, 0],
        &[1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0],
        &[2, 10, 0, 0, 2, 0, 0, 0, 0, 0],
        &[2, 10, 0, 9, 9, 0, 0, 0, 0xd, 0],
        &[4, 6, 0xff, 0, 0, 1],
    ];
    assert_eq!(structures(madt), expected);
}

#[test]
fn ids_from_255_on_are_those_of_x2apics() {
    let mut body = Vec::new();
    acpi::processor(254, EnabledStatus::Enabled, &mut body);
    acpi::processor(255, EnabledStatus::Enabled, &mut body);
    assert_eq!(body[..8], [0, 8, 254, 254, 1, 0, 0, 0]);
    assert_eq!(body[8..], [9, 16, 0, 0, 255, 0, 0, 0, 1, 0, 0, 0, 255, 0, 0, 0]);
}

#[test]
fn fadt_names_each_register_block_twice() {
    let (memory, rsdp) = written(PC);
    let fadt = &tables(&memory, rsdp)["FACP"];
    assert_eq!((fadt.len(), fadt[8], u16_at(fadt, 46)), (276, 6, 9));
    // Offsets of address, size and generic address of PM1a event, PM1a control, PM timer.
    let blocks = [(56, 88, 148, pc::PM1_EVENT, 4), (64, 89, 172, pc::PM1_CONTROL, 2), (76, 91, 208, pc::PM_TIMER, 4)];
    for (address, size, generic, port, size_bytes) in blocks {
        assert_eq!((u32_at(fadt, address), fadt[size]), (u32::from(port), size_bytes));
        assert_eq!((fadt[generic], fadt[generic + 1]), (1, size_bytes * 8));
        assert_eq!(u64_at(fadt, generic + 4), u64::from(port));
    }
    let flags = u32_at(fadt, 112);
    // TMR_VAL_EXT and RESET_REG_SUP: the timer has 24 bits.
    assert_eq!(flags & (1 << 8 | 1 << 10), 1 << 10);
    assert_eq!((fadt[116], u64_at(fadt, 120), fadt[128]), (1, 0x64, 0xfe));
}

#[test]
fn fadt_tells_of_nothing_that_is_not_there() {
    let bits = |machine: Machine<'_>| {
        let (memory, rsdp) = written(machine);
        let fadt = &tables(&memory, rsdp)["FACP"];
        let blocks = [56, 64, 76, 120].map(|offset| u32_at(fadt, offset) != 0);
        // TMR_VAL_EXT, RESET_REG_SUP, HW_REDUCED_ACPI; 8042, CMOS RTC not present; CENTURY.
        let flags = [8, 10, 20].map(|bit| u32_at(fadt, 112) >> bit & 1);
        (blocks, flags, [1, 5].map(|bit| u16_at(fadt, 109) >> bit & 1), fadt[108])
    };
    assert_eq!(bits(PC), ([true; 4], [0, 1, 0], [1, 0], 0x32));
    assert_eq!(bits(Machine { has_i8042: false, ..PC }), ([true, true, true, false], [0, 0, 0], [0, 0], 0x32));
    assert_eq!(bits(Machine { has_rtc: false, ..PC }), ([true; 4], [0, 1, 0], [1, 1], 0));
    let without_power = Machine { has_power: false, ..PC };
    assert_eq!(bits(without_power), ([false, false, false, true], [0, 1, 0], [1, 0], 0x32));
    assert_eq!(bits(Machine { has_pics: false, ..without_power }).1, [0, 1, 1]);
}

#[test]
fn dsdt_holds_the_state_s5() {
    let (memory, rsdp) = written(PC);
    // Name (_S5_, Package (4) {5, 5, 0, 0}).
    assert_eq!(tables(&memory, rsdp)["DSDT"][36..], *b"\x08_S5_\x12\x08\x04\x0a\x05\x0a\x05\0\0");
}

const DEVICES: [FirmwareDevice; 3] = [
    FirmwareDevice::PciHost,
    FirmwareDevice::VirtioMmio { address: 0xf900_0000, line: 5 },
    FirmwareDevice::VirtioMmio { address: 0xf900_1000, line: 20 },
];

#[test]
fn mcfg_leads_to_the_mapped_configuration_space_of_a_host_bridge() {
    let (memory, rsdp) = written(Machine { devices: &DEVICES, ..PC });
    let mcfg = &tables(&memory, rsdp)["MCFG"];
    // Address, segment group, first and last bus.
    assert_eq!((mcfg.len(), u64_at(mcfg, 44), u16_at(mcfg, 52), mcfg[54], mcfg[55]), (60, 0xe000_0000, 0, 0, 0));
    let (memory, rsdp) = written(Machine { devices: &DEVICES[1..], ..PC });
    assert!(!tables(&memory, rsdp).contains_key("MCFG"));
}

#[test]
fn dsdt_names_devices_that_have_to_be_told_of() {
    let (memory, rsdp) = written(Machine { devices: &DEVICES, ..PC });
    let dsdt = &tables(&memory, rsdp)["DSDT"];
    let count = |text: &[u8]| dsdt.windows(text.len()).filter(|window| *window == text).count();
    assert_eq!((count(b"PCI0"), count(b"_PRT"), count(b"LNRO0005"), count(b"VM01"), count(b"VM02")), (1, 1, 2, 1, 1));
    // Each pin of each slot leads to one of the links, as many to each; the name of the link's device is one more.
    assert_eq!([b"LNKA", b"LNKB", b"LNKC", b"LNKD"].map(|name| count(name)), [33; 4]);
}

/// What the disassembler of the ACPI makers' makes of the table, if it is installed.
fn disassembled(dsdt: &[u8]) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("dsdt.aml"), dsdt).unwrap();
    let iasl = std::process::Command::new("iasl").args(["-d", "dsdt.aml"]).current_dir(folder.path()).output();
    let output = iasl.ok()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(std::fs::read_to_string(folder.path().join("dsdt.dsl")).unwrap())
}

#[test]
fn dsdt_can_be_disassembled() {
    let (memory, rsdp) = written(Machine { devices: &DEVICES, ..PC });
    let Some(text) = disassembled(&tables(&memory, rsdp)["DSDT"]) else { return };
    let flat: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let expected = [
        r#"Name (_HID, EisaId ("PNP0A08")"#,
        "Interrupt (ResourceConsumer, Level, ActiveHigh, Shared, ,, ) { 0x00000010, }",
        "Package (0x04) { 0x0001FFFF, Zero, LNKB, Zero }",
        "Memory32Fixed (ReadWrite, 0xE0000000, // Address Base 0x00100000, // Address Length",
        "0xE1000000, // Range Minimum 0xF7FFFFFF, // Range Maximum",
        "0x0000000800000000, // Range Minimum 0x0000000BFFFFFFFF, // Range Maximum",
        "0xC000, // Range Minimum 0xCFFF, // Range Maximum",
        r#"Name (_HID, "LNRO0005")"#,
        "Interrupt (ResourceConsumer, Level, ActiveHigh, Exclusive, ,, ) { 0x00000014, }",
    ];
    for part in expected {
        assert!(flat.contains(part), "{part} is missing in:\n{text}");
    }
    assert!(!text.contains("Invalid") && !text.contains("Unknown"), "{text}");
}

#[test]
fn hpet_table_leads_to_its_registers() {
    let (memory, rsdp) = written(PC);
    let hpet = &tables(&memory, rsdp)["HPET"];
    assert_eq!((hpet.len(), u32_at(hpet, 36), hpet[40], u64_at(hpet, 44)), (56, 0x8086_a201, 0, 0xfed0_0000));
}

/// Entries of the MP configuration table by their type.
fn mp_entries(memory: &GuestMemory) -> Vec<Vec<u8>> {
    let pointer = read(memory, 0xf_0000, 16);
    assert_eq!((&pointer[..4], pointer[8], pointer[9], sum(&pointer)), (&b"_MP_"[..], 1, 4, 0));
    let address = u32_at(&pointer, 4).into();
    let table = read(memory, address, usize::from(u16_at(&read(memory, address, 44), 4)));
    assert_eq!((&table[..4], sum(&table), u32_at(&table, 36)), (&b"PCMP"[..], 0, 0xfee0_0000));
    let mut rest = &table[44..];
    let mut entries = Vec::new();
    while let [kind, ..] = rest {
        let (entry, behind) = rest.split_at(if *kind == 0 { 20 } else { 8 });
        entries.push(entry.to_vec());
        rest = behind;
    }
    assert_eq!(entries.len(), usize::from(u16_at(&table, 34)));
    entries
}

#[test]
fn mp_table_says_the_same_as_the_madt() {
    let entries = mp_entries(&written(PC).0);
    let of = |kind: u8| entries.iter().filter(move |entry| entry[0] == kind).collect::<Vec<_>>();
    assert_eq!(of(0).iter().map(|entry| (entry[1], entry[3])).collect::<Vec<_>>(), [(0, 3), (1, 1), (2, 1)]);
    assert_eq!(of(1), [b"\x01\x00ISA   "]);
    assert_eq!(of(2), [&[2, 0, 0x11, 1, 0, 0, 0xc0, 0xfe]]);
    let pins: Vec<_> = of(3).iter().map(|entry| (entry[5], entry[7], entry[2])).collect();
    let expected = (0..16).filter(|irq| *irq != 2).map(|irq| match irq {
        0 => (0, 2, 0),
        9 => (9, 9, 0xd),
        _ => (irq, irq, 0),
    });
    assert_eq!(pins, expected.collect::<Vec<_>>());
    assert_eq!(of(4), [&[4, 3, 0, 0, 0, 0, 0, 0], &[4, 1, 0, 0, 0, 0, 0xff, 1]]);
}

#[test]
fn the_largest_machine_fits_into_the_page() {
    let (page, _) = build(&Machine { nr_vcpus: layout::NR_VCPUS_MAX.into(), ..PC });
    assert!(page.bytes.len() as u64 <= layout::PAGE_SIZE, "{} bytes", page.bytes.len());
    assert_eq!(mp_entries(&written(Machine { nr_vcpus: 64, ..PC }).0).len(), 64 + 1 + 1 + 15 + 2);
}

#[test]
fn memory_that_ends_below_is_an_error() {
    let memory = Template::new::<MemoryError>(layout::MEMORY_MIN, |_| Ok(())).unwrap().instantiate().unwrap();
    assert!(write(&memory, &PC).is_err());
}

#[test]
fn hot_plug_is_told_where_there_is_some() {
    let gpe = |fadt: &[u8]| (u32_at(fadt, 80), fadt[92], u64_at(fadt, 224));
    let (memory, rsdp) = written(Machine { devices: &DEVICES, ..PC });
    let without = tables(&memory, rsdp);
    assert_eq!(gpe(&without["FACP"]), (0, 0, 0));
    let (memory, rsdp) = written(Machine { devices: &[FirmwareDevice::PciHostWithHotPlug], ..PC });
    let with = tables(&memory, rsdp);
    assert_eq!(gpe(&with["FACP"]), (0xafe0, 4, 0xafe0));
    assert!(with.contains_key("MCFG"));
    let count = |dsdt: &[u8], text: &[u8]| dsdt.windows(text.len()).filter(|window| *window == text).count();
    for (name, nr) in [(&b"_E01"[..], 1), (b"_EJ0", 31), (b"S1F_", 2), (b"_SUN", 31)] {
        assert_eq!((count(&without["DSDT"], name), count(&with["DSDT"], name)), (0, nr), "{name:?}");
    }
}

#[test]
fn a_power_button_is_fixed_hardware_where_there_is_any() {
    let flag = |machine: Machine<'_>| {
        let (memory, rsdp) = written(machine);
        u32_at(&tables(&memory, rsdp)["FACP"], 112) >> 4 & 1
    };
    assert_eq!([flag(PC), flag(Machine { has_power: false, ..PC })], [0, 1]);
}

/// Four processors, of which two come later.
const SPARE: Machine<'static> = Machine { nr_vcpus: 2, nr_spare: 2, ..PC };

#[test]
fn processors_that_come_later_are_online_capable() {
    let (memory, rsdp) = written(SPARE);
    let tables = tables(&memory, rsdp);
    let processors: Vec<_> = structures(&tables["APIC"]).into_iter().filter(|structure| structure[0] == 0).collect();
    // Processor UID, APIC id, flags: enabled, or online capable.
    let flags: Vec<_> = processors.iter().map(|entry| (entry[2], entry[3], u32_at(entry, 4))).collect();
    assert_eq!(flags, [(0, 0, 1), (1, 1, 1), (2, 2, 2), (3, 3, 2)]);
    assert_eq!((u32_at(&tables["FACP"], 80), tables["FACP"][92]), (0xafe0, 4), "they have an event");
    let of_mp = mp_entries(&memory);
    assert_eq!(of_mp.iter().filter(|entry| entry[0] == 0).count(), 2);
}

#[test]
fn dsdt_names_processors_where_some_come_later() {
    let (memory, rsdp) = written(SPARE);
    let dsdt = &tables(&memory, rsdp)["DSDT"];
    let count = |dsdt: &[u8], text: &[u8]| dsdt.windows(text.len()).filter(|window| *window == text).count();
    // Each name, and how often; the processors' names stand in their devices and where they are notified.
    for (name, nr) in [(&b"_E02"[..], 1), (b"_EJ0", 2), (b"_OST", 2), (b"_STA", 4), (b"_MAT", 4), (b"ACPI0007", 4)] {
        assert_eq!(count(dsdt, name), nr, "{name:?}");
    }
    for (name, nr) in [(&b"C000"[..], 2), (b"C003", 2), (b"C004", 0)] {
        assert_eq!(count(dsdt, name), nr, "{name:?}");
    }
    // _MAT: Buffer (8) with the structure of the MADT, enabled.
    assert_eq!(count(dsdt, b"_MAT\x11\x0b\x0a\x08\x00\x08\x03\x03\x01\0\0\0"), 1);
    let (memory, rsdp) = written(PC);
    assert_eq!(count(&tables(&memory, rsdp)["DSDT"], b"ACPI0007"), 0);
}

#[test]
fn dsdt_with_processors_can_be_disassembled() {
    let devices = &[FirmwareDevice::PciHostWithHotPlug];
    let (memory, rsdp) = written(Machine { devices, ..SPARE });
    let Some(text) = disassembled(&tables(&memory, rsdp)["DSDT"]) else { return };
    let flat: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let expected = [
        "OperationRegion (CPUR, SystemIO, 0xAF00, 0x0C)",
        "Field (CPUR, ByteAcc, NoLock, WriteAsZeros) { Offset (0x04), ISIN, 1, CAME, 1, GOES, 1, EJCT, 1, Offset (0x05), COMD, 8 }",
        "Field (CPUR, DWordAcc, NoLock, WriteAsZeros) { SELC, 32, Offset (0x08), DATA, 32 }",
        "Method (STAT, 1, Serialized) { Acquire (\\_SB.CPUB.LOCK, 0xFFFF)",
        "If ((\\_SB.CPUB.CAME == One)) { TELL (Local1, One) \\_SB.CPUB.CAME = One Local0 = One }",
        "ElseIf ((\\_SB.CPUB.GOES == One)) { TELL (Local1, 0x03)",
        "If ((Arg0 == 0x03)) { Notify (C003, Arg1) }",
        "Method (_EJ0, 1, Serialized) // _EJx: Eject Device, x=0-9 { EJEC (0x03) }",
        "Method (_E02, 0, NotSerialized) // _Exx: Edge-Triggered GPE, xx=0x00-0xFF { \\_SB.CPUS.SCAN () }",
    ];
    for part in expected {
        assert!(flat.contains(part), "{part} is missing in:\n{text}");
    }
    assert!(!text.contains("Invalid") && !text.contains("Unknown"), "{text}");
}

#[test]
fn tables_of_the_most_processors_that_come_later_fit_into_the_place_of_the_bios() {
    let nr_spare = u32::from(layout::NR_VCPUS_MAX) - 1;
    let devices = &[FirmwareDevice::PciHostWithHotPlug];
    let (page, _) = build(&Machine { nr_vcpus: 1, nr_spare, devices, ..PC });
    assert!(page.bytes.len() as u64 <= layout::LEGACY_HOLE_END - layout::FIRMWARE_TABLES, "{}", page.bytes.len());
}
