//! Differences that are explained: the emulation part of a subject's baseline.

use super::{kvm::Flavour, tally::Key};
use crate::image::workspace;
use iced_decoder::Bitness;
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};
use wildmatch::WildMatch;

/// What an explained difference is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The subject's emulator does what the manual does not say.
    Bug,
    /// The subject does not claim to do it.
    Limitation,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    class: Vec<Class>,
}

/// One class of differences.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Class {
    /// Patterns of form names, with `*` and `?`.
    pub forms: Vec<String>,
    /// What differs, as in keys, or `*`.
    pub fields: String,
    /// What it is.
    pub kind: Kind,
    /// Why, with the clause for a bug.
    pub reason: String,
    /// The executors that it holds for, by name.
    #[serde(default = "mmio_user")]
    pub on: Vec<String>,
    /// The mode that it holds for, as 16, 32 or 64; every mode if none is named.
    pub bits: Option<u32>,
    /// Part of the version of the subjects that it holds for.
    pub when: Option<String>,
    /// So few inputs lead to it that a run may well see none: that it explains nothing says nothing.
    #[serde(default)]
    pub rare: bool,
    /// Which of its file it is, from 1.
    #[serde(skip)]
    pub number: usize,
}

/// What classes are asked for.
#[derive(Clone, Debug)]
pub struct Scope {
    /// The subject's version.
    pub version: String,
    /// The executor.
    pub on: Flavour,
    /// The mode.
    pub bitness: Bitness,
}

impl Class {
    fn holds(&self, scope: &Scope) -> bool {
        self.on.iter().any(|name| name == scope.on.name())
            && self.bits.is_none_or(|bits| bits == scope.bitness.bits())
            && self.when.as_deref().is_none_or(|part| scope.version.contains(part))
    }

    /// Whether runs on these executors in these modes are all that it holds for.
    pub fn is_covered_by(&self, runs: &[(Flavour, Bitness)]) -> bool {
        let is_run = |name: &String, bits| runs.iter().any(|(on, mode)| on.name() == name && mode.bits() == bits);
        let modes = self.bits.map_or_else(|| MODES.to_vec(), |bits| vec![bits]);
        self.on.iter().all(|name| modes.iter().all(|bits| is_run(name, *bits)))
    }
}

/// The modes of code segments.
const MODES: [u32; 3] = [16, 32, 64];

/// How the reason of a bug names the clause that is broken.
const MANUALS: [&str; 2] = ["(SDM vol. ", "(APM vol. "];

/// The executor that classes are for unless they name others.
fn mmio_user() -> Vec<String> {
    vec![Flavour::MmioUser.name().to_owned()]
}

/// Why a file of classes cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KnownError {
    /// It cannot be read.
    #[error("failed to read {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not TOML of this form.
    #[error("{}: {message}", .path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line and column.
        message: String,
    },
    /// A class explains nothing or everything.
    #[error("{}: class {number}: {what}", .path.display())]
    Class {
        /// The file.
        path: PathBuf,
        /// Which, from 1.
        number: usize,
        /// What is wrong.
        what: &'static str,
    },
}

/// What is known of a subject whose refusals no class is about: to refuse an instruction is no wrong result, and which ones an
/// emulator refuses is told by the coverage.
fn anything_refused(scope: &Scope) -> Class {
    Class {
        forms: vec!["*".to_owned()],
        fields: super::run::REFUSED.to_owned(),
        kind: Kind::Limitation,
        reason: "The baseline does not say what this subject's emulator knows.".to_owned(),
        on: vec![scope.on.name().to_owned()],
        bits: Some(scope.bitness.bits()),
        when: None,
        rare: false,
        number: 0,
    }
}

/// The classes that hold for a subject and an executor.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// With the patterns of their forms.
    classes: Vec<(Vec<WildMatch>, Class)>,
}

/// How often the patterns of classes explained something: by class and pattern.
pub type Uses = BTreeMap<(usize, String), Use>;

/// What a pattern was good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// Its class.
    pub class: Class,
    /// How many kinds of findings it explained.
    pub nr_explained: usize,
}

impl Known {
    /// Reads the checked-in file of a subject; none means that nothing is known.
    ///
    /// # Errors
    /// [`KnownError`].
    pub fn load(subject: &str, scope: &Scope) -> Result<Self, KnownError> {
        let path = workspace().join("testcases/baselines").join(format!("{subject}.emulation.toml"));
        match std::fs::read_to_string(&path) {
            Ok(text) => Self::parse(&text, scope, &path),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Self::parse("", scope, &path),
            Err(source) => Err(KnownError::Read { path, source }),
        }
    }

    /// Reads classes; `path` is only named in errors.
    ///
    /// # Errors
    /// [`KnownError::Form`] and [`KnownError::Class`].
    pub fn parse(text: &str, scope: &Scope, path: &Path) -> Result<Self, KnownError> {
        let file: File = toml::from_str(text).map_err(|error| KnownError::Form {
            path: path.to_owned(),
            message: error.to_string().trim().replace('\n', " "),
        })?;
        for (class, number) in file.class.iter().zip(1..) {
            let refused = |what| Err(KnownError::Class { path: path.to_owned(), number, what });
            if class.forms.is_empty() || class.forms.iter().any(|form| form.trim().is_empty()) {
                return refused("`forms` names none");
            }
            if class.forms.iter().any(|form| form == "*") && class.fields == "*" {
                return refused("it explains everything; name forms or fields");
            }
            if class.on.is_empty() || class.on.iter().any(|name| Flavour::from_name(name).is_none()) {
                return refused("`on` names an executor that does not exist, or none");
            }
            if class.bits.is_some_and(|bits| !MODES.contains(&bits)) {
                return refused("`bits` is not 16, 32 or 64");
            }
            if class.reason.trim().is_empty() {
                return refused("`reason` is empty");
            }
            if class.kind == Kind::Bug && !MANUALS.iter().any(|manual| class.reason.contains(manual)) {
                return refused("`reason` of a bug names no clause, such as (SDM vol. 2, \"LOCK\")");
            }
        }
        let numbered = file.class.into_iter().zip(1..).map(|(class, number)| Class { number, ..class });
        let mut holding: Vec<Class> = numbered.filter(|class| class.holds(scope)).collect();
        if !holding.iter().any(|class| class.fields == super::run::REFUSED) {
            holding.push(anything_refused(scope));
        }
        let compiled = |class: Class| (class.forms.iter().map(|form| WildMatch::new(form)).collect(), class);
        Ok(Self { classes: holding.into_iter().map(compiled).collect() })
    }

    /// The class that explains a finding.
    pub fn explain(&self, key: &Key) -> Option<&Class> {
        let matches = |(forms, class): &&(Vec<WildMatch>, Class)| {
            (class.fields == "*" || class.fields == key.fields) && forms.iter().any(|form| form.matches(&key.form))
        };
        self.classes.iter().find(matches).map(|(_, class)| class)
    }

    /// How often each pattern explained one of the findings. Patterns that match none of the forms that were tried say
    /// nothing, and are left out, as are those of rare classes.
    pub fn uses<'a>(&self, findings: impl Iterator<Item = &'a Key> + Clone, tried: &[String]) -> Uses {
        let mut uses = Uses::new();
        for (patterns, class) in self.classes.iter().filter(|(_, class)| class.number != 0 && !class.rare) {
            for pattern in patterns.iter().filter(|pattern| tried.iter().any(|form| pattern.matches(form))) {
                uses.insert((class.number, pattern.to_string()), Use { class: class.clone(), nr_explained: 0 });
            }
        }
        for key in findings {
            let Some(class) = self.explain(key) else { continue };
            let patterns = self.classes.iter().filter(|(_, other)| other.number == class.number);
            for pattern in patterns.flat_map(|(patterns, _)| patterns).filter(|pattern| pattern.matches(&key.form)) {
                if let Some(found) = uses.get_mut(&(class.number, pattern.to_string())) {
                    found.nr_explained += 1;
                }
            }
        }
        uses
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Known, KnownError> {
        let version = "KVM 1, kvm_amd".to_owned();
        Known::parse(text, &Scope { version, on: Flavour::MmioUser, bitness: Bitness::Bits64 }, "known.toml".as_ref())
    }

    fn key(form: &str, fields: &str) -> Key {
        Key { form: form.to_owned(), fields: fields.to_owned() }
    }

    const CLASS: &str =
        "[[class]]\nforms = [\"V*\", \"Adc_rm8_r8\"]\nfields = \"refused\"\nkind = \"limitation\"\nreason = \"why\"\n";

    #[test]
    fn a_class_explains_its_forms_and_fields_alone() {
        let known = parse(CLASS).unwrap();
        assert!(known.explain(&key("VEX_Vmovaps", "refused")).is_some());
        assert!(known.explain(&key("Adc_rm8_r8", "refused")).is_some());
        assert!(known.explain(&key("Adc_rm8_r8", "flags")).is_none());
        assert!(known.explain(&key("Adc_rm16_r16", "refused")).is_none());
    }

    #[test]
    fn patterns_that_explain_nothing_of_what_was_tried_are_told() {
        let text = CLASS.replace("\"V*\"", "\"V*\", \"Sha*\", \"Adc_*\"");
        let tried = ["VEX_Vmovaps", "Adc_rm8_r8", "Adc_rm16_r16"].map(str::to_owned);
        let findings = [key("Adc_rm8_r8", "refused"), key("VEX_Vmovaps", "flags")];
        let uses = parse(&text).unwrap().uses(findings.iter(), &tried);
        let uses: Vec<_> = uses.iter().map(|((_, pattern), found)| (pattern.as_str(), found.nr_explained)).collect();
        assert_eq!(uses, [("Adc_*", 1), ("Adc_rm8_r8", 1), ("V*", 0)]);
        assert_eq!(parse(&format!("{text}rare = true\n")).unwrap().uses(findings.iter(), &tried), Uses::new());
    }

    #[test]
    fn a_class_is_covered_by_runs_of_all_that_it_names() {
        let known = parse(&format!("{CLASS}bits = 64\non = [\"mmio-user\", \"memory-user\"]\n")).unwrap();
        let class = known.explain(&key("Adc_rm8_r8", "refused")).unwrap();
        let mut runs = vec![(Flavour::MmioUser, Bitness::Bits64), (Flavour::MemoryUser, Bitness::Bits32)];
        assert!(!class.is_covered_by(&runs));
        runs.push((Flavour::MemoryUser, Bitness::Bits64));
        assert!(class.is_covered_by(&runs));
    }

    #[test]
    fn refusals_are_no_news_of_a_subject_whose_refusals_no_class_is_about() {
        let nothing = parse(&format!("{CLASS}when = \"kvm_pvm\"\n")).unwrap();
        assert!(nothing.explain(&key("Adc_rm16_r16", "refused")).is_some());
        assert!(nothing.explain(&key("Adc_rm16_r16", "hung")).is_none());
        assert_eq!(nothing.uses([].iter(), &["Adc_rm16_r16".to_owned()]), Uses::new());
        let differences = parse(&CLASS.replace("refused", "flags")).unwrap();
        assert!(differences.explain(&key("Adc_rm16_r16", "refused")).is_some());
        assert!(parse(CLASS).unwrap().explain(&key("Adc_rm16_r16", "refused")).is_none());
    }

    #[test]
    fn a_bug_names_its_clause() {
        let bug = CLASS.replace("limitation", "bug");
        assert!(parse(&bug).unwrap_err().to_string().contains("class 1: `reason` of a bug"));
        assert!(parse(&bug.replace("why", "why (SDM vol. 2, 'LOCK')")).is_ok());
    }

    #[test]
    fn classes_of_other_versions_do_not_hold() {
        let class = CLASS.replace("refused", "flags");
        let other = parse(&format!("{class}when = \"kvm_pvm\"\n")).unwrap();
        assert!(other.explain(&key("Adc_rm8_r8", "flags")).is_none());
        let this = parse(&format!("{class}when = \"kvm_amd\"\n")).unwrap();
        assert!(this.explain(&key("Adc_rm8_r8", "flags")).is_some());
    }

    #[test]
    fn classes_hold_for_the_executors_they_name() {
        let (key, class) = (key("Adc_rm8_r8", "flags"), CLASS.replace("refused", "flags"));
        let other = parse(&format!("{class}on = [\"mmio-supervisor\"]\n")).unwrap();
        assert!(other.explain(&key).is_none());
        let both = parse(&format!("{class}on = [\"mmio-supervisor\", \"mmio-user\"]\n")).unwrap();
        assert!(both.explain(&key).is_some());
        assert!(parse(&format!("{CLASS}on = [\"mmio\"]\n")).unwrap_err().to_string().contains("`on`"));
    }

    #[test]
    fn classes_hold_for_the_mode_they_name() {
        let (key, class) = (key("Adc_rm8_r8", "flags"), CLASS.replace("refused", "flags"));
        assert!(parse(&format!("{class}bits = 64\n")).unwrap().explain(&key).is_some());
        assert!(parse(&format!("{class}bits = 32\n")).unwrap().explain(&key).is_none());
        assert!(parse(&format!("{CLASS}bits = 8\n")).unwrap_err().to_string().contains("`bits`"));
    }

    #[test]
    fn classes_that_explain_nothing_or_everything_are_refused() {
        let refused = |from: &str, to: &str| parse(&CLASS.replace(from, to)).unwrap_err().to_string();
        assert!(refused("\"why\"", "\" \"").contains("class 1: `reason`"));
        assert!(refused("[\"V*\", \"Adc_rm8_r8\"]", "[]").contains("`forms`"));
        assert!(
            refused("[\"V*\", \"Adc_rm8_r8\"]\nfields = \"refused\"", "[\"*\"]\nfields = \"*\"").contains("everything")
        );
        assert!(refused("kind = \"limitation\"", "kind = \"undefined\"").contains("known.toml"));
    }
}
