//! Changes of configurations that come from the host, when a case asks for them.

use crate::cpu::port;
use case::image::board::{CHANGE_BALLOON, CHANGE_CAPACITY, CHANGE_LINK};

/// What the host changes. All devices of that kind are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The disk of block devices has so many sectors. Those that are new read as zeros.
    Capacity(u32),
    /// The cable of network devices is plugged in (1), or not (0).
    Link(u32),
    /// Balloons are to have so many pages.
    Balloon(u32),
}

impl Change {
    /// Asks for it; a device may show it a little later. False if the host refused.
    pub fn ask(self) -> bool {
        let (register, value) = match self {
            Self::Capacity(nr_sectors) => (CHANGE_CAPACITY, nr_sectors),
            Self::Link(is_up) => (CHANGE_LINK, is_up),
            Self::Balloon(nr_pages) => (CHANGE_BALLOON, nr_pages),
        };
        port::write_u32(register, value);
        port::read_u32(CHANGE_CAPACITY) == 0
    }
}
