//! Both transports, as a driver that knows them uses them.

use crate::{Common, mmio::Mmio, pci::VirtioFunction};
use pci::Function;
use vm_state::DeviceStateError;

/// What a driver sets a device up by.
#[derive(Clone, Copy, Debug)]
pub(super) enum Register {
    Status,
    FeatureSelect,
    Feature,
    QueueSelect,
    QueueSize,
    QueueEnable,
    /// Of the descriptors (0), the driver's (1) and the device's area (2).
    Area(u64),
}

/// A transport.
pub(super) trait Transport {
    /// Offset of the configuration of the device's kind.
    const CONFIG: u64;

    fn common(&self) -> &Common;
    fn read(&mut self, offset: u64, data: &mut [u8]);
    fn write(&mut self, offset: u64, data: &[u8]);
    fn read_space(&mut self, _offset: u16, _data: &mut [u8]) {}
    fn write_space(&mut self, _offset: u16, _data: &[u8]) {}
    fn notify(&mut self, queue: usize);
    fn wake(&mut self);
    fn quiesce(&mut self);
    fn save(&mut self) -> Result<Vec<u8>, DeviceStateError>;
    fn restore(&mut self, state: &[u8]) -> Result<(), DeviceStateError>;
    /// Offset and size of a register.
    fn register(register: Register) -> (u64, usize);
    /// An offset at which there is something, for most of all offsets.
    fn fold(offset: u64) -> u64;
    /// Makes the device send messages for this queue and for its configuration, if it can.
    fn use_messages(&mut self) {}
    /// Takes what is due; there must be an end of it.
    fn take_signals(&mut self) {}

    fn write_register(&mut self, register: Register, value: u64) {
        let (offset, size) = Self::register(register);
        self.write(offset, &value.to_le_bytes()[..size]);
        if let Register::Area(_) = register {
            self.write(offset + 4, &(value >> 32).to_le_bytes()[..size]);
        }
    }
}

/// One offset in sixteen may be anywhere: those behind the registers say little, one after another.
fn fold(offset: u64, to: u64) -> u64 {
    if offset >> 60 == 15 { offset } else { to }
}

impl Transport for Mmio {
    const CONFIG: u64 = 0x100;

    fn common(&self) -> &Common {
        Mmio::common(self)
    }

    fn read(&mut self, offset: u64, data: &mut [u8]) {
        Mmio::read(self, offset, data);
    }

    fn write(&mut self, offset: u64, data: &[u8]) {
        Mmio::write(self, offset, data);
    }

    fn notify(&mut self, queue: usize) {
        Mmio::notify(self, queue);
    }

    fn wake(&mut self) {
        Mmio::wake(self);
    }

    fn quiesce(&mut self) {
        Mmio::quiesce(self, u64::MAX);
    }

    fn save(&mut self) -> Result<Vec<u8>, DeviceStateError> {
        Mmio::save(self)
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), DeviceStateError> {
        Mmio::restore(self, state)
    }

    fn register(register: Register) -> (u64, usize) {
        let offset = match register {
            Register::Status => 0x70,
            Register::FeatureSelect => 0x24,
            Register::Feature => 0x20,
            Register::QueueSelect => 0x30,
            Register::QueueSize => 0x38,
            Register::QueueEnable => 0x44,
            Register::Area(index) => 0x80 + 16 * index,
        };
        (offset, 4)
    }

    fn fold(offset: u64) -> u64 {
        fold(offset, offset % 0x180)
    }
}

impl Transport for VirtioFunction {
    const CONFIG: u64 = 0x2000;

    fn common(&self) -> &Common {
        VirtioFunction::common(self)
    }

    fn read(&mut self, offset: u64, data: &mut [u8]) {
        self.read_bar(0, offset, data);
    }

    fn write(&mut self, offset: u64, data: &[u8]) {
        self.write_bar(0, offset, data);
    }

    fn read_space(&mut self, offset: u16, data: &mut [u8]) {
        self.read_config(offset, data);
    }

    fn write_space(&mut self, offset: u16, data: &[u8]) {
        self.write_config(offset, data);
    }

    fn notify(&mut self, queue: usize) {
        VirtioFunction::notify(self, queue);
    }

    fn wake(&mut self) {
        VirtioFunction::wake(self);
    }

    fn quiesce(&mut self) {
        self.quiesce_queues(u64::MAX);
    }

    fn save(&mut self) -> Result<Vec<u8>, DeviceStateError> {
        Function::save(self)
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), DeviceStateError> {
        Function::restore(self, state)
    }

    fn register(register: Register) -> (u64, usize) {
        match register {
            Register::Status => (0x14, 1),
            Register::FeatureSelect => (0x08, 4),
            Register::Feature => (0x0c, 4),
            Register::QueueSelect => (0x16, 2),
            Register::QueueSize => (0x18, 2),
            Register::QueueEnable => (0x1c, 2),
            Register::Area(index) => (0x20 + 8 * index, 4),
        }
    }

    fn fold(offset: u64) -> u64 {
        // A quarter of a KiB of each part.
        fold(offset, (offset >> 8) % 6 * 0x1000 + (offset & 0xff))
    }

    fn use_messages(&mut self) {
        let mut byte = [0];
        self.read_config(0x34, &mut byte);
        // Links of capabilities lead forward or end.
        for _ in 0..32 {
            let at = u16::from(byte[0]);
            let mut head = [0; 2];
            self.read_config(at, &mut head);
            if at == 0 || head[0] == 0x11 {
                if at != 0 {
                    self.write_config(at + 2, &[0, 0x80]);
                }
                break;
            }
            byte[0] = head[1];
        }
        self.write(0x10, &[0, 0]);
        self.write(0x1a, &[0, 0]);
        self.write(0x400c, &[0; 4]);
    }

    fn take_signals(&mut self) {
        let signals = VirtioFunction::take_signals(self);
        // A message for each vector that is due, and for each that is released.
        assert!(signals.messages.len() <= 2 * (self.common().nr_queues() + 1), "{} messages", signals.messages.len());
    }
}
