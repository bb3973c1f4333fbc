//! Makes the accesses that the model tells of, and reports them beside what the model expects.

use super::{
    model::{
        Access, Field, Group, Kind, Reset, Row, Rule, canonical, read_completes, rule, takes_type, write_completes,
    },
    rows::{ROWS, msrs},
};
use crate::cpuid::bit::{Processor, Vendor};
use case::{Site, Text};
use rt::{
    Outcome, check_eq, check_outcome,
    cpu::{
        cpuid::read_leaf,
        msr::{self, With},
    },
    instruction,
    report::check,
    user, user_code,
};

/// The processor that this code runs on.
pub(super) struct Guest;

impl Processor for Guest {
    fn leaf(&self, leaf: u32, subleaf: u32) -> [u32; 4] {
        let leaf = read_leaf(leaf, subleaf);
        [leaf.eax, leaf.ebx, leaf.ecx, leaf.edx]
    }

    fn msr(&self, number: u32) -> u64 {
        msr::read(number).unwrap_or(0)
    }
}

/// The checks of one row: each has a site of its own, so that its id names the MSR, and the bit is the row.
struct Sites {
    faults: &'static Site,
    reads: &'static Site,
    low: &'static Site,
    high: &'static Site,
    types: &'static Site,
}

macro_rules! sites {
    ($($name:ident $number:literal, $group:expr, $exists:expr, $absence:expr, $access:expr, $reset:expr, $fields:expr;)*) => {
        static SITES: &[Sites] = &[$(Sites {
            faults: rt::site!(concat!(stringify!($name), ": setting bit"), &[], Outcome),
            reads: rt::site!(concat!(stringify!($name), ": read-back of the other value of bit"), &[], Hex),
            low: rt::site!(concat!(stringify!($name), ": address of one bit"), &[], Hex),
            high: rt::site!(concat!(stringify!($name), ": address of all bits from"), &[], Hex),
            types: rt::site!(concat!(stringify!($name), ": type"), TYPE_NAMES, Outcome),
        }),*];
    };
}
msrs!(sites);

const NAMES: &[Text] = &{
    let mut names = [Text::EMPTY; ROWS.len()];
    let mut index = 0;
    while index < names.len() {
        names[index] = Text::new(ROWS[index].name);
        index += 1;
    }
    names
};

/// The memory types that are tried.
const TYPES: [u8; 13] = [0, 1, 4, 5, 6, 7, 2, 3, 8, 0x10, 0x20, 0x40, 0x80];

macro_rules! type_names {
    ($($byte:literal)*) => {
        const TYPE_NAMES: &[Text] = &[$(
            Text::new(concat!("00 in byte ", $byte)), Text::new(concat!("01 in byte ", $byte)),
            Text::new(concat!("04 in byte ", $byte)), Text::new(concat!("05 in byte ", $byte)),
            Text::new(concat!("06 in byte ", $byte)), Text::new(concat!("07 in byte ", $byte)),
            Text::new(concat!("02 in byte ", $byte)), Text::new(concat!("03 in byte ", $byte)),
            Text::new(concat!("08 in byte ", $byte)), Text::new(concat!("10 in byte ", $byte)),
            Text::new(concat!("20 in byte ", $byte)), Text::new(concat!("40 in byte ", $byte)),
            Text::new(concat!("80 in byte ", $byte)),
        )*];
    };
}
type_names!(0 1 2 3 4 5 6 7);

/// The rows of a group that exist here, with their index.
fn rows(group: Group) -> impl Iterator<Item = (usize, &'static Row)> {
    ROWS.iter().enumerate().filter(move |(_, row)| row.group == group)
}

fn outcome(completes: bool) -> Outcome {
    if completes { Outcome::COMPLETED } else { Outcome::GP }
}

/// Existence: RDMSR, and WRMSR of what was read. Then ECX's upper half and the upper halves of RAX and RDX, and the reset
/// value.
pub(super) fn check_accesses(group: Group) {
    for (index, row) in rows(group) {
        let exists = row.exists.holds(&Guest);
        let value = msr::read(row.number);
        if let Some(completes) = read_completes(row, exists) {
            check_outcome!("RDMSR", [NAMES; index], value, outcome(completes));
        }
        if let (Ok(value), Reset::Value(reset), true) = (value, row.reset, exists) {
            check_eq!("at first", [NAMES; index], value, reset);
        }
        if let Some(completes) = write_completes(row, exists) {
            let result = msr::write(row.number, value.unwrap_or(0));
            check_outcome!("WRMSR", [NAMES; index], result, outcome(completes));
        }
        if exists && row.access != Access::WriteOnly && value.is_ok() {
            let (mut rax, mut rdx) = (u64::MAX, u64::MAX);
            let result = instruction!("rdmsr", in("rcx") u64::from(row.number) | 0xffff_ffff << 32,
                                      inout("rax") u64::MAX => rax, inout("rdx") u64::MAX => rdx);
            check_outcome!("RDMSR with bits 63 to 32 of RCX set", [NAMES; index], result, Outcome::COMPLETED);
            check_eq!("bits 63 to 32 of RAX and RDX", [NAMES; index], (rax | rdx) >> 32, 0);
        }
    }
}

user_code!(rdmsr: "mov rcx, rdi", "rdmsr", "ret");
user_code!(wrmsr: "mov rcx, rdi", "xor eax, eax", "xor edx, edx", "wrmsr", "ret");

/// At CPL 3 every access raises #GP(0), whether the MSR exists or not.
pub(super) fn check_privilege(write: bool) {
    for (index, row) in ROWS.iter().enumerate() {
        let number = u64::from(row.number);
        if write {
            check_outcome!("WRMSR at CPL 3", [NAMES; index], user::call(wrmsr, number), Outcome::GP);
        } else {
            check_outcome!("RDMSR at CPL 3", [NAMES; index], user::call(rdmsr, number), Outcome::GP);
        }
    }
}

/// Which half of a row's bits a case tries: a case may take no longer than its subject's limit.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Bits that are writable, read as zero, or are part of an address or of a type.
    Values,
    /// Bits whose setting raises #GP(0), and that such a write changes nothing.
    Faults,
}

/// Every bit of the rows that exist; a skip if there is none to try.
pub(super) fn check_bits(group: Group, part: Part) {
    let mut nr_tried = 0;
    for (index, row) in rows(group) {
        if row.access == Access::ReadOnly || !row.exists.holds(&Guest) {
            continue;
        }
        // A valid variable range would change memory types while it is tried.
        let is_range = matches!(group, Group::VariableRanges | Group::UpperVariableRanges);
        let invalid = is_range.then(|| With::value(row.number | 1, 0));
        let before = msr::read(row.number).unwrap_or(0);
        let mut nr_faults = 0;
        for field in row.fields {
            let nr = check_field(index, row, field, part, before);
            nr_tried += nr;
            nr_faults += if part == Part::Faults { nr } else { 0 };
        }
        if nr_faults != 0 && row.access == Access::ReadWrite {
            check_eq!(
                "unchanged by writes that fault",
                [NAMES; index],
                msr::read(row.number).unwrap_or(!before),
                before
            );
        }
        if row.access == Access::ReadWrite {
            // What stood there before; a subject that refuses it shows so in `check_accesses`.
            let _ = msr::write(row.number, before);
        }
        drop(invalid);
    }
    if nr_tried == 0 {
        rt::skip!("none of these MSRs exists here with a bit to try");
    }
}

/// Returns how many checks it made.
fn check_field(index: usize, row: &Row, field: &Field, part: Part, before: u64) -> u32 {
    let sites = &SITES[index];
    let is_by_bit = matches!(field.kind, Kind::Physical | Kind::SupervisorStates | Kind::DisableStates);
    let mut rule_now = rule(field, field.low, &Guest);
    if let (Kind::Types(_), Rule::Whole, Part::Values) = (field.kind, rule_now, part) {
        return check_types(index, row, field, before);
    }
    let linear_bits = if rule_now == Rule::Whole { Guest.linear_bits() } else { 0 };
    let mut nr_checks = 0;
    for number in field.low..=field.high {
        if is_by_bit {
            rule_now = rule(field, number, &Guest);
        }
        let bit = 1 << number;
        match (rule_now, part) {
            (Rule::Faults, Part::Faults) => {
                // Setting a bit that is reserved; for one that must keep its value, the other value.
                let value = if matches!(field.kind, Kind::Fixed) { before ^ bit } else { before | bit };
                let result: Outcome = msr::write(row.number, value).into();
                check(sites.faults, number.into(), result.0, Outcome::GP.0);
            }
            (Rule::Writable, Part::Values) => {
                report_read_back(sites.reads, number, row.number, before ^ bit, before ^ bit);
            }
            (Rule::Completes, Part::Values) => {
                let result: Outcome = msr::write(row.number, bit).into();
                check(sites.faults, number.into(), result.0, Outcome::COMPLETED.0);
            }
            (Rule::Whole, Part::Values) if !matches!(field.kind, Kind::Types(_)) => {
                for (site, address) in [(sites.low, bit), (sites.high, u64::MAX << number)] {
                    let expected = if canonical(address, linear_bits) { address } else { Outcome::GP.0 };
                    report_read_back(site, number, row.number, address, expected);
                }
            }
            _ => continue,
        }
        nr_checks += 1;
    }
    nr_checks
}

/// Writes `value` and reports what reads back, or the exception as a number.
fn report_read_back(site: &'static Site, bit: u32, msr: u32, value: u64, expected: u64) {
    let actual = match msr::write(msr, value) {
        Ok(()) => msr::read(msr).unwrap_or_else(|exception| Outcome::from(exception).0),
        Err(exception) => Outcome::from(exception).0,
    };
    check(site, bit.into(), actual, expected);
}

/// Every memory type of [`TYPES`] in each byte of the field.
fn check_types(index: usize, row: &Row, field: &Field, before: u64) -> u32 {
    let Kind::Types(types) = field.kind else { return 0 };
    let mut nr_checks = 0;
    let vendor = if Guest.vendor() == Vendor::Intel { Vendor::Intel } else { Vendor::Amd };
    for byte in field.low / 8..=field.high / 8 {
        for (column, kind) in TYPES.into_iter().enumerate() {
            let Some(takes) = takes_type(types, kind, vendor) else { continue };
            let value = before & !(0xff << (byte * 8)) | u64::from(kind) << (byte * 8);
            let mut actual: Outcome = msr::write(row.number, value).into();
            if takes && actual == Outcome::COMPLETED && msr::read(row.number) != Ok(value) {
                // Accepted and not kept: no outcome that a check expects.
                actual = Outcome(1);
            }
            check(SITES[index].types, u64::from(byte) * TYPES.len() as u64 + column as u64, actual.0, outcome(takes).0);
            nr_checks += 1;
        }
    }
    nr_checks
}
