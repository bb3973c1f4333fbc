//! The device of kvm-unit-tests, where its kernels expect QEMU's pc-testdev.
//!
//! | ports, addresses | what |
//! |---|---|
//! | E0H to E3H | four bytes that are kept |
//! | E4H to E7H | a page's address: the host shall let go of its mapping |
//! | E8H to EBH | the same four bytes as at E0H |
//! | 2000H to 2017H | interrupt lines 0 to 23: a byte other than 0 asserts the line |
//! | FF000000H to FF00FFFFH | memory that is a device |
//!
//! Sources: kvm-unit-tests, "x86/ioapic.c", "x86/emulator.c" and "x86/vmexit.c", which use them; QEMU, option `-device
//! pc-testdev`. Not completely as there: letting go of a page's mapping is taken and does nothing.

use crate::{
    bus::{Device, Flow, Location, Region},
    connection::Connection,
    interrupts::{ControllerLine, InterruptLine},
    memory::GuestMemory,
    save::{self, DeviceStateError},
    stop::StopReason,
};

/// Ports of the bytes that are kept, twice, and of the page.
const BYTES: u16 = 0xe0;
const PAGE: u16 = 0xe4;
const BYTES_AGAIN: u16 = 0xe8;
const NR_BYTES: u16 = 4;
/// Ports of the lines.
const LINES: u16 = 0x2000;
const NR_LINES: u16 = 24;
/// Addresses of the memory.
const MEMORY: u64 = 0xff00_0000;
const MEMORY_SIZE: usize = 0x1_0000;

/// Indices of the regions.
mod region {
    pub(super) const BYTES: usize = 0;
    pub(super) const PAGE: usize = 1;
    pub(super) const BYTES_AGAIN: usize = 2;
    pub(super) const LINES: usize = 3;
}

/// The device.
#[derive(Debug)]
pub struct PcTestDevice {
    bytes: [u8; NR_BYTES as usize],
    memory: Vec<u8>,
    lines: Vec<ControllerLine>,
}

impl PcTestDevice {
    /// One whose bytes and memory are zero.
    #[expect(clippy::new_without_default, reason = "a device is made, as the others are")]
    pub fn new() -> Self {
        Self { bytes: [0; 4], memory: vec![0; MEMORY_SIZE], lines: Vec::new() }
    }

    /// The bytes behind an access; there are none in the region of a page, and of lines.
    fn bytes_at(&mut self, at: Location, size: usize) -> Option<&mut [u8]> {
        let start = usize::try_from(at.offset).ok()?;
        let bytes = match at.region {
            region::BYTES | region::BYTES_AGAIN => &mut self.bytes[..],
            region::PAGE | region::LINES => return None,
            _ => &mut self.memory[..],
        };
        bytes.get_mut(start..start.checked_add(size)?)
    }
}

impl Device for PcTestDevice {
    fn regions(&self) -> Vec<Region> {
        vec![
            Region::Ports { first: BYTES, count: NR_BYTES },
            Region::Ports { first: PAGE, count: NR_BYTES },
            Region::Ports { first: BYTES_AGAIN, count: NR_BYTES },
            Region::Ports { first: LINES, count: NR_LINES },
            Region::Memory { first: MEMORY, size_bytes: MEMORY_SIZE as u64 },
        ]
    }

    fn connect(&mut self, connection: &mut Connection) {
        self.lines = (0..u32::from(NR_LINES)).map(|line| connection.interrupts().line(line)).collect();
    }

    fn read(&mut self, at: Location, data: &mut [u8]) -> Flow {
        if let Some(bytes) = self.bytes_at(at, data.len()) {
            data.copy_from_slice(bytes);
        }
        Flow::Continue
    }

    fn write(&mut self, at: Location, data: &[u8], _: &GuestMemory) -> Flow {
        match (at.region, data) {
            (region::LINES, [value]) => {
                let line = self.lines.get(at.offset as usize);
                if let Some(Err(error)) = line.map(|line| line.set(*value != 0)) {
                    return Flow::Stop(StopReason::DeviceStopped(error.to_string()));
                }
            }
            _ => {
                if let Some(bytes) = self.bytes_at(at, data.len()) {
                    bytes.copy_from_slice(data);
                }
            }
        }
        Flow::Continue
    }

    fn save(&self) -> Result<Vec<u8>, DeviceStateError> {
        // What the lines were set to last, interrupt controllers know.
        save::to_bytes(&(self.bytes, &self.memory))
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), DeviceStateError> {
        let (bytes, memory): ([u8; NR_BYTES as usize], Vec<u8>) = save::from_bytes(state)?;
        if memory.len() != MEMORY_SIZE {
            return Err(DeviceStateError::Contents);
        }
        (self.bytes, self.memory) = (bytes, memory);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{MemoryError, Template};

    #[test]
    fn bytes_are_kept_at_both_places_and_memory_at_its_own() {
        let memory = Template::new::<MemoryError>(1 << 20, |_| Ok(())).unwrap().instantiate().unwrap();
        let device = &mut PcTestDevice::new();
        let at = |region, offset| Location { region, offset };
        assert_eq!(device.write(at(0, 0), &[1, 2, 3, 4], &memory), Flow::Continue);
        assert_eq!(device.write(at(2, 1), &[9], &memory), Flow::Continue);
        assert_eq!(device.write(at(4, 0xfffe), &[5, 6], &memory), Flow::Continue);
        for (place, expected) in
            [(at(2, 0), [1, 9]), (at(0, 2), [3, 4]), (at(4, 0xfffe), [5, 6]), (at(1, 0), [0xee; 2])]
        {
            let mut data = [0xee; 2];
            assert_eq!(device.read(place, &mut data), Flow::Continue);
            assert_eq!(data, expected, "{place:?}");
        }
        let state = device.save().unwrap();
        let restored = &mut PcTestDevice::new();
        restored.restore(&state).unwrap();
        assert_eq!((restored.bytes, &restored.memory), (device.bytes, &device.memory));
        assert_eq!(restored.restore(&state[..9]), Err(DeviceStateError::Contents));
        // Without a machine there are no lines.
        assert_eq!(device.write(at(3, 23), &[1], &memory), Flow::Continue);
    }
}
