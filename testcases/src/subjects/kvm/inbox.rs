//! What a guest says by the shared pages and the doorbell, and how its machine ended.

use super::OurVmm;
use crate::{
    cancel::Cancel,
    judge::{Ending, Transcript},
    messages::page,
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use vmm::{Flow, GuestMemory, StopReason, Stopped, Vm};

/// How often a guest may ring the doorbell with no message in the pages.
const MAX_EMPTY_RINGS: u32 = 1 << 10;

/// What the callbacks of a run leave behind.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    pub(super) transcript: Transcript,
    pub(super) nr_empty_rings: u32,
    pub(super) flood: Option<String>,
}

pub(super) type SharedInbox = Arc<Mutex<Inbox>>;

impl OurVmm {
    /// Takes the messages that the guest had written and not announced when it died: they tell how far it came.
    pub(super) fn collect_rest(&self, vm: &Vm, inbox: &SharedInbox) {
        let mut inbox = lock(inbox);
        if inbox.transcript.is_complete() {
            return;
        }
        let first = self.image.catalog.note().report_page;
        let read = page::decode(|offset, bytes| vm.memory().read(first.saturating_add(offset), bytes));
        for message in read.unwrap_or_default().into_iter().flatten() {
            // Those that were announced still stand in the pages.
            if message.sequence as usize == inbox.transcript.messages().len() && !inbox.transcript.is_complete() {
                inbox.transcript.take(Ok(message));
            }
        }
    }

    pub(super) fn ending(&self, stopped: &Stopped, inbox: &SharedInbox, cancel: &Cancel) -> Ending {
        if lock(inbox).transcript.is_complete() {
            return Ending::Reported;
        }
        let place = self.image.catalog.symbols().place(stopped.cpu.rip, &stopped.instruction);
        match &stopped.reason {
            StopReason::DebugExit(value) => Ending::DebugExit { value: *value },
            StopReason::Reset => Ending::Reset,
            StopReason::PowerOff => Ending::InternalError { text: stopped.reason.to_string(), place },
            StopReason::Shutdown => Ending::Shutdown { place },
            StopReason::Halted => Ending::Halted { place },
            StopReason::Requested if cancel.is_cancelled() => Ending::Cancelled,
            StopReason::Requested | StopReason::Suspended => Ending::Timeout { place },
            StopReason::DeviceStopped(text) => {
                let flood = lock(inbox).flood.take();
                Ending::Flood { text: flood.unwrap_or_else(|| text.clone()) }
            }
            StopReason::KvmError { .. } => Ending::Harness { text: stopped.reason.to_string() },
            StopReason::InternalError { .. }
            | StopReason::FailEntry { .. }
            | StopReason::SystemEvent { .. }
            | StopReason::UnexpectedExit { .. } => Ending::InternalError { text: stopped.reason.to_string(), place },
        }
    }
}

pub(super) fn lock(inbox: &SharedInbox) -> MutexGuard<'_, Inbox> {
    // Whoever panicked while holding it left messages that are whole.
    inbox.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes the messages out of the shared pages. A guest that broke the protocol is ended: it says nothing more of worth.
pub(super) fn ring(memory: &GuestMemory, report_page: u64, inbox: &SharedInbox) -> Flow {
    let mut inbox = lock(inbox);
    let received = match page::decode(|offset, bytes| memory.read(report_page.saturating_add(offset), bytes)) {
        Ok(received) => received,
        Err(outside) => {
            inbox.flood = Some(format!("the report pages: {outside}"));
            return Flow::Stop(StopReason::DeviceStopped("doorbell".to_owned()));
        }
    };
    if received.is_empty() {
        inbox.nr_empty_rings += 1;
        if inbox.nr_empty_rings > MAX_EMPTY_RINGS {
            inbox.flood = Some(format!("rang the doorbell {MAX_EMPTY_RINGS} times with no message"));
            return Flow::Stop(StopReason::DeviceStopped("doorbell".to_owned()));
        }
    }
    for item in received {
        inbox.transcript.take(item);
    }
    if inbox.transcript.fault().is_some() {
        return Flow::Stop(StopReason::DeviceStopped("doorbell".to_owned()));
    }
    Flow::Continue
}
