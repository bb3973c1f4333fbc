//! `cargo xtask list`: the cases, and why some would be skipped.

use crate::image;
use clap::Args;
use serde_json::json;
use std::{io::Write as _, process::ExitCode};
use testcases::{
    catalog::Case,
    select,
    subjects::{self, Opened},
};

/// List cases, features, needs and clauses
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cargo xtask list                      every case with its feature and rule
  cargo xtask list paging --subject vmm the cases of an area, and why one would be skipped there
  cargo xtask list --json               the same for programs: {\"cases\": [{\"id\": …, …}]}")]
pub(crate) struct Arguments {
    /// Cases by id or part of it, by pattern with `*`, by area or by feature; all if none is given
    filter: Vec<String>,
    /// Also say which cases a hypervisor would skip, and why
    #[arg(long, value_name = "ID")]
    subject: Option<String>,
    /// JSON instead of a table
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    image: image::Choice,
}

pub(crate) fn main(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let image = arguments.image.open()?;
    select::check_needs(&image.catalog, subjects::offerable())?;
    let subject = arguments.subject.as_deref().map(|name| Opened::open(name, &image)).transpose()?;
    let cases = select::select(&image.catalog, &arguments.filter, None)?;
    let text = if arguments.json { as_json(&cases, subject.as_ref())? } else { as_table(&cases, subject.as_ref()) };
    // A reader that has seen enough closes the pipe: that is not a failure.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(ExitCode::SUCCESS)
}

fn as_json(cases: &[&Case], subject: Option<&Opened>) -> anyhow::Result<String> {
    let cases: Vec<_> = cases
        .iter()
        .map(|case| {
            let mut value = json!({
                "id": case.id, "area": case.area, "feature": case.feature.id(), "rule": case.rule, "spec": case.specs,
                "needs": case.needs.iter_names().map(|(name, _)| name).collect::<Vec<_>>(),
                "source": format!("{}:{}", case.file, case.line),
            });
            if let Some(subject) = subject {
                value["skip"] = json!(select::missing(case, subject.offers));
            }
            value
        })
        .collect();
    Ok(serde_json::to_string_pretty(&json!({ "cases": cases }))? + "\n")
}

fn as_table(cases: &[&Case], subject: Option<&Opened>) -> String {
    let width = cases.iter().map(|case| case.id.len()).max().unwrap_or(0);
    let mut text = String::new();
    for case in cases {
        let missing = subject.map(|subject| select::missing(case, subject.offers)).unwrap_or_default();
        let skip = if missing.is_empty() { String::new() } else { format!(" [skip: needs {}]", missing.join(", ")) };
        text += &format!("{:width$}  {}: {}{skip}\n", case.id, case.feature.id(), case.rule);
    }
    text + &format!("{} cases\n", cases.len())
}
