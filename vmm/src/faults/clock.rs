//! Devices for which time passes in another way.

use ::platform::time::{Nanoseconds, SECOND};

/// A device with a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockOf {
    /// The 8254.
    Pit,
    /// The HPET.
    Hpet,
    /// The real-time clock.
    Rtc,
    /// The ACPI timer.
    Power,
}

/// How time passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skew {
    /// At so many thousandths of its rate.
    Rate(u64),
    /// It stands still.
    Stopped,
    /// It jumps ahead by so many nanoseconds each time that it has passed by a millisecond.
    Jumps(Nanoseconds),
}

/// Which device's time passes how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockFault {
    /// The device.
    pub device: ClockOf,
    /// How.
    pub skew: Skew,
}

const JUMP_EVERY: Nanoseconds = SECOND / 1000;

impl Skew {
    const fn shown(self, now: Nanoseconds) -> Nanoseconds {
        match self {
            Self::Rate(thousandths) => (now as u128 * thousandths as u128 / 1000) as Nanoseconds,
            Self::Stopped => 0,
            Self::Jumps(by) => now.saturating_add((now / JUMP_EVERY).saturating_mul(by)),
        }
    }

    /// When a time is shown first, or a little later.
    const fn real(self, shown: Nanoseconds) -> Option<Nanoseconds> {
        match self {
            Self::Rate(thousandths) => Some((shown as u128 * 1000).div_ceil(thousandths as u128) as Nanoseconds),
            Self::Stopped => None,
            Self::Jumps(by) => {
                let whole = shown / (JUMP_EVERY + by);
                let rest = shown % (JUMP_EVERY + by);
                Some(whole * JUMP_EVERY + if rest < JUMP_EVERY { rest } else { JUMP_EVERY })
            }
        }
    }
}

/// The clocks of a platform's devices.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Clocks(Option<ClockFault>);

impl Clocks {
    pub(crate) const fn new(fault: Option<super::Fault>) -> Self {
        Self(match fault {
            Some(super::Fault::Clock(fault)) => Some(fault),
            _ => None,
        })
    }

    /// What time it is for a device.
    pub(crate) fn shown(self, device: ClockOf, now: Nanoseconds) -> Nanoseconds {
        match self.0 {
            Some(fault) if fault.device == device => fault.skew.shown(now),
            _ => now,
        }
    }

    /// When what a device waits for comes.
    pub(crate) fn real(self, device: ClockOf, shown: Option<Nanoseconds>) -> Option<Nanoseconds> {
        match self.0 {
            Some(fault) if fault.device == device => fault.skew.real(shown?),
            _ => shown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_device_waits_for_has_come_when_it_is_told() {
        for skew in [Skew::Rate(1100), Skew::Rate(700), Skew::Jumps(500), Skew::Jumps(5 * JUMP_EVERY)] {
            for time in [0, 1, 999, JUMP_EVERY, 12 * JUMP_EVERY + 7, 3 * SECOND + 1] {
                let real = skew.real(time).unwrap();
                assert!(skew.shown(real) >= time, "{skew:?} {time}: {real}");
                assert!(real == 0 || skew.shown(real - 1) <= time, "{skew:?} {time}: {real}");
            }
        }
        assert_eq!((Skew::Stopped.shown(SECOND), Skew::Stopped.real(SECOND)), (0, None));
    }

    #[test]
    fn other_devices_have_the_time_that_it_is() {
        let fault = ClockFault { device: ClockOf::Pit, skew: Skew::Rate(2000) };
        let clocks = Clocks::new(Some(super::super::Fault::Clock(fault)));
        assert_eq!((clocks.shown(ClockOf::Pit, 5), clocks.shown(ClockOf::Rtc, 5)), (10, 5));
        assert_eq!((clocks.real(ClockOf::Pit, Some(10)), clocks.real(ClockOf::Rtc, Some(10))), (Some(5), Some(10)));
    }
}
