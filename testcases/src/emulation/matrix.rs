//! The cross-check on several executors and in several modes, side by side.

use super::{
    coverage,
    kvm::Flavour,
    mmio::{self, Options},
    outcome::Outcome,
};
use crate::cancel::Cancel;
use iced_decoder::Bitness;
use std::{collections::BTreeMap, fmt, time::Duration};

/// What came of several runs.
#[derive(Debug)]
pub struct Matrix {
    runs: Vec<Outcome>,
    /// What this host cannot execute, with the reason.
    missing: Vec<(Flavour, Bitness, String)>,
}

/// A pattern of the baseline that explains nothing any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fixed {
    /// Which class of the file, from 1.
    pub class: usize,
    /// The pattern of forms.
    pub pattern: String,
    /// What it says that differs.
    pub fields: String,
}

/// Runs the cross-check on each of these executors in each of these modes. Of several, those that this host cannot
/// execute are passed over, and told.
///
/// # Errors
/// As [`mmio::run`]; also if none of them can be executed.
pub fn run(options: &Options, on: &[Flavour], modes: &[Bitness], cancel: &Cancel) -> anyhow::Result<Matrix> {
    let pairs: Vec<_> = on.iter().flat_map(|&on| modes.iter().map(move |&bitness| (on, bitness))).collect();
    let mut matrix = Matrix { runs: Vec::new(), missing: Vec::new() };
    for &(on, bitness) in &pairs {
        if cancel.is_cancelled() {
            break;
        }
        let options = Options { on, bitness, ..options.clone() };
        if pairs.len() > 1
            && let Err(error) = mmio::check(&options)
        {
            matrix.missing.push((on, bitness, first_line(&error)));
            continue;
        }
        matrix.runs.push(mmio::run(&options, cancel)?);
    }
    if matrix.runs.is_empty()
        && let Some((on, bitness, why)) = matrix.missing.first()
    {
        anyhow::bail!("none of these can be executed here; {} {}-bit: {why}", on.name(), bitness.bits());
    }
    Ok(matrix)
}

fn first_line(error: &anyhow::Error) -> String {
    format!("{error:#}").lines().next().unwrap_or_default().to_owned()
}

impl Matrix {
    /// The worst of the runs' own; 1 if nothing else is wrong, every run was a whole default one, and something is fixed
    /// without the baseline knowing.
    pub fn exit_status(&self) -> u8 {
        let worst = self.runs.iter().map(Outcome::exit_status).max().unwrap_or_default();
        let is_default = self.runs.iter().all(|run| run.is_default);
        worst.max(u8::from(is_default && !self.fixed().is_empty()))
    }

    /// Patterns of the baseline that explained nothing in any of the runs, if these were thorough and all that the
    /// pattern holds for.
    pub fn fixed(&self) -> Vec<Fixed> {
        if !self.runs.iter().all(|run| run.is_thorough) {
            return Vec::new();
        }
        // What cannot be executed here cannot keep an entry alive either.
        let executed = self.runs.iter().map(|run| (run.on, run.bitness));
        let asked: Vec<_> = executed.chain(self.missing.iter().map(|(on, bitness, _)| (*on, *bitness))).collect();
        let mut explained: BTreeMap<_, (Fixed, usize)> = BTreeMap::new();
        for ((class, pattern), found) in self.runs.iter().flat_map(|run| &run.uses) {
            if found.class.is_covered_by(&asked) {
                let fixed = Fixed { class: *class, pattern: pattern.clone(), fields: found.class.fields.clone() };
                explained.entry((*class, pattern)).or_insert((fixed, 0)).1 += found.nr_explained;
            }
        }
        explained.into_values().filter(|(_, nr_explained)| *nr_explained == 0).map(|(fixed, _)| fixed).collect()
    }
}

impl fmt::Display for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_single = self.runs.len() == 1;
        for run in &self.runs {
            if !is_single && run.has_something_to_tell() {
                writeln!(f, "{}:", run.title())?;
            }
            run.write_findings(f)?;
        }
        let rows: Vec<_> = self.runs.iter().flat_map(|run| run.coverage.iter().cloned()).collect();
        f.write_str(&coverage::table(&rows))?;
        for run in &self.runs {
            if !is_single {
                writeln!(f, "{}:", run.title())?;
            }
            run.write_counts(f)?;
        }
        for missing in self.missing.chunk_by(|one, other| one.2 == other.2) {
            let bits: Vec<_> = missing.iter().map(|(_, bitness, _)| bitness.bits().to_string()).collect();
            if let Some((on, _, why)) = missing.first() {
                writeln!(f, "{} {}-bit: not run: {why}", on.name(), bits.join(", "))?;
            }
        }
        for Fixed { class, pattern, fields } in self.fixed() {
            writeln!(
                f,
                "fixed: `{pattern}` ({fields}) of class {class} explains nothing any more; take it out of \
                 testcases/baselines/{}.emulation.toml",
                mmio::SUBJECT
            )?;
        }
        let nr_executed: u64 = self.runs.iter().map(|run| run.nr_executed).sum();
        let seconds = self.runs.iter().map(|run| run.time).sum::<Duration>().as_secs_f64();
        writeln!(f, "{nr_executed} cases in {seconds:.1} s, {:.0} cases/s", nr_executed as f64 / seconds.max(1e-9))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emulation::{
        known::{Class, Kind, Use},
        tally::Tally,
    };

    /// A run in which a pattern of class 3, which is for two executors in 64-bit mode, explained so many findings.
    fn run(on: Flavour, nr_explained: usize) -> Outcome {
        let class = Class {
            forms: vec!["Add_*".to_owned()],
            fields: "flags".to_owned(),
            kind: Kind::Limitation,
            reason: "why".to_owned(),
            on: vec!["mmio-user".to_owned(), "mmio-supervisor".to_owned()],
            bits: Some(64),
            when: None,
            rare: false,
            number: 3,
        };
        Outcome {
            on,
            bitness: Bitness::Bits64,
            is_default: true,
            is_thorough: true,
            uses: [((3, "Add_*".to_owned()), Use { class, nr_explained })].into(),
            coverage: Vec::new(),
            tally: Tally::default(),
            findings: Vec::new(),
            nr_forms: 1,
            nr_not_offered: 0,
            nr_rejected: 0,
            nr_executed: 100,
            time: Duration::from_secs(1),
            next: 100,
            was_cancelled: false,
        }
    }

    fn matrix(runs: impl IntoIterator<Item = Outcome>) -> Matrix {
        Matrix { runs: runs.into_iter().collect(), missing: Vec::new() }
    }

    #[test]
    fn a_pattern_that_explains_nothing_anywhere_is_fixed_and_fails_a_default_run() {
        let fixed = matrix([run(Flavour::MmioUser, 0), run(Flavour::MmioSupervisor, 0)]);
        assert_eq!(fixed.exit_status(), 1);
        let text = fixed.to_string();
        assert!(text.contains("fixed: `Add_*` (flags) of class 3"), "{text}");
        assert!(text.ends_with("200 cases in 2.0 s, 100 cases/s\n"), "{text}");
        let used = matrix([run(Flavour::MmioUser, 0), run(Flavour::MmioSupervisor, 1)]);
        assert_eq!((used.fixed(), used.exit_status()), (Vec::new(), 0));
    }

    #[test]
    fn runs_of_a_part_do_not_tell_what_is_fixed() {
        assert_eq!(matrix([run(Flavour::MmioUser, 0)]).fixed(), []);
        let short = Outcome { is_thorough: false, ..run(Flavour::MmioSupervisor, 0) };
        assert_eq!(matrix([run(Flavour::MmioUser, 0), short]).fixed(), []);
    }

    #[test]
    fn only_a_default_run_fails_for_what_is_fixed() {
        let asked = Outcome { is_default: false, ..run(Flavour::MmioSupervisor, 0) };
        let matrix = matrix([run(Flavour::MmioUser, 0), asked]);
        assert_eq!((matrix.fixed().len(), matrix.exit_status()), (1, 0));
    }

    #[test]
    fn what_this_host_cannot_execute_keeps_no_pattern_alive() {
        let missing = vec![(Flavour::MmioSupervisor, Bitness::Bits64, "no such thing".to_owned())];
        let matrix = Matrix { runs: vec![run(Flavour::MmioUser, 0)], missing };
        assert_eq!(matrix.fixed().len(), 1);
        assert!(matrix.to_string().contains("mmio-supervisor 64-bit: not run: no such thing"));
    }
}
