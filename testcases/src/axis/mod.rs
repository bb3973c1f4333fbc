//! Axes: what is done to a virtual machine while its case runs, and that the case must not notice.
//!
//! What is done is done at exits, which are counted: on one processor the same case is interrupted at the same places in
//! every run.

mod migrate;
mod shadow;

use crate::chain::chain;
use migrate::migrate_during;
use shadow::Shadow;
use std::{fmt, os::unix::net::UnixStream, str::FromStr, thread, time::Duration};
use vmm::{
    CpuView, DirtyMethod, DirtyTracking, Exit, ExitObserver, Hypervisor, RunError, StopReason, Stopped, Vm, VmHandle,
};

/// How often it is done to a case at most: the rest of it runs undisturbed.
const NR_TIMES_MAX: u32 = 64;

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// The whole machine is saved to a file, dropped, and restored from that into a new one.
    Restore(Pace),
    /// The machine is paused for so long, at exits 1, 2, 4, 8 and so on.
    Pause(Duration),
    /// Writes to its memory are logged, and at exits 1, 2, 4, 8 and so on, and at the end, a copy that only the log keeps up to date
    /// has to be the same.
    Dirty(DirtyMethod),
    /// The machine is migrated to another one, whose memory has come there at exits 1, 2, 4, 8 and so on.
    Migrate(DirtyMethod),
}

/// At which exits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Number 1, 2, 4, 8 and so on.
    Doubling,
    /// Each of so many, not 0.
    Every(u64),
}

/// Why something is no axis.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is no axis: there are restore, restore=N with N from 1, pause=MS with MS from 1 to 1000, dirty, dirty=ring, migrate \
     and migrate=ring"
)]
pub struct ParseError {
    /// What was asked for.
    pub text: String,
}

impl FromStr for Axis {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let none = || ParseError { text: text.to_owned() };
        let number = |digits: &str| digits.parse::<u64>().ok().filter(|number| *number > 0).ok_or_else(none);
        match text.split_once('=') {
            None if text == "restore" => Ok(Self::Restore(Pace::Doubling)),
            None if text == "dirty" => Ok(Self::Dirty(DirtyMethod::Log)),
            None if text == "migrate" => Ok(Self::Migrate(DirtyMethod::Log)),
            Some(("dirty", "ring")) => Ok(Self::Dirty(DirtyMethod::Ring)),
            Some(("migrate", "ring")) => Ok(Self::Migrate(DirtyMethod::Ring)),
            Some(("restore", every)) => Ok(Self::Restore(Pace::Every(number(every)?))),
            Some(("pause", milliseconds)) => match number(milliseconds)? {
                milliseconds @ ..=1000 => Ok(Self::Pause(Duration::from_millis(milliseconds))),
                _ => Err(none()),
            },
            _ => Err(none()),
        }
    }
}

impl fmt::Display for Axis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Restore(Pace::Doubling) => f.write_str("restore"),
            Self::Restore(Pace::Every(nr)) => write!(f, "restore={nr}"),
            Self::Pause(duration) => write!(f, "pause={}", duration.as_millis()),
            Self::Dirty(DirtyMethod::Log) => f.write_str("dirty"),
            Self::Dirty(DirtyMethod::Ring) => f.write_str("dirty=ring"),
            Self::Migrate(DirtyMethod::Log) => f.write_str("migrate"),
            Self::Migrate(DirtyMethod::Ring) => f.write_str("migrate=ring"),
        }
    }
}

impl Axis {
    /// Their names without what is behind `=`, as baselines have them.
    pub const KINDS: [&str; 4] = ["restore", "pause", "dirty", "migrate"];

    /// Its name without what is behind `=`.
    pub const fn kind(self) -> &'static str {
        let [restore, pause, dirty, migrate] = Self::KINDS;
        match self {
            Self::Restore(_) => restore,
            Self::Pause(_) => pause,
            Self::Dirty(_) => dirty,
            Self::Migrate(_) => migrate,
        }
    }

    /// The exit after number `last` at which it is done next.
    const fn after(self, last: u64) -> u64 {
        match self {
            Self::Restore(Pace::Every(nr)) => last.saturating_add(nr),
            _ if last == 0 => 1,
            _ => last.saturating_mul(2),
        }
    }

    /// How machines have to tell which pages are written.
    pub(crate) fn tracking(self) -> DirtyTracking {
        match self {
            Self::Restore(_) | Self::Pause(_) => DirtyTracking::Off,
            Self::Dirty(method) | Self::Migrate(method) => DirtyTracking::Always(method),
        }
    }

    /// The capability that it needs and this host's KVM lacks.
    pub(crate) fn lacks(self, hypervisor: &Hypervisor) -> Option<&'static str> {
        match self {
            Self::Dirty(method) | Self::Migrate(method) if !method.is_offered(hypervisor) => {
                Some("this KVM lacks KVM_CAP_DIRTY_LOG_RING")
            }
            _ => None,
        }
    }
}

/// Counts exits, and suspends the machine at one.
struct Counter<'a> {
    observer: &'a mut dyn ExitObserver,
    handle: VmHandle,
    count: u64,
    next: u64,
}

impl ExitObserver for Counter<'_> {
    fn exit(&mut self, vcpu: u8, exit: &Exit<'_>, cpu: &CpuView<'_>) {
        self.observer.exit(vcpu, exit, cpu);
        self.count += 1;
        if self.count == self.next {
            self.handle.suspend();
        }
    }
}

/// Why a run along an axis has no end of its own.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// What the axis wants could not be done.
    Harness(String),
    /// Memory was written, and not logged; and where the guest stood when that was found.
    Unlogged(String, Box<Stopped>),
}

impl From<String> for Trouble {
    fn from(text: String) -> Self {
        Self::Harness(text)
    }
}

/// How a run along an axis ended: the last machine, if there is one still, and the end or what went wrong in between.
pub(crate) type Driven = (Option<Vm>, Result<Stopped, Trouble>);

/// How other machines come to be.
pub(crate) struct Others<'a> {
    pub(crate) hypervisor: &'a Hypervisor,
    /// Saves a machine and gives another one in its state.
    pub(crate) replace: &'a dyn Fn(Vm) -> Result<Vm, String>,
    /// Gives the machine that comes by a stream.
    pub(crate) receive: &'a (dyn Fn(UnixStream) -> Result<Vm, String> + Sync),
}

/// Runs a machine to its end, and does to it what the axis wants. `run` runs it until it stops.
pub(crate) fn drive(
    axis: Axis,
    vm: Vm,
    observer: &mut dyn ExitObserver,
    run: impl FnMut(&mut Vm, &mut dyn ExitObserver) -> Result<Stopped, RunError>,
    others: &Others<'_>,
) -> Driven {
    let mut vm = Some(vm);
    let stopped = to_the_end(axis, &mut vm, observer, run, others);
    (vm, stopped)
}

fn to_the_end(
    axis: Axis,
    place: &mut Option<Vm>,
    observer: &mut dyn ExitObserver,
    mut run: impl FnMut(&mut Vm, &mut dyn ExitObserver) -> Result<Stopped, RunError>,
    others: &Others<'_>,
) -> Result<Stopped, Trouble> {
    let mut shadow = match (axis, &place) {
        (Axis::Dirty(_), Some(vm)) => Some(Shadow::new(vm)?),
        _ => None,
    };
    let (mut count, mut next, mut nr_exits) = (0, axis.after(0), 0);
    for number in 0..=NR_TIMES_MAX {
        let due = if number == NR_TIMES_MAX { u64::MAX } else { next };
        let Some(vm) = place.as_mut() else { break };
        let mut run_on = |vm: &mut Vm| {
            loop {
                let mut counter = Counter { observer: &mut *observer, handle: vm.handle(), count, next: due };
                let stopped = run(vm, &mut counter).map_err(|error| Trouble::Harness(chain(&error)))?;
                count = counter.count;
                nr_exits += stopped.nr_exits;
                match vm.dirty_pages().filter(|_| stopped.reason == StopReason::Suspended && count < due) {
                    // A ring was full.
                    Some(dirty) => dirty.harvest().map_err(|error| Trouble::Harness(chain(&error)))?,
                    None => return Ok(Stopped { nr_exits, ..stopped }),
                }
            }
        };
        let is_due = |stopped: &Result<Stopped, Trouble>| {
            stopped.as_ref().is_ok_and(|stopped| stopped.reason == StopReason::Suspended)
        };
        let stopped = match axis {
            Axis::Migrate(_) if due != u64::MAX => {
                let (stopped, other) = migrate_during(vm, others.hypervisor, run_on, others.receive, is_due)?;
                if let Some(other) = other {
                    *place = Some(other);
                }
                stopped?
            }
            _ => run_on(vm)?,
        };
        if let Some(shadow) = &mut shadow {
            shadow.update()?;
            if let Some(difference) = shadow.difference()? {
                return Err(Trouble::Unlogged(difference, Box::new(stopped)));
            }
        }
        if stopped.reason != StopReason::Suspended {
            return Ok(stopped);
        }
        next = axis.after(next);
        match axis {
            Axis::Pause(duration) => {
                if let Some(handle) = place.as_ref().map(Vm::handle) {
                    handle.pause();
                    thread::sleep(duration);
                    handle.resume();
                }
            }
            Axis::Restore(_) => *place = place.take().map(others.replace).transpose()?,
            // Both are done by now.
            Axis::Dirty(_) | Axis::Migrate(_) => {}
        }
    }
    Err(Trouble::Harness("the machine was suspended, and nobody had asked for it".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_are_read_as_they_are_written() {
        for text in [
            "restore",
            "restore=1",
            "restore=7",
            "pause=1",
            "pause=1000",
            "dirty",
            "dirty=ring",
            "migrate",
            "migrate=ring",
        ] {
            let axis = text.parse::<Axis>().unwrap();
            assert_eq!(axis.to_string(), text);
            assert_eq!(text.split('=').next(), Some(axis.kind()));
        }
        for text in
            ["", "restore=", "restore=0", "restore=x", "pause", "pause=0", "pause=1001", "dirty=log", "migrate="]
        {
            assert_eq!(text.parse::<Axis>().unwrap_err().text, text);
        }
    }

    #[test]
    fn exits_are_spaced_as_asked() {
        let at = |axis: Axis| {
            let places = std::iter::successors(Some(axis.after(0)), |last| Some(axis.after(*last)));
            places.take(4).collect::<Vec<_>>()
        };
        assert_eq!(at(Axis::Restore(Pace::Doubling)), [1, 2, 4, 8]);
        assert_eq!(at(Axis::Restore(Pace::Every(7))), [7, 14, 21, 28]);
        assert_eq!(at(Axis::Pause(Duration::from_millis(1))), [1, 2, 4, 8]);
        assert_eq!(Axis::Restore(Pace::Doubling).after(u64::MAX), u64::MAX);
    }
}
