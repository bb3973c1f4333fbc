//! What became of each fault.

use super::Trial;
use case::Feature;
use reports::model::Verdict;
use serde_json::{Value, json};
use std::{fmt, io, path::Path};

/// Name and version of the JSON form.
pub const SCHEMA: &str = "vmproof/mutants/1";
/// The file that [`Outcome::write`] makes.
pub const FILE: &str = "mutants.json";

/// A case that noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Killer {
    /// Its id.
    pub case: String,
    /// Its verdict with the fault.
    pub verdict: Verdict,
    /// What of it held without the fault, and does not with it.
    pub check: String,
}

/// What became of a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Cases of its feature noticed.
    Killed {
        /// The first of them.
        killers: Vec<Killer>,
    },
    /// Only a case of another feature of the same area did.
    KilledElsewhere {
        /// The first of them.
        killers: Vec<Killer>,
    },
    /// Nobody did.
    Survived {
        /// How many cases could have; none if the subject offers too little for them.
        nr_cases: usize,
    },
    /// A check holds with a mutation of its table as without.
    Held {
        /// Id of the case.
        case: String,
        /// Name of the mutation.
        mutation: &'static str,
        /// The check, or what ended the run.
        check: String,
    },
    /// Nothing can be tried, and the table says so.
    LeftOut {
        /// Why.
        reason: &'static str,
    },
    /// A run failed that says nothing of the fault.
    Failed {
        /// Why.
        reason: String,
    },
}

/// A fault that was tried.
#[derive(Clone, Debug, PartialEq)]
pub struct Tried {
    /// The fault.
    pub trial: Trial,
    /// What became of it.
    pub fate: Fate,
}

impl Fate {
    fn name(&self) -> &'static str {
        match self {
            Self::Killed { .. } => "killed",
            Self::KilledElsewhere { .. } => "elsewhere",
            Self::Survived { .. } | Self::Held { .. } => "survived",
            Self::LeftOut { .. } => "left-out",
            Self::Failed { .. } => "error",
        }
    }

    fn killers(&self) -> &[Killer] {
        match self {
            Self::Killed { killers } | Self::KilledElsewhere { killers } => killers,
            Self::Survived { .. } | Self::Held { .. } | Self::LeftOut { .. } | Self::Failed { .. } => &[],
        }
    }
}

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({})", self.fate.name(), self.trial.id, self.trial.feature.id())?;
        match &self.fate {
            Fate::Survived { nr_cases } => write!(f, ": {nr_cases} cases noticed nothing"),
            Fate::Held { case, mutation, check } => write!(f, ": {case} is {mutation}, and notices nothing: {check}"),
            Fate::LeftOut { reason } => write!(f, ": {reason}"),
            Fate::Failed { reason } => write!(f, ": {reason}"),
            Fate::Killed { killers } | Fate::KilledElsewhere { killers } => {
                let ids: Vec<_> = killers.iter().map(|killer| killer.case.as_str()).collect();
                write!(f, " by {}", ids.join(", "))
            }
        }
    }
}

/// What became of all.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// How many were to be tried.
    pub nr_asked: usize,
    /// Those that were, in the order of the table.
    pub tried: Vec<Tried>,
}

impl Outcome {
    /// 0 if each fault was noticed by its feature or is left out, 1 if one was not, 2 if one could not be tried.
    pub fn exit_status(&self) -> u8 {
        let has = |wanted: fn(&Fate) -> bool| self.tried.iter().any(|tried| wanted(&tried.fate));
        if self.tried.len() < self.nr_asked || has(|fate| matches!(fate, Fate::Failed { .. })) {
            2
        } else {
            u8::from(has(|fate| !matches!(fate, Fate::Killed { .. } | Fate::LeftOut { .. })))
        }
    }

    fn count(&self, name: &str, of: impl Fn(&Trial) -> bool) -> usize {
        self.tried.iter().filter(|tried| of(&tried.trial) && tried.fate.name() == name).count()
    }

    /// Features without a fault that was noticed by its own cases.
    pub fn unproven(&self) -> Vec<Feature> {
        let is_proven = |feature| self.count("killed", |trial| trial.feature == feature) > 0;
        Feature::ALL.iter().copied().filter(|feature| !is_proven(*feature)).collect()
    }

    /// The table by area, and what was not killed as it should be.
    pub fn summary(&self) -> String {
        let mut areas: Vec<&str> = Vec::new();
        for tried in &self.tried {
            let area = tried.trial.feature.area();
            if !areas.contains(&area) {
                areas.push(area);
            }
        }
        let mut text = format!(
            "{:<14}{:>8}{:>8}{:>11}{:>10}{:>10}{:>7}\n",
            "area", "faults", "killed", "elsewhere", "survived", "left-out", "error"
        );
        let row = |name: &str, of: &dyn Fn(&Trial) -> bool| {
            let counts = ["killed", "elsewhere", "survived", "left-out", "error"].map(|fate| self.count(fate, of));
            let [killed, elsewhere, survived, left_out, error] = counts;
            let faults: usize = counts.iter().sum();
            format!("{name:<14}{faults:>8}{killed:>8}{elsewhere:>11}{survived:>10}{left_out:>10}{error:>7}\n")
        };
        for area in areas {
            text += &row(area, &|trial| trial.feature.area() == area);
        }
        text += &row("all", &|_| true);
        for tried in self.tried.iter().filter(|tried| !matches!(tried.fate, Fate::Killed { .. })) {
            text += &format!("{tried}\n    {}\n    again: cargo xtask mutants {}\n", tried.trial.what, tried.trial.id);
        }
        if self.tried.len() < self.nr_asked {
            text += &format!("interrupted: {} of {} faults were tried\n", self.tried.len(), self.nr_asked);
        }
        text
    }

    /// Everything as JSON.
    pub fn json(&self) -> Value {
        let fault = |tried: &Tried| {
            let killers = tried.fate.killers().iter();
            let killers = killers
                .map(|killer| json!({ "case": killer.case, "verdict": killer.verdict.name(), "check": killer.check }));
            let reason = match &tried.fate {
                Fate::LeftOut { reason } => Some(*reason),
                Fate::Failed { reason } => Some(reason.as_str()),
                Fate::Held { check, .. } => Some(check.as_str()),
                _ => None,
            };
            json!({
                "id": tried.trial.id,
                "what": tried.trial.what,
                "feature": tried.trial.feature.id(),
                "area": tried.trial.feature.area(),
                "fate": tried.fate.name(),
                "killed_by": killers.collect::<Vec<_>>(),
                "reason": reason,
            })
        };
        let feature = |feature: &Feature| {
            let of = |trial: &Trial| trial.feature == *feature;
            let faults = self.tried.iter().filter(|tried| of(&tried.trial)).count();
            let killed = self.count("killed", of);
            json!({ "id": feature.id(), "area": feature.area(), "faults": faults, "killed": killed, "proven": killed > 0 })
        };
        json!({
            "schema": SCHEMA,
            "asked": self.nr_asked,
            "faults": self.tried.iter().map(fault).collect::<Vec<_>>(),
            "features": Feature::ALL.iter().map(feature).collect::<Vec<_>>(),
        })
    }

    /// Writes [`FILE`] into a folder, which is made if need be; under another name first, so that it is never half there.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        std::fs::create_dir_all(folder)?;
        let file = tempfile::NamedTempFile::new_in(folder)?;
        serde_json::to_writer_pretty(&file, &self.json())?;
        file.persist(folder.join(FILE)).map(drop).map_err(|error| error.error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutants::table;

    fn outcome(fates: &[Fate]) -> Outcome {
        let tried =
            table::all().zip(fates).map(|(mutant, fate)| Tried { trial: mutant.into(), fate: fate.clone() }).collect();
        Outcome { nr_asked: fates.len(), tried }
    }

    #[test]
    fn only_faults_that_their_feature_notices_are_as_they_should_be() {
        let killers = || vec![Killer { case: "a::b".to_owned(), verdict: Verdict::Fail, check: "c".to_owned() }];
        let killed = || Fate::Killed { killers: killers() };
        let (survived, failed) = (Fate::Survived { nr_cases: 2 }, Fate::Failed { reason: "no".to_owned() });
        assert_eq!(outcome(&[killed()]).exit_status(), 0);
        assert_eq!(outcome(&[killed(), Fate::LeftOut { reason: "no" }]).exit_status(), 0);
        assert_eq!(outcome(&[killed(), Fate::KilledElsewhere { killers: killers() }]).exit_status(), 1);
        assert_eq!(outcome(&[killed(), survived.clone()]).exit_status(), 1);
        assert_eq!(outcome(&[survived, failed]).exit_status(), 2);
        assert_eq!(Outcome { nr_asked: 2, ..outcome(&[killed()]) }.exit_status(), 2);
    }

    #[test]
    fn the_files_tell_of_each_fault_and_feature() {
        let outcome = outcome(&[Fate::Survived { nr_cases: 2 }]);
        let folder = tempfile::tempdir().unwrap();
        outcome.write(folder.path()).unwrap();
        let text = std::fs::read_to_string(folder.path().join(FILE)).unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["faults"][0]["fate"], "survived");
        assert_eq!(value["features"].as_array().unwrap().len(), Feature::ALL.len());
        assert_eq!(outcome.unproven().len(), Feature::ALL.len());
        assert!(outcome.summary().contains("2 cases noticed nothing"));
    }
}
