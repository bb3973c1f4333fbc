//! What a section holds: one value in the format of postcard.
//!
//! That format names neither fields nor types. What a value means follows from the section's name and the file's version alone.

use serde::{Serialize, de::DeserializeOwned};
use std::io;

/// Why a device's state could not be saved or restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceStateError {
    /// It is not of a kind that can.
    #[error("devices of its kind cannot be saved yet")]
    Unsupported,
    /// What was saved is not its state.
    #[error("the saved state is not that of such a device")]
    Contents,
    /// What was saved is the state of a device of the same kind that was made otherwise.
    #[error("the saved device has another {what}")]
    Other {
        /// What differs.
        what: &'static str,
    },
    /// What it keeps its data in failed.
    #[error("the host failed to keep its data: {0}")]
    Host(io::ErrorKind),
    /// An interrupt that was due could not be sent.
    #[error("an interrupt that was due could not be sent")]
    Interrupt,
}

/// State as the file has it.
///
/// # Errors
/// If it has no form there.
pub fn to_bytes(state: &impl Serialize) -> Result<Vec<u8>, DeviceStateError> {
    postcard::to_allocvec(state).map_err(|_| DeviceStateError::Contents)
}

/// State out of a file, which holds nothing else.
///
/// # Errors
/// If it is none.
pub fn from_bytes<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DeviceStateError> {
    match postcard::take_from_bytes(bytes) {
        Ok((state, [])) => Ok(state),
        _ => Err(DeviceStateError::Contents),
    }
}

/// The state of what has none.
///
/// # Errors
/// If it is one.
pub fn nothing(bytes: &[u8]) -> Result<(), DeviceStateError> {
    if bytes.is_empty() { Ok(()) } else { Err(DeviceStateError::Contents) }
}

/// That a state makes sense.
///
/// # Errors
/// If it does not.
pub fn ensure(makes_sense: bool) -> Result<(), DeviceStateError> {
    if makes_sense { Ok(()) } else { Err(DeviceStateError::Contents) }
}

/// That what was saved was made as what it is restored into.
///
/// # Errors
/// If it was not.
pub fn ensure_same<T: PartialEq>(saved: &T, here: &T, what: &'static str) -> Result<(), DeviceStateError> {
    if saved == here { Ok(()) } else { Err(DeviceStateError::Other { what }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_all_of_a_section() {
        let bytes = to_bytes(&(7_u16, vec![1_u8, 2])).unwrap();
        assert_eq!(from_bytes::<(u16, Vec<u8>)>(&bytes), Ok((7, vec![1, 2])));
        let longer = [&bytes[..], &[0]].concat();
        for cut in [&longer, &bytes[..bytes.len() - 1], &[]] {
            assert_eq!(from_bytes::<(u16, Vec<u8>)>(cut), Err(DeviceStateError::Contents));
        }
    }
}
