//! A host bridge with one bus: which function an access goes to.
//!
//! Source: PCI Local Bus Specification § 3.2.2.3.2 "Software Generation of Configuration Transactions"; PCI Express Base Specification § 7.2.2
//! "PCI Express Enhanced Configuration Access Mechanism".

mod saved;

pub use saved::HostState;

use crate::{Bar, Config, Function, Identity};
use vm_state::{DeviceStateError, value};

/// Configuration space of one function by the memory-mapped way, in bytes.
const FUNCTION_BYTES: u64 = 4096;

/// Device number on the bus, from 0 to 31. There are no functions but the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(u8);

impl Slot {
    /// How many there are.
    pub const COUNT: usize = 32;

    /// The slot of a device number; none from 32 on.
    pub const fn new(device: u8) -> Option<Self> {
        if (device as usize) < Self::COUNT { Some(Self(device)) } else { None }
    }

    /// The device number.
    pub const fn device(self) -> u8 {
        self.0
    }
}

/// Why a function cannot be put on the bus or taken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// Another one is there.
    #[error("slot {0} is taken")]
    Taken(u8),
    /// All slots are taken.
    #[error("all {} slots are taken", Slot::COUNT)]
    Full,
    /// None is there, or the bridge itself.
    #[error("nothing can be taken out of slot {0}")]
    Empty(u8),
}

/// The bridge itself, as it shows on its bus.
struct Bridge(Config);

impl Function for Bridge {
    fn find(&self, address: u64, size: usize, is_io: bool) -> Option<(usize, u64)> {
        self.0.find(address, size, is_io)
    }

    fn read_config(&mut self, offset: u16, data: &mut [u8]) {
        self.0.read(offset, data);
    }

    fn write_config(&mut self, offset: u16, data: &[u8]) {
        self.0.write(offset, data);
    }

    fn read_bar(&mut self, _: usize, _: u64, _: &mut [u8]) {}

    fn write_bar(&mut self, _: usize, _: u64, _: &[u8]) {}

    fn save(&mut self) -> Result<Vec<u8>, DeviceStateError> {
        value::to_bytes(&self.0.save())
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), DeviceStateError> {
        self.0.restore(&value::from_bytes(state)?)
    }
}

/// Bits of CONFIG_ADDRESS that can be written.
const ADDRESS_MASK: u32 = 0x80ff_fffc;

/// A host bridge, and the functions on its bus, bus 0.
pub struct Host {
    functions: [Option<Box<dyn Function>>; Slot::COUNT],
    /// CONFIG_ADDRESS.
    address: u32,
}

impl Host {
    /// A bus with the bridge in slot 0, which says that it is `identity`.
    pub fn new(identity: Identity) -> Self {
        let mut functions = [const { None }; Slot::COUNT];
        // Base class 06H, sub-class 00H: a host bridge.
        let identity = Identity { class: 0x06_00_00, ..identity };
        functions[0] = Some(Box::new(Bridge(Config::new(identity, &[]))) as Box<dyn Function>);
        Self { functions, address: 0 }
    }

    /// Puts a function into a slot, or into the first free one.
    ///
    /// # Errors
    /// If it is taken, or if all are.
    pub fn plug(&mut self, slot: Option<Slot>, function: Box<dyn Function>) -> Result<Slot, PlaceError> {
        let slot = match slot {
            Some(slot) if self.at(slot).is_none() => slot,
            Some(slot) => return Err(PlaceError::Taken(slot.0)),
            None => {
                let free = self.functions.iter().position(Option::is_none).ok_or(PlaceError::Full)?;
                Slot(free as u8)
            }
        };
        self.functions[usize::from(slot.0)] = Some(function);
        Ok(slot)
    }

    /// Takes a function out of its slot.
    ///
    /// # Errors
    /// If none is there, and for the bridge.
    pub fn unplug(&mut self, slot: Slot) -> Result<Box<dyn Function>, PlaceError> {
        match slot.0 {
            0 => Err(PlaceError::Empty(0)),
            device => self.functions[usize::from(device)].take().ok_or(PlaceError::Empty(device)),
        }
    }

    /// What stands behind a base address register of the function in a slot, and its address while it is mapped.
    pub fn region(&self, slot: Slot, bar: usize) -> Option<(Bar, Option<u64>)> {
        self.functions[usize::from(slot.0)].as_ref()?.region(bar)
    }

    fn at(&mut self, slot: Slot) -> Option<&mut Box<dyn Function>> {
        self.functions[usize::from(slot.0)].as_mut()
    }

    /// Reads port CF8H + `offset`: the address register as a doubleword, or the data that it selects.
    pub fn read_port(&mut self, offset: u64, data: &mut [u8]) {
        match (offset, data.len()) {
            (0, 4) => data.copy_from_slice(&self.address.to_le_bytes()),
            (4..=7, _) => {
                if let Some((bus, device, function, register)) = self.selected(offset - 4) {
                    self.read_config(bus, device, function, register, data);
                }
            }
            _ => {}
        }
    }

    /// Writes port CF8H + `offset`; of the address register, only as a doubleword.
    pub fn write_port(&mut self, offset: u64, data: &[u8]) {
        match (offset, data) {
            (0, &[a, b, c, d]) => self.address = u32::from_le_bytes([a, b, c, d]) & ADDRESS_MASK,
            (4..=7, _) => {
                if let Some((bus, device, function, register)) = self.selected(offset - 4) {
                    self.write_config(bus, device, function, register, data);
                }
            }
            _ => {}
        }
    }

    /// Bus, device, function and register that the address register selects, while it is enabled.
    fn selected(&self, byte: u64) -> Option<(u8, u8, u8, u16)> {
        let address = self.address;
        let register = (address & 0xfc) as u16 + byte as u16;
        (address >> 31 == 1).then_some((
            (address >> 16) as u8,
            (address >> 11) as u8 & 31,
            (address >> 8) as u8 & 7,
            register,
        ))
    }

    /// Reads the memory-mapped configuration space at `offset`.
    pub fn read_mapped_config(&mut self, offset: u64, data: &mut [u8]) {
        let (bus, device, function, register) = located(offset);
        self.read_config(bus, device, function, register, data);
    }

    /// Writes there.
    pub fn write_mapped_config(&mut self, offset: u64, data: &[u8]) {
        let (bus, device, function, register) = located(offset);
        self.write_config(bus, device, function, register, data);
    }

    fn read_config(&mut self, bus: u8, device: u8, function: u8, register: u16, data: &mut [u8]) {
        // Nobody answers: all ones (§ 6.1).
        data.fill(0xff);
        if is_whole(register, data.len())
            && let Some(function) = self.function(bus, device, function)
        {
            function.read_config(register, data);
        }
    }

    fn write_config(&mut self, bus: u8, device: u8, function: u8, register: u16, data: &[u8]) {
        if is_whole(register, data.len())
            && let Some(function) = self.function(bus, device, function)
        {
            function.write_config(register, data);
        }
    }

    fn function(&mut self, bus: u8, device: u8, function: u8) -> Option<&mut Box<dyn Function>> {
        if bus != 0 || function != 0 { None } else { self.at(Slot::new(device)?) }
    }

    /// Reads memory or a port that a base address register may map; whether one does.
    pub fn read(&mut self, address: u64, is_io: bool, data: &mut [u8]) -> bool {
        match self.find(address, data.len(), is_io) {
            Some((function, bar, offset)) => function.read_bar(bar, offset, data),
            None => return false,
        }
        true
    }

    /// Writes there; whether a base address register maps it.
    pub fn write(&mut self, address: u64, is_io: bool, data: &[u8]) -> bool {
        match self.find(address, data.len(), is_io) {
            Some((function, bar, offset)) => function.write_bar(bar, offset, data),
            None => return false,
        }
        true
    }

    fn find(&mut self, address: u64, size: usize, is_io: bool) -> Option<(&mut Box<dyn Function>, usize, u64)> {
        self.functions.iter_mut().flatten().find_map(|function| {
            let (bar, offset) = function.find(address, size, is_io)?;
            Some((function, bar, offset))
        })
    }
}

/// Whether an access lies within one doubleword.
fn is_whole(register: u16, size: usize) -> bool {
    matches!(size, 1 | 2 | 4) && usize::from(register % 4) + size <= 4
}

/// Bus, device, function and register at an offset of the memory-mapped way.
fn located(offset: u64) -> (u8, u8, u8, u16) {
    let function = offset / FUNCTION_BYTES;
    ((function >> 8) as u8, (function >> 3) as u8 & 31, function as u8 & 7, (offset % FUNCTION_BYTES) as u16)
}

#[cfg(test)]
mod tests;
