//! A doorbell: a 32-bit port whose writes call back, with guest memory at hand.

use super::value_of;
use crate::{
    bus::{Device, Flow, Location, Region},
    memory::GuestMemory,
    save::{self, DeviceStateError},
};

/// Width of the port in ports.
const NR_PORTS: u16 = 4;

/// Calls back with the value of each write to its port.
pub struct Doorbell<F> {
    port: u16,
    ring: F,
}

impl<F> Doorbell<F>
where
    F: FnMut(&GuestMemory, u32) -> Flow + Send,
{
    /// A doorbell at `port` and the three after it. `ring` must not block; it ends the run with [`Flow::Stop`].
    pub fn new(port: u16, ring: F) -> Self {
        Self { port, ring }
    }
}

impl<F> Device for Doorbell<F>
where
    F: FnMut(&GuestMemory, u32) -> Flow + Send,
{
    fn regions(&self) -> Vec<Region> {
        vec![Region::Ports { first: self.port, count: NR_PORTS }]
    }

    fn read(&mut self, _: Location, _: &mut [u8]) -> Flow {
        Flow::Continue
    }

    fn write(&mut self, at: Location, data: &[u8], memory: &GuestMemory) -> Flow {
        // The port is the first; the others only make room for the width.
        if at.offset == 0 { (self.ring)(memory, value_of(data)) } else { Flow::Continue }
    }

    fn save(&self) -> Result<Vec<u8>, DeviceStateError> {
        Ok(Vec::new())
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), DeviceStateError> {
        save::nothing(state)
    }
}
