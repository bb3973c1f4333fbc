//! The kinds of devices.

mod block;
mod console;
mod entropy;

pub use block::{Block, BlockFeatures};
pub use console::{Channel, Console, ConsoleError, ConsoleSize, PORTS_MAX, Port};
pub use entropy::Entropy;
