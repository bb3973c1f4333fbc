//! The walk over the table of MSRs passes on a register file that is right, and tells each way in which one may be wrong.

#[path = "../src/cpuid"]
mod cpuid {
    pub(crate) mod bit;
}
#[expect(dead_code, reason = "the cases use the rest")]
#[path = "../src/msr/table/model.rs"]
mod model;
#[expect(unused_imports, reason = "the cases use the names")]
#[path = "../src/msr/table/rows.rs"]
mod rows;
#[path = "../src/msr/table/walk.rs"]
mod walk;

use cpuid::bit::{Processor, Vendor};
use model::{Access, Field, Group, Kind, Reset, Row, Rule, canonical, rule, takes_type};
use rows::ROWS;
use std::collections::{BTreeMap, BTreeSet};
use walk::{COMPLETED, Code, Column, Machine, PROTECTION, Part, TYPES, WideRead};

const GROUPS: [Group; 12] = [
    Group::Processor,
    Group::Apic,
    Group::VariableRanges,
    Group::UpperVariableRanges,
    Group::FixedRanges,
    Group::UpperFixedRanges,
    Group::MachineCheck,
    Group::Performance,
    Group::Extensions,
    Group::Vmx,
    Group::Extended,
    Group::Amd,
];

/// What is wrong with a register file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Defect {
    Nothing,
    ResetValue,
    Missing,
    ThereWithoutFeature,
    ReadOnlyTakesWrites,
    RefusesWrites,
    ReservedBitAccepted,
    WritableBitRefused,
    CommandRefused,
    ReadBackLost,
    FaultChangesValue,
    CanonicalCheckMissing,
    CanonicalCheckOfOneBitLess,
    AddressTruncated,
    BadTypeAccepted,
    GoodTypeRefused,
    TypeLost,
    HalvesSwapped,
    HighHalfOfRcxHonoured,
    OtherMsrByHighHalfOfRcx,
    UpperHalfOfRaxKept,
    UpperHalfOfRdxKept,
    ReadAtCpl3,
    WriteAtCpl3,
    FaultAtCpl3WithErrorCode,
}

/// A register file that does what the table says, but for its defect.
struct Simulated {
    vendor: Vendor,
    /// Which processor: one that has every feature, or one that has none.
    full: bool,
    defect: Defect,
    values: BTreeMap<u32, u64>,
    /// Checks that were made, and those that failed.
    nr_checks: usize,
    failed: Vec<(Column, usize)>,
}

impl Processor for Simulated {
    fn leaf(&self, leaf: u32, _subleaf: u32) -> [u32; 4] {
        let limits = match leaf {
            0 => Some(0x20),
            0x8000_0000 => Some(0x8000_0021),
            _ => None,
        };
        if let Some(limit) = limits {
            let ebx = match self.vendor {
                Vendor::Intel => 0x756e_6547,
                Vendor::Amd => 0x6874_7541,
                Vendor::Other => 0,
            };
            return [limit, ebx, 0, 0];
        }
        match (leaf, self.full) {
            // 40 bits of a physical address, 48 of a linear one; EBX has features.
            (0x8000_0008, full) => [0x3028, if full { u32::MAX } else { 0 }, 0, 0],
            // Version 5, with 4 counters, and 3 fixed ones.
            (0xa, true) => [0x0030_0405, 0, 0, 3],
            (_, full) => [if full { u32::MAX } else { 0 }; 4],
        }
    }

    fn msr(&self, number: u32) -> u64 {
        self.values.get(&number).copied().unwrap_or(0)
    }
}

fn row_of(number: u32) -> &'static Row {
    ROWS.iter().find(|row| row.number == number).expect("the walk knows no MSR but those of the table")
}

impl Simulated {
    fn new(vendor: Vendor, full: bool, defect: Defect) -> Self {
        let mut machine = Self { vendor, full, defect, values: BTreeMap::new(), nr_checks: 0, failed: Vec::new() };
        for row in ROWS {
            let value = match row.reset {
                Reset::Value(value) if defect == Defect::ResetValue => value ^ 1,
                Reset::Value(value) => value,
                Reset::Open => 0,
            };
            machine.values.insert(row.number, value);
        }
        // Eight variable ranges, fixed ranges, ten banks and their control, TSX_CTRL, and EFER of long mode.
        for (number, value) in [(0xfe, 0x508), (0x179, 0x10a), (0x10a, 1 << 7), (0xc000_0080, 0xd01)] {
            machine.values.insert(number, value);
        }
        machine
    }

    fn exists(&self, row: &Row) -> bool {
        match self.defect {
            Defect::Missing => false,
            Defect::ThereWithoutFeature => true,
            _ => row.exists.holds(self),
        }
    }

    fn takes(&self, row: &Row, value: u64) -> bool {
        let now = self.msr(row.number);
        row.fields.iter().all(|field| (field.low..=field.high).all(|bit| self.takes_bit(field, bit, now, value)))
    }

    fn takes_bit(&self, field: &Field, bit: u32, now: u64, value: u64) -> bool {
        let (is_set, flips) = (value >> bit & 1 != 0, (value ^ now) >> bit & 1 != 0);
        match (rule(field, bit, self), field.kind) {
            (Rule::Faults, _) if self.defect == Defect::ReservedBitAccepted => true,
            (Rule::Faults, Kind::Fixed) => !flips,
            (Rule::Faults, _) => !is_set,
            (Rule::Writable, _) => !(flips && self.defect == Defect::WritableBitRefused),
            (Rule::Completes, _) => !(is_set && self.defect == Defect::CommandRefused),
            (Rule::Whole, Kind::Types(types)) => {
                let kind = (value >> (bit / 8 * 8)) as u8;
                match self.defect {
                    Defect::BadTypeAccepted => true,
                    Defect::GoodTypeRefused if kind == 6 => false,
                    _ => takes_type(types, kind, self.vendor).unwrap_or(true),
                }
            }
            (Rule::Whole, _) => match self.defect {
                Defect::CanonicalCheckMissing => true,
                Defect::CanonicalCheckOfOneBitLess => canonical(value, self.linear_bits() - 1),
                _ => canonical(value, self.linear_bits()),
            },
            (Rule::Open, _) => true,
        }
    }
}

impl Machine for Simulated {
    fn read(&mut self, number: u32) -> Result<u64, Code> {
        let value = self.msr(number);
        match (self.exists(row_of(number)), self.defect) {
            (false, _) => Err(PROTECTION),
            (true, Defect::HalvesSwapped) => Ok(value.rotate_left(32)),
            (true, _) => Ok(value),
        }
    }

    fn write(&mut self, number: u32, value: u64) -> Result<(), Code> {
        let row = row_of(number);
        let is_refused = row.access == Access::ReadOnly && self.defect != Defect::ReadOnlyTakesWrites
            || self.defect == Defect::RefusesWrites;
        if !self.exists(row) || is_refused || !self.takes(row, value) {
            if self.defect == Defect::FaultChangesValue {
                self.values.insert(number, value);
            }
            return Err(PROTECTION);
        }
        let has_types = row.fields.iter().any(|field| matches!(field.kind, Kind::Types(_)));
        let kept = match self.defect {
            Defect::ReadBackLost => return Ok(()),
            Defect::TypeLost if has_types => return Ok(()),
            Defect::AddressTruncated => value & u64::MAX >> 17,
            _ => value,
        };
        // A command is not kept.
        if row.access != Access::WriteOnly && row.access != Access::ReadOnly {
            self.values.insert(number, kept);
        }
        Ok(())
    }

    fn read_wide(&mut self, number: u32) -> WideRead {
        let value = self.msr(number);
        let mut wide = WideRead { outcome: COMPLETED, rax: value & 0xffff_ffff, rdx: value >> 32 };
        match self.defect {
            Defect::HighHalfOfRcxHonoured => {
                wide = WideRead { outcome: PROTECTION, rax: u64::MAX, rdx: u64::MAX };
            }
            Defect::OtherMsrByHighHalfOfRcx => wide.rax ^= 0x10,
            Defect::UpperHalfOfRaxKept => wide.rax |= 0xffff_ffff << 32,
            Defect::UpperHalfOfRdxKept => wide.rdx |= 0xffff_ffff << 32,
            Defect::HalvesSwapped => (wide.rax, wide.rdx) = (wide.rdx, wide.rax),
            _ => {}
        }
        wide
    }

    fn read_at_cpl_3(&mut self, _number: u32) -> Code {
        match self.defect {
            Defect::ReadAtCpl3 => COMPLETED,
            Defect::FaultAtCpl3WithErrorCode => PROTECTION | 8,
            _ => PROTECTION,
        }
    }

    fn write_at_cpl_3(&mut self, _number: u32) -> Code {
        match self.defect {
            Defect::WriteAtCpl3 => COMPLETED,
            Defect::FaultAtCpl3WithErrorCode => PROTECTION | 8,
            _ => PROTECTION,
        }
    }

    fn report(&mut self, row: usize, column: Column, at: u32, actual: u64, expected: u64) {
        assert!(at < if column == Column::Type { TYPES.len() as u32 * 8 } else { 64 });
        self.nr_checks += 1;
        if actual != expected {
            self.failed.push((column, row));
        }
    }
}

/// Walks everything; the columns in which a check failed, with the number of rows.
fn walk_all(vendor: Vendor, full: bool, defect: Defect) -> (usize, Vec<(String, usize)>) {
    let mut machine = Simulated::new(vendor, full, defect);
    for group in GROUPS {
        walk::check_accesses(&mut machine, group);
        for part in [Part::Values, Part::Faults] {
            walk::check_bits(&mut machine, group, part);
        }
    }
    for write in [false, true] {
        walk::check_privilege(&mut machine, write);
    }
    let mut rows: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
    for (column, row) in machine.failed {
        rows.entry(format!("{column:?}")).or_default().insert(row);
    }
    (machine.nr_checks, rows.into_iter().map(|(column, rows)| (column, rows.len())).collect())
}

#[test]
fn register_files_that_do_what_the_table_says_pass() {
    for (vendor, full, least) in
        [(Vendor::Intel, true, 5000), (Vendor::Amd, true, 5000), (Vendor::Intel, false, 500), (Vendor::Amd, false, 500)]
    {
        let (nr_checks, failed) = walk_all(vendor, full, Defect::Nothing);
        assert_eq!(failed, [], "{vendor:?}, every feature: {full}");
        assert!(nr_checks >= least, "{vendor:?}, every feature: {full}: {nr_checks} checks");
    }
}

/// Each defect of a processor that has every feature, or of one that has none, and the column that must tell it.
const DEFECTS: &[(Defect, bool, Column)] = &[
    (Defect::ResetValue, true, Column::First),
    (Defect::Missing, true, Column::Read),
    (Defect::ThereWithoutFeature, false, Column::Read),
    (Defect::ThereWithoutFeature, false, Column::Write),
    (Defect::ReadOnlyTakesWrites, true, Column::Write),
    (Defect::RefusesWrites, true, Column::Write),
    (Defect::RefusesWrites, true, Column::ReadBack),
    (Defect::ReservedBitAccepted, true, Column::Fault),
    (Defect::WritableBitRefused, true, Column::ReadBack),
    (Defect::CommandRefused, true, Column::Fault),
    (Defect::ReadBackLost, true, Column::ReadBack),
    (Defect::ReadBackLost, true, Column::LowAddress),
    (Defect::FaultChangesValue, true, Column::Unchanged),
    (Defect::CanonicalCheckMissing, true, Column::LowAddress),
    (Defect::CanonicalCheckMissing, true, Column::HighAddress),
    (Defect::CanonicalCheckOfOneBitLess, true, Column::LowAddress),
    (Defect::CanonicalCheckOfOneBitLess, true, Column::HighAddress),
    (Defect::AddressTruncated, true, Column::HighAddress),
    (Defect::BadTypeAccepted, true, Column::Type),
    (Defect::GoodTypeRefused, true, Column::Type),
    (Defect::TypeLost, true, Column::Type),
    (Defect::HalvesSwapped, true, Column::ReadBack),
    (Defect::HalvesSwapped, true, Column::LowAddress),
    (Defect::HighHalfOfRcxHonoured, true, Column::WideRead),
    (Defect::OtherMsrByHighHalfOfRcx, true, Column::WideValue),
    (Defect::UpperHalfOfRaxKept, true, Column::UpperHalves),
    (Defect::UpperHalfOfRdxKept, true, Column::UpperHalves),
    (Defect::ReadAtCpl3, true, Column::UserRead),
    (Defect::WriteAtCpl3, true, Column::UserWrite),
    (Defect::FaultAtCpl3WithErrorCode, true, Column::UserRead),
    (Defect::FaultAtCpl3WithErrorCode, true, Column::UserWrite),
];

#[test]
fn every_column_tells_its_defect() {
    for &(defect, full, column) in DEFECTS {
        for vendor in [Vendor::Intel, Vendor::Amd] {
            let (_, failed) = walk_all(vendor, full, defect);
            assert!(
                failed.iter().any(|(name, _)| *name == format!("{column:?}")),
                "{defect:?} on {vendor:?} is not told by {column:?}: {failed:?}"
            );
        }
    }
}

#[test]
fn a_defect_of_one_column_fails_in_no_other() {
    for (defect, columns) in [
        (Defect::CommandRefused, &["Fault"][..]),
        (Defect::HighHalfOfRcxHonoured, &["UpperHalves", "WideRead", "WideValue"]),
        (Defect::OtherMsrByHighHalfOfRcx, &["WideValue"]),
        (Defect::UpperHalfOfRdxKept, &["UpperHalves"]),
        (Defect::ReadAtCpl3, &["UserRead"]),
        (Defect::WriteAtCpl3, &["UserWrite"]),
        (Defect::CanonicalCheckMissing, &["HighAddress", "LowAddress"]),
    ] {
        let (_, failed) = walk_all(Vendor::Intel, true, defect);
        let names: Vec<_> = failed.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, columns, "{defect:?}");
    }
}

#[test]
fn every_row_is_told_where_it_is_missing_or_there_at_cpl_3() {
    let (_, failed) = walk_all(Vendor::Intel, true, Defect::ReadAtCpl3);
    assert_eq!(failed, [("UserRead".to_owned(), ROWS.len())]);
    let exist = |vendor| {
        let machine = Simulated::new(vendor, true, Defect::Nothing);
        ROWS.iter().filter(|row| row.access != Access::WriteOnly && row.exists.holds(&machine)).count()
    };
    for vendor in [Vendor::Intel, Vendor::Amd] {
        let (_, failed) = walk_all(vendor, true, Defect::Missing);
        // IA32_MTRRCAP and its like are still asked by `msr`, so that no condition changes.
        assert!(failed.contains(&("Read".to_owned(), exist(vendor))), "{failed:?}");
    }
}
