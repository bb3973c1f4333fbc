//! One case, looked at closely.

use crate::{
    axis::Axis,
    cancel::Cancel,
    catalog::{Case, Catalog},
    judge, select,
    session::{self, SessionError},
    subjects::{Image, Opened, OurVmm, Program, Subject as _},
    trace::Trace,
};
use anyhow::{Context as _, bail};
use reports::model::{self, Verdict};
use std::{fmt::Write as _, io::Write, sync::Arc, time::Duration};

/// Name of the subject that can be looked into.
const OURS: &str = "vmm";

/// The case with this id.
///
/// # Errors
/// If there is none; names the nearest.
pub fn find<'a>(catalog: &'a Catalog, id: &str) -> anyhow::Result<&'a Case> {
    catalog.case(id).with_context(|| select::unknown_case(catalog, id))
}

/// Runs a case on a subject, along an axis if there is one. Nothing if it was cancelled.
///
/// # Errors
/// If the subject cannot be used, or not along that axis.
pub fn run(
    image: &Arc<Image>,
    case: &Case,
    (subject, axis): (&str, Option<Axis>),
    limit: Option<Duration>,
    cancel: &Cancel,
) -> Result<Option<model::Case>, SessionError> {
    let mut opened = Opened::open(subject, image)?;
    if let Some(axis) = axis {
        session::put_on(axis, &mut opened)?;
    }
    Ok(session::run_case(&opened, case, image, limit, cancel))
}

/// Runs a case on our VMM, along an axis if there is one, and writes a line for each exit, then those of KVM's own counters for the last
/// machine that are not zero.
///
/// # Errors
/// If KVM cannot be used, or the axis leads into other processes.
pub fn trace(
    image: &Arc<Image>,
    case: &Case,
    axis: Option<Axis>,
    limit: Option<Duration>,
    cancel: &Cancel,
    output: impl Write + Send,
) -> anyhow::Result<Option<model::Case>> {
    let mut subject = OurVmm::open(OURS, image)?;
    if let Some(axis) = axis {
        if matches!(axis, Axis::RestoreProcess(_)) {
            bail!("exits in other processes cannot be traced: use `--axis restore`, which does the same in this one");
        }
        subject.set_axis(axis).with_context(|| format!("the axis {axis} needs files that this host does not give"))?;
        if let Some(reason) = subject.reason_to_skip(case) {
            bail!("{} is not run along the axis {axis}: it {reason}", case.id);
        }
    }
    let limit = limit.unwrap_or(subject.time_limit());
    let (mut trace, mut statistics) = (Trace::new(image.catalog.symbols(), output), Vec::new());
    let run = subject.run_observed(Program::Case(case), limit, cancel, &mut trace, Some(&mut statistics));
    trace.tell_statistics(&statistics);
    Ok((!cancel.is_cancelled()).then(|| judge::judge(case, run, &image.catalog)))
}

/// Lets a debugger run a case on our VMM; returns when the guest has ended or the debugger has left.
///
/// # Errors
/// If KVM cannot be used, or the address not listened on.
pub fn debug(image: &Arc<Image>, case: &Case, address: &str) -> anyhow::Result<()> {
    let subject = OurVmm::open(OURS, image)?;
    let mut vm = subject.prepare(Program::Case(case)).context("failed to make the virtual machine")?;
    let listener = std::net::TcpListener::bind(address)
        .with_context(|| format!("failed to listen on {address} for a debugger"))?;
    eprintln!("waiting for a debugger: gdb {} -ex 'target remote {address}'", image.path.display());
    let (connection, _) = listener.accept().context("failed to take a debugger's connection")?;
    let end = vm.debug(connection, &mut vmm::NoObserver)?;
    eprintln!("{end}");
    Ok(())
}

/// Everything about a result, for people.
pub fn tell(result: &model::Case) -> String {
    let mut text = format!("{}: {}\n", result.id, result.verdict.name());
    // Writing to a string cannot fail.
    let _ = writeln!(text, "  rule    {}", result.rule);
    let _ = writeln!(text, "  clause  {}", result.spec);
    let _ = writeln!(text, "  source  {}", result.source);
    if let Some(reason) = &result.reason {
        let _ = writeln!(text, "  reason  {reason}");
    }
    let _ = writeln!(text, "  time    {:.1} ms", result.duration_us as f64 / 1000.0);
    let width = result.checks.iter().map(|check| check.id.chars().count()).max().unwrap_or(0);
    for check in &result.checks {
        let (id, verdict) = (&check.id, check.verdict.name());
        let _ = match check.verdict {
            Verdict::Pass => writeln!(text, "  {verdict:<5} {id:width$}  {}", check.actual),
            _ => writeln!(text, "  {verdict:<5} {id:width$}  expected {}, actual {}", check.expected, check.actual),
        };
    }
    text
}

/// 0 for pass and skip, 1 for what the subject did wrong, 2 for an error.
pub fn exit_status(result: &model::Case) -> u8 {
    match result.verdict {
        Verdict::Pass | Verdict::Skip => 0,
        Verdict::Fail | Verdict::Crash | Verdict::Hang => 1,
        Verdict::Error => 2,
    }
}
