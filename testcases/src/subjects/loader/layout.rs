//! Where things stand in the memory of a virtual machine that the loader starts.

/// Size of guest memory in MiB.
pub(in super::super) const MEMORY_MIB: u64 = 128;
/// Size of guest memory in bytes.
pub(in super::super) const MEMORY_SIZE_BYTES: u64 = MEMORY_MIB << 20;
/// Where the hole of the video memory begins.
pub(in super::super) const LEGACY_HOLE: u64 = 0xa_0000;
/// Where memory goes on behind the system ROM.
pub(in super::super) const LEGACY_HOLE_END: u64 = 0x10_0000;
/// Bochs gives memory in blocks of this size in bytes, in the order in which they are first touched.
pub(in super::super) const BLOCK: u64 = 0x2_0000;
/// The page of the PVH start info: the start of the block below the image.
pub(in super::super) const START_INFO: u64 = IMAGE - BLOCK;
/// Where every guest image starts; `link.ld` of `rt` says so.
pub(in super::super) const IMAGE: u64 = 0x20_0000;
/// The system ROM: the last 64 KiB below 4 GiB.
pub(in super::super) const ROM: u32 = 0xffff_0000;
/// Size of the system ROM in bytes.
pub(in super::super) const ROM_SIZE: usize = 0x1_0000;

const _: () = assert!(IMAGE.is_multiple_of(BLOCK) && ROM as u64 + ROM_SIZE as u64 == 1 << 32);
