//! Guest memory: below the devices, and above 4 GiB what finds no room there.

#![expect(unsafe_code, reason = "giving pages back has no safe wrapper among our dependencies")]
// UNSAFETY: advice on mappings that guest memory owns.

mod map;
mod rom;
mod template;

pub use map::{MemoryMap, MemoryRange};
pub(crate) use rom::Rom;
pub use template::Backing;
pub(crate) use template::Template;

use crate::{dirty::WriteLog, layout};
use std::{io, sync::Arc};
use template::HUGE_PAGE_SIZE;
use vm_memory::{
    Bytes, GuestAddress, GuestMemoryBackend, GuestMemoryMmap, GuestMemoryRegion, GuestRegionMmap, MmapRegion,
};

/// Why guest memory could not be made.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// The size is not one that this VMM offers.
    #[error(
        "{size_bytes:#x} bytes of guest memory: must be a multiple of {:#x} from {:#x} to {:#x}",
        layout::PAGE_SIZE,
        layout::MEMORY_MIN,
        layout::MEMORY_MAX
    )]
    Size {
        /// The size asked for.
        size_bytes: u64,
    },
    /// Memory below 4 GiB cannot end there.
    #[error(
        "memory below 4 GiB cannot end at {low_end:#x}: it does at a multiple of {:#x}, from {:#x} to {:#x}",
        layout::LOW_END_UNIT,
        layout::MEMORY_MIN,
        layout::MEMORY_END
    )]
    LowEnd {
        /// The end asked for.
        low_end: u64,
    },
    /// The memfd could not be created, sized or sealed.
    #[error("failed to create a memfd of {size_bytes:#x} bytes for guest memory")]
    Memfd {
        /// The size asked for.
        size_bytes: u64,
        /// Why.
        source: io::Error,
    },
    /// The memfd could not be mapped.
    #[error("failed to map {size_bytes:#x} bytes of guest memory: check the limits on memory and mappings")]
    Map {
        /// The size asked for.
        size_bytes: u64,
        /// Why.
        source: vm_memory::mmap::MmapRegionError,
    },
    /// There are not so many huge pages.
    #[error(
        "failed to map {size_bytes:#x} bytes of guest memory in huge pages of {:#x}: the size must be a multiple of that, and \
         /proc/sys/vm/nr_hugepages must have as many free",
        HUGE_PAGE_SIZE
    )]
    HugePages {
        /// The size asked for.
        size_bytes: u64,
        /// Why.
        source: io::Error,
    },
    /// The kernel does not take the advice.
    #[error("this kernel has no {feature}, which guest memory was asked to use")]
    Advice {
        /// What it lacks.
        feature: &'static str,
        /// Why.
        source: io::Error,
    },
}

/// An access outside guest memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{size_bytes} bytes at {address:#x} are not within guest memory")]
pub struct OutsideMemory {
    /// Guest physical address of the first byte.
    pub address: u64,
    /// Size of the access in bytes.
    pub size_bytes: usize,
}

/// Memory of a VM by guest physical address; a clone is another reference to the same memory.
#[derive(Clone, Debug)]
pub struct GuestMemory {
    inner: GuestMemoryMmap<()>,
    map: MemoryMap,
    /// Size of the host's pages in bytes.
    page_bytes: u64,
    rom: Option<Rom>,
    written: Option<Arc<WriteLog>>,
}

impl GuestMemory {
    /// Fills `bytes` from `address` on.
    pub fn read(&self, address: u64, bytes: &mut [u8]) -> Result<(), OutsideMemory> {
        let size_bytes = bytes.len();
        let read = self.inner.read_slice(bytes, GuestAddress(address)).ok();
        read.or_else(|| self.rom.as_ref()?.read(address, bytes)).ok_or(OutsideMemory { address, size_bytes })
    }

    /// Writes `bytes` from `address` on.
    pub fn write(&self, address: u64, bytes: &[u8]) -> Result<(), OutsideMemory> {
        let size_bytes = bytes.len();
        let result = self.inner.write_slice(bytes, GuestAddress(address));
        // Also if a part of them found no place.
        if let Some(written) = &self.written {
            written.note(address, size_bytes);
        }
        result.map_err(|_| OutsideMemory { address, size_bytes })
    }

    /// The little-endian 32-bit value at `address`.
    pub fn read_u32(&self, address: u64) -> Result<u32, OutsideMemory> {
        let mut bytes = [0; 4];
        self.read(address, &mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    /// The little-endian 64-bit value at `address`.
    pub fn read_u64(&self, address: u64) -> Result<u64, OutsideMemory> {
        let mut bytes = [0; 8];
        self.read(address, &mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// Gives pages back to the host, until the guest touches them again: then they hold zeros, or what the image had there. All of
    /// `size_bytes` from `address` on has to be memory and whole pages, else nothing happens; nor does it if the host's pages are
    /// larger.
    pub fn discard(&self, address: u64, size_bytes: u64) {
        // Of larger ones, Linux 5.18 to 6.0 would give back all of the last one as well.
        let are_pages = address.is_multiple_of(self.page_bytes) && size_bytes.is_multiple_of(self.page_bytes);
        let range =
            (are_pages && size_bytes > 0).then(|| self.inner.get_slice(GuestAddress(address), size_bytes as usize));
        let Some(Ok(range)) = range else { return };
        // SAFETY: 1. the range lies within one region, which is mapped for as long as `self` exists, and a private mapping loses its
        // pages alone. 2. guest memory is accessed by nothing that relies on its contents.
        let _ = unsafe { libc::madvise(range.ptr_guard_mut().as_ptr().cast(), range.len(), libc::MADV_DONTNEED) };
        if let Some(written) = &self.written {
            written.note(address, size_bytes as usize);
        }
    }

    /// The same memory, of which each write of this VMM is noted from now on; clones made before are not.
    pub(crate) fn with_write_log(self) -> Self {
        Self { written: Some(Arc::new(WriteLog::new(self.map))), ..self }
    }

    /// The log of this VMM's writes, if there is one.
    pub(crate) fn written(&self) -> Option<&Arc<WriteLog>> {
        self.written.as_ref()
    }

    /// The same memory, whose pages are known to have this size.
    pub(crate) fn in_pages_of(self, page_bytes: u64) -> Self {
        Self { page_bytes, ..self }
    }

    /// The same memory with what is only read behind it.
    pub(crate) fn with_rom(self, rom: Rom) -> Self {
        Self { rom: Some(rom), ..self }
    }

    /// What is only read.
    pub(crate) fn rom(&self) -> Option<&Rom> {
        self.rom.as_ref()
    }

    /// Size in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.map.size_bytes()
    }

    /// Where it is.
    pub fn map(&self) -> MemoryMap {
        self.map
    }

    /// Address of a byte in this process, if it is memory that the guest can write.
    pub(crate) fn host_address(&self, address: u64) -> Option<u64> {
        self.inner.get_host_address(GuestAddress(address)).ok().map(|place| place as u64)
    }

    /// What KVM is told of it.
    pub(crate) fn slots(&self) -> impl Iterator<Item = Slot> {
        let ram = (0..).zip(self.inner.iter()).map(|(number, region)| Slot {
            number,
            range: MemoryRange { address: region.start_addr().0, size_bytes: region.len() },
            host_address: region.as_ptr() as u64,
            is_read_only: false,
        });
        let rom = self.rom.as_ref().map(|rom| {
            let (address, host_address, size_bytes) = rom.place();
            Slot { number: ROM_SLOT, range: MemoryRange { address, size_bytes }, host_address, is_read_only: true }
        });
        ram.chain(rom)
    }

    /// The same memory as crates of rust-vmm know it, for devices: their writes are not noted.
    pub(crate) fn shared(&self) -> virtio::Memory {
        if let Some(written) = &self.written {
            written.note_others();
        }
        self.inner.clone()
    }

    /// The same, for what is written before the VM runs.
    pub(crate) fn before_start(&self) -> &virtio::Memory {
        &self.inner
    }

    /// Of a region for each range of `map`.
    fn of(map: MemoryMap, regions: Vec<MmapRegion>) -> Self {
        let place = |(range, region): (MemoryRange, MmapRegion)| {
            GuestRegionMmap::new(region, GuestAddress(range.address)).expect("no range reaches the end of the space")
        };
        let regions = map.ranges().zip(regions).map(place).collect();
        let inner = GuestMemoryMmap::from_regions(regions).expect("ranges are in their order and overlap nothing");
        Self { inner, map, page_bytes: layout::PAGE_SIZE, rom: None, written: None }
    }
}

/// A slot of KVM's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) number: u32,
    pub(crate) range: MemoryRange,
    /// Where it is in this process.
    pub(crate) host_address: u64,
    pub(crate) is_read_only: bool,
}

/// The slot of what is only read; those of memory have lower numbers.
const ROM_SLOT: u32 = 2;

#[cfg(test)]
mod tests;
