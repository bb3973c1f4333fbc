//! The kinds of devices.

mod console;
mod entropy;

pub use console::{Channel, Console, ConsoleError, ConsoleSize, PORTS_MAX, Port};
pub use entropy::Entropy;
