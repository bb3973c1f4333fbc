//! The page as a whole.

use super::{
    cases::{MOST_FAILING, MOST_PASSING, check_views},
    write, write_with,
};
use crate::{
    example,
    history::{History, Run},
    hostile,
    model::{Check, Verdict},
};
use std::collections::BTreeSet;

/// The tags of a page in their order, with their attributes' values left out.
fn tags(html: &str) -> Vec<String> {
    html.split('<').skip(1).map(|tag| tag.split(['>', ' ']).next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn the_example_is_as_checked_in() {
    insta::assert_snapshot!(write(&example::report()).unwrap());
}

/// Two former runs, of which the first had a case that hung.
fn history() -> History {
    let mut older = example::report();
    older.subjects[0].cases[0].verdict = Verdict::Hang;
    older.subjects.truncate(1);
    let run = |label: &str, report| Run { label: label.to_owned(), report };
    History { runs: vec![run("2026-01-01 <b>", older), run("2026-01-02", example::report())] }
}

#[test]
fn the_example_with_a_history_is_as_checked_in() {
    let html = write_with(&example::report(), &history()).unwrap();
    let (start, end) = (html.find("<h2>History").unwrap(), html.find("<h2>Features").unwrap());
    insta::assert_snapshot!(&html[start..end]);
}

#[test]
fn a_feature_that_no_fault_is_tied_to_is_unproven() {
    let report = example::report();
    assert!(!write(&report).unwrap().contains("unproven"));
    let tied: Vec<_> = report.features.iter().skip(1).map(|row| row.id.clone()).collect();
    let report = report.with_faults(tied.iter().map(String::as_str));
    // A feature without cases has nothing to prove.
    assert_eq!(write(&report).unwrap().matches("· unproven").count(), 1);
    let first = report.features.first().map_or("", |row| row.title.as_str());
    assert!(write(&report).unwrap().contains(&format!("{first} <span class=\"quiet\">· unproven")));
}

#[test]
fn every_link_leads_to_a_place_that_is_there() {
    let html = write_with(&example::report(), &history()).unwrap();
    let targets: BTreeSet<_> = html.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let links: Vec<_> = html.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(!links.is_empty());
    for link in links {
        assert!(targets.contains(link), "{link}");
    }
}

#[test]
fn a_crash_is_told_with_the_instruction_at_which_it_came() {
    let mut report = example::report();
    report.subjects[0].cases[5].reason = Some("triple fault at suite::paging::stale+0x4: mov rax, [rdi]".to_owned());
    let html = write(&report).unwrap();
    assert!(html.contains("<dt>stood at</dt><dd>suite::paging::stale+0x4</dd>"), "place");
    assert!(html.contains("<dt>instruction</dt><dd>mov rax, [rdi]</dd>"), "instruction");
}

#[test]
fn hostile_names_are_text() {
    let html = write(&hostile::report("<script>alert('1')</script>\"><img src=x onerror=y>")).unwrap();
    assert!(html.matches("<script").count() == 1 && !html.contains("<img"), "not escaped");
    assert!(html.contains("&#60;script&#62;alert(&#39;1&#39;)"), "lost");
}

#[test]
fn nothing_is_loaded_from_elsewhere() {
    let html = write(&example::report()).unwrap();
    for word in ["<script ", "<link", "<img", "<iframe", "src=", "@import", "url(", "http://", "https://"] {
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
    let cases = report.subjects.iter().flat_map(|subject| &subject.cases);
    // Side by side: a case is one however many subjects it was run on.
    let ids: BTreeSet<_> = cases.map(|case| &case.id).collect();
    assert_eq!(html.matches("<details class=\"case").count(), ids.len());
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
            None if ["!doctype", "meta", "input", "br", "rect"].contains(&&*tag) => (),
            None => open.push(tag),
        }
    }
    assert_eq!(open, Vec::<String>::new());
}

proptest::proptest! {
    #[test]
    fn any_string_keeps_the_tags(text in hostile::text()) {
        let html = write(&hostile::report(&text)).unwrap();
        proptest::prop_assert_eq!(tags(&html).len(), tags(&write(&hostile::report("x")).unwrap()).len());
        proptest::prop_assert!(html.chars().all(|character| character == '\n' || !character.is_control()));
    }
}
