//! The model of a report: what was run on which subject, with which verdicts.
//!
//! Its JSON form is schema version 1, `reports/schema/report-v1.json`.

use crate::coverage::CoverageRow;
use case::Feature;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Name and version of the JSON form.
pub const SCHEMA: &str = "vmproof/report/1";

/// What became of a case or a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The rule holds.
    Pass,
    /// The rule is broken.
    Fail,
    /// The guest or its subject died: triple fault, KVM internal error, exit of the subject.
    Crash,
    /// There was no verdict in the case's time.
    Hang,
    /// A need is not offered.
    Skip,
    /// The harness itself failed; says nothing of the subject.
    Error,
}

impl Verdict {
    /// Every verdict, in the order of tables.
    pub const ALL: &[Self] = &[Self::Pass, Self::Fail, Self::Crash, Self::Hang, Self::Skip, Self::Error];

    /// The word in reports and baselines.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Crash => "crash",
            Self::Hang => "hang",
            Self::Skip => "skip",
            Self::Error => "error",
        }
    }
}

/// A verdict seen against the subject's baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Against {
    /// As the baseline says.
    Expected,
    /// Worse than the baseline says.
    Regressed,
    /// Better than the baseline says.
    Fixed,
    /// The baseline does not know the case (only a former report can say so).
    New,
}

impl Against {
    /// The word in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Expected => "expected",
            Self::Regressed => "regressed",
            Self::Fixed => "fixed",
            Self::New => "new",
        }
    }
}

/// A whole report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: String,
    /// Where it was run.
    pub host: Host,
    /// What was run.
    pub image: Image,
    /// Which part of the cases was run, if it was not all that were asked for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub shard: Option<Shard>,
    /// On what it was run.
    pub subjects: Vec<Subject>,
    /// One row a feature, in the order of [`Feature::ALL`], also those without a case.
    pub features: Vec<FeatureRow>,
    /// Which instruction forms emulators handle, if any were cross-checked.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub coverage: Vec<CoverageRow>,
}

/// The machine that ran the harness.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// Kernel release.
    pub kernel: String,
    /// Brand string of the processor.
    pub processor: String,
    /// KVM's vendor module, or empty.
    pub kvm_module: String,
    /// Number of processors.
    pub nr_processors: u32,
}

/// The guest image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// Build id of the ELF file, in hexadecimal.
    pub build_id: String,
}

/// One of several parts of the cases, which are disjoint and together complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shard {
    /// From 1.
    pub number: u32,
    /// How many there are.
    pub count: u32,
}

/// A subject and the verdicts on it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// Its name on the command line.
    pub id: String,
    /// Version of the hypervisor, as it says itself.
    pub version: String,
    /// Names of the needs that it offers.
    pub offers: Vec<String>,
    /// In the order of the catalog.
    pub cases: Vec<Case>,
}

/// A case's verdict on a subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// `<area>::<name>`, and `@<set-up>` if it has one.
    pub id: String,
    /// Id of its feature.
    pub feature: String,
    /// The clauses, for people.
    pub spec: String,
    /// The rule in a sentence.
    pub rule: String,
    /// `file:line` of its source.
    pub source: String,
    /// The interrupt set-up, for a case that is run once in each: without it and the `@` before it, the id is that of
    /// the case in the image.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub setup: Option<String>,
    /// The axis that it was run along, as `restore`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub axis: Option<String>,
    /// What became of it.
    pub verdict: Verdict,
    /// Why, unless it passed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// In the order they were made.
    pub checks: Vec<Check>,
    /// From start to verdict, in microseconds.
    pub duration_us: u64,
    /// Against the baseline, if there was one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub against_baseline: Option<Against>,
    /// The reason that the baseline gives, if it lists the case.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub known: Option<String>,
}

/// One check of a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// Unique within its case.
    pub id: String,
    /// Pass or fail.
    pub verdict: Verdict,
    /// What the manual says.
    pub expected: String,
    /// What was seen.
    pub actual: String,
}

/// A row of the table by feature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureRow {
    /// Id of the feature.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Its area.
    pub area: String,
    /// Number of cases in the whole catalog, whatever was selected; one that is run in several interrupt set-ups counts
    /// once.
    pub cases: u32,
    /// Number of different checks seen in this run; those of a case in several interrupt set-ups count once.
    pub checks: u32,
    /// For each subject the number of cases by verdict (by its name), without zeros; here each set-up counts.
    pub by_subject: BTreeMap<String, BTreeMap<String, u32>>,
    /// How many faults its cases are held to notice, if that is known; with none it is unproven that they can fail.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub faults: Option<u32>,
}

impl Case {
    /// The id without the interrupt set-up: that of the case in the image.
    pub fn plain_id(&self) -> &str {
        let without = self.setup.as_deref().and_then(|setup| self.id.strip_suffix(setup)?.strip_suffix('@'));
        without.unwrap_or(&self.id)
    }
}

impl Report {
    /// Puts a report together; `catalog` gives the feature id of every case there is, selected or not; of one that is run
    /// in several interrupt set-ups once.
    pub fn new<'a>(
        host: Host,
        image: Image,
        subjects: Vec<Subject>,
        catalog: impl Iterator<Item = &'a str> + Clone,
    ) -> Self {
        let features =
            Feature::ALL.iter().map(|&feature| FeatureRow::new(feature, &subjects, catalog.clone())).collect();
        Self { schema: SCHEMA.to_owned(), host, image, shard: None, subjects, features, coverage: Vec::new() }
    }

    /// Tells of each feature how many faults its cases are held to notice; `faults` gives the feature id of every one.
    pub fn with_faults<'a>(mut self, faults: impl Iterator<Item = &'a str> + Clone) -> Self {
        for row in &mut self.features {
            let count = faults.clone().filter(|id| *id == row.id).count();
            row.faults = Some(u32::try_from(count).unwrap_or(u32::MAX));
        }
        self
    }

    /// Counts the cases and checks of each feature again, after subjects were changed.
    pub(crate) fn count_features(&mut self) {
        for row in &mut self.features {
            row.count(&self.subjects);
        }
    }
}

impl FeatureRow {
    fn new<'a>(feature: Feature, subjects: &[Subject], catalog: impl Iterator<Item = &'a str>) -> Self {
        let mut row = Self {
            id: feature.id().to_owned(),
            title: feature.title().to_owned(),
            area: feature.area().to_owned(),
            cases: u32::try_from(catalog.filter(|id| *id == feature.id()).count()).unwrap_or(u32::MAX),
            checks: 0,
            by_subject: BTreeMap::new(),
            faults: None,
        };
        row.count(subjects);
        row
    }

    /// Whether no fault is known that its cases, of which there are some, have to notice.
    pub fn is_unproven(&self) -> bool {
        self.cases != 0 && self.faults == Some(0)
    }

    fn count(&mut self, subjects: &[Subject]) {
        let mut checks = std::collections::BTreeSet::new();
        self.by_subject.clear();
        for subject in subjects {
            let verdicts: &mut BTreeMap<String, u32> = self.by_subject.entry(subject.id.clone()).or_default();
            for case in subject.cases.iter().filter(|case| case.feature == self.id) {
                *verdicts.entry(case.verdict.name().to_owned()).or_default() += 1;
                checks.extend(case.checks.iter().map(|check| (case.plain_id(), check.id.as_str())));
            }
        }
        self.checks = u32::try_from(checks.len()).unwrap_or(u32::MAX);
    }
}
