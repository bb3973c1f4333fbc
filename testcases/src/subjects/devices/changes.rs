//! A device by which a guest asks the host to change configurations of its virtio devices.

use super::backends::memory_disk;
use case::{
    devices::disk::{ID, NR_SECTORS, SECTOR_BYTES},
    image::board,
};
use virtio::devices::{Announcement, BalloonControl, BlockControl, ConsoleSize, LinkState, ScreenSize, ScsiBus};
use vmm::{Device, DeviceStateError, Flow, GuestMemory, Location, Region};

/// The most sectors of a disk, which is in this process' memory: a thousand times what it has at first.
const NR_SECTORS_MAX: u32 = 1000 * NR_SECTORS as u32;
/// "Invalid argument", as Linux numbers it.
const EINVAL: u32 = 22;

/// The host's sides of the devices of a board.
#[derive(Default)]
pub(super) struct Changes {
    pub(super) disks: Vec<BlockControl>,
    pub(super) links: Vec<LinkState>,
    pub(super) balloons: Vec<BalloonControl>,
    pub(super) consoles: Vec<ConsoleSize>,
    pub(super) screens: Vec<ScreenSize>,
    pub(super) announcements: Vec<Announcement>,
    pub(super) buses: Vec<ScsiBus>,
    /// Of the last change: 0, or an error of the host.
    result: u32,
    /// Whether the target that comes and goes is there.
    is_plugged: bool,
}

/// The target that comes and goes.
const TARGET: u8 = 1;

const fn offset(register: u16) -> u64 {
    (register - board::CHANGE_CAPACITY) as u64
}

const LINK: u64 = offset(board::CHANGE_LINK);
const BALLOON: u64 = offset(board::CHANGE_BALLOON);
const CONSOLE: u64 = offset(board::CHANGE_CONSOLE);
const SCREEN: u64 = offset(board::CHANGE_SCREEN);
const ANNOUNCE: u64 = offset(board::CHANGE_ANNOUNCE);
const PLUG: u64 = offset(board::CHANGE_TARGET);

impl Changes {
    fn change(&mut self, offset: u64, value: u32) -> bool {
        let [low, high] = [value as u16, (value >> 16) as u16];
        match offset {
            0 if value <= NR_SECTORS_MAX => {
                let size_bytes = u64::from(value) * SECTOR_BYTES;
                self.disks.iter().all(|disk| disk.resize(size_bytes).is_ok())
                    && self.buses.iter().all(|bus| bus.resize(0, size_bytes).is_ok())
            }
            LINK if value <= 1 => {
                self.links.iter().for_each(|link| link.set_up(value == 1));
                true
            }
            BALLOON => {
                self.balloons.iter().for_each(|balloon| balloon.set_target(value));
                true
            }
            CONSOLE => {
                self.consoles.iter().for_each(|console| console.set(low, high));
                true
            }
            SCREEN => {
                self.screens.iter().for_each(|screen| screen.set(low, high));
                true
            }
            ANNOUNCE => {
                self.announcements.iter().for_each(Announcement::ask);
                true
            }
            PLUG if value <= 1 => self.plug(value == 1),
            _ => false,
        }
    }

    /// Gives the target a disk, or takes it away.
    fn plug(&mut self, is_plugged: bool) -> bool {
        self.is_plugged = is_plugged;
        self.buses.iter().all(|bus| match is_plugged {
            true => bus.attach(TARGET, Box::new(memory_disk(false)), ID).is_ok(),
            false => bus.detach(TARGET).is_ok(),
        })
    }
}

impl Device for Changes {
    fn regions(&self) -> Vec<Region> {
        vec![Region::Ports { first: board::CHANGE_CAPACITY, count: board::NR_CHANGE_PORTS }]
    }

    fn read(&mut self, at: Location, data: &mut [u8]) -> Flow {
        if let (0, Ok(data)) = (at.offset, <&mut [u8; 4]>::try_from(data)) {
            *data = self.result.to_le_bytes();
        }
        Flow::Continue
    }

    fn write(&mut self, at: Location, data: &[u8], _: &GuestMemory) -> Flow {
        if let Ok(value) = data.try_into() {
            self.result = if self.change(at.offset, u32::from_le_bytes(value)) { 0 } else { EINVAL };
        }
        Flow::Continue
    }

    fn save(&self) -> Result<Vec<u8>, DeviceStateError> {
        Ok([&self.result.to_le_bytes()[..], &[self.is_plugged.into()]].concat())
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), DeviceStateError> {
        let [result @ .., is_plugged @ (0 | 1)]: [u8; 5] = state.try_into().map_err(|_| DeviceStateError::Contents)?
        else {
            return Err(DeviceStateError::Contents);
        };
        self.result = u32::from_le_bytes(result);
        match is_plugged == 1 && !self.plug(true) {
            true => Err(DeviceStateError::Contents),
            false => Ok(()),
        }
    }
}
