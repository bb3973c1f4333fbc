//! Running the guest until it stops or gdb has something to say.

use super::target::{Debuggee, Kind};
use crate::{
    stop::StopReason,
    vcpu::{Runner, Step},
};
use gdbstub::{
    common::Signal,
    conn::ConnectionExt,
    stub::{
        SingleThreadStopReason,
        run_blocking::{BlockingEventLoop, Event, WaitForStopReasonError},
    },
};
use kvm_bindings::kvm_debug_exit_arch;
use std::{io, marker::PhantomData, os::fd::AsRawFd, thread};
use vmm_sys_util::{eventfd::EventFd, poll::PollContext};

/// DR6.BS: the exit is a single step's.
const DR6_SINGLE_STEP: u64 = 1 << 14;

type Reason = SingleThreadStopReason<u64>;
type WaitError = WaitForStopReasonError<io::Error, io::Error>;

/// The loop for a connection `C`.
pub(super) struct EventLoop<'a, 'o, C> {
    of: PhantomData<(&'a (), &'o (), C)>,
}

impl<'a, 'o, C> BlockingEventLoop for EventLoop<'a, 'o, C>
where
    C: ConnectionExt<Error = io::Error> + AsRawFd,
{
    type Target = Debuggee<'a, 'o>;
    type Connection = C;
    type StopReason = Reason;

    fn wait_for_stop_reason(target: &mut Self::Target, connection: &mut C) -> Result<Event<Reason>, WaitError> {
        if let Some(reason) = &target.ended {
            // gdb has seen the end already and resumed nevertheless.
            return Ok(Event::TargetStopped(last_word(reason)));
        }
        let host = |error: io::Error| WaitForStopReasonError::Target(error);
        // Closing it is no event; writing it is.
        let done = EventFd::new(libc::EFD_NONBLOCK | libc::EFD_CLOEXEC).map_err(host)?;
        let poll = PollContext::<u32>::new().map_err(|error| host(error.into()))?;
        poll.add(connection, 0).and_then(|()| poll.add(&done, 1)).map_err(|error| host(error.into()))?;
        let control = target.control;
        thread::scope(|scope| {
            let watcher = move || {
                // Whatever ends the wait: either the run is over, or the loop below has to look.
                let _ = poll.wait();
                control.interrupt();
            };
            thread::Builder::new().name("gdb".into()).spawn_scoped(scope, watcher).map_err(host)?;
            let event = run(target, connection);
            done.write(1).map_err(host)?;
            event
        })
    }

    fn on_interrupt(_: &mut Self::Target) -> io::Result<Option<Reason>> {
        Ok(Some(SingleThreadStopReason::Signal(Signal::SIGINT)))
    }
}

fn run<C: ConnectionExt<Error = io::Error>>(
    target: &mut Debuggee<'_, '_>,
    connection: &mut C,
) -> Result<Event<Reason>, WaitError> {
    loop {
        target.runner.allow_entry();
        if target.control.must_stop() {
            return Ok(end(target, StopReason::Requested));
        }
        if connection.peek().map_err(WaitForStopReasonError::Connection)?.is_some() {
            let byte = connection.read().map_err(WaitForStopReasonError::Connection)?;
            return Ok(Event::IncomingData(byte));
        }
        let step = run_until_interrupted(&mut target.runner, &mut target.outside);
        match step {
            Step::Continue | Step::Interrupted => {}
            Step::Debug(debug) => return Ok(Event::TargetStopped(reason_of(target, &debug))),
            Step::Stop(reason) => return Ok(end(target, reason)),
        }
    }
}

fn run_until_interrupted(runner: &mut Runner<'_>, outside: &mut crate::vcpu::Outside<'_>) -> Step {
    loop {
        match runner.step(|| &mut *outside) {
            Step::Continue => {}
            step => return step,
        }
    }
}

fn reason_of(target: &Debuggee<'_, '_>, debug: &kvm_debug_exit_arch) -> Reason {
    match target.kind_of_breakpoint(debug.pc) {
        _ if debug.dr6 & DR6_SINGLE_STEP != 0 => SingleThreadStopReason::DoneStep,
        Some(Kind::Software) => SingleThreadStopReason::SwBreak(()),
        Some(Kind::Hardware) => SingleThreadStopReason::HwBreak(()),
        None => SingleThreadStopReason::Signal(Signal::SIGTRAP),
    }
}

/// The run is over. An end that the guest did not ask for is first a signal, so that its state can be looked at.
fn end(target: &mut Debuggee<'_, '_>, reason: StopReason) -> Event<Reason> {
    let word = match reason {
        StopReason::DebugExit(_) | StopReason::Reset | StopReason::Requested => last_word(&reason),
        _ => SingleThreadStopReason::Signal(Signal::SIGSEGV),
    };
    target.ended = Some(reason);
    Event::TargetStopped(word)
}

fn last_word(reason: &StopReason) -> Reason {
    match reason {
        StopReason::DebugExit(value) => SingleThreadStopReason::Exited(*value as u8),
        StopReason::Reset => SingleThreadStopReason::Exited(0),
        StopReason::Requested => SingleThreadStopReason::Terminated(Signal::SIGKILL),
        _ => SingleThreadStopReason::Terminated(Signal::SIGSEGV),
    }
}
