//! The walk over the local APIC's registers passes on one that is right, and tells each way in which one may be wrong.

#[path = "../src/apic/table.rs"]
mod table;
#[path = "../src/apic/walk.rs"]
mod walk;

use table::{Access, Features, NR_ROWS, ROWS, Row, is_missing_msr};
use walk::{Code, Column, Machine, PROTECTION};

/// What is wrong with a local APIC, in the register of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Defect {
    Nothing,
    ResetValue,
    ReadFaults,
    WriteOnlyRead,
    ReservedReadsAsOne,
    UpperHalfRead,
    ReadOnlyTakesWrites,
    ReadOnlyWriteCompletes,
    WriteFaults,
    BitStuck(u32),
    ValueLost(u32),
    ReservedAccepted(u32),
    ReservedDisturbs(u32),
    FaultChangesValue,
}

struct Model {
    features: Features,
    x2apic: bool,
    values: [u64; NR_ROWS],
    row: usize,
    defect: Defect,
    failures: Vec<(usize, Column, u32)>,
    nr_checks: usize,
}

const ALL: Features = Features { last_vector: 6, suppression: true, deadline: true, extended: false };
const FEW: Features = Features { last_vector: 3, suppression: false, deadline: false, extended: true };

impl Model {
    fn new(features: Features, x2apic: bool, row: usize, defect: Defect) -> Self {
        let values = core::array::from_fn(|index| u64::from(ROWS[index].reset.unwrap_or(0)));
        let mut model = Self { features, x2apic, values, row, defect, failures: Vec::new(), nr_checks: 0 };
        // As software enables it.
        if let Some(svr) = ROWS.iter().position(|row| row.number == 0x0f) {
            model.values[svr] = 0xff;
        }
        if defect == Defect::ResetValue {
            model.values[row] ^= 1 << (0..32).find(|bit| ROWS[row].open >> bit & 1 == 0).unwrap_or(0);
        }
        model
    }

    fn find(&self, number: u8) -> Option<(usize, &'static Row, Access)> {
        let (index, row) = ROWS.iter().enumerate().find(|(_, row)| row.number == number)?;
        Some((index, row, row.access(self.features, self.x2apic)))
    }

    fn has(&self, index: usize, defect: Defect) -> bool {
        index == self.row && self.defect == defect
    }
}

impl Machine for Model {
    fn features(&self) -> Features {
        self.features
    }

    fn is_x2apic(&self) -> bool {
        self.x2apic
    }

    fn read(&mut self, number: u8) -> Result<u64, Code> {
        let Some((index, row, access)) = self.find(number) else { return Err(PROTECTION) };
        match access {
            Access::WriteOnly if self.has(index, Defect::WriteOnlyRead) => Ok(0),
            Access::WriteOnly | Access::Missing if self.x2apic => Err(PROTECTION),
            _ if self.has(index, Defect::ReadFaults) => Err(PROTECTION),
            _ => {
                let reserved = row.reserved(self.features);
                let mut value = self.values[index];
                if self.has(index, Defect::ReservedReadsAsOne) {
                    value |= reserved & 0xffff_ffff & reserved.wrapping_neg();
                }
                if self.has(index, Defect::UpperHalfRead) {
                    value |= 1 << 40;
                }
                Ok(value)
            }
        }
    }

    fn write(&mut self, number: u8, value: u64) -> Result<(), Code> {
        let Some((index, row, access)) = self.find(number) else { return Err(PROTECTION) };
        let reserved = row.reserved(self.features);
        match access {
            Access::ReadOnly if self.has(index, Defect::ReadOnlyTakesWrites) => {
                self.values[index] = !self.values[index]
            }
            Access::ReadOnly if self.has(index, Defect::ReadOnlyWriteCompletes) => {}
            Access::ReadOnly | Access::Missing | Access::Open if self.x2apic => return Err(PROTECTION),
            Access::ReadWrite | Access::WriteOnly => {
                if self.has(index, Defect::WriteFaults) {
                    return Err(PROTECTION);
                }
                if self.x2apic && value & reserved != 0 {
                    match self.defect {
                        Defect::ReservedAccepted(bit) if index == self.row && value >> bit & 1 != 0 => {}
                        Defect::FaultChangesValue if index == self.row => {
                            self.values[index] = u64::from(row.quiet ^ row.writable.wrapping_neg() & row.writable);
                            return Err(PROTECTION);
                        }
                        _ => return Err(PROTECTION),
                    }
                }
                let mut kept = value & !reserved | u64::from(row.quiet & !row.writable);
                match self.defect {
                    Defect::BitStuck(bit) if index == self.row => {
                        kept = kept & !(1 << bit) | self.values[index] & 1 << bit
                    }
                    Defect::ValueLost(value) if index == self.row && kept as u32 & row.field == value => {
                        kept ^= u64::from(row.field & row.field.wrapping_neg());
                    }
                    Defect::ReservedDisturbs(bit) if index == self.row && value >> bit & 1 != 0 => {
                        kept ^= u64::from(row.writable & row.writable.wrapping_neg());
                    }
                    _ => {}
                }
                if access == Access::ReadWrite && row.number != 0x28 {
                    self.values[index] = kept;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn report(&mut self, row: usize, column: Column, at: u32, actual: u64, expected: u64) {
        self.nr_checks += 1;
        if actual != expected {
            self.failures.push((row, column, at));
        }
    }
}

fn walked(features: Features, x2apic: bool, row: usize, defect: Defect) -> Model {
    let mut model = Model::new(features, x2apic, row, defect);
    walk::check_reset(&mut model);
    walk::check_reads(&mut model);
    walk::check_read_only(&mut model);
    walk::check_values(&mut model, 0, NR_ROWS);
    walk::check_reserved(&mut model, 0, NR_ROWS);
    model
}

#[test]
fn a_local_apic_that_is_right_passes_in_both_modes() {
    for features in [ALL, FEW] {
        for x2apic in [false, true] {
            let model = walked(features, x2apic, 0, Defect::Nothing);
            assert_eq!(model.failures, [], "{features:?}, x2APIC: {x2apic}");
            assert!(model.nr_checks > 300, "{} checks", model.nr_checks);
        }
    }
}

fn assert_caught(x2apic: bool, row: usize, defect: Defect, column: Column) {
    let model = walked(ALL, x2apic, row, defect);
    let caught = model.failures.iter().any(|failure| failure.0 == row && failure.1 == column);
    assert!(caught, "{} (x2APIC: {x2apic}), {defect:?}: {:?}", ROWS[row].name, model.failures);
}

#[test]
fn each_wrong_reset_value_is_caught() {
    for (index, row) in ROWS.iter().enumerate() {
        for x2apic in [false, true] {
            let access = row.access(ALL, x2apic);
            let follows = access == Access::ReadOnly && row.writable != 0;
            if row.reset.is_some() && !follows && matches!(access, Access::ReadOnly | Access::ReadWrite) {
                assert_caught(x2apic, index, Defect::ResetValue, Column::Reset);
            }
        }
    }
}

#[test]
fn each_wrong_access_is_caught() {
    for (index, row) in ROWS.iter().enumerate() {
        match row.access(ALL, true) {
            Access::ReadOnly => {
                assert_caught(true, index, Defect::ReadFaults, Column::Read);
                assert_caught(true, index, Defect::ReadOnlyTakesWrites, Column::Unchanged);
                assert_caught(true, index, Defect::ReadOnlyWriteCompletes, Column::Write);
            }
            Access::ReadWrite => {
                assert_caught(true, index, Defect::ReadFaults, Column::Read);
                assert_caught(true, index, Defect::WriteFaults, Column::Write);
            }
            Access::WriteOnly => assert_caught(true, index, Defect::WriteOnlyRead, Column::Read),
            Access::Missing | Access::Open => {}
        }
        if row.access(ALL, false) == Access::ReadOnly {
            assert_caught(false, index, Defect::ReadOnlyTakesWrites, Column::Unchanged);
        }
        let readable = matches!(row.access(ALL, true), Access::ReadOnly | Access::ReadWrite);
        if readable && row.number != 0x30 {
            assert_caught(true, index, Defect::UpperHalfRead, Column::ReservedAsRead);
        }
    }
}

#[test]
fn each_wrong_bit_is_caught() {
    for (index, row) in ROWS.iter().enumerate() {
        for x2apic in [false, true] {
            let access = row.access(ALL, x2apic);
            if access == Access::ReadWrite {
                for bit in (0..32).filter(|bit| row.writable(ALL) >> bit & 1 != 0) {
                    assert_caught(x2apic, index, Defect::BitStuck(bit), Column::ReadBack);
                }
                for value in row.values {
                    assert_caught(x2apic, index, Defect::ValueLost(*value), Column::Value);
                }
            }
            let reserved = row.reserved(ALL);
            if x2apic && matches!(access, Access::ReadWrite | Access::WriteOnly) {
                for bit in (0..64).filter(|bit| reserved >> bit & 1 != 0 && walk::is_tried(*bit)) {
                    assert_caught(true, index, Defect::ReservedAccepted(bit), Column::Reserved);
                }
            }
            let is_setting = access == Access::ReadWrite && row.writable != 0 && row.number != 0x30;
            if is_setting && x2apic && reserved & 0xffff_ffff != 0 {
                assert_caught(true, index, Defect::FaultChangesValue, Column::Unchanged);
            }
            if is_setting && !x2apic {
                for bit in (0..32).filter(|bit| reserved >> bit & 1 != 0) {
                    assert_caught(false, index, Defect::ReservedDisturbs(bit), Column::Beside);
                    assert_caught(false, index, Defect::ReservedReadsAsOne, Column::ReservedAsRead);
                }
            }
        }
    }
}

#[test]
fn each_missing_msr_that_answers_is_caught() {
    struct Answers(u8);
    impl Machine for Answers {
        fn features(&self) -> Features {
            ALL
        }
        fn is_x2apic(&self) -> bool {
            true
        }
        fn read(&mut self, number: u8) -> Result<u64, Code> {
            if number == self.0 { Ok(0) } else { Err(PROTECTION) }
        }
        fn write(&mut self, number: u8, _: u64) -> Result<(), Code> {
            self.read(number).map(|_| ())
        }
        fn report(&mut self, _: usize, _: Column, _: u32, _: u64, _: u64) {}
    }
    let missing: Vec<_> = (0..=u8::MAX).filter(|number| is_missing_msr(*number, ALL)).collect();
    // 28 registers of one number, 24 of vectors, are there.
    assert_eq!(missing.len(), 256 - 44);
    for number in missing {
        let mut wrong = Vec::new();
        walk::check_missing(&mut Answers(number), |number, is_write, code| {
            if code != PROTECTION {
                wrong.push((number, is_write));
            }
        });
        assert_eq!(wrong.contains(&(number, false)), number < 0x54 || number % 8 == 7);
        assert_eq!(wrong.contains(&(number, true)), number < 0x40 || number % 16 == 15);
    }
    assert!(is_missing_msr(0x2f, FEW) && is_missing_msr(0x34, FEW) && !is_missing_msr(0x34, ALL));
    assert!(!is_missing_msr(0x40, FEW) && is_missing_msr(0x40, ALL) && is_missing_msr(0x54, FEW));
}
