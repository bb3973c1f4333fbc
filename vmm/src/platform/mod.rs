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
mod lines;
mod state;
mod wakeups;

pub(crate) use state::Failure;
pub(crate) use wakeups::awake;

use crate::{bus::Device, config::Chipset, control::Control, interrupts::Interrupts};
use ::platform::{hpet::Hpet, model::Model, time::Nanoseconds};
use device::ModelDevice;
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

/// The devices of one VM.
pub(crate) struct Platform {
    state: Mutex<State>,
    /// Notified when something is due earlier than the waiting thread knows, or when it has to end.
    changed: Condvar,
    control: Arc<Control>,
}

impl Platform {
    /// The devices that `chipset` asks for, and what of them stands on the bus. Nothing if it asks for none.
    pub(crate) fn new(
        chipset: Chipset,
        interrupts: &Interrupts,
        control: &Arc<Control>,
    ) -> Option<(Arc<Self>, Vec<Box<dyn Device>>)> {
        if chipset == Chipset::default() {
            return None;
        }
        let state = State::new(chipset, interrupts.clone());
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
        let platform = Arc::new(Self { state: Mutex::new(state), changed: Condvar::new(), control: control.clone() });
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
        let asked = state.pic_asks();
        let result = access(&mut state, now);
        let asks = !asked && state.pic_asks();
        let due = state.next_change(now);
        if due.is_some_and(|due| state.due.is_none_or(|known| due < known)) {
            self.changed.notify_one();
        }
        drop(state);
        if asks {
            self.control.interrupt_one(PIC_VCPU);
        }
        result
    }

    /// Whether an interrupt waits that a vCPU has to be told of by its thread.
    pub(crate) fn asks(&self, vcpu: u8) -> bool {
        vcpu == PIC_VCPU && self.state().pic_asks()
    }

    /// The vector of the most urgent of them, which counts as told from now on.
    pub(crate) fn acknowledge(&self, vcpu: u8) -> Option<u8> {
        if vcpu == PIC_VCPU { self.state().acknowledge_pic() } else { None }
    }

    /// Tells the I/O APIC that a level-triggered interrupt has ended.
    pub(crate) fn end_of_interrupt(&self, vector: u8) -> Result<(), Failure> {
        self.access(|state, _| state.end_of_interrupt(vector))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Models do not panic; if one did, the run ends by that, and no one looks at what is left.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
