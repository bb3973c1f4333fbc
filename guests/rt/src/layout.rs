//! Where things stand in guest memory. `link.ld` repeats the addresses and asserts that they agree.

/// Where the image starts: the stubs of the 256 vectors, [`VECTOR_STUB_SIZE`] bytes each.
pub const VECTORS: u64 = 0x20_0000;
/// Size of one vector's stub in bytes.
pub const VECTOR_STUB_SIZE: u64 = 16;
/// The GDT.
pub const GDT: u64 = 0x20_1000;
/// The 64-bit TSS with its I/O permission bitmap of 8 KiB: three pages.
pub const TSS: u64 = 0x20_2000;
/// The IDT: one page.
pub const IDT: u64 = 0x20_5000;
/// The page-map level-4 table, and behind it each other boot table; see [`crate::tables`].
pub const PML4: u64 = 0x20_6000;
/// Page-directory-pointer table of the identity map.
pub const IDENTITY_PDPT: u64 = 0x20_7000;
/// Four page directories that map 0 to 4 GiB onto themselves in pages of 2 MiB.
pub const IDENTITY_PD: u64 = 0x20_8000;
/// Page-directory-pointer table of the window for paging cases.
pub const WINDOW_PDPT: u64 = 0x20_c000;
/// Page directory of the window.
pub const WINDOW_PD: u64 = 0x20_d000;
/// Page table of the window: 512 pages of 4 KiB, all absent at first.
pub const WINDOW_PT: u64 = 0x20_e000;
/// What each processor has of its own: one page, which is another page of memory on each processor; see [`crate::smp`].
pub const PROCESSOR: u64 = 0x20_f000;
/// The pages shared with the host for messages: [`page::SIZE`](case::message::page::SIZE) bytes. The image holds none of them.
pub const REPORT_PAGES: u64 = 0x21_0000;
/// Code and data follow.
pub const IMAGE_REST: u64 = 0x23_0000;
const _: () = assert!(IMAGE_REST - REPORT_PAGES == case::message::page::SIZE as u64);

/// Linear address of the window: the second entry of the PML4.
pub const WINDOW: u64 = 0x80_0000_0000;
/// A linear address that nothing maps and nothing ever will: the third entry of the PML4.
pub const UNMAPPED: u64 = 0x100_0000_0000;

/// Memory behind the image that nothing uses, for cases about large pages: two pages of 4 MiB. Every subject has so much.
pub const LARGE_PAGES: [u64; 2] = [0x100_0000, 0x140_0000];
