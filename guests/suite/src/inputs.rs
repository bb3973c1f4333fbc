//! Inputs of the I/O APIC at FEC00000H that lead to a vector of this processor, for the cases of devices.
//!
//! Source: 82093AA, "I/O Redirection Table Registers".

use rt::{local_apic::LocalApic, mmio};

const INDEX: u64 = 0xfec0_0000;
const WINDOW: u64 = INDEX + 0x10;
const VERSION: u32 = 1;
const FIRST_ENTRY: u32 = 0x10;
const MASKED: u32 = 1 << 16;
const LEVEL: u32 = 1 << 15;

fn write(register: u32, value: u32) {
    mmio::write_u32(INDEX, register);
    mmio::write_u32(WINDOW, value);
}

/// How many inputs there are.
pub(crate) fn number() -> u32 {
    mmio::write_u32(INDEX, VERSION);
    (mmio::read_u32(WINDOW) >> 16 & 0xff) + 1
}

/// An input with a vector, until this is dropped, which masks it. Active high, as all lines of the boards are that we know.
pub(crate) struct Input(u32);

impl Input {
    /// Connects it, edge-triggered or level-triggered.
    pub(crate) fn connect(apic: &LocalApic, pin: u32, vector: u8, level: bool) -> Self {
        let entry = FIRST_ENTRY + 2 * pin;
        write(entry, MASKED);
        write(entry + 1, apic.id() << 24);
        write(entry, u32::from(vector) | if level { LEVEL } else { 0 });
        Self(entry)
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        write(self.0, MASKED);
    }
}
