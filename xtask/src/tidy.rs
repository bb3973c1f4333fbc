//! Habits that the compiler does not check, on the sources of the workspace.

use anyhow::{Context as _, bail};
use std::{
    fs,
    path::{Path, PathBuf},
};
use testcases::{
    catalog::Catalog,
    image::{self, Guest},
    image_rules,
};

/// A file longer than this is split by topic.
const MAX_LINES: usize = 600;

/// A source file: its path from the root of the workspace, and its text.
struct Source {
    path: PathBuf,
    text: String,
}

/// Runs every rule and tells of everything found, not only of the first.
pub(crate) fn check() -> anyhow::Result<()> {
    let sources = collect_sources(image::workspace())?;
    let mut findings = Vec::new();
    for source in &sources {
        findings.extend(
            RULES.iter().flat_map(|rule| rule(source)).map(|text| format!("{}: {text}", source.path.display())),
        );
    }
    findings.extend(orphans(&sources));
    for &guest in Guest::ALL {
        findings.extend(image_findings(guest, &sources)?);
    }
    if !findings.is_empty() {
        bail!("{} findings:\n  {}", findings.len(), findings.join("\n  "));
    }
    Ok(())
}

type Rule = fn(&Source) -> Option<String>;

const RULES: &[Rule] = &[too_long, without_introduction, unexplained_unsafety];

fn too_long(source: &Source) -> Option<String> {
    let nr_lines = source.text.lines().count();
    (nr_lines > MAX_LINES).then(|| format!("{nr_lines} lines; split it by topic below {MAX_LINES}"))
}

fn without_introduction(source: &Source) -> Option<String> {
    let starts = source.text.starts_with("//!");
    (!starts).then(|| "does not open with `//!` and a sentence that says what it is for".to_owned())
}

fn unexplained_unsafety(source: &Source) -> Option<String> {
    let opts_in = source.text.contains("#![expect(unsafe_code");
    let explains = source.text.contains("// UNSAFETY: ");
    (opts_in && !explains).then(|| "allows unsafe code without a line `// UNSAFETY: why`".to_owned())
}

/// Files that no `mod` line names: they are not compiled, so what they prove is not proven.
fn orphans(sources: &[Source]) -> Vec<String> {
    let is_root = |path: &Path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let folder = path.parent().and_then(Path::file_name).and_then(|name| name.to_str()).unwrap_or_default();
        matches!(name, "lib.rs" | "main.rs" | "build.rs")
            || matches!(folder, "tests" | "examples" | "benches" | "bin" | "fuzz_targets")
    };
    let mut found = Vec::new();
    for source in sources.iter().filter(|source| !is_root(&source.path)) {
        let (folder, stem) = match (source.path.parent(), source.path.file_stem().and_then(|stem| stem.to_str())) {
            (Some(folder), Some("mod")) => (folder.parent(), folder.file_name().and_then(|name| name.to_str())),
            (folder, stem) => (folder, stem),
        };
        let (Some(folder), Some(stem)) = (folder, stem) else { continue };
        let parents =
            [folder.join("mod.rs"), folder.join("lib.rs"), folder.join("main.rs"), folder.with_extension("rs")];
        let declaration = format!("mod {stem};");
        let is_named = sources
            .iter()
            .filter(|parent| {
                parents.contains(&parent.path) || is_root(&parent.path) && parent.path.parent() == Some(folder)
            })
            .any(|parent| parent.text.lines().any(|line| line.trim().ends_with(&declaration)));
        if !is_named {
            found.push(format!("{}: no `{declaration}` names it, so it is not compiled", source.path.display()));
        }
    }
    found
}

/// Every `#[case(` in the sources has its record, and ring 0 keeps to what it may use.
fn image_findings(guest: Guest, sources: &[Source]) -> anyhow::Result<Vec<String>> {
    let path = image::build(guest)?;
    let bytes = fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?;
    let folder = match guest {
        Guest::Conformance => "guests/suite",
        Guest::Smoke => "guests/smoke",
    };
    let catalog = Catalog::read(&path)?;
    let records: Vec<&Path> = catalog.plain_cases().map(|case| Path::new(&case.file)).collect();
    let mut findings = missing_records(sources, folder, &records);
    let violations = image_rules::violations(&bytes)?;
    findings.extend(violations.iter().map(|violation| format!("{}: {violation}", path.display())));
    Ok(findings)
}

/// Compares the `#[case(` of each file with the records that name it: those of macros, which are indented, stand for any
/// number of records where the macro is used, and for one at least.
fn missing_records(sources: &[Source], folder: &str, records: &[&Path]) -> Vec<String> {
    let mut findings = Vec::new();
    let (mut in_macros, mut of_macros) = (0, 0);
    for source in sources.iter().filter(|source| source.path.starts_with(folder)) {
        let count = |is_one: fn(&str) -> bool| source.text.lines().filter(|line| is_one(line)).count();
        let in_sources = count(|line| line.starts_with("#[case("));
        let in_image = records.iter().filter(|record| **record == source.path).count();
        in_macros += count(|line| line.starts_with(' ') && line.trim_start().starts_with("#[case("));
        of_macros += in_image.saturating_sub(in_sources);
        if in_image < in_sources {
            findings.push(format!(
                "{}: {in_sources} `#[case(` in it, {in_image} records in the image: is a crate not named by it?",
                source.path.display()
            ));
        }
    }
    if of_macros < in_macros || (in_macros == 0 && of_macros != 0) {
        findings
            .push(format!("{folder}: {in_macros} `#[case(` in macros, which make {of_macros} records in the image"));
    }
    findings
}

fn collect_sources(root: &Path) -> anyhow::Result<Vec<Source>> {
    let mut sources = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("failed to read {}", folder.display()))? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if path.is_dir() {
                if !name.starts_with('.') && name != "target" {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))?;
                sources.push(Source { path: path.strip_prefix(root)?.to_owned(), text });
            }
        }
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(sources)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source { path: path.into(), text: text.to_owned() }
    }

    #[test]
    fn cases_without_a_record_are_found() {
        let sources = [source("g/a.rs", "#[case(1)]\nfn one() {}\n#[case(2)]\n"), source("g/b.rs", "    #[case(3)]\n")];
        let found = |records: &[&str]| {
            let records: Vec<_> = records.iter().map(Path::new).collect();
            missing_records(&sources, "g", &records).len()
        };
        assert_eq!(found(&["g/a.rs", "g/a.rs", "g/b.rs"]), 0);
        assert_eq!(found(&["g/a.rs", "g/a.rs", "g/b.rs", "g/b.rs", "g/c.rs"]), 0);
        // One of the direct ones, and the macro's.
        assert_eq!(found(&["g/a.rs", "g/b.rs"]), 1);
        assert_eq!(found(&["g/a.rs", "g/a.rs"]), 1);
        assert_eq!(found(&[]), 2);
        let direct = &sources[..1];
        let thrice = [Path::new("g/a.rs"); 3];
        assert_eq!(missing_records(direct, "g", &thrice).len(), 1);
    }

    #[test]
    fn each_rule_finds_its_fault() {
        assert!(too_long(&source("a.rs", &"\n".repeat(MAX_LINES + 1))).is_some());
        assert!(too_long(&source("a.rs", &"\n".repeat(MAX_LINES))).is_none());
        assert!(without_introduction(&source("a.rs", "use std;\n")).is_some());
        assert!(without_introduction(&source("a.rs", "//! For it.\n")).is_none());
        let opt_in = "#![expect(unsafe_code, reason = \"x\")]\n";
        assert!(unexplained_unsafety(&source("a.rs", opt_in)).is_some());
        assert!(unexplained_unsafety(&source("a.rs", &format!("{opt_in}// UNSAFETY: ports.\n"))).is_none());
    }

    #[test]
    fn files_that_no_mod_line_names_are_found() {
        let sources = [
            source("a/src/lib.rs", "//! a\npub mod b;\nmod c;\n"),
            source("a/src/b.rs", ""),
            source("a/src/c/mod.rs", "mod d;\n"),
            source("a/src/c/d.rs", ""),
            source("a/src/c/lost.rs", ""),
            source("a/tests/whole.rs", ""),
        ];
        let found = orphans(&sources);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("a/src/c/lost.rs: no `mod lost;`"), "{found:?}");
    }
}
