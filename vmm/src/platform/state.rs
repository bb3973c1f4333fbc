//! The devices of a platform with all that is between them, under one lock.

use super::{clock::Clock, controllers::UserControllers, lines::Controllers};
use crate::{
    interrupts::{InterruptError, Interrupts},
    stop::StopReason,
};
use ::platform::{
    model::{Model, Signal},
    pit::{self, Pit},
    time::Nanoseconds,
};

/// Why an interrupt did not reach its controller.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// KVM refused it.
    #[error(transparent)]
    Interrupt(#[from] InterruptError),
}

impl From<Failure> for StopReason {
    fn from(failure: Failure) -> Self {
        // The source is what helps: KVM's error.
        match std::error::Error::source(&failure) {
            Some(source) => Self::DeviceStopped(format!("{failure}: {source}")),
            None => Self::DeviceStopped(failure.to_string()),
        }
    }
}

/// A device with interrupt pins, each of which has a line.
struct Timer {
    model: Box<dyn Model<Output = Signal> + Send>,
    lines: &'static [u32],
}

/// Which device of a platform an access is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// Both 8259As.
    Pic,
    /// The I/O APIC.
    IoApic,
    /// A timer, by its index.
    Timer(usize),
}

/// The devices, and when they are next to be looked at.
pub(crate) struct State {
    pub(super) clock: Clock,
    timers: Vec<Timer>,
    controllers: Controllers,
    /// When the thread that waits for this next looks, if it does at all.
    pub(super) due: Option<Nanoseconds>,
    pub(super) must_stop: bool,
}

impl State {
    pub(super) fn new(interrupts: Interrupts, user_controllers: bool) -> Self {
        let controllers = match user_controllers {
            true => Controllers::User(UserControllers::new(interrupts)),
            false => Controllers::Kernel(interrupts),
        };
        Self { clock: Clock::default(), timers: Vec::new(), controllers, due: None, must_stop: false }
    }

    /// Adds a PIT, whose channel 0 leads to line 0.
    pub(super) fn add_pit(&mut self) -> Target {
        const LINES: &[u32] = &[0];
        const _: () = assert!(pit::OUT_0 == 0);
        self.add(Box::new(Pit::new()), LINES)
    }

    fn add(&mut self, model: Box<dyn Model<Output = Signal> + Send>, lines: &'static [u32]) -> Target {
        self.timers.push(Timer { model, lines });
        Target::Timer(self.timers.len() - 1)
    }

    fn ours(&mut self) -> Option<&mut UserControllers> {
        match &mut self.controllers {
            Controllers::User(controllers) => Some(controllers),
            Controllers::Kernel(_) => None,
        }
    }

    /// What a guest reads; all ones where there is nothing.
    pub(super) fn read(&mut self, now: Nanoseconds, target: Target, offset: u64, size: u8) -> Result<u64, Failure> {
        let value = match target {
            Target::Pic => self.ours().map(|ours| ours.pic.read(now, offset, size)),
            Target::IoApic => self.ours().map(|ours| ours.io_apic.read(now, offset, size)),
            Target::Timer(index) => self.timers.get_mut(index).map(|timer| timer.model.read(now, offset, size)),
        };
        self.carry()?;
        Ok(value.unwrap_or(u64::MAX))
    }

    /// Takes what a guest writes.
    pub(super) fn write(
        &mut self,
        now: Nanoseconds,
        target: Target,
        offset: u64,
        size: u8,
        value: u64,
    ) -> Result<(), Failure> {
        match target {
            Target::Pic => {
                if let Some(ours) = self.ours() {
                    ours.pic.write(now, offset, size, value);
                }
            }
            Target::IoApic => {
                if let Some(ours) = self.ours() {
                    ours.io_apic.write(now, offset, size, value);
                    ours.tell_level_pins()?;
                }
            }
            Target::Timer(index) => {
                if let Some(timer) = self.timers.get_mut(index) {
                    timer.model.write(now, offset, size, value);
                }
            }
        }
        self.carry()
    }

    /// Lets time pass.
    pub(super) fn advance(&mut self, now: Nanoseconds) -> Result<(), Failure> {
        for timer in &mut self.timers {
            timer.model.advance(now);
        }
        self.carry()
    }

    /// When time alone will change something.
    pub(super) fn next_change(&self, now: Nanoseconds) -> Option<Nanoseconds> {
        self.timers.iter().filter_map(|timer| timer.model.next_change(now)).min()
    }

    /// Takes all outputs to where they lead.
    fn carry(&mut self) -> Result<(), Failure> {
        let Self { timers, controllers, .. } = self;
        for timer in timers {
            while let Some(signal) = timer.model.take() {
                if let Some(line) = timer.lines.get(usize::from(signal.pin)) {
                    controllers.carry(*line, signal)?;
                }
            }
        }
        self.ours().map_or(Ok(()), UserControllers::send)
    }

    /// Whether the 8259s ask for an acknowledge.
    pub(super) fn pic_asks(&self) -> bool {
        matches!(&self.controllers, Controllers::User(ours) if ours.pic.output())
    }

    /// The vector of an interrupt of the 8259s, which is in service from now on.
    pub(super) fn acknowledge_pic(&mut self) -> Option<u8> {
        let pic = &mut self.ours()?.pic;
        pic.output().then(|| pic.acknowledge())
    }

    /// A level-triggered interrupt of the I/O APIC has ended.
    pub(super) fn end_of_interrupt(&mut self, vector: u8) -> Result<(), Failure> {
        if let Some(ours) = self.ours() {
            ours.io_apic.end_of_interrupt(vector);
        }
        self.carry()
    }
}
