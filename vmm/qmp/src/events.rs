//! Events, from any thread to the client that is connected.

use crate::message::line;
use serde_json::{Value, json};
use std::{
    collections::VecDeque,
    io,
    os::fd::{AsRawFd, RawFd},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};
use vmm_sys_util::eventfd::EventFd;

/// Events that wait at most; of more, the oldest are lost.
const NR_WAITING_MAX: usize = 1024;

/// Where events are put; a clone leads to the same server.
#[derive(Clone, Debug)]
pub struct Events(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    waiting: Mutex<VecDeque<Value>>,
    bell: EventFd,
    has_ended: AtomicBool,
}

impl Events {
    pub(crate) fn new() -> io::Result<Self> {
        let bell = EventFd::new(libc::EFD_NONBLOCK | libc::EFD_CLOEXEC)?;
        Ok(Self(Arc::new(Shared { waiting: Mutex::default(), bell, has_ended: AtomicBool::new(false) })))
    }

    /// Sends an event, with `data` unless that is null. It never waits: without a client the event is lost.
    pub fn send(&self, name: &str, data: Value) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let timestamp = json!({ "seconds": now.as_secs(), "microseconds": now.subsec_micros() });
        let mut event = json!({ "event": name, "timestamp": timestamp });
        if !data.is_null() {
            event["data"] = data;
        }
        let mut waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() == NR_WAITING_MAX {
            waiting.pop_front();
        }
        waiting.push_back(event);
        drop(waiting);
        self.ring();
    }

    /// Ends the server, after it has sent what waits.
    pub fn end(&self) {
        self.0.has_ended.store(true, Ordering::SeqCst);
        self.ring();
    }

    fn ring(&self) {
        // It fails only if it was rung 2^64 times.
        let _ = self.0.bell.write(1);
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.0.has_ended.load(Ordering::SeqCst)
    }

    /// What waits, as it is sent.
    pub(crate) fn take(&self) -> Vec<u8> {
        let _ = self.0.bell.read();
        let waiting = std::mem::take(&mut *self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        waiting.iter().flat_map(line).collect()
    }
}

impl AsRawFd for Events {
    fn as_raw_fd(&self) -> RawFd {
        self.0.bell.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_have_a_timestamp_and_are_bounded() {
        let events = Events::new().unwrap();
        for number in 0..NR_WAITING_MAX + 5 {
            events.send("E", json!({ "number": number }));
        }
        events.send("STOP", Value::Null);
        let lines = String::from_utf8(events.take()).unwrap();
        let taken: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((taken.len(), &taken[0]["data"]["number"]), (NR_WAITING_MAX, &json!(6)));
        let last = taken.last().unwrap();
        assert!(last["timestamp"]["seconds"].is_u64() && last["timestamp"]["microseconds"].is_u64());
        assert_eq!((&last["event"], last.get("data")), (&json!("STOP"), None));
        assert!(events.take().is_empty());
    }
}
