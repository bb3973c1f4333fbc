//! The host's side of a device: what another thread does to it at any time.

use crate::{
    VirtioDevice,
    devices::{Balloon, Block, Console, Gpu, Network, Scsi},
    disk::MemoryDisk,
};

/// A device, and what a number makes of it from the host's side.
pub struct Hosted {
    pub(super) device: Box<dyn VirtioDevice>,
    pub(super) change: Box<dyn Fn(u32)>,
}

/// Sectors that disks get at most.
const NR_SECTORS_MAX: u64 = 300;
const SECTOR_BYTES: u64 = crate::disk::SECTOR_BYTES;

impl Hosted {
    /// One that nobody changes.
    pub(super) fn alone(device: Box<dyn VirtioDevice>) -> Self {
        Self { device, change: Box::new(|_| ()) }
    }

    fn new(device: impl VirtioDevice + 'static, change: impl Fn(u32) + 'static) -> Self {
        Self { device: Box::new(device), change: Box::new(change) }
    }

    /// A disk that gets other sizes, some of them impossible.
    ///
    /// # Panics
    /// If there are no descriptors.
    pub fn block(mut block: Block) -> Self {
        let control = block.control().expect("a descriptor");
        Self::new(block, move |value| _ = control.resize(size_of_disk(value)))
    }

    /// A console that gets other sizes.
    pub fn console(console: Console) -> Self {
        let size = console.size();
        Self::new(console, move |value| size.set(value as u16, (value >> 16) as u16))
    }

    /// A screen that gets other sizes.
    pub fn gpu(gpu: Gpu) -> Self {
        let size = gpu.screen_size();
        Self::new(gpu, move |value| size.set(value as u16, (value >> 16) as u16))
    }

    /// An interface whose cable is pulled out and plugged in, and whose driver is to announce itself.
    pub fn network(network: Network) -> Self {
        let (state, announcement) = (network.link_state(), network.announcement());
        Self::new(network, move |value| match value % 3 {
            2 => announcement.ask(),
            up => state.set_up(up == 1),
        })
    }

    /// A balloon that is to have other sizes.
    pub fn balloon(balloon: Balloon) -> Self {
        let control = balloon.control();
        Self::new(balloon, move |value| control.set_target(value))
    }

    /// A SCSI host whose targets get other sizes, and whose target 1 gets other disks, all of them called "disk": it has to have such a
    /// one in memory, which can be written.
    pub fn scsi(scsi: Scsi) -> Self {
        let bus = scsi.bus();
        Self::new(scsi, move |value| match value % 3 {
            // A state knows of as many disks as the host that takes it.
            2 if bus.detach(1).is_ok() => {
                let disk = MemoryDisk::new(vec![0; size_of_disk(value) as usize], false);
                bus.attach(1, Box::new(disk), "disk").expect("it is empty");
            }
            target => _ = bus.resize(target as u8, size_of_disk(value)),
        })
    }
}

fn size_of_disk(value: u32) -> u64 {
    let size_bytes = u64::from(value >> 2) % NR_SECTORS_MAX * SECTOR_BYTES;
    if value & 3 == 3 { size_bytes + 1 } else { size_bytes }
}
