//! A device by which a guest asks the host to change configurations of its virtio devices.

use case::{
    devices::disk::{NR_SECTORS, SECTOR_BYTES},
    image::board,
};
use virtio::devices::{BalloonControl, BlockControl, LinkState};
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
    /// Of the last change: 0, or an error of the host.
    result: u32,
}

const LINK: u64 = (board::CHANGE_LINK - board::CHANGE_CAPACITY) as u64;
const BALLOON: u64 = (board::CHANGE_BALLOON - board::CHANGE_CAPACITY) as u64;

impl Changes {
    fn change(&self, offset: u64, value: u32) -> bool {
        match offset {
            0 if value <= NR_SECTORS_MAX => {
                self.disks.iter().all(|disk| disk.resize(u64::from(value) * SECTOR_BYTES).is_ok())
            }
            LINK if value <= 1 => {
                self.links.iter().for_each(|link| link.set_up(value == 1));
                true
            }
            BALLOON => {
                self.balloons.iter().for_each(|balloon| balloon.set_target(value));
                true
            }
            _ => false,
        }
    }
}

impl Device for Changes {
    fn regions(&self) -> Vec<Region> {
        vec![Region::Ports { first: board::CHANGE_CAPACITY, count: board::CHANGE_BALLOON + 4 - board::CHANGE_CAPACITY }]
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
        Ok(self.result.to_le_bytes().to_vec())
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), DeviceStateError> {
        let state = state.try_into().map_err(|_| DeviceStateError::Contents)?;
        self.result = u32::from_le_bytes(state);
        Ok(())
    }
}
