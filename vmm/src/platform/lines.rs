//! Where the interrupt lines of devices lead.

use super::{controllers::UserControllers, state::Failure};
use crate::interrupts::{InterruptLine, Interrupts};
use ::platform::model::Signal;

/// The interrupt controllers at the end of the lines.
pub(super) enum Controllers {
    /// KVM's, all of them.
    Kernel(Interrupts),
    /// Ours.
    User(UserControllers),
}

impl Controllers {
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
                Ok(if signal.high { () } else { wire.set(false)? })
            }
            Self::User(controllers) => {
                controllers.carry(line, signal);
                Ok(())
            }
        }
    }
}
