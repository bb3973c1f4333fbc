//! Cases counted by verdict, with how many of them the baseline knew.

use crate::{
    model::{Against, Case, Report, Subject, Verdict},
    standing::Standing,
};
use std::fmt;

/// The cases of one verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// All of them.
    pub total: u32,
    /// Those that did not pass, as the baseline says.
    pub known: u32,
    /// Those that are worse than the baseline says.
    pub regressed: u32,
    /// Those that are better than the baseline says.
    pub fixed: u32,
    /// Those that a baseline was asked about and did not know.
    pub new: u32,
    /// Those that someone must look at ([`Standing::needs_attention`]).
    pub unexpected: u32,
}

/// The cases of a subject, an area or a feature, by verdict.
///
/// Displayed as `83 pass, 2 fail (2 known), 4 skip`; verdicts without a case are left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// In the order of [`Verdict::ALL`].
    counts: [Count; Verdict::ALL.len()],
}

impl Tally {
    /// Counts cases.
    pub fn of<'a>(cases: impl IntoIterator<Item = &'a Case>) -> Self {
        let mut tally = Self::default();
        for case in cases {
            let count = &mut tally.counts[index(case.verdict)];
            count.total += 1;
            count.known += u32::from(case.standing() == Standing::Known);
            count.unexpected += u32::from(case.standing().needs_attention());
            match case.against_baseline {
                Some(Against::Regressed) => count.regressed += 1,
                Some(Against::Fixed) => count.fixed += 1,
                Some(Against::New) => count.new += 1,
                Some(Against::Expected) | None => (),
            }
        }
        tally
    }

    /// The cases with a verdict.
    pub fn get(&self, verdict: Verdict) -> Count {
        self.counts[index(verdict)]
    }

    /// The verdicts that any case has, in the order of [`Verdict::ALL`].
    pub fn nonzero(&self) -> impl Iterator<Item = (Verdict, Count)> {
        Verdict::ALL.iter().map(|&verdict| (verdict, self.get(verdict))).filter(|(_, count)| count.total != 0)
    }

    /// All cases.
    pub fn total(&self) -> u32 {
        self.counts.iter().map(|count| count.total).sum()
    }

    /// The cases that someone must look at.
    pub fn unexpected(&self) -> u32 {
        self.counts.iter().map(|count| count.unexpected).sum()
    }
}

/// Where a verdict's count stands. The match, not a cast, keeps the order of the enumeration free.
const fn index(verdict: Verdict) -> usize {
    match verdict {
        Verdict::Pass => 0,
        Verdict::Fail => 1,
        Verdict::Crash => 2,
        Verdict::Hang => 3,
        Verdict::Skip => 4,
        Verdict::Error => 5,
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.total() == 0 {
            return formatter.write_str("no cases");
        }
        for (position, (verdict, count)) in self.nonzero().enumerate() {
            let comma = if position == 0 { "" } else { ", " };
            write!(formatter, "{comma}{} {}{}", count.total, verdict.name(), count.notes())?;
        }
        Ok(())
    }
}

impl Count {
    /// ` (2 known, 1 regressed)`, or nothing.
    pub(crate) fn notes(&self) -> String {
        let notes: Vec<String> =
            [(self.known, "known"), (self.regressed, "regressed"), (self.fixed, "fixed"), (self.new, "new")]
                .into_iter()
                .filter(|(number, _)| *number != 0)
                .map(|(number, word)| format!("{number} {word}"))
                .collect();
        if notes.is_empty() { String::new() } else { format!(" ({})", notes.join(", ")) }
    }
}

impl Subject {
    /// All cases of the subject.
    pub fn tally(&self) -> Tally {
        Tally::of(&self.cases)
    }

    /// The cases of a feature, by its id.
    pub fn tally_of_feature(&self, feature: &str) -> Tally {
        Tally::of(self.cases.iter().filter(|case| case.feature == feature))
    }

    /// The sum of the cases' times from start to verdict, in microseconds. Cases run in parallel, so the run itself
    /// was shorter.
    pub fn duration_us(&self) -> u64 {
        self.cases.iter().fold(0, |sum, case| sum.saturating_add(case.duration_us))
    }
}

impl Report {
    /// The areas in the order of the features, each with its features. An area is listed once.
    pub(crate) fn areas(&self) -> Vec<(&str, Vec<&crate::model::FeatureRow>)> {
        let mut areas: Vec<(&str, Vec<_>)> = Vec::new();
        for row in &self.features {
            match areas.iter_mut().find(|(area, _)| *area == row.area) {
                Some((_, rows)) => rows.push(row),
                None => areas.push((&row.area, vec![row])),
            }
        }
        areas
    }
}

#[cfg(test)]
mod tests {
    use super::{Tally, index};
    use crate::{
        example,
        model::{Against, Verdict},
    };

    #[test]
    fn every_verdict_has_a_count_of_its_own() {
        let indices: Vec<usize> = Verdict::ALL.iter().map(|&verdict| index(verdict)).collect();
        assert_eq!(indices, [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn a_tally_says_what_was_known_and_leaves_zeros_out() {
        let case = |verdict, against_baseline| crate::model::Case {
            against_baseline,
            ..example::case("pio::in", "PortIo", verdict)
        };
        let cases = [
            case(Verdict::Pass, Some(Against::Expected)),
            case(Verdict::Pass, Some(Against::Fixed)),
            case(Verdict::Fail, Some(Against::Expected)),
            case(Verdict::Fail, Some(Against::Regressed)),
            case(Verdict::Skip, Some(Against::Expected)),
        ];
        let tally = Tally::of(&cases);
        assert_eq!(tally.to_string(), "2 pass (1 fixed), 2 fail (1 known, 1 regressed), 1 skip");
        assert_eq!((tally.total(), tally.unexpected()), (5, 2));
        assert_eq!(Tally::default().to_string(), "no cases");
    }

    #[test]
    fn areas_are_listed_once_even_if_features_are_not_in_order() {
        let mut report = example::report();
        report.features.reverse();
        let last = report.features.remove(0);
        report.features.push(last);
        let areas: Vec<&str> = report.areas().iter().map(|(area, _)| *area).collect();
        let mut unique = areas.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(areas.len(), unique.len());
    }
}
