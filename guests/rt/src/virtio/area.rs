//! Memory that driver and device share: areas of queues and buffers.

use crate::{mmio, tables::Shared};

/// Bytes of each of the areas of a queue: of 256 descriptors.
pub(super) const AREA_SIZE: usize = 4096;
/// Descriptors, driver's area, device's area, indirect tables.
pub(super) const NR_AREAS: usize = 4;
/// Queues that a case can have: those of a console with two ports.
const NR_QUEUES: usize = 6;

/// Size of a buffer in bytes.
pub const BUFFER_SIZE: u32 = 256;
/// How many there are.
pub const NR_BUFFERS: usize = 64;

#[repr(align(4096))]
struct Areas(Shared<[[[u8; AREA_SIZE]; NR_AREAS]; NR_QUEUES]>);
static AREAS: Areas = Areas(Shared::new([[[0; AREA_SIZE]; NR_AREAS]; NR_QUEUES]));

#[repr(align(4096))]
struct Buffers(Shared<[[u8; BUFFER_SIZE as usize]; NR_BUFFERS]>);
static BUFFERS: Buffers = Buffers(Shared::new([[0; BUFFER_SIZE as usize]; NR_BUFFERS]));

/// Physical address of an area of a queue.
pub(super) fn area(queue: usize, index: usize) -> u64 {
    AREAS.0.0.get() as u64 + (queue % NR_QUEUES * NR_AREAS + index % NR_AREAS) as u64 * AREA_SIZE as u64
}

/// Physical address of a buffer, which is its linear address too; numbers beyond the last begin again.
pub fn buffer(index: usize) -> u64 {
    BUFFERS.0.0.get() as u64 + (index % NR_BUFFERS) as u64 * u64::from(BUFFER_SIZE)
}

/// Fills `size` bytes, a multiple of 8, from an address that [`buffer`] gave on.
pub fn fill(address: u64, size: u32, byte: u8) {
    for offset in (0..u64::from(size)).step_by(8) {
        mmio::write_u64(address + offset, u64::from_le_bytes([byte; 8]));
    }
}
