//! What firmware would leave in memory for the guest: ACPI tables and the MP configuration table; or, for firmware that is there, the
//! files that it makes them of.
//!
//! All of it begins at [`layout::FIRMWARE_TABLES`], and is one page unless there is a PCI host, so that a VM that asks for it
//! copies one page more. Only what the VM has is told; devices on PCI are found by looking, and not told in the MP table.
//!
//! Sources: ACPI specification 6.5; IA-PC HPET specification 1.0a, § "The ACPI 2.0 HPET Description Table (HPET)"; Intel
//! MultiProcessor specification 1.4.

mod acpi;
pub(crate) mod cmos;
mod dsdt;
mod event;
mod hot_plug;
mod loader;
mod mp;
mod processors;

pub(crate) use loader::files;

use crate::{
    bus::FirmwareDevice,
    layout,
    memory::{GuestMemory, OutsideMemory},
};

/// What the tables tell of a VM.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Machine<'a> {
    /// APIC ids are 0 to this, exclusively.
    pub(crate) nr_vcpus: u32,
    /// How many processors with the next ids may come later.
    pub(crate) nr_spare: u32,
    /// The version of the I/O APIC, if there is one.
    pub(crate) io_apic: Option<u8>,
    /// Whether there are the two 8259s.
    pub(crate) has_pics: bool,
    /// Whether there is an HPET, and its ID in the table: the low half of its capabilities register.
    pub(crate) hpet: Option<u32>,
    /// Whether there is a real-time clock.
    pub(crate) has_rtc: bool,
    /// Whether there are the PM1 registers and the PM timer.
    pub(crate) has_power: bool,
    /// Whether there is a keyboard controller.
    pub(crate) has_i8042: bool,
    /// Which devices there are that have to be told of.
    pub(crate) devices: &'a [FirmwareDevice],
}

impl Machine<'_> {
    /// Whether ACPI is told of what comes and goes.
    fn has_general_events(&self) -> bool {
        self.nr_spare > 0 || self.devices.contains(&FirmwareDevice::PciHostWithHotPlug)
    }
}

/// ISA interrupt whose I/O APIC pin is another: the PIT's goes to pin 2.
pub(crate) const PIT_IRQ: u8 = 0;
/// That pin.
pub(crate) const PIT_PIN: u8 = 2;
/// The system control interrupt of ACPI, on the pin of the same number.
pub(crate) const SCI_IRQ: u8 = 9;
/// Flags of an interrupt that is active high and level-triggered; the same in ACPI ("MPS INTI Flags") and in the MP
/// configuration table.
const ACTIVE_HIGH_LEVEL: u16 = 0b11_01;
/// How many interrupts the ISA bus has.
const NR_ISA_IRQS: u8 = 16;
/// All processors, in ACPI and in the MP configuration table.
const ALL_PROCESSORS: u8 = 0xff;
/// The local APIC's pin that NMIs come in at.
const NMI_LINT: u8 = 1;

/// Grows a page of tables.
struct Page {
    /// Where it will be.
    base: u64,
    bytes: Vec<u8>,
}

impl Page {
    /// Places `table` behind what is there, on a multiple of `alignment`, and gives its address.
    fn place(&mut self, table: &[u8], alignment: usize) -> u64 {
        self.bytes.resize(self.bytes.len().next_multiple_of(alignment), 0);
        let address = self.base + self.bytes.len() as u64;
        self.bytes.extend_from_slice(table);
        address
    }
}

/// Writes the tables and gives the address of the RSDP.
pub(crate) fn write(memory: &GuestMemory, machine: &Machine<'_>) -> Result<u64, OutsideMemory> {
    let (page, rsdp) = build(machine);
    memory.write(layout::FIRMWARE_TABLES, &page.bytes)?;
    Ok(rsdp)
}

fn build(machine: &Machine<'_>) -> (Page, u64) {
    // Searched for on 16-byte boundaries: the floating pointer, then the RSDP. Both hold addresses of what follows.
    let rsdp_offset = size_of::<[u8; mp::FLOATING_POINTER_SIZE]>();
    let mut page = Page { base: layout::FIRMWARE_TABLES, bytes: vec![0; rsdp_offset + acpi_tables::rsdp::Rsdp::len()] };
    let rsdp = acpi::place(&mut page, machine);
    let configuration = page.place(&mp::configuration_table(machine), 16);
    let pointer = mp::floating_pointer(configuration as u32);
    page.bytes[..pointer.len()].copy_from_slice(&pointer);
    page.bytes[rsdp_offset..][..rsdp.len()].copy_from_slice(&rsdp);
    (page, layout::FIRMWARE_TABLES + rsdp_offset as u64)
}

#[cfg(test)]
mod tests;
