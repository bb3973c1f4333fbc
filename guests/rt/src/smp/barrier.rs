//! Meeting points of processors.

use crate::clock::Deadline;
use core::sync::atomic::{AtomicU32, Ordering};

/// Where processors wait for each other, any number of times. For CPL 0 and CPL 3.
#[derive(Debug)]
#[repr(align(64))]
pub struct Barrier(AtomicU32);

impl Barrier {
    /// Nobody has arrived.
    #[expect(clippy::new_without_default, reason = "it stands in a static")]
    pub const fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Nobody has arrived. Call it while nobody waits.
    pub fn reset(&self) {
        self.0.store(0, Ordering::Release);
    }

    /// Waits until all `count` processors have arrived; false if some did not in so many microseconds.
    pub fn wait(&self, count: u32, micros: u64) -> bool {
        let arrived = self.0.fetch_add(1, Ordering::AcqRel);
        let goal = (arrived / count + 1) * count;
        Deadline::after(micros).wait(|| self.0.load(Ordering::Acquire) >= goal)
    }
}
