//! Inputs of the I/O APIC that lead to a vector of this processor, for the cases of devices.

use rt::{
    io_apic::{self, index, low},
    local_apic::LocalApic,
};

/// How many inputs there are.
pub(crate) fn number() -> u32 {
    (io_apic::read(index::VERSION) >> 16 & 0xff) + 1
}

/// An input with a vector, until this is dropped, which masks it. Active high, as all lines of the boards are that we know.
pub(crate) struct Input(u8);

impl Input {
    /// Connects it, edge-triggered or level-triggered.
    pub(crate) fn connect(apic: &LocalApic, pin: u32, vector: u8, level: bool) -> Self {
        let pin = pin as u8;
        io_apic::write_low(pin, low::MASKED);
        io_apic::set_entry(pin, apic.id() as u8, u32::from(vector) | if level { low::LEVEL } else { 0 });
        Self(pin)
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        io_apic::write_low(self.0, low::MASKED);
    }
}
