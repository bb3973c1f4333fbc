//! PCI as state machines: configuration space, base address registers, MSI-X and a host bridge with one bus.
//!
//! Nothing here knows of KVM or threads: accesses are told, and interrupts are asked for afterwards. Whatever a guest writes, nothing
//! panics or grows. Own code, because no published crate emulates PCI for a VMM.
//!
//! Source: PCI-SIG, "PCI Local Bus Specification", revision 3.0; "PCI Express Base Specification", revision 3.0, for the memory-mapped
//! way to configuration space.
#![forbid(unsafe_code)]

mod config;
mod fault;
mod host;
mod hot_plug;
mod msix;

pub use config::{Bar, BarKind, Config, ConfigState, Identity};
pub use fault::Fault;
pub use host::{Host, HostState, PlaceError, Slot};
pub use hot_plug::{HOT_PLUG_BYTES, HotPlug, RemovalError};
pub use msix::{Message, MsiX, MsiXState, TABLE_ENTRY_BYTES};

use vm_state::DeviceStateError;

/// A function of a device on the bus.
pub trait Function: Send {
    /// Which base address register maps an address, and what offset it has there; see [`Config::find`].
    fn find(&self, address: u64, size: usize, is_io: bool) -> Option<(usize, u64)>;

    /// Fills `data`, of 1, 2 or 4 bytes that lie in one doubleword, from `offset` of configuration space.
    fn read_config(&mut self, offset: u16, data: &mut [u8]);

    /// Writes `data`, of 1, 2 or 4 bytes that lie in one doubleword, at `offset` of configuration space.
    fn write_config(&mut self, offset: u16, data: &[u8]);

    /// Fills `data`, which holds all ones, from what stands behind a base address register.
    fn read_bar(&mut self, bar: usize, offset: u64, data: &mut [u8]);

    /// Takes what is written there.
    fn write_bar(&mut self, bar: usize, offset: u64, data: &[u8]);

    /// What stands behind a base address register, and its address while it is mapped.
    fn region(&self, _bar: usize) -> Option<(Bar, Option<u64>)> {
        None
    }

    /// Finishes what is under way, as far as that can be done while no driver runs: it is about to be saved.
    fn quiesce(&mut self) {}

    /// What is kept of it when its VM is saved.
    ///
    /// # Errors
    /// If it cannot be saved.
    fn save(&mut self) -> Result<Vec<u8>, DeviceStateError> {
        Err(DeviceStateError::Unsupported)
    }

    /// Takes it, as it was made, to a state that [`Self::save`] gave. After an error it is of no use.
    ///
    /// # Errors
    /// If that is not the state of such a function.
    fn restore(&mut self, _state: &[u8]) -> Result<(), DeviceStateError> {
        Err(DeviceStateError::Unsupported)
    }
}
