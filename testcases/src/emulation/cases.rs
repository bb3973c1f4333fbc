//! The cross-check as cases of the suite: a fixed slice of it, one case for each executor, mode and encoding.
//!
//! Each form that the subject executes is a check. A form that it refuses is none: to refuse is no wrong result, and a
//! case whose forms are all refused is a skip that says so.

use super::{
    garbled::Garbling,
    known::Known,
    kvm::Flavour,
    repro,
    run::{self, HUNG},
    source::Source,
    suite::{Executions, Slice, Suite, encoding_id, is_failure},
    tally::{Counts, Finding, Key, Tally},
};
use crate::{cancel::Cancel, catalog::Case, judge, placement};
use case::{Feature, Needs, spec};
use iced_decoder::{Bitness, Encoding, machine::Mode};
use reports::model::{self, Against, Check, Verdict};
use std::{collections::BTreeMap, time::Instant};

/// An encoding with its feature, its name in rules, and of how many forms one is tried where not all of them are.
const ENCODINGS: [(Encoding, Feature, &str, usize); 4] = [
    (Encoding::Legacy, Feature::EmulationLegacy, "Legacy, MMX and SSE", 2),
    (Encoding::X87, Feature::EmulationX87, "x87", 1),
    (Encoding::Vex, Feature::EmulationVex, "VEX-encoded", 16),
    (Encoding::Evex, Feature::EmulationEvex, "EVEX-encoded", 16),
];

/// A case: its name, its feature, what it executes.
struct Row {
    name: String,
    feature: Feature,
    rule: String,
    slice: Slice,
}

/// Everything that a subject may execute. All forms of what a VMM meets first, MMIO at CPL 3 in 64-bit mode; samples of
/// the rest, because the suite has two seconds for everything. `cargo xtask fuzz mmio --on all --mode all` has no such
/// limit.
fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for on in Flavour::ALL {
        for bitness in [Bitness::Bits64, Bitness::Bits32, Bitness::Bits16] {
            // Of the forced flavours one mode will do: few hosts have them, and they are the same code of KVM.
            if on.is_forced() && bitness != Bitness::Bits64 {
                continue;
            }
            for (encoding, feature, what, step) in ENCODINGS {
                let is_first = on == Flavour::MmioUser && bitness == Bitness::Bits64;
                let step = if is_first { 1 } else { step };
                let slice = Slice { on, bitness, encoding, step, inputs_per_form: 1 };
                rows.push(Row { name: name(&slice), feature, rule: rule(what, &slice), slice });
            }
        }
    }
    rows
}

/// `mmio_legacy`, `memory_supervisor_32_x87`: what is not said is CPL 3 with MMIO, and 64-bit mode.
fn name(slice: &Slice) -> String {
    let on = match slice.on {
        Flavour::MmioUser => "mmio".to_owned(),
        on => on.name().replace('-', "_"),
    };
    let mode = match slice.bitness {
        Bitness::Bits64 => String::new(),
        bitness => format!("_{}", bitness.bits()),
    };
    format!("{on}{mode}_{}", encoding_id(slice.encoding))
}

fn rule(what: &str, slice: &Slice) -> String {
    let level = match slice.on.mode() {
        Mode::User => 3,
        Mode::Supervisor => 0,
    };
    let place = match (slice.on.is_mmio(), slice.on.is_forced()) {
        (true, _) => "on MMIO",
        (false, true) => "on memory by the emulator",
        (false, false) => "on memory in a guest",
    };
    let bits = slice.bitness.bits();
    format!("{what} instructions of {bits}-bit code at CPL {level} do {place} what the processor does on memory.")
}

/// The cases, for the catalog.
pub fn all() -> Vec<Case> {
    let case = |row: Row| {
        let place = (module_path!(), file!(), line!());
        let specs = [spec::sdm2("Instruction Set Reference")];
        Case::of_host((row.feature, &row.name), row.rule, &specs, Needs::SINGLE_INSTRUCTIONS, place)
    };
    rows().into_iter().map(case).collect()
}

/// Runs a case and sets it against the classes that are known; with results that are wrong on purpose if that is wanted.
pub fn run(case: &Case, suite: &Suite, wrong: Option<Garbling>, cancel: &Cancel) -> model::Case {
    let _pinned = placement::pin(placement::lane(&case.id));
    let start = Instant::now();
    let Some(row) = rows().into_iter().find(|row| row.name == case.name) else {
        return judge::failed_to_run(case, "it is none of the host's cases");
    };
    let mut result = match suite.execute(&case.id, &row.slice, wrong, cancel) {
        Ok(Executions::Done(done)) => judge_tally(case, &done.source, &done.tally, &done.known),
        Ok(Executions::Impossible(why)) => model::Case {
            verdict: Verdict::Skip,
            reason: Some(why),
            against_baseline: Some(Against::Expected),
            ..judge::failed_to_run(case, "")
        },
        Err(why) => judge::failed_to_run(case, &why),
    };
    result.duration_us = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
    result
}

fn judge_tally(case: &Case, source: &dyn Source, tally: &Tally, known: &Known) -> model::Case {
    if let Some((index, code, why)) = tally.failures.first() {
        return judge::failed_to_run(case, &format!("input {index} ({code:02x?}): {why}"));
    }
    if let Some((key, finding)) = tally.findings.iter().find(|(key, _)| key.fields == run::ORACLE) {
        return judge::failed_to_run(case, &format!("the oracle is wrong about {}: {}", key.form, finding.input));
    }
    let mut differing: BTreeMap<&str, Vec<(&Key, &Finding)>> = BTreeMap::new();
    for (key, finding) in tally.findings.iter().filter(|(key, _)| is_failure(key, known)) {
        differing.entry(&key.form).or_default().push((key, finding));
    }
    let mut checks = Vec::new();
    let mut nr_refused = 0;
    for form in 0..source.nr_forms() {
        let name = source.name(form);
        let counts = tally.forms.get(&form).copied().unwrap_or_default();
        match differing.get(name.as_str()) {
            Some(findings) => checks.push(failed(name.clone(), findings)),
            None if counts.refused > 0 => nr_refused += 1,
            None if counts == Counts::default() => {}
            None => checks.push(passed(name)),
        }
    }
    let unexplained: Vec<_> = tally.findings.keys().filter(|key| known.explain(key).is_none()).collect();
    let refusals = format!("{nr_refused} of {} forms are refused", source.nr_forms());
    let nr_failing = checks.iter().filter(|check| check.verdict == Verdict::Fail).count();
    let (verdict, reason) = match (checks.is_empty(), nr_failing) {
        (true, _) => (Verdict::Skip, Some(refusals)),
        (false, 0) => (Verdict::Pass, None),
        (false, _) => {
            (Verdict::Fail, Some(format!("{nr_failing} of {} forms differ from memory; {refusals}", checks.len())))
        }
    };
    let against = if unexplained.is_empty() { Against::Expected } else { Against::Regressed };
    let told =
        unexplained.iter().map(|key| format!("{} ({})", key.form, key.fields)).take(5).collect::<Vec<_>>().join(", ");
    let known_reason = (verdict == Verdict::Fail && unexplained.is_empty())
        .then(|| "each form that differs is explained in the emulation part of the baseline".to_owned());
    model::Case {
        verdict: if unexplained.is_empty() { verdict } else { Verdict::Fail },
        reason: if unexplained.is_empty() {
            reason
        } else {
            Some(format!("nothing explains {told}; see `cargo xtask fuzz mmio`"))
        },
        checks,
        against_baseline: Some(against),
        known: known_reason,
        ..judge::failed_to_run(case, "")
    }
}

fn passed(id: String) -> Check {
    Check { id, verdict: Verdict::Pass, expected: "the same".to_owned(), actual: "the same".to_owned() }
}

/// What was expected and what was seen, with the instruction and how to see it again.
fn failed(id: String, findings: &[(&Key, &Finding)]) -> Check {
    let joined = |text: &dyn Fn(&Key, &Finding) -> String| {
        findings.iter().map(|(key, finding)| text(key, finding)).collect::<Vec<_>>().join("; or ")
    };
    let expected = joined(&|_, finding| details(finding, |(what, expected, _)| format!("{what} {expected}")));
    let actual = joined(&|key, finding| {
        let seen = match key.fields.as_str() {
            HUNG => "it hangs".to_owned(),
            _ => details(finding, |(what, _, actual)| format!("{what} {actual}")),
        };
        let (instruction, name) = (repro::instruction(&finding.input), repro::name(&finding.input));
        format!("{seen} by {instruction}: cargo xtask run {}{name}", repro::PREFIX)
    });
    Check { id, verdict: Verdict::Fail, expected, actual }
}

fn details(finding: &Finding, text: impl Fn(&(String, String, String)) -> String) -> String {
    finding.difference.details.iter().map(text).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emulation::{
        compare::{Difference, Field},
        known::Scope,
        source::Expectation,
    };
    use iced_decoder::machine::Input;
    use std::collections::BTreeSet;

    #[test]
    fn cases_are_told_from_those_of_the_image() {
        let cases = all();
        assert_eq!(cases.len(), rows().len());
        assert!(cases.iter().all(|case| case.is_of_host() && case.id.starts_with("emulation::") && case.line > 0));
    }

    /// Two forms: `A` agrees and `B` does what is wanted.
    struct Two;

    impl Source for Two {
        fn nr_forms(&self) -> usize {
            2
        }

        fn name(&self, form: usize) -> String {
            ["A", "B"][form].to_owned()
        }

        fn encoding(&self, _: usize) -> &'static str {
            "legacy"
        }

        fn operand_bits(&self, _: usize) -> Option<u32> {
            None
        }

        fn input(&self, _: usize, _: u64) -> Option<Input> {
            None
        }

        fn expectation(&self, _: &Input) -> Expectation {
            Expectation::default()
        }
    }

    /// The result of two forms, of which the second has this finding.
    fn result(fields: &str) -> model::Case {
        let class = |form: &str, fields: &str| {
            format!("[[class]]\nforms = [\"{form}\"]\nfields = \"{fields}\"\nkind = \"limitation\"\nreason = \"why\"\n")
        };
        let classes = class("B", "hung") + &class("C", "refused");
        let scope = Scope { version: String::new(), on: Flavour::MmioUser, bitness: Bitness::Bits64 };
        let known = Known::parse(&classes, &scope, "known.toml".as_ref()).unwrap();
        let mut tally = Tally::default();
        tally.forms.insert(0, Counts { agreed: 1, ..Counts::default() });
        tally.forms.insert(1, Counts { differed: 1, ..Counts::default() });
        let input: Input = "mode=64 code=01c8 rip=10000800 window=plain seed=0".parse().unwrap();
        let mut difference = Difference::default();
        difference.add(Field::Flags, "flags", "0x1", "0x0");
        let key = Key { form: "B".to_owned(), fields: fields.to_owned() };
        tally.note(key, Finding { count: 1, index: 1, input, difference });
        judge_tally(&all().remove(0), &Two, &tally, &known)
    }

    #[test]
    fn a_difference_fails_its_check_with_instruction_and_reproducer() {
        let result = result("flags");
        assert_eq!((result.verdict, result.against_baseline), (Verdict::Fail, Some(Against::Regressed)));
        let verdicts: Vec<_> = result.checks.iter().map(|check| (check.id.as_str(), check.verdict)).collect();
        assert_eq!(verdicts, [("A", Verdict::Pass), ("B", Verdict::Fail)]);
        assert_eq!(result.checks[1].expected, "flags 0x1");
        let actual = &result.checks[1].actual;
        assert!(actual.starts_with("flags 0x0 by add eax, ecx (01c8): cargo xtask run repro:"), "{actual}");
    }

    #[test]
    fn what_is_explained_fails_as_expected() {
        let result = result("hung");
        assert_eq!((result.verdict, result.against_baseline), (Verdict::Fail, Some(Against::Expected)));
        assert!(result.known.is_some());
    }

    #[test]
    fn a_refusal_that_nothing_explains_is_a_regression() {
        let result = result(run::REFUSED);
        assert_eq!((result.verdict, result.against_baseline), (Verdict::Fail, Some(Against::Regressed)));
        assert_eq!(result.checks[1].verdict, Verdict::Fail);
    }

    #[test]
    fn an_input_that_contradicts_the_oracle_is_an_error() {
        assert_eq!(result(run::ORACLE).verdict, Verdict::Error);
    }

    #[test]
    fn cases_have_names_of_their_own_which_say_what_is_executed() {
        let names: BTreeSet<_> = rows().into_iter().map(|row| row.name).collect();
        assert_eq!(names.len(), rows().len());
        for name in ["mmio_legacy", "mmio_16_x87", "memory_supervisor_32_evex", "forced_user_vex"] {
            assert!(names.contains(name), "{name}");
        }
    }
}
