//! Which exits and which rules of entries of nested virtualization a run has tried: exits by the tables of the suite, rules by the cases
//! of the features about legality, judged with the run's verdicts.

use crate::{
    cover::Cover,
    model::{Report, Verdict},
};
use std::collections::BTreeSet;

// What the suite says of exits compiles for the host; it stands beside the cases that provoke them.
#[path = "../../guests/suite/src/svm/exit_codes.rs"]
mod svm;
#[path = "../../guests/suite/src/vmx/exit_reasons.rs"]
mod vmx;

/// Features whose cases are each a rule of what an entry refuses.
const LEGALITY: [(&str, &str); 4] = [
    ("SvmLegality", "SVM: rules of VMRUN"),
    ("VmxEntryControls", "VMX: rules of controls"),
    ("VmxEntryHostState", "VMX: rules of host state"),
    ("VmxEntryGuestState", "VMX: rules of guest state"),
];

/// What is known of an exit or a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Its case ran to its end on some subject, with checks.
    Covered,
    /// Its case ran, and ended in a crash, a hang or an error wherever it did.
    Broken,
    /// Its case was skipped wherever it would have run.
    NotOffered,
    /// Its case is not in the report.
    NotRun,
    /// There is no case.
    NotCovered,
}

impl Standing {
    /// Every standing, in the order of tables.
    pub const ALL: [Self; 5] = [Self::Covered, Self::Broken, Self::NotOffered, Self::NotRun, Self::NotCovered];

    /// In words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Covered => "covered",
            Self::Broken => "ended early on every subject",
            Self::NotOffered => "not offered by any subject",
            Self::NotRun => "not run",
            Self::NotCovered => "not covered",
        }
    }
}

/// An exit or a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Number of an exit, or nothing.
    pub number: String,
    /// What it is called, or the rule in a sentence.
    pub name: String,
    /// Id of the case that tries it, or why none does.
    pub by: String,
    /// What is known of it.
    pub standing: Standing,
    /// Ids of the subjects that it was covered on.
    pub subjects: Vec<String>,
}

/// Exits of one manual, or rules of one feature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// What they are.
    pub title: &'static str,
    /// In the order of the manual, or of the catalog.
    pub lines: Vec<Line>,
}

impl Group {
    /// How many lines have each standing, without zeros.
    pub fn tally(&self) -> Vec<(Standing, usize)> {
        let count = |standing| self.lines.iter().filter(|line| line.standing == standing).count();
        Standing::ALL.into_iter().map(|standing| (standing, count(standing))).filter(|&(_, nr)| nr != 0).collect()
    }
}

/// The verdicts of a case over all subjects and interrupt set-ups.
fn judge(report: &Report, id: &str) -> (Standing, Vec<String>) {
    let ran = || {
        report
            .subjects
            .iter()
            .flat_map(|subject| subject.cases.iter().map(|case| (&subject.id, case)))
            .filter(|(_, case)| case.plain_id() == id)
    };
    let is_judged = |verdict| matches!(verdict, Verdict::Pass | Verdict::Fail);
    let on = ran().filter(|(_, case)| is_judged(case.verdict) && !case.checks.is_empty());
    let mut subjects: Vec<_> = on.map(|(subject, _)| subject.clone()).collect();
    // Set-ups of one subject stand side by side.
    subjects.dedup();
    let standing = match () {
        () if !subjects.is_empty() => Standing::Covered,
        () if ran().next().is_none() => Standing::NotRun,
        () if ran().all(|(_, case)| case.verdict == Verdict::Skip) => Standing::NotOffered,
        () => Standing::Broken,
    };
    (standing, subjects)
}

fn exit(report: &Report, area: &str, number: String, name: &str, cover: Cover) -> Line {
    let name = name.to_owned();
    match cover {
        Cover::Covered(case) => {
            let by = format!("{area}::{case}");
            let (standing, subjects) = judge(report, &by);
            Line { number, name, by, standing, subjects }
        }
        Cover::NotCovered(why) => {
            Line { number, name, by: why.to_owned(), standing: Standing::NotCovered, subjects: Vec::new() }
        }
    }
}

fn svm_exits(report: &Report) -> Group {
    let lines = svm::EXIT_CODES.iter().map(|&(number, name, cover)| {
        // A number of all ones is -1, as the manual writes it.
        let number = if number == u64::MAX { "-1".to_owned() } else { format!("{number:X}H") };
        exit(report, "svm", number, name, cover)
    });
    Group { title: "SVM: exit codes", lines: lines.collect() }
}

fn vmx_exits(report: &Report) -> Group {
    let lines =
        vmx::EXIT_REASONS.iter().map(|&(number, name, cover)| exit(report, "vmx", number.to_string(), name, cover));
    Group { title: "VMX: exit reasons", lines: lines.collect() }
}

/// The area of a case's id.
fn area(id: &str) -> &str {
    id.split("::").next().unwrap_or_default()
}

fn rules(report: &Report, feature: &str, title: &'static str) -> Group {
    let mut seen = BTreeSet::new();
    let cases = report.subjects.iter().flat_map(|subject| &subject.cases);
    let lines = cases.filter(|case| case.feature == feature && seen.insert(case.plain_id().to_owned())).map(|case| {
        let by = case.plain_id().to_owned();
        let (standing, subjects) = judge(report, &by);
        Line { number: String::new(), name: case.rule.clone(), by, standing, subjects }
    });
    Group { title, lines: lines.collect() }
}

/// Exits and rules of all that the report has cases of: none, if it has no case of nested virtualization.
pub fn groups(report: &Report) -> Vec<Group> {
    let has = |name: &str| report.subjects.iter().flat_map(|subject| &subject.cases).any(|case| area(&case.id) == name);
    let exits = has("svm").then(|| svm_exits(report)).into_iter().chain(has("vmx").then(|| vmx_exits(report)));
    let rules = LEGALITY.iter().map(|&(feature, title)| rules(report, feature, title));
    exits.chain(rules).filter(|group| !group.lines.is_empty()).collect()
}

/// The same as text, for a terminal.
pub fn to_text(groups: &[Group]) -> String {
    let mut text = String::new();
    for group in groups {
        let tally: Vec<_> = group.tally().iter().map(|(standing, nr)| format!("{nr} {}", standing.name())).collect();
        text += &format!("{}: {}\n", group.title, tally.join(", "));
        for Line { number, name, by, standing, subjects } in &group.lines {
            let number = if number.is_empty() { String::new() } else { format!("{number:>5}  ") };
            let on = if subjects.is_empty() { String::new() } else { format!(" on {}", subjects.join(", ")) };
            text += &format!("  {number}{name}: {}{on} ({by})\n", standing.name());
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;

    const CASE: &str = "svm::task_switches_exit";

    /// A report of two subjects with these verdicts of the case that lets task switches exit.
    fn report(verdicts: [Option<Verdict>; 2]) -> Report {
        let mut report = example::report();
        report.subjects.truncate(2);
        for (subject, verdict) in report.subjects.iter_mut().zip(verdicts) {
            subject.cases = vec![example::case("svm::other", "SvmExits", Verdict::Pass)];
            let mut case = verdict.map(|verdict| example::case(CASE, "SvmLegality", verdict));
            if let Some(case) = &mut case {
                case.checks = vec![example::check("exit code", Verdict::Pass, "0x7d", "0x7d")];
            }
            subject.cases.extend(case);
        }
        report
    }

    fn standing(verdicts: [Option<Verdict>; 2]) -> Standing {
        let groups = groups(&report(verdicts));
        groups[0].lines.iter().find(|line| line.by == CASE).unwrap().standing
    }

    #[test]
    fn one_subject_that_made_the_check_is_enough() {
        use Verdict::{Crash, Fail, Hang, Pass, Skip};
        assert_eq!(standing([Some(Skip), Some(Pass)]), Standing::Covered);
        assert_eq!(standing([Some(Fail), Some(Skip)]), Standing::Covered);
        assert_eq!(standing([Some(Skip), Some(Skip)]), Standing::NotOffered);
        assert_eq!(standing([Some(Skip), None]), Standing::NotOffered);
        assert_eq!(standing([Some(Crash), Some(Hang)]), Standing::Broken);
        assert_eq!(standing([None, None]), Standing::NotRun);
    }

    #[test]
    fn one_set_up_of_a_subject_is_enough() {
        let mut report = report([None, None]);
        for (set_up, verdict) in [("kernel", Verdict::Skip), ("split", Verdict::Pass), ("user", Verdict::Fail)] {
            let mut case = example::case(&format!("{CASE}@{set_up}"), "SvmExits", verdict);
            case.setup = Some(set_up.to_owned());
            case.checks = vec![example::check("exit code", Verdict::Pass, "0x7d", "0x7d")];
            report.subjects[0].cases.push(case);
        }
        assert_eq!(judge(&report, CASE), (Standing::Covered, vec![report.subjects[0].id.clone()]));
    }

    #[test]
    fn a_case_without_a_check_covers_nothing() {
        let mut report = report([Some(Verdict::Pass), None]);
        report.subjects[0].cases[1].checks.clear();
        assert_eq!(judge(&report, CASE).0, Standing::Broken);
    }

    #[test]
    fn rules_are_cases_and_exits_without_one_say_why() {
        let groups = groups(&report([Some(Verdict::Pass), Some(Verdict::Fail)]));
        let rules = groups.iter().find(|group| group.title == "SVM: rules of VMRUN").unwrap();
        assert_eq!(rules.lines.len(), 1);
        assert_eq!(rules.lines[0].subjects.len(), 2);
        let without = groups[0].lines.iter().find(|line| line.name == "#MC").unwrap();
        assert_eq!((without.standing, without.by.as_str()), (Standing::NotCovered, "no subject raises it"));
        let text = to_text(&groups);
        assert!(text.contains("  7DH  task switch: covered on "), "{text}");
        assert!(text.contains("   -1  invalid state: not run"), "{text}");
    }

    #[test]
    fn exit_reasons_are_covered_by_the_cases_of_their_list() {
        let mut report = report([None, None]);
        let mut case = example::case("vmx::triple_fault_exits", "VmxExceptions", Verdict::Fail);
        case.checks = vec![example::check("exit reason [3]", Verdict::Fail, "0x2", "0x12")];
        report.subjects[1].cases.push(case);
        let groups = groups(&report);
        let lines = &groups.iter().find(|group| group.title == "VMX: exit reasons").unwrap().lines;
        let covered: Vec<_> = lines.iter().filter(|line| line.standing == Standing::Covered).collect();
        assert_eq!(covered.iter().map(|line| line.name.as_str()).collect::<Vec<_>>(), ["triple fault"]);
        assert!(covered.iter().all(|line| line.number == "2" && line.subjects == [report.subjects[1].id.clone()]));
        assert!(lines.iter().any(|line| line.standing == Standing::NotCovered && line.by == "no subject sends SMIs"));
    }

    #[test]
    fn a_report_without_nested_virtualization_has_none() {
        assert_eq!(groups(&example::report()), []);
    }
}
