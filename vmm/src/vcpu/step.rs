//! What an entry of the guest leads to.

use crate::{bus::Flow, platform::Failure, stop::StopReason};
use kvm_bindings::kvm_debug_exit_arch;

/// What one entry of the guest led to.
pub(crate) enum Step {
    /// The guest can go on.
    Continue,
    /// A signal came, or KVM wants to be called again.
    Interrupted,
    /// A breakpoint or a single step.
    Debug(kvm_debug_exit_arch),
    /// The run ends.
    Stop(StopReason),
}

impl From<Result<(), Failure>> for Step {
    fn from(result: Result<(), Failure>) -> Self {
        match result {
            Ok(()) => Self::Continue,
            Err(failure) => Self::Stop(failure.into()),
        }
    }
}

impl From<Flow> for Step {
    fn from(flow: Flow) -> Self {
        match flow {
            // Of an access by port, the only one that is told; see `Runner::step`.
            Flow::Continue | Flow::TellPaused | Flow::PulseLint1 => Self::Continue,
            Flow::Stop(reason) => Self::Stop(reason),
        }
    }
}
