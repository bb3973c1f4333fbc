//! The devices that a guest can be given.
//!
//! None of them decides where it stands: addresses are parameters.

mod debug_exit;
mod debug_port;
mod doorbell;
mod fw_cfg;
mod i8042;
mod pc_test_device;
mod pci;
mod queue_events;
mod serial;
mod signals;
mod test_device;
mod virtio_mmio;

pub use debug_exit::DebugExit;
pub use debug_port::DebugPort;
pub use doorbell::Doorbell;
pub use fw_cfg::FwCfg;
pub use i8042::I8042;
pub use pc_test_device::PcTestDevice;
pub(crate) use pci::HOT_PLUG_EVENT;
pub use pci::{HotPlugError, PciBus, PciHost, PciSlots};
pub(crate) use queue_events::QueueEvents;
pub use serial::{CollectedOutput, Serial};
pub use signals::Signals;
pub use test_device::{LOG_CAPACITY, TestDevice, TestDeviceAddresses};
pub use virtio_mmio::VirtioMmio;

/// How often a device is called at most in one exit because its driver adds buffers as fast as they are taken.
const SYNCHRONOUS_TURNS: u32 = 4;

/// The value of up to four bytes in little-endian order; the rest is ignored.
fn value_of(data: &[u8]) -> u32 {
    data.iter().take(4).rev().fold(0, |value, byte| value << 8 | u32::from(*byte))
}
