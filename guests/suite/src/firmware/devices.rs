//! FADT and HPET table against the devices.

use super::root;
use rt::{acpi::signature, case, check, check_eq, clock, cpu::port, mmio, skip, vocabulary::Needs};

/// The ACPI timer counts at the port that the FADT tells, and has the width that its flag tells: 24 bits leave the rest zero.
#[case(feature = FirmwareTables, spec = [acpi("Fixed ACPI Description Table (FADT)"), acpi("Power Management Timer")],
       needs = Needs::FIRMWARE_TABLES | Needs::PM_TIMER, irqchip = Full)]
fn timer_counts_where_it_is_told() {
    const WIDE: u32 = 1 << 8;
    let Some(fadt) = root().and_then(|root| root.find(signature(*b"FACP"))) else {
        check!("the FADT is found", false);
        return;
    };
    let (address, size) = (fadt.read_u32(76), fadt.read_u8(91));
    check_eq!("size", u64::from(size), 4);
    let first = port::read_u32(address as u16);
    let moves = clock::Deadline::after(50_000).wait(|| port::read_u32(address as u16) != first);
    check!("it counts", moves);
    let wide = fadt.read_u32(112) & WIDE != 0;
    check!("no bits above its width", wide || first >> 24 == 0);
}

/// The PM1 blocks that the FADT tells of answer: SCI_EN is set where there is no command to set it.
#[case(feature = FirmwareTables, spec = [acpi("PM1 Control Registers"), acpi("Legacy/ACPI Select and the SCI Interrupt")],
       needs = Needs::FIRMWARE_TABLES | Needs::PM_TIMER, irqchip = Full)]
fn power_management_is_enabled_or_can_be() {
    const SCI_EN: u16 = 1 << 0;
    let Some(fadt) = root().and_then(|root| root.find(signature(*b"FACP"))) else {
        check!("the FADT is found", false);
        return;
    };
    let (event, control) = (fadt.read_u32(56) as u16, fadt.read_u32(64) as u16);
    check!("there is an event block", event != 0 && fadt.read_u8(88) >= 4);
    check!("there is a control block", control != 0 && fadt.read_u8(89) >= 2);
    let (command_port, command) = (fadt.read_u32(48) as u16, fadt.read_u8(52));
    if port::read_u16(control) & SCI_EN == 0 {
        check!("there is a command that enables it", command_port != 0 && command != 0);
        port::write_u8(command_port, command);
    }
    let enabled = clock::Deadline::after(50_000).wait(|| port::read_u16(control) & SCI_EN != 0);
    check!("SCI_EN", enabled);
}

/// The HPET table tells the address of an HPET whose capabilities are those of the table.
#[case(feature = FirmwareTables, spec = hpet("The ACPI 2.0 HPET Description Table (HPET)"),
       needs = Needs::FIRMWARE_TABLES | Needs::HPET, irqchip = Full)]
fn hpet_is_the_one_that_is_told() {
    let Some(table) = root().and_then(|root| root.find(signature(*b"HPET"))) else {
        check!("the HPET table is found", false);
        return;
    };
    check_eq!("address space: memory", u64::from(table.read_u8(40)), 0);
    let address = table.read_u64(44);
    check_eq!("boundary", address % 0x400, 0);
    let capabilities = mmio::read_u64(address);
    check_eq!("event timer block id", u64::from(table.read_u32(36)), capabilities & 0xffff_ffff);
    let period = capabilities >> 32;
    check!("a period of at most 100 ns", (1..=100_000_000).contains(&period));
}

/// Flags that deny a device are only set where it is missing: no clock, no keyboard controller.
#[case(feature = FirmwareTables, spec = acpi("IA-PC Boot Architecture Flags"), needs = Needs::FIRMWARE_TABLES | Needs::RTC,
       irqchip = Full)]
fn devices_that_are_there_are_not_denied() {
    const NO_RTC: u16 = 1 << 5;
    let Some(fadt) = root().and_then(|root| root.find(signature(*b"FACP"))) else {
        check!("the FADT is found", false);
        return;
    };
    if fadt.read_u8(8) < 3 {
        skip!("the FADT is older than these flags");
        return;
    }
    check!("the clock is not denied", fadt.read_u16(109) & NO_RTC == 0);
}

/// The MADT tells of both 8259s, and the FADT of the keyboard controller, where they are.
#[case(feature = FirmwareTables, spec = [acpi("Multiple APIC Description Table (MADT)"), acpi("IA-PC Boot Architecture Flags")],
       needs = Needs::FIRMWARE_TABLES | Needs::PIC | Needs::I8042, irqchip = Full)]
fn devices_that_are_there_are_told_of() {
    const PCAT_COMPAT: u32 = 1 << 0;
    const KEYBOARD: u16 = 1 << 1;
    let (madt, fadt) = (
        root().and_then(|root| root.find(signature(*b"APIC"))),
        root().and_then(|root| root.find(signature(*b"FACP"))),
    );
    check!("the MADT is found", madt.is_some());
    check!("the FADT is found", fadt.is_some());
    let (Some(madt), Some(fadt)) = (madt, fadt) else { return };
    check_eq!("PCAT_COMPAT", madt.read_u32(40) & PCAT_COMPAT, PCAT_COMPAT);
    if fadt.read_u8(8) >= 3 {
        check_eq!("8042", fadt.read_u16(109) & KEYBOARD, KEYBOARD);
    }
}
