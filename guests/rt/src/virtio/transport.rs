//! What both transports have: features, status, queues, notifications, interrupt status, configuration.
//!
//! Sources: VIRTIO, "Common configuration structure layout", "MMIO Device Register Layout".

use super::{PciTransport, Queue, common, feature, status};
use crate::{clock::Deadline, mmio};
use case::image::board;

/// Offsets of the registers of a device over MMIO.
pub mod mmio_register {
    #![expect(missing_docs, reason = "the specification's own names")]
    pub const MAGIC: u64 = 0x000;
    pub const VERSION: u64 = 0x004;
    pub const DEVICE_ID: u64 = 0x008;
    pub const VENDOR_ID: u64 = 0x00c;
    pub const DEVICE_FEATURES: u64 = 0x010;
    pub const DEVICE_FEATURES_SELECT: u64 = 0x014;
    pub const DRIVER_FEATURES: u64 = 0x020;
    pub const DRIVER_FEATURES_SELECT: u64 = 0x024;
    pub const QUEUE_SELECT: u64 = 0x030;
    pub const QUEUE_SIZE_MAX: u64 = 0x034;
    pub const QUEUE_SIZE: u64 = 0x038;
    pub const QUEUE_READY: u64 = 0x044;
    pub const QUEUE_NOTIFY: u64 = 0x050;
    pub const INTERRUPT_STATUS: u64 = 0x060;
    pub const INTERRUPT_ACKNOWLEDGE: u64 = 0x064;
    pub const STATUS: u64 = 0x070;
    pub const QUEUE_AREAS: u64 = 0x080;
    pub const SHARED_MEMORY_SELECT: u64 = 0x0ac;
    pub const SHARED_MEMORY_LENGTH: u64 = 0x0b0;
    pub const QUEUE_RESET: u64 = 0x0c0;
    pub const GENERATION: u64 = 0x0fc;
    pub const CONFIG: u64 = 0x100;
    /// What the first of them reads as: "virt".
    pub const MAGIC_VALUE: u32 = 0x7472_6976;
}

/// A device and how it is reached.
#[derive(Clone, Copy, Debug)]
pub enum Transport {
    /// Over PCI.
    Pci(PciTransport),
    /// Over MMIO, at this address.
    Mmio(u64),
}

macro_rules! register {
    ($(#[$doc:meta])* $name:ident -> $type:ty, $read:ident, $pci:ident, $mmio:ident) => {
        $(#[$doc])*
        pub fn $name(&self) -> $type {
            match self {
                Self::Pci(pci) => mmio::$read(pci.common + common::$pci),
                Self::Mmio(base) => mmio::read_u32(base + mmio_register::$mmio) as $type,
            }
        }
    };
    ($(#[$doc:meta])* set $name:ident: $type:ty, $write:ident, $pci:ident, $mmio:ident) => {
        $(#[$doc])*
        pub fn $name(&self, value: $type) {
            match self {
                Self::Pci(pci) => mmio::$write(pci.common + common::$pci, value),
                Self::Mmio(base) => mmio::write_u32(base + mmio_register::$mmio, value.into()),
            }
        }
    };
}

impl Transport {
    /// The device of this kind over MMIO, if there is one.
    pub fn find_mmio(kind: u16) -> Option<Self> {
        let read = |register| mmio::read_u32(board::VIRTIO_MMIO + register);
        let is_it =
            read(mmio_register::MAGIC) == mmio_register::MAGIC_VALUE && read(mmio_register::DEVICE_ID) == kind.into();
        is_it.then_some(Self::Mmio(board::VIRTIO_MMIO))
    }

    /// That over PCI.
    pub fn find_pci(kind: u16) -> Option<Self> {
        PciTransport::find(kind).map(Self::Pci)
    }

    register! {
        /// The device status field.
        status -> u8, read_u8, STATUS, STATUS
    }
    register! {
        /// Writes the device status field.
        set set_status: u8, write_u8, STATUS, STATUS
    }
    register! {
        /// Which generation of the configuration there is.
        generation -> u8, read_u8, GENERATION, GENERATION
    }
    register! {
        /// Chooses which half of the device's features is read.
        set select_device_features: u32, write_u32, DEVICE_FEATURE_SELECT, DEVICE_FEATURES_SELECT
    }
    register! {
        /// Reads the chosen half of the device's features.
        device_features_half -> u32, read_u32, DEVICE_FEATURE, DEVICE_FEATURES
    }
    register! {
        /// Chooses which half of the driver's features is written.
        set select_driver_features: u32, write_u32, DRIVER_FEATURE_SELECT, DRIVER_FEATURES_SELECT
    }
    register! {
        /// Writes the chosen half of the driver's features.
        set set_driver_features_half: u32, write_u32, DRIVER_FEATURE, DRIVER_FEATURES
    }
    register! {
        /// Chooses the queue that queue registers belong to.
        set select_queue: u16, write_u16, QUEUE_SELECT, QUEUE_SELECT
    }
    register! {
        /// The largest size of the selected queue, before any was written; 0 if there is no such queue.
        queue_size_max -> u16, read_u16, QUEUE_SIZE, QUEUE_SIZE_MAX
    }
    register! {
        /// Writes the size of the selected queue.
        set set_queue_size: u16, write_u16, QUEUE_SIZE, QUEUE_SIZE
    }
    register! {
        /// Whether the selected queue is in use.
        queue_enabled -> u16, read_u16, QUEUE_ENABLE, QUEUE_READY
    }
    register! {
        /// Puts the selected queue into use.
        set set_queue_enabled: u16, write_u16, QUEUE_ENABLE, QUEUE_READY
    }
    register! {
        /// Reads the reset register of the selected queue.
        queue_reset -> u16, read_u16, QUEUE_RESET, QUEUE_RESET
    }
    register! {
        /// Writes the reset register of the selected queue.
        set set_queue_reset: u16, write_u16, QUEUE_RESET, QUEUE_RESET
    }

    /// Feature bits that the device offers.
    pub fn device_features(&self) -> u64 {
        let half = |index| {
            self.select_device_features(index);
            u64::from(self.device_features_half())
        };
        half(0) | half(1) << 32
    }

    /// Writes the feature bits that the driver accepts.
    pub fn set_driver_features(&self, bits: u64) {
        for (index, half) in [bits as u32, (bits >> 32) as u32].into_iter().enumerate() {
            self.select_driver_features(index as u32);
            self.set_driver_features_half(half);
        }
    }

    /// Resets the device and waits until it is over; false if it takes too long.
    pub fn reset(&self) -> bool {
        self.set_status(0);
        Deadline::after(super::PATIENCE_MICROS).wait(|| self.status() == 0)
    }

    /// Resets the device, acknowledges it, and accepts these features: whether it keeps FEATURES_OK.
    pub fn negotiate(&self, features: u64) -> bool {
        let begun = status::ACKNOWLEDGE | status::DRIVER;
        let _ = self.reset();
        self.set_status(status::ACKNOWLEDGE);
        self.set_status(begun);
        self.set_driver_features(features);
        self.set_status(begun | status::FEATURES_OK);
        self.status() & status::FEATURES_OK != 0
    }

    /// The same with VERSION_1 and those of these features that are offered. Gives what was accepted.
    pub fn negotiate_offered(&self, wanted: u64) -> Option<u64> {
        let features = self.device_features() & (wanted | feature::VERSION_1);
        self.negotiate(features).then_some(features)
    }

    /// Tells the device of a queue, and puts it into use.
    pub fn add_queue(&self, queue: &Queue) {
        self.select_queue(queue.index);
        self.set_queue_size(queue.size);
        self.set_areas(queue.areas());
        self.set_queue_enabled(1);
    }

    /// Writes the addresses of descriptors, driver's and device's area of the selected queue.
    pub fn set_areas(&self, areas: [u64; 3]) {
        for (number, address) in areas.into_iter().enumerate() {
            let at = match self {
                Self::Pci(pci) => pci.common + common::QUEUE_AREAS + 8 * number as u64,
                Self::Mmio(base) => base + mmio_register::QUEUE_AREAS + 16 * number as u64,
            };
            mmio::write_u32(at, address as u32);
            mmio::write_u32(at + 4, (address >> 32) as u32);
        }
    }

    /// Sets DRIVER_OK beside what is set.
    pub fn start(&self) {
        self.set_status(status::ACKNOWLEDGE | status::DRIVER | status::FEATURES_OK | status::DRIVER_OK);
    }

    /// Notifies a queue.
    pub fn notify(&self, queue: u16) {
        match self {
            Self::Pci(pci) => {
                self.select_queue(queue);
                mmio::write_u16(pci.notify_address(), queue);
            }
            Self::Mmio(base) => mmio::write_u32(base + mmio_register::QUEUE_NOTIFY, queue.into()),
        }
    }

    /// Reads the interrupt status: bit 0 used buffers, bit 1 the configuration. Over PCI, this acknowledges.
    pub fn interrupt_status(&self) -> u8 {
        match self {
            Self::Pci(pci) => mmio::read_u8(pci.isr),
            Self::Mmio(base) => mmio::read_u32(base + mmio_register::INTERRUPT_STATUS) as u8,
        }
    }

    /// Acknowledges interrupts; over PCI, reading was enough.
    pub fn acknowledge(&self, bits: u8) {
        if let Self::Mmio(base) = self {
            mmio::write_u32(base + mmio_register::INTERRUPT_ACKNOWLEDGE, bits.into());
        }
    }

    /// Address of the configuration of the device's kind, if it has one.
    pub fn config(&self) -> Option<u64> {
        match self {
            Self::Pci(pci) => pci.device,
            Self::Mmio(base) => Some(base + mmio_register::CONFIG),
        }
    }

    /// Waits until the device says that it needs a reset.
    pub fn wait_needs_reset(&self) -> bool {
        let needs = || self.status() & status::DEVICE_NEEDS_RESET != 0;
        Deadline::after(super::PATIENCE_MICROS).wait(needs)
    }
}
