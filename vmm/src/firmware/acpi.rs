//! ACPI tables: RSDP, XSDT, FADT, FACS, MADT, HPET, MCFG; and where the DSDT stands among them.

use super::{ACTIVE_HIGH_LEVEL, ALL_PROCESSORS, Machine, NMI_LINT, PIT_IRQ, PIT_PIN, Page, SCI_IRQ, dsdt};
use crate::{
    bus::FirmwareDevice,
    layout::{pc, pci},
};
use ::platform::rtc::CENTURY;
use acpi_tables::{
    Aml,
    facs::FACS,
    fadt::{FADTBuilder, Flags},
    gas::{AccessSize, AddressSpace, GAS},
    madt::{EnabledStatus, IoApic, ProcessorLocalApic},
    mcfg::MCFG,
    rsdp::Rsdp,
    sdt::Sdt,
    xsdt::XSDT,
};

/// Who says so, in every header.
const OEM_ID: [u8; 6] = *b"VMPROO";
const OEM_TABLE_ID: [u8; 8] = *b"VMPROOF ";
const OEM_REVISION: u32 = 1;
/// Size of a header that all tables but RSDP and FACS start with.
const HEADER_SIZE: u32 = 36;

/// Places all tables; gives the RSDP, which the caller has kept room for.
pub(super) fn place(page: &mut Page, machine: &Machine<'_>) -> Vec<u8> {
    let facs = page.place(&bytes_of(&FACS::new()), 64);
    let dsdt = page.place(table(b"DSDT", 2, &dsdt::body(machine)).as_slice(), 16);
    let fadt = page.place(&bytes_of(&fadt(machine, facs, dsdt)), 16);
    let mut xsdt = XSDT::new(OEM_ID, OEM_TABLE_ID, OEM_REVISION);
    xsdt.add_entry(fadt);
    xsdt.add_entry(page.place(madt(machine).as_slice(), 16));
    if let Some(id) = machine.hpet {
        xsdt.add_entry(page.place(hpet(id).as_slice(), 16));
    }
    let is_host =
        |device: &FirmwareDevice| matches!(device, FirmwareDevice::PciHost | FirmwareDevice::PciHostWithHotPlug);
    if machine.devices.iter().any(is_host) {
        let mut mcfg = MCFG::new(OEM_ID, OEM_TABLE_ID, OEM_REVISION);
        // Segment group 0, bus 0 alone.
        mcfg.add_ecam(pci::MAPPED_CONFIG, 0, 0, 0);
        xsdt.add_entry(page.place(&bytes_of(&mcfg), 16));
    }
    let xsdt = page.place(&bytes_of(&xsdt), 16);
    bytes_of(&Rsdp::new(OEM_ID, xsdt))
}

pub(super) fn bytes_of(table: &dyn Aml) -> Vec<u8> {
    let mut bytes = Vec::new();
    table.to_aml_bytes(&mut bytes);
    bytes
}

fn table(signature: &[u8; 4], revision: u8, body: &[u8]) -> Sdt {
    let mut table = Sdt::new(*signature, HEADER_SIZE, revision, OEM_ID, OEM_TABLE_ID, OEM_REVISION);
    table.append_slice(body);
    table
}

/// Bits of "IA-PC Boot Architecture Flags".
mod boot_architecture {
    pub(super) const LEGACY_DEVICES: u16 = 1 << 0;
    pub(super) const I8042: u16 = 1 << 1;
    pub(super) const NO_VGA: u16 = 1 << 2;
    pub(super) const NO_RTC: u16 = 1 << 5;
}

/// A register block in I/O space.
fn io(port: u16, size_bytes: u8, access: AccessSize) -> GAS {
    GAS::new(AddressSpace::SystemIo, size_bytes * 8, 0, access, port.into())
}

fn fadt(machine: &Machine<'_>, facs: u64, dsdt: u64) -> acpi_tables::fadt::FADT {
    let mut fadt = FADTBuilder::new(OEM_ID, OEM_TABLE_ID, OEM_REVISION)
        .flag(Flags::Wbinvd)
        .flag(Flags::ProcC1)
        // As a control method, of which there is none: there is no such button.
        .flag(Flags::SlpButton)
        .flag(Flags::FixRtc);
    // Below 4 GiB, so that either form does; guests of before ACPI 2.0 read these.
    fadt.firmware_ctrl = (facs as u32).into();
    fadt.dsdt = (dsdt as u32).into();
    fadt.x_dsdt = dsdt.into();
    // More than these says that there is no C2 and no C3.
    fadt.p_lvl2_lat = 101.into();
    fadt.p_lvl3_lat = 1001.into();
    let mut boot_architecture = boot_architecture::LEGACY_DEVICES | boot_architecture::NO_VGA;
    if machine.has_i8042 {
        boot_architecture |= boot_architecture::I8042;
        fadt = fadt.flag(Flags::ResetRegSup);
        fadt.reset_reg = io(pc::I8042 + pc::NR_I8042_PORTS - 1, 1, AccessSize::ByteAccess);
        fadt.reset_value = pc::I8042_RESET;
    }
    match machine.has_rtc {
        true => fadt.century = CENTURY,
        false => boot_architecture |= boot_architecture::NO_RTC,
    }
    fadt.iapc_boot_arch = boot_architecture.into();
    if !machine.has_power {
        fadt = fadt.flag(Flags::PwrButton);
    }
    match (machine.has_power, machine.has_pics) {
        (true, _) => with_power(fadt, machine.has_general_events()),
        // Only this says that there are no such registers, and it says that there are no 8259s.
        (false, false) => fadt.flag(Flags::HwReducedAcpi),
        (false, true) => fadt,
    }
    .finalize()
}

/// The fixed hardware of ACPI, a power button among it.
fn with_power(mut fadt: FADTBuilder, has_general_events: bool) -> FADTBuilder {
    if has_general_events {
        fadt.gpe0_blk = u32::from(pc::GENERAL_EVENTS).into();
        fadt.gpe0_blk_len = pc::GENERAL_EVENTS_SIZE_BYTES;
        fadt.x_gpe0_blk = io(pc::GENERAL_EVENTS, pc::GENERAL_EVENTS_SIZE_BYTES, AccessSize::ByteAccess);
    }
    // Without TMR_VAL_EXT: the timer has 24 bits.
    fadt.sci_int = u16::from(SCI_IRQ).into();
    // No SMI command port: the machine is always in ACPI mode.
    fadt.pm1a_evt_blk = u32::from(pc::PM1_EVENT).into();
    fadt.pm1_evt_len = pc::PM1_EVENT_SIZE_BYTES;
    fadt.x_pm1a_evt_blk = io(pc::PM1_EVENT, pc::PM1_EVENT_SIZE_BYTES, AccessSize::WordAccess);
    fadt.pm1a_cnt_blk = u32::from(pc::PM1_CONTROL).into();
    fadt.pm1_cnt_len = pc::PM1_CONTROL_SIZE_BYTES;
    fadt.x_pm1a_cnt_blk = io(pc::PM1_CONTROL, pc::PM1_CONTROL_SIZE_BYTES, AccessSize::WordAccess);
    fadt.pm_tmr_blk = u32::from(pc::PM_TIMER).into();
    fadt.pm_tmr_len = pc::PM_TIMER_SIZE_BYTES;
    fadt.x_pm_tmr_blk = io(pc::PM_TIMER, pc::PM_TIMER_SIZE_BYTES, AccessSize::DwordAccess);
    fadt
}

/// Types of the MADT's structures, ACPI § "Interrupt Controller Structure Types".
mod structure {
    pub(super) const OVERRIDE: u8 = 2;
    pub(super) const LOCAL_APIC_NMI: u8 = 4;
    pub(super) const LOCAL_X2APIC: u8 = 9;
}

/// PCAT_COMPAT: there are 8259s, to be masked by who uses the I/O APIC.
const PCAT_COMPAT: u32 = 1 << 0;

fn madt(machine: &Machine<'_>) -> Sdt {
    let mut body = Vec::new();
    body.extend_from_slice(&pc::LOCAL_APIC.to_le_bytes());
    body.extend_from_slice(&(if machine.has_pics { PCAT_COMPAT } else { 0 }).to_le_bytes());
    (0..machine.nr_vcpus).for_each(|id| processor(id, EnabledStatus::Enabled, &mut body));
    let spare = machine.nr_vcpus..machine.nr_vcpus + machine.nr_spare;
    spare.for_each(|id| processor(id, EnabledStatus::DisabledOnlineCapable, &mut body));
    if machine.io_apic.is_some() {
        body.extend_from_slice(&bytes_of(&IoApic::new(pc::IO_APIC_ID, pc::IO_APIC, 0)));
        interrupt_override(PIT_IRQ, PIT_PIN, 0, &mut body);
        interrupt_override(SCI_IRQ, SCI_IRQ, ACTIVE_HIGH_LEVEL, &mut body);
    }
    // Flags 0: as the bus has it, which an NMI does not care for.
    body.extend_from_slice(&[structure::LOCAL_APIC_NMI, 6, ALL_PROCESSORS, 0, 0, NMI_LINT]);
    table(b"APIC", 5, &body)
}

/// A processor: by a local x2APIC structure where its id does not fit into the other ("Processor Local x2APIC Structure").
pub(super) fn processor(id: u32, status: EnabledStatus, body: &mut Vec<u8>) {
    match u8::try_from(id) {
        Ok(id) if id != ALL_PROCESSORS => {
            body.extend_from_slice(&bytes_of(&ProcessorLocalApic::new(id, id, status)));
        }
        _ => {
            body.extend_from_slice(&[structure::LOCAL_X2APIC, 16, 0, 0]);
            for word in [id, status as u32, id] {
                body.extend_from_slice(&word.to_le_bytes());
            }
        }
    }
}

fn interrupt_override(irq: u8, pin: u8, flags: u16, body: &mut Vec<u8>) {
    // Bus 0 is ISA.
    body.extend_from_slice(&[structure::OVERRIDE, 10, 0, irq]);
    body.extend_from_slice(&u32::from(pin).to_le_bytes());
    body.extend_from_slice(&flags.to_le_bytes());
}

/// The shortest period in ticks that a guest should program in periodic mode.
const HPET_MIN_TICKS: u16 = 0x80;

fn hpet(id: u32) -> Sdt {
    let mut body = id.to_le_bytes().to_vec();
    body.extend_from_slice(&bytes_of(&GAS::new(
        AddressSpace::SystemMemory,
        64,
        0,
        AccessSize::Undefined,
        u64::from(pc::HPET),
    )));
    // The HPET's number, the shortest period, no guarantee for the page.
    body.push(0);
    body.extend_from_slice(&HPET_MIN_TICKS.to_le_bytes());
    body.push(0);
    table(b"HPET", 1, &body)
}
