//! What cases see of the processor, wrong on purpose, if the command line asks for it: see [`case::observation`].

use crate::select;
pub(crate) use case::observation::Place;
use core::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// The place, or 0 for none; and what of it is changed.
static PLACE: AtomicU8 = AtomicU8::new(0);
static NUMBER: AtomicU64 = AtomicU64::new(0);
static INVERTED: AtomicU64 = AtomicU64::new(0);

/// Takes the command line's word.
pub(crate) fn set(value: &[u8]) {
    let mut parts = value.split(|&byte| byte == b':').map(select::hexadecimal);
    let mut next = || parts.next().unwrap_or(0);
    let place = next();
    NUMBER.store(next(), Ordering::Relaxed);
    INVERTED.store(next(), Ordering::Relaxed);
    PLACE.store(place as u8, Ordering::Relaxed);
}

/// What a case sees of a value. It costs two instructions where nothing is asked for.
#[inline(always)]
pub(crate) fn seen(place: Place, number: u64, value: u64) -> u64 {
    if is_asked(place) { changed(number, value) } else { value }
}

/// Whether something of a place is changed.
#[inline(always)]
pub(crate) fn is_asked(place: Place) -> bool {
    PLACE.load(Ordering::Relaxed) == place as u8
}

#[cold]
fn changed(number: u64, value: u64) -> u64 {
    if NUMBER.load(Ordering::Relaxed) == number { value ^ INVERTED.load(Ordering::Relaxed) } else { value }
}
