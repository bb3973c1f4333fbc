//! A host of SCSI disks (§ 5.6 "SCSI Host Device"): up to eight targets with one logical unit each.

mod address;
mod bus;
mod command;
mod control;
mod inquiry;
mod mode;
mod request;
mod saved;
mod sense;
mod target;
#[cfg(test)]
mod tests;

use crate::{DeviceKind, Io, Memory, RingError, VirtioDevice, disk::Transfer};
pub use address::TARGETS_MAX;
use bus::{EVENT_BYTES, EVENT_QUEUE, Shared};
pub use bus::{ScsiBus, ScsiError};
use sense::Sense;
use std::{
    io,
    os::fd::{AsRawFd, RawFd},
    sync::Arc,
};
use target::{SECTORS_MAX, Target};
use vm_state::DeviceStateError;

/// The largest size of each queue.
const QUEUE_SIZE: u16 = 256;
/// The queue of task management.
const CONTROL_QUEUE: usize = 0;
/// Sizes that the driver can change, after reset (§ 5.6.4).
const SENSE_SIZE: u32 = 96;
const CDB_SIZE: u32 = 32;
/// Offsets of them in the configuration.
const SENSE_SIZE_AT: usize = 20;
const CDB_SIZE_AT: usize = 24;
/// The largest sizes that are taken: no command is longer, and no sense data by far.
const SENSE_SIZE_MAX: u32 = 4096;
const CDB_SIZE_MAX: u32 = 260;

bitflags::bitflags! {
    /// Feature bits (§ 5.6.3).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct ScsiFeatures: u64 {
        /// The driver hears of targets that come and go.
        const HOTPLUG = 1 << 1;
        /// The driver hears of other parameters of a disk, such as its size.
        const CHANGE = 1 << 2;
    }
}

/// A host of SCSI disks.
pub struct Scsi {
    targets: [Option<Target>; TARGETS_MAX as usize],
    bus: ScsiBus,
    queue_sizes: Vec<u16>,
    accepted: ScsiFeatures,
    sense_size: u32,
    cdb_size: u32,
    /// Whether the driver could not be told of something.
    missed: bool,
    transfer: Transfer,
}

impl Scsi {
    /// One without disks and with so many queues for requests, at least one and at most sixteen.
    ///
    /// # Errors
    /// If the host has no event to wake it by.
    pub fn new(nr_queues: u16) -> io::Result<Self> {
        let nr_queues = usize::from(nr_queues.clamp(1, 16));
        Ok(Self {
            targets: Default::default(),
            bus: ScsiBus { shared: Arc::new(Shared::new()?) },
            queue_sizes: vec![QUEUE_SIZE; EVENT_QUEUE + 1 + nr_queues],
            accepted: ScsiFeatures::empty(),
            sense_size: SENSE_SIZE,
            cdb_size: CDB_SIZE,
            missed: false,
            transfer: Transfer::default(),
        })
    }

    /// The way to attach disks, now and later.
    pub fn bus(&self) -> ScsiBus {
        self.bus.clone()
    }

    /// § 5.6.4 "Device configuration layout".
    fn config(&self) -> [u8; 36] {
        let mut bytes = [0; 36];
        let words = [
            self.queue_sizes.len() as u32 - 2,
            // seg_max: a request and a response, and the rest are data.
            u32::from(QUEUE_SIZE) - 2,
            SECTORS_MAX,
            // cmd_per_lun.
            u32::from(QUEUE_SIZE) / 2,
            EVENT_BYTES as u32,
            self.sense_size,
            self.cdb_size,
            // max_channel, then max_target: one byte leads to either.
            u32::from(TARGETS_MAX - 1) << 16,
            // max_lun.
            0,
        ];
        for (bytes, word) in bytes.as_chunks_mut().0.iter_mut().zip(words) {
            *bytes = word.to_le_bytes();
        }
        bytes
    }
}

impl VirtioDevice for Scsi {
    fn kind(&self) -> DeviceKind {
        DeviceKind::Scsi
    }

    fn queue_sizes(&self) -> &[u16] {
        &self.queue_sizes
    }

    fn features(&self) -> u64 {
        ScsiFeatures::all().bits()
    }

    fn accept(&mut self, features: u64) -> bool {
        self.accepted = ScsiFeatures::from_bits_truncate(features);
        true
    }

    fn read_config(&self, offset: usize, data: &mut [u8]) {
        let config = self.config();
        for (byte, of_config) in data.iter_mut().zip(config.get(offset..).unwrap_or_default()) {
            *byte = *of_config;
        }
    }

    fn write_config(&mut self, offset: usize, data: &[u8], _: &mut Io<'_>) {
        let Ok(value) = <[u8; 4]>::try_from(data).map(u32::from_le_bytes) else { return };
        // § 5.6.4.1: other fields, and sizes that are none, must not be written.
        match offset {
            SENSE_SIZE_AT if value <= SENSE_SIZE_MAX => self.sense_size = value,
            CDB_SIZE_AT if value <= CDB_SIZE_MAX => self.cdb_size = value,
            _ => {}
        }
    }

    fn reset(&mut self) {
        // § 5.6.4.2: the sizes are those of before.
        (self.sense_size, self.cdb_size) = (SENSE_SIZE, CDB_SIZE);
        self.accepted = ScsiFeatures::empty();
        self.missed = false;
        for target in self.targets.iter_mut().flatten() {
            target.reset(Sense::POWER_ON);
        }
    }

    fn start(&mut self, _: &mut Io<'_>) -> Result<(), RingError> {
        // A driver that starts looks at all targets.
        self.take_changes();
        Ok(())
    }

    fn notified(&mut self, queue: usize, io: &mut Io<'_>) -> Result<(), RingError> {
        let changes = self.take_changes();
        self.tell(changes, io)?;
        match queue {
            CONTROL_QUEUE => io.each(queue, |chain, memory| Ok(self.control(chain, memory))),
            EVENT_QUEUE => self.tell_missed(io),
            _ => io.each(queue, |chain, memory| Ok(self.request(chain, memory))),
        }
    }

    fn wake_ups(&self) -> Vec<RawFd> {
        vec![self.bus.shared.event.as_raw_fd()]
    }

    fn woken(&mut self, io: &mut Io<'_>) -> Result<(), RingError> {
        let changes = self.take_changes();
        self.tell(changes, io)
    }

    fn save(&mut self) -> Result<Vec<u8>, DeviceStateError> {
        self.give_bytes()
    }

    fn restore(&mut self, state: &[u8], _: &Memory) -> Result<(), DeviceStateError> {
        self.take_bytes(state)
    }
}
