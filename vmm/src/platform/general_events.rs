//! The general-purpose event block of ACPI, by which firmware's methods hear of devices that come and go.
//!
//! | offset | size | what |
//! |---|---|---|
//! | 0 | 2 | status, write 1 to clear |
//! | 2 | 2 | enable |
//!
//! The system control interrupt is a level: high while a status bit and its enable bit are both set.
//!
//! Source: ACPI Specification 6.5, § "General-Purpose Event Register Blocks".

use ::platform::{
    model::{Model, Pin, Signal},
    time::Nanoseconds,
};
use serde::{Deserialize, Serialize};

/// Size of the block in bytes.
pub(super) const SIZE_BYTES: u16 = 4;
/// Offset of the enable register.
const ENABLE: usize = 2;

/// The block. Status is in the low half.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct GeneralEvents {
    registers: [u8; SIZE_BYTES as usize],
    sci: Pin,
}

impl GeneralEvents {
    pub(super) fn new() -> Self {
        Self { registers: [0; SIZE_BYTES as usize], sci: Pin::new(false) }
    }

    /// Sets a bit of the status; there are 16.
    pub(super) fn raise(&mut self, event: u8) {
        if let Some(byte) = self.registers[..ENABLE].get_mut(usize::from(event / 8)) {
            *byte |= 1 << (event % 8);
        }
        self.update();
    }

    fn update(&mut self) {
        let [status_low, status_high, enable_low, enable_high] = self.registers;
        self.sci.set(status_low & enable_low != 0 || status_high & enable_high != 0);
    }
}

impl Model for GeneralEvents {
    type Output = Signal;

    fn read(&mut self, _: Nanoseconds, offset: u64, size: u8) -> u64 {
        (0..u64::from(size.min(8))).fold(0, |value, index| {
            let byte = usize::try_from(offset.saturating_add(index)).ok().and_then(|at| self.registers.get(at));
            value | u64::from(byte.copied().unwrap_or(0xff)) << (8 * index)
        })
    }

    fn write(&mut self, _: Nanoseconds, offset: u64, size: u8, value: u64) {
        for (index, byte) in (0_u64..).zip(value.to_le_bytes()).take(size.into()) {
            let Ok(at) = usize::try_from(offset.saturating_add(index)) else { continue };
            match self.registers.get_mut(at) {
                Some(status) if at < ENABLE => *status &= !byte,
                Some(enable) => *enable = byte,
                None => {}
            }
        }
        self.update();
    }

    fn advance(&mut self, _: Nanoseconds) {}

    fn next_change(&self, _: Nanoseconds) -> Option<Nanoseconds> {
        None
    }

    fn take(&mut self) -> Option<Signal> {
        self.sci.take(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interrupt(rises: u64, high: bool) -> Option<Signal> {
        Some(Signal { pin: 0, rises, high })
    }

    #[test]
    fn an_event_interrupts_when_it_is_enabled_until_it_is_cleared() {
        let mut block = GeneralEvents::new();
        block.raise(1);
        assert_eq!((block.read(0, 0, 2), block.take()), (2, None));
        block.write(0, 2, 2, 2);
        assert_eq!((block.take(), block.read(0, 0, 4)), (interrupt(1, true), 2 << 16 | 2));
        block.write(0, 0, 1, !2);
        assert_eq!((block.read(0, 0, 1), block.take()), (2, None), "others are written");
        block.write(0, 0, 1, 2);
        assert_eq!((block.read(0, 0, 1), block.take()), (0, interrupt(0, false)));
        block.raise(15);
        block.raise(16);
        assert_eq!(block.read(0, 0, 8), 0xffff_ffff_0002_8000);
        block.write(u64::MAX, 8, 8, u64::MAX);
        assert_eq!(block.read(0, u64::MAX, 1), 0xff);
    }
}
