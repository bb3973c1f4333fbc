//! Which forms a subject's emulator handles: a table by encoding and operand size, executors side by side.

use super::{
    generated::{encoding_name, operand_bits},
    kvm::Flavour,
    source::Source,
    tally::Tally,
};
use iced_decoder::{Bitness, Form};
use reports::coverage::{Column, CoverageRow, Table};
use std::collections::BTreeMap;

/// What was cross-checked.
#[derive(Clone, Debug)]
pub struct Executed<'a> {
    /// Id of the subject.
    pub subject: &'a str,
    /// The executor.
    pub on: Flavour,
    /// The mode.
    pub bitness: Bitness,
}

impl Executed<'_> {
    /// A row without forms.
    fn row(&self, encoding: &str, operand_bits: Option<u32>) -> CoverageRow {
        CoverageRow {
            subject: self.subject.to_owned(),
            on: self.on.name().to_owned(),
            mode_bits: self.bitness.bits(),
            encoding: encoding.to_owned(),
            operand_bits,
            ..CoverageRow::default()
        }
    }
}

/// The rows by encoding and operand size. A form counts once, by its worst result.
pub fn rows(executed: &Executed<'_>, source: &dyn Source, tally: &Tally) -> Vec<CoverageRow> {
    let mut rows: BTreeMap<(&str, Option<u32>), CoverageRow> = BTreeMap::new();
    for form in 0..source.nr_forms() {
        let (encoding, operand_bits) = (source.encoding(form), source.operand_bits(form));
        let row = rows.entry((encoding, operand_bits)).or_insert_with(|| executed.row(encoding, operand_bits));
        let counts = tally.forms.get(&form).copied().unwrap_or_default();
        let mut one = CoverageRow { fewest_inputs: counts.judged(), ..CoverageRow::default() };
        let place = match counts {
            _ if counts.judged() == 0 => &mut one.untried,
            _ if counts.hung > 0 => &mut one.hung,
            _ if counts.differed > 0 => &mut one.differing,
            _ if counts.refused > 0 => &mut one.refused,
            _ => &mut one.handled,
        };
        *place = 1;
        row.add(&one);
    }
    rows.into_values().collect()
}

/// Counts forms that were left out of a run as untried.
pub fn add_untried(executed: &Executed<'_>, forms: impl Iterator<Item = Form>, rows: &mut Vec<CoverageRow>) {
    for form in forms {
        let (encoding, operand_bits) = (encoding_name(form.encoding()), operand_bits(form));
        let one = CoverageRow { untried: 1, ..executed.row(encoding, operand_bits) };
        match rows.iter_mut().find(|row| row.encoding == encoding && row.operand_bits == operand_bits) {
            Some(row) => row.add(&one),
            None => rows.push(one),
        }
    }
}

/// The table for a terminal: of one executor with a column for each result; of several one table a mode, with a column
/// for each executor.
pub fn table(rows: &[CoverageRow]) -> String {
    let tables = Table::by_mode(rows);
    let is_single = tables.iter().map(|table| table.columns.len()).sum::<usize>() == 1;
    let tables: String = tables.iter().map(|table| table_of(table, is_single)).collect();
    let legend = if is_single { "" } else { "forms handled/refused/differing/hung/untried\n" };
    tables + legend
}

fn table_of(Table { columns, lines }: &Table, is_single: bool) -> String {
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::ASCII_MARKDOWN);
    let header = ["encoding", "bits"].into_iter().map(str::to_owned);
    if is_single {
        let results = ["forms", "handled", "refused", "differing", "hung", "untried", "fewest inputs"];
        table.set_header(header.chain(results.map(str::to_owned)));
    } else {
        table.set_header(header.chain(columns.iter().map(heading)));
    }
    for line in lines {
        let mut cells = vec![line.encoding.clone(), line.size.clone()];
        for cell in &line.cells {
            match cell {
                Some(row) if is_single => {
                    cells.push(row.forms().to_string());
                    cells.extend(row.results().iter().map(|(_, number)| number.to_string()));
                    cells.push(row.fewest_inputs.to_string());
                }
                Some(row) => cells.push(short(row)),
                None => cells.push("-".to_owned()),
            }
        }
        table.add_row(cells);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(comfy_table::CellAlignment::Right);
    }
    format!("{table}\n")
}

/// On several lines, because there may be many columns.
fn heading(column: &Column) -> String {
    format!("{}\n{}-bit", column.on.replace('-', "\n"), column.mode_bits)
}

fn short(row: &CoverageRow) -> String {
    row.results().map(|(_, number)| number.to_string()).join("/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emulation::{source::Expectation, tally::Counts};
    use iced_decoder::machine::Input;

    struct Seven;

    impl Source for Seven {
        fn nr_forms(&self) -> usize {
            7
        }

        fn name(&self, form: usize) -> String {
            form.to_string()
        }

        fn encoding(&self, form: usize) -> &'static str {
            if form == 5 { "VEX" } else { "legacy" }
        }

        fn operand_bits(&self, form: usize) -> Option<u32> {
            match form {
                5 => Some(256),
                6 => None,
                _ => Some(8),
            }
        }

        fn input(&self, _: usize, _: u64) -> Option<Input> {
            None
        }

        fn expectation(&self, _: &Input) -> Expectation {
            Expectation::default()
        }
    }

    fn seven(on: Flavour) -> Vec<CoverageRow> {
        let mut tally = Tally::default();
        tally.forms.insert(0, Counts { agreed: 9, ..Counts::default() });
        tally.forms.insert(1, Counts { agreed: 1, refused: 1, ..Counts::default() });
        tally.forms.insert(2, Counts { agreed: 1, refused: 1, differed: 1, ..Counts::default() });
        tally.forms.insert(3, Counts { differed: 1, hung: 3, ..Counts::default() });
        tally.forms.insert(4, Counts { failed: 7, contradicted: 1, ..Counts::default() });
        tally.forms.insert(6, Counts { agreed: 4, ..Counts::default() });
        rows(&Executed { subject: "vmm", on, bitness: Bitness::Bits64 }, &Seven, &tally)
    }

    #[test]
    fn a_form_counts_once_by_its_worst_result() {
        let rows = seven(Flavour::MmioUser);
        let row =
            |encoding: &str, operand_bits: Option<u32>, [handled, refused, differing, hung, untried]: [u32; 5]| {
                let (subject, on, encoding) = ("vmm".to_owned(), "mmio-user".to_owned(), encoding.to_owned());
                let (mode_bits, fewest_inputs) = (64, if untried == 1 && handled == 0 { 0 } else { 2 });
                let rest = CoverageRow { subject, on, mode_bits, encoding, operand_bits, ..CoverageRow::default() };
                CoverageRow { handled, refused, differing, hung, untried, fewest_inputs, ..rest }
            };
        let other = CoverageRow { fewest_inputs: 4, ..row("legacy", None, [1, 0, 0, 0, 0]) };
        assert_eq!(rows, [row("VEX", Some(256), [0, 0, 0, 0, 1]), other, row("legacy", Some(8), [1, 1, 1, 1, 1])]);
    }

    #[test]
    fn one_executor_has_a_column_for_each_result() {
        insta::assert_snapshot!(table(&seven(Flavour::MmioUser)));
    }

    #[test]
    fn several_executors_stand_side_by_side() {
        let both = [seven(Flavour::MmioUser), seven(Flavour::MemorySupervisor)].concat();
        insta::assert_snapshot!(table(&both));
    }
}
