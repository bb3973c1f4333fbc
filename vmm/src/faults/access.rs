//! Accesses to devices that go wrong.

use crate::{
    bus::{Bus, Flow},
    memory::GuestMemory,
};

/// Which addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// I/O ports.
    Ports,
    /// Guest physical addresses.
    Memory,
}

/// Which accesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// What the guest reads.
    Read,
    /// What the guest writes.
    Write,
}

/// What is wrong with an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessEffect {
    /// These bits of the data are inverted.
    Xor(u64),
    /// Only these bits of the data stay.
    And(u64),
    /// These bits of the data are set.
    Or(u64),
    /// It does not reach a device: reads are all ones.
    Dropped,
    /// It is made twice.
    Doubled,
    /// The bytes of the data are in the other order.
    Reversed,
    /// Only so many of its lowest bytes are accessed; others are all ones when read.
    Narrowed(usize),
    /// It is made as accesses of a byte each.
    Split,
    /// It goes to another address, so many bytes higher.
    Moved(u64),
    /// A read gives what the first one gave.
    Stale,
    /// The last of several accesses of a string instruction is left out.
    LastLost,
}

/// What is wrong with which accesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessFault {
    /// Of which addresses.
    pub space: Space,
    /// The first of them.
    pub first: u64,
    /// The last of them: an access counts by where it begins.
    pub last: u64,
    /// Reads or writes.
    pub direction: Direction,
    /// Only those of so many bytes; of any if not given.
    pub size: Option<usize>,
    /// What is wrong.
    pub effect: AccessEffect,
}

/// A fault on a bus, with what it remembers.
pub(crate) struct BusFault {
    fault: AccessFault,
    first_read: Option<[u8; 8]>,
}

impl BusFault {
    pub(crate) const fn new(fault: AccessFault) -> Self {
        Self { fault, first_read: None }
    }

    pub(crate) fn concerns(&self, space: Space, direction: Direction, address: u64, size: usize) -> bool {
        let AccessFault { first, last, .. } = self.fault;
        (self.fault.space, self.fault.direction) == (space, direction)
            && (first..=last).contains(&address)
            && self.fault.size.is_none_or(|only| only == size)
    }

    /// Reads once for each `size` bytes of `data`.
    pub(crate) fn read(&mut self, bus: &mut Bus, space: Space, address: u64, size: usize, data: &mut [u8]) -> Flow {
        let mut read = |address: u64, size: usize, data: &mut [u8]| match space {
            Space::Ports => bus.read_port(address as u16, size, data),
            Space::Memory => bus.read_memory(address, data),
        };
        match self.fault.effect {
            AccessEffect::Dropped => {
                data.fill(0xff);
                Flow::Continue
            }
            AccessEffect::Doubled => {
                let _ = read(address, size, data);
                read(address, size, data)
            }
            AccessEffect::Moved(by) => read(address.wrapping_add(by), size, data),
            AccessEffect::Narrowed(bytes) => {
                let mut narrow = [0xff; 8];
                let bytes = bytes.min(size).min(narrow.len());
                let flow = read(address, bytes, &mut narrow[..bytes]);
                data.chunks_mut(size).for_each(|value| fill(value, &narrow));
                flow
            }
            AccessEffect::Split => {
                let mut flow = Flow::Continue;
                for value in data.chunks_mut(size) {
                    for (at, byte) in (address..).zip(value) {
                        flow = read(at, 1, std::slice::from_mut(byte));
                    }
                }
                flow
            }
            AccessEffect::LastLost if data.len() > size => {
                let kept = data.len() - size;
                let flow = read(address, size, &mut data[..kept]);
                data[kept..].fill(0);
                flow
            }
            _ => {
                let flow = read(address, size, data);
                data.chunks_mut(size).for_each(|value| self.distort(value));
                flow
            }
        }
    }

    fn distort(&mut self, value: &mut [u8]) {
        if self.fault.effect == AccessEffect::Stale {
            let mut now = [0; 8];
            now.iter_mut().zip(&*value).for_each(|(place, byte)| *place = *byte);
            let first = *self.first_read.get_or_insert(now);
            fill(value, &first);
        }
        distorted(self.fault.effect, value);
    }

    /// Writes once for each `size` bytes of `data`.
    pub(crate) fn write(
        &self,
        bus: &mut Bus,
        (space, address, size): (Space, u64, usize),
        data: &[u8],
        memory: &GuestMemory,
    ) -> Flow {
        let mut write = |address: u64, size: usize, data: &[u8]| match space {
            Space::Ports => bus.write_port(address as u16, size, data, memory),
            Space::Memory => bus.write_memory(address, data, memory),
        };
        match self.fault.effect {
            AccessEffect::Dropped => Flow::Continue,
            AccessEffect::Doubled => {
                let _ = write(address, size, data);
                write(address, size, data)
            }
            AccessEffect::Moved(by) => write(address.wrapping_add(by), size, data),
            AccessEffect::LastLost if data.len() > size => write(address, size, &data[..data.len() - size]),
            effect => {
                let mut flow = Flow::Continue;
                for value in data.chunks(size) {
                    let mut value = value.to_vec();
                    distorted(effect, &mut value);
                    flow = match effect {
                        AccessEffect::Narrowed(bytes) if bytes < value.len() => write(address, bytes, &value[..bytes]),
                        AccessEffect::Split => (address..)
                            .zip(&value)
                            .fold(Flow::Continue, |_, (at, byte)| write(at, 1, std::slice::from_ref(byte))),
                        _ => write(address, size, &value),
                    };
                }
                flow
            }
        }
    }
}

fn fill(value: &mut [u8], from: &[u8]) {
    value.iter_mut().zip(from).for_each(|(place, byte)| *place = *byte);
}

/// Changes the bytes of one access.
fn distorted(effect: AccessEffect, value: &mut [u8]) {
    let change = |value: &mut [u8], bits: u64, change: fn(u8, u8) -> u8| {
        value.iter_mut().zip(bits.to_le_bytes()).for_each(|(byte, bits)| *byte = change(*byte, bits));
    };
    match effect {
        AccessEffect::Xor(bits) => change(value, bits, |byte, bits| byte ^ bits),
        AccessEffect::And(bits) => change(value, bits, |byte, bits| byte & bits),
        AccessEffect::Or(bits) => change(value, bits, |byte, bits| byte | bits),
        AccessEffect::Reversed => value.reverse(),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_changed_by_bits_and_by_bytes() {
        for (effect, expected) in [
            (AccessEffect::Xor(0x0101), [0x13, 0x35]),
            (AccessEffect::And(0xff), [0x12, 0]),
            (AccessEffect::Or(0x8000), [0x12, 0xb4]),
            (AccessEffect::Reversed, [0x34, 0x12]),
            (AccessEffect::Doubled, [0x12, 0x34]),
        ] {
            let mut value = [0x12, 0x34];
            distorted(effect, &mut value);
            assert_eq!(value, expected, "{effect:?}");
        }
    }

    #[test]
    fn an_access_is_concerned_by_its_address_size_and_direction() {
        let fault = BusFault::new(AccessFault {
            space: Space::Ports,
            first: 0x40,
            last: 0x43,
            direction: Direction::Read,
            size: Some(1),
            effect: AccessEffect::Dropped,
        });
        assert!(fault.concerns(Space::Ports, Direction::Read, 0x43, 1));
        for (space, direction, address, size) in [
            (Space::Memory, Direction::Read, 0x43, 1),
            (Space::Ports, Direction::Write, 0x43, 1),
            (Space::Ports, Direction::Read, 0x44, 1),
            (Space::Ports, Direction::Read, 0x43, 2),
        ] {
            assert!(!fault.concerns(space, direction, address, size));
        }
    }
}
