//! How far a run is.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal as _;

/// A bar for so many inputs, or a mere counter for a run without end; nothing is shown unless on a terminal.
pub(crate) fn bar(nr_inputs: Option<u64>, is_shown: bool) -> ProgressBar {
    if !is_shown || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let (bar, template) = match nr_inputs {
        None => (ProgressBar::new_spinner(), "{spinner} {human_pos} cases {elapsed} {per_sec}"),
        Some(nr_inputs) => (
            ProgressBar::new(nr_inputs),
            "{bar:32.cyan/blue} {human_pos}/{human_len} cases {elapsed} {per_sec} eta {eta}",
        ),
    };
    bar.with_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()))
}
