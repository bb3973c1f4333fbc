//! A device that keeps what is written to it and remembers each access: what a guest did to the bus can be compared
//! with what it meant to do.

use super::value_of;
use crate::{
    bus::{Device, Flow, Location, Region},
    memory::GuestMemory,
    save::{self, DeviceStateError},
};
use serde::{Deserialize, Serialize};

/// How many accesses the log keeps; later ones are only counted.
pub const LOG_CAPACITY: usize = 64;

/// Ports of the log: four of 32 bits.
const NR_LOG_PORTS: u16 = 16;

/// Offsets of the log's 32-bit ports.
mod log_port {
    /// Written: selects an access, 0 the oldest. Read: number of accesses since the last clearing.
    pub(super) const SELECT: u64 = 0;
    /// Read: the selected access, see [`super::Access::packed`]. Written: clears the log.
    pub(super) const ACCESS: u64 = 4;
    /// Read: low half of the data.
    pub(super) const DATA_LOW: u64 = 8;
    /// Read: high half of the data.
    pub(super) const DATA_HIGH: u64 = 12;
}

/// Indices of the regions.
mod region {
    pub(super) const SCRATCH_PORTS: usize = 0;
    pub(super) const LOG: usize = 1;
    pub(super) const SCRATCH_MEMORY: usize = 2;
}

/// Where a [`TestDevice`] stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TestDeviceAddresses {
    /// First of the scratch ports.
    pub scratch_port: u16,
    /// How many scratch ports there are.
    pub nr_scratch_ports: u16,
    /// First of the log's 16 ports.
    pub log_port: u16,
    /// Guest physical address of the scratch area.
    pub scratch_mmio: u64,
    /// Its size in bytes.
    pub scratch_mmio_size: u64,
}

/// One access to the scratch ports or the scratch area.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Access {
    offset: u16,
    size: u8,
    is_write: bool,
    is_port: bool,
    data: u64,
}

impl Access {
    /// Bits 0 to 15 offset, bits 16 to 23 size in bytes, bit 24 set for a write, bit 25 set for a port.
    fn packed(self) -> u32 {
        u32::from(self.offset)
            | u32::from(self.size) << 16
            | u32::from(self.is_write) << 24
            | u32::from(self.is_port) << 25
    }
}

/// Scratch ports and a scratch area, both zero at first, and a log of the accesses to them.
#[derive(Debug)]
pub struct TestDevice {
    addresses: TestDeviceAddresses,
    ports: Vec<u8>,
    memory: Vec<u8>,
    log: Vec<Access>,
    nr_accesses: u32,
    selected: u32,
}

impl TestDevice {
    /// A device at `addresses`. Its memory is as large as its scratch area and ports.
    pub fn new(addresses: TestDeviceAddresses) -> Self {
        Self {
            addresses,
            ports: vec![0; addresses.nr_scratch_ports.into()],
            memory: vec![0; addresses.scratch_mmio_size as usize],
            log: Vec::with_capacity(LOG_CAPACITY),
            nr_accesses: 0,
            selected: 0,
        }
    }

    /// The bytes behind a region, if it is one with bytes.
    fn scratch(&mut self, at: Location, size: usize) -> Option<&mut [u8]> {
        let bytes = match at.region {
            region::SCRATCH_PORTS => &mut self.ports,
            region::SCRATCH_MEMORY => &mut self.memory,
            _ => return None,
        };
        // The bus gives only accesses that lie within the region as a whole.
        bytes.get_mut(at.offset as usize..)?.get_mut(..size)
    }

    fn remember(&mut self, at: Location, data: &[u8], is_write: bool) {
        self.nr_accesses = self.nr_accesses.saturating_add(1);
        if self.log.len() < LOG_CAPACITY {
            self.log.push(Access {
                offset: at.offset as u16,
                size: data.len() as u8,
                is_write,
                is_port: at.region == region::SCRATCH_PORTS,
                data: data.iter().take(8).rev().fold(0, |value, byte| value << 8 | u64::from(*byte)),
            });
        }
    }

    fn read_log(&self, offset: u64) -> u32 {
        let selected = self.log.get(self.selected as usize);
        match offset {
            log_port::SELECT => self.nr_accesses,
            log_port::ACCESS => selected.map_or(0, |access| access.packed()),
            log_port::DATA_LOW => selected.map_or(0, |access| access.data as u32),
            log_port::DATA_HIGH => selected.map_or(0, |access| (access.data >> 32) as u32),
            _ => u32::MAX,
        }
    }

    fn write_log(&mut self, offset: u64, value: u32) {
        match offset {
            log_port::SELECT => self.selected = value,
            log_port::ACCESS => {
                self.log.clear();
                self.nr_accesses = 0;
            }
            _ => {}
        }
    }
}

impl Device for TestDevice {
    fn regions(&self) -> Vec<Region> {
        let TestDeviceAddresses { scratch_port, nr_scratch_ports, log_port, scratch_mmio, scratch_mmio_size } =
            self.addresses;
        let mut regions = vec![
            Region::Ports { first: scratch_port, count: nr_scratch_ports },
            Region::Ports { first: log_port, count: NR_LOG_PORTS },
        ];
        regions.insert(region::SCRATCH_MEMORY, Region::Memory { first: scratch_mmio, size_bytes: scratch_mmio_size });
        regions
    }

    fn read(&mut self, at: Location, data: &mut [u8]) -> Flow {
        if at.region == region::LOG {
            let value = self.read_log(at.offset).to_le_bytes();
            data.iter_mut().zip(value).for_each(|(byte, value)| *byte = value);
        } else if let Some(bytes) = self.scratch(at, data.len()) {
            data.copy_from_slice(bytes);
            self.remember(at, data, false);
        }
        Flow::Continue
    }

    fn write(&mut self, at: Location, data: &[u8], _: &GuestMemory) -> Flow {
        if at.region == region::LOG {
            self.write_log(at.offset, value_of(data));
        } else if let Some(bytes) = self.scratch(at, data.len()) {
            bytes.copy_from_slice(data);
            self.remember(at, data, true);
        }
        Flow::Continue
    }

    fn save(&self) -> Result<Vec<u8>, DeviceStateError> {
        save::to_bytes(&(&self.ports, &self.memory, &self.log, self.nr_accesses, self.selected))
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), DeviceStateError> {
        type State = (Vec<u8>, Vec<u8>, Vec<Access>, u32, u32);
        let (ports, memory, log, nr_accesses, selected): State = save::from_bytes(state)?;
        let fits = ports.len() == self.ports.len() && memory.len() == self.memory.len() && log.len() <= LOG_CAPACITY;
        if !fits {
            return Err(DeviceStateError::Contents);
        }
        self.log.clear();
        self.log.extend(log);
        (self.ports, self.memory, self.nr_accesses, self.selected) = (ports, memory, nr_accesses, selected);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{MemoryError, Template};

    const ADDRESSES: TestDeviceAddresses = TestDeviceAddresses {
        scratch_port: 0x5c0,
        nr_scratch_ports: 16,
        log_port: 0x5d0,
        scratch_mmio: 0xd000_0000,
        scratch_mmio_size: 0x1000,
    };

    fn write(device: &mut TestDevice, region: usize, offset: u64, data: &[u8]) {
        let memory = Template::new::<MemoryError>(1 << 20, |_| Ok(())).unwrap().instantiate().unwrap();
        assert_eq!(device.write(Location { region, offset }, data, &memory), Flow::Continue);
    }

    fn read<const N: usize>(device: &mut TestDevice, region: usize, offset: u64) -> [u8; N] {
        let mut data = [0xff; N];
        assert_eq!(device.read(Location { region, offset }, &mut data), Flow::Continue);
        data
    }

    fn log(device: &mut TestDevice, offset: u64) -> u32 {
        u32::from_le_bytes(read(device, region::LOG, offset))
    }

    #[test]
    fn scratch_keeps_what_was_written_and_the_log_tells_it() {
        let device = &mut TestDevice::new(ADDRESSES);
        write(device, region::SCRATCH_PORTS, 2, &[1, 2]);
        write(device, region::SCRATCH_MEMORY, 0xff8, &[1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(read(device, region::SCRATCH_MEMORY, 0xffa), [3]);
        assert_eq!(read(device, region::SCRATCH_PORTS, 0), [0, 0, 1, 2]);
        assert_eq!(log(device, log_port::SELECT), 4);
        let expected = [
            (0x0302_0002, 0x201),
            (0x0108_0ff8, 0x0807_0605_0403_0201),
            (0x0001_0ffa, 3),
            (0x0204_0000, 0x0201_0000),
            (0, 0),
        ];
        for (index, (access, data)) in (0_u32..).zip(expected) {
            write(device, region::LOG, log_port::SELECT, &index.to_le_bytes());
            assert_eq!(log(device, log_port::ACCESS), access);
            let halves = [log(device, log_port::DATA_LOW), log(device, log_port::DATA_HIGH)];
            assert_eq!(halves.map(u64::from), [data & 0xffff_ffff, data >> 32]);
        }
    }

    #[test]
    fn log_counts_on_when_it_is_full_and_is_empty_once_cleared() {
        let device = &mut TestDevice::new(ADDRESSES);
        for value in 0..100 {
            write(device, region::SCRATCH_PORTS, 0, &[value]);
        }
        assert_eq!((device.log.len(), log(device, log_port::SELECT)), (LOG_CAPACITY, 100));
        write(device, region::LOG, log_port::ACCESS, &[0; 4]);
        assert_eq!((device.log.len(), log(device, log_port::SELECT)), (0, 0));
    }
}
