//! virtio over memory-mapped registers (§ 4.2 "Virtio Over MMIO").

mod saved;

mod wrong;

use crate::{Common, Memory, VirtioDevice, fault::TransportFault};

/// Size of the registers with the configuration behind them, in bytes.
pub const SIZE_BYTES: u64 = 0x1000;
/// Offset of the configuration of the device's kind.
const CONFIG: u64 = 0x100;
/// Offset at which the driver notifies.
pub const QUEUE_NOTIFY: u64 = 0x50;

/// Offsets of the registers (§ 4.2.2 "MMIO Device Register Layout").
mod register {
    pub(super) const MAGIC: u64 = 0x000;
    pub(super) const VERSION: u64 = 0x004;
    pub(super) const DEVICE_ID: u64 = 0x008;
    pub(super) const VENDOR_ID: u64 = 0x00c;
    pub(super) const DEVICE_FEATURES: u64 = 0x010;
    pub(super) const DEVICE_FEATURES_SELECT: u64 = 0x014;
    pub(super) const DRIVER_FEATURES: u64 = 0x020;
    pub(super) const DRIVER_FEATURES_SELECT: u64 = 0x024;
    pub(super) const QUEUE_SELECT: u64 = 0x030;
    pub(super) const QUEUE_SIZE_MAX: u64 = 0x034;
    pub(super) const QUEUE_SIZE: u64 = 0x038;
    pub(super) const QUEUE_READY: u64 = 0x044;
    pub(super) const INTERRUPT_STATUS: u64 = 0x060;
    pub(super) const INTERRUPT_ACKNOWLEDGE: u64 = 0x064;
    pub(super) const STATUS: u64 = 0x070;
    /// Those of descriptors; of the driver's and the device's areas sixteen and 32 bytes on.
    pub(super) const QUEUE_AREAS: u64 = 0x080;
    pub(super) const SHARED_MEMORY_LENGTH: u64 = 0x0b0;
    pub(super) const SHARED_MEMORY_LENGTH_HIGH: u64 = 0x0b4;
    pub(super) const SHARED_MEMORY_BASE: u64 = 0x0b8;
    pub(super) const SHARED_MEMORY_BASE_HIGH: u64 = 0x0bc;
    pub(super) const QUEUE_RESET: u64 = 0x0c0;
    pub(super) const GENERATION: u64 = 0x0fc;
}

pub(crate) use wrong::exchanged;

/// "virt".
const MAGIC: u32 = 0x7472_6976;
/// The version of devices that are not legacy ones.
const VERSION: u32 = 2;
/// Who made the device: "VMPF".
const VENDOR: u32 = 0x4650_4d56;
/// Interrupt status: a buffer was given back.
const USED_BUFFER: u32 = 1;
/// Interrupt status: the configuration changed.
const CONFIGURATION_CHANGE: u32 = 2;

/// A device with its registers.
pub struct Mmio {
    common: Common,
    device_features_select: u32,
    driver_features_select: u32,
    queue_select: u32,
    interrupt_status: u32,
    /// A rule to break.
    fault: Option<TransportFault>,
}

impl Mmio {
    /// A device after reset.
    pub fn new(device: Box<dyn VirtioDevice>, memory: Memory) -> Self {
        Self {
            common: Common::new(device, memory),
            device_features_select: 0,
            driver_features_select: 0,
            queue_select: 0,
            interrupt_status: 0,
            fault: None,
        }
    }

    /// The device behind the registers.
    pub fn common(&self) -> &Common {
        &self.common
    }

    /// Level of the interrupt line.
    pub fn is_asserted(&self) -> bool {
        self.interrupt_status != 0
    }

    /// The driver notified, by a way that is no access of a register.
    pub fn notify(&mut self, queue: usize) {
        self.common.notify(queue);
        self.collect();
    }

    /// As [`Common::take_unfinished`].
    pub fn take_unfinished(&mut self) -> u64 {
        self.common.take_unfinished()
    }

    /// The device's other side has something.
    pub fn wake(&mut self) {
        self.common.wake();
        self.collect();
    }

    fn collect(&mut self) {
        let due = self.common.take_interrupts();
        self.interrupt_status |= if due.queues != 0 { USED_BUFFER } else { 0 };
        self.interrupt_status |= if due.config { CONFIGURATION_CHANGE } else { 0 };
        if self.fault.is_some() {
            self.change_interrupt_status();
        }
    }

    /// Fills `data` from `offset`. Registers are read as aligned doublewords (§ 4.2.2.2); others read as zero.
    pub fn read(&mut self, offset: u64, data: &mut [u8]) {
        data.fill(0);
        if offset >= CONFIG {
            let Ok(offset) = usize::try_from(offset - CONFIG) else { return };
            return self.common.read_config(offset, data);
        }
        if let Ok(data) = <&mut [u8; 4]>::try_from(data)
            && offset.is_multiple_of(4)
        {
            *data = self.register(offset).to_le_bytes();
            if self.fault.is_some() {
                self.change_read(offset, data);
            }
        }
    }

    /// Takes what is written at `offset`. Registers are written as aligned doublewords; other writes are dropped.
    pub fn write(&mut self, offset: u64, data: &[u8]) {
        if offset >= CONFIG {
            if let Ok(offset) = usize::try_from(offset - CONFIG) {
                self.common.write_config(offset, data);
            }
        } else if let Ok(data) = <[u8; 4]>::try_from(data)
            && offset.is_multiple_of(4)
        {
            self.set_register(offset, u32::from_le_bytes(data));
        }
        self.collect();
    }

    fn queue(&self) -> usize {
        self.queue_select as usize
    }

    fn register(&self, offset: u64) -> u32 {
        let queue = self.common.queue(self.queue());
        match offset {
            register::MAGIC => MAGIC,
            register::VERSION => VERSION,
            register::DEVICE_ID => self.common.device().kind().id().into(),
            register::VENDOR_ID => VENDOR,
            register::DEVICE_FEATURES => half(self.common.offered(), self.device_features_select),
            register::QUEUE_SIZE_MAX => queue.map_or(0, |queue| queue.size_max.into()),
            register::QUEUE_READY => queue.is_some_and(|queue| queue.enabled).into(),
            register::INTERRUPT_STATUS => self.interrupt_status,
            register::STATUS => self.common.status().bits().into(),
            // § 4.2.2.1: no region of shared memory has this id.
            register::SHARED_MEMORY_LENGTH
            | register::SHARED_MEMORY_LENGTH_HIGH
            | register::SHARED_MEMORY_BASE
            | register::SHARED_MEMORY_BASE_HIGH => u32::MAX,
            register::GENERATION => self.common.generation().into(),
            _ => 0,
        }
    }

    fn set_register(&mut self, offset: u64, value: u32) {
        let Some(value) = self.fault.map_or(Some(value), |fault| self.wrongly_written(fault, offset, value)) else {
            return;
        };
        let queue = self.queue();
        match offset {
            register::DEVICE_FEATURES_SELECT => self.device_features_select = value,
            register::DRIVER_FEATURES_SELECT => self.driver_features_select = value,
            register::DRIVER_FEATURES => {
                self.common.accept(with_half(self.common.accepted(), self.driver_features_select, value));
            }
            register::QUEUE_SELECT => self.queue_select = value,
            // A size beyond 16 bits is none that a ring can have.
            register::QUEUE_SIZE => {
                self.common.change_queue(queue, |queue| queue.size = value.try_into().unwrap_or(0));
            }
            register::QUEUE_READY if value == 1 => self.common.enable_queue(queue),
            register::QUEUE_READY if value == 0 => self.common.reset_queue(queue),
            register::QUEUE_RESET if value == 1 => self.common.reset_queue(queue),
            QUEUE_NOTIFY => self.common.notify(value as u16 as usize),
            register::INTERRUPT_ACKNOWLEDGE => self.interrupt_status &= !value,
            register::STATUS => {
                self.common.set_status(value as u8);
                if value as u8 == 0 && !TransportFault::ResetKeepsInterruptStatus.is_set(self.fault) {
                    self.interrupt_status = 0;
                }
            }
            _ => self.set_area(queue, offset, value),
        }
    }

    fn set_area(&mut self, queue: usize, offset: u64, value: u32) {
        self.common.change_queue(queue, |queue| {
            // Two doublewords each, sixteen bytes apart.
            let Some(distance) = offset.checked_sub(register::QUEUE_AREAS).filter(|distance| distance & 8 == 0) else {
                return;
            };
            if let Some(area) = queue.areas.at(distance / 16) {
                *area = with_half(*area, (distance >> 2) as u32 & 1, value);
            }
        });
    }
}

/// Bits 31:0 of a value (0), bits 63:32 (1), or nothing.
pub(crate) fn half(value: u64, select: u32) -> u32 {
    match select {
        0 => value as u32,
        1 => (value >> 32) as u32,
        _ => 0,
    }
}

/// A value with one of its halves replaced; there are no others.
pub(crate) fn with_half(value: u64, select: u32, half: u32) -> u64 {
    match select {
        0 => value & !0xffff_ffff | u64::from(half),
        1 => value & 0xffff_ffff | u64::from(half) << 32,
        _ => value,
    }
}

#[cfg(test)]
mod tests;
