//! Debugging a guest with gdb, by the protocol crate gdbstub over any stream socket.
//!
//! One vCPU; breakpoints are the processor's four debug registers, so that guest memory stays as it is.
//!
//! Source: GDB manual, appendix E "GDB Remote Serial Protocol"; Linux, "Documentation/virt/kvm/api.rst" § 4.87
//! KVM_SET_GUEST_DEBUG.

mod event_loop;
mod registers;
mod target;

use crate::{
    observer::ExitObserver,
    platform,
    run::RunError,
    state::{self, CpuState},
    stop::{StopReason, Stopped},
    vcpu::{Outside, Runner},
    vm::Vm,
};
use event_loop::EventLoop;
use gdbstub::{
    conn::ConnectionExt,
    stub::{DisconnectReason, GdbStub, GdbStubError},
};
use std::{io, os::fd::AsRawFd};
use target::Debuggee;

/// Why debugging failed.
#[derive(Debug, thiserror::Error)]
pub enum DebugError {
    /// The VM has more than one vCPU.
    #[error("a VM with {nr_vcpus} vCPUs cannot be debugged, only one with a single vCPU")]
    ManyVcpus {
        /// How many it has.
        nr_vcpus: usize,
    },
    /// The debugger went away or its socket failed.
    #[error("the connection to the debugger failed")]
    Connection(#[source] io::Error),
    /// KVM refused a request.
    #[error("KVM refused to debug the guest")]
    Kvm(#[source] io::Error),
    /// The debugger sent what the protocol does not allow.
    #[error("the debugger broke the protocol: {detail}")]
    Protocol {
        /// How.
        detail: String,
    },
    /// The run failed.
    #[error(transparent)]
    Run(#[from] RunError),
}

impl Vm {
    /// Runs the guest under the control of gdb, which is at the other end of `connection`, a connected TCP or Unix
    /// socket. The guest stands still until gdb lets it go.
    ///
    /// When gdb detaches, the guest runs on without it. When gdb kills the guest, the reason is
    /// [`StopReason::Requested`]. [`crate::VmHandle::stop`] takes effect while the guest runs, or when gdb resumes it.
    ///
    /// # Errors
    /// See [`DebugError`].
    pub fn debug<C>(&mut self, connection: C, observer: &mut dyn ExitObserver) -> Result<Stopped, DebugError>
    where
        C: ConnectionExt<Error = io::Error> + AsRawFd,
    {
        let nr_vcpus = self.vcpus.len();
        let Self { vcpus, unfinished, memory, bus, control, platform, watched, .. } = self;
        let platform = platform.as_deref();
        let ([vcpu], [unfinished]) = (&mut vcpus[..], &mut unfinished[..]) else {
            return Err(DebugError::ManyVcpus { nr_vcpus });
        };
        control.start();
        let outside = Outside { bus, observer: &mut *observer };
        let mut debuggee =
            Debuggee::new(Runner::new(0, vcpu, unfinished, memory, control, platform), outside, memory, control);
        let session = || GdbStub::new(connection).run_blocking::<EventLoop<'_, '_, C>>(&mut debuggee).map_err(failure);
        let end = watched
            .during(control, |_| control.end(), || platform::awake(platform, |_| control.end(), session))
            .map_err(RunError::Devices)?
            .map_err(RunError::Timers)?;
        debuggee.remove_all().map_err(DebugError::Kvm)?;
        let (ended, nr_exits) = debuggee.into_end();
        let reason = match (end, ended) {
            // However the session ended: a debugger may close its socket as soon as the guest's end has been told.
            (_, Some(reason)) => reason,
            (Err(error), None) => return Err(error),
            (Ok(DisconnectReason::Disconnect), None) => {
                let stopped = self.run(observer)?;
                return Ok(Stopped { nr_exits: stopped.nr_exits + nr_exits, ..stopped });
            }
            (
                Ok(DisconnectReason::Kill | DisconnectReason::TargetExited(_) | DisconnectReason::TargetTerminated(_)),
                None,
            ) => StopReason::Requested,
        };
        let cpu = CpuState::read(vcpu).map_err(|source| RunError::Registers { vcpu: 0, source })?;
        let instruction = state::instruction(vcpu, memory, &cpu);
        Ok(Stopped { reason, vcpu: 0, cpu, instruction, nr_exits })
    }
}

fn failure(error: GdbStubError<io::Error, io::Error>) -> DebugError {
    let detail = error.to_string();
    if error.is_connection_error() {
        let source = error.into_connection_error().map(|(source, _)| source);
        return DebugError::Connection(source.unwrap_or_else(|| io::Error::other(detail)));
    }
    match error.into_target_error() {
        Some(source) => DebugError::Kvm(source),
        None => DebugError::Protocol { detail },
    }
}
