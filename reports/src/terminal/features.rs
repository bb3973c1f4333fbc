//! The table by feature.

use super::{Style, Tone};
use crate::{
    model::{FeatureRow, Report, Verdict},
    tally::{Count, Tally},
    text::{line, one_line},
};
use comfy_table::{
    Cell, CellAlignment, ColumnConstraint, ContentArrangement, Row, Table, TableComponent, Width, presets,
};

/// Columns that a feature's title keeps before the subjects' names give way.
const TITLE_COLUMNS: usize = 28;

/// Headings before those of the subjects.
const FIXED_HEADINGS: [&str; 4] = ["area", "feature", "cases", "checks"];

/// Columns that a feature's title keeps, even if the row is then wider than the terminal.
const TITLE_COLUMNS_MIN: u16 = 10;

/// Writes the table, and under it what its marks mean.
pub(super) fn write(text: &mut String, report: &Report, style: Style, width: u16) {
    let rows = listed(report);
    let names: Vec<String> = report.subjects.iter().map(|subject| one_line(&subject.id).into_owned()).collect();
    let tallies: Vec<Vec<Tally>> = rows
        .iter()
        .map(|row| report.subjects.iter().map(|subject| subject.tally_of_feature(&row.id)).collect())
        .collect();
    let are_numbered = !names_fit(&rows, &tallies, &names, usize::from(width));
    let headings: Vec<String> =
        if are_numbered { (1..=names.len()).map(|number| format!("[{number}]")).collect() } else { names.clone() };

    let mut table = new_table(width, &headings, style);
    fill(&mut table, &rows, &tallies, style);
    for line in table.lines() {
        line!(text, "{}", line.trim_end());
    }

    let mut note = |note: &str| line!(text, "{}", style.paint(Tone::Quiet, note));
    if rows.len() != report.features.len() {
        note(&format!("features without a case in this run, left out: {}", report.features.len() - rows.len()));
    }
    if are_numbered {
        let pairs: Vec<String> = headings.iter().zip(&names).map(|(number, name)| format!("{number} {name}")).collect();
        note(&pairs.join("  "));
    }
    note("no letter pass, F fail, C crash, H hang, S skip, E error; ! unexpected; · not run");
}

/// The rows to show: all, also those without a case, unless the run was a selection of the catalog.
fn listed(report: &Report) -> Vec<&FeatureRow> {
    let was_run = |row: &FeatureRow| row.by_subject.values().any(|verdicts| !verdicts.is_empty());
    let is_selection = report.features.iter().any(|row| row.cases != 0 && !was_run(row));
    report.features.iter().filter(|row| !is_selection || was_run(row)).collect()
}

fn fill(table: &mut Table, rows: &[&FeatureRow], tallies: &[Vec<Tally>], style: Style) {
    let mut area_before = None;
    for (row, tallies) in rows.iter().zip(tallies) {
        // The area stands once, at the top of its rows.
        let area = if area_before == Some(&row.area) { String::new() } else { one_line(&row.area).into_owned() };
        area_before = Some(&row.area);
        let tone = |text: &str| if row.cases == 0 { style.paint(Tone::Quiet, text) } else { text.to_owned() };
        let start = [area, tone(&one_line(&row.title)), tone(&row.cases.to_string()), tone(&row.checks.to_string())];
        let cells = tallies.iter().map(|tally| counts(*tally, style));
        let mut row: Row = start.into_iter().chain(cells).map(Cell::new).collect::<Vec<_>>().into();
        row.max_height(1);
        table.add_row(row);
    }
}

fn new_table(width: u16, subjects: &[String], style: Style) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_style(TableComponent::HeaderLines, '─');
    table.set_style(TableComponent::MiddleHeaderIntersections, '─');
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width).set_truncation_indicator("…");
    let headings = FIXED_HEADINGS.into_iter().chain(subjects.iter().map(String::as_str));
    table.set_header(headings.map(|heading| Cell::new(style.paint(Tone::Heading, heading))));
    for (index, column) in table.column_iter_mut().enumerate() {
        // With the column of the intersections, this makes a gap of two.
        column.set_padding((0, 1));
        column.set_constraint(match index {
            1 => ColumnConstraint::LowerBoundary(Width::Fixed(TITLE_COLUMNS_MIN)),
            _ => ColumnConstraint::ContentWidth,
        });
        if index >= 2 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// Whether a row with the subjects' names over it fits into `width` columns with a readable title.
fn names_fit(rows: &[&FeatureRow], tallies: &[Vec<Tally>], names: &[String], width: usize) -> bool {
    const GAP: usize = 2;
    let columns = |text: &str| text.chars().count() + GAP;
    let widest = |texts: &mut dyn Iterator<Item = usize>, heading: &str| texts.max().unwrap_or(0).max(columns(heading));
    let [area, title, cases, checks] = FIXED_HEADINGS;
    let area = widest(&mut rows.iter().map(|row| columns(&one_line(&row.area))), area);
    let title = widest(&mut rows.iter().map(|row| columns(&one_line(&row.title))), title).min(TITLE_COLUMNS + GAP);
    let subjects = names.iter().enumerate().map(|(index, name)| {
        widest(&mut tallies.iter().map(|tallies| columns(&counts(tallies[index], Style::Plain))), name)
    });
    area + title + columns(cases) + columns(checks) + subjects.sum::<usize>() <= width
}

/// The counts of a cell: `12 1F! 2S`, or a dot if nothing was run.
fn counts(tally: Tally, style: Style) -> String {
    if tally.total() == 0 {
        return style.paint(Tone::Quiet, "·");
    }
    let one = |(verdict, count): (Verdict, Count)| {
        let (letter, usual) = match verdict {
            Verdict::Pass => ("", Tone::Good),
            Verdict::Fail => ("F", Tone::Known),
            Verdict::Crash => ("C", Tone::Known),
            Verdict::Hang => ("H", Tone::Known),
            Verdict::Skip => ("S", Tone::Quiet),
            Verdict::Error => ("E", Tone::Bad),
        };
        let (mark, tone) = if count.unexpected == 0 { ("", usual) } else { ("!", Tone::Bad) };
        style.paint(tone, &format!("{}{letter}{mark}", count.total))
    };
    tally.nonzero().map(one).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use crate::{
        example,
        model::{Case, FeatureRow, Report, Subject, Verdict},
        terminal::{Style, write},
    };

    /// A report as it may be one day: 150 features in 15 areas, 8 subjects, everything passed but one in seven.
    fn large() -> Report {
        let ids =
            ["vmm", "qemu-kvm", "qemu-tcg", "bochs", "firecracker", "cloud-hypervisor", "linux:6.12", "linux:6.18"];
        let features: Vec<FeatureRow> = (0..150)
            .map(|number| FeatureRow {
                id: format!("F{number}"),
                title: format!("Feature number {number} with a title of the usual length"),
                area: format!("area{}", number / 10),
                cases: 7,
                checks: 123,
                by_subject: ids.iter().map(|id| ((*id).to_owned(), [("pass".to_owned(), 6)].into())).collect(),
                faults: None,
            })
            .collect();
        let verdict = |number| if number % 7 == 3 { Verdict::Fail } else { Verdict::Pass };
        let cases: Vec<Case> = (0..1050)
            .map(|number| example::case(&format!("a::c{number}"), &format!("F{}", number / 7), verdict(number)))
            .collect();
        let subject = |id: &&str| Subject { id: (*id).to_owned(), cases: cases.clone(), ..Subject::default() };
        Report { subjects: ids.iter().map(subject).collect(), features, ..example::report() }
    }

    /// The lines of the table, from its heading to the legend.
    fn table(text: &str) -> Vec<&str> {
        let from = text.lines().skip_while(|line| !line.starts_with("area"));
        from.take_while(|line| !line.contains("no letter")).collect()
    }

    #[test]
    fn a_narrow_example_is_as_checked_in() {
        let text = write(&example::report(), Style::Plain, 60);
        insta::assert_snapshot!(text.split("\n\n").find(|part| part.starts_with("area")).unwrap());
    }

    #[test]
    fn a_run_of_everything_lists_features_without_cases() {
        let mut report = example::report();
        report.features.retain(|row| row.cases == 0 || row.by_subject.values().any(|verdicts| !verdicts.is_empty()));
        let text = write(&report, Style::Plain, 100);
        assert_eq!(table(&text).len(), 2 + report.features.len(), "{text}");
        assert!(text.contains("Faults inside a repeated string"), "{text}");
    }

    #[test]
    fn a_large_report_has_one_line_a_feature_and_fits_the_width() {
        let report = large();
        for width in [90_u16, 100, 120, 160, 240] {
            let text = write(&report, Style::Plain, width);
            let table = table(&text);
            let rows: Vec<&&str> = table.iter().filter(|line| line.contains("Feature")).collect();
            assert_eq!(rows.len(), 150, "{width}");
            for line in table.iter().filter(|line| !line.starts_with('[')) {
                assert!(line.chars().count() <= usize::from(width), "{width}: {line}");
            }
            assert!(rows.iter().all(|row| row.matches("6 1F!").count() == 8), "{width}: {}", rows[0]);
            assert_eq!(text.contains("[8] linux:6.18"), width < 160, "{width}: {text}");
        }
    }

    #[test]
    fn any_width_gives_a_table() {
        for width in [0, 1, 2, 10, 40, u16::MAX] {
            assert!(write(&example::report(), Style::Plain, width).contains("qemu-tcg: "), "{width}");
        }
    }
}
