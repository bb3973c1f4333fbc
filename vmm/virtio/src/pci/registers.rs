//! The common configuration structure (§ 4.1.4.3).

use super::{NO_VECTOR, VirtioFunction, half};
use crate::{fault::TransportFault, mmio::with_half};
use serde::{Deserialize, Serialize};

/// Offsets.
pub(super) mod register {
    pub(in super::super) const DEVICE_FEATURE_SELECT: u64 = 0x00;
    pub(in super::super) const DEVICE_FEATURE: u64 = 0x04;
    pub(in super::super) const DRIVER_FEATURE_SELECT: u64 = 0x08;
    pub(in super::super) const DRIVER_FEATURE: u64 = 0x0c;
    pub(in super::super) const CONFIG_VECTOR: u64 = 0x10;
    pub(in super::super) const NUM_QUEUES: u64 = 0x12;
    pub(in super::super) const STATUS: u64 = 0x14;
    pub(in super::super) const GENERATION: u64 = 0x15;
    pub(in super::super) const QUEUE_SELECT: u64 = 0x16;
    pub(in super::super) const QUEUE_SIZE: u64 = 0x18;
    pub(in super::super) const QUEUE_VECTOR: u64 = 0x1a;
    pub(in super::super) const QUEUE_ENABLE: u64 = 0x1c;
    pub(in super::super) const QUEUE_NOTIFY_OFFSET: u64 = 0x1e;
    /// That of descriptors; the driver's and the device's areas eight and sixteen bytes on.
    pub(in super::super) const QUEUE_AREAS: u64 = 0x20;
    pub(in super::super) const QUEUE_NOTIFY_DATA: u64 = 0x38;
    pub(in super::super) const QUEUE_RESET: u64 = 0x3a;
}

/// What the driver selected.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Selectors {
    device_feature: u32,
    driver_feature: u32,
    queue: u16,
}

impl Selectors {
    pub(super) const fn device_feature(self) -> u32 {
        self.device_feature
    }
}

impl VirtioFunction {
    /// Reads a register with the width of its field (§ 4.1.3.1), or a half of a 64-bit one; others read as zero.
    pub(super) fn read_common(&self, offset: u64, data: &mut [u8]) {
        let value = match self.fault {
            None => self.register(offset, data.len()),
            Some(fault) => self.wrongly_read(fault, offset, data.len()),
        };
        let size = data.len().min(8);
        data[..size].copy_from_slice(&value.to_le_bytes()[..size]);
    }

    pub(super) fn register(&self, offset: u64, size: usize) -> u64 {
        let index = usize::from(self.selectors.queue);
        let queue = self.common.queue(index);
        match (offset, size) {
            (register::DEVICE_FEATURE_SELECT, 4) => self.selectors.device_feature.into(),
            (register::DEVICE_FEATURE, 4) => half(self.common.offered(), self.selectors.device_feature).into(),
            (register::DRIVER_FEATURE_SELECT, 4) => self.selectors.driver_feature.into(),
            (register::DRIVER_FEATURE, 4) => half(self.common.accepted(), self.selectors.driver_feature).into(),
            (register::CONFIG_VECTOR, 2) => self.vectors[0].into(),
            (register::NUM_QUEUES, 2) => self.common.nr_queues() as u64,
            (register::STATUS, 1) => self.common.status().bits().into(),
            (register::GENERATION, 1) => self.common.generation().into(),
            (register::QUEUE_SELECT, 2) => self.selectors.queue.into(),
            (register::QUEUE_SIZE, 2) => queue.map_or(0, |queue| queue.size.into()),
            (register::QUEUE_VECTOR, 2) => self.vectors.get(index + 1).copied().unwrap_or(NO_VECTOR).into(),
            (register::QUEUE_ENABLE, 2) => queue.is_some_and(|queue| queue.enabled).into(),
            (register::QUEUE_NOTIFY_OFFSET | register::QUEUE_NOTIFY_DATA, 2) => queue.map_or(0, |_| index as u64),
            // § 4.1.4.3.1: it reads 0 once the reset is over, which it is at once.
            (register::QUEUE_RESET, 2) => 0,
            (register::QUEUE_AREAS..register::QUEUE_NOTIFY_DATA, 4 | 8) if offset.is_multiple_of(size as u64) => {
                let area = queue.copied().and_then(|mut queue| queue.areas.at(area_of(offset)).copied()).unwrap_or(0);
                if size == 8 { area } else { half(area, (offset >> 2) as u32 & 1).into() }
            }
            _ => 0,
        }
    }

    /// Writes a register with the width of its field, or a half of a 64-bit one; other writes are dropped.
    pub(super) fn write_common(&mut self, offset: u64, data: &[u8]) {
        let mut bytes = [0; 8];
        let size = data.len().min(8);
        bytes[..size].copy_from_slice(&data[..size]);
        let value = u64::from_le_bytes(bytes);
        let Some(value) = self.fault.map_or(Some(value), |fault| Self::wrongly_written(fault, offset, size, value))
        else {
            return;
        };
        let index = usize::from(self.selectors.queue);
        match (offset, data.len()) {
            (register::DEVICE_FEATURE_SELECT, 4) => self.selectors.device_feature = value as u32,
            (register::DRIVER_FEATURE_SELECT, 4) => self.selectors.driver_feature = value as u32,
            (register::DRIVER_FEATURE, 4) => {
                let select = self.selectors.driver_feature;
                self.common.accept(with_half(self.common.accepted(), select, value as u32));
            }
            (register::CONFIG_VECTOR, 2) => self.vectors[0] = self.vector(value as u16),
            (register::STATUS, 1) => self.set_status(value as u8),
            (register::QUEUE_SELECT, 2) => self.selectors.queue = value as u16,
            (register::QUEUE_SIZE, 2) => self.common.change_queue(index, |queue| queue.size = value as u16),
            (register::QUEUE_VECTOR, 2) => {
                let vector = self.vector(value as u16);
                if let Some(slot) = self.vectors.get_mut(index + 1) {
                    *slot = vector;
                }
            }
            // § 4.1.4.3.2: the driver must not write 0; queues are taken out of use by their reset.
            (register::QUEUE_ENABLE, 2) if value == 1 => self.common.enable_queue(index),
            (register::QUEUE_RESET, 2) if value == 1 => self.common.reset_queue(index),
            (register::QUEUE_AREAS..register::QUEUE_NOTIFY_DATA, 4 | 8) if offset.is_multiple_of(size as u64) => {
                self.common.change_queue(index, |queue| {
                    if let Some(area) = queue.areas.at(area_of(offset)) {
                        *area = match size {
                            8 => value,
                            _ => with_half(*area, (offset >> 2) as u32 & 1, value as u32),
                        };
                    }
                });
            }
            _ => {}
        }
    }

    /// A vector as it reads back: none if there is no such one (§ 4.1.5.1.2.1).
    fn vector(&self, vector: u16) -> u16 {
        let is_there = vector < self.msix.nr_vectors() || self.is_set(TransportFault::AnyVectorKept);
        if is_there && !self.is_set(TransportFault::VectorsNotKept) { vector } else { NO_VECTOR }
    }
}

/// Which of a queue's areas an offset belongs to.
const fn area_of(offset: u64) -> u64 {
    (offset - register::QUEUE_AREAS) / 8
}
