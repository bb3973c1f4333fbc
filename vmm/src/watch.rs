//! The thread on which devices hear of what comes from outside of the VM.

use crate::{
    confinement::{ThreadKind, confine},
    control::Control,
    stop::StopReason,
};
use std::{
    io,
    os::fd::{AsRawFd, RawFd},
    sync::Arc,
    thread,
};
use vmm_sys_util::{
    epoll::{ControlOperation, Epoll, EpollEvent, EventSet},
    eventfd::EventFd,
};

/// Someone who is told when there is more to read.
pub trait Watch: Send + Sync {
    /// More can be read than before; it is not told again of what stays unread.
    ///
    /// # Errors
    /// Why the run has to end.
    fn ready(&self) -> Result<(), StopReason>;
}

/// File descriptors, and who is told of each.
#[derive(Default)]
pub(crate) struct Watched {
    list: Vec<(RawFd, Arc<dyn Watch>)>,
}

/// What the event that ends the thread is known by.
const END: u64 = u64::MAX;
/// Events that are taken at once.
const NR_EVENTS: usize = 16;

impl Watched {
    pub(crate) fn add(&mut self, descriptor: RawFd, watch: Arc<dyn Watch>) {
        self.list.push((descriptor, watch));
    }

    pub(crate) fn into_list(self) -> Vec<(RawFd, Arc<dyn Watch>)> {
        self.list
    }

    /// Calls `work` while they are watched, if there are any. `failed` is told why the run has to end; it should end the work.
    ///
    /// # Errors
    /// If they cannot be watched; then the work is not done.
    pub(crate) fn during<T>(
        &self,
        control: &Control,
        failed: impl FnOnce(StopReason) + Send,
        work: impl FnOnce() -> T,
    ) -> io::Result<T> {
        if self.list.is_empty() {
            return Ok(work());
        }
        let (epoll, end) = (Epoll::new()?, EventFd::new(libc::EFD_NONBLOCK | libc::EFD_CLOEXEC)?);
        epoll.ctl(ControlOperation::Add, end.as_raw_fd(), EpollEvent::new(EventSet::IN, END))?;
        for (index, (descriptor, _)) in (0..).zip(&self.list) {
            // By edges: a device that cannot take more now looks again when its driver gives it room.
            let events = EpollEvent::new(EventSet::IN | EventSet::EDGE_TRIGGERED, index);
            epoll.ctl(ControlOperation::Add, *descriptor, events)?;
        }
        thread::scope(|scope| {
            let wait = || {
                let confined = confine(ThreadKind::Devices, control.confinement()).map_err(StopReason::from);
                if let Err(reason) = confined.and_then(|()| self.wait(&epoll, control)) {
                    failed(reason);
                }
            };
            // However the work ends, a panic among it, so does the thread.
            let _end = End(&end);
            thread::Builder::new().name("devices".into()).spawn_scoped(scope, wait)?;
            Ok(work())
        })
    }

    fn wait(&self, epoll: &Epoll, control: &Control) -> Result<(), StopReason> {
        let mut events = [EpollEvent::default(); NR_EVENTS];
        loop {
            let nr = match epoll.wait(-1, &mut events) {
                Ok(nr) => nr,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(StopReason::DeviceStopped(format!("waiting for devices: {error}"))),
            };
            let serve = || -> Result<bool, StopReason> {
                for event in &events[..nr] {
                    match usize::try_from(event.data()).ok().and_then(|index| self.list.get(index)) {
                        Some((_, watch)) => watch.ready()?,
                        None => return Ok(true),
                    }
                }
                Ok(false)
            };
            if control.gate().serve(|| control.must_stop(), serve)? {
                return Ok(());
            }
        }
    }
}

struct End<'a>(&'a EventFd);

impl Drop for End<'_> {
    fn drop(&mut self) {
        // It fails only if it was signalled 2^64 times.
        let _ = self.0.write(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    struct Teller(EventFd, mpsc::SyncSender<u64>, Result<(), StopReason>);

    impl Watch for Teller {
        fn ready(&self) -> Result<(), StopReason> {
            self.1.send(self.0.read().expect("there is something")).expect("somebody hears");
            self.2.clone()
        }
    }

    fn teller(result: Result<(), StopReason>) -> (EventFd, Watched, mpsc::Receiver<u64>) {
        let event = EventFd::new(libc::EFD_NONBLOCK).unwrap();
        let (sender, receiver) = mpsc::sync_channel(8);
        let mut watched = Watched::default();
        watched.add(event.as_raw_fd(), Arc::new(Teller(event.try_clone().unwrap(), sender, result)));
        (event, watched, receiver)
    }

    #[test]
    fn what_comes_is_told_while_the_work_is_done() {
        let (event, watched, told) = teller(Ok(()));
        for value in [3, 5] {
            let heard = watched.during(
                &Control::default(),
                |reason| panic!("{reason}"),
                || {
                    event.write(value).unwrap();
                    told.recv().unwrap()
                },
            );
            assert_eq!(heard.unwrap(), value);
        }
    }

    #[test]
    fn a_failure_is_told_once() {
        let (event, watched, told) = teller(Err(StopReason::Requested));
        let (sender, failure) = mpsc::channel();
        let reason = watched.during(
            &Control::default(),
            move |reason| sender.send(reason).unwrap(),
            || {
                event.write(1).unwrap();
                failure.recv().unwrap()
            },
        );
        assert_eq!((reason.unwrap(), told.recv()), (StopReason::Requested, Ok(1)));
    }

    #[test]
    fn without_anything_to_watch_the_work_is_done() {
        assert_eq!(Watched::default().during(&Control::default(), |_| (), || 7).unwrap(), 7);
    }
}
