//! Makes the accesses that the table tells of, and reports what they led to beside what the table expects.
//!
//! Generic over the local APIC, so that the tests of this crate walk one that is right, and others that are wrong in one
//! thing each.

use super::table::{Access, Features, ROWS, Row, is_missing_msr};
use case::message::outcome;

/// What an access led to, as a number: that of an outcome of the runtime.
pub(crate) type Code = u64;
/// The access completed.
pub(crate) const COMPLETED: Code = outcome::COMPLETED;
/// The access raised #GP(0).
pub(crate) const PROTECTION: Code = outcome::exception(13, 0);

/// What a check looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    /// The value before any software wrote it.
    Reset,
    /// What a read leads to.
    Read,
    /// Bits that must be zero, as they read.
    ReservedAsRead,
    /// What a write of what stands there leads to.
    Write,
    /// What reads back with a bit flipped; a place for each.
    ReadBack,
    /// What reads back of a value of a field; a place for each.
    Value,
    /// What setting a reserved bit leads to, in x2APIC mode; a place for each.
    Reserved,
    /// The defined bits after one that is reserved was written, in xAPIC mode; a place for each.
    Beside,
    /// The value after writes that must change nothing.
    Unchanged,
}

/// A local APIC under test, in one of its modes.
pub(crate) trait Machine {
    fn features(&self) -> Features;
    /// Whether registers are MSRs.
    fn is_x2apic(&self) -> bool;
    /// Reads a register; a fault is its number.
    fn read(&mut self, number: u8) -> Result<u64, Code>;
    /// Writes a register.
    fn write(&mut self, number: u8, value: u64) -> Result<(), Code>;
    /// Takes a check of a row; `at` is the bit or the number of the value, in columns that have one.
    fn report(&mut self, row: usize, column: Column, at: u32, actual: u64, expected: u64);
}

fn code_of<T>(result: Result<T, Code>) -> Code {
    result.err().unwrap_or(COMPLETED)
}

/// A number that no read gives and no check expects, for a read that faulted.
const UNREADABLE: u64 = 1 << 63 | 1;

/// The values after reset, of a local APIC that nobody has used.
pub(crate) fn check_reset(machine: &mut impl Machine) {
    let (features, x2apic) = (machine.features(), machine.is_x2apic());
    for (index, row) in ROWS.iter().enumerate() {
        let access = row.access(features, x2apic);
        // What software writes in the other mode only follows from the ID in this one.
        let readable = access == Access::ReadWrite || access == Access::ReadOnly && row.writable == 0;
        if let (Some(reset), true) = (row.reset, readable) {
            let value = machine.read(row.number).unwrap_or(UNREADABLE) & !u64::from(row.open);
            machine.report(index, Column::Reset, 0, value, (reset & !row.open).into());
        }
    }
}

/// What can be read and what cannot; bits that are reserved read as zero if nobody wrote them.
pub(crate) fn check_reads(machine: &mut impl Machine) {
    let (features, x2apic) = (machine.features(), machine.is_x2apic());
    for (index, row) in ROWS.iter().enumerate() {
        let access = row.access(features, x2apic);
        match access {
            Access::ReadOnly | Access::ReadWrite => {
                let value = machine.read(row.number);
                if x2apic {
                    machine.report(index, Column::Read, 0, code_of(value), COMPLETED);
                }
                let mut reserved = row.reserved(features);
                if access == Access::ReadOnly || !is_setting(row, features) {
                    // Of a register that only shows something every bit may have a meaning.
                    reserved &= !0xffff_ffff;
                }
                machine.report(index, Column::ReservedAsRead, 0, value.unwrap_or(UNREADABLE) & reserved, 0);
            }
            Access::WriteOnly if x2apic => {
                let value = machine.read(row.number);
                machine.report(index, Column::Read, 0, code_of(value), PROTECTION);
            }
            _ => {}
        }
    }
}

/// Registers that cannot be written: #GP(0) in x2APIC mode, and nothing in xAPIC mode; either way they do not change.
pub(crate) fn check_read_only(machine: &mut impl Machine) {
    let (features, x2apic) = (machine.features(), machine.is_x2apic());
    for (index, row) in ROWS.iter().enumerate() {
        if row.access(features, x2apic) != Access::ReadOnly {
            continue;
        }
        let before = machine.read(row.number).unwrap_or(UNREADABLE);
        for value in [0, 0xffff_ffff, before] {
            let result = machine.write(row.number, value);
            if x2apic {
                machine.report(index, Column::Write, 0, code_of(result), PROTECTION);
            }
        }
        let after = machine.read(row.number).unwrap_or(!before);
        machine.report(index, Column::Unchanged, 0, after, before);
    }
}

/// The bits of the ICR's destination, which belongs to nobody in what is written here.
const NOBODY: u64 = 0xfe;

/// What stands in a register while its bits are tried.
fn quiet(row: &Row, x2apic: bool) -> u64 {
    let destination = if row.number == 0x30 && x2apic { NOBODY << 32 } else { 0 };
    destination | u64::from(row.quiet)
}

/// Writable bits and values, in the rows from `first` up to `end`.
pub(crate) fn check_values(machine: &mut impl Machine, first: usize, end: usize) {
    let (features, x2apic) = (machine.features(), machine.is_x2apic());
    for (index, row) in ROWS.iter().enumerate().take(end).skip(first) {
        if row.access(features, x2apic) != Access::ReadWrite {
            continue;
        }
        if row.number == 0x30 && !x2apic {
            let _ = machine.write(0x31, NOBODY << 24);
        }
        let quiet = quiet(row, x2apic);
        let open = u64::from(row.open);
        let before = machine.read(row.number).unwrap_or(0);
        let writable = row.writable(features);
        for bit in (0..32).filter(|bit| writable >> bit & 1 != 0) {
            let value = quiet ^ 1 << bit;
            let actual = read_back(machine, row.number, value);
            machine.report(index, Column::ReadBack, bit, actual & !open, value & !open);
        }
        for (place, value) in (0..).zip(row.values) {
            let value = quiet & !u64::from(row.field) | u64::from(*value);
            let actual = read_back(machine, row.number, value);
            machine.report(index, Column::Value, place, actual & !open, value & !open);
        }
        // Of the ICR what stood there would be sent, and ESR takes zero only.
        let is_kept = is_setting(row, features) && row.number != 0x30;
        let after = if is_kept { before & !open } else { quiet };
        let result = machine.write(row.number, after);
        if x2apic {
            machine.report(index, Column::Write, 0, code_of(result), COMPLETED);
        }
    }
}

/// Whether a register holds what is written to it.
fn is_setting(row: &Row, features: Features) -> bool {
    row.writable(features) | row.field != 0
}

fn read_back(machine: &mut impl Machine, number: u8, value: u64) -> u64 {
    match machine.write(number, value) {
        Ok(()) => machine.read(number).unwrap_or(UNREADABLE),
        Err(fault) => fault,
    }
}

/// Whether a reserved bit is tried: all of the low half, and some of the high one, because each fault costs.
pub(crate) const fn is_tried(bit: u32) -> bool {
    bit < 32 || bit % 10 == 3
}

/// Reserved bits of what can be written, in the rows from `first` up to `end`. In x2APIC mode each raises #GP(0) and nothing
/// changes. In xAPIC mode the manual does not tell what reads back of them, so the check is that nothing else changes.
pub(crate) fn check_reserved(machine: &mut impl Machine, first: usize, end: usize) {
    let (features, x2apic) = (machine.features(), machine.is_x2apic());
    for (index, row) in ROWS.iter().enumerate().take(end).skip(first) {
        let access = row.access(features, x2apic);
        if !matches!(access, Access::ReadWrite | Access::WriteOnly) {
            continue;
        }
        let quiet = quiet(row, x2apic);
        let reserved = row.reserved(features);
        if x2apic {
            let is_kept = is_setting(row, features) && access == Access::ReadWrite && row.number != 0x30;
            if is_kept {
                let _ = machine.write(row.number, quiet);
            }
            for bit in (0..64).filter(|bit| reserved >> bit & 1 != 0 && is_tried(*bit)) {
                let result = machine.write(row.number, quiet | 1 << bit);
                machine.report(index, Column::Reserved, bit, code_of(result), PROTECTION);
            }
            if is_kept {
                let after = machine.read(row.number).unwrap_or(UNREADABLE) & !u64::from(row.open);
                machine.report(index, Column::Unchanged, 0, after, quiet & !u64::from(row.open));
            }
        } else if is_setting(row, features) && row.number != 0x30 {
            let defined = u64::from(row.writable(features) | row.field | row.quiet);
            for bit in (0..32).filter(|bit| reserved >> bit & 1 != 0) {
                let value = quiet | 1 << bit;
                let actual = read_back(machine, row.number, value) & defined;
                machine.report(index, Column::Beside, bit, actual, quiet & defined);
            }
            let _ = machine.write(row.number, quiet);
        }
    }
}

/// The MSRs from 800H to 8FFH that are no registers: both accesses raise #GP(0). `report` takes the number, whether it is a
/// write, and what it led to. Far behind the last register only some are tried, because each fault costs.
pub(crate) fn check_missing(machine: &mut impl Machine, mut report: impl FnMut(u8, bool, Code)) {
    let features = machine.features();
    for number in (0..=u8::MAX).filter(|number| is_missing_msr(*number, features)) {
        if number >= 0x54 && number % 8 != 7 {
            continue;
        }
        let read = code_of(machine.read(number));
        report(number, false, read);
        if number < 0x40 || number % 16 == 15 {
            let write = code_of(machine.write(number, 0));
            report(number, true, write);
        }
    }
}
