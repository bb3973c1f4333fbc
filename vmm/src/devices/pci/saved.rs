//! A host bridge with its bus in a saved VM.

use super::PciHost;
use crate::save::{self, DeviceStateError};
use ::pci::{HostState, HotPlug};

impl PciHost {
    pub(super) fn quiesce_all(&self) -> Result<(), DeviceStateError> {
        let Some(bus) = &self.bus else { return Ok(()) };
        bus.host().quiesce();
        bus.shared.failures.take().map_or(Ok(()), |_| Err(DeviceStateError::Interrupt))
    }

    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, DeviceStateError> {
        let bus = self.bus.as_ref().ok_or(DeviceStateError::Unsupported)?;
        let host = bus.host().save()?;
        let hot_plug = self.plugger().map(|plugger| plugger.registers().clone());
        save::to_bytes(&(host, hot_plug))
    }

    pub(super) fn take_bytes(&self, state: &[u8]) -> Result<(), DeviceStateError> {
        let bus = self.bus.as_ref().ok_or(DeviceStateError::Unsupported)?;
        let (host, hot_plug): (HostState, Option<HotPlug>) = save::from_bytes(state)?;
        bus.host().restore(&host)?;
        match (self.plugger(), hot_plug) {
            (Some(plugger), Some(saved)) => plugger.registers().restore(saved),
            (None, None) => Ok(()),
            _ => Err(DeviceStateError::Contents),
        }
    }
}
