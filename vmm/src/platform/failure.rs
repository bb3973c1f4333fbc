//! Why what a device asks for did not come to its end.

use crate::{interrupts::InterruptError, stop::StopReason};

/// Why an interrupt did not reach its controller.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// KVM refused it.
    #[error(transparent)]
    Interrupt(#[from] InterruptError),
    /// None did, because the guest has turned the machine off.
    #[error("the guest turned the machine off")]
    PowerOff,
}

impl From<Failure> for StopReason {
    fn from(failure: Failure) -> Self {
        // The source is what helps: KVM's error.
        match (&failure, std::error::Error::source(&failure)) {
            (Failure::PowerOff, _) => Self::PowerOff,
            (_, Some(source)) => Self::DeviceStopped(format!("{failure}: {source}")),
            (_, None) => Self::DeviceStopped(failure.to_string()),
        }
    }
}
