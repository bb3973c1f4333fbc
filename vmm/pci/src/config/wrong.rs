//! Configuration space that breaks a rule: what does not have to be asked for at each access.

use super::{Config, header};
use crate::Fault;

impl Config {
    /// Lets it break a rule, from its first access on.
    pub fn set_fault(&mut self, fault: Fault) {
        self.fault = Some(fault);
        match fault {
            Fault::BarKindWritable => self.allow(header::BARS, &[!0]),
            Fault::IdentityWritable => self.allow(header::VENDOR, &[!0; 4]),
            Fault::CommandTakesAll => self.allow(header::COMMAND, &[!0; 2]),
            Fault::StatusWritable => self.allow(header::STATUS, &[!0; 2]),
            Fault::LinksWritable => self.allow(header::CAPABILITIES, &[!0]),
            Fault::InterruptLineNarrow => self.allow(header::INTERRUPT_LINE, &[0xf]),
            Fault::CapabilitiesNotTold => self.put_u16(header::STATUS, 0),
            Fault::CapabilitiesLoop => self.bytes[self.last_link] = self.bytes[header::CAPABILITIES],
            _ => {}
        }
    }

    /// What a rule to break is, if there is one.
    pub(crate) const fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// Lets these bits be written.
    pub(crate) fn allow_at(&mut self, at: usize, mask: &[u8]) {
        self.allow(at, mask);
    }
}
