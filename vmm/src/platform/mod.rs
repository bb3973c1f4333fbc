//! Devices of a PC that this VMM emulates, with the clock, the thread and the wires that their models want.
//!
//! The models are those of the crate of the same name, pure state machines; all of them stand under one lock, because an
//! access to one may reach another. A thread waits for the time at which the next of them changes; it exists only while a
//! VM runs that has such devices, and it never polls.
//!
//! **Architecture Invariant**: the lock of a platform is taken after that of the bus, and nothing is taken after it but the
//! list of vCPU threads.

mod clock;
mod controllers;
mod device;
mod failure;
mod general_events;
mod lines;
mod local_apics;
mod processor;
mod saved;
mod state;
mod wakeups;

pub(crate) use ::platform::local_apic::Request;
pub(crate) use failure::Failure;
pub(crate) use local_apics::{Counters, Processors};
pub(crate) use saved::PlatformState;
pub(crate) use wakeups::awake;

use crate::{
    bus::Device,
    config::{Chipset, Irqchip, VmConfig},
    control::{Control, HandleError},
    interrupts::{Interrupts, MsiMessage},
};
use ::platform::{hpet::Hpet, model::Model, time::Nanoseconds};
use device::ModelDevice;
use local_apics::LocalApics;
use state::{State, Target};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// What our I/O APIC says of itself: it has an EOI register, because local APICs of KVM without an I/O APIC of KVM offer to
/// leave it to that.
pub(crate) const IO_APIC_VERSION: u8 = 0x20;

/// What identifies our HPET in the firmware tables: the low half of its capabilities.
pub(crate) fn hpet_id() -> u32 {
    Hpet::default().read(0, 0, 4) as u32
}

/// The vCPU that the 8259s interrupt.
const PIC_VCPU: u8 = 0;

/// What of a platform stands on the bus.
pub(crate) type OnBus = Vec<Box<dyn Device>>;

/// The devices of one VM.
pub(crate) struct Platform {
    state: Mutex<State>,
    /// Notified when something is due earlier than the waiting thread knows, or when it has to end.
    changed: Condvar,
    control: Arc<Control>,
    has_local_apics: bool,
    has_interrupt_controllers: bool,
}

impl Platform {
    /// The devices that `config` asks for, and what of them stands on the bus. Nothing if it asks for none.
    pub(crate) fn new(
        config: &VmConfig,
        processors: Processors,
        interrupts: &Interrupts,
        control: &Arc<Control>,
    ) -> Option<(Arc<Self>, OnBus)> {
        let chipset = config.chipset;
        let has_local_apics = config.irqchip == Irqchip::User;
        if chipset == Chipset::default() && !has_local_apics {
            return None;
        }
        let local_apics = has_local_apics.then(|| LocalApics::new(processors));
        let state = State::new(config, local_apics, interrupts.clone());
        let mut targets = Vec::new();
        if chipset.interrupt_controllers {
            targets.extend([(Target::Pic, device::PIC), (Target::IoApic, device::IO_APIC)]);
        }
        if chipset.pit {
            targets.push((Target::Pit, device::PIT));
        }
        if chipset.hpet {
            targets.push((Target::Hpet, device::HPET));
        }
        if chipset.rtc {
            targets.push((Target::Rtc, device::RTC));
        }
        if chipset.power {
            targets.push((Target::Power, device::POWER));
        }
        if state.has_general_events() {
            targets.push((Target::GeneralEvents, device::GENERAL_EVENTS));
        }
        let platform = Arc::new(Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
            control: control.clone(),
            has_local_apics,
            has_interrupt_controllers: chipset.interrupt_controllers,
        });
        let devices = targets
            .into_iter()
            .map(|(target, places)| Box::new(ModelDevice::new(platform.clone(), target, places)) as Box<dyn Device>)
            .collect();
        Some((platform, devices))
    }

    fn read(&self, target: Target, offset: u64, size: u8) -> Result<u64, Failure> {
        self.access(|state, now| state.read(now, target, offset, size))
    }

    fn write(&self, target: Target, offset: u64, size: u8, value: u64) -> Result<(), Failure> {
        self.access(|state, now| state.write(now, target, offset, size, value))
    }

    /// Does something with the devices at the time that it is, and then whatever follows for others.
    fn access<T>(&self, access: impl FnOnce(&mut State, Nanoseconds) -> Result<T, Failure>) -> Result<T, Failure> {
        let mut state = self.state();
        let now = state.clock.now();
        state.follow_counters(now);
        // What is due comes before the access, though the thread that waits for it may not have run yet.
        let is_due = state.next.is_some_and(|next| next <= now);
        let advanced = if is_due { state.advance(now) } else { Ok(()) };
        let result = advanced.and_then(|()| access(&mut state, now));
        let touched = state.take_touched();
        let due = state.next_change(now);
        state.next = due;
        if due.is_some_and(|due| state.due.is_none_or(|known| due < known)) {
            self.changed.notify_one();
        }
        drop(state);
        // A bit each; nearly always there is none.
        let mut rest = touched;
        while rest != 0 {
            self.control.interrupt_one(rest.trailing_zeros() as u8);
            rest &= rest - 1;
        }
        result
    }

    /// Whether lines lead to controllers of this VMM.
    pub(crate) fn has_interrupt_controllers(&self) -> bool {
        self.has_interrupt_controllers
    }

    /// Takes a message from outside to local APICs of this VMM; gives whether one took it.
    pub(crate) fn deliver(&self, message: MsiMessage) -> Result<bool, Failure> {
        self.access(|state, now| state.deliver(now, message))
    }

    /// Sets an interrupt line from outside.
    pub(crate) fn set_line(&self, line: u32, asserted: bool) -> Result<(), Failure> {
        self.access(|state, now| state.set_line(now, line, asserted))
    }

    /// Raises and lowers an interrupt line from outside.
    pub(crate) fn pulse_line(&self, line: u32) -> Result<(), Failure> {
        self.access(|state, now| state.pulse_line(now, line))
    }

    /// Whether an interrupt waits that a vCPU has to be told of by its thread.
    pub(crate) fn asks(&self, vcpu: u8) -> bool {
        self.state().asks(vcpu)
    }

    /// The vector of the most urgent of them, which counts as told from now on.
    ///
    /// # Errors
    /// If what follows from it could not be delivered.
    pub(crate) fn acknowledge(&self, vcpu: u8) -> Result<Option<u8>, Failure> {
        self.access(|state, now| state.acknowledge(now, vcpu))
    }

    /// Tells the I/O APIC that a level-triggered interrupt has ended.
    pub(crate) fn end_of_interrupt(&self, vector: u8) -> Result<(), Failure> {
        self.access(|state, now| state.end_of_interrupt(now, vector))
    }

    /// Presses the power button.
    pub(crate) fn press_power_button(&self) -> Result<(), HandleError> {
        match self.access(State::press_power_button) {
            Ok(true) => Ok(()),
            Ok(false) => Err(HandleError::NoPowerButton),
            Err(_) => Err(HandleError::Interrupt),
        }
    }

    /// Raises a general-purpose event; whether there are any.
    pub(crate) fn raise_general_event(&self, event: u8) -> bool {
        // What follows reaches interrupt controllers; that they fail is told when the guest is next served.
        self.access(|state, now| state.raise_general_event(now, event)).unwrap_or(true)
    }

    /// Says whether the guest is paused: what comes due meanwhile waits until it is not.
    pub(crate) fn set_held(&self, is_held: bool) {
        self.state().is_held = is_held;
        self.changed.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Models do not panic; if one did, the run ends by that, and no one looks at what is left.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
