//! Makes the accesses that the model tells of, and reports what they led to beside what the model expects.
//!
//! Generic over the register file, so that the tests of this crate walk one that is right, and one that is wrong in each
//! column.

use super::{
    model::{
        Access, Field, Group, Kind, Reset, Row, Rule, canonical, read_completes, rule, takes_type, write_completes,
    },
    rows::ROWS,
};
use crate::cpuid::bit::{Processor, Vendor};
use case::message::outcome;

/// What an access led to, as a number: that of an outcome of the runtime.
pub(crate) type Code = u64;
/// The access completed.
pub(crate) const COMPLETED: Code = outcome::COMPLETED;
/// The access raised #GP(0).
pub(crate) const PROTECTION: Code = outcome::exception(13, 0);
/// The access completed, and what was written is not kept: no outcome that a check expects.
pub(crate) const LOST: Code = 1;

/// What a check looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    /// What RDMSR leads to.
    Read,
    /// The value before any software wrote it.
    First,
    /// What WRMSR of what stands there leads to.
    Write,
    /// What RDMSR with bits 63 to 32 of RCX set leads to.
    WideRead,
    /// Whether that clears bits 63 to 32 of RAX and RDX.
    UpperHalves,
    /// Whether that reads what RDMSR with these bits clear reads.
    WideValue,
    /// What RDMSR at CPL 3 leads to.
    UserRead,
    /// What WRMSR at CPL 3 leads to.
    UserWrite,
    /// What setting a bit leads to; a column for each bit.
    Fault,
    /// What reads back after a bit was flipped; a column for each bit.
    ReadBack,
    /// Read-back of an address of one bit.
    LowAddress,
    /// Read-back of an address of all bits from one on.
    HighAddress,
    /// What a memory type in a byte leads to; a column for each byte and each of [`TYPES`].
    Type,
    /// The value after writes that raised #GP(0).
    Unchanged,
}

/// What RDMSR with a wide RCX led to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WideRead {
    pub(crate) outcome: Code,
    pub(crate) rax: u64,
    pub(crate) rdx: u64,
}

/// A register file under test.
pub(crate) trait Machine: Processor {
    /// RDMSR; a fault is its number.
    fn read(&mut self, number: u32) -> Result<u64, Code>;
    /// WRMSR.
    fn write(&mut self, number: u32, value: u64) -> Result<(), Code>;
    /// RDMSR with all bits of RAX, RDX and of RCX's upper half set.
    fn read_wide(&mut self, number: u32) -> WideRead;
    /// RDMSR at CPL 3.
    fn read_at_cpl_3(&mut self, number: u32) -> Code;
    /// WRMSR of 0 at CPL 3.
    fn write_at_cpl_3(&mut self, number: u32) -> Code;
    /// Takes a check of a row; `at` is the bit, or the place of a memory type, in columns that have one.
    fn report(&mut self, row: usize, column: Column, at: u32, actual: u64, expected: u64);
}

/// The memory types that are tried.
pub(crate) const TYPES: [u8; 13] = [0, 1, 4, 5, 6, 7, 2, 3, 8, 0x10, 0x20, 0x40, 0x80];

/// The rows of a group, with their index.
fn rows(group: Group) -> impl Iterator<Item = (usize, &'static Row)> {
    ROWS.iter().enumerate().filter(move |(_, row)| row.group == group)
}

const fn code(completes: bool) -> Code {
    if completes { COMPLETED } else { PROTECTION }
}

fn code_of<T>(result: Result<T, Code>) -> Code {
    result.err().unwrap_or(COMPLETED)
}

/// Existence: RDMSR, and WRMSR of what was read. Then ECX's upper half and the upper halves of RAX and RDX, and the reset
/// value.
pub(crate) fn check_accesses(machine: &mut impl Machine, group: Group) {
    for (index, row) in rows(group) {
        let exists = row.exists.holds(machine);
        let value = machine.read(row.number);
        if let Some(completes) = read_completes(row, exists) {
            machine.report(index, Column::Read, 0, code_of(value), code(completes));
        }
        if let (Ok(value), Reset::Value(reset), true) = (value, row.reset, exists) {
            machine.report(index, Column::First, 0, value, reset);
        }
        if let Some(completes) = write_completes(row, exists) {
            let result = machine.write(row.number, value.unwrap_or(0));
            machine.report(index, Column::Write, 0, code_of(result), code(completes));
        }
        if let (Ok(value), true) = (value, exists && row.access != Access::WriteOnly) {
            let wide = machine.read_wide(row.number);
            machine.report(index, Column::WideRead, 0, wide.outcome, COMPLETED);
            machine.report(index, Column::UpperHalves, 0, (wide.rax | wide.rdx) >> 32, 0);
            // What has an excluded part may count or depend on what happens meanwhile.
            if !row.fields.iter().any(|field| matches!(field.kind, Kind::Excluded(_))) {
                let wide = wide.rdx << 32 | wide.rax & 0xffff_ffff;
                machine.report(index, Column::WideValue, 0, wide, value);
            }
        }
    }
}

/// At CPL 3 every access raises #GP(0), whether the MSR exists or not.
pub(crate) fn check_privilege(machine: &mut impl Machine, write: bool) {
    for (index, row) in ROWS.iter().enumerate() {
        if write {
            let actual = machine.write_at_cpl_3(row.number);
            machine.report(index, Column::UserWrite, 0, actual, PROTECTION);
        } else {
            let actual = machine.read_at_cpl_3(row.number);
            machine.report(index, Column::UserRead, 0, actual, PROTECTION);
        }
    }
}

/// Which half of a row's bits a case tries: a case may take no longer than its subject's limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Bits that are writable, read as zero, or are part of an address or of a type.
    Values,
    /// Bits whose setting raises #GP(0), and that such a write changes nothing.
    Faults,
}

/// Every bit of the rows that exist; returns how many there were to try.
pub(crate) fn check_bits(machine: &mut impl Machine, group: Group, part: Part) -> u32 {
    let mut nr_tried = 0;
    for (index, row) in rows(group) {
        if row.access == Access::ReadOnly || !row.exists.holds(machine) {
            continue;
        }
        // A valid variable range would change memory types while it is tried.
        let is_range = matches!(group, Group::VariableRanges | Group::UpperVariableRanges);
        let mask = is_range.then(|| machine.read(row.number | 1).unwrap_or(0));
        if is_range {
            // A subject that refuses this shows so in `check_accesses`.
            let _ = machine.write(row.number | 1, 0);
        }
        let before = machine.read(row.number).unwrap_or(0);
        let mut nr = 0;
        for field in row.fields {
            nr += check_field(machine, index, field, part, before);
        }
        nr_tried += nr;
        if nr != 0 && part == Part::Faults && row.access == Access::ReadWrite {
            let after = machine.read(row.number).unwrap_or(!before);
            machine.report(index, Column::Unchanged, 0, after, before);
        }
        if row.access == Access::ReadWrite {
            // What stood there before; a subject that refuses it shows so in `check_accesses`.
            let _ = machine.write(row.number, before);
        }
        if let Some(mask) = mask {
            let _ = machine.write(row.number | 1, mask);
        }
    }
    nr_tried
}

/// Returns how many checks it made.
fn check_field(machine: &mut impl Machine, index: usize, field: &Field, part: Part, before: u64) -> u32 {
    let row = &ROWS[index];
    let is_by_bit = matches!(field.kind, Kind::Physical | Kind::SupervisorStates | Kind::DisableStates);
    let mut rule_now = rule(field, field.low, machine);
    if let (Kind::Types(_), Rule::Whole, Part::Values) = (field.kind, rule_now, part) {
        return check_types(machine, index, field, before);
    }
    let linear_bits = if rule_now == Rule::Whole { machine.linear_bits() } else { 0 };
    let mut nr_checks = 0;
    for number in field.low..=field.high {
        if is_by_bit {
            rule_now = rule(field, number, machine);
        }
        let bit = 1 << number;
        match (rule_now, part) {
            (Rule::Faults, Part::Faults) => {
                // Setting a bit that is reserved; for one that must keep its value, the other value.
                let value = if matches!(field.kind, Kind::Fixed) { before ^ bit } else { before | bit };
                let result = machine.write(row.number, value);
                machine.report(index, Column::Fault, number, code_of(result), PROTECTION);
            }
            (Rule::Writable, Part::Values) => {
                let actual = read_back(machine, row.number, before ^ bit);
                machine.report(index, Column::ReadBack, number, actual, before ^ bit);
            }
            (Rule::Completes, Part::Values) => {
                let result = machine.write(row.number, bit);
                machine.report(index, Column::Fault, number, code_of(result), COMPLETED);
            }
            (Rule::Whole, Part::Values) if !matches!(field.kind, Kind::Types(_)) => {
                for (column, address) in [(Column::LowAddress, bit), (Column::HighAddress, u64::MAX << number)] {
                    let expected = if canonical(address, linear_bits) { address } else { PROTECTION };
                    let actual = read_back(machine, row.number, address);
                    machine.report(index, column, number, actual, expected);
                }
            }
            _ => continue,
        }
        nr_checks += 1;
    }
    nr_checks
}

/// Writes `value` and returns what reads back, or the fault.
fn read_back(machine: &mut impl Machine, number: u32, value: u64) -> u64 {
    match machine.write(number, value) {
        Ok(()) => machine.read(number).unwrap_or_else(|fault| fault),
        Err(fault) => fault,
    }
}

/// Every memory type of [`TYPES`] in each byte of the field.
fn check_types(machine: &mut impl Machine, index: usize, field: &Field, before: u64) -> u32 {
    let Kind::Types(types) = field.kind else { return 0 };
    let number = ROWS[index].number;
    let mut nr_checks = 0;
    let vendor = if machine.vendor() == Vendor::Intel { Vendor::Intel } else { Vendor::Amd };
    for byte in field.low / 8..=field.high / 8 {
        for (column, kind) in (0..).zip(TYPES) {
            let Some(takes) = takes_type(types, kind, vendor) else { continue };
            let value = before & !(0xff << (byte * 8)) | u64::from(kind) << (byte * 8);
            let mut actual = code_of(machine.write(number, value));
            if takes && actual == COMPLETED && machine.read(number) != Ok(value) {
                actual = LOST;
            }
            machine.report(index, Column::Type, byte * TYPES.len() as u32 + column, actual, code(takes));
            nr_checks += 1;
        }
    }
    nr_checks
}
