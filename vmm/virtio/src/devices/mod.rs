//! The kinds of devices.

mod block;
mod console;
mod entropy;
mod network;
mod socket;

pub use block::{Block, BlockFeatures};
pub use console::{Channel, Console, ConsoleError, ConsoleSize, PORTS_MAX, Port};
pub use entropy::Entropy;
pub use network::{
    FrameFile, FrameSocket, HostStack, Link, LinkState, MacAddress, Network, NetworkError, NetworkOptions,
};
pub use socket::{Socket, SocketError, SocketReset};
