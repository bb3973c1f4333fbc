//! ACPI tables as firmware wants them: files of fw_cfg, and the script by which it places them where it likes.
//!
//! Addresses in the files are offsets within the file that they lead to; the script says which file goes into what kind of memory,
//! where an address is to be added, and which sums have to be made then.
//!
//! Sources: QEMU, "hw/acpi/bios-linker-loader.c", whose commands SeaBIOS ("src/fw/romfile_loader.h") and OVMF
//! ("OvmfPkg/AcpiPlatformDxe/QemuLoader.h") execute; ACPI specification 6.5, § "Root System Description Pointer (RSDP)",
//! § "Extended System Description Table (XSDT)" and § "Fixed ACPI Description Table (FADT)".

use super::{Machine, Page, acpi};

/// Names of the files.
const TABLES: &str = "etc/acpi/tables";
const RSDP: &str = "etc/acpi/rsdp";
const SCRIPT: &str = "etc/table-loader";

/// Size of a command and of a name in it, in bytes.
const COMMAND_BYTES: usize = 128;
const NAME_BYTES: usize = 56;

/// Numbers of commands.
mod command {
    pub(super) const ALLOCATE: u32 = 1;
    pub(super) const ADD_POINTER: u32 = 2;
    pub(super) const ADD_CHECKSUM: u32 = 3;
}

/// Kinds of memory: anywhere, and where guests search for the root pointer.
const HIGH: u8 = 1;
const F_SEGMENT: u8 = 2;
/// The FACS is to stand on a multiple of this, and the tables begin with it.
const TABLES_ALIGNMENT: u32 = 64;
const RSDP_ALIGNMENT: u32 = 16;

/// Offsets in every table: its length and its sum; and the size of the header.
const LENGTH: usize = 4;
const SUM: usize = 9;
const HEADER_SIZE: usize = 36;
/// Offset and size of addresses in the FADT: of the FACS, and twice of the DSDT.
const FADT_POINTERS: [(usize, u8); 3] = [(36, 4), (40, 4), (140, 8)];
/// The address of the XSDT in the RSDP.
const RSDP_POINTER: (usize, u8) = (24, 8);
/// Its sums: where each stands, and how many bytes from the start on it covers.
const RSDP_SUMS: [(usize, usize); 2] = [(8, 20), (32, 36)];

/// The files by name.
pub(crate) fn files(machine: &Machine<'_>) -> [(&'static str, Vec<u8>); 3] {
    let mut page = Page { base: 0, bytes: Vec::new() };
    let mut rsdp = acpi::place(&mut page, machine);
    let mut tables = page.bytes;
    let mut script = Script::default();
    script.allocate(TABLES, TABLES_ALIGNMENT, HIGH);
    script.allocate(RSDP, RSDP_ALIGNMENT, F_SEGMENT);

    let xsdt = value(&rsdp, RSDP_POINTER.0, 8);
    let end = xsdt + value(&tables, xsdt + LENGTH, 4);
    let entries: Vec<usize> = (xsdt + HEADER_SIZE..end).step_by(8).collect();
    let fadts = entries.iter().map(|entry| value(&tables, *entry, 8));
    let fadt = fadts.into_iter().find(|at| tables.get(*at..at + 4) == Some(b"FACP"));
    for (offset, size) in fadt.into_iter().flat_map(|fadt| FADT_POINTERS.map(|(at, size)| (fadt + at, size))) {
        script.add_pointer(TABLES, offset, size);
    }
    for entry in entries {
        script.add_pointer(TABLES, entry, 8);
    }
    script.add_pointer(RSDP, RSDP_POINTER.0, RSDP_POINTER.1);
    // One byte of each sum depends on the others: it has to be zero until then.
    for at in fadt.into_iter().chain([xsdt]) {
        let length = value(&tables, at + LENGTH, 4);
        tables[at + SUM] = 0;
        script.add_checksum(TABLES, at + SUM, at, length);
    }
    for (at, _) in RSDP_SUMS {
        rsdp[at] = 0;
    }
    for (at, length) in RSDP_SUMS {
        script.add_checksum(RSDP, at, 0, length);
    }
    [(TABLES, tables), (RSDP, rsdp), (SCRIPT, script.bytes)]
}

/// The little-endian number of so many bytes; all of them are of tables made here.
fn value(bytes: &[u8], at: usize, size: usize) -> usize {
    bytes[at..at + size].iter().rev().fold(0, |value, byte| value << 8 | usize::from(*byte))
}

#[derive(Default)]
struct Script {
    bytes: Vec<u8>,
}

impl Script {
    fn allocate(&mut self, file: &str, alignment: u32, zone: u8) {
        self.command(command::ALLOCATE, &[file], &[&alignment.to_le_bytes(), &[zone]]);
    }

    /// Adds the address of the tables to what stands in `file` at `offset`.
    fn add_pointer(&mut self, file: &str, offset: usize, size: u8) {
        self.command(command::ADD_POINTER, &[file, TABLES], &[&(offset as u32).to_le_bytes(), &[size]]);
    }

    /// Makes the sum of so many bytes from `start` on, and puts what is missing to zero at `offset`.
    fn add_checksum(&mut self, file: &str, offset: usize, start: usize, length: usize) {
        let numbers = [offset, start, length].map(|number| (number as u32).to_le_bytes());
        self.command(command::ADD_CHECKSUM, &[file], &[&numbers.concat()]);
    }

    fn command(&mut self, number: u32, names: &[&str], rest: &[&[u8]]) {
        let start = self.bytes.len();
        self.bytes.extend(number.to_le_bytes());
        for name in names {
            let end = self.bytes.len() + NAME_BYTES;
            self.bytes.extend(name.bytes());
            self.bytes.resize(end, 0);
        }
        self.bytes.extend(rest.concat());
        self.bytes.resize(start + COMMAND_BYTES, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::FirmwareDevice;

    const MACHINE: Machine<'_> = Machine {
        nr_vcpus: 2,
        nr_spare: 0,
        io_apic: Some(0x20),
        has_pics: true,
        hpet: Some(1),
        has_rtc: true,
        has_power: true,
        has_i8042: true,
        devices: &[FirmwareDevice::PciHost],
    };

    /// What firmware does: places both files and executes the script. Gives memory, and where the RSDP is.
    fn executed(machine: &Machine<'_>) -> (Vec<u8>, usize) {
        let [(_, tables), (_, rsdp), (_, script)] = files(machine);
        let (tables_at, rsdp_at) = (0x1_2340_usize.next_multiple_of(64), 0x1000);
        let mut memory = vec![0; 0x4_0000];
        memory[tables_at..][..tables.len()].copy_from_slice(&tables);
        memory[rsdp_at..][..rsdp.len()].copy_from_slice(&rsdp);
        let place = |name: &[u8]| match name.split(|byte| *byte == 0).next() {
            Some(name) if name == TABLES.as_bytes() => tables_at,
            Some(name) if name == RSDP.as_bytes() => rsdp_at,
            other => panic!("{other:?} is no file that was told of"),
        };
        for step in script.chunks(COMMAND_BYTES) {
            let file = place(&step[4..60]);
            match value(step, 0, 4) as u32 {
                command::ALLOCATE => {
                    assert_eq!(file % value(step, 60, 4), 0);
                    assert_eq!(step[64], if file == rsdp_at { F_SEGMENT } else { HIGH });
                }
                command::ADD_POINTER => {
                    let (at, size) = (file + value(step, 116, 4), usize::from(step[120]));
                    let target = value(&memory, at, size);
                    assert!(target < tables.len(), "{target:#x} is not within its file");
                    let address = (target + place(&step[60..116])).to_le_bytes();
                    memory[at..at + size].copy_from_slice(&address[..size]);
                }
                command::ADD_CHECKSUM => {
                    let [at, start, length] = [60, 64, 68].map(|offset| value(step, offset, 4));
                    assert_eq!(memory[file + at], 0);
                    let sum = memory[file + start..][..length].iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
                    memory[file + at] = sum.wrapping_neg();
                }
                other => panic!("{other} is no command"),
            }
        }
        (memory, rsdp_at)
    }

    #[test]
    fn tables_lead_to_each_other_wherever_firmware_places_them() {
        let (memory, rsdp) = executed(&MACHINE);
        let sums_to_zero = |at: usize, length: usize| {
            assert_eq!(memory[at..at + length].iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)), 0, "{at:#x}");
        };
        assert_eq!(&memory[rsdp..rsdp + 8], b"RSD PTR ");
        sums_to_zero(rsdp, 20);
        sums_to_zero(rsdp, 36);
        let table = |at: usize| {
            let length = value(&memory, at + LENGTH, 4);
            sums_to_zero(at, length);
            (memory[at..at + 4].to_vec(), length)
        };
        let xsdt = value(&memory, rsdp + 24, 8);
        let (name, length) = table(xsdt);
        assert_eq!(name, b"XSDT");
        let entries: Vec<_> = (HEADER_SIZE..length).step_by(8).map(|at| value(&memory, xsdt + at, 8)).collect();
        let names: Vec<_> = entries.iter().map(|at| table(*at).0).collect();
        assert_eq!(names, [b"FACP", b"APIC", b"HPET", b"MCFG"]);
        let fadt = entries[0];
        let facs = value(&memory, fadt + 36, 4);
        assert_eq!((&memory[facs..facs + 4], facs % 64), (&b"FACS"[..], 0));
        for (at, size) in [(40, 4), (140, 8)] {
            assert_eq!(table(value(&memory, fadt + at, size)).0, b"DSDT");
        }
    }
}
