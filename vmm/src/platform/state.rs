//! The devices of a platform with all that is between them, under one lock.

use super::{
    clock::Clock,
    controllers::UserControllers,
    lines::{self, Controllers},
};
use crate::{
    config::Chipset,
    interrupts::{InterruptError, Interrupts},
    stop::StopReason,
};
use ::platform::{hpet::Hpet, model::Model, pit::Pit, time::Nanoseconds};

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

/// Which device of a platform an access is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// Both 8259As.
    Pic,
    /// The I/O APIC.
    IoApic,
    /// The 8254 and port 61H.
    Pit,
    /// The HPET.
    Hpet,
}

/// A model without its outputs, whose types differ.
trait Registers {
    fn read(&mut self, now: Nanoseconds, offset: u64, size: u8) -> u64;
    fn write(&mut self, now: Nanoseconds, offset: u64, size: u8, value: u64);
}

impl<M: Model> Registers for M {
    fn read(&mut self, now: Nanoseconds, offset: u64, size: u8) -> u64 {
        Model::read(self, now, offset, size)
    }

    fn write(&mut self, now: Nanoseconds, offset: u64, size: u8, value: u64) {
        Model::write(self, now, offset, size, value);
    }
}

/// The devices, and when they are next to be looked at.
pub(crate) struct State {
    pub(super) clock: Clock,
    pit: Option<Pit>,
    hpet: Option<Hpet>,
    controllers: Controllers,
    /// When the thread that waits for this next looks, if it does at all.
    pub(super) due: Option<Nanoseconds>,
    pub(super) must_stop: bool,
}

impl State {
    pub(super) fn new(chipset: Chipset, interrupts: Interrupts) -> Self {
        let controllers = match chipset.interrupt_controllers {
            true => Controllers::User(UserControllers::new(interrupts)),
            false => Controllers::Kernel(interrupts),
        };
        Self {
            clock: Clock::default(),
            pit: chipset.pit.then(Pit::new),
            hpet: chipset.hpet.then(Hpet::default),
            controllers,
            due: None,
            must_stop: false,
        }
    }

    fn ours(&mut self) -> Option<&mut UserControllers> {
        match &mut self.controllers {
            Controllers::User(controllers) => Some(controllers),
            Controllers::Kernel(_) => None,
        }
    }

    fn model(&mut self, target: Target) -> Option<&mut dyn Registers> {
        match target {
            Target::Pic => self.ours().map(|ours| &mut ours.pic as &mut dyn Registers),
            Target::IoApic => self.ours().map(|ours| &mut ours.io_apic as &mut dyn Registers),
            Target::Pit => self.pit.as_mut().map(|pit| pit as &mut dyn Registers),
            Target::Hpet => self.hpet.as_mut().map(|hpet| hpet as &mut dyn Registers),
        }
    }

    /// What a guest reads; all ones where there is nothing.
    pub(super) fn read(&mut self, now: Nanoseconds, target: Target, offset: u64, size: u8) -> Result<u64, Failure> {
        let value = self.model(target).map_or(u64::MAX, |model| model.read(now, offset, size));
        self.carry()?;
        Ok(value)
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
        if let Some(model) = self.model(target) {
            model.write(now, offset, size, value);
        }
        if target == Target::IoApic
            && let Some(ours) = self.ours()
        {
            ours.tell_level_pins()?;
        }
        self.carry()
    }

    /// Lets time pass.
    pub(super) fn advance(&mut self, now: Nanoseconds) -> Result<(), Failure> {
        if let Some(pit) = &mut self.pit {
            pit.advance(now);
        }
        if let Some(hpet) = &mut self.hpet {
            hpet.advance(now);
        }
        self.carry()
    }

    /// When time alone will change something.
    pub(super) fn next_change(&self, now: Nanoseconds) -> Option<Nanoseconds> {
        let pit = self.pit.as_ref().and_then(|pit| pit.next_change(now));
        let hpet = self.hpet.as_ref().and_then(|hpet| hpet.next_change(now));
        pit.into_iter().chain(hpet).min()
    }

    /// Takes all outputs to where they lead.
    fn carry(&mut self) -> Result<(), Failure> {
        let Self { pit, hpet, controllers, .. } = self;
        let is_replaced = hpet.as_ref().is_some_and(Hpet::is_legacy_replacement);
        while let Some(signal) = pit.as_mut().and_then(Model::take) {
            if !is_replaced {
                controllers.carry(lines::PIT, signal)?;
            }
        }
        while let Some(signal) = hpet.as_mut().and_then(Model::take) {
            controllers.carry(lines::of_hpet(signal.pin), signal)?;
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
