//! Changes for people: numbers first, then what is worse, by feature, each with clause and case.

use super::{Change, Changes, Kind};
use crate::{
    model::Verdict,
    standing::or_nothing,
    text::{line, one_line, shell_word},
};
use case::Feature;
use std::collections::BTreeSet;

/// Cases of each kind that are told with all that is known of them: what fits on a screen or two.
const DETAILED_CASES: usize = 10;
/// Further cases that get a line each.
const LISTED_CASES: usize = 40;
/// Checks that are told of a case.
const SHOWN_CHECKS: usize = 3;

impl Changes {
    /// The text; empty if nothing changed. `argument` is what the command line calls the one subject, if that is more than
    /// its id.
    pub fn tell(&self, argument: Option<&str>) -> String {
        if self.is_empty() {
            return String::new();
        }
        let mut text = String::new();
        line!(text, "{}", self.numbers());
        for subject in &self.vanished_subjects {
            line!(text, "vanished: the subject {} was not run", one_line(subject));
        }
        for subject in &self.new_subjects {
            line!(text, "appeared: the subject {} was not run before", one_line(subject));
        }
        for &kind in Kind::ALL {
            let changes: Vec<_> = self.list.iter().filter(|change| change.kind == kind).collect();
            if !changes.is_empty() {
                write_kind(&mut text, kind, &changes, argument);
            }
        }
        text
    }

    /// `1 regressed, 2 fixed in 3 features`
    pub fn numbers(&self) -> String {
        let numbers = Kind::ALL.iter().map(|&kind| (kind, self.count(kind)));
        let told: Vec<_> = numbers
            .filter(|(kind, count)| *count != 0 || matches!(kind, Kind::Regressed | Kind::Vanished))
            .map(|(kind, count)| format!("{count} {}", kind.name()))
            .collect();
        let features: BTreeSet<_> = self.list.iter().map(|change| &change.case.feature).collect();
        let noun = if features.len() == 1 { "feature" } else { "features" };
        format!("{} in {} {noun}", told.join(", "), features.len())
    }
}

fn write_kind(text: &mut String, kind: Kind, changes: &[&Change], argument: Option<&str>) {
    let nr_detailed = if matches!(kind, Kind::Fixed | Kind::Appeared) { 0 } else { DETAILED_CASES };
    line!(text, "\n{}", kind.name());
    let mut feature = None;
    for (number, change) in changes.iter().take(nr_detailed + LISTED_CASES).enumerate() {
        if feature != Some(&change.case.feature) {
            line!(text, "  {}", feature_name(&change.case.feature));
            feature = Some(&change.case.feature);
        }
        line!(text, "    {} on {}: {}", one_line(&change.case.id), one_line(&change.subject), change.verdicts());
        if number < nr_detailed {
            write_details(text, change, argument);
        }
    }
    let nr_more = changes.len().saturating_sub(nr_detailed + LISTED_CASES);
    if nr_more != 0 {
        line!(text, "    … and {nr_more} more");
    }
}

fn write_details(text: &mut String, change: &Change, argument: Option<&str>) {
    let mut field = |name: &str, value: &str| line!(text, "      {name:<9} {}", one_line(or_nothing(value)));
    field("clause", &change.case.spec);
    field("rule", &change.case.rule);
    for check in change.checks.iter().take(SHOWN_CHECKS) {
        let (id, expected, actual) = (&check.check.id, &check.check.expected, &check.check.actual);
        let kind = check.kind.name();
        match check.kind {
            Kind::Regressed => {
                field("check", &format!("{id}: expected {}, actual {}", or_nothing(expected), or_nothing(actual)));
            }
            _ => field("check", &format!("{id}: {kind}")),
        }
    }
    if let Some(nr_more) = change.checks.len().checked_sub(SHOWN_CHECKS).filter(|more| *more != 0) {
        field("", &format!("… and {nr_more} more checks"));
    }
    if let Some(reason) = change.case.reason.as_deref().filter(|_| change.now.is_some()) {
        field("reason", reason);
    }
    if let Some(known) = &change.case.known {
        field("baseline", known);
    }
    let command = match argument {
        Some(argument) => {
            format!("cargo xtask run {} --subject {}", shell_word(&change.case.id), shell_word(argument))
        }
        None => change.case.repeat_command(&change.subject),
    };
    field("repeat", &command);
}

impl Change {
    /// `pass → fail`; `fail` without a former run; of a case whose verdict is the same, the checks.
    pub(crate) fn verdicts(&self) -> String {
        match (self.before.map(Verdict::name), self.now.map(Verdict::name)) {
            (Some(before), Some(now)) if before == now => {
                let kinds =
                    Kind::ALL.iter().map(|&kind| (kind, self.checks.iter().filter(|check| check.kind == kind).count()));
                let told: Vec<_> = kinds
                    .filter(|(_, count)| *count != 0)
                    .map(|(kind, count)| {
                        format!("{count} {} {}", if count == 1 { "check" } else { "checks" }, kind.name())
                    })
                    .collect();
                format!("{now}{}{}", if told.is_empty() { "" } else { ", " }, told.join(", "))
            }
            (Some(before), Some(now)) => format!("{before} → {now}"),
            (Some(before), None) => format!("{before} → no more there"),
            (None, Some(now)) => now.to_owned(),
            (None, None) => "no more there".to_owned(),
        }
    }
}

/// Id and title of a feature.
pub(crate) fn feature_name(id: &str) -> String {
    let known = Feature::ALL.iter().find(|feature| feature.id() == id);
    known.map_or_else(|| one_line(id).into_owned(), |feature| format!("{id}: {}", feature.title()))
}
