//! The port that firmware writes its log to: a byte at a time, without any state.
//!
//! Source: SeaBIOS, "docs/Debugging.md"; OVMF, "OvmfPkg/README", § "Debug messages". QEMU calls it isa-debugcon.

use crate::{
    bus::{Device, Flow, Location, Region},
    memory::GuestMemory,
    save::{self, DeviceStateError},
};
use std::io::Write;

/// What the port reads as, by which firmware knows that somebody listens.
const PRESENT: u8 = 0xe9;

/// A debug port.
pub struct DebugPort<W> {
    port: u16,
    output: W,
}

impl<W: Write + Send> DebugPort<W> {
    /// One at `port` that writes to `output`, which must not block for long. Nobody is told if that fails: it is a log.
    pub fn new(port: u16, output: W) -> Self {
        Self { port, output }
    }
}

impl<W: Write + Send> Device for DebugPort<W> {
    fn regions(&self) -> Vec<Region> {
        vec![Region::Ports { first: self.port, count: 1 }]
    }

    fn read(&mut self, _: Location, data: &mut [u8]) -> Flow {
        data.fill(PRESENT);
        Flow::Continue
    }

    fn write(&mut self, _: Location, data: &[u8], _: &GuestMemory) -> Flow {
        let _ = self.output.write_all(data);
        Flow::Continue
    }

    fn save(&self) -> Result<Vec<u8>, DeviceStateError> {
        Ok(Vec::new())
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), DeviceStateError> {
        save::nothing(state)
    }
}
