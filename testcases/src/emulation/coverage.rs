//! Which forms a subject's emulator handles: a table by encoding.

use super::{source::Source, tally::Tally};
use std::collections::BTreeMap;

/// A row of the table: forms of one encoding by what came of them. A form counts once, by its worst result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// How many forms there are.
    pub forms: u32,
    /// Both executors always agreed.
    pub handled: u32,
    /// The subject refused some inputs and agreed on the others.
    pub refused: u32,
    /// Something differed.
    pub differing: u32,
    /// The subject hung.
    pub hung: u32,
    /// No input was executed.
    pub untried: u32,
    /// The fewest inputs of a form that was tried.
    pub fewest: u64,
}

/// The rows by encoding.
pub fn rows(source: &dyn Source, tally: &Tally) -> BTreeMap<&'static str, Row> {
    let mut rows: BTreeMap<&'static str, Row> = BTreeMap::new();
    for form in 0..source.nr_forms() {
        let row = rows.entry(source.encoding(form)).or_default();
        row.forms += 1;
        let counts = tally.forms.get(&form).copied().unwrap_or_default();
        let place = match counts {
            _ if counts.judged() == 0 => &mut row.untried,
            _ if counts.hung > 0 => &mut row.hung,
            _ if counts.differed > 0 => &mut row.differing,
            _ if counts.refused > 0 => &mut row.refused,
            _ => &mut row.handled,
        };
        *place += 1;
        let tried = counts.judged();
        if tried > 0 && (row.fewest == 0 || tried < row.fewest) {
            row.fewest = tried;
        }
    }
    rows
}

/// The table for people, with a line of sums.
pub fn table(rows: &BTreeMap<&'static str, Row>) -> String {
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(["encoding", "forms", "handled", "refused", "differing", "hung", "untried", "fewest inputs"]);
    let mut sum = Row::default();
    for (encoding, row) in rows {
        table.add_row(cells(encoding, row));
        sum.forms += row.forms;
        sum.handled += row.handled;
        sum.refused += row.refused;
        sum.differing += row.differing;
        sum.hung += row.hung;
        sum.untried += row.untried;
        if row.fewest > 0 && (sum.fewest == 0 || row.fewest < sum.fewest) {
            sum.fewest = row.fewest;
        }
    }
    table.add_row(cells("all", &sum));
    format!("{table}\n")
}

fn cells(name: &str, row: &Row) -> Vec<String> {
    let numbers =
        [row.forms, row.handled, row.refused, row.differing, row.hung, row.untried].map(|number| number.to_string());
    [name.to_owned()].into_iter().chain(numbers).chain([row.fewest.to_string()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emulation::{source::Expectation, tally::Counts};
    use iced_decoder::machine::Input;

    struct Six;

    impl Source for Six {
        fn nr_forms(&self) -> usize {
            6
        }

        fn name(&self, form: usize) -> String {
            form.to_string()
        }

        fn encoding(&self, form: usize) -> &'static str {
            if form == 5 { "VEX" } else { "legacy" }
        }

        fn input(&self, _: usize, _: u64) -> Option<Input> {
            None
        }

        fn expectation(&self, _: &Input) -> Expectation {
            Expectation::default()
        }
    }

    #[test]
    fn a_form_counts_once_by_its_worst_result() {
        let mut tally = Tally::default();
        tally.forms.insert(0, Counts { agreed: 9, ..Counts::default() });
        tally.forms.insert(1, Counts { agreed: 1, refused: 1, ..Counts::default() });
        tally.forms.insert(2, Counts { agreed: 1, refused: 1, differed: 1, ..Counts::default() });
        tally.forms.insert(3, Counts { differed: 1, hung: 3, ..Counts::default() });
        tally.forms.insert(4, Counts { failed: 7, ..Counts::default() });
        let rows = rows(&Six, &tally);
        let expected = Row { forms: 5, handled: 1, refused: 1, differing: 1, hung: 1, untried: 1, fewest: 2 };
        assert_eq!(rows["legacy"], expected);
        assert_eq!(rows["VEX"], Row { forms: 1, untried: 1, ..Row::default() });
        assert!(table(&rows).contains("all"));
    }
}
