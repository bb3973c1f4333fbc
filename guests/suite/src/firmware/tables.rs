//! The tables' own form: signatures, sizes, sums, places.

use super::root;
use rt::{
    acpi::{self, HEADER_SIZE, ROOT_SIGNATURE, Table, signature, sum},
    case, check, check_count, check_eq, mmio, note, user,
    vocabulary::Needs,
};

/// Sums a range at CPL 3, where it is fast; 1 if that fails.
fn sum_fast(address: u64, size: u64) -> u8 {
    let mut result = 1;
    let _ = user::run(|| result = sum(address, size));
    result
}

/// The RSDP stands where PCs have it, with the sums that its revision wants.
#[case(feature = FirmwareTables, spec = [acpi("Finding the RSDP on IA-PC Systems"), acpi("Root System Description Pointer (RSDP) Structure")],
       needs = Needs::FIRMWARE_TABLES, irqchip = Full)]
fn root_pointer_is_found_and_sums_to_zero() {
    let Some(root) = root() else {
        check!("the RSDP is found", false);
        return;
    };
    note!("address", root.address);
    note!("revision", root.revision);
    check_eq!("signature", mmio::read_u64(root.address), ROOT_SIGNATURE);
    check!("revision 0 or 2", matches!(root.revision, 0 | 2));
    check_eq!("sum of its first 20 bytes", u64::from(sum_fast(root.address, 20)), 0);
    check!("size", if root.revision == 0 { root.size == 20 } else { root.size >= 36 });
    check_eq!("sum of all", u64::from(sum_fast(root.address, root.size)), 0);
    check!("there is a root table", root.xsdt != 0 || root.rsdt != 0);
}

/// Root table and all that it leads to have a header, a size and bytes that sum to zero.
#[case(feature = FirmwareTables, spec = acpi("System Description Table Header"), needs = Needs::FIRMWARE_TABLES,
       irqchip = Full)]
fn every_table_sums_to_zero() {
    let Some(root) = root() else {
        check!("the RSDP is found", false);
        return;
    };
    for (row, at) in [root.rsdt, root.xsdt].into_iter().enumerate().filter(|(_, at)| *at != 0) {
        let expected = if row == 0 { *b"RSDT" } else { *b"XSDT" };
        check_eq!(
            "signature of a root table",
            [&[]; row],
            u64::from(Table(at).signature()),
            u64::from(signature(expected))
        );
        check_eq!("sum of a root table", [&[]; row], u64::from(sum_fast(at, Table(at).size())), 0);
    }
    let mut nr_tables = 0;
    for (row, at) in root.tables().enumerate() {
        let table = Table(at);
        check!("address", [&[]; row], at != 0);
        check!("size", [&[]; row], (HEADER_SIZE..acpi::TABLE_SIZE_MAX).contains(&table.size()));
        let letters = table.signature().to_le_bytes();
        let is_signature = letters.iter().all(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit());
        check!("signature", [&[]; row], is_signature);
        check_eq!("sum", [&[]; row], u64::from(sum_fast(at, table.size())), 0);
        nr_tables += 1;
    }
    check!("there are tables", nr_tables > 0);
}

/// No table stands in the root table twice, but those that may (SSDT, and tables that vendors add).
#[case(feature = FirmwareTables, spec = acpi("Extended System Description Table (XSDT)"), needs = Needs::FIRMWARE_TABLES,
       irqchip = Full)]
fn each_table_stands_once() {
    let Some(root) = root() else {
        check!("the RSDP is found", false);
        return;
    };
    for (row, letters) in [*b"FACP", *b"APIC", *b"HPET", *b"MCFG", *b"SRAT"].into_iter().enumerate() {
        let wanted = signature(letters);
        let count = root.tables().filter(|&at| Table(at).signature() == wanted).count();
        check!("at most once", [&[]; row], count <= 1);
    }
    check_count!("FADT", root.tables().filter(|&at| Table(at).signature() == signature(*b"FACP")).count(), 1);
}

/// The FADT leads to a FACS on a 64-byte boundary and to a DSDT, which sums to zero.
#[case(feature = FirmwareTables, spec = [acpi("Fixed ACPI Description Table (FADT)"), acpi("Firmware ACPI Control Structure (FACS)")],
       needs = Needs::FIRMWARE_TABLES, irqchip = Full)]
fn fadt_leads_to_facs_and_dsdt() {
    let Some(fadt) = root().and_then(|root| root.find(signature(*b"FACP"))) else {
        check!("the FADT is found", false);
        return;
    };
    let either = |long: u64, short: u64| match fadt.read_u64(long) {
        0 => u64::from(fadt.read_u32(short)),
        address => address,
    };
    let (facs, dsdt) = (either(132, 36), either(140, 40));
    check!("there is a FACS", facs != 0);
    check_eq!("its boundary", facs % 64, 0);
    check_eq!("its signature", u64::from(mmio::read_u32(facs)), u64::from(signature(*b"FACS")));
    check!("its size", mmio::read_u32(facs + 4) >= 64);
    check_eq!("signature of the DSDT", u64::from(Table(dsdt).signature()), u64::from(signature(*b"DSDT")));
    check_eq!("sum of the DSDT", u64::from(sum_fast(dsdt, Table(dsdt).size())), 0);
}
