//! What devices keep of themselves in a saved VM.

use serde::{Serialize, de::DeserializeOwned};

/// Why a device's state could not be saved or restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceStateError {
    /// It is not of a kind that can.
    #[error("devices of its kind cannot be saved yet")]
    Unsupported,
    /// What was saved is not its state.
    #[error("the saved state is not that of such a device")]
    Contents,
}

/// State as the file has it.
pub(crate) fn to_bytes(state: &impl Serialize) -> Result<Vec<u8>, DeviceStateError> {
    postcard::to_allocvec(state).map_err(|_| DeviceStateError::Contents)
}

/// State out of a file, which holds nothing else.
pub(crate) fn from_bytes<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DeviceStateError> {
    match postcard::take_from_bytes(bytes) {
        Ok((state, [])) => Ok(state),
        _ => Err(DeviceStateError::Contents),
    }
}

/// The state of a device that has none.
pub(crate) fn nothing(bytes: &[u8]) -> Result<(), DeviceStateError> {
    if bytes.is_empty() { Ok(()) } else { Err(DeviceStateError::Contents) }
}
