//! The address space of an execution: code, data windows, stack. The same linear addresses in every executor.
//!
//! All addresses are below 2 GiB, so that 32-bit addressing and sign-extended displacements reach them.

/// Size of a page in bytes.
pub const PAGE: u64 = 0x1000;

/// First of the two pages that hold the instruction. Both may be executed and read, not written.
pub const CODE: u64 = 0x1000_0000;
/// Number of pages of code.
pub const NR_CODE_PAGES: u64 = 2;
/// Where the instruction starts unless the input asks for another place in the first page.
pub const CODE_OFFSET: u64 = 0x800;

/// First page of the stack window: two pages of memory (never a device) that may be read and written.
pub const STACK: u64 = 0x1100_0000;
/// Number of pages of the stack window.
pub const NR_STACK_PAGES: u64 = 2;

/// Address of the first data window; the others follow every [`STEP`] bytes.
pub const DATA: u64 = 0x1200_0000;
/// Distance between data windows in bytes. What lies between two windows is not mapped.
pub const STEP: u64 = 0x10_0000;

/// End of the last data window's step; above the stack window nothing but windows is mapped below it.
pub const WINDOWS_END: u64 = DATA + Window::ALL.len() as u64 * STEP;

/// Nothing is mapped below this address, which is as far as 16 bits reach.
pub const LOW_END: u64 = 0x1_0000;

/// What a page of a data window is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Page {
    /// What is under test: memory on one executor, a device on another; may be read and written.
    Tested,
    /// Memory on every executor; may be read and written.
    Memory,
    /// Memory on every executor; may be read only.
    ReadOnly,
    /// Not mapped.
    Absent,
}

/// A data window: two pages, one behind the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Window {
    /// Both pages are under test.
    Plain,
    /// The second page is not mapped.
    EndsAbsent,
    /// The second page is read-only memory.
    EndsReadOnly,
    /// The second page is memory.
    EndsMemory,
    /// The first page is memory, the second under test.
    StartsMemory,
}

impl Window {
    /// Every window, in the order of their addresses.
    pub const ALL: [Self; 5] =
        [Self::Plain, Self::EndsAbsent, Self::EndsReadOnly, Self::EndsMemory, Self::StartsMemory];

    /// Linear address of its first byte.
    pub const fn address(self) -> u64 {
        DATA + self as u64 * STEP
    }

    /// Its two pages.
    pub const fn pages(self) -> [Page; 2] {
        match self {
            Self::Plain => [Page::Tested, Page::Tested],
            Self::EndsAbsent => [Page::Tested, Page::Absent],
            Self::EndsReadOnly => [Page::Tested, Page::ReadOnly],
            Self::EndsMemory => [Page::Tested, Page::Memory],
            Self::StartsMemory => [Page::Memory, Page::Tested],
        }
    }
}

/// Size of a window in bytes.
pub const SIZE: usize = 2 * PAGE as usize;
