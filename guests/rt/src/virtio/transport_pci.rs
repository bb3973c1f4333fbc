//! A device over PCI: where its structures are.
//!
//! Source: VIRTIO, "Virtio Structure PCI Capabilities".

use crate::{
    mmio,
    pci::{self, Bar, BarKind, Function, capability},
};

/// Vendor of all virtio devices.
pub const VENDOR: u16 = 0x1af4;
/// What is added to a kind's id to get the device ID.
pub const DEVICE_BASE: u16 = 0x1040;

/// Kinds of structures (cfg_type).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[expect(missing_docs, reason = "the specification's own names")]
pub enum StructureKind {
    Common = 1,
    Notify = 2,
    Isr = 3,
    Device = 4,
    Window = 5,
}

/// Offsets of the common configuration structure.
pub mod common {
    #![expect(missing_docs, reason = "the specification's own names")]
    pub const DEVICE_FEATURE_SELECT: u64 = 0x00;
    pub const DEVICE_FEATURE: u64 = 0x04;
    pub const DRIVER_FEATURE_SELECT: u64 = 0x08;
    pub const DRIVER_FEATURE: u64 = 0x0c;
    pub const CONFIG_VECTOR: u64 = 0x10;
    pub const NUM_QUEUES: u64 = 0x12;
    pub const STATUS: u64 = 0x14;
    pub const GENERATION: u64 = 0x15;
    pub const QUEUE_SELECT: u64 = 0x16;
    pub const QUEUE_SIZE: u64 = 0x18;
    pub const QUEUE_VECTOR: u64 = 0x1a;
    pub const QUEUE_ENABLE: u64 = 0x1c;
    pub const QUEUE_NOTIFY_OFFSET: u64 = 0x1e;
    pub const QUEUE_AREAS: u64 = 0x20;
    pub const QUEUE_RESET: u64 = 0x3a;
}

/// A structure, as its capability tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Structure {
    /// Offset of the capability.
    pub capability: u16,
    /// Index of the base address register.
    pub bar: u8,
    /// Offset from it.
    pub offset: u32,
    /// Size in bytes.
    pub length: u32,
}

/// A device over PCI, whose memory is placed below 4 GiB.
#[derive(Clone, Copy, Debug)]
pub struct PciTransport {
    /// The function.
    pub function: Function,
    /// Address of the common configuration.
    pub common: u64,
    /// Address of the notifications.
    pub notify: u64,
    /// Bytes from the notification of an offset to that of the next.
    pub notify_multiplier: u32,
    /// Address of the ISR status.
    pub isr: u64,
    /// Address of the configuration of its kind, if it has one.
    pub device: Option<u64>,
}

impl PciTransport {
    /// The first device of this kind, with its memory placed and decoded; its interrupt pin is off.
    pub fn find(kind: u16) -> Option<Self> {
        let function = pci::find(VENDOR, [DEVICE_BASE + kind, DEVICE_BASE + kind])?;
        function.change_command(pci::command::INTERRUPT_DISABLE, 0);
        function.place_memory();
        let address = |kind| {
            let structure = structure(function, kind)?;
            Some(base(function, structure.bar) + u64::from(structure.offset))
        };
        let notify = structure(function, StructureKind::Notify)?;
        Some(Self {
            function,
            common: address(StructureKind::Common)?,
            notify: base(function, notify.bar) + u64::from(notify.offset),
            notify_multiplier: function.read_u32(notify.capability + 16),
            isr: address(StructureKind::Isr)?,
            device: address(StructureKind::Device),
        })
    }

    /// Address at which the selected queue is notified.
    pub fn notify_address(&self) -> u64 {
        let offset = mmio::read_u16(self.common + common::QUEUE_NOTIFY_OFFSET);
        self.notify + u64::from(offset) * u64::from(self.notify_multiplier)
    }
}

fn base(function: Function, index: u8) -> u64 {
    let kind = match function.read_u32(pci::header::BASE_ADDRESSES + 4 * u16::from(index)) & 7 {
        4 => BarKind::Memory64,
        _ => BarKind::Memory32,
    };
    Bar { function, index, kind, size: 0 }.address()
}

/// The first structure of a kind: the one that a driver should use.
pub fn structure(function: Function, kind: StructureKind) -> Option<Structure> {
    structures(function).find(|(found, _)| *found == kind as u8).map(|(_, structure)| structure)
}

/// All structures with the number of their kind.
pub fn structures(function: Function) -> impl Iterator<Item = (u8, Structure)> {
    let all = function.capabilities().filter(|found| found.id == capability::VENDOR_SPECIFIC);
    all.map(move |pci::Capability { offset, .. }| {
        let structure = Structure {
            capability: offset,
            bar: function.read_u8(offset + 4),
            offset: function.read_u32(offset + 8),
            length: function.read_u32(offset + 12),
        };
        (function.read_u8(offset + 3), structure)
    })
}
