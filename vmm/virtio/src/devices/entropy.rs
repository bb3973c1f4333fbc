//! A source of random bytes (§ 5.4 "Entropy Device").

use crate::{DeviceKind, Io, Memory, RingError, VirtioDevice};
use std::io::Read;
use vm_state::{DeviceStateError, value};

/// The most bytes for one buffer: a driver may offer gigabytes, and a device must not take long.
const BYTES_MAX: u64 = 4096;

/// A source of random bytes.
pub struct Entropy {
    source: Box<dyn Read + Send>,
}

impl Entropy {
    /// One that gives what `source` gives, which must not block.
    pub fn new(source: impl Read + Send + 'static) -> Self {
        Self { source: Box::new(source) }
    }
}

impl VirtioDevice for Entropy {
    fn kind(&self) -> DeviceKind {
        DeviceKind::Entropy
    }

    fn queue_sizes(&self) -> &[u16] {
        &[256]
    }

    fn notified(&mut self, queue: usize, io: &mut Io<'_>) -> Result<(), RingError> {
        io.each(queue, |chain, memory| {
            let mut bytes = vec![0; chain.writable_bytes().min(BYTES_MAX) as usize];
            // § 5.4.6.1: the device writes at least one byte; a source that has none left leaves the buffer empty.
            let size = self.source.read(&mut bytes).unwrap_or(0);
            Ok(chain.write(memory, 0, &bytes[..size]) as u32)
        })
    }

    fn save(&mut self) -> Result<Vec<u8>, DeviceStateError> {
        Ok(Vec::new())
    }

    fn restore(&mut self, state: &[u8], _: &Memory) -> Result<(), DeviceStateError> {
        value::nothing(state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Driver, Layout, exchange};

    /// 1, 2, 3 …
    struct Counter(u8);

    impl Read for Counter {
        fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
            for byte in &mut *bytes {
                self.0 = self.0.wrapping_add(1);
                *byte = self.0;
            }
            Ok(bytes.len())
        }
    }

    #[test]
    fn buffers_are_filled() {
        for layout in Layout::all() {
            let (mut common, mut driver) = Driver::started(Box::new(Entropy::new(Counter(0))), layout, 0);
            assert_eq!(exchange(&mut common, &mut driver, 0, &[], &[3, 2]), (vec![1, 2, 3, 4, 5], 5));
            let (bytes, written) = exchange(&mut common, &mut driver, 0, &[], &[5000]);
            assert_eq!((bytes[0], bytes[4095], bytes[4096], written), (6, 5, 0, 4096));
            // A buffer without room is given back without a byte.
            assert_eq!(exchange(&mut common, &mut driver, 0, &[b"x"], &[]), (vec![], 0));
        }
    }

    #[test]
    fn a_source_that_has_none_left_gives_none() {
        let layout = Layout { packed: false, indirect: false, event_index: false };
        let (mut common, mut driver) = Driver::started(Box::new(Entropy::new(std::io::empty())), layout, 0);
        assert_eq!(exchange(&mut common, &mut driver, 0, &[], &[2]), (vec![0, 0], 0));
    }
}
