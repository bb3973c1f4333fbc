//! What changed between two kernels, or between a kernel and what is known of it: by feature.

use reports::model::{Against, Case, Verdict};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

/// The changes of one feature, each as the id of a case and what became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeatureChanges {
    /// Right before and wrong now, or wrong in another way.
    pub regressed: Vec<String>,
    /// Wrong before and right now.
    pub fixed: Vec<String>,
    /// Tried before and not tried now: no more offered, or no more there.
    pub vanished: Vec<String>,
}

/// All changes by feature, in the order of their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes(pub BTreeMap<String, FeatureChanges>);

impl Changes {
    /// Sorts results that were set against a baseline. `former` are the results of the run that was the baseline, if it was
    /// one; `exists` says whether the image has a case of this id.
    pub fn between(former: &[Case], now: &[Case], exists: impl Fn(&str) -> bool) -> Self {
        let mut changes = Self::default();
        let tried: BTreeSet<_> = former.iter().filter(|case| is_tried(case)).map(|case| case.id.as_str()).collect();
        for case in now {
            let reason = case.reason.as_deref().unwrap_or("");
            let text = format!("{} ({}): {reason}", case.id, case.verdict.name());
            let is_bad = matches!(case.verdict, Verdict::Fail | Verdict::Crash | Verdict::Hang);
            match case.against_baseline {
                Some(Against::Regressed) if case.verdict == Verdict::Skip => changes.of(case).vanished.push(text),
                Some(Against::Regressed) => changes.of(case).regressed.push(text),
                Some(Against::New) if is_bad => changes.of(case).regressed.push(text),
                Some(Against::Fixed) => changes.of(case).fixed.push(format!("{} ({})", case.id, case.verdict.name())),
                _ => {}
            }
        }
        let gone = former.iter().filter(|case| tried.contains(case.id.as_str()) && !exists(&case.id));
        for case in gone {
            changes.of(case).vanished.push(format!("{}: the image has it no more", case.id));
        }
        changes
    }

    fn of(&mut self, case: &Case) -> &mut FeatureChanges {
        self.0.entry(case.feature.clone()).or_default()
    }

    /// Whether something is worse than before.
    pub fn is_worse(&self) -> bool {
        self.0.values().any(|feature| !feature.regressed.is_empty() || !feature.vanished.is_empty())
    }

    /// For people: a line for each change under its feature, then the numbers.
    pub fn tell(&self) -> String {
        let mut text = String::new();
        let mut numbers = [0; 3];
        for (name, feature) in &self.0 {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{name}");
            let lists = [("regressed", &feature.regressed), ("fixed", &feature.fixed), ("vanished", &feature.vanished)];
            for ((word, list), number) in lists.into_iter().zip(&mut numbers) {
                *number += list.len();
                for line in list {
                    let _ = writeln!(text, "  {word:<9}  {line}");
                }
            }
        }
        let [regressed, fixed, vanished] = numbers;
        let nr_features = self.0.len();
        let _ = writeln!(text, "{regressed} regressed, {fixed} fixed, {vanished} vanished in {nr_features} features");
        text
    }
}

/// Whether a result says something of the subject.
fn is_tried(case: &Case) -> bool {
    !matches!(case.verdict, Verdict::Skip | Verdict::Error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        baseline::{Baseline, Former},
        catalog::{Catalog, synthetic::Source},
        judge,
    };

    fn result(name: &str, verdict: Verdict) -> Case {
        let catalog = Catalog::parse(Source::new().build().bytes).unwrap();
        let case = judge::failed_to_run(&catalog.cases()[0], "because");
        Case { id: name.to_owned(), feature: name.split("::").next().unwrap().to_owned(), verdict, ..case }
    }

    fn compared(former: &[Case], mut now: Vec<Case>) -> Changes {
        let baseline = Baseline::Former(Former::new(former.to_vec()));
        now.iter_mut().for_each(|case| baseline.apply(case));
        let ids: Vec<_> = now.iter().map(|case| case.id.clone()).collect();
        Changes::between(former, &now, |id| ids.iter().any(|known| known == id))
    }

    #[test]
    fn changes_stand_under_their_features() {
        use Verdict::{Crash, Fail, Pass, Skip};
        let former = [("a::b", Pass), ("a::c", Fail), ("b::d", Pass), ("b::e", Pass), ("c::f", Pass), ("c::g", Skip)];
        let former = former.map(|(id, verdict)| result(id, verdict));
        let now = [("a::b", Crash), ("a::c", Pass), ("b::d", Skip), ("c::f", Pass)];
        let changes = compared(&former, now.map(|(id, verdict)| result(id, verdict)).to_vec());
        assert!(changes.is_worse());
        insta::assert_snapshot!(changes.tell(), @r"
        a
          regressed  a::b (crash): because
          fixed      a::c (pass)
        b
          vanished   b::d (skip): because
          vanished   b::e: the image has it no more
        1 regressed, 1 fixed, 2 vanished in 2 features
        ");
    }

    #[test]
    fn the_same_twice_is_no_change() {
        let former = [result("a::b", Verdict::Pass), result("a::c", Verdict::Hang)];
        let changes = compared(&former, former.to_vec());
        assert_eq!(changes, Changes::default());
        assert!(!changes.is_worse());
    }
}
