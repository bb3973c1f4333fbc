//! Ctrl-C: the first asks everything to end with the results so far, the second ends at once.

use std::sync::atomic::{AtomicBool, Ordering};
use testcases::cancel::Cancel;

/// Exit status of a shell's command that was interrupted: 128 and SIGINT.
const INTERRUPTED: i32 = 130;

/// A wish to end that Ctrl-C, SIGTERM and SIGHUP set.
pub(crate) fn cancel_on_signal() -> anyhow::Result<Cancel> {
    let cancel = Cancel::default();
    let (wish, asked) = (cancel.clone(), AtomicBool::new(false));
    ctrlc::set_handler(move || {
        if asked.swap(true, Ordering::SeqCst) {
            std::process::exit(INTERRUPTED);
        }
        wish.cancel();
    })?;
    Ok(cancel)
}
