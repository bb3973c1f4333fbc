//! What others than the guest's accesses ask for: threads of processors, and devices outside of the platform.

use super::State;
use crate::{
    interrupts::MsiMessage,
    platform::{
        Failure, PIC_VCPU,
        controllers::{Processors, UserControllers},
    },
};
use ::platform::{local_apic::LocalApic, message::Message, model::Signal, time::Nanoseconds};

impl State {
    /// Has to be called with each new `now`.
    pub(in crate::platform) fn follow_counters(&mut self, now: Nanoseconds) {
        if let Some(apics) = self.local_apics() {
            apics.follow_counters(now);
        }
    }

    pub(in crate::platform) fn local_apic(&mut self, vcpu: u8) -> Option<&mut LocalApic> {
        self.local_apics()?.of(vcpu)
    }

    /// Which vCPUs have been told something since the last call, a bit each.
    pub(in crate::platform) fn take_touched(&mut self) -> u64 {
        self.ours().map_or(0, UserControllers::take_touched)
    }

    /// Whether an interrupt waits that the thread of a vCPU has to hand over.
    pub(in crate::platform) fn asks(&mut self, vcpu: u8) -> bool {
        match self.ours() {
            Some(UserControllers { processors: Processors::User(apics), .. }) => {
                apics.of(vcpu).is_some_and(|apic| apic.ext_int_pending() || apic.highest_pending().is_some())
            }
            Some(UserControllers { pic, .. }) => vcpu == PIC_VCPU && pic.output(),
            None => false,
        }
    }

    /// The vector of one that waits, which is in service from now on.
    pub(in crate::platform) fn acknowledge(&mut self, now: Nanoseconds, vcpu: u8) -> Result<Option<u8>, Failure> {
        let vector = match self.ours() {
            Some(ours) => match &mut ours.processors {
                Processors::User(apics) => match apics.of(vcpu) {
                    Some(apic) if apic.ext_int_pending() => {
                        // It goes before all with a priority: only the processor's IF holds it back.
                        apic.acknowledge_ext_int();
                        Some(ours.acknowledge_pic(now))
                    }
                    Some(apic) => apic.highest_pending().map(|_| apic.acknowledge()),
                    None => None,
                },
                Processors::Kernel(_) if vcpu == PIC_VCPU && ours.pic.output() => Some(ours.acknowledge_pic(now)),
                Processors::Kernel(_) => None,
            },
            None => None,
        };
        self.carry(now)?;
        Ok(vector)
    }

    /// Presses the power button; whether there is one.
    pub(in crate::platform) fn press_power_button(&mut self, now: Nanoseconds) -> Result<bool, Failure> {
        let Some(power) = &mut self.power else { return Ok(false) };
        power.press_power_button(now);
        self.carry(now)?;
        Ok(true)
    }

    pub(in crate::platform) fn has_general_events(&self) -> bool {
        self.general_events.is_some()
    }

    /// Raises a general-purpose event; whether there are any.
    pub(in crate::platform) fn raise_general_event(&mut self, now: Nanoseconds, event: u8) -> Result<bool, Failure> {
        let Some(events) = &mut self.general_events else { return Ok(false) };
        events.raise(event);
        self.carry(now)?;
        Ok(true)
    }

    /// A message from outside.
    pub(in crate::platform) fn deliver(&mut self, now: Nanoseconds, message: MsiMessage) -> Result<bool, Failure> {
        let MsiMessage { address, data } = message;
        let taken = self.local_apics().is_some_and(|apics| apics.deliver(now, Message { address, data }));
        self.carry(now)?;
        Ok(taken)
    }

    /// A line that something outside drives.
    pub(in crate::platform) fn set_line(&mut self, now: Nanoseconds, line: u32, asserted: bool) -> Result<(), Failure> {
        if let Some(ours) = self.ours() {
            ours.set_line(line, asserted);
        }
        self.carry(now)
    }

    /// A line that something outside raises and lowers.
    pub(in crate::platform) fn pulse_line(&mut self, now: Nanoseconds, line: u32) -> Result<(), Failure> {
        if let Some(ours) = self.ours() {
            ours.carry(line, Signal { pin: 0, rises: 1, high: false });
        }
        self.carry(now)
    }

    /// A level-triggered interrupt of the I/O APIC has ended.
    pub(in crate::platform) fn end_of_interrupt(&mut self, now: Nanoseconds, vector: u8) -> Result<(), Failure> {
        if let Some(ours) = self.ours() {
            ours.io_apic.end_of_interrupt(vector);
        }
        self.carry(now)
    }
}
