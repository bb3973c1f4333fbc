//! What all models have in common: [`Model`], the outputs of devices with interrupt pins, and the limit on wake-ups.
//!
//! The owner of a model does this, with its own clock:
//!
//! 1. On a guest's access it calls [`Model::read`] or [`Model::write`]. Both first bring the model up to date.
//! 2. After that, and when the time of [`Model::next_change`] has come (then it calls [`Model::advance`]), it calls
//!    [`Model::take`] until there is nothing more, and carries each output to where it leads.
//! 3. It asks for [`Model::next_change`] again, and forgets the earlier answer.
//!
//! A model compares equal to its clone after the same calls, whatever else happens: the clone is the snapshot.

use crate::time::{MIN_PERIOD, Nanoseconds};
use serde::{Deserialize, Serialize};

/// A device as a state machine.
///
/// Every `now` is a time since the VM was made. One that is earlier than what the model was already told counts as what it
/// was told: time never runs backwards.
pub trait Model {
    /// What the device gives to others: [`Signal`] where it has pins, messages where it sends some.
    type Output;

    /// What a guest reads at `offset` from the start of the device's range, `size` bytes wide, in the low `size` bytes.
    /// Reading may change the device. Where nothing answers, all bits are ones.
    fn read(&mut self, now: Nanoseconds, offset: u64, size: u8) -> u64;

    /// Takes the low `size` bytes of `value`, which a guest writes at `offset` from the start of the device's range.
    fn write(&mut self, now: Nanoseconds, offset: u64, size: u8, value: u64);

    /// Lets time pass until `now`.
    fn advance(&mut self, now: Nanoseconds);

    /// When [`Model::advance`] is to be called because there will be an output, unless the guest accesses the device
    /// earlier; nothing if time alone never makes one. Two such times that follow each other without an access in between
    /// are at least [`MIN_PERIOD`] apart.
    ///
    /// Pins that fall by themselves, such as those of the 8254, are no reason to wake: that is told with the next rise, or
    /// whenever the model is brought up to date.
    fn next_change(&self, now: Nanoseconds) -> Option<Nanoseconds>;

    /// Takes the next output that has not been taken. There are never more than the device has pins or places for: what
    /// happens again before it is taken is joined with it.
    fn take(&mut self) -> Option<Self::Output>;
}

/// What a pin did since its owner last asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signal {
    /// Which pin, as the device numbers them.
    pub pin: u8,
    /// How often it went from low to high. An edge-triggered input takes each as a request, or joins them, as the
    /// interrupt controller does that is busy.
    pub rises: u64,
    /// Whether it is high now.
    pub high: bool,
}

/// A pin that remembers what its owner has not been told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    high: bool,
    told: bool,
    rises: u64,
}

impl Pin {
    /// A pin that is at a level from the start. An owner takes a pin of which it has not been told for low.
    pub const fn new(high: bool) -> Self {
        Self { high, told: false, rises: 0 }
    }

    /// Whether it is high.
    pub const fn is_high(&self) -> bool {
        self.high
    }

    /// Takes it to a level, and says whether it rose.
    pub fn set(&mut self, high: bool) -> bool {
        let rose = high && !self.high;
        self.rises = self.rises.saturating_add(u64::from(rose));
        self.high = high;
        rose
    }

    /// Takes it to a level by a way on which it rose so many times, the rise to that level among them.
    pub fn follow(&mut self, high: bool, rises: u64) {
        self.rises = self.rises.saturating_add(rises);
        self.high = high;
    }

    /// What it did since the last call, if anything.
    pub fn take(&mut self, pin: u8) -> Option<Signal> {
        if self.rises == 0 && self.high == self.told {
            return None;
        }
        let signal = Signal { pin, rises: self.rises, high: self.high };
        (self.told, self.rises) = (self.high, 0);
        Some(signal)
    }
}

/// Reads a device whose registers are bytes: a bus of bytes splits what is wider, lowest address first.
pub(crate) fn read_bytes(offset: u64, size: u8, mut byte: impl FnMut(u64) -> u8) -> u64 {
    (0..u64::from(size.min(8))).fold(0, |value, index| {
        value | offset.checked_add(index).map_or(0xff, |offset| u64::from(byte(offset))) << (8 * index)
    })
}

/// Writes to a device whose registers are bytes, as [`read_bytes`] reads.
pub(crate) fn write_bytes(offset: u64, size: u8, value: u64, mut byte: impl FnMut(u64, u8)) {
    for (index, part) in (0_u64..).zip(value.to_le_bytes()).take(size.into()) {
        if let Some(offset) = offset.checked_add(index) {
            byte(offset, part);
        }
    }
}

/// Keeps wake-ups [`MIN_PERIOD`] apart without making a single one late.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pace {
    last: Option<Nanoseconds>,
}

impl Pace {
    /// Nothing has been due yet.
    pub const fn new() -> Self {
        Self { last: None }
    }

    /// Notes that time made an output by `now`.
    pub fn fired(&mut self, now: Nanoseconds) {
        self.last = Some(now);
    }

    /// When to wake for what is due at `due`: then, or when enough time has passed since the last.
    pub fn wake(&self, due: Nanoseconds) -> Nanoseconds {
        self.last.map_or(due, |last| due.max(last.saturating_add(MIN_PERIOD)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_tells_each_change_once() {
        let mut pin = Pin::default();
        assert_eq!(pin.take(3), None);
        assert!(pin.set(true) && !pin.set(true));
        assert_eq!(pin.take(3), Some(Signal { pin: 3, rises: 1, high: true }));
        assert_eq!(pin.take(3), None);
        pin.set(false);
        pin.set(true);
        assert_eq!(pin.take(3), Some(Signal { pin: 3, rises: 1, high: true }));
        pin.follow(false, 5);
        assert_eq!(pin.take(3), Some(Signal { pin: 3, rises: 5, high: false }));
        assert_eq!(Pin::new(true).take(0), Some(Signal { pin: 0, rises: 0, high: true }));
    }

    #[test]
    fn only_what_follows_too_soon_is_late() {
        let mut pace = Pace::default();
        assert_eq!(pace.wake(5), 5);
        pace.fired(5);
        assert_eq!(pace.wake(6), 5 + MIN_PERIOD);
        assert_eq!(pace.wake(6 + MIN_PERIOD), 6 + MIN_PERIOD);
    }
}
