//! A buffer that the driver made available: what the device may read, then what it may write.

use super::RingError;
use crate::{
    Memory,
    fault::{BufferFault, changed_read, changed_write},
};
use vm_memory::{Bytes, GuestAddress, GuestMemoryBackend};

/// One element of a buffer: contiguous guest memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element {
    /// Guest physical address of the first byte.
    pub address: u64,
    /// Size in bytes.
    pub size_bytes: u32,
}

/// A buffer; all of it lies within guest memory.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Chain {
    /// What the used ring is told: the head's index (split) or the buffer's id (packed).
    pub(super) id: u16,
    /// Descriptors of the ring that it took.
    pub(super) nr_descriptors: u16,
    readable: Vec<Element>,
    writable: Vec<Element>,
    /// Sum of all sizes.
    all_bytes: u64,
    /// What of its bytes is taken or told wrongly.
    fault: Option<BufferFault>,
}

impl Chain {
    /// One without elements.
    pub(super) fn new(id: u16) -> Self {
        Self { id, ..Self::default() }
    }

    /// The same with bytes that are taken or told wrongly, and with its elements in the other order if they are to be.
    pub(super) fn with_faults(mut self, fault: Option<BufferFault>, is_reversed: bool) -> Self {
        self.fault = fault;
        if is_reversed {
            self.readable.reverse();
            self.writable.reverse();
        }
        self
    }

    /// Adds what a descriptor leads to.
    ///
    /// # Errors
    /// If it does not lie in guest memory, if what can be read follows what can be written (§ 2.7.4.2), or if all is more
    /// than 4 GiB (§ 2.7.5.2).
    pub(super) fn push(&mut self, memory: &Memory, element: Element, is_writable: bool) -> Result<(), RingError> {
        let Element { address, size_bytes } = element;
        if !memory.check_range(GuestAddress(address), size_bytes as usize) {
            return Err(RingError::Outside { address, size_bytes: size_bytes.into() });
        }
        if !is_writable && !self.writable.is_empty() {
            return Err(RingError::Order);
        }
        self.all_bytes += u64::from(size_bytes);
        if self.all_bytes > 1 << 32 {
            return Err(RingError::TooLong);
        }
        if is_writable { &mut self.writable } else { &mut self.readable }.push(element);
        Ok(())
    }

    /// The elements that the device may read, in order.
    pub fn readable(&self) -> &[Element] {
        &self.readable
    }

    /// The elements that the device may write, in order.
    pub fn writable(&self) -> &[Element] {
        &self.writable
    }

    /// Sum of the sizes of what can be read.
    pub fn readable_bytes(&self) -> u64 {
        sum(&self.readable)
    }

    /// Sum of the sizes of what can be written.
    pub fn writable_bytes(&self) -> u64 {
        sum(&self.writable)
    }

    /// Copies from what can be read, from `offset` on, and gives how many bytes there were.
    pub fn read(&self, memory: &Memory, offset: u64, bytes: &mut [u8]) -> usize {
        let mut done = 0;
        for (address, size) in pieces(&self.readable, offset, bytes.len()) {
            // It was within memory when it was pushed, and memory does not shrink while a chain is held.
            if memory.read_slice(&mut bytes[done..done + size], GuestAddress(address)).is_err() {
                break;
            }
            done += size;
        }
        if let Some(fault) = self.fault {
            changed_read(fault, &mut bytes[..done], offset, self.readable_bytes());
        }
        done
    }

    /// Copies to what can be written, from `offset` on, and gives how many bytes had room.
    pub fn write(&self, memory: &Memory, offset: u64, bytes: &[u8]) -> usize {
        let mut done = 0;
        for (address, size) in pieces(&self.writable, offset, bytes.len()) {
            if memory.write_slice(&bytes[done..done + size], GuestAddress(address)).is_err() {
                break;
            }
            done += size;
        }
        if let Some(fault) = self.fault {
            changed_write(fault, memory, &self.writable, &bytes[..done], offset);
        }
        done
    }
}

fn sum(elements: &[Element]) -> u64 {
    elements.iter().map(|element| u64::from(element.size_bytes)).sum()
}

/// Addresses and sizes that `size` bytes from `offset` on lie at.
pub fn pieces(elements: &[Element], mut offset: u64, size: usize) -> impl Iterator<Item = (u64, usize)> {
    let mut left = size;
    elements.iter().filter_map(move |element| {
        let whole = u64::from(element.size_bytes);
        if offset >= whole {
            offset -= whole;
            return None;
        }
        let size = usize::try_from(whole - offset).unwrap_or(usize::MAX).min(left);
        let address = element.address + offset;
        (offset, left) = (0, left - size);
        (size > 0).then_some((address, size))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::memory;

    fn element(address: u64, size_bytes: u32) -> Element {
        Element { address, size_bytes }
    }

    #[test]
    fn copies_cross_elements() {
        let memory = memory();
        let mut chain = Chain::new(0);
        for (address, size, is_writable) in
            [(0x100, 3, false), (0x200, 0, false), (0x300, 5, false), (0x400, 2, true), (0x500, 2, true)]
        {
            chain.push(&memory, element(address, size), is_writable).unwrap();
        }
        memory.write_slice(b"abc", GuestAddress(0x100)).unwrap();
        memory.write_slice(b"defgh", GuestAddress(0x300)).unwrap();
        let mut bytes = [0; 8];
        assert_eq!(chain.read(&memory, 0, &mut bytes), 8);
        assert_eq!(&bytes, b"abcdefgh");
        assert_eq!(chain.read(&memory, 2, &mut bytes[..3]), 3);
        assert_eq!(&bytes[..3], b"cde");
        assert_eq!(chain.read(&memory, 7, &mut bytes), 1);
        assert_eq!(chain.read(&memory, 8, &mut bytes), 0);
        assert_eq!(chain.write(&memory, 1, b"12345"), 3);
        assert_eq!((chain.readable_bytes(), chain.writable_bytes()), (8, 4));
        memory.read_slice(&mut bytes[..4], GuestAddress(0x400)).unwrap();
        assert_eq!(&bytes[..2], &[0, b'1']);
    }

    #[test]
    fn what_is_not_within_memory_is_refused() {
        let memory = memory();
        let end = memory.last_addr().0 + 1;
        let mut chain = Chain::new(0);
        for (address, size_bytes) in [(end, 1), (end - 1, 2), (u64::MAX, 1), (u64::MAX, 2), (0, u32::MAX)] {
            let outside = RingError::Outside { address, size_bytes: size_bytes.into() };
            assert_eq!(chain.push(&memory, element(address, size_bytes), true), Err(outside));
        }
        assert_eq!(chain.push(&memory, element(end - 1, 1), true), Ok(()));
        assert_eq!(chain.push(&memory, element(0, 1), false), Err(RingError::Order));
    }
}
