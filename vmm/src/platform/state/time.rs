//! What time it is for each device, what its passing does, and when it does something next.

use super::State;
use crate::{
    faults::ClockOf,
    platform::{Failure, Target, controllers::Processors, lines::Controllers},
};
use ::platform::{model::Model, time::Nanoseconds};

/// Who changes by itself.
trait Changing {
    fn due(&self, now: Nanoseconds) -> Option<Nanoseconds>;
}

impl<M: Model> Changing for M {
    fn due(&self, now: Nanoseconds) -> Option<Nanoseconds> {
        self.next_change(now)
    }
}

impl State {
    /// What time it is for a device.
    pub(super) fn shown(&self, target: Target, now: Nanoseconds) -> Nanoseconds {
        let device = match target {
            Target::Pit => ClockOf::Pit,
            Target::Hpet => ClockOf::Hpet,
            Target::Rtc => ClockOf::Rtc,
            Target::Power => ClockOf::Power,
            _ => return now,
        };
        self.clocks.shown(device, now)
    }

    /// Lets time pass.
    pub(in crate::platform) fn advance(&mut self, now: Nanoseconds) -> Result<(), Failure> {
        if let Some(pit) = &mut self.pit {
            pit.advance(self.clocks.shown(ClockOf::Pit, now));
        }
        if let Some(hpet) = &mut self.hpet {
            hpet.advance(self.clocks.shown(ClockOf::Hpet, now));
        }
        if let Some(rtc) = &mut self.rtc {
            rtc.advance(self.clocks.shown(ClockOf::Rtc, now));
        }
        if let Some(power) = &mut self.power {
            power.advance(self.clocks.shown(ClockOf::Power, now));
        }
        if let Some(apics) = self.local_apics() {
            apics.advance(now);
        }
        self.carry(now)
    }

    /// When time alone will change something.
    pub(in crate::platform) fn next_change(&self, now: Nanoseconds) -> Option<Nanoseconds> {
        let due = |device, model: Option<&dyn Changing>| {
            let shown = self.clocks.shown(device, now);
            self.clocks.real(device, model.and_then(|model| model.due(shown)))
        };
        let pit = due(ClockOf::Pit, self.pit.as_ref().map(|model| model as &dyn Changing));
        let hpet = due(ClockOf::Hpet, self.hpet.as_ref().map(|model| model as &dyn Changing));
        let apics = match &self.controllers {
            Controllers::User(ours) => match &ours.processors {
                Processors::User(apics) => apics.next_change(now),
                Processors::Kernel(_) => None,
            },
            Controllers::Kernel(_) => None,
        };
        let rtc = due(ClockOf::Rtc, self.rtc.as_ref().map(|model| model as &dyn Changing));
        let power = due(ClockOf::Power, self.power.as_ref().map(|model| model as &dyn Changing));
        pit.into_iter().chain(hpet).chain(rtc).chain(power).chain(apics).min()
    }
}
