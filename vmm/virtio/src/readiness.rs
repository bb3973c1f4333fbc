//! Descriptors of a device's other side, which come and go, behind one that its transport waits for.

use std::{
    io,
    os::fd::{AsRawFd, RawFd},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};
use vmm_sys_util::{
    epoll::{ControlOperation, Epoll, EpollEvent, EventSet},
    eventfd::EventFd,
};

/// Events that are taken at once.
const NR_EVENTS: usize = 16;
/// How often they are taken at most: what comes later wakes the device again.
const ROUNDS_MAX: usize = 16;

/// What a device that is woken on its own behalf is known by; nobody else has this key.
const WOKEN: u64 = u64::MAX - 7;

/// Descriptors by key. They are told by edges: readable where they were not, or writable where they were not.
pub(crate) struct Readiness {
    epoll: Epoll,
    /// By which the device is woken on its own behalf, once it was.
    woken: Option<EventFd>,
}

impl Readiness {
    /// Without any descriptor.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { epoll: Epoll::new()?, woken: None })
    }

    /// Waits for a descriptor, too. One that is always ready, such as a file's, is not waited for.
    pub(crate) fn add(&self, descriptor: RawFd, key: u64) -> io::Result<()> {
        let events = EventSet::IN | EventSet::OUT | EventSet::READ_HANG_UP | EventSet::EDGE_TRIGGERED;
        match self.epoll.ctl(ControlOperation::Add, descriptor, EpollEvent::new(events, key)) {
            // An input can be its own output.
            Err(error) if matches!(error.raw_os_error(), Some(libc::EPERM | libc::EEXIST)) => Ok(()),
            result => result,
        }
    }

    /// Wakes the device once, as if something had become ready, of which it is not told more.
    pub(crate) fn wake(&mut self) -> io::Result<()> {
        let woken = match self.woken.take() {
            Some(woken) => woken,
            None => {
                let woken = EventFd::new(libc::EFD_NONBLOCK | libc::EFD_CLOEXEC)?;
                self.add(woken.as_raw_fd(), WOKEN)?;
                woken
            }
        };
        self.woken.insert(woken).write(1)
    }

    /// Takes what became ready since this was last asked. It must be asked whenever the device is woken, for the descriptor to
    /// become ready again. Told are a key, and whether the other end is gone for good.
    pub(crate) fn take(&self, mut tell: impl FnMut(u64, bool)) {
        let mut events = [EpollEvent::default(); NR_EVENTS];
        for _ in 0..ROUNDS_MAX {
            // It fails by a signal alone, which does not come between when it does not wait.
            let nr = self.epoll.wait(0, &mut events).unwrap_or(0);
            for event in events[..nr].iter().filter(|event| event.data() != WOKEN) {
                let is_gone = event.event_set().intersects(EventSet::HANG_UP | EventSet::ERROR);
                tell(event.data(), is_gone);
            }
            if nr < NR_EVENTS {
                return;
            }
        }
    }
}

impl AsRawFd for Readiness {
    fn as_raw_fd(&self) -> RawFd {
        self.epoll.as_raw_fd()
    }
}

/// A number that another thread sets; the device is woken then.
#[derive(Clone)]
pub(crate) struct Setting(Arc<(AtomicU32, EventFd)>);

impl Setting {
    pub(crate) fn new(value: u32) -> io::Result<Self> {
        let event = EventFd::new(libc::EFD_NONBLOCK | libc::EFD_CLOEXEC)?;
        Ok(Self(Arc::new((AtomicU32::new(value), event))))
    }

    pub(crate) fn set(&self, value: u32) {
        self.0.0.store(value, Ordering::Release);
        // It fails only when so many changes were not yet told that one more makes no difference.
        let _ = self.0.1.write(1);
    }

    pub(crate) fn get(&self) -> u32 {
        self.0.0.load(Ordering::Acquire)
    }

    /// Takes it to the number of a saved VM, of which the driver knows; unless it was set meanwhile, which the driver is yet to hear.
    pub(crate) fn restore(&self, value: u32) {
        match self.was_set() {
            // It stays so.
            true => _ = self.0.1.write(1),
            false => self.0.0.store(value, Ordering::Release),
        }
    }

    /// Whether it was set since this was last asked.
    pub(crate) fn was_set(&self) -> bool {
        self.0.1.read().is_ok()
    }
}

/// A [`Setting`] that a configuration shows. A driver reads another number only once the device took it over, and with that another
/// generation (§ 2.5.1): what another thread sets is not shown before.
pub(crate) struct Shown {
    setting: Setting,
    value: u32,
}

/// The number that is shown, and the one that was set, in a saved VM.
pub(crate) type ShownState = (u32, u32);

impl Shown {
    pub(crate) fn new(setting: Setting) -> Self {
        Self { value: setting.get(), setting }
    }

    /// The side of other threads.
    pub(crate) fn setting(&self) -> &Setting {
        &self.setting
    }

    /// What the driver reads.
    pub(crate) fn get(&self) -> u32 {
        self.value
    }

    /// Shows what was set; whether that is another number.
    pub(crate) fn take_over(&mut self) -> bool {
        let (is_set, before) = (self.setting.was_set(), self.value);
        if is_set {
            self.value = self.setting.get();
        }
        self.value != before
    }

    pub(crate) fn save(&self) -> ShownState {
        (self.value, self.setting.get())
    }

    /// Takes it to the state of a saved VM, unless another number was set meanwhile; what is not shown yet will be.
    pub(crate) fn restore(&mut self, (value, set): ShownState) {
        self.setting.restore(set);
        self.value = value;
        let set = self.setting.get();
        if set != value {
            self.setting.set(set);
        }
    }
}

impl AsRawFd for Setting {
    fn as_raw_fd(&self) -> RawFd {
        self.0.1.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{io::Write, os::unix::net::UnixStream};

    #[test]
    fn edges_are_told_once() {
        let readiness = Readiness::new().unwrap();
        let (here, mut there) = UnixStream::pair().unwrap();
        readiness.add(here.as_raw_fd(), 7).unwrap();
        readiness.add(here.as_raw_fd(), 8).unwrap();
        let taken = || {
            let mut keys = vec![];
            readiness.take(|key, is_gone| keys.push((key, is_gone)));
            keys
        };
        assert_eq!(taken(), [(7, false)], "it is writable");
        assert_eq!(taken(), []);
        there.write_all(b"x").unwrap();
        assert_eq!((taken(), taken()), (vec![(7, false)], vec![]));
        readiness.add(tempfile::tempfile().unwrap().as_raw_fd(), 9).unwrap();
        drop(there);
        assert_eq!(taken(), [(7, true)]);
    }

    #[test]
    fn a_device_is_woken_without_being_told_of_anything() {
        let (mut readiness, all) = (Readiness::new().unwrap(), Epoll::new().unwrap());
        let edge = EpollEvent::new(EventSet::IN | EventSet::EDGE_TRIGGERED, 1);
        all.ctl(ControlOperation::Add, readiness.as_raw_fd(), edge).unwrap();
        let is_woken = || all.wait(0, &mut [EpollEvent::default()]).unwrap() == 1;
        assert!(!is_woken());
        for _ in 0..2 {
            readiness.wake().unwrap();
            assert!(is_woken());
            readiness.take(|key, _| panic!("{key} is told"));
        }
    }

    #[test]
    fn a_number_is_shown_once_it_is_taken_over() {
        let setting = Setting::new(1).unwrap();
        let mut shown = Shown::new(setting.clone());
        setting.set(7);
        assert_eq!((shown.get(), shown.save()), (1, (1, 7)));
        // What was set and not shown is so in another process.
        let mut other = Shown::new(Setting::new(1).unwrap());
        other.restore(shown.save());
        for shown in [&mut shown, &mut other] {
            assert_eq!((shown.get(), shown.take_over(), shown.get(), shown.take_over()), (1, true, 7, false));
        }
        setting.set(7);
        assert!(!shown.take_over(), "it is the same");
        setting.set(9);
        shown.restore((7, 7));
        assert_eq!((shown.get(), shown.take_over(), shown.get()), (7, true, 9));
    }

    #[test]
    fn a_number_is_restored_unless_it_was_set_meanwhile() {
        let setting = Setting::new(1).unwrap();
        setting.restore(5);
        assert_eq!((setting.get(), setting.was_set()), (5, false));
        setting.set(7);
        setting.restore(6);
        assert_eq!((setting.get(), setting.was_set()), (7, true));
    }
}
