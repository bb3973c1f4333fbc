//! Where the interrupt lines of devices lead.

use super::{Failure, controllers::UserControllers};
use crate::{
    faults::Interference,
    firmware,
    interrupts::{InterruptLine, Interrupts},
};
use ::platform::{hpet, model::Signal};
use serde::{Deserialize, Serialize};

/// The PIT's line.
pub(super) const PIT: u32 = 0;
/// The line of the real-time clock.
pub(super) const RTC: u32 = 8;

/// The line of ACPI's system control interrupt.
pub(super) const SCI: u32 = firmware::SCI_IRQ as u32;

/// The line of a pin of the HPET. Those that have no place of their own are numbers of I/O APIC pins already: none of those
/// that it offers has another number as a line.
pub(super) fn of_hpet(pin: u8) -> u32 {
    match pin {
        hpet::LEGACY_TIMER => PIT,
        hpet::LEGACY_RTC => RTC,
        pin => pin.into(),
    }
}

/// A level-triggered line that two devices assert.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct SharedLine {
    asserted: [bool; 2],
}

impl SharedLine {
    /// What becomes of the line when the pin of one of them does `signal`, if anything does.
    pub(super) fn join(&mut self, device: usize, signal: Signal) -> Option<Signal> {
        self.asserted[device] = signal.high;
        // While the other one holds it, it stays high.
        if self.asserted[1 - device] { None } else { Some(signal) }
    }
}

/// The interrupt controllers at the end of the lines.
pub(super) enum Controllers {
    /// KVM's, all of them.
    Kernel(Interrupts),
    /// Ours.
    User(Box<UserControllers>),
}

impl Controllers {
    /// The same, unless the line goes wrong. Lines of KVM's controllers do so behind this.
    pub(super) fn carry_unless(&mut self, fault: Interference, line: u32, signal: Signal) -> Result<(), Failure> {
        match self {
            Self::Kernel(_) => self.carry(line, signal),
            Self::User(_) => fault.signal(line, signal).map_or(Ok(()), |(line, signal)| self.carry(line, signal)),
        }
    }

    /// Carries what a pin did to the controllers that its line leads to.
    pub(super) fn carry(&mut self, line: u32, signal: Signal) -> Result<(), Failure> {
        match self {
            Self::Kernel(interrupts) => {
                let wire = interrupts.line(line);
                if signal.rises == 0 {
                    return Ok(wire.set(signal.high)?);
                }
                // An edge, whatever the level was; rises that were not told one by one are joined, as in a controller
                // that is busy.
                wire.set(false)?;
                wire.set(true)?;
                if !signal.high {
                    wire.set(false)?;
                }
                Ok(())
            }
            Self::User(controllers) => {
                controllers.carry(line, signal);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_line_is_high_while_one_of_both_holds_it() {
        let (rise, fall) = (Signal { pin: 0, rises: 1, high: true }, Signal { pin: 0, rises: 0, high: false });
        let mut line = SharedLine::default();
        assert_eq!([line.join(0, rise), line.join(1, rise), line.join(0, fall)], [Some(rise), None, None]);
        assert_eq!([line.join(1, fall), line.join(1, rise)], [Some(fall), Some(rise)]);
    }
}
