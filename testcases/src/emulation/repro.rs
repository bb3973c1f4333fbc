//! Findings as small as they get, and as files that stand alone.

use super::{
    compare::Difference,
    judge::{self, Judge, ORACLE, Verdict},
    kvm::Flavour,
    source::Source,
    tally::{Finding, Key},
};
use anyhow::{Context as _, bail};
use iced_decoder::{
    Predictor,
    iced_x86::{Decoder, DecoderOptions},
    machine::{Input, Mode},
};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

/// What a reproducer's name on the command line begins with.
pub const PREFIX: &str = "repro:";

/// What a reproducer is for that no hypervisor has a part in.
const NATIVE: &str = "native";

/// Makes an input smaller for as long as it leads to the same kind of finding.
pub fn shrink(source: &dyn Source, judge: &mut dyn Judge, key: &Key, finding: Finding) -> Finding {
    let mut last = None;
    let input = iced_decoder::shrink::shrink(&finding.input, &mut |input| match judge::judge(
        judge,
        &|input| source.expectation(input),
        input,
    ) {
        Ok(Verdict::Finding { fields, difference }) if fields == key.fields && is_alike(key, &finding, &difference) => {
            last = Some((input.clone(), difference));
            true
        }
        _ => false,
    });
    let difference = match last {
        Some((smallest, difference)) if smallest == input => difference,
        _ => finding.difference.clone(),
    };
    Finding { input, difference, ..finding }
}

/// Whether an error of the oracle is about the same: its key does not tell.
fn is_alike(key: &Key, finding: &Finding, difference: &Difference) -> bool {
    let aspects =
        |difference: &Difference| difference.details.iter().map(|detail| detail.0.clone()).collect::<Vec<_>>();
    key.fields != ORACLE || aspects(&finding.difference) == aspects(difference)
}

/// The name of an input: its hash.
pub fn name(input: &Input) -> String {
    format!("{:016x}", input.hash64())
}

/// Its instruction in words.
pub fn instruction(input: &Input) -> String {
    let mut decoder = Decoder::with_ip(input.bitness.bits(), &input.code, input.registers.rip, DecoderOptions::NONE);
    let bytes: String = input.code.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{} ({bytes})", crate::symbols::format(&decoder.decode()))
}

/// Writes a reproducer into a folder and gives its path; one without flavour is for the processor alone.
///
/// # Errors
/// If the folder cannot be written.
pub fn write(folder: &Path, input: &Input, on: impl Into<Option<Flavour>>) -> anyhow::Result<PathBuf> {
    let on = on.into().map_or(NATIVE, Flavour::name);
    let path = folder.join(format!("{}.repro", name(input)));
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(&path, format!("{input}\non={on}\n")))
        .with_context(|| format!("failed to write {}", path.display()))?;
    Ok(path)
}

/// Executes a reproducer on both executors, or on the one it is for, and tells everything about it; also whether they agree
/// with each other and with the oracle.
///
/// # Errors
/// If it is not found, or an executor cannot be used.
pub fn replay(name_wanted: &str, folders: &[&Path], with_accesses: bool) -> anyhow::Result<(String, bool)> {
    let (input, on) = read(name_wanted, folders)?;
    let mut text = format!("{}\n  {input}\n", instruction(&input));
    let mode = on.map_or(Mode::User, Flavour::mode);
    let mut judge: Box<dyn Judge> = match on {
        Some(on) => Box::new(super::mmio::make_pair(&Arc::new(vmm::Hypervisor::open()?), on)?),
        None => Box::new(super::oracle::make_alone()?),
    };
    for executor in judge.executors() {
        let output = executor.execute(&input)?;
        let (end, registers) = (super::compare::describe(&output.end), output.registers);
        text += &format!("{:<12} {end}, rip {:#x}, flags {:#x}\n", executor.name(), registers.rip, registers.rflags);
        if with_accesses && let Some(accesses) = &output.accesses {
            text += &format!("{:<12} {}\n", "", judge::tell(accesses));
        }
    }
    let expect = |input: &Input| super::generated::expectation(&mut Predictor::new(mode), input);
    if with_accesses && let Some(accesses) = &expect(&input).accesses {
        text += &format!("{:<12} {}\n", "predicted", judge::tell(accesses));
    }
    let verdict = judge::judge(&mut *judge, &expect, &input)?;
    match &verdict {
        Verdict::Agreed => text += "they agree\n",
        Verdict::Finding { fields, difference } => {
            text += &if fields == ORACLE {
                "the oracle rules out what the processor does\n".to_owned()
            } else {
                format!("differs in {fields}\n")
            };
            for (what, expected, actual) in &difference.details {
                text += &format!("  {what:<12} expected {expected}, actual {actual}\n");
            }
        }
    }
    Ok((text, verdict == Verdict::Agreed))
}

/// Reads the reproducer with this name from the first of the folders that has it.
///
/// # Errors
/// If none has it, or if it is not a line of an input with that name and a line of the executor that it is for.
pub fn read(name_wanted: &str, folders: &[&Path]) -> anyhow::Result<(Input, Option<Flavour>)> {
    let file = format!("{name_wanted}.repro");
    let Some(path) = folders.iter().map(|folder| folder.join(&file)).find(|path| path.exists()) else {
        let folders: Vec<_> = folders.iter().map(|folder| folder.display().to_string()).collect();
        bail!("no reproducer `{name_wanted}` in {}; `cargo xtask fuzz mmio` writes them", folders.join(" or "));
    };
    let text = fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))?;
    let mut lines = text.trim_end().lines();
    let at = |line: usize| format!("{}:{line}", path.display());
    let input = lines.next().unwrap_or_default();
    let input: Input = input.parse().map_err(|error| anyhow::anyhow!("{}: {error}", at(1)))?;
    let on = lines.next().unwrap_or("on=mmio-user");
    let executor = on.strip_prefix("on=").and_then(|name| match name {
        NATIVE => Some(None),
        name => Flavour::from_name(name).map(Some),
    });
    let executor = executor.with_context(|| format!("{}: `{on}` is not `on=` and an executor", at(2)))?;
    if let Some(more) = lines.next() {
        bail!("{}: `{more}` is too much", at(3));
    }
    if name(&input) != name_wanted {
        bail!("{} holds the input {}, not the one that it is named after", path.display(), name(&input));
    }
    Ok((input, executor))
}
