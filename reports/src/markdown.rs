//! The report as Markdown (GitHub's flavour), for a pull request, an issue or a reader without a browser.

use crate::{
    coverage::{CoverageRow, Table},
    model::{Case, Report, Subject, Verdict},
    set_ups::{self, Outcome},
    standing::Standing,
    tally::Tally,
    text::{duration, line, one_line},
};
use std::fmt::Write;

/// The report as Markdown.
pub fn write(report: &Report) -> String {
    let mut text = String::from("# vmproof report\n\n");
    write_run(&mut text, report);
    write_summary(&mut text, report);
    write_features(&mut text, report);
    write_set_ups(&mut text, report);
    write_coverage(&mut text, report);
    for subject in &report.subjects {
        write_subject(&mut text, subject);
    }
    text
}

fn write_run(text: &mut String, report: &Report) {
    let host = &report.host;
    line!(text, "- Kernel: {}", code(&host.kernel));
    line!(text, "- Processor: {} ({} online)", plain(&host.processor), host.nr_processors);
    if !host.kvm_module.is_empty() {
        line!(text, "- KVM module: {}", code(&host.kvm_module));
    }
    line!(text, "- Guest image: build id {}", code(&report.image.build_id));
}

fn write_summary(text: &mut String, report: &Report) {
    line!(text, "\n## Summary\n");
    let verdicts: Vec<&str> = Verdict::ALL.iter().map(|verdict| verdict.name()).collect();
    line!(text, "| subject | version | cases | {} | known | unexpected | time |", verdicts.join(" | "));
    line!(text, "|---|---|--:|{}--:|--:|--:|", "--:|".repeat(verdicts.len()));
    for subject in &report.subjects {
        let tally = subject.tally();
        let known: u32 = tally.nonzero().map(|(_, count)| count.known).sum();
        let mut row = format!("| {} | {} | {} |", code(&subject.id), plain(&subject.version), tally.total());
        for &verdict in Verdict::ALL {
            _ = write!(row, " {} |", tally.get(verdict).total);
        }
        let unexpected = match tally.unexpected() {
            0 => "0".to_owned(),
            number => format!("**{number}**"),
        };
        line!(text, "{row} {known} | {unexpected} | {} |", duration(subject.duration_us()));
    }
}

fn write_features(text: &mut String, report: &Report) {
    line!(text, "\n## Features\n");
    line!(text, "Bold: not as expected. A dash: no case of the feature was run.\n");
    let subjects: Vec<String> = report.subjects.iter().map(|subject| code(&subject.id)).collect();
    let columns: String = subjects.iter().map(|subject| format!(" {subject} |")).collect();
    line!(text, "| area | feature | cases | checks |{columns}");
    line!(text, "|---|---|--:|--:|{}", "---|".repeat(subjects.len()));
    for (area, rows) in report.areas() {
        for (position, row) in rows.into_iter().enumerate() {
            // The area stands once, at the top of its rows.
            let area = if position == 0 { format!("**{}**", plain(area)) } else { String::new() };
            let cells: String = report
                .subjects
                .iter()
                .map(|subject| format!(" {} |", feature_cell(subject.tally_of_feature(&row.id))))
                .collect();
            line!(text, "| {area} | {} | {} | {} |{cells}", plain(&row.title), row.cases, row.checks);
        }
    }
}

fn write_set_ups(text: &mut String, report: &Report) {
    let differences = set_ups::differences(report);
    if differences.is_empty() {
        return;
    }
    line!(text, "\n## Interrupt set-ups that differ\n");
    line!(
        text,
        "Cases that came out differently on one subject, by who emulates the interrupt controllers. A dash: says nothing."
    );
    let names = set_ups::names(report);
    let columns: String = names.iter().map(|name| format!(" {} |", plain(name))).collect();
    line!(text, "\n| case | subject |{columns} checks that differ |");
    line!(text, "|---|---|{}---|", "---|".repeat(names.len()));
    for found in differences {
        let cell = |outcome: &Option<Outcome<'_>>| outcome.as_ref().map_or("—".to_owned(), Outcome::text);
        let cells: String = found.outcomes.iter().map(|outcome| format!(" {} |", cell(outcome))).collect();
        line!(
            text,
            "| {} | {} |{cells} {} |",
            code(found.case),
            code(found.subject),
            if found.checks.is_empty() { "—".to_owned() } else { plain(&found.checks_text()) }
        );
    }
}

fn write_coverage(text: &mut String, report: &Report) {
    if report.coverage.is_empty() {
        return;
    }
    line!(text, "\n## Instruction emulation\n");
    line!(
        text,
        "Forms by their worst result: handled / refused / differing / hung, and in brackets those not tried. Bold: a \
         difference or a hang. A dash: no such form."
    );
    for table in Table::by_mode(&report.coverage) {
        write_coverage_table(text, &table);
    }
}

fn write_coverage_table(text: &mut String, Table { columns, lines }: &Table) {
    let titles: String = columns.iter().map(|column| format!(" {} |", plain(&column.title()))).collect();
    line!(text, "\n| encoding | operand bits |{titles}");
    line!(text, "|---|--:|{}", "--:|".repeat(columns.len()));
    for row in lines {
        let cells: String = row.cells.iter().map(|cell| format!(" {} |", coverage_cell(cell.as_ref()))).collect();
        let emphasis = if row.is_sum { "**" } else { "" };
        line!(text, "| {emphasis}{}{emphasis} | {} |{cells}", plain(&row.encoding), row.size);
    }
}

fn coverage_cell(cell: Option<&CoverageRow>) -> String {
    let Some(row) = cell else { return "—".to_owned() };
    if row.forms() == row.untried {
        return format!("({})", row.untried);
    }
    let emphasis = if row.differing == 0 && row.hung == 0 { "" } else { "**" };
    let untried = if row.untried == 0 { String::new() } else { format!(" ({})", row.untried) };
    format!("{emphasis}{} / {} / {} / {}{emphasis}{untried}", row.handled, row.refused, row.differing, row.hung)
}

fn feature_cell(tally: Tally) -> String {
    if tally.total() == 0 {
        return "—".to_owned();
    }
    let counts: Vec<String> = tally
        .nonzero()
        .map(|(verdict, count)| {
            let emphasis = if count.unexpected == 0 { "" } else { "**" };
            format!("{emphasis}{} {}{emphasis}{}", count.total, verdict.name(), count.notes())
        })
        .collect();
    counts.join(", ")
}

fn write_subject(text: &mut String, subject: &Subject) {
    let chapters = [
        ("Not as expected", [Standing::Broken, Standing::Unexpected].as_slice()),
        ("Known to the baseline", [Standing::Known].as_slice()),
    ];
    for (title, standings) in chapters {
        let mut cases = subject.cases.iter().filter(|case| standings.contains(&case.standing())).peekable();
        if cases.peek().is_some() {
            line!(text, "\n## {title}: {}", code(&subject.id));
        }
        cases.for_each(|case| write_case(text, case, subject));
    }
    let mut skipped = subject.cases.iter().filter(|case| case.standing() == Standing::Skipped).peekable();
    if skipped.peek().is_some() {
        line!(text, "\n## Skipped: {}\n", code(&subject.id));
        line!(text, "| case | reason | clause | source | repeat |\n|---|---|---|---|---|");
    }
    for case in skipped {
        line!(
            text,
            "| {} | {} | {} | {} | {} |",
            code(&case.id),
            plain(&case.why()),
            plain(&case.spec),
            code(&case.source),
            code(&case.repeat_command(&subject.id))
        );
    }
}

fn write_case(text: &mut String, case: &Case, subject: &Subject) {
    line!(text, "\n### {}: {}\n", code(&case.id), case.verdict_text());
    line!(text, "- Rule: {}", plain(&case.rule));
    for check in case.failed_checks() {
        line!(text, "- Check: {}", plain(&check.id));
        line!(text, "  - expected: {}", code(&check.expected));
        line!(text, "  - actual: {}", code(&check.actual));
    }
    if let Some(reason) = case.shown_reason() {
        line!(text, "- Reason: {}", paragraph(&reason));
    }
    if let Some(known) = &case.known {
        line!(text, "- Baseline: {}", paragraph(known));
    }
    line!(text, "- Clause: {}", plain(&case.spec));
    line!(text, "- Source: {}", code(&case.source));
    line!(text, "- Repeat: {}", code(&case.repeat_command(&subject.id)));
}

/// Text that is shown as it is, on one line, in a table or elsewhere.
fn plain(text: &str) -> String {
    let text = one_line(text);
    let mut result = String::with_capacity(text.len());
    let mut before = ' ';
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        // An underscore inside a word is no emphasis, and words with underscores are many.
        let is_inside_word = before.is_alphanumeric() && characters.peek().is_some_and(|next| next.is_alphanumeric());
        match character {
            '_' if is_inside_word => result.push('_'),
            // Entities, because what `\|` means depends on where a table's parser looks first.
            '|' => result.push_str("&#124;"),
            '<' => result.push_str("&lt;"),
            '>' => result.push_str("&gt;"),
            '&' => result.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '~' | '$' => result.extend(['\\', character]),
            _ => result.push(character),
        }
        before = character;
    }
    if result.trim().is_empty() { "(nothing)".to_owned() } else { result }
}

/// The same with line breaks, which a table cannot have as they are.
fn paragraph(text: &str) -> String {
    crate::text::lines(text).lines().map(|line| plain(line.trim())).collect::<Vec<_>>().join("<br>")
}

/// A value or a name in a fixed-width font.
fn code(text: &str) -> String {
    let line = one_line(text);
    if line.trim().is_empty() {
        return "(nothing)".to_owned();
    }
    // Nothing can be escaped inside backticks, so what would end the span or the cell takes the way of HTML.
    if line.contains(['`', '|', '\\']) {
        return format!("<code>{}</code>", plain(&line));
    }
    format!("`{line}`")
}

#[cfg(test)]
mod tests {
    use super::{code, paragraph, plain, write};
    use crate::{example, hostile, standing::Standing};

    #[test]
    fn the_example_is_as_checked_in() {
        insta::assert_snapshot!(write(&example::report()));
    }

    #[test]
    fn characters_of_markdown_are_escaped() {
        assert_eq!(
            plain("kvm_pvm _x_ *a* <b> a|b [c](d) `e`"),
            r"kvm_pvm \_x\_ \*a\* &lt;b&gt; a&#124;b \[c\](d) \`e\`"
        );
        assert_eq!(code("0x1"), "`0x1`");
        assert_eq!(code("a|b"), "<code>a&#124;b</code>");
        assert_eq!(code(""), "(nothing)");
        assert_eq!(paragraph("a\n  <b>\n"), "a<br>&lt;b&gt;");
    }

    #[test]
    fn every_case_that_needs_attention_is_there_with_its_command() {
        let report = example::report();
        let text = write(&report);
        for subject in &report.subjects {
            for case in subject.cases.iter().filter(|case| case.standing() != Standing::Passed) {
                assert!(text.contains(&case.repeat_command(&subject.id)), "{} on {}", case.id, subject.id);
            }
        }
    }

    /// Every block of lines that starts with a pipe, as (columns, rows); an error if the rows differ.
    fn tables(text: &str) -> Result<Vec<(usize, usize)>, String> {
        let mut tables: Vec<(usize, usize)> = Vec::new();
        let mut is_inside = false;
        for line in text.split(['\n', '\r', '\u{85}', '\u{2028}']) {
            let columns = line.matches('|').count();
            match (is_inside, line.starts_with('|')) {
                (_, false) if columns != 0 => return Err(format!("a pipe outside a table: {line}")),
                (_, false) => (),
                (false, true) => tables.push((columns, 1)),
                (true, true) => {
                    let Some((expected, rows)) = tables.last_mut() else { return Err("no table".to_owned()) };
                    *rows += 1;
                    if *expected != columns || !line.ends_with('|') {
                        return Err(format!("{columns} instead of {expected} columns: {line}"));
                    }
                }
            }
            is_inside = line.starts_with('|');
        }
        Ok(tables)
    }

    #[test]
    fn the_parser_of_these_tests_finds_broken_rows() {
        assert!(tables("| a | b |\n| a |\n").is_err());
        assert!(tables("| a\n| b |\n").is_err());
        assert!(tables("x | y").is_err());
        assert_eq!(tables("| a |\n|---|\n| b |\n").unwrap(), [(2, 3)]);
    }

    proptest::proptest! {
        #[test]
        fn any_string_keeps_rows_whole_and_tags_out(text in hostile::text()) {
            let markdown = write(&hostile::report(&text));
            let found = tables(&markdown).map_err(proptest::test_runner::TestCaseError::fail)?;
            proptest::prop_assert_eq!(found, tables(&write(&hostile::report("x"))).unwrap());
            // The tags that this module writes, and code spans, are the only places where `<` may stand.
            let without_own = markdown.replace("<code>", "").replace("</code>", "").replace("<br>", "");
            let outside_code: String = without_own.lines().flat_map(|line| line.split('`').step_by(2)).collect();
            proptest::prop_assert!(!outside_code.replace("\\`", "").contains('<'), "{}", markdown);
        }
    }
}
