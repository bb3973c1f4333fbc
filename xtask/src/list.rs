//! `cargo xtask list`: the cases, and why some would be skipped.

use crate::{image, setups};
use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::json;
use std::{
    collections::BTreeSet,
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};
use testcases::{
    cancel::Cancel,
    catalog::{Case, InterruptSetup},
    select,
    subjects::{self, Opened},
};

/// List cases, features, needs and clauses
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cargo xtask list                      every case with its feature and rule
  cargo xtask list paging --subject vmm the cases of an area, and why one would be skipped there
  cargo xtask list apic --interrupts user
  cargo xtask list --coverage           exits and rules of nested virtualization that the last run has tried
  cargo xtask list --json               the same for programs: {\"cases\": [{\"id\": …, …}]}")]
pub(crate) struct Arguments {
    /// Cases by id or part of it, by pattern with `*`, by area or by feature; all if none is given
    filter: Vec<String>,
    /// Also say which cases a hypervisor would skip, and why
    #[arg(long, value_name = "ID")]
    subject: Option<String>,
    /// Interrupt set-ups of the cases that are run once in each; all if none is given
    #[arg(long, value_name = "SET-UP", value_delimiter = ',', value_parser = setups::parser())]
    interrupts: Vec<InterruptSetup>,
    /// JSON instead of a table
    #[arg(long)]
    json: bool,
    /// Instead of cases: which exits and rules of nested virtualization a run has tried, by its report.json
    #[arg(
        long,
        value_name = "REPORT",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "target/report/report.json",
        conflicts_with_all = ["filter", "subject", "interrupts", "json"]
    )]
    coverage: Option<PathBuf>,
    #[command(flatten)]
    image: image::Choice,
}

pub(crate) fn main(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    if let Some(path) = &arguments.coverage {
        return list_coverage(path);
    }
    let image = arguments.image.open()?;
    select::check_needs(&image.catalog, subjects::offerable(), subjects::offerable_devices())?;
    let subject = arguments.subject.as_deref().map(|name| Opened::open(name, &image)).transpose()?;
    let cases = select::select(&image.catalog, &arguments.filter, &arguments.interrupts, None)?;
    let text = if arguments.json { as_json(&cases, subject.as_ref())? } else { as_table(&cases, subject.as_ref())? };
    // A reader that has seen enough closes the pipe: that is not a failure.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(ExitCode::SUCCESS)
}

/// Lists exits and rules by the report of a run.
fn list_coverage(path: &Path) -> anyhow::Result<ExitCode> {
    let report = reports::json::read_file(path).with_context(|| {
        format!(
            "no run to judge by; `cargo xtask test vmx svm` makes one, and `--coverage={}` reads it",
            path.display()
        )
    })?;
    let groups = reports::exits::groups(&report);
    if groups.is_empty() {
        bail!(
            "{} has no case of nested virtualization; run `cargo xtask test vmx svm --subject bochs,bochs-amd`",
            path.display()
        );
    }
    // A reader that has seen enough closes the pipe: that is not a failure.
    let _ = std::io::stdout().write_all(reports::exits::to_text(&groups).as_bytes());
    Ok(ExitCode::SUCCESS)
}

fn as_json(cases: &[&Case], subject: Option<&Opened>) -> anyhow::Result<String> {
    let cases: Vec<_> = cases
        .iter()
        .map(|case| {
            let mut value = json!({
                "id": case.id, "plain_id": case.plain_id(), "setup": case.interrupts.map(InterruptSetup::name),
                "area": case.area, "feature": case.feature.id(), "rule": case.rule, "spec": case.specs,
                "needs": case.needs.iter_names().map(|(name, _)| name).collect::<Vec<_>>(),
                "devices": case.devices.titles().collect::<Vec<_>>(),
                "source": format!("{}:{}", case.file, case.line),
            });
            if let Some(subject) = subject {
                value["skip"] = json!(reason_to_skip(subject, case)?);
            }
            Ok(value)
        })
        .collect::<anyhow::Result<_>>()?;
    Ok(serde_json::to_string_pretty(&json!({ "cases": cases }))? + "\n")
}

fn reason_to_skip(subject: &Opened, case: &Case) -> anyhow::Result<Option<String>> {
    subject.reason_to_skip(case, &Cancel::default()).map_err(anyhow::Error::msg)
}

fn as_table(cases: &[&Case], subject: Option<&Opened>) -> anyhow::Result<String> {
    let width = cases.iter().map(|case| case.id.len()).max().unwrap_or(0);
    let mut text = String::new();
    for case in cases {
        let reason = subject.map(|subject| reason_to_skip(subject, case)).transpose()?.flatten();
        let skip = reason.map(|reason| format!(" [skip: {reason}]")).unwrap_or_default();
        text += &format!("{:width$}  {}: {}{skip}\n", case.id, case.feature.id(), case.rule);
    }
    Ok(text + &total(cases))
}

/// `5 cases`, or with those that are run in several interrupt set-ups both numbers.
fn total(cases: &[&Case]) -> String {
    let plain: BTreeSet<_> = cases.iter().map(|case| case.plain_id()).collect();
    match plain.len() {
        nr if nr == cases.len() => format!("{nr} cases\n"),
        nr => format!("{nr} cases, {} with each interrupt set-up counted\n", cases.len()),
    }
}
