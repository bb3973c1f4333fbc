//! Memory for register images: a few areas of 16 KiB, each large enough for any XSAVE area that a case uses.

use rt::{mmio, paging::frame};

/// Frames of an area.
const NR_FRAMES: usize = 4;

/// An area, by its address.
#[derive(Clone, Copy)]
pub(super) struct Area(u64);

impl Area {
    /// Area 0 to 3. Its memory is zero when a case starts.
    pub(super) fn new(index: usize) -> Self {
        Self(frame(index * NR_FRAMES))
    }

    pub(super) const fn address(self) -> u64 {
        self.0
    }

    /// The quadword at an offset in bytes.
    pub(super) fn read(self, offset: u64) -> u64 {
        mmio::read_u64(self.0 + offset)
    }

    pub(super) fn write(self, offset: u64, value: u64) {
        mmio::write_u64(self.0 + offset, value);
    }

    /// Writes `value` to each quadword from `first` up to `end`, in bytes.
    pub(super) fn fill(self, first: u64, end: u64, value: u64) {
        let mut offset = first;
        while offset < end {
            self.write(offset, value);
            offset += 8;
        }
    }
}
