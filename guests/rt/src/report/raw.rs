//! Messages as no case would send them: for the cases of `guests/smoke`, which test the harness.

use super::{SEQUENCE, TO_PAGE, com1, end, next, page};
use case::message::{Kind, MAX_VALUES, NO_ROW};
use core::sync::atomic::Ordering;

/// A message whose every field is free.
#[derive(Clone, Copy, Debug)]
pub struct Raw {
    /// The kind, known or not.
    pub kind: u8,
    /// The sequence number.
    pub sequence: u32,
    /// The site's address.
    pub site: u64,
    /// The row.
    pub row: u64,
    /// How many values are sent.
    pub nr_values: u8,
    /// The values.
    pub values: [u64; MAX_VALUES],
}

impl Raw {
    /// A message of this kind as it would come next, without a site, and with zeros as its values.
    pub fn next(kind: Kind) -> Self {
        let sequence = next(&SEQUENCE);
        Self { kind: kind as u8, sequence, site: 0, row: NO_ROW, nr_values: kind.nr_values(), values: [0; MAX_VALUES] }
    }

    /// Sends it by the transport in use.
    pub fn send(&self) {
        let values = self.values.get(..usize::from(self.nr_values)).unwrap_or(&self.values);
        if is_to_page() {
            let head = u64::from(self.kind) | u64::from(self.nr_values) << 8 | u64::from(self.sequence) << 32;
            page::put(head, self.site, self.row, values);
        } else {
            com1::send(self.kind, self.sequence, self.site, self.row, values);
        }
    }
}

/// Whether messages go to the shared pages.
pub fn is_to_page() -> bool {
    TO_PAGE.load(Ordering::Relaxed)
}

/// Writes `count` as the number of messages in the shared pages, whatever stands there, and rings the doorbell.
pub fn announce(count: u32) {
    page::announce(count);
}

/// Number of messages that stand in the shared pages now.
pub fn read_nr_in_page() -> u32 {
    page::read_count()
}

/// Writes bytes to COM1, after whatever a message left there.
pub fn write_bytes(bytes: &[u8]) {
    for &byte in bytes {
        com1::put(byte);
    }
}

/// Ends the virtual machine without a last message. What stands in the shared pages is not announced.
pub fn end() -> ! {
    end::end()
}
