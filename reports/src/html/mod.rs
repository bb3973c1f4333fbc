//! The report as one HTML file: no external resource, readable without scripts, in a light and a dark window, and on a phone.
//!
//! The template is `reports/templates/report.html`; askama checks it against the types below when this crate is compiled
//! and escapes every value that it prints. The one script in it is constant and only adds filters.

mod cases;
mod changes;
#[cfg(test)]
mod tests;

use crate::{
    coverage::{CoverageRow, Table},
    exits,
    history::History,
    model::{Case, FeatureRow, Report, Subject, Verdict},
    set_ups::{self, Difference},
    standing::or_nothing,
    tally::Tally,
    text::{duration, lines, one_line},
};
use askama::Template;
use cases::AreaTree;
use changes::{ChangeView, HistoryView, TurnView};

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    kernel: String,
    processor: String,
    kvm_module: String,
    nr_processors: u32,
    build_id: String,
    /// Which part of the cases was run, if it was not all.
    shard: String,
    subjects: Vec<SubjectView>,
    /// What is not as the baseline says.
    changes: Vec<ChangeView>,
    /// The same in numbers.
    change_numbers: String,
    /// One a subject; none without former runs.
    history: Vec<HistoryView>,
    /// Cases that changed from run to run, and how many of them are left out.
    turns: Vec<TurnView>,
    nr_more_turns: usize,
    areas: Vec<AreaView>,
    /// Whether a feature among them is.
    has_unproven: bool,
    /// Every case, by area and feature.
    tree: Vec<AreaTree>,
    /// Names of the interrupt set-ups.
    setups: Vec<String>,
    /// Cases that they differ in.
    differences: Vec<DifferenceView>,
    /// One a mode; none if nothing was cross-checked.
    coverage: Vec<CoverageView>,
    /// Exits and rules of nested virtualization; none if no such case was run.
    exits: Vec<ExitsView>,
    /// Names of all verdicts, for the legend.
    verdicts: &'a [Verdict],
}

/// A subject in the summary.
struct SubjectView {
    id: String,
    version: String,
    offers: String,
    tally: String,
    unexpected: u32,
    duration: String,
    bar: Vec<Segment>,
}

/// A case that came out differently in the interrupt set-ups of a subject.
struct DifferenceView {
    case: String,
    subject: String,
    /// One a set-up: its verdict and its text; nothing where it was not run.
    cells: Vec<Option<(&'static str, String)>>,
    checks: String,
}

/// A table of instruction emulation.
struct CoverageView {
    columns: Vec<String>,
    lines: Vec<CoverageLine>,
}

struct CoverageLine {
    encoding: String,
    size: String,
    is_sum: bool,
    /// One a column; no piece where there is no such form.
    cells: Vec<Vec<Piece>>,
}

/// Exits of one manual, or rules of one feature.
struct ExitsView {
    title: &'static str,
    tally: String,
    lines: Vec<ExitLine>,
}

struct ExitLine {
    number: String,
    name: String,
    standing: &'static str,
    is_covered: bool,
    subjects: String,
    by: String,
}

/// The forms of one result: a piece of a bar.
struct Piece {
    result: &'static str,
    forms: u32,
}

/// An area of the feature table.
struct AreaView {
    name: String,
    bars: Vec<Vec<Segment>>,
    rows: Vec<RowView>,
}

struct RowView {
    title: String,
    cases: u32,
    checks: u32,
    is_unproven: bool,
    /// One a subject.
    cells: Vec<Vec<Segment>>,
}

/// The cases of one verdict: a piece of a bar, or a number in a cell.
#[derive(Clone)]
struct Segment {
    verdict: &'static str,
    total: u32,
    notes: String,
    is_unexpected: bool,
}

/// The report as HTML, without former runs.
///
/// # Errors
/// Those of [`write_with`].
pub fn write(report: &Report) -> Result<String, askama::Error> {
    write_with(report, &History::default())
}

/// The report as HTML, beside former runs.
///
/// # Errors
/// None that a [`Report`] can cause, since the template is compiled and writes to memory. The error is askama's.
pub fn write_with(report: &Report, history: &History) -> Result<String, askama::Error> {
    let mut text = page(report, history).render()?;
    text.push('\n');
    Ok(text)
}

fn page(report: &Report, history: &History) -> Page<'static> {
    let area = |(name, rows): (&str, Vec<&FeatureRow>)| {
        let is_in_area = |case: &&Case| rows.iter().any(|row| row.id == case.feature);
        AreaView {
            name: one_line(name).into_owned(),
            bars: report
                .subjects
                .iter()
                .map(|subject| segments(Tally::of(subject.cases.iter().filter(is_in_area))))
                .collect(),
            rows: rows.iter().map(|row| row_view(row, &report.subjects)).collect(),
        }
    };
    let (turns, nr_more_turns) = changes::turns(report, history);
    let recorded = crate::changes::Changes::recorded(report);
    Page {
        kernel: shown(&report.host.kernel),
        processor: shown(&report.host.processor),
        kvm_module: shown(&report.host.kvm_module),
        nr_processors: report.host.nr_processors,
        build_id: shown(&report.image.build_id),
        shard: report.shard.map(|shard| format!("{} of {}", shard.number, shard.count)).unwrap_or_default(),
        subjects: report.subjects.iter().map(subject_view).collect(),
        changes: changes::changes(report, &recorded),
        change_numbers: if recorded.is_empty() { String::new() } else { recorded.numbers() },
        history: changes::history(report, history),
        turns,
        nr_more_turns,
        tree: cases::tree(report),
        areas: report.areas().into_iter().map(area).collect(),
        has_unproven: report.features.iter().any(FeatureRow::is_unproven),
        setups: set_ups::names(report).into_iter().map(|name| one_line(name).into_owned()).collect(),
        differences: set_ups::differences(report).iter().map(difference_view).collect(),
        coverage: Table::by_mode(&report.coverage).into_iter().map(coverage_view).collect(),
        exits: exits::groups(report).into_iter().map(exits_view).collect(),
        verdicts: Verdict::ALL,
    }
}

fn exits_view(group: exits::Group) -> ExitsView {
    let tally: Vec<_> = group.tally().iter().map(|(standing, nr)| format!("{nr} {}", standing.name())).collect();
    let line = |line: exits::Line| ExitLine {
        number: line.number,
        name: one_line(&line.name).into_owned(),
        standing: line.standing.name(),
        is_covered: line.standing == exits::Standing::Covered,
        subjects: one_line(&line.subjects.join(", ")).into_owned(),
        by: one_line(&line.by).into_owned(),
    };
    ExitsView { title: group.title, tally: tally.join(", "), lines: group.lines.into_iter().map(line).collect() }
}

fn difference_view(found: &Difference<'_>) -> DifferenceView {
    let cell = |outcome: &set_ups::Outcome<'_>| (outcome.verdict.name(), outcome.text());
    DifferenceView {
        case: one_line(found.case).into_owned(),
        subject: one_line(found.subject).into_owned(),
        cells: found.outcomes.iter().map(|outcome| outcome.as_ref().map(cell)).collect(),
        checks: one_line(&found.checks_text()).into_owned(),
    }
}

fn coverage_view(Table { columns, lines }: Table) -> CoverageView {
    let pieces = |row: &CoverageRow| -> Vec<Piece> {
        row.results()
            .into_iter()
            .filter(|(_, forms)| *forms != 0)
            .map(|(result, forms)| Piece { result, forms })
            .collect()
    };
    CoverageView {
        columns: columns.iter().map(|column| one_line(&column.title()).into_owned()).collect(),
        lines: lines
            .into_iter()
            .map(|line| CoverageLine {
                encoding: one_line(&line.encoding).into_owned(),
                size: line.size,
                is_sum: line.is_sum,
                cells: line.cells.iter().map(|cell| cell.as_ref().map(pieces).unwrap_or_default()).collect(),
            })
            .collect(),
    }
}

fn row_view(row: &FeatureRow, subjects: &[Subject]) -> RowView {
    RowView {
        title: one_line(&row.title).into_owned(),
        cases: row.cases,
        checks: row.checks,
        is_unproven: row.is_unproven(),
        cells: subjects.iter().map(|subject| segments(subject.tally_of_feature(&row.id))).collect(),
    }
}

fn subject_view(subject: &Subject) -> SubjectView {
    let tally = subject.tally();
    SubjectView {
        id: one_line(&subject.id).into_owned(),
        version: shown(&subject.version),
        offers: shown(&subject.offers.join(", ")),
        tally: tally.to_string(),
        unexpected: tally.unexpected(),
        duration: duration(subject.duration_us()),
        bar: segments(tally),
    }
}

fn segments(tally: Tally) -> Vec<Segment> {
    tally
        .nonzero()
        .map(|(verdict, count)| Segment {
            verdict: verdict.name(),
            total: count.total,
            notes: count.notes(),
            is_unexpected: count.unexpected != 0,
        })
        .collect()
}

fn shown(text: &str) -> String {
    lines(or_nothing(text)).into_owned()
}
