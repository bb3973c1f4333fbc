//! A processor that comes and goes while Linux runs.
//!
//! Source: Linux, "Documentation/core-api/cpu_hotplug.rst".

use nix::{
    sched::{CpuSet, sched_getcpu, sched_setaffinity},
    unistd::Pid,
};
use std::{fs, io, path::Path, time::Duration};

/// The first processor, and the one that comes.
const FIRST: usize = 0;
pub(super) const SECOND: usize = 1;
/// Where Linux has the latter.
const FOLDER: &str = "/sys/devices/system/cpu/cpu1";
/// How long it may take to come and to go.
const LIMIT: Duration = Duration::from_secs(120);

/// Waits until Linux knows of the processor, brings it online, and runs on it.
pub(super) fn comes() -> io::Result<()> {
    wait_until(true)?;
    fs::write(format!("{FOLDER}/online"), "1")?;
    run_on(SECOND)
}

/// Waits until Linux has let go of it.
pub(super) fn goes() -> io::Result<()> {
    run_on(FIRST)?;
    wait_until(false)
}

fn wait_until(is_there: bool) -> io::Result<()> {
    if super::becomes(Path::new(FOLDER), is_there, LIMIT) {
        return Ok(());
    }
    let what = if is_there { "come" } else { "gone" };
    Err(io::Error::other(format!("it has not {what} within {} s", LIMIT.as_secs())))
}

/// Moves this thread to a processor, and looks whether it is there.
fn run_on(processor: usize) -> io::Result<()> {
    let mut processors = CpuSet::new();
    processors.set(processor)?;
    sched_setaffinity(Pid::this(), &processors)?;
    let at = sched_getcpu()?;
    if at == processor { Ok(()) } else { Err(io::Error::other(format!("this runs on processor {at}"))) }
}
