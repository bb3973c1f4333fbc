//! The kinds of devices.

mod balloon;
mod block;
mod console;
mod entropy;
mod gpu;
mod network;
mod scsi;
mod socket;
#[cfg(test)]
mod tests;

pub use balloon::{Balloon, BalloonControl, Discard, PAGE_BYTES};
pub use block::{Block, BlockControl, BlockFeatures};
pub use console::{Channel, Console, ConsoleError, ConsoleSize, PORTS_MAX, Port};
pub use entropy::Entropy;
pub use gpu::{Display, FrameBuffer, Gpu, Rectangle, ScreenSize};
pub use network::{
    Announcement, FrameFile, FrameSocket, HostStack, Link, LinkState, MacAddress, Network, NetworkError, NetworkOptions,
};
pub use scsi::{Scsi, ScsiBus, ScsiError, ScsiFeatures, TARGETS_MAX};
pub use socket::{Socket, SocketError, SocketReset};
