//! A disk (§ 5.2 "Block Device").

mod config;
mod request;
mod resize;
mod saved;
#[cfg(test)]
mod tests;

use crate::{
    Chain, DeviceKind, Io, Memory, RingError, VirtioDevice,
    disk::{Disk, SharedDisk, Transfer},
};
use config::{Config, QUEUE_SIZE};
pub use resize::BlockControl;
use resize::Resized;
use std::os::fd::{AsRawFd, RawFd};
use vm_state::DeviceStateError;

/// Bytes of the identification (§ 5.2.6): shorter ones end with a zero.
const ID_BYTES: usize = 20;

bitflags::bitflags! {
    /// Feature bits (§ 5.2.3).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct BlockFeatures: u64 {
        /// The largest number of segments is told.
        const SEG_MAX = 1 << 2;
        /// The disk cannot be written.
        const RO = 1 << 5;
        /// The size of a block is told.
        const BLK_SIZE = 1 << 6;
        /// There is a request that makes data stable.
        const FLUSH = 1 << 9;
        /// The best alignment is told.
        const TOPOLOGY = 1 << 10;
        /// The driver can say whether writes are stable at once.
        const CONFIG_WCE = 1 << 11;
        /// There are several queues.
        const MQ = 1 << 12;
        /// There is a request that gives sectors back.
        const DISCARD = 1 << 13;
        /// There is a request that writes zeros.
        const WRITE_ZEROES = 1 << 14;
    }
}

/// A disk.
pub struct Block {
    disk: SharedDisk,
    /// Size as the driver was told, in bytes: that of the disk can be another one for a while.
    capacity_bytes: u64,
    /// Told when it is, if somebody can change it.
    resized: Option<Resized>,
    id: [u8; ID_BYTES],
    queue_sizes: Vec<u16>,
    accepted: BlockFeatures,
    /// Whether writes may wait for a flush.
    is_write_back: bool,
    transfer: Transfer,
}

impl Block {
    /// One that keeps its data on `disk`, is called `id`, of which twenty bytes are told, and has so many queues, at least one
    /// and at most sixteen.
    pub fn new(disk: Box<dyn Disk>, id: &str, nr_queues: u16) -> Self {
        let mut bytes = [0; ID_BYTES];
        for (byte, of_id) in bytes.iter_mut().zip(id.bytes()) {
            *byte = of_id;
        }
        let queue_sizes = vec![QUEUE_SIZE; nr_queues.clamp(1, 16).into()];
        Self {
            capacity_bytes: disk.size_bytes(),
            disk: SharedDisk::new(disk),
            resized: None,
            id: bytes,
            queue_sizes,
            accepted: BlockFeatures::empty(),
            is_write_back: true,
            transfer: Transfer::default(),
        }
    }

    fn offered(&self) -> BlockFeatures {
        let mut features = BlockFeatures::all();
        features.set(BlockFeatures::MQ, self.queue_sizes.len() > 1);
        let is_read_only = self.disk.lock().is_read_only();
        features.set(BlockFeatures::RO, is_read_only);
        features.set(BlockFeatures::DISCARD | BlockFeatures::WRITE_ZEROES, !is_read_only);
        features
    }

    fn config(&self) -> Config {
        Config {
            size_bytes: self.capacity_bytes,
            nr_queues: self.queue_sizes.len() as u16,
            is_write_back: self.is_write_back,
            may_change: !self.disk.lock().is_read_only(),
        }
    }

    /// Does a request, and gives how many bytes were written.
    fn handle(&mut self, disk: &mut dyn Disk, chain: &Chain, memory: &Memory) -> u32 {
        // The status is the last byte, wherever the driver cut (§ 2.6.4): without one the request has no place for any answer.
        let Some(at) = chain.writable_bytes().checked_sub(1) else { return 0 };
        let (done, status) = self.perform(disk, chain, memory, at);
        // § 2.7.8.2: the bytes of the used length are all written, and the status is one of them, whatever failed before it.
        self.transfer.clear(done, at, chain, memory);
        chain.write(memory, at, &[status as u8]);
        u32::try_from(at + 1).unwrap_or(u32::MAX)
    }
}

impl VirtioDevice for Block {
    fn kind(&self) -> DeviceKind {
        DeviceKind::Block
    }

    fn queue_sizes(&self) -> &[u16] {
        &self.queue_sizes
    }

    fn features(&self) -> u64 {
        self.offered().bits()
    }

    fn accept(&mut self, features: u64) -> bool {
        self.accepted = BlockFeatures::from_bits_truncate(features);
        // § 5.2.5.2: without a way to make data stable, they have to be so at once.
        self.is_write_back = self.accepted.contains(BlockFeatures::FLUSH);
        true
    }

    fn read_config(&self, offset: usize, data: &mut [u8]) {
        self.config().read(offset, data);
    }

    fn write_config(&mut self, offset: usize, data: &[u8], _: &mut Io<'_>) {
        // § 5.2.5.1: without the feature drivers must not write it.
        let may_write = self.accepted.contains(BlockFeatures::CONFIG_WCE);
        if let ([value @ (0 | 1)], true) = (data, may_write && offset == config::WRITEBACK) {
            // What was written before is stable from then on, too; if it cannot be, the field reads as before.
            self.is_write_back = *value == 1 || (self.is_write_back && self.disk.lock().flush().is_err());
        }
    }

    fn reset(&mut self) {
        self.accepted = BlockFeatures::empty();
        self.is_write_back = true;
    }

    fn notified(&mut self, queue: usize, io: &mut Io<'_>) -> Result<(), RingError> {
        // It has one size for as long as requests are under way.
        let disk = self.disk.clone();
        let mut disk = disk.lock();
        io.each(queue, |chain, memory| Ok(self.handle(&mut **disk, chain, memory)))
    }

    fn start(&mut self, io: &mut Io<'_>) -> Result<(), RingError> {
        self.woken(io)
    }

    fn wake_ups(&self) -> Vec<RawFd> {
        self.resized.iter().map(AsRawFd::as_raw_fd).collect()
    }

    fn woken(&mut self, io: &mut Io<'_>) -> Result<(), RingError> {
        if self.resized.as_ref().is_some_and(Resized::take) && self.take_size() {
            io.change_config();
        }
        Ok(())
    }

    fn save(&mut self) -> Result<Vec<u8>, DeviceStateError> {
        self.give_bytes()
    }

    fn restore(&mut self, state: &[u8], _: &Memory) -> Result<(), DeviceStateError> {
        self.take_bytes(state)
    }
}
