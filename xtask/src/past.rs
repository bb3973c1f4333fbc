//! What several commands add to a report: former runs, and annotations.

use clap::Args;
use reports::{History, Report, annotations};
use std::{io::Write as _, path::PathBuf};

/// Former runs and annotations.
#[derive(Debug, Args)]
pub(crate) struct Past {
    /// Former runs for the page: folders of report.json files or of folders with one, or files; the oldest first
    #[arg(long, value_name = "DIR|FILE,…", value_delimiter = ',')]
    history: Vec<PathBuf>,
    /// Also print what is not as expected as annotations of GitHub Actions
    #[arg(long)]
    annotations: bool,
}

impl Past {
    /// Reads the former runs.
    pub(crate) fn history(&self) -> Result<History, reports::ReadError> {
        History::read(&self.history)
    }

    /// Prints the annotations if they were asked for.
    pub(crate) fn annotate(&self, report: &Report) {
        if self.annotations {
            say(&annotations::write(report));
        }
    }
}

/// Prints a text; whoever reads it may have read enough, and closed the pipe.
pub(crate) fn say(text: &str) {
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}
