//! Configuration space of a function (§ 6.1 "Configuration Space Organization" and § 6.2 "Configuration Space Functions").

mod saved;
mod wrong;

pub use saved::ConfigState;

use crate::Fault;

/// Offsets of the predefined header.
mod header {
    pub(super) const VENDOR: usize = 0x00;
    pub(super) const DEVICE: usize = 0x02;
    pub(super) const COMMAND: usize = 0x04;
    pub(super) const STATUS: usize = 0x06;
    pub(super) const REVISION: usize = 0x08;
    pub(super) const CLASS: usize = 0x09;
    pub(super) const CACHE_LINE: usize = 0x0c;
    pub(super) const BARS: usize = 0x10;
    pub(super) const SUBSYSTEM_VENDOR: usize = 0x2c;
    pub(super) const SUBSYSTEM: usize = 0x2e;
    pub(super) const CAPABILITIES: usize = 0x34;
    pub(super) const INTERRUPT_LINE: usize = 0x3c;
    pub(super) const INTERRUPT_PIN: usize = 0x3d;
    pub(super) const END: usize = 0x40;
}

/// Bits of the command register.
mod command {
    pub(super) const IO_SPACE: u16 = 1 << 0;
    pub(super) const MEMORY_SPACE: u16 = 1 << 1;
    pub(super) const BUS_MASTER: u16 = 1 << 2;
    pub(super) const PARITY_ERROR_RESPONSE: u16 = 1 << 6;
    pub(super) const SERR_ENABLE: u16 = 1 << 8;
    pub(super) const INTERRUPT_DISABLE: u16 = 1 << 10;
}

/// Bits of the status register.
mod status {
    pub(super) const INTERRUPT: u16 = 1 << 3;
    pub(super) const CAPABILITIES: u16 = 1 << 4;
}

/// Size of a conventional configuration space in bytes.
const SIZE: usize = 256;

/// What a function says it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Vendor ID.
    pub vendor: u16,
    /// Device ID.
    pub device: u16,
    /// Revision ID.
    pub revision: u8,
    /// Class code: base class, sub-class, programming interface from the highest byte on.
    pub class: u32,
    /// Subsystem vendor ID.
    pub subsystem_vendor: u16,
    /// Subsystem ID.
    pub subsystem: u16,
    /// Interrupt pin: 1 is INTA#, 0 is none.
    pub interrupt_pin: u8,
}

/// What kind of address a base address register holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BarKind {
    /// I/O ports.
    Io,
    /// Memory below 4 GiB.
    Memory32,
    /// Memory anywhere; takes the next register as well.
    Memory64,
}

/// A base address register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bar {
    /// Its kind.
    pub kind: BarKind,
    /// Size of what stands behind it in bytes: a power of two, from 16 (4 for ports) on.
    pub size_bytes: u64,
    /// Whether reads have no side effects.
    pub prefetchable: bool,
}

impl Bar {
    /// The bits that tell its kind.
    const fn marks(self) -> u32 {
        match self.kind {
            BarKind::Io => 1,
            BarKind::Memory32 => (self.prefetchable as u32) << 3,
            BarKind::Memory64 => (self.prefetchable as u32) << 3 | 2 << 1,
        }
    }
}

/// Configuration space of one function.
#[derive(Clone, Debug)]
pub struct Config {
    bytes: [u8; SIZE],
    /// Bits that a write changes.
    writable: [u8; SIZE],
    bars: [Option<Bar>; 6],
    /// First free byte for a capability, and where the last one's link stands.
    next_capability: usize,
    last_link: usize,
    /// A rule to break.
    fault: Option<Fault>,
}

impl Config {
    /// The header of an ordinary device (type 0).
    ///
    /// # Panics
    /// If the registers do not fit: they are this VMM's choice and not the guest's.
    pub fn new(identity: Identity, bars: &[(usize, Bar)]) -> Self {
        let mut config = Self {
            bytes: [0; SIZE],
            writable: [0; SIZE],
            bars: [None; 6],
            next_capability: header::END,
            last_link: header::CAPABILITIES,
            fault: None,
        };
        config.put_u16(header::VENDOR, identity.vendor);
        config.put_u16(header::DEVICE, identity.device);
        config.bytes[header::REVISION] = identity.revision;
        config.bytes[header::CLASS..header::CLASS + 3].copy_from_slice(&identity.class.to_le_bytes()[..3]);
        config.put_u16(header::SUBSYSTEM_VENDOR, identity.subsystem_vendor);
        config.put_u16(header::SUBSYSTEM, identity.subsystem);
        config.bytes[header::INTERRUPT_PIN] = identity.interrupt_pin;
        config.allow(header::CACHE_LINE, &[0xff]);
        config.allow(header::INTERRUPT_LINE, &[0xff]);
        let mut command =
            command::BUS_MASTER | command::PARITY_ERROR_RESPONSE | command::SERR_ENABLE | command::INTERRUPT_DISABLE;
        for (index, bar) in bars {
            command |= match bar.kind {
                BarKind::Io => command::IO_SPACE,
                BarKind::Memory32 | BarKind::Memory64 => command::MEMORY_SPACE,
            };
            config.place(*index, *bar);
        }
        config.allow(header::COMMAND, &command.to_le_bytes());
        config
    }

    fn place(&mut self, index: usize, bar: Bar) {
        assert!(bar.size_bytes.is_power_of_two() && bar.size_bytes >= 4, "{bar:?}: its size cannot be decoded");
        let at = header::BARS + 4 * index;
        self.bytes[at..at + 4].copy_from_slice(&bar.marks().to_le_bytes());
        let mask = !(bar.size_bytes - 1);
        // The lowest bits tell the kind and are never addresses.
        let low = mask as u32 & if bar.kind == BarKind::Io { !0x3 } else { !0xf };
        self.allow(at, &low.to_le_bytes());
        if bar.kind == BarKind::Memory64 {
            self.allow(at + 4, &((mask >> 32) as u32).to_le_bytes());
        }
        self.bars[index] = Some(bar);
    }

    /// Adds a capability, and gives its offset; `writable` has the bits of `body` that a write changes.
    ///
    /// # Panics
    /// If there is no room, or if the two differ in size.
    pub fn add_capability(&mut self, id: u8, body: &[u8], writable: &[u8]) -> usize {
        assert_eq!(body.len(), writable.len(), "each byte has its mask");
        let at = self.next_capability;
        self.bytes[self.last_link] = at as u8;
        self.bytes[at] = id;
        self.bytes[at + 2..at + 2 + body.len()].copy_from_slice(body);
        self.allow(at + 2, writable);
        self.last_link = at + 1;
        self.next_capability = (at + 2 + body.len()).next_multiple_of(4);
        let has = self.u16_at(header::STATUS) | status::CAPABILITIES;
        self.put_u16(header::STATUS, has);
        at
    }

    fn allow(&mut self, at: usize, mask: &[u8]) {
        self.writable[at..at + mask.len()].copy_from_slice(mask);
    }

    /// Fills `data` from `offset` on; zero behind the end.
    pub fn read(&self, offset: u16, data: &mut [u8]) {
        for (index, byte) in data.iter_mut().enumerate() {
            *byte = self.bytes.get(usize::from(offset) + index).copied().unwrap_or(0);
        }
    }

    /// Writes `data` at `offset`, as far as it is not read-only.
    pub fn write(&mut self, offset: u16, data: &[u8]) {
        for (index, new) in data.iter().enumerate() {
            let at = usize::from(offset) + index;
            if let (Some(byte), Some(mask)) = (self.bytes.get_mut(at), self.writable.get(at)) {
                *byte = *byte & !mask | new & mask;
            }
        }
    }

    /// What stands behind a base address register, if there is one.
    pub fn bar(&self, index: usize) -> Option<Bar> {
        self.bars.get(index).copied().flatten()
    }

    /// Address and size of what a base address register maps; none while its space is off.
    pub fn mapped(&self, index: usize) -> Option<(u64, Bar)> {
        let bar = self.bar(index)?;
        let (space, marks) = match bar.kind {
            BarKind::Io => (command::IO_SPACE, 0x3),
            BarKind::Memory32 | BarKind::Memory64 => (command::MEMORY_SPACE, 0xf),
        };
        if self.command() & space == 0 && !Fault::MemorySpaceIgnored.is_set(self.fault) {
            return None;
        }
        let at = header::BARS + 4 * index;
        let low = u64::from(self.u32_at(at) & !marks);
        let has_high = bar.kind == BarKind::Memory64 && !Fault::BarHighHalfIgnored.is_set(self.fault);
        let high = if has_high { u64::from(self.u32_at(at + 4)) } else { 0 };
        Some((high << 32 | low, bar))
    }

    /// Which base address register maps an address, and what offset it has there.
    pub fn find(&self, address: u64, size: usize, is_io: bool) -> Option<(usize, u64)> {
        (0..self.bars.len()).find_map(|index| {
            let (base, bar) = self.mapped(index)?;
            let offset = address.checked_sub(base)?;
            let end = bar.size_bytes << u32::from(Fault::BarEndIgnored.is_set(self.fault));
            let is_within = offset.checked_add(size as u64).is_some_and(|behind| behind <= end);
            ((bar.kind == BarKind::Io) == is_io && is_within).then_some((index, offset))
        })
    }

    fn command(&self) -> u16 {
        self.u16_at(header::COMMAND)
    }

    /// Whether it may read and write memory, and so send messages.
    pub fn is_bus_master(&self) -> bool {
        self.command() & command::BUS_MASTER != 0 || Fault::BusMasterIgnored.is_set(self.fault)
    }

    /// Whether it may drive its interrupt pin.
    pub fn may_interrupt(&self) -> bool {
        self.command() & command::INTERRUPT_DISABLE == 0 || Fault::InterruptDisableIgnored.is_set(self.fault)
    }

    /// Shows in the status whether an interrupt is pending, whether it may be sent or not.
    pub fn set_interrupt_status(&mut self, pending: bool) {
        let pending = pending && !Fault::InterruptStatusNeverSet.is_set(self.fault);
        let rest = self.u16_at(header::STATUS) & !status::INTERRUPT;
        self.put_u16(header::STATUS, rest | if pending { status::INTERRUPT } else { 0 });
    }

    /// The 16-bit value at an offset.
    pub fn u16_at(&self, at: usize) -> u16 {
        u16::from_le_bytes([self.bytes[at], self.bytes[at + 1]])
    }

    /// The 32-bit value at an offset.
    pub fn u32_at(&self, at: usize) -> u32 {
        u32::from(self.u16_at(at + 2)) << 16 | u32::from(self.u16_at(at))
    }

    fn put_u16(&mut self, at: usize, value: u16) {
        self.bytes[at..at + 2].copy_from_slice(&value.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMORY64: Bar = Bar { kind: BarKind::Memory64, size_bytes: 0x8000, prefetchable: true };
    const IO: Bar = Bar { kind: BarKind::Io, size_bytes: 0x20, prefetchable: false };
    const MEMORY32: Bar = Bar { kind: BarKind::Memory32, size_bytes: 0x1000, prefetchable: false };

    fn config() -> Config {
        let identity =
            Identity { vendor: 0x1af4, device: 0x1042, class: 0x01_80_00, interrupt_pin: 1, ..Identity::default() };
        Config::new(identity, &[(0, MEMORY64), (2, IO), (4, MEMORY32)])
    }

    fn read(config: &Config, at: u16) -> u32 {
        let mut bytes = [0; 4];
        config.read(at, &mut bytes);
        u32::from_le_bytes(bytes)
    }

    #[test]
    fn registers_tell_their_size_when_all_ones_are_written() {
        let mut config = config();
        for at in (0x10..0x28).step_by(4) {
            config.write(at, &[0xff; 4]);
        }
        let expected = [0xffff_800c, 0xffff_ffff, 0xffff_ffe1, 0, 0xffff_f000, 0];
        for (at, expected) in (0x10..).step_by(4).zip(expected) {
            assert_eq!(read(&config, at), expected, "{at:#x}");
        }
    }

    #[test]
    fn a_register_maps_only_while_its_space_is_on() {
        let mut config = config();
        config.write(0x10, &0x2345_8000_u32.to_le_bytes());
        config.write(0x14, &1_u32.to_le_bytes());
        config.write(0x18, &0xc000_u32.to_le_bytes());
        assert_eq!((config.find(0x1_2345_8000, 4, false), config.find(0xc004, 4, true)), (None, None));
        config.write(4, &[2]);
        assert_eq!((config.find(0x1_2345_8010, 4, false), config.find(0xc004, 4, true)), (Some((0, 0x10)), None));
        config.write(4, &[1]);
        assert_eq!((config.find(0x1_2345_8010, 4, false), config.find(0xc004, 4, true)), (None, Some((2, 4))));
        assert_eq!((config.find(0xc01f, 1, true), config.find(0xc01f, 2, true)), (Some((2, 0x1f)), None));
    }

    #[test]
    fn identity_is_read_only() {
        let mut config = config();
        let before: Vec<_> = [0x00, 0x08, 0x2c, 0x34].map(|at| read(&config, at)).into();
        for at in 0..0x40 {
            config.write(at, &[0xff]);
            config.write(at, &[0]);
        }
        assert_eq!([0x00, 0x08, 0x2c, 0x34].map(|at| read(&config, at)).to_vec(), before);
        assert_eq!(read(&config, 0x3c), 0x100);
    }

    #[test]
    fn capabilities_are_a_list() {
        let mut config = config();
        assert_eq!(read(&config, 4) >> 16 & 0x10, 0);
        let first = config.add_capability(9, &[1, 2, 3], &[0; 3]);
        let second = config.add_capability(0x11, &[0, 0], &[0, 0xc0]);
        assert_eq!((first, second), (0x40, 0x48));
        assert_eq!(read(&config, 4) >> 16 & 0x10, 0x10);
        assert_eq!((read(&config, 0x34) & 0xff, read(&config, 0x40), read(&config, 0x48)), (0x40, 0x0201_4809, 0x11));
        config.write(0x48, &[0xff; 4]);
        assert_eq!(read(&config, 0x48), 0xc000_0011);
    }

    #[test]
    fn what_lies_behind_the_end_is_zero_and_takes_nothing() {
        let mut config = config();
        config.write(0xffc, &[1; 4]);
        assert_eq!(read(&config, 0xffc), 0);
    }
}
