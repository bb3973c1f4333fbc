//! The device behind the pages under test: it holds their content and tells each access.

use super::layout;
use iced_decoder::{
    Access, Direction, Space,
    machine::window::{self, Window},
};

/// What a device has on the other side: the pages under test as linear address and backing.
fn place(address: u64, size: usize) -> Option<(u64, usize)> {
    let offset = address.checked_sub(layout::DEVICES)?;
    let end = offset.checked_add(size as u64)?;
    let all = Window::ALL.len() as u64 * window::SIZE as u64;
    if end > all {
        return None;
    }
    let (index, within) = (offset / window::SIZE as u64, offset % window::SIZE as u64);
    Some((window::DATA + index * window::STEP + within, (layout::DATA + offset) as usize))
}

fn access(address: u64, size: usize, direction: Direction) -> Access {
    Access { space: Space::Memory, address, size_bytes: size as u32, direction }
}

/// Answers a read at a physical address; nothing if no device is there.
pub(super) fn read(memory: &[u8], address: u64, data: &mut [u8]) -> Option<Access> {
    let (linear, backing) = place(address, data.len())?;
    data.copy_from_slice(memory.get(backing..backing + data.len())?);
    Some(access(linear, data.len(), Direction::Read))
}

/// Takes a write at a physical address; nothing if no device is there.
pub(super) fn write(memory: &mut [u8], address: u64, data: &[u8]) -> Option<Access> {
    let (linear, backing) = place(address, data.len())?;
    memory.get_mut(backing..backing + data.len())?.copy_from_slice(data);
    Some(access(linear, data.len(), Direction::Write))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accesses_are_told_by_linear_address() {
        let mut memory = vec![0; layout::MEMORY_SIZE];
        let address = layout::DEVICES + 4 * window::SIZE as u64 + window::PAGE + 5;
        let told = write(&mut memory, address, &[1, 2]).unwrap();
        let linear = Window::StartsMemory.address() + window::PAGE + 5;
        assert_eq!(told, access(linear, 2, Direction::Write));
        let mut data = [0; 3];
        assert_eq!(read(&memory, address, &mut data), Some(access(linear, 3, Direction::Read)));
        assert_eq!(data, [1, 2, 0]);
    }

    #[test]
    fn there_is_no_device_elsewhere() {
        let memory = vec![0; layout::MEMORY_SIZE];
        let end = layout::DEVICES + 5 * window::SIZE as u64;
        for address in [0, layout::DEVICES - 1, end - 3, end, u64::MAX] {
            assert_eq!(read(&memory, address, &mut [0; 4]), None, "{address:#x}");
        }
    }
}
