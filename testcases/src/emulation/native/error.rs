//! Why there is no native execution.

use std::io;

/// Why a child could not be had or did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum NativeError {
    /// The processor or the kernel lacks something that the runner needs.
    #[error("the host offers no {0}, which native execution needs")]
    Missing(&'static str),
    /// The extended state is larger than what the runner has space for.
    #[error("the extended state takes {size} bytes, more than {limit}")]
    StateTooLarge {
        /// Its size in bytes.
        size: usize,
        /// The space for it in bytes.
        limit: usize,
    },
    /// The runner's program could not be put together.
    #[error("cannot assemble the runner")]
    Assembler(#[from] iced_x86::IcedError),
    /// A system call of the harness failed.
    #[error("cannot {what}")]
    System {
        /// What was to be done.
        what: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// A step of the child's start failed.
    #[error("the child ended at its start ({status}): it could not {step}")]
    Start {
        /// The step.
        step: &'static str,
        /// How the child ended.
        status: String,
    },
    /// The child ended although nothing was being executed.
    #[error("the child ended by itself: {0}")]
    Ended(String),
}

impl NativeError {
    /// The last error of a system call.
    pub(super) fn system(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { what, source }
    }
}
