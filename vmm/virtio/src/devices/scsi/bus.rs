//! Disks that come and go while the VM runs, and what the driver is told of it (§ 5.6.6.3 "Device Operation: eventq").

use super::{
    Scsi, ScsiFeatures,
    address::{Address, TARGETS_MAX},
    sense::Sense,
    target::Target,
};
use crate::{
    Io, RingError,
    disk::{Disk, ResizeError, SharedDisk},
};
use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use vmm_sys_util::eventfd::EventFd;

/// The queue of events.
pub(super) const EVENT_QUEUE: usize = 1;
/// Bytes of an event: kind, unit, reason.
pub(super) const EVENT_BYTES: usize = 16;
/// No event, but what its flag says.
const NO_EVENT: u32 = 0;
/// A target came or went.
const TRANSPORT_RESET: u32 = 1;
/// A target has another size.
const PARAM_CHANGE: u32 = 3;
/// Events were lost before this one.
const EVENTS_MISSED: u32 = 1 << 31;
/// Reasons.
const RESCAN: u32 = 1;
const REMOVED: u32 = 2;

/// Why a disk cannot be attached, detached or resized.
#[derive(Debug, thiserror::Error)]
pub enum ScsiError {
    /// There are fewer targets.
    #[error("there is no target {target}: the last one is {}", TARGETS_MAX - 1)]
    NoTarget {
        /// Which was named.
        target: u8,
    },
    /// The target has a disk already.
    #[error("target {target} has a disk already")]
    Occupied {
        /// Which was named.
        target: u8,
    },
    /// The target has none.
    #[error("target {target} has no disk")]
    Empty {
        /// Which was named.
        target: u8,
    },
    /// Its disk keeps its size.
    #[error("target {target}")]
    Resize {
        /// Which was named.
        target: u8,
        /// Why.
        source: ResizeError,
    },
    /// The device cannot be told.
    #[error("the device cannot be told")]
    Event(#[source] io::Error),
}

/// What is to become of a target.
enum Change {
    Attach(u8, Target),
    Detach(u8),
    Resize(u8),
}

/// What the driver is told of a change: the event, its target, the reason.
pub(super) type Told = (u32, u8, u32);

/// What the device and who plugs disks share.
pub(super) struct Shared {
    state: Mutex<State>,
    pub(super) event: EventFd,
}

#[derive(Default)]
struct State {
    changes: VecDeque<Change>,
    /// The disks that targets will have when all changes are made.
    disks: [Option<SharedDisk>; TARGETS_MAX as usize],
}

impl Shared {
    pub(super) fn new() -> io::Result<Self> {
        let event = EventFd::new(libc::EFD_NONBLOCK | libc::EFD_CLOEXEC)?;
        Ok(Self { state: Mutex::default(), event })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that is done under the lock panics.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn slot(&mut self, target: u8) -> Result<&mut Option<SharedDisk>, ScsiError> {
        self.disks.get_mut(usize::from(target)).ok_or(ScsiError::NoTarget { target })
    }
}

/// The way to attach and detach disks; a clone leads to the same device.
#[derive(Clone)]
pub struct ScsiBus {
    pub(super) shared: Arc<Shared>,
}

impl ScsiBus {
    /// Attaches a disk as a target, with a serial number by which guests know it again.
    ///
    /// # Errors
    /// If there is no such target, or it has a disk.
    pub fn attach(&self, target: u8, disk: Box<dyn Disk>, serial: &str) -> Result<(), ScsiError> {
        let mut state = self.shared.state();
        let slot = state.slot(target)?;
        if slot.is_some() {
            return Err(ScsiError::Occupied { target });
        }
        let disk = slot.insert(SharedDisk::new(disk)).clone();
        // It and the vendor's name are told with a length of one byte.
        let serial = serial.chars().filter(char::is_ascii_graphic).take(32).collect();
        state.changes.push_back(Change::Attach(target, Target::new(disk, serial)));
        self.shared.event.write(1).map_err(ScsiError::Event)
    }

    /// Detaches a target's disk, whatever its driver does.
    ///
    /// # Errors
    /// If there is no such target, or it has no disk.
    pub fn detach(&self, target: u8) -> Result<(), ScsiError> {
        let mut state = self.shared.state();
        state.slot(target)?.take().ok_or(ScsiError::Empty { target })?;
        state.changes.push_back(Change::Detach(target));
        self.shared.event.write(1).map_err(ScsiError::Event)
    }

    /// Gives a target's disk another size, as [`super::super::BlockControl::resize`] does.
    ///
    /// # Errors
    /// If there is no such target, it has no disk, or that keeps its size.
    pub fn resize(&self, target: u8, size_bytes: u64) -> Result<(), ScsiError> {
        let mut state = self.shared.state();
        let disk = state.slot(target)?.clone().ok_or(ScsiError::Empty { target })?;
        // What is under way may wait for the host.
        drop(state);
        disk.resize(size_bytes).map_err(|source| ScsiError::Resize { target, source })?;
        self.shared.state().changes.push_back(Change::Resize(target));
        self.shared.event.write(1).map_err(ScsiError::Event)
    }
}

impl Scsi {
    /// Makes the changes that are due, and gives what the driver is to be told of.
    pub(super) fn take_changes(&mut self) -> Vec<Told> {
        // It says again what stays to be read; that nothing is there is no error.
        let _ = self.bus.shared.event.read();
        let changes = std::mem::take(&mut self.bus.shared.state().changes);
        changes.into_iter().filter_map(|change| self.make(change)).collect()
    }

    fn make(&mut self, change: Change) -> Option<Told> {
        let (Change::Attach(target, _) | Change::Detach(target) | Change::Resize(target)) = change;
        let slot = self.targets.get_mut(usize::from(target))?;
        match change {
            Change::Attach(_, new) => {
                *slot = Some(new);
                Some((TRANSPORT_RESET, target, RESCAN))
            }
            Change::Detach(_) => {
                *slot = None;
                Some((TRANSPORT_RESET, target, REMOVED))
            }
            Change::Resize(_) => {
                let is_another = slot.as_mut().is_some_and(Target::take_size);
                is_another.then_some((PARAM_CHANGE, target, Sense::CAPACITY_CHANGED.reason()))
            }
        }
    }

    /// Whether the driver wants to hear of it.
    pub(super) fn is_wanted(&self, (kind, ..): &Told) -> bool {
        self.accepted.contains(if *kind == PARAM_CHANGE { ScsiFeatures::CHANGE } else { ScsiFeatures::HOTPLUG })
    }

    /// Tells the driver of changes that it wants to hear of, as far as it left buffers for that.
    pub(super) fn tell(&mut self, changes: Vec<Told>, io: &mut Io<'_>) -> Result<(), RingError> {
        for change in changes {
            if self.is_wanted(&change) {
                let (kind, target, reason) = change;
                let is_told = self.event(kind, Address::of(target), reason, io)?;
                self.missed |= !is_told;
            }
        }
        Ok(())
    }

    /// Tells the driver that it was not told of something, as soon as there is a buffer.
    pub(super) fn tell_missed(&mut self, io: &mut Io<'_>) -> Result<(), RingError> {
        if self.missed {
            self.event(NO_EVENT, [0; 8], 0, io)?;
        }
        Ok(())
    }

    /// Sends an event, and gives whether there was a buffer that holds it.
    fn event(&mut self, kind: u32, unit: [u8; 8], reason: u32, io: &mut Io<'_>) -> Result<bool, RingError> {
        let Some(chain) = io.pop(EVENT_QUEUE)? else { return Ok(false) };
        let fits = chain.writable_bytes() >= EVENT_BYTES as u64;
        let missed = if self.missed { EVENTS_MISSED } else { 0 };
        let bytes = match fits {
            true => [&(kind | missed).to_le_bytes()[..], &unit, &reason.to_le_bytes()].concat(),
            // A buffer that is too short comes back without an event.
            false => (NO_EVENT | missed).to_le_bytes().to_vec(),
        };
        let written = chain.write(io.memory, 0, &bytes);
        io.complete(EVENT_QUEUE, &chain, written as u32)?;
        self.missed &= written < 4;
        Ok(fits)
    }
}
