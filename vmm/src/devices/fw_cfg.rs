//! QEMU's firmware configuration device, by which firmware and test kernels learn of their machine.
//!
//! | offset | access | what |
//! |---|---|---|
//! | 0 | write, 2 bytes | selects an item and its first byte |
//! | 1 | read, 1 byte | the next byte of the item; zeros behind its end |
//! | 4 | read, write, 4 bytes | high half of the address of a DMA request, big-endian; reads as a signature |
//! | 8 | read, write, 4 bytes | low half, which starts the request |
//!
//! Source: QEMU, "docs/specs/fw_cfg.rst". Items cannot be written, as in QEMU since 2.4.

use crate::{
    bus::{Device, Flow, Location, Region},
    memory::{GuestMemory, MemoryMap, OutsideMemory},
    save::{self, DeviceStateError},
};
use std::collections::BTreeMap;

/// The first port.
const BASE: u16 = 0x510;
const NR_PORTS: u16 = 12;

/// The type of memory in a memory map, whose entries are address, size and type.
const E820_RAM: u32 = 1;

/// Keys of items.
mod key {
    pub(super) const SIGNATURE: u16 = 0x00;
    pub(super) const ID: u16 = 0x01;
    pub(super) const RAM_SIZE: u16 = 0x03;
    pub(super) const NB_CPUS: u16 = 0x05;
    pub(super) const MAX_CPUS: u16 = 0x0f;
    pub(super) const FILE_DIRECTORY: u16 = 0x19;
    pub(super) const FIRST_FILE: u16 = 0x20;
}

/// Bits of the ID: the ports, and DMA.
const HAS_PORTS: u32 = 1 << 0;
const HAS_DMA: u32 = 1 << 1;
/// What the address of a DMA request reads as.
const DMA_SIGNATURE: [u8; 8] = *b"QEMU CFG";
/// The longest name of a file in bytes, with the NUL that ends it.
const NAME_SIZE: usize = 56;
/// The most bytes of one DMA request: no item is nearly as large, and a device must not take long.
const DMA_MAX: u32 = 16 << 20;

/// Bits of a DMA request's control field.
mod control {
    pub(super) const ERROR: u32 = 1 << 0;
    pub(super) const READ: u32 = 1 << 1;
    pub(super) const SKIP: u32 = 1 << 2;
    pub(super) const SELECT: u32 = 1 << 3;
    pub(super) const WRITE: u32 = 1 << 4;
}

/// The device.
#[derive(Debug)]
pub struct FwCfg {
    items: BTreeMap<u16, Vec<u8>>,
    /// Files by name, as the directory has them.
    files: BTreeMap<String, Vec<u8>>,
    selected: u16,
    offset: usize,
    dma_address: u64,
}

impl FwCfg {
    /// One that tells of so many vCPUs, of how many there can be, and of memory.
    pub fn new(nr_vcpus: u8, nr_vcpus_max: u8, memory: MemoryMap) -> Self {
        let items = BTreeMap::from([
            (key::SIGNATURE, b"QEMU".to_vec()),
            (key::ID, (HAS_PORTS | HAS_DMA).to_le_bytes().to_vec()),
            (key::RAM_SIZE, memory.size_bytes().to_le_bytes().to_vec()),
            (key::NB_CPUS, u16::from(nr_vcpus).to_le_bytes().to_vec()),
            (key::MAX_CPUS, u16::from(nr_vcpus_max).to_le_bytes().to_vec()),
        ]);
        let map = memory.ranges().flat_map(|range| {
            [&range.address.to_le_bytes()[..], &range.size_bytes.to_le_bytes(), &E820_RAM.to_le_bytes()].concat()
        });
        let empty = Self { items, files: BTreeMap::new(), selected: 0, offset: 0, dma_address: 0 };
        empty.with_file("etc/e820", map.collect())
    }

    /// Adds a file, whose name has at most 55 bytes; the rest of a longer one is cut off.
    #[must_use]
    pub fn with_file(mut self, name: &str, contents: Vec<u8>) -> Self {
        self.add_file(name, contents);
        self
    }

    fn add_file(&mut self, name: &str, contents: Vec<u8>) {
        self.files.insert(name.chars().take_while(char::is_ascii).take(NAME_SIZE - 1).collect(), contents);
        let mut directory = (self.files.len() as u32).to_be_bytes().to_vec();
        for (key, (name, contents)) in (key::FIRST_FILE..).zip(&self.files) {
            directory.extend_from_slice(&(contents.len() as u32).to_be_bytes());
            directory.extend_from_slice(&key.to_be_bytes());
            directory.extend_from_slice(&[0; 2]);
            let mut field = [0; NAME_SIZE];
            field[..name.len()].copy_from_slice(name.as_bytes());
            directory.extend_from_slice(&field);
            self.items.insert(key, contents.clone());
        }
        self.items.insert(key::FILE_DIRECTORY, directory);
    }

    fn select(&mut self, key: u16) {
        (self.selected, self.offset) = (key, 0);
    }

    /// Fills `data` with what comes next.
    fn take(&mut self, data: &mut [u8]) {
        data.fill(0);
        let item = self.items.get(&self.selected).map_or(&[][..], Vec::as_slice);
        let rest = item.get(self.offset..).unwrap_or_default();
        let size = rest.len().min(data.len());
        data[..size].copy_from_slice(&rest[..size]);
        self.offset = self.offset.saturating_add(data.len());
    }

    /// Does the request whose description is at `address`.
    fn dma(&mut self, address: u64, memory: &GuestMemory) {
        // Whoever gives an address without memory gets no answer, as there is no place for it.
        let _ = self.request(address, memory);
    }

    fn request(&mut self, address: u64, memory: &GuestMemory) -> Result<(), OutsideMemory> {
        let mut request = [0; 16];
        memory.read(address, &mut request)?;
        let [control, length, high, low] = [0, 4, 8, 12].map(|offset| word(&request[offset..]));
        if control & control::SELECT != 0 {
            self.select((control >> 16) as u16);
        }
        let target = u64::from(high) << 32 | u64::from(low);
        let is_done = if control & control::READ != 0 {
            length <= DMA_MAX && {
                let mut data = vec![0; length as usize];
                self.take(&mut data);
                memory.write(target, &data).is_ok()
            }
        } else if control & control::WRITE != 0 {
            false
        } else {
            if control & control::SKIP != 0 {
                self.offset = self.offset.saturating_add(length as usize);
            }
            true
        };
        let answer = if is_done { 0 } else { control::ERROR };
        memory.write(address, &answer.to_be_bytes())
    }
}

/// The big-endian 32-bit value that `bytes` starts with.
fn word(bytes: &[u8]) -> u32 {
    bytes.iter().take(4).fold(0, |value, byte| value << 8 | u32::from(*byte))
}

impl Device for FwCfg {
    fn regions(&self) -> Vec<Region> {
        vec![Region::Ports { first: BASE, count: NR_PORTS }]
    }

    fn take_firmware_files(&mut self, files: &[(&'static str, Vec<u8>)]) {
        for (name, contents) in files {
            self.add_file(name, contents.clone());
        }
    }

    fn read(&mut self, at: Location, data: &mut [u8]) -> Flow {
        match (at.offset, data.len()) {
            (1, 1) => self.take(data),
            (4..12, size) => {
                let start = at.offset as usize - 4;
                // The bus gives no access that leaves the region.
                data.copy_from_slice(&DMA_SIGNATURE[start..start + size]);
            }
            _ => data.fill(0),
        }
        Flow::Continue
    }

    fn write(&mut self, at: Location, data: &[u8], memory: &GuestMemory) -> Flow {
        match (at.offset, data) {
            (0, [low, high]) => self.select(u16::from_le_bytes([*low, *high])),
            (4, [_, _, _, _]) => self.dma_address = u64::from(word(data)) << 32,
            (8, [_, _, _, _]) => {
                let address = std::mem::take(&mut self.dma_address) | u64::from(word(data));
                self.dma(address, memory);
            }
            _ => {}
        }
        Flow::Continue
    }

    fn save(&self) -> Result<Vec<u8>, DeviceStateError> {
        // With the items, because a guest may be reading one: on another host they could be others.
        save::to_bytes(&(&self.items, self.selected, self.offset as u64, self.dma_address))
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), DeviceStateError> {
        let (items, selected, offset, dma_address): (_, _, u64, _) = save::from_bytes(state)?;
        let offset = usize::try_from(offset).map_err(|_| DeviceStateError::Contents)?;
        (self.items, self.selected, self.offset, self.dma_address) = (items, selected, offset, dma_address);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{MemoryError, Template};

    fn memory() -> GuestMemory {
        Template::new::<MemoryError>(1 << 20, |_| Ok(())).unwrap().instantiate().unwrap()
    }

    fn write(device: &mut FwCfg, offset: u64, data: &[u8], memory: &GuestMemory) {
        assert_eq!(device.write(Location { region: 0, offset }, data, memory), Flow::Continue);
    }

    fn read(device: &mut FwCfg, offset: u64, size: usize) -> Vec<u8> {
        let mut data = vec![0xff; size];
        assert_eq!(device.read(Location { region: 0, offset }, &mut data), Flow::Continue);
        data
    }

    fn item(device: &mut FwCfg, key: u16, size: usize) -> Vec<u8> {
        write(device, 0, &key.to_le_bytes(), &memory());
        (0..size).flat_map(|_| read(device, 1, 1)).collect()
    }

    #[test]
    fn items_are_read_by_byte_and_end_with_zeros() {
        let device = &mut FwCfg::new(3, 5, MemoryMap::new(0x1234_5000).unwrap());
        assert_eq!(item(device, 0, 6), b"QEMU\0\0");
        assert_eq!(item(device, 1, 4), [3, 0, 0, 0]);
        assert_eq!(item(device, 3, 8), 0x1234_5000_u64.to_le_bytes());
        assert_eq!((item(device, 5, 2), item(device, 0xf, 2)), (vec![3, 0], vec![5, 0]));
        assert_eq!(item(device, 0x7777, 2), [0, 0]);
    }

    #[test]
    fn memory_above_4_gib_is_the_second_entry_of_the_map() {
        let device = &mut FwCfg::new(1, 1, MemoryMap::new(6 << 30).unwrap());
        let entries = [(0_u64, 3_u64 << 30), (4 << 30, 3 << 30)];
        let entry =
            |(address, size): (u64, u64)| [&address.to_le_bytes()[..], &size.to_le_bytes(), &[1, 0, 0, 0]].concat();
        assert_eq!(item(device, key::FIRST_FILE, 41), [&entries.map(entry).concat()[..], &[0]].concat());
        assert_eq!(item(device, key::RAM_SIZE, 8), (6_u64 << 30).to_le_bytes());
    }

    #[test]
    fn a_restored_one_goes_on_within_the_item() {
        let before = &mut FwCfg::new(3, 3, MemoryMap::new(1 << 20).unwrap()).with_file("a", b"letters".to_vec());
        assert_eq!(item(before, 0x20, 3), b"let");
        write(before, 4, &[0, 0, 0, 1], &memory());
        let state = before.save().unwrap();
        let after = &mut FwCfg::new(1, 1, MemoryMap::new(1 << 21).unwrap());
        after.restore(&state).unwrap();
        assert_eq!(
            ((0..4).flat_map(|_| read(after, 1, 1)).collect::<Vec<_>>(), after.dma_address),
            (b"ters".to_vec(), 1 << 32)
        );
        assert_eq!(item(after, 5, 2), [3, 0]);
        for size in 0..state.len() {
            assert_eq!(after.restore(&state[..size]), Err(DeviceStateError::Contents), "{size}");
        }
    }

    #[test]
    fn directory_leads_to_the_files_in_the_order_of_their_names() {
        let device = &mut FwCfg::new(1, 1, MemoryMap::new(1 << 20).unwrap())
            .with_file("etc/second", vec![7, 8])
            .with_file("a/first", vec![9]);
        let directory = item(device, 0x19, 4 + 3 * 64);
        assert_eq!(word(&directory), 3);
        for (index, (name, contents)) in
            [("a/first", &[9][..]), ("etc/e820", &[0; 8]), ("etc/second", &[7, 8])].into_iter().enumerate()
        {
            let entry = &directory[4 + 64 * index..][..64];
            assert!(entry[8..].starts_with(name.as_bytes()) && entry[8 + name.len()] == 0, "{name}");
            let key = u16::from_be_bytes([entry[4], entry[5]]);
            assert_eq!(item(device, key, contents.len()), contents, "{name}");
        }
        assert_eq!(word(&directory[4 + 64..]), 20);
    }

    fn dma(device: &mut FwCfg, memory: &GuestMemory, control: u32, length: u32, target: u64) -> u32 {
        let request = [&control.to_be_bytes()[..], &length.to_be_bytes(), &target.to_be_bytes()].concat();
        memory.write(0x1000, &request).unwrap();
        write(device, 4, &[0; 4], memory);
        write(device, 8, &0x1000_u32.to_be_bytes(), memory);
        memory.read_u32(0x1000).unwrap().swap_bytes()
    }

    #[test]
    fn dma_selects_skips_and_reads() {
        let (device, memory) = (&mut FwCfg::new(1, 1, MemoryMap::new(1 << 20).unwrap()), memory());
        assert_eq!(read(device, 4, 4), b"QEMU");
        assert_eq!(dma(device, &memory, control::SELECT | control::READ, 4, 0x2000), 0);
        assert_eq!(memory.read_u32(0x2000).unwrap().to_le_bytes(), *b"QEMU");
        assert_eq!(dma(device, &memory, control::SELECT | control::SKIP, 2, 0), 0);
        assert_eq!(dma(device, &memory, control::READ, 8, 0x2000), 0);
        assert_eq!(memory.read_u64(0x2000).unwrap(), u64::from_le_bytes(*b"MU\0\0\0\0\0\0"));
    }

    #[test]
    fn dma_that_cannot_be_done_says_so() {
        let (device, memory) = (&mut FwCfg::new(1, 1, MemoryMap::new(1 << 20).unwrap()), memory());
        for (control, length, target) in [
            (control::WRITE, 1, 0x2000),
            (control::READ, 8, 0xf_fffc),
            (control::READ, DMA_MAX + 1, 0),
            (control::READ, 1, u64::MAX),
        ] {
            assert_eq!(dma(device, &memory, control, length, target), control::ERROR, "{control} {length} {target:#x}");
        }
        // A description outside of memory is ignored.
        write(device, 4, &[0xff; 4], &memory);
        write(device, 8, &[0xff; 4], &memory);
        // So are accesses of other sizes.
        for size in 1..=8 {
            for offset in 0..=12 - size as u64 {
                write(device, offset, &vec![0; size], &memory);
                read(device, offset, size);
            }
        }
    }
}
