//! What devices keep of themselves in a saved VM.

pub use vm_state::DeviceStateError;
pub(crate) use vm_state::value::{from_bytes, nothing, to_bytes};
