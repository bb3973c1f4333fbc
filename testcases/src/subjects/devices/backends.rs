//! What stands behind the virtio devices: nothing that takes time, and nothing of the host's that others can see.

use super::{DeviceError, changes::Changes, echoed_socket::EchoedSocket};
use case::{
    Devices,
    devices::{console, disk, gpu, network},
};
use std::{
    error::Error,
    io::{self, Read},
    os::unix::net::UnixStream,
};
use virtio::{
    VirtioDevice,
    devices::{
        Balloon, Block, Channel, Console, Discard, Entropy, FrameBuffer, Gpu, HostStack, Network, NetworkOptions, Port,
        Scsi,
    },
    disk::MemoryDisk,
};

/// A device of this kind with what a case finds in it.
///
/// Who is to change its configuration gets the host's side of it.
pub(super) fn device(kind: Devices, changes: Option<&mut Changes>) -> Result<Box<dyn VirtioDevice>, DeviceError> {
    let device = kind.titles().next().unwrap_or("virtio device");
    make(kind, changes).map_err(|source| DeviceError { device, source })
}

fn make(kind: Devices, changes: Option<&mut Changes>) -> Result<Box<dyn VirtioDevice>, Box<dyn Error + Send + Sync>> {
    Ok(match kind {
        Devices::BLOCK => {
            let mut block = Block::new(Box::new(memory_disk(false)), disk::ID, 1);
            if let Some(changes) = changes {
                changes.disks.push(block.control()?);
            }
            Box::new(block)
        }
        Devices::READ_ONLY_BLOCK => Box::new(Block::new(Box::new(memory_disk(true)), disk::ID, 1)),
        Devices::SCSI => {
            let scsi = Scsi::new(1)?;
            scsi.bus().attach(0, Box::new(memory_disk(false)), disk::ID)?;
            if let Some(changes) = changes {
                changes.buses.push(scsi.bus());
            }
            Box::new(scsi)
        }
        Devices::NETWORK => {
            let network = Network::new(NetworkOptions::new(network::MAC), HostStack::new())?;
            if let Some(changes) = changes {
                changes.links.push(network.link_state());
                changes.announcements.push(network.announcement());
            }
            Box::new(network)
        }
        Devices::CONSOLE => {
            let ports = vec![Port::console(looped_back()?), Port::named(console::NAME, looped_back()?)];
            let console = Console::new(ports)?;
            if let Some(changes) = changes {
                changes.consoles.push(console.size());
            }
            Box::new(console)
        }
        Devices::BALLOON => {
            let balloon = Balloon::new(Kept)?;
            if let Some(changes) = changes {
                changes.balloons.push(balloon.control());
            }
            Box::new(balloon)
        }
        Devices::SOCKET => Box::new(EchoedSocket::new()?),
        Devices::GPU => {
            let gpu = Gpu::new(gpu::SIZE.0, gpu::SIZE.1, FrameBuffer::new())?;
            if let Some(changes) = changes {
                changes.screens.push(gpu.screen_size());
            }
            Box::new(gpu)
        }
        _ => Box::new(Entropy::new(Bytes(0x9e37_79b9_7f4a_7c15))),
    })
}

/// The bytes of the disk that cases know.
pub(in crate::subjects) fn disk_bytes() -> Vec<u8> {
    let nr_words = disk::SECTOR_BYTES as usize / size_of::<u64>();
    (0..disk::NR_SECTORS).flat_map(|sector| disk::word(sector).to_le_bytes().repeat(nr_words)).collect()
}

pub(super) fn memory_disk(is_read_only: bool) -> MemoryDisk {
    MemoryDisk::new(disk_bytes(), is_read_only)
}

/// A channel that gives back what it gets.
fn looped_back() -> io::Result<Channel> {
    let (input, output) = UnixStream::pair()?;
    input.set_nonblocking(true)?;
    output.set_nonblocking(true)?;
    Ok(Channel::new(input, output))
}

/// Leaves what a balloon gives back where it is: a virtual machine runs one case.
#[derive(Debug)]
struct Kept;

impl Discard for Kept {
    fn discard(&mut self, _: u64, _: u64) {}
}

/// Bytes that differ from each other enough for a case to see that they were written: an xorshift generator.
#[derive(Debug)]
struct Bytes(u64);

impl Read for Bytes {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        for chunk in bytes.chunks_mut(8) {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            chunk.copy_from_slice(&self.0.to_le_bytes()[..chunk.len()]);
        }
        Ok(bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_fill_any_size_and_go_on() {
        let mut source = Bytes(1);
        let mut pieces = [[0; 11]; 2];
        for piece in &mut pieces {
            assert_eq!(source.read(piece).unwrap(), 11);
        }
        assert_ne!(pieces[0], pieces[1]);
        assert!(pieces.iter().all(|piece| piece.iter().any(|byte| *byte != 0)));
    }

    #[test]
    fn the_disk_tells_each_sector_from_the_others() {
        let bytes = disk_bytes();
        assert_eq!(bytes.len() as u64, disk::NR_SECTORS * disk::SECTOR_BYTES);
        let at = 5 * disk::SECTOR_BYTES as usize + 8;
        assert_eq!(bytes[at..][..8], disk::word(5).to_le_bytes());
        assert_ne!(disk::word(5), disk::word(6));
    }
}
