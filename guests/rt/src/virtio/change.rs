//! Changes of configurations that come from the host, when a case asks for them.

use crate::cpu::port;
use case::image::board::{
    CHANGE_ANNOUNCE, CHANGE_BALLOON, CHANGE_CAPACITY, CHANGE_CONSOLE, CHANGE_LINK, CHANGE_SCREEN, CHANGE_TARGET,
};

/// What the host changes. All devices of that kind are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The disks of block devices and SCSI hosts have so many sectors. Those that are new read as zeros.
    Capacity(u32),
    /// The cable of network devices is plugged in (1), or not (0).
    Link(u32),
    /// Balloons are to have so many pages.
    Balloon(u32),
    /// Consoles have so many columns, in the low half, and rows.
    Console(u32),
    /// Screens of GPUs have so many pixels across, in the low half, and down.
    Screen(u32),
    /// Drivers of network devices are to announce themselves.
    Announce,
    /// Target 1 of SCSI hosts has a disk (1), or none (0).
    Target(u32),
}

impl Change {
    /// Asks for it; a device may show it a little later. False if the host refused.
    pub fn ask(self) -> bool {
        let (register, value) = match self {
            Self::Capacity(nr_sectors) => (CHANGE_CAPACITY, nr_sectors),
            Self::Link(is_up) => (CHANGE_LINK, is_up),
            Self::Balloon(nr_pages) => (CHANGE_BALLOON, nr_pages),
            Self::Console(size) => (CHANGE_CONSOLE, size),
            Self::Screen(size) => (CHANGE_SCREEN, size),
            Self::Announce => (CHANGE_ANNOUNCE, 1),
            Self::Target(has_disk) => (CHANGE_TARGET, has_disk),
        };
        port::write_u32(register, value);
        port::read_u32(CHANGE_CAPACITY) == 0
    }
}
