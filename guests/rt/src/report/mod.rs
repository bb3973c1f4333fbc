//! Messages to the host. No formatting: a message is the address of a static site and a few numbers.

mod com1;
mod end;
mod macros;
mod page;
pub mod raw;

use crate::trap::TrapFrame;
use case::{
    Site,
    message::{Kind, NO_ROW},
};
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Whether messages go to the shared pages instead of COM1.
static TO_PAGE: AtomicBool = AtomicBool::new(false);
static SEQUENCE: AtomicU32 = AtomicU32::new(0);
static NR_CHECKS: AtomicU32 = AtomicU32::new(0);

/// Chooses the transport. COM1 is the default.
pub(crate) fn use_page(yes: bool) {
    TO_PAGE.store(yes, Ordering::Relaxed);
}

/// Adds one without a locked instruction: there is one processor in a case's reporting code.
fn next(counter: &AtomicU32) -> u32 {
    let value = counter.load(Ordering::Relaxed);
    counter.store(value.wrapping_add(1), Ordering::Relaxed);
    value
}

fn send(kind: Kind, site: u64, row: u64, values: &[u64]) {
    let sequence = next(&SEQUENCE);
    if TO_PAGE.load(Ordering::Relaxed) {
        page::send(kind, sequence, site, row, values);
    } else {
        com1::send(kind as u8, sequence, site, row, values);
    }
}

/// The ports that messages need: the first, and how many.
pub(crate) fn ports() -> (u16, u16) {
    use case::image::board::{COM1_PORT, DOORBELL_PORT};
    if TO_PAGE.load(Ordering::Relaxed) { (DOORBELL_PORT, 1) } else { (COM1_PORT, 8) }
}

fn address_of(site: &'static Site) -> u64 {
    core::ptr::from_ref(site) as u64
}

/// Reports a check; the host compares. Use the macros [`crate::check!`] and its kin.
#[doc(hidden)]
pub fn check(site: &'static Site, row: u64, actual: u64, expected: u64) {
    next(&NR_CHECKS);
    send(Kind::Check, address_of(site), row, &[actual, expected]);
}

/// Reports that the case cannot decide here. Use the macro [`crate::skip!`].
#[doc(hidden)]
pub fn skip(site: &'static Site) {
    send(Kind::Skip, address_of(site), NO_ROW, &[]);
}

/// Reports a value. Use the macro [`crate::note!`].
#[doc(hidden)]
pub fn note(site: &'static Site, value: u64) {
    send(Kind::Note, address_of(site), NO_ROW, &[value]);
}

/// Reports that the processor must shut down from here on, before it does. Use the macro [`crate::shutdown_due!`].
#[doc(hidden)]
pub fn shutdown_due(site: &'static Site) {
    send(Kind::ShutdownDue, address_of(site), NO_ROW, &[]);
    if TO_PAGE.load(Ordering::Relaxed) {
        page::flush();
    }
}

/// Reports what a program that is no case found, at the site of a check if there is one.
pub fn record(tag: case::fuzz::Tag, site: Option<&'static Site>, values: [u64; 5]) {
    send(Kind::Record, site.map_or(0, address_of), tag as u64, &values);
}

pub(crate) fn offers(bits: u128, vendor: [u32; 3]) {
    let [first, second, third] = vendor.map(u64::from);
    send(Kind::Offers, 0, NO_ROW, &[bits as u64, first, second, third, (bits >> 64) as u64]);
}

/// Sends the last message and ends the virtual machine.
pub(crate) fn done() -> ! {
    if let Some(vector) = crate::trap::redelivered() {
        redelivered(vector.into());
    }
    last(Kind::Done, &[u64::from(NR_CHECKS.load(Ordering::Relaxed))])
}

pub(crate) fn no_such_case() -> ! {
    last(Kind::NoSuchCase, &[])
}

pub(crate) fn unexpected_exception(frame: &TrapFrame) -> ! {
    let cr2 = crate::cpu::control::read_cr2();
    last(Kind::Exception, &[frame.vector, frame.error_code, frame.rip, cr2, frame.rsp])
}

pub(crate) fn redelivered(vector: u64) -> ! {
    last(Kind::Redelivered, &[vector])
}

#[cfg(guest)]
pub(crate) fn panicked(info: &core::panic::PanicInfo<'_>) -> ! {
    match info.location() {
        Some(at) => last(Kind::Panic, &[at.file().as_ptr() as u64, at.file().len() as u64, u64::from(at.line())]),
        None => last(Kind::Panic, &[0, 0, 0]),
    }
}

fn last(kind: Kind, values: &[u64]) -> ! {
    send(kind, 0, NO_ROW, values);
    if TO_PAGE.load(Ordering::Relaxed) {
        page::flush();
    }
    end::end()
}
