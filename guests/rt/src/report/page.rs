//! The transport by shared page and doorbell.

#![expect(unsafe_code, reason = "the page is shared with the host")]
// UNSAFETY: volatile writes into the page at its fixed address, which is reserved in the image.

use crate::{cpu::port, layout::REPORT_PAGE};
use case::{
    image::board::DOORBELL_PORT,
    message::{Kind, page},
};
use core::mem::size_of;

pub(super) fn send(kind: Kind, sequence: u32, site: u64, row: u64, values: &[u64]) {
    let counter = (REPORT_PAGE as usize + page::COUNT) as *mut u32;
    // SAFETY: the counter's address is aligned, inside the page, and only written here.
    let count = unsafe { counter.read_volatile() };
    let slot = (REPORT_PAGE as usize + page::FIRST + count as usize * size_of::<case::message::Message>()) as *mut u64;
    let head = u64::from(kind as u8) | u64::from(kind.nr_values()) << 8 | u64::from(sequence) << 32;
    // SAFETY: `flush` below keeps `count` under the capacity, so the slot lies inside the page; a message is eight
    // quadwords, of which the first three are head, site and row.
    unsafe {
        slot.write_volatile(head);
        slot.add(1).write_volatile(site);
        slot.add(2).write_volatile(row);
        let mut index = 3;
        for &value in values {
            slot.add(index).write_volatile(value);
            index += 1;
        }
        counter.write_volatile(count + 1);
    }
    if count as usize + 1 >= page::CAPACITY {
        flush();
    }
}

/// Announces the messages to the host, which reads them before this returns.
pub(super) fn flush() {
    port::write_u32(DOORBELL_PORT, 0);
    // SAFETY: the counter's address is aligned and inside the page.
    unsafe { ((REPORT_PAGE as usize + page::COUNT) as *mut u32).write_volatile(0) };
}
