//! PCI and virtio devices for the cases that need them, on our VMM.

use case::{Needs, image::board};
use std::io::{self, Read};
use virtio::devices::Entropy;
use vmm::{
    VmConfig,
    devices::{PciHost, VirtioMmio},
};

/// What comes with these devices.
pub(super) const OFFERED: Needs =
    Needs::PCI.union(Needs::VIRTIO_PCI).union(Needs::VIRTIO_MMIO).union(Needs::VIRTIO_ENTROPY);

const _: () = assert!(
    board::PCI_MAPPED == vmm::layout::pci::MAPPED_CONFIG
        && board::PCI_MEMORY == vmm::layout::pci::MEMORY_WINDOW
        && board::PCI_HIGH_MEMORY == vmm::layout::pci::HIGH_WINDOW
);

/// Adds the devices that a case needs: a virtual machine is dearer with each.
pub(super) fn with_devices(needs: Needs, mut config: VmConfig) -> VmConfig {
    if needs.intersects(Needs::PCI | Needs::VIRTIO_PCI | Needs::VIRTIO_ENTROPY) {
        config = config.with(PciHost::new().with(None, Box::new(entropy())));
    }
    if needs.intersects(Needs::VIRTIO_MMIO | Needs::VIRTIO_ENTROPY) {
        config = config.with(VirtioMmio::new(board::VIRTIO_MMIO, board::VIRTIO_MMIO_LINE.into(), Box::new(entropy())));
    }
    config
}

fn entropy() -> Entropy {
    Entropy::new(Bytes(0x9e37_79b9_7f4a_7c15))
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
}
