//! Devices that come and go while the guest runs: told by ACPI, ejected by the guest.

use super::PciBus;
use crate::{
    connection::Connection,
    stop::StopReason,
    watch::{Watch, Watched},
};
use ::pci::{Bar, HotPlug, PlaceError, RemovalError, Slot};
use std::{
    collections::BTreeMap,
    io,
    os::fd::{AsRawFd, RawFd},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};
use virtio::VirtioDevice;
use vmm_sys_util::epoll::{ControlOperation, Epoll, EpollEvent, EventSet};

/// The general-purpose event of the bus, as QEMU's machines number it.
pub(crate) const EVENT: u8 = 1;
/// Base address registers of a function (PCI Local Bus Specification § 6.1).
const NR_BARS: usize = 6;
/// Events that are taken at once.
const NR_EVENTS: usize = 16;

/// Why a device cannot come or go.
#[derive(Debug, thiserror::Error)]
pub enum HotPlugError {
    /// The VM is not made yet, or its bus has no hot plug.
    #[error("the VM has no bus that devices could be plugged into")]
    NoBus,
    /// The guest cannot be told.
    #[error("hot plug needs the fixed hardware of ACPI")]
    NoEvents,
    /// It has no place.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// It cannot go.
    #[error(transparent)]
    Removal(#[from] RemovalError),
    /// What the device waits for cannot be watched.
    #[error("failed to watch the file descriptors of the device")]
    Watch(#[source] io::Error),
}

/// Who is told that the guest ejected what was in a slot; on the thread of a vCPU, which it must not hold up.
pub(super) type OnEjected = Box<dyn Fn(Slot) + Send + Sync>;

/// The way to plug and unplug devices of a [`super::PciHost`] from any thread; a clone is another reference.
#[derive(Clone)]
pub struct PciSlots(pub(super) Arc<OnceLock<Plugger>>);

/// What plugs devices, once the VM is made.
pub(super) struct Plugger {
    bus: PciBus,
    connection: Mutex<Connection>,
    registers: Mutex<HotPlug>,
    watches: Arc<Watches>,
    on_ejected: OnEjected,
}

impl PciSlots {
    fn plugger(&self) -> Result<&Plugger, HotPlugError> {
        self.0.get().ok_or(HotPlugError::NoBus)
    }

    /// Puts a device into a slot while the guest runs, and tells the guest.
    ///
    /// # Errors
    /// See [`HotPlugError`]; then there is no device.
    pub fn plug(&self, slot: Slot, device: Box<dyn VirtioDevice>) -> Result<(), HotPlugError> {
        let plugger = self.plugger()?;
        plugger.add(slot, device)?;
        plugger.registers().plugged(slot);
        plugger.tell()
    }

    /// Asks the guest to eject what is in a slot, which it does some time later or never.
    ///
    /// # Errors
    /// See [`HotPlugError`].
    pub fn request_removal(&self, slot: Slot) -> Result<(), HotPlugError> {
        let plugger = self.plugger()?;
        plugger.registers().request_removal(slot)?;
        plugger.tell()
    }

    /// A doubleword of the configuration space of what is in a slot; all ones where there is nothing.
    pub fn config(&self, slot: Slot, offset: u8) -> u32 {
        let mut data = [0xff; 4];
        if let Ok(plugger) = self.plugger() {
            let offset = u64::from(slot.device()) << 15 | u64::from(offset & !3);
            plugger.bus.host().read_mapped_config(offset, &mut data);
        }
        u32::from_le_bytes(data)
    }
}

impl PciSlots {
    /// What stands behind the base address registers of what is in a slot: the register, its kind and size, and its address while it
    /// is mapped.
    pub fn regions(&self, slot: Slot) -> Vec<(usize, Bar, Option<u64>)> {
        let Ok(plugger) = self.plugger() else { return Vec::new() };
        let host = plugger.bus.host();
        (0..NR_BARS).filter_map(|bar| host.region(slot, bar).map(|(kind, address)| (bar, kind, address))).collect()
    }
}

impl Plugger {
    pub(super) fn new(bus: PciBus, connection: &mut Connection, on_ejected: OnEjected) -> io::Result<Self> {
        let watches = Arc::new(Watches::new()?);
        connection.watch(watches.epoll.as_raw_fd(), watches.clone());
        let connection = Mutex::new(connection.another());
        Ok(Self { bus, connection, registers: Mutex::new(HotPlug::new()), watches, on_ejected })
    }

    pub(super) fn registers(&self) -> MutexGuard<'_, HotPlug> {
        self.registers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a device into a slot, of which the guest is not told.
    fn add(&self, slot: Slot, device: Box<dyn VirtioDevice>) -> Result<(), HotPlugError> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let placed = self.bus.plug_virtio(Some(slot), device, &mut connection);
        let watched = connection.take_watched();
        drop(connection);
        placed?;
        self.watches.add(slot, watched).map_err(|source| {
            self.remove(slot);
            HotPlugError::Watch(source)
        })
    }

    /// The same for a device that is there from the start, which may go later.
    pub(super) fn add_first(&self, slot: Slot, device: Box<dyn VirtioDevice>) -> Result<(), HotPlugError> {
        self.add(slot, device)?;
        self.registers().add_removable(slot);
        Ok(())
    }

    fn remove(&self, slot: Slot) {
        self.watches.remove(slot);
        // It was found there, and nobody else takes it out.
        let _ = self.bus.unplug(slot);
    }

    fn tell(&self) -> Result<(), HotPlugError> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let interrupts = connection.interrupts().clone();
        drop(connection);
        if interrupts.raise_general_event(EVENT) { Ok(()) } else { Err(HotPlugError::NoEvents) }
    }

    pub(super) fn read(&self, offset: u64, data: &mut [u8]) {
        self.registers().read(offset, data);
    }

    pub(super) fn write(&self, offset: u64, data: &[u8]) {
        let ejected = self.registers().write(offset, data);
        for slot in ejected {
            self.remove(slot);
            (self.on_ejected)(slot);
        }
    }
}

/// File descriptors of devices that come and go, behind one.
struct Watches {
    epoll: Epoll,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    next: u64,
    all: BTreeMap<u64, (Slot, RawFd, Arc<dyn Watch>)>,
}

impl Watches {
    fn new() -> io::Result<Self> {
        Ok(Self { epoll: Epoll::new()?, state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, slot: Slot, watched: Watched) -> io::Result<()> {
        let mut state = self.state();
        for (descriptor, watch) in watched.into_list() {
            let key = state.next;
            state.next += 1;
            state.all.insert(key, (slot, descriptor, watch));
            let events = EpollEvent::new(EventSet::IN | EventSet::EDGE_TRIGGERED, key);
            self.epoll.ctl(ControlOperation::Add, descriptor, events)?;
        }
        Ok(())
    }

    fn remove(&self, slot: Slot) {
        let mut state = self.state();
        let gone: Vec<u64> = state.all.iter().filter(|(_, (of, ..))| *of == slot).map(|(key, _)| *key).collect();
        for key in gone {
            if let Some((_, descriptor, _)) = state.all.remove(&key) {
                // It fails only for one that was never added.
                let _ = self.epoll.ctl(ControlOperation::Delete, descriptor, EpollEvent::default());
            }
        }
    }
}

impl Watch for Watches {
    fn ready(&self) -> Result<(), StopReason> {
        let mut events = [EpollEvent::default(); NR_EVENTS];
        loop {
            // It fails by a signal alone, which does not come between when it does not wait.
            let nr = self.epoll.wait(0, &mut events).unwrap_or(0);
            for event in &events[..nr] {
                let watch = self.state().all.get(&event.data()).map(|(.., watch)| watch.clone());
                // A device that has gone meanwhile has nothing to say.
                watch.map_or(Ok(()), |watch| watch.ready())?;
            }
            if nr < NR_EVENTS {
                return Ok(());
            }
        }
    }
}
