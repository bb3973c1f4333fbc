//! The test device's log of accesses: which accesses a device saw, of which size, in which order, with which data.
//!
//! Cases that use it need `Needs::TEST_DEVICE`.

use crate::cpu::port;
use case::image::board::{LOG_ACCESS, LOG_DATA_HIGH, LOG_DATA_LOW, LOG_SELECT, SCRATCH_MMIO, SCRATCH_PORT};

const WRITE: u64 = 1 << 24;
const PORT: u64 = 1 << 25;

/// An access without its data, as the log tells it: see [`case::image::board::LOG_ACCESS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access(pub u64);

impl Access {
    const fn at(offset: u64, size_bytes: u64) -> Self {
        Self(offset | size_bytes << 16)
    }

    /// A read of the scratch page.
    pub const fn read(offset: u64, size_bytes: u64) -> Self {
        Self::at(offset, size_bytes)
    }

    /// A write to the scratch page.
    pub const fn write(offset: u64, size_bytes: u64) -> Self {
        Self(Self::at(offset, size_bytes).0 | WRITE)
    }

    /// IN from a scratch port, counted from the first.
    pub const fn port_in(offset: u64, size_bytes: u64) -> Self {
        Self(Self::at(offset, size_bytes).0 | PORT)
    }

    /// OUT to a scratch port, counted from the first.
    pub const fn port_out(offset: u64, size_bytes: u64) -> Self {
        Self(Self::at(offset, size_bytes).0 | PORT | WRITE)
    }
}

/// Empties the log.
pub fn clear_log() {
    port::write_u32(LOG_ACCESS, 0);
}

/// Number of accesses since the last clearing.
pub fn read_nr_accesses() -> u64 {
    u64::from(port::read_u32(LOG_SELECT))
}

/// An access of the log, 0 the oldest.
pub fn read_access(index: u32) -> Access {
    port::write_u32(LOG_SELECT, index);
    Access(u64::from(port::read_u32(LOG_ACCESS)))
}

/// The data of an access of the log, 0 the oldest.
pub fn read_data(index: u32) -> u64 {
    port::write_u32(LOG_SELECT, index);
    u64::from(port::read_u32(LOG_DATA_LOW)) | u64::from(port::read_u32(LOG_DATA_HIGH)) << 32
}

/// The whole log as one value, if it holds no more than two accesses: the number in the top byte, then the second
/// access, then the first. Compare with [`summary`].
pub fn read_summary() -> u64 {
    let number = read_nr_accesses();
    let access = |index: u32| if u64::from(index) < number { read_access(index).0 } else { 0 };
    number << 56 | access(1) << 28 | access(0)
}

/// What [`read_summary`] returns after these accesses.
///
/// # Panics
/// If there are more than two.
pub const fn summary(accesses: &[Access]) -> u64 {
    match accesses {
        [] => 0,
        [one] => 1 << 56 | one.0,
        [one, two] => 2 << 56 | two.0 << 28 | one.0,
        _ => panic!("the summary tells two accesses"),
    }
}

/// Address of a byte of the scratch page.
pub const fn page_address(offset: u64) -> u64 {
    SCRATCH_MMIO + offset
}

/// Number of a scratch port.
pub const fn port_number(offset: u16) -> u16 {
    SCRATCH_PORT + offset
}
