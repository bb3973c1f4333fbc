//! The wish to end early: set once, by Ctrl-C, and seen by everything that waits.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// A flag that many hold and that is never taken back.
#[derive(Clone, Debug, Default)]
pub struct Cancel {
    wished: Arc<AtomicBool>,
}

impl Cancel {
    /// Asks everything to end.
    pub fn cancel(&self) {
        self.wished.store(true, Ordering::SeqCst);
    }

    /// Whether that was asked.
    pub fn is_cancelled(&self) -> bool {
        self.wished.load(Ordering::SeqCst)
    }
}
