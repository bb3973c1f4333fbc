//! Which instruction forms an emulator handles: the rows of the report's section `coverage`, and tables of them.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Forms of one encoding and operand size on one executor of a subject, by what came of them. A form counts once, by its
/// worst result: a hang is worse than a difference, and a difference is worse than a refusal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoverageRow {
    /// Id of the subject.
    pub subject: String,
    /// The executor: privilege, and what the operand lies in, such as `mmio-user`.
    pub on: String,
    /// Mode of the code segment: 16, 32 or 64.
    pub mode_bits: u32,
    /// Encoding: `legacy` (with MMX and SSE), `x87`, `VEX`, `EVEX` …
    pub encoding: String,
    /// Size of the memory operand, or nothing if it is not one of the usual ones.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub operand_bits: Option<u32>,
    /// Forms that always did what the manuals say.
    pub handled: u32,
    /// Forms that the subject refused with some inputs, and that were right with the others.
    pub refused: u32,
    /// Forms that did something else with some inputs.
    pub differing: u32,
    /// Forms that never ended with some inputs.
    pub hung: u32,
    /// Forms that no input was executed of.
    pub untried: u32,
    /// The fewest inputs of a form that was tried.
    pub fewest_inputs: u64,
}

/// Names of the results with their numbers, in the order of tables.
pub type Results = [(&'static str, u32); 5];

impl CoverageRow {
    /// The results by name.
    pub fn results(&self) -> Results {
        let Self { handled, refused, differing, hung, untried, .. } = *self;
        [("handled", handled), ("refused", refused), ("differing", differing), ("hung", hung), ("untried", untried)]
    }

    /// How many forms there are.
    pub fn forms(&self) -> u32 {
        self.results().iter().fold(0, |sum, (_, number)| sum.saturating_add(*number))
    }

    /// The operand size for people.
    pub fn size(&self) -> String {
        self.operand_bits.map_or_else(|| "other".to_owned(), |bits| bits.to_string())
    }

    /// Adds the numbers of another row.
    pub fn add(&mut self, other: &Self) {
        self.handled = self.handled.saturating_add(other.handled);
        self.refused = self.refused.saturating_add(other.refused);
        self.differing = self.differing.saturating_add(other.differing);
        self.hung = self.hung.saturating_add(other.hung);
        self.untried = self.untried.saturating_add(other.untried);
        self.fewest_inputs = match (self.fewest_inputs, other.fewest_inputs) {
            (0, fewest) | (fewest, 0) => fewest,
            (one, another) => one.min(another),
        };
    }
}

/// A column of a table: an executor of a subject, in a mode.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Column {
    /// Id of the subject.
    pub subject: String,
    /// Mode of the code segment.
    pub mode_bits: u32,
    /// The executor.
    pub on: String,
}

impl Column {
    /// Its heading: `vmm mmio-user 64-bit`.
    pub fn title(&self) -> String {
        format!("{} {} {}-bit", self.subject, self.on, self.mode_bits)
    }
}

/// A line of a table: an encoding, and an operand size in it or all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The encoding, or `all`.
    pub encoding: String,
    /// The operand size in bits, `other`, or `all`.
    pub size: String,
    /// Whether it is a sum of others.
    pub is_sum: bool,
    /// One for each column; nothing where it has no such form.
    pub cells: Vec<Option<CoverageRow>>,
}

/// A table by encoding and size, with executors side by side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// The executors, sorted.
    pub columns: Vec<Column>,
    /// Sums of encodings, each before its sizes, and the sum of all at the end.
    pub lines: Vec<Line>,
}

impl Table {
    /// A table for each mode, the widest registers first: all executors in one would be too wide to read.
    pub fn by_mode(rows: &[CoverageRow]) -> Vec<Self> {
        let modes: BTreeSet<u32> = rows.iter().map(|row| row.mode_bits).collect();
        let of_mode = |mode| -> Vec<CoverageRow> { rows.iter().filter(|row| row.mode_bits == mode).cloned().collect() };
        modes.into_iter().rev().map(|mode| Self::new(&of_mode(mode))).collect()
    }

    /// The table of these rows.
    pub fn new(rows: &[CoverageRow]) -> Self {
        let column =
            |row: &CoverageRow| Column { subject: row.subject.clone(), on: row.on.clone(), mode_bits: row.mode_bits };
        let columns: BTreeSet<Column> = rows.iter().map(column).collect();
        let columns: Vec<Column> = columns.into_iter().collect();
        let cells = |is_wanted: &dyn Fn(&CoverageRow) -> bool| -> Vec<Option<CoverageRow>> {
            let cell = |wanted: &Column| {
                let mut found = rows.iter().filter(|row| column(row) == *wanted && is_wanted(row));
                let first = found.next()?.clone();
                Some(found.fold(first, |mut sum, row| {
                    sum.add(row);
                    sum
                }))
            };
            columns.iter().map(cell).collect()
        };
        // Sizes that are not usual stand behind the others.
        let mut groups: BTreeMap<&str, BTreeSet<u32>> = BTreeMap::new();
        for row in rows {
            groups.entry(&row.encoding).or_default().insert(row.operand_bits.unwrap_or(u32::MAX));
        }
        let mut lines = Vec::new();
        for (encoding, sizes) in groups {
            let sum = cells(&|row| row.encoding == encoding);
            lines.push(Line { encoding: encoding.to_owned(), size: "all".to_owned(), is_sum: true, cells: sum });
            for size in sizes {
                let is_wanted =
                    |row: &CoverageRow| row.encoding == encoding && row.operand_bits.unwrap_or(u32::MAX) == size;
                let cells = cells(&is_wanted);
                let size = cells.iter().flatten().next().map_or_else(String::new, CoverageRow::size);
                lines.push(Line { encoding: encoding.to_owned(), size, is_sum: false, cells });
            }
        }
        if !rows.is_empty() {
            let all = || "all".to_owned();
            lines.push(Line { encoding: all(), size: all(), is_sum: true, cells: cells(&|_| true) });
        }
        Self { columns, lines }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;

    #[test]
    fn sums_stand_before_their_sizes_and_behind_all() {
        let table = Table::new(&example::coverage());
        let lines: Vec<_> = table.lines.iter().map(|line| format!("{} {}", line.encoding, line.size)).collect();
        assert_eq!(
            lines,
            [
                "EVEX all",
                "EVEX 512",
                "legacy all",
                "legacy 8",
                "legacy 128",
                "legacy other",
                "x87 all",
                "x87 80",
                "all all"
            ]
        );
        let sums = |at: usize| table.lines.last().unwrap().cells[at].as_ref().unwrap().clone();
        assert_eq!((sums(0).forms(), sums(0).handled, sums(0).fewest_inputs), (67, 4, 100));
        let parts = table.lines.iter().filter(|line| !line.is_sum).filter_map(|line| line.cells[0].as_ref());
        assert_eq!(parts.map(CoverageRow::forms).sum::<u32>(), sums(0).forms());
    }

    #[test]
    fn executors_stand_side_by_side_with_gaps() {
        let table = Table::new(&example::coverage());
        let titles: Vec<_> = table.columns.iter().map(Column::title).collect();
        assert_eq!(titles, ["vmm mmio-supervisor 32-bit", "vmm mmio-user 64-bit"]);
        let x87 = table.lines.iter().find(|line| line.size == "80").unwrap();
        assert!(x87.cells[0].is_none() && x87.cells[1].is_some());
    }

    #[test]
    fn modes_have_tables_of_their_own() {
        let modes = |table: &Table| table.columns.iter().map(|column| column.mode_bits).collect::<Vec<_>>();
        let tables: Vec<_> = Table::by_mode(&example::coverage()).iter().map(modes).collect();
        assert_eq!(tables, [[64], [32]]);
    }

    #[test]
    fn nothing_gives_an_empty_table() {
        assert_eq!(Table::new(&[]), Table::default());
    }
}
