//! How long a child is waited for.

use super::Process;
use crate::moment::Moment;
use std::time::Duration;

/// The end of what a child may take. The time does not count in which the machine stood still, nor that in which a thread of the
/// child was ready and had no processor: of the thread that had to wait longest.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    deadline: Moment,
    /// How long it had waited when it began.
    waited_before: Duration,
}

impl Patience {
    /// So long from now on.
    pub fn new(process: &Process, time: Duration) -> Self {
        Self { deadline: Moment::now() + time, waited_before: process.waited_for_processors() }
    }

    /// So long from now on, if that is sooner.
    #[must_use]
    pub fn or_sooner(self, process: &Process, time: Duration) -> Self {
        let other = Self::new(process, time);
        if other.deadline < self.deadline { other } else { self }
    }

    /// Whether it is over.
    pub fn is_over(&self, process: &Process) -> bool {
        // The usual case needs nothing of the child.
        self.deadline.has_passed()
            && (self.deadline + process.waited_for_processors().saturating_sub(self.waited_before)).has_passed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host;
    use std::{process::Command, thread, time::Instant};

    fn shell(script: &str) -> Process {
        Process::start(Command::new("sh").args(["-c", script]), None).unwrap()
    }

    #[test]
    fn what_sleeps_waits_for_no_processor() {
        let process = shell("exec sleep 1000");
        let patience = Patience::new(&process, Duration::from_millis(200));
        let begin = Instant::now();
        while !patience.is_over(&process) {
            assert!(begin.elapsed() < Duration::from_secs(20));
            thread::sleep(Duration::from_millis(5));
        }
        assert!(begin.elapsed() >= Duration::from_millis(200));
        assert!(process.waited_for_processors() < Duration::from_secs(10));
    }

    #[test]
    fn what_waits_for_a_processor_has_longer() {
        if !std::fs::exists("/proc/self/schedstat").unwrap() {
            eprintln!("this kernel does not tell how long a thread waited");
            return;
        }
        // Three for each processor, so that each waits two thirds of its time.
        let mut busy: Vec<_> = (0..3 * host::nr_processors()).map(|_| shell("while :; do :; done")).collect();
        let process = busy.pop().unwrap();
        let time = Duration::from_millis(300);
        let patience = Patience::new(&process, time);
        let begin = Instant::now();
        while !patience.is_over(&process) {
            assert!(begin.elapsed() < Duration::from_secs(20));
            thread::sleep(Duration::from_millis(5));
        }
        assert!(begin.elapsed() >= time * 2, "over after {:?}", begin.elapsed());
    }

    #[test]
    fn it_only_becomes_shorter() {
        let process = shell("exec sleep 1000");
        let far = Patience::new(&process, Duration::from_secs(100));
        assert!(far.or_sooner(&process, Duration::ZERO).is_over(&process));
        let over = Patience::new(&process, Duration::ZERO);
        assert!(over.or_sooner(&process, Duration::from_secs(100)).is_over(&process));
    }
}
