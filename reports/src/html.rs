//! The report as one HTML file: no script, no external resource, readable in a light and a dark window.
//!
//! The template is `reports/templates/report.html`; askama checks it against the types below when this crate is compiled
//! and escapes every value that it prints.

use crate::{
    coverage::{CoverageRow, Table},
    exits,
    model::{Case, Check, FeatureRow, Report, Subject, Verdict},
    set_ups::{self, Difference},
    standing::{Standing, or_nothing},
    tally::Tally,
    text::{duration, lines, one_line},
};
use askama::Template;

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    kernel: String,
    processor: String,
    kvm_module: String,
    nr_processors: u32,
    build_id: String,
    subjects: Vec<SubjectView>,
    areas: Vec<AreaView>,
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

/// A subject in the summary, and its cases.
struct SubjectView {
    id: String,
    version: String,
    offers: String,
    tally: String,
    unexpected: u32,
    duration: String,
    bar: Vec<Segment>,
    cases: Vec<CaseView>,
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
    /// One a subject.
    cells: Vec<Vec<Segment>>,
}

/// The cases of one verdict: a piece of a bar, or a number in a cell.
struct Segment {
    verdict: &'static str,
    total: u32,
    notes: String,
    is_unexpected: bool,
}

struct CaseView {
    id: String,
    anchor: String,
    verdict: &'static str,
    verdict_text: String,
    /// Class for the filters and the colour of the edge.
    standing: &'static str,
    is_open: bool,
    why: String,
    facts: Vec<(&'static str, String)>,
    checks: Vec<CheckView>,
    /// Checks that are not listed.
    more: String,
    repeat: String,
    duration: String,
}

/// How many passing checks of a case are listed.
const MOST_PASSING: usize = 20;
/// How many others are.
const MOST_FAILING: usize = 200;

struct CheckView {
    id: String,
    verdict: &'static str,
    expected: String,
    actual: String,
}

/// The report as HTML.
///
/// # Errors
/// None that a [`Report`] can cause, since the template is compiled and writes to memory. The error is askama's.
pub fn write(report: &Report) -> Result<String, askama::Error> {
    let mut text = page(report).render()?;
    text.push('\n');
    Ok(text)
}

fn page(report: &Report) -> Page<'static> {
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
    Page {
        kernel: shown(&report.host.kernel),
        processor: shown(&report.host.processor),
        kvm_module: shown(&report.host.kvm_module),
        nr_processors: report.host.nr_processors,
        build_id: shown(&report.image.build_id),
        subjects: (0..).zip(&report.subjects).map(|(number, subject)| subject_view(number, subject)).collect(),
        areas: report.areas().into_iter().map(area).collect(),
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
        cells: subjects.iter().map(|subject| segments(subject.tally_of_feature(&row.id))).collect(),
    }
}

fn subject_view(number: usize, subject: &Subject) -> SubjectView {
    let tally = subject.tally();
    SubjectView {
        id: one_line(&subject.id).into_owned(),
        version: shown(&subject.version),
        offers: shown(&subject.offers.join(", ")),
        tally: tally.to_string(),
        unexpected: tally.unexpected(),
        duration: duration(subject.duration_us()),
        bar: segments(tally),
        cases: (0..)
            .zip(&subject.cases)
            .map(|(case_number, case)| case_view(number, case_number, case, subject))
            .collect(),
    }
}

fn case_view(subject_number: usize, number: usize, case: &Case, subject: &Subject) -> CaseView {
    let mut facts = vec![("rule", shown(&case.rule))];
    facts.extend(case.shown_reason().map(|reason| ("reason", shown(&reason))));
    facts.extend(case.known.iter().map(|known| ("baseline", shown(known))));
    facts.push(("clause", shown(&case.spec)));
    facts.push(("source", shown(&case.source)));
    let standing = match case.standing() {
        Standing::Passed => "passed",
        Standing::Skipped => "skipped",
        Standing::Known => "known",
        Standing::Unexpected | Standing::Broken => "unexpected",
    };
    let (checks, more) = check_views(&case.checks);
    CaseView {
        id: one_line(&case.id).into_owned(),
        // Numbers, because an id may hold what an address may not.
        anchor: format!("case-{subject_number}-{number}"),
        verdict: case.verdict.name(),
        verdict_text: case.verdict_text(),
        standing,
        is_open: case.standing().needs_attention(),
        why: one_line(&case.why()).into_owned(),
        facts,
        checks,
        more,
        repeat: case.repeat_command(&subject.id),
        duration: duration(case.duration_us),
    }
}

/// The checks that are listed, and what to say of the others: a table of thousands is one case.
fn check_views(checks: &[Check]) -> (Vec<CheckView>, String) {
    let (mut nr_passing, mut nr_failing) = (0, 0);
    let is_listed = |check: &&Check| {
        let (count, most) = match check.verdict {
            Verdict::Pass => (&mut nr_passing, MOST_PASSING),
            _ => (&mut nr_failing, MOST_FAILING),
        };
        *count += 1;
        *count <= most
    };
    let view = |check: &Check| CheckView {
        id: one_line(&check.id).into_owned(),
        verdict: check.verdict.name(),
        expected: shown(&check.expected),
        actual: shown(&check.actual),
    };
    let views = checks.iter().filter(is_listed).map(view).collect();
    let (passing, failing) = (checks.len() - nr_failing, nr_failing);
    let more: Vec<_> = [(failing, MOST_FAILING, "fail"), (passing, MOST_PASSING, "pass")]
        .into_iter()
        .filter(|(count, most, _)| count > most)
        .map(|(count, most, word)| format!("{} more that {word}", count - most))
        .collect();
    let more = if more.is_empty() { String::new() } else { format!("… and {}: see report.json", more.join(" and ")) };
    (views, more)
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

#[cfg(test)]
mod tests {
    use super::{MOST_FAILING, MOST_PASSING, check_views, write};
    use crate::{
        example, hostile,
        model::{Check, Verdict},
    };

    /// The tags of a page in their order, with their attributes' values left out.
    fn tags(html: &str) -> Vec<String> {
        html.split('<').skip(1).map(|tag| tag.split(['>', ' ']).next().unwrap_or_default().to_owned()).collect()
    }

    #[test]
    fn the_example_is_as_checked_in() {
        insta::assert_snapshot!(write(&example::report()).unwrap());
    }

    #[test]
    fn hostile_names_are_text() {
        let html = write(&hostile::report("<script>alert('1')</script>\"><img src=x onerror=y>")).unwrap();
        assert!(!html.contains("<script") && !html.contains("<img"), "not escaped");
        assert!(html.contains("&#60;script&#62;alert(&#39;1&#39;)"), "lost");
    }

    #[test]
    fn nothing_is_loaded_from_elsewhere() {
        let html = write(&example::report()).unwrap();
        for word in ["<script", "<link", "<img", "<iframe", "src=", "@import", "url(", "http://", "https://"] {
            assert!(!html.contains(word), "{word}");
        }
    }

    #[test]
    fn every_case_can_be_unfolded_and_repeated() {
        let report = example::report();
        let html = write(&report).unwrap();
        for subject in &report.subjects {
            for case in &subject.cases {
                assert!(html.contains(&case.repeat_command(&subject.id)), "{} on {}", case.id, subject.id);
            }
        }
        let nr_cases: usize = report.subjects.iter().map(|subject| subject.cases.len()).sum();
        assert_eq!(html.matches("<details class=\"case").count(), nr_cases);
    }

    #[test]
    fn of_thousands_of_checks_the_failing_ones_are_listed() {
        let check = |index: usize| Check {
            id: format!("row {index}"),
            verdict: if index.is_multiple_of(10) { Verdict::Fail } else { Verdict::Pass },
            expected: String::new(),
            actual: String::new(),
        };
        let (views, more) = check_views(&(0..3_000).map(check).collect::<Vec<_>>());
        let nr_failing = views.iter().filter(|view| view.verdict == "fail").count();
        assert_eq!((views.len(), nr_failing), (MOST_PASSING + MOST_FAILING, MOST_FAILING));
        assert_eq!(more, "… and 100 more that fail and 2680 more that pass: see report.json");
        assert_eq!(check_views(&(0..20).map(check).collect::<Vec<_>>()).1, "");
    }

    #[test]
    fn every_tag_is_closed() {
        let html = write(&example::report()).unwrap();
        let mut open: Vec<String> = Vec::new();
        for tag in tags(&html) {
            match tag.strip_prefix('/') {
                Some(name) => assert_eq!(open.pop().as_deref(), Some(name)),
                None if ["!doctype", "meta", "input", "br"].contains(&&*tag) => (),
                None => open.push(tag),
            }
        }
        assert_eq!(open, Vec::<String>::new());
    }

    proptest::proptest! {
        #[test]
        fn any_string_keeps_the_tags(text in hostile::text()) {
            let html = write(&hostile::report(&text)).unwrap();
            proptest::prop_assert_eq!(tags(&html), tags(&write(&hostile::report("x")).unwrap()));
            proptest::prop_assert!(html.chars().all(|character| character == '\n' || !character.is_control()));
        }
    }
}
