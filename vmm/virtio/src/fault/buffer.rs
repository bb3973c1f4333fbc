//! What can be wrong with one kind of device: which byte is another one.

use crate::{DeviceKind, Memory, ring::Element, ring::pieces};
use vm_memory::{Bytes, GuestAddress};

/// What is wrong with the buffers of one queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BufferFault {
    /// Of which devices.
    pub kind: DeviceKind,
    /// Of which of their queues.
    pub queue: u16,
    /// Of what the driver wrote or of what the device writes.
    pub way: Way,
    /// Which byte.
    pub place: Place,
    /// Only if it is this one.
    pub only: Option<u8>,
    /// Which of its bits are inverted.
    pub xor: u8,
}

/// Who wrote what is taken wrongly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The device takes something else than what stands there.
    Taken,
    /// The device writes something else.
    Told,
}

/// A place in what can be read or in what can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// So many bytes from its start.
    Start(u64),
    /// So many bytes before its end.
    End(u64),
}

/// What is wrong with the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfigFault {
    /// Of which devices.
    pub kind: DeviceKind,
    /// Which byte.
    pub offset: usize,
    /// Which of its bits are inverted.
    pub xor: u8,
}

/// What is wrong with what is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeatureFault {
    /// By which devices.
    pub kind: DeviceKind,
    /// Which bits are inverted.
    pub xor: u64,
}

impl BufferFault {
    /// Changes the byte, if it is among these, which begin at `offset` of so many.
    fn change(self, bytes: &mut [u8], offset: u64, all_bytes: u64) -> Option<u64> {
        let at = match self.place {
            Place::Start(at) => at,
            Place::End(before) => all_bytes.checked_sub(before)?,
        };
        let byte = bytes.get_mut(usize::try_from(at.checked_sub(offset)?).ok()?)?;
        if self.only.is_some_and(|only| only != *byte) {
            return None;
        }
        *byte ^= self.xor;
        Some(at)
    }
}

/// Changes what was read from `offset` of a buffer.
pub(crate) fn changed_read(fault: BufferFault, bytes: &mut [u8], offset: u64, all_bytes: u64) {
    if fault.way == Way::Taken {
        fault.change(bytes, offset, all_bytes);
    }
}

/// Changes what was written at `offset` of a buffer that consists of `elements`.
pub(crate) fn changed_write(fault: BufferFault, memory: &Memory, elements: &[Element], bytes: &[u8], offset: u64) {
    let all_bytes = elements.iter().map(|element| u64::from(element.size_bytes)).sum();
    let mut bytes = bytes.to_vec();
    if fault.way == Way::Told
        && let Some(at) = fault.change(&mut bytes, offset, all_bytes)
        && let Some((address, _)) = pieces(elements, at, 1).next()
    {
        // It was written just now.
        let _ = memory.write_obj(bytes[(at - offset) as usize], GuestAddress(address));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_byte_that_is_meant_is_another_one() {
        let fault =
            |place, only| BufferFault { kind: DeviceKind::Block, queue: 0, way: Way::Taken, place, only, xor: 1 };
        for (place, only, offset, expected) in [
            (Place::Start(2), None, 0, [1, 2, 2, 4]),
            (Place::Start(2), None, 1, [1, 3, 3, 4]),
            (Place::Start(2), Some(3), 0, [1, 2, 2, 4]),
            (Place::Start(2), Some(7), 0, [1, 2, 3, 4]),
            (Place::Start(2), None, 3, [1, 2, 3, 4]),
            (Place::End(1), None, 0, [1, 2, 3, 5]),
            (Place::End(9), None, 0, [1, 2, 3, 4]),
        ] {
            let mut bytes = [1, 2, 3, 4];
            changed_read(fault(place, only), &mut bytes, offset, 4);
            assert_eq!(bytes, expected, "{place:?} {only:?} {offset}");
        }
    }
}
