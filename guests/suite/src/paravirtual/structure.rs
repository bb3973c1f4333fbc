//! A structure in guest memory that an MSR gives to the hypervisor, and memory around it that is not its.

use rt::{mmio, paging};

/// What stands around it.
const UNTOUCHED: u64 = 0x3c96_5aa5_c3a5_69f0;
/// Bytes that are watched on each side.
const AROUND: u64 = 64;

/// A structure of zeros with watched memory on both sides.
#[derive(Clone, Copy, Debug)]
pub(super) struct Structure {
    address: u64,
    size: u64,
}

impl Structure {
    /// At this offset of a frame of the case; `size` and offset are multiples of 4.
    pub(super) fn new(frame: usize, offset: u64, size: u64) -> Self {
        let structure = Self { address: paging::frame(frame) + offset, size };
        for address in (structure.address - AROUND..structure.address + size + AROUND).step_by(4) {
            mmio::write_u32(address, UNTOUCHED as u32);
        }
        for offset in (0..size).step_by(4) {
            mmio::write_u32(structure.address + offset, 0);
        }
        structure
    }

    /// Where it stands.
    pub(super) const fn address(&self) -> u64 {
        self.address
    }

    /// Reads 32 bits of it.
    pub(super) fn read(&self, offset: u64) -> u32 {
        mmio::read_u32(self.address + offset)
    }

    /// How many of the watched words around it were written.
    pub(super) fn nr_written_around(&self) -> u64 {
        let before = self.address - AROUND..self.address;
        let behind = self.address + self.size..self.address + self.size + AROUND;
        let changed = |words: core::ops::Range<u64>| {
            words.step_by(4).filter(|&address| mmio::read_u32(address) != UNTOUCHED as u32).count() as u64
        };
        changed(before) + changed(behind)
    }

    /// How many words of it are not zero.
    pub(super) fn nr_written(&self) -> u64 {
        (0..self.size).step_by(4).filter(|&offset| self.read(offset) != 0).count() as u64
    }
}
