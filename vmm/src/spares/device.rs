//! The registers of processors that come and go, on the bus.

use super::{Spares, registers::SIZE_BYTES};
use crate::{
    bus::{Device, Flow, Location, Region},
    layout::pc,
    memory::GuestMemory,
    save::{self, DeviceStateError},
};
use std::sync::Weak;

/// The registers. They do not keep the vCPUs alive, which go before memory does.
pub(crate) struct SpareRegisters(pub(crate) Weak<Spares>);

impl Device for SpareRegisters {
    fn regions(&self) -> Vec<Region> {
        vec![Region::Ports { first: pc::CPU_HOT_PLUG, count: SIZE_BYTES }]
    }

    fn read(&mut self, at: Location, data: &mut [u8]) -> Flow {
        if let Some(spares) = self.0.upgrade() {
            spares.read(at.offset, data);
        }
        Flow::Continue
    }

    // They are kept with the vCPUs, which have to be made before.
    fn save(&self) -> Result<Vec<u8>, DeviceStateError> {
        Ok(Vec::new())
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), DeviceStateError> {
        save::nothing(state)
    }

    fn write(&mut self, at: Location, data: &[u8], _: &GuestMemory) -> Flow {
        if let Some(spares) = self.0.upgrade() {
            spares.write(at.offset, data);
        }
        Flow::Continue
    }
}
