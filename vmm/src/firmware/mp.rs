//! The MP floating pointer structure and the MP configuration table.
//!
//! Source: Intel MultiProcessor specification 1.4, chapter 4 "MP Configuration Table".

use super::{ACTIVE_HIGH_LEVEL, ALL_PROCESSORS, Machine, NMI_LINT, NR_ISA_IRQS, PIT_IRQ, PIT_PIN, SCI_IRQ};
use crate::layout::pc;

/// Size of the floating pointer structure in bytes.
pub(super) const FLOATING_POINTER_SIZE: usize = 16;
/// Version 1.4.
const REVISION: u8 = 4;
/// What the version registers of integrated local APICs say.
const LOCAL_APIC_VERSION: u8 = 0x14;
/// Size of the header in bytes.
const HEADER_SIZE: usize = 44;
/// The only bus.
const ISA_BUS: u8 = 0;
/// The interrupt that the second 8259 comes in at, which no device has.
const CASCADE_IRQ: u8 = 2;

/// Types of entries.
mod entry {
    pub(super) const PROCESSOR: u8 = 0;
    pub(super) const BUS: u8 = 1;
    pub(super) const IO_APIC: u8 = 2;
    pub(super) const IO_INTERRUPT: u8 = 3;
    pub(super) const LOCAL_INTERRUPT: u8 = 4;
}

/// Types of interrupts.
mod interrupt {
    pub(super) const INT: u8 = 0;
    pub(super) const NMI: u8 = 1;
    pub(super) const EXT_INT: u8 = 3;
}

/// Flags of a processor.
const ENABLED: u8 = 1 << 0;
const BOOTSTRAP: u8 = 1 << 1;

/// What makes all bytes sum to zero.
fn checksum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)).wrapping_neg()
}

pub(super) fn floating_pointer(configuration: u32) -> [u8; FLOATING_POINTER_SIZE] {
    let mut bytes = [0; FLOATING_POINTER_SIZE];
    bytes[..4].copy_from_slice(b"_MP_");
    bytes[4..8].copy_from_slice(&configuration.to_le_bytes());
    // The length in paragraphs; the feature bytes stay 0: there is a table, and no IMCR, because the 8259s are wired to
    // the processor ("Virtual Wire Mode").
    (bytes[8], bytes[9]) = (1, REVISION);
    bytes[10] = checksum(&bytes);
    bytes
}

pub(super) fn configuration_table(machine: &Machine<'_>) -> Vec<u8> {
    let mut entries: Vec<Vec<u8>> = Vec::new();
    // Ids that do not fit have no place in this table; 255 addresses all.
    for id in (0..ALL_PROCESSORS).take(machine.nr_vcpus as usize) {
        let flags = if id == 0 { ENABLED | BOOTSTRAP } else { ENABLED };
        let mut processor = vec![entry::PROCESSOR, id, LOCAL_APIC_VERSION, flags];
        // Signature and features, which guests take from CPUID, and a reserved field.
        processor.resize(20, 0);
        entries.push(processor);
    }
    entries.push([&[entry::BUS, ISA_BUS], &b"ISA   "[..]].concat());
    if let Some(version) = machine.io_apic {
        let address = pc::IO_APIC.to_le_bytes();
        entries.push([&[entry::IO_APIC, pc::IO_APIC_ID, version, ENABLED], &address[..]].concat());
        entries.extend((0..NR_ISA_IRQS).filter(|irq| *irq != CASCADE_IRQ).map(|irq| {
            let pin = if irq == PIT_IRQ { PIT_PIN } else { irq };
            let flags = if irq == SCI_IRQ { ACTIVE_HIGH_LEVEL } else { 0 };
            interrupt(entry::IO_INTERRUPT, interrupt::INT, flags, irq, pc::IO_APIC_ID, pin)
        }));
    }
    if machine.has_pics {
        entries.push(interrupt(entry::LOCAL_INTERRUPT, interrupt::EXT_INT, 0, 0, 0, 0));
    }
    entries.push(interrupt(entry::LOCAL_INTERRUPT, interrupt::NMI, 0, 0, ALL_PROCESSORS, NMI_LINT));

    let size = HEADER_SIZE + entries.iter().map(Vec::len).sum::<usize>();
    let mut table = b"PCMP".to_vec();
    table.extend_from_slice(&(size as u16).to_le_bytes());
    table.extend_from_slice(&[REVISION, 0]);
    table.extend_from_slice(b"VMPROOF ");
    table.extend_from_slice(b"VMM         ");
    // No table of the OEM: address and size.
    table.extend_from_slice(&[0; 6]);
    table.extend_from_slice(&(entries.len() as u16).to_le_bytes());
    table.extend_from_slice(&pc::LOCAL_APIC.to_le_bytes());
    // No extended entries: length, checksum, reserved.
    table.extend_from_slice(&[0; 4]);
    table.extend(entries.concat());
    table[7] = checksum(&table);
    table
}

fn interrupt(entry: u8, kind: u8, flags: u16, irq: u8, destination: u8, pin: u8) -> Vec<u8> {
    let [low, high] = flags.to_le_bytes();
    vec![entry, kind, low, high, ISA_BUS, irq, destination, pin]
}
