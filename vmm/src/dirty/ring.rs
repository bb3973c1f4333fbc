//! A vCPU's dirty ring: KVM writes the number of each page that the vCPU dirtied into it.
//!
//! Source: Linux, "Documentation/virt/kvm/api.rst" § KVM_CAP_DIRTY_LOG_RING.

#![expect(unsafe_code, reason = "the ring is memory that KVM writes to while it is read")]
// UNSAFETY: a mapping of the vCPU's file that this module owns, and atomic accesses to the flags of its entries.

use kvm_bindings::{KVM_DIRTY_LOG_PAGE_OFFSET, kvm_dirty_gfn};
use kvm_ioctls::VcpuFd;
use std::{
    io,
    os::fd::AsRawFd,
    ptr::{self, NonNull},
    sync::atomic::{AtomicU32, Ordering},
};

/// Entries of a ring, as many as KVM allows (KVM_DIRTY_RING_MAX_ENTRIES). KVM stops the vCPU before it is full, but keeps room for
/// 64 entries only: one that interprets many instructions at once tells of each of their writes, may pass that, and loses what does
/// not fit. Such a ring is to be harvested before it is nearly full.
pub(super) const NR_ENTRIES: usize = 1 << 16;
/// Its size in bytes.
pub(super) const SIZE_BYTES: usize = NR_ENTRIES * size_of::<kvm_dirty_gfn>();
/// Flags of an entry.
const DIRTY: u32 = 1;
const RESET: u32 = 2;

/// The ring of one vCPU.
#[derive(Debug)]
pub(super) struct Ring {
    entries: NonNull<kvm_dirty_gfn>,
    /// The entry that is looked at next.
    next: usize,
}

// SAFETY: the mapping belongs to this value, and does not care which thread reads it.
unsafe impl Send for Ring {}

impl Ring {
    /// Maps that of a vCPU. The mapping keeps what it needs of the vCPU alive.
    pub(super) fn new(vcpu: &VcpuFd) -> io::Result<Self> {
        let offset = i64::from(KVM_DIRTY_LOG_PAGE_OFFSET) * crate::layout::PAGE_SIZE as i64;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping, where the system wants it; the result is checked.
        let mapping =
            unsafe { libc::mmap(ptr::null_mut(), SIZE_BYTES, protection, libc::MAP_SHARED, vcpu.as_raw_fd(), offset) };
        match NonNull::new(mapping.cast()) {
            Some(entries) if mapping != libc::MAP_FAILED => Ok(Self { entries, next: 0 }),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Tells each page that was dirtied, by slot and number in it, and gives its entry back. KVM_RESET_DIRTY_RINGS comes after
    /// this: only then is a page told again.
    pub(super) fn harvest(&mut self, mut tell: impl FnMut(u32, u64)) {
        // One round at most, whatever KVM adds meanwhile.
        for _ in 0..NR_ENTRIES {
            // SAFETY: the index is within the ring, which is mapped for as long as `self` exists.
            let entry = unsafe { self.entries.as_ptr().add(self.next) };
            // SAFETY: the field is aligned and mapped, and accessed as an atomic here and by KVM while both use it.
            let flags = unsafe { AtomicU32::from_ptr(ptr::addr_of_mut!((*entry).flags)) };
            if flags.load(Ordering::Acquire) & DIRTY == 0 {
                return;
            }
            // SAFETY: mapped as above; KVM wrote both before the flag, and writes them again only after the flag is RESET.
            let (slot, offset) = unsafe {
                (ptr::addr_of!((*entry).slot).read_volatile(), ptr::addr_of!((*entry).offset).read_volatile())
            };
            tell(slot, offset);
            flags.store(RESET, Ordering::Release);
            self.next = (self.next + 1) % NR_ENTRIES;
        }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: this value owns the mapping, and nothing else points into it.
        unsafe { libc::munmap(self.entries.as_ptr().cast(), SIZE_BYTES) };
    }
}
