//! Axes: what is done to a virtual machine while its case runs, and that the case must not notice.
//!
//! What is done is done at exits, which are counted: on one processor the same case is interrupted at the same places in
//! every run.

pub(crate) mod children;
mod migrate;
mod names;
mod shadow;

pub use children::{ServeError, WORD, serve};
pub use names::ParseError;

use crate::chain::chain;
use migrate::migrate_during;
use serde::{Deserialize, Serialize};
use shadow::Shadow;
use std::{os::unix::net::UnixStream, thread, time::Duration};
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
    /// The same into a machine of a new process each time, which costs so much that it is done more rarely.
    RestoreProcess(Pace),
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
    /// Number 1, 2, 4, 8 and so on; 1, 8, 64 and so on into a new process.
    Growing,
    /// Each of so many, not 0.
    Every(u64),
}

impl Axis {
    /// Their names without what is behind `=`, as baselines have them.
    pub const KINDS: [&str; 4] = ["restore", "pause", "dirty", "migrate"];

    /// Its name without what is behind `=`: a new process makes no difference to what is known.
    pub const fn kind(self) -> &'static str {
        let [restore, pause, dirty, migrate] = Self::KINDS;
        match self {
            Self::Restore(_) | Self::RestoreProcess(_) => restore,
            Self::Pause(_) => pause,
            Self::Dirty(_) => dirty,
            Self::Migrate(_) => migrate,
        }
    }

    /// The exit after number `last` at which it is done next.
    const fn after(self, last: u64) -> u64 {
        match self {
            Self::Restore(Pace::Every(nr)) | Self::RestoreProcess(Pace::Every(nr)) => last.saturating_add(nr),
            _ if last == 0 => 1,
            Self::RestoreProcess(Pace::Growing) => last.saturating_mul(8),
            _ => last.saturating_mul(2),
        }
    }

    /// How machines have to tell which pages are written.
    pub(crate) fn tracking(self) -> DirtyTracking {
        match self {
            Self::Restore(_) | Self::RestoreProcess(_) | Self::Pause(_) => DirtyTracking::Off,
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

/// How far a case has come along its axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// How many exits there were.
    nr_exits: u64,
    /// The one at which it is done next.
    next: u64,
    /// How often it was done.
    nr_times: u32,
}

impl Progress {
    pub(crate) const fn new(axis: Axis) -> Self {
        Self { nr_exits: 0, next: axis.after(0), nr_times: 0 }
    }

    /// The exit at which it is done next; none if it is not done any more.
    const fn due(&self) -> Option<u64> {
        if self.nr_times < NR_TIMES_MAX { Some(self.next) } else { None }
    }

    /// It was done.
    pub(crate) const fn done(&mut self, axis: Axis) {
        self.next = axis.after(self.next);
        self.nr_times += 1;
    }

    /// Runs a machine until the axis is due, where it is suspended, or to its end.
    pub(crate) fn run(
        &mut self,
        vm: &mut Vm,
        observer: &mut dyn ExitObserver,
        run: &mut Run<'_>,
    ) -> Result<Stopped, Trouble> {
        loop {
            let due = self.due();
            let mut counter = Counter { observer: &mut *observer, handle: vm.handle(), count: self.nr_exits, due };
            let stopped = run(vm, &mut counter).map_err(|error| Trouble::Harness(chain(&error)))?;
            self.nr_exits = counter.count;
            let is_early = stopped.reason == StopReason::Suspended && due.is_none_or(|due| self.nr_exits < due);
            match vm.dirty_pages().filter(|_| is_early) {
                // A ring was full.
                Some(dirty) => dirty.harvest().map_err(|error| Trouble::Harness(chain(&error)))?,
                None => return Ok(stopped),
            }
        }
    }
}

/// Counts exits, and suspends the machine at one.
struct Counter<'a> {
    observer: &'a mut dyn ExitObserver,
    handle: VmHandle,
    count: u64,
    due: Option<u64>,
}

impl ExitObserver for Counter<'_> {
    fn exit(&mut self, vcpu: u8, exit: &Exit<'_>, cpu: &CpuView<'_>) {
        self.observer.exit(vcpu, exit, cpu);
        self.count += 1;
        if Some(self.count) == self.due {
            self.handle.suspend();
        }
    }
}

/// Runs a machine until it stops.
pub(crate) type Run<'a> = dyn FnMut(&mut Vm, &mut dyn ExitObserver) -> Result<Stopped, RunError> + 'a;

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
    mut run: impl FnMut(&mut Vm, &mut dyn ExitObserver) -> Result<Stopped, RunError>,
    others: &Others<'_>,
) -> Driven {
    let mut vm = Some(vm);
    let stopped = to_the_end(axis, &mut vm, observer, &mut run, others);
    (vm, stopped)
}

fn to_the_end(
    axis: Axis,
    place: &mut Option<Vm>,
    observer: &mut dyn ExitObserver,
    run: &mut Run<'_>,
    others: &Others<'_>,
) -> Result<Stopped, Trouble> {
    let mut shadow = match (axis, &place) {
        (Axis::Dirty(_), Some(vm)) => Some(Shadow::new(vm)?),
        _ => None,
    };
    let mut progress = Progress::new(axis);
    for _ in 0..=NR_TIMES_MAX {
        let Some(vm) = place.as_mut() else { break };
        let goes_on = progress.due().is_some();
        let mut run_on = |vm: &mut Vm| progress.run(vm, observer, run);
        let is_due = |stopped: &Result<Stopped, Trouble>| {
            stopped.as_ref().is_ok_and(|stopped| stopped.reason == StopReason::Suspended)
        };
        let stopped = match axis {
            Axis::Migrate(_) if goes_on => {
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
        progress.done(axis);
        match axis {
            Axis::Pause(duration) => {
                if let Some(handle) = place.as_ref().map(Vm::handle) {
                    handle.pause();
                    thread::sleep(duration);
                    handle.resume();
                }
            }
            Axis::Restore(_) | Axis::RestoreProcess(_) => {
                *place = place.take().map(others.replace).transpose()?;
            }
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
    fn exits_are_spaced_as_asked() {
        let at = |axis: Axis| {
            let places = std::iter::successors(Some(axis.after(0)), |last| Some(axis.after(*last)));
            places.take(4).collect::<Vec<_>>()
        };
        assert_eq!(at(Axis::Restore(Pace::Growing)), [1, 2, 4, 8]);
        assert_eq!(at(Axis::RestoreProcess(Pace::Growing)), [1, 8, 64, 512]);
        for axis in [Axis::Restore(Pace::Every(7)), Axis::RestoreProcess(Pace::Every(7))] {
            assert_eq!(at(axis), [7, 14, 21, 28]);
        }
        assert_eq!(at(Axis::Pause(Duration::from_millis(1))), [1, 2, 4, 8]);
        assert_eq!(Axis::Restore(Pace::Growing).after(u64::MAX), u64::MAX);
    }
}
