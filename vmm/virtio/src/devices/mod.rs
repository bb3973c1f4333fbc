//! The kinds of devices.

mod entropy;

pub use entropy::Entropy;
