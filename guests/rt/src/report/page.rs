//! The transport by shared pages and doorbell.

#![expect(unsafe_code, reason = "the pages are shared with the host")]
// UNSAFETY: volatile writes into the pages at their fixed address, which is reserved in the image.

use crate::{cpu::port, layout::REPORT_PAGES};
use case::{
    image::board::DOORBELL_PORT,
    message::{Kind, MAX_VALUES, page},
};
use core::mem::size_of;

const COUNTER: *mut u32 = (REPORT_PAGES as usize + page::COUNT) as *mut u32;

pub(super) fn send(kind: Kind, sequence: u32, site: u64, row: u64, values: &[u64]) {
    put(u64::from(kind as u8) | u64::from(kind.nr_values()) << 8 | u64::from(sequence) << 32, site, row, values);
}

/// Writes a message into the next slot. `head` is its first quadword; of `values` as many are written as fit.
///
/// No case fills the pages. One that does announces them wherever it is; if the subject refuses, the last slot is written
/// again, and the host misses a message.
pub(super) fn put(head: u64, site: u64, row: u64, values: &[u64]) {
    let index = (read_count() as usize).min(page::CAPACITY - 1);
    let slot = (REPORT_PAGES as usize + page::FIRST + index * size_of::<case::message::Message>()) as *mut u64;
    // SAFETY: `index` is below the capacity, so the slot lies inside the pages; a message is eight quadwords, of which
    // the first three are head, site and row.
    unsafe {
        slot.write_volatile(head);
        slot.add(1).write_volatile(site);
        slot.add(2).write_volatile(row);
        for (index, &value) in values.iter().take(MAX_VALUES).enumerate() {
            slot.add(3 + index).write_volatile(value);
        }
        COUNTER.write_volatile(index as u32 + 1);
    }
    // One slot is left for the exception that the doorbell may raise.
    if index + 2 >= page::CAPACITY {
        flush();
    }
}

/// How many messages stand in the pages.
pub(super) fn read_count() -> u32 {
    // SAFETY: the counter's address is aligned, inside the pages, and only written here.
    unsafe { COUNTER.read_volatile() }
}

/// Announces the messages to the host, which reads them before this returns.
pub(super) fn flush() {
    // One byte: at CPL 3 it needs one bit of the I/O permission bitmap, so that little of the subject has to work.
    port::write_u8(DOORBELL_PORT, 0);
    // SAFETY: the counter's address is aligned and inside the pages.
    unsafe { COUNTER.write_volatile(0) };
}

/// Announces `count` messages, whatever stands in the pages.
pub(super) fn announce(count: u32) {
    // SAFETY: the counter's address is aligned and inside the pages; `flush` sets it right again.
    unsafe { COUNTER.write_volatile(count) };
    flush();
}
