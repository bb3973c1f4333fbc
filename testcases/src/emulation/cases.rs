//! The cross-check as cases of the suite: a fixed slice of it, one case an encoding.
//!
//! Each form that the subject executes is a check. A form that it refuses is none: to refuse is no wrong result, and a
//! case whose forms are all refused is a skip that says so.

use super::{
    generated::Generated,
    known::{Known, Scope},
    kvm::Flavour,
    mmio::make_pair,
    run::{self, HUNG, Plan, REFUSED},
    source::Source as _,
    tally::{Counts, Key, Tally},
};
use crate::{cancel::Cancel, catalog::Case, chain::chain, host, judge};
use case::{Feature, Needs, Setup, spec};
use iced_decoder::{Bitness, Encoding};
use reports::model::{self, Against, Check, Verdict};
use std::{collections::BTreeMap, sync::Arc, time::Instant};
use vmm::Hypervisor;

/// Inputs of each form.
const INPUTS_PER_FORM: u64 = 1;
/// The slice never changes with a run.
const SEED: u64 = 0;

/// A case: its name, its feature, its encoding.
struct Row {
    name: &'static str,
    feature: Feature,
    encoding: Encoding,
    what: &'static str,
}

const ROWS: &[Row] = &[
    Row {
        name: "mmio_legacy",
        feature: Feature::EmulationLegacy,
        encoding: Encoding::Legacy,
        what: "Legacy, MMX and SSE",
    },
    Row { name: "mmio_x87", feature: Feature::EmulationX87, encoding: Encoding::X87, what: "x87" },
    Row { name: "mmio_vex", feature: Feature::EmulationVex, encoding: Encoding::Vex, what: "VEX-encoded" },
    Row { name: "mmio_evex", feature: Feature::EmulationEvex, encoding: Encoding::Evex, what: "EVEX-encoded" },
];

/// The cases, for the catalog.
pub fn all() -> Vec<Case> {
    let case = |row: &Row| Case {
        id: format!("{}::{}", row.feature.area(), row.name),
        area: row.feature.area().to_owned(),
        name: row.name.to_owned(),
        module: module_path!().to_owned(),
        feature: row.feature,
        rule: format!("{} instructions do on MMIO what they do on memory.", row.what),
        specs: vec![clause(&spec::sdm2("Instruction Set Reference"))],
        file: file!().to_owned(),
        line: line!(),
        setup: Setup::DEFAULT,
        needs: Needs::SINGLE_INSTRUCTIONS,
        record_address: 0,
        entry: 0,
    };
    ROWS.iter().map(case).collect()
}

fn clause(spec: &spec::Spec) -> String {
    format!("{} ({}), \"{}\"", spec.document.get(), spec.edition.get(), spec.title.get())
}

/// Runs a case and sets it against the classes that are known.
pub fn run(case: &Case, hypervisor: &Arc<Hypervisor>, cancel: &Cancel) -> model::Case {
    let start = Instant::now();
    let Some(row) = ROWS.iter().find(|row| row.feature == case.feature) else {
        return judge::failed_to_run(case, "it is none of the host's cases");
    };
    match execute(row, hypervisor, cancel) {
        Ok((source, tally, known)) => {
            let mut result = judge_tally(case, &source, &tally, &known);
            result.duration_us = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
            result
        }
        Err(why) => judge::failed_to_run(case, &why),
    }
}

fn execute(row: &Row, hypervisor: &Arc<Hypervisor>, cancel: &Cancel) -> Result<(Generated, Tally, Known), String> {
    let scope = Scope { version: host::kvm_version(), on: Flavour::MmioUser, bitness: Bitness::Bits64 };
    let known = Known::load("vmm", &scope).map_err(|error| chain(&error))?;
    let mut pair = make_pair(hypervisor, Flavour::MmioUser).map_err(|error| error.text)?;
    let is_wanted = |form: &iced_decoder::Form| form.encoding() == row.encoding;
    let source = Generated::of(SEED, Bitness::Bits64, &is_wanted, &mut *pair.reference).map_err(|error| error.text)?;
    let nr_inputs = INPUTS_PER_FORM * source.nr_forms() as u64;
    let plan = Plan { start: 0, nr_inputs, nr_workers: 1, deadline: None };
    let done = run::run_with(&source, &mut pair, &plan, cancel);
    Ok((source, done.tally, known))
}

fn judge_tally(case: &Case, source: &Generated, tally: &Tally, known: &Known) -> model::Case {
    if let Some((index, code, why)) = tally.failures.first() {
        return judge::failed_to_run(case, &format!("input {index} ({code:02x?}): {why}"));
    }
    if let Some((key, finding)) = tally.findings.iter().find(|(key, _)| key.fields == run::ORACLE) {
        return judge::failed_to_run(case, &format!("the oracle is wrong about {}: {}", key.form, finding.input));
    }
    let mut differing: BTreeMap<&str, Vec<&Key>> = BTreeMap::new();
    for key in tally.findings.keys().filter(|key| key.fields != REFUSED) {
        differing.entry(&key.form).or_default().push(key);
    }
    let mut checks = Vec::new();
    let mut nr_refused = 0;
    for form in 0..source.nr_forms() {
        let name = source.name(form);
        let counts = tally.forms.get(&form).copied().unwrap_or_default();
        match differing.get(name.as_str()) {
            Some(keys) => checks.push(check(name.clone(), Verdict::Fail, actual(keys))),
            None if counts.refused > 0 => nr_refused += 1,
            None if counts == Counts::default() => {}
            None => checks.push(check(name, Verdict::Pass, "the same".to_owned())),
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

fn check(id: String, verdict: Verdict, actual: String) -> Check {
    Check { id, verdict, expected: "the same".to_owned(), actual }
}

/// Which fields differ, for a check.
fn actual(keys: &[&Key]) -> String {
    let fields: Vec<_> =
        keys.iter().map(|key| if key.fields == HUNG { "it hangs" } else { key.fields.as_str() }).collect();
    format!("differs in {}", fields.join(" or in "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_told_from_those_of_the_image() {
        let cases = all();
        assert_eq!(cases.len(), ROWS.len());
        assert!(cases.iter().all(|case| case.is_of_host() && case.id.starts_with("emulation::") && case.line > 0));
    }
}
