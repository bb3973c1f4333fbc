//! How long threads wait for processors.

use std::{fs, path::Path, time::Duration};

/// How long a thread was ready and had no processor since it began, by its folder below /proc; zero if it is gone, and where the
/// system does not tell (Linux, "Documentation/scheduler/sched-stats.rst", "/proc/<pid>/schedstat": the second number, in
/// nanoseconds).
pub fn run_delay(thread: &Path) -> Duration {
    let numbers = fs::read_to_string(thread.join("schedstat")).unwrap_or_default();
    let nanoseconds = numbers.split_whitespace().nth(1).and_then(|number| number.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or(0))
}
