//! Pictures of the driver (§ 5.7.6.8, VIRTIO_GPU_CMD_RESOURCE_CREATE_2D and what uses them).

mod saved;

pub(super) use saved::ResourceState;

use super::protocol::{Failure, Rectangle};
use crate::Memory;
use vm_memory::{Bytes, GuestAddress, GuestMemoryBackend};

/// Bytes of a pixel in every format.
pub(super) const PIXEL_BYTES: usize = 4;

/// A picture.
pub(super) struct Resource {
    pub(super) width: u32,
    pub(super) height: u32,
    /// Where red, green and blue stand in a pixel.
    places: [usize; 3],
    pixels: Vec<u8>,
    /// Guest memory that it comes from: the offset at which each part begins, its address and its size.
    backing: Vec<(u64, u64, u32)>,
}

impl Resource {
    /// A black one.
    pub(super) fn new(format: u32, width: u32, height: u32) -> Result<Self, Failure> {
        // VIRTIO_GPU_FORMAT_*: B8G8R8A8, B8G8R8X8, A8R8G8B8, X8R8G8B8, R8G8B8A8, X8B8G8R8, A8B8G8R8, R8G8B8X8.
        let places = match format {
            1 | 2 => [2, 1, 0],
            3 | 4 => [1, 2, 3],
            67 | 134 => [0, 1, 2],
            68 | 121 => [3, 2, 1],
            _ => return Err(Failure::InvalidParameter),
        };
        let size = usize::try_from(Self::size_bytes(width, height)).map_err(|_| Failure::OutOfMemory)?;
        Ok(Self { width, height, places, pixels: vec![0; size], backing: Vec::new() })
    }

    /// Size of a picture in bytes.
    pub(super) fn size_bytes(width: u32, height: u32) -> u64 {
        (u64::from(width) * u64::from(height)).saturating_mul(PIXEL_BYTES as u64)
    }

    pub(super) fn has_backing(&self) -> bool {
        !self.backing.is_empty()
    }

    /// Parts of its backing.
    pub(super) fn nr_parts(&self) -> usize {
        self.backing.len()
    }

    /// Uses guest memory; all of it is checked to be there.
    pub(super) fn attach(&mut self, memory: &Memory, parts: &[(u64, u32)]) -> Result<(), Failure> {
        if !parts.iter().all(|(address, size)| memory.check_range(GuestAddress(*address), *size as usize)) {
            return Err(Failure::InvalidParameter);
        }
        let mut offset = 0;
        self.backing.clear();
        for (address, size) in parts.iter().filter(|(_, size)| *size > 0) {
            self.backing.push((offset, *address, *size));
            offset += u64::from(*size);
        }
        Ok(())
    }

    pub(super) fn detach(&mut self) {
        self.backing = Vec::new();
    }

    /// Copies a part of the picture from guest memory, in which its first pixel stands at `offset`.
    pub(super) fn transfer(&mut self, memory: &Memory, area: Rectangle, offset: u64) -> Result<(), Failure> {
        if !area.is_within(self.width, self.height) {
            return Err(Failure::InvalidParameter);
        }
        let row_bytes = area.width as usize * PIXEL_BYTES;
        let stride = u64::from(self.width) * PIXEL_BYTES as u64;
        let last = (u64::from(area.height) - 1) * stride + row_bytes as u64;
        let backing_bytes = self.backing.last().map_or(0, |(offset, _, size)| offset + u64::from(*size));
        if offset.checked_add(last).is_none_or(|end| end > backing_bytes) {
            return Err(Failure::InvalidParameter);
        }
        for row in 0..area.height {
            let at = self.index(area.x, area.y + row);
            copy(memory, &self.backing, offset + u64::from(row) * stride, &mut self.pixels[at..at + row_bytes]);
        }
        Ok(())
    }

    fn index(&self, x: u32, y: u32) -> usize {
        (y as usize * self.width as usize + x as usize) * PIXEL_BYTES
    }

    /// Red, green and blue of a part of a row, which lies within the picture.
    pub(super) fn row(&self, x: u32, y: u32, width: u32) -> impl Iterator<Item = [u8; 3]> {
        let at = self.index(x, y);
        let (pixels, _) = self.pixels[at..at + width as usize * PIXEL_BYTES].as_chunks::<PIXEL_BYTES>();
        pixels.iter().map(|pixel| self.places.map(|place| pixel[place]))
    }
}

/// Copies from the parts of a backing, which are as long as is copied.
fn copy(memory: &Memory, backing: &[(u64, u64, u32)], mut offset: u64, mut bytes: &mut [u8]) {
    let mut index = backing.partition_point(|(first, ..)| *first <= offset).saturating_sub(1);
    while let (false, Some((first, address, size))) = (bytes.is_empty(), backing.get(index)) {
        let within = offset - first;
        let size = bytes.len().min((u64::from(*size) - within) as usize);
        let (now, later) = bytes.split_at_mut(size);
        // It was within memory when it was attached, and memory does not shrink.
        let _ = memory.read_slice(now, GuestAddress(address + within));
        (bytes, offset, index) = (later, offset + size as u64, index + 1);
    }
}
