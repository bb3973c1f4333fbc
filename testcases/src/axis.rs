//! Axes: what is done to a virtual machine while its case runs, and that the case must not notice.
//!
//! What is done is done at exits, which are counted: on one processor the same case is interrupted at the same places in
//! every run.

use crate::chain::chain;
use std::{fmt, str::FromStr, thread, time::Duration};
use vmm::{CpuView, Exit, ExitObserver, RunError, StopReason, Stopped, Vm, VmHandle};

/// How often it is done to a case at most: the rest of it runs undisturbed.
const NR_TIMES_MAX: u32 = 64;

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// The whole machine is saved to a file, dropped, and restored from that into a new one.
    Restore(Pace),
    /// The machine is paused for so long, at exits 1, 2, 4, 8 and so on.
    Pause(Duration),
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
#[error("{text:?} is no axis: there are restore, restore=N with N from 1, and pause=MS with MS from 1 to 1000")]
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
        }
    }
}

impl Axis {
    /// The exit after number `last` at which it is done next.
    const fn after(self, last: u64) -> u64 {
        match self {
            Self::Restore(Pace::Every(nr)) => last.saturating_add(nr),
            Self::Restore(Pace::Doubling) | Self::Pause(_) if last == 0 => 1,
            Self::Restore(Pace::Doubling) | Self::Pause(_) => last.saturating_mul(2),
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

/// How a run along an axis ended: the last machine, if there is one still, and the end or what went wrong in between.
pub(crate) type Driven = (Option<Vm>, Result<Stopped, String>);

/// Runs a machine to its end, and does to it what the axis wants. `run` runs it until it stops; `replace` saves it and gives
/// another one in its state.
pub(crate) fn drive(
    axis: Axis,
    mut vm: Vm,
    observer: &mut dyn ExitObserver,
    mut run: impl FnMut(&mut Vm, &mut dyn ExitObserver) -> Result<Stopped, RunError>,
    mut replace: impl FnMut(Vm) -> Result<Vm, String>,
) -> Driven {
    let (mut count, mut next, mut nr_exits) = (0, axis.after(0), 0);
    for number in 0..=NR_TIMES_MAX {
        let next_here = if number == NR_TIMES_MAX { u64::MAX } else { next };
        let mut counter = Counter { observer: &mut *observer, handle: vm.handle(), count, next: next_here };
        let stopped = run(&mut vm, &mut counter);
        count = counter.count;
        match stopped {
            Ok(Stopped { reason: StopReason::Suspended, nr_exits: some, .. }) => nr_exits += some,
            Ok(stopped) => {
                let nr_exits = nr_exits + stopped.nr_exits;
                return (Some(vm), Ok(Stopped { nr_exits, ..stopped }));
            }
            Err(error) => return (Some(vm), Err(chain(&error))),
        }
        next = axis.after(next);
        match axis {
            Axis::Pause(duration) => {
                let handle = vm.handle();
                handle.pause();
                thread::sleep(duration);
                handle.resume();
            }
            Axis::Restore(_) => {
                vm = match replace(vm) {
                    Ok(vm) => vm,
                    Err(why) => return (None, Err(why)),
                };
            }
        }
    }
    (Some(vm), Err("the machine was suspended, and nobody had asked for it".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_are_read_as_they_are_written() {
        for text in ["restore", "restore=1", "restore=7", "pause=1", "pause=1000"] {
            assert_eq!(text.parse::<Axis>().unwrap().to_string(), text);
        }
        for text in ["", "restore=", "restore=0", "restore=x", "pause", "pause=0", "pause=1001", "migrate"] {
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
