//! The debug exit: a port that ends the run with a value.

use super::value_of;
use crate::{
    bus::{Device, Flow, Location, Region},
    memory::GuestMemory,
    save::{self, DeviceStateError},
    stop::StopReason,
};

/// Ports that the device takes: it may be written with up to 32 bits, as QEMU's isa-debug-exit.
const NR_PORTS: u16 = 4;

/// Ends the run with [`StopReason::DebugExit`] and the value written, which stays as it is (QEMU makes an odd exit
/// status of it).
#[derive(Debug)]
pub struct DebugExit {
    port: u16,
}

impl DebugExit {
    /// A debug exit at `port` and the three after it.
    pub fn new(port: u16) -> Self {
        Self { port }
    }
}

impl Device for DebugExit {
    fn regions(&self) -> Vec<Region> {
        vec![Region::Ports { first: self.port, count: NR_PORTS }]
    }

    fn read(&mut self, _: Location, _: &mut [u8]) -> Flow {
        Flow::Continue
    }

    fn write(&mut self, _: Location, data: &[u8], _: &GuestMemory) -> Flow {
        Flow::Stop(StopReason::DebugExit(value_of(data)))
    }

    fn save(&self) -> Result<Vec<u8>, DeviceStateError> {
        Ok(Vec::new())
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), DeviceStateError> {
        save::nothing(state)
    }
}
