//! Memory that the guest only reads.

use super::MemoryError;
use std::sync::Arc;
use vm_memory::{
    Bytes, GuestAddress, GuestMemoryRegion, GuestRegionMmap, MemoryRegionAddress, mmap::MmapRegionBuilder,
};

/// Memory that the guest only reads, behind all other memory; a clone is another reference.
#[derive(Clone, Debug)]
pub(crate) struct Rom {
    region: Arc<GuestRegionMmap<()>>,
}

impl Rom {
    /// One at `address` with these contents, which are whole pages below 4 GiB.
    pub(crate) fn new(address: u64, bytes: &[u8]) -> Result<Self, MemoryError> {
        let size_bytes = bytes.len() as u64;
        let failed = |source| MemoryError::Map { size_bytes, source };
        let region = MmapRegionBuilder::new(bytes.len())
            .with_mmap_prot(libc::PROT_READ | libc::PROT_WRITE)
            .with_mmap_flags(libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE)
            .build()
            .map_err(failed)?;
        let region = GuestRegionMmap::new(region, GuestAddress(address))
            .expect("a region below 4 GiB does not reach the end of the space");
        region.write_slice(bytes, MemoryRegionAddress(0)).expect("the region has the size of the bytes");
        Ok(Self { region: Arc::new(region) })
    }

    /// Guest physical address, address in this process and size in bytes, for KVM.
    pub(crate) fn place(&self) -> (u64, u64, u64) {
        (self.region.start_addr().0, self.region.as_ptr() as u64, self.region.len())
    }

    pub(super) fn read(&self, address: u64, bytes: &mut [u8]) -> Option<()> {
        let offset = address.checked_sub(self.region.start_addr().0)?;
        self.region.read_slice(bytes, MemoryRegionAddress(offset)).ok()
    }
}
