//! A clause is cited by the title of its section: `guests/suite/titles.txt` is the list of those, by document, and a title
//! that is not in it is a typing error, or one to be looked up in the document and written down there.

#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use testcases::{
    catalog::{Case, Catalog},
    host_cases,
    image::{self, Guest},
};

/// Titles by the short name of their document.
type Titles = BTreeMap<String, BTreeSet<String>>;

/// Reads the list: the name of a document behind `# `, and its titles below it, sorted.
fn listed(text: &str) -> Titles {
    let mut titles = Titles::new();
    let mut document = None;
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(name) = line.strip_prefix("# ") {
            assert!(!titles.contains_key(name), "{name} stands twice");
            document = Some(titles.entry(name.to_owned()).or_default());
            continue;
        }
        let of_document = document.as_mut().expect("a document comes first");
        assert!(of_document.last().is_none_or(|last| last.as_str() < line), "`{line}` is not in its order");
        of_document.insert(line.to_owned());
    }
    titles
}

/// Document and title of a clause, which is `document (edition), "title"`.
fn parts(clause: &str) -> Option<(&str, &str)> {
    let (document, rest) = clause.split_once(" (")?;
    let (_, title) = rest.split_once("), \"")?;
    Some((document, title.strip_suffix('"')?))
}

/// Clauses of these cases whose title is not in the list.
fn unknown<'c>(cases: impl Iterator<Item = &'c Case>, titles: &Titles) -> BTreeSet<String> {
    let is_listed = |document, title| titles.get(document).is_some_and(|titles| titles.contains(title));
    let clauses = cases.flat_map(|case| &case.specs).map(|clause| parts(clause).unwrap());
    clauses
        .filter(|&(document, title)| !is_listed(document, title))
        .map(|(document, title)| format!("{document}: {title}"))
        .collect()
}

#[test]
fn each_clause_is_a_section_of_its_document() {
    let path = image::workspace().join("guests/suite/titles.txt");
    let titles = listed(&std::fs::read_to_string(&path).unwrap());
    let catalog = Catalog::read(&image::build(Guest::Conformance).unwrap()).unwrap();
    let host_cases = host_cases::all();
    let list = Vec::from_iter(unknown(catalog.plain_cases().chain(&host_cases), &titles));
    assert!(list.is_empty(), "look these up, and write them into {}:\n{}", path.display(), list.join("\n"));
}

#[test]
fn a_title_of_a_host_case_that_is_not_listed_is_told() {
    let host_cases = host_cases::all();
    let list = unknown(host_cases.iter(), &listed("# KVM\nKVM_RUN\n"));
    assert!(list.contains("KVM: KVM_CREATE_VM") && list.contains("SDM vol. 3A: Processor State After Reset"));
    assert!(!list.contains("KVM: KVM_RUN"));
}

#[test]
fn documents_of_the_list_are_those_that_may_be_cited() {
    let titles = listed(include_str!("../../guests/suite/titles.txt"));
    for document in titles.keys() {
        assert!(case::spec::DOCUMENTS.iter().any(|(name, _)| name == document), "{document}");
    }
}

#[test]
fn the_list_and_clauses_are_read_as_they_are_written() {
    let titles = listed("# A\nBoth\nOne\n\n# B\nOther\n");
    assert!(titles["A"].contains("One") && titles["B"].contains("Other") && titles.len() == 2);
    assert_eq!(parts("A (1, May 1990), \"One (1)\""), Some(("A", "One (1)")));
    assert_eq!(parts("A, \"One\""), None);
}
