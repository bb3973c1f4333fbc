//! A picture in a saved VM.

use super::{PIXEL_BYTES, Resource};
use crate::Memory;
use serde::{Deserialize, Serialize};
use vm_state::{DeviceStateError, value::ensure};

/// A picture in a saved VM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::devices::gpu) struct ResourceState {
    width: u32,
    height: u32,
    /// Where red, green and blue stand in a pixel.
    places: [u8; 3],
    pixels: Vec<u8>,
    /// Addresses and sizes of its guest memory.
    backing: Vec<(u64, u32)>,
}

impl ResourceState {
    pub(in crate::devices::gpu) fn size_bytes(&self) -> u64 {
        Resource::size_bytes(self.width, self.height)
    }

    pub(in crate::devices::gpu) fn nr_parts(&self) -> usize {
        self.backing.len()
    }
}

impl Resource {
    pub(in crate::devices::gpu) fn save(&self) -> ResourceState {
        ResourceState {
            width: self.width,
            height: self.height,
            places: self.places.map(|place| place as u8),
            pixels: self.pixels.clone(),
            backing: self.backing.iter().map(|(_, address, size)| (*address, *size)).collect(),
        }
    }

    /// The picture that was saved.
    pub(in crate::devices::gpu) fn restore(state: ResourceState, memory: &Memory) -> Result<Self, DeviceStateError> {
        let ResourceState { width, height, places, pixels, backing } = state;
        ensure(width > 0 && height > 0 && Self::size_bytes(width, height) == pixels.len() as u64)?;
        ensure(places.iter().all(|place| usize::from(*place) < PIXEL_BYTES))?;
        let mut resource = Self { width, height, places: places.map(usize::from), pixels, backing: Vec::new() };
        resource.attach(memory, &backing).map_err(|_| DeviceStateError::Contents)?;
        Ok(resource)
    }
}
