//! PCI as a driver sees it: functions of bus 0, their configuration space, base address registers and capabilities.
//!
//! Nothing of it is restored: a virtual machine runs one case.
//!
//! Sources: PCI, "Software Generation of Configuration Transactions", "Configuration Space Organization"; PCIe, "PCI Express
//! Enhanced Configuration Access Mechanism (ECAM)".

mod bar;
pub mod msix;

pub use bar::{Bar, BarKind};

use crate::{cpu::port, mmio};
use case::image::board;

/// CONFIG_ADDRESS.
pub const ADDRESS_PORT: u16 = 0xcf8;
/// CONFIG_DATA.
pub const DATA_PORT: u16 = 0xcfc;
/// CONFIG_ADDRESS: accesses of CONFIG_DATA are accesses of configuration space.
pub const ENABLE: u32 = 1 << 31;

/// Offsets of the header that every function has, and of that of type 0.
pub mod header {
    #![expect(missing_docs, reason = "the specification's own names")]
    pub const VENDOR: u16 = 0x00;
    pub const DEVICE: u16 = 0x02;
    pub const COMMAND: u16 = 0x04;
    pub const STATUS: u16 = 0x06;
    pub const REVISION: u16 = 0x08;
    pub const CLASS: u16 = 0x0a;
    pub const CACHE_LINE: u16 = 0x0c;
    pub const TYPE: u16 = 0x0e;
    pub const BASE_ADDRESSES: u16 = 0x10;
    pub const SUBSYSTEM_VENDOR: u16 = 0x2c;
    pub const SUBSYSTEM: u16 = 0x2e;
    pub const ROM: u16 = 0x30;
    pub const CAPABILITIES: u16 = 0x34;
    pub const INTERRUPT_LINE: u16 = 0x3c;
    pub const INTERRUPT_PIN: u16 = 0x3d;
    /// First byte behind the predefined header.
    pub const END: u16 = 0x40;
}

/// Bits of the command register.
pub mod command {
    #![expect(missing_docs, reason = "the specification's own names")]
    pub const IO_SPACE: u16 = 1 << 0;
    pub const MEMORY_SPACE: u16 = 1 << 1;
    pub const BUS_MASTER: u16 = 1 << 2;
    pub const INTERRUPT_DISABLE: u16 = 1 << 10;
}

/// Bits of the status register.
pub mod status {
    #![expect(missing_docs, reason = "the specification's own names")]
    pub const INTERRUPT: u16 = 1 << 3;
    pub const CAPABILITIES: u16 = 1 << 4;
}

/// Ids of capabilities.
pub mod capability {
    #![expect(missing_docs, reason = "the specification's own names")]
    pub const VENDOR_SPECIFIC: u8 = 0x09;
    pub const MSI_X: u8 = 0x11;
}

/// How configuration space is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By ports CF8H and CFCH.
    Ports,
    /// By memory, from this address on.
    Memory(u64),
}

/// A function of bus 0, and how its configuration space is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Function {
    /// Device number, below 32.
    pub device: u8,
    /// Function number, below 8.
    pub function: u8,
    /// How.
    pub way: Way,
}

macro_rules! access {
    ($read:ident, $write:ident, $read_port:ident, $write_port:ident, $type:ty) => {
        /// Reads configuration space at an offset that is a multiple of the size.
        pub fn $read(self, offset: u16) -> $type {
            match self.way {
                Way::Ports => {
                    self.select(offset);
                    port::$read_port(DATA_PORT + offset % 4)
                }
                Way::Memory(base) => mmio::$read_port(self.mapped(base, offset)),
            }
        }

        /// Writes configuration space at an offset that is a multiple of the size.
        pub fn $write(self, offset: u16, value: $type) {
            match self.way {
                Way::Ports => {
                    self.select(offset);
                    port::$write_port(DATA_PORT + offset % 4, value);
                }
                Way::Memory(base) => mmio::$write_port(self.mapped(base, offset), value),
            }
        }
    };
}

impl Function {
    /// Function 0 of a device, by ports.
    pub const fn new(device: u8) -> Self {
        Self { device, function: 0, way: Way::Ports }
    }

    /// The same by another way.
    pub const fn by(self, way: Way) -> Self {
        Self { way, ..self }
    }

    /// The value of CONFIG_ADDRESS that selects a doubleword of it.
    pub const fn address(self, offset: u16) -> u32 {
        ENABLE | (self.device as u32) << 11 | (self.function as u32) << 8 | (offset & 0xfc) as u32
    }

    fn select(self, offset: u16) {
        port::write_u32(ADDRESS_PORT, self.address(offset));
    }

    fn mapped(self, base: u64, offset: u16) -> u64 {
        base + (u64::from(self.device) << 15 | u64::from(self.function) << 12 | u64::from(offset))
    }

    access!(read_u8, write_u8, read_u8, write_u8, u8);
    access!(read_u16, write_u16, read_u16, write_u16, u16);
    access!(read_u32, write_u32, read_u32, write_u32, u32);

    /// Whether there is such a function.
    pub fn is_present(self) -> bool {
        self.read_u16(header::VENDOR) != 0xffff
    }

    /// Sets bits of the command register and clears others.
    pub fn change_command(self, set: u16, clear: u16) {
        let before = self.read_u16(header::COMMAND);
        self.write_u16(header::COMMAND, before & !clear | set);
    }

    /// Header type without the bit that tells of more functions.
    pub fn header_type(self) -> u8 {
        self.read_u8(header::TYPE) & 0x7f
    }

    /// Its capabilities in order: offset and id. Ends after as many as configuration space has room for.
    pub fn capabilities(self) -> Capabilities {
        let has_list = self.read_u16(header::STATUS) & status::CAPABILITIES != 0;
        let next = if has_list { self.read_u8(header::CAPABILITIES) } else { 0 };
        Capabilities { function: self, next, nr_left: CAPABILITIES_MAX }
    }

    /// Offset of the first capability with this id.
    pub fn capability(self, id: u8) -> Option<u16> {
        self.capabilities().find(|found| found.id == id).map(|found| found.offset)
    }
}

/// As many capabilities of four bytes as there is room for.
pub const CAPABILITIES_MAX: u32 = 48;

/// A capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capability {
    /// Its offset, as the list tells it.
    pub offset: u16,
    /// Its id.
    pub id: u8,
}

/// A walk of a list of capabilities.
#[derive(Clone, Copy, Debug)]
pub struct Capabilities {
    function: Function,
    next: u8,
    nr_left: u32,
}

impl Capabilities {
    /// What the last link read as: 0 at the end.
    pub fn next_link(&self) -> u8 {
        self.next
    }
}

impl Iterator for Capabilities {
    type Item = Capability;

    fn next(&mut self) -> Option<Capability> {
        // The bottom two bits are reserved, and must be masked (PCI, "Capabilities List").
        let offset = u16::from(self.next & 0xfc);
        if offset == 0 || self.nr_left == 0 {
            return None;
        }
        self.nr_left -= 1;
        let id = self.function.read_u8(offset);
        self.next = self.function.read_u8(offset + 1);
        Some(Capability { offset, id })
    }
}

/// All devices of bus 0 that have a function 0.
pub fn devices() -> impl Iterator<Item = Function> {
    (0..32).map(Function::new).filter(|function| function.is_present())
}

/// The first device with this vendor, whose device ID is one of these two.
pub fn find(vendor: u16, devices_wanted: [u16; 2]) -> Option<Function> {
    devices().find(|function| {
        function.read_u16(header::VENDOR) == vendor && devices_wanted.contains(&function.read_u16(header::DEVICE))
    })
}

/// The way by memory, if the host bridge is one whose way is known: without firmware there are no tables that tell it.
pub fn memory_way() -> Option<Way> {
    /// The host bridge of Intel's Q35, and its register PCIEXBAR: bit 0 enables 256 MiB of it.
    const Q35: u32 = 0x29c0_8086;
    const PCIEXBAR: u16 = 0x60;
    const Q35_ADDRESS: u32 = 0xb000_0000;
    /// The host bridge of our VMM, which is that of QEMU's generic PCI Express machines.
    const GENERIC: u32 = 0x0008_1b36;
    let bridge = Function::new(0);
    match bridge.read_u32(header::VENDOR) {
        Q35 => {
            bridge.write_u32(PCIEXBAR + 4, 0);
            bridge.write_u32(PCIEXBAR, Q35_ADDRESS | 1);
            Some(Way::Memory(Q35_ADDRESS.into()))
        }
        GENERIC => Some(Way::Memory(board::PCI_MAPPED)),
        _ => None,
    }
}
