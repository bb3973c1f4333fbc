//! What the machine consists of now, for the thread that runs it and for the one that controls it.
//!
//! **Architecture Invariant**: nothing is called under its lock that could wait for a vCPU, because vCPUs take it.

mod cpus;

use crate::{
    devices::{Handles, Kind, LateMemory, Spec},
    migration::Migrations,
};
use cpus::Cpu;
use pci::Slot;
use qmp::{Events, json};
use std::{
    collections::BTreeMap,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Instant,
};
use vmm::{VmHandle, devices::PciSlots};

/// Why a control socket ended a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The machine is to start again.
    Reset,
    /// The program is to end.
    Quit,
}

/// The devices of a machine and the VM that it is now; a clone is another reference.
#[derive(Clone)]
pub(crate) struct Inventory(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// Notified when a VM was made, or will not be.
    made: Condvar,
    migrations: Migrations,
}

struct State {
    /// Whether a VM is being made.
    is_making: bool,
    specs: Vec<Spec>,
    /// Slots whose device was asked to go.
    leaving: Vec<Slot>,
    /// Processors that came later, by number.
    cpus: BTreeMap<u8, Cpu>,
    handles: BTreeMap<Slot, Handles>,
    running: Option<Running>,
    ending: Option<Ending>,
    events: Option<Events>,
}

impl State {
    fn has(&self, id: &str) -> bool {
        self.specs.iter().any(|spec| spec.id == id) || self.cpus.values().any(|cpu| cpu.id == id)
    }
}

/// The ways into a VM.
#[derive(Clone)]
pub(crate) struct Running {
    pub(crate) vm: VmHandle,
    pub(crate) slots: Option<PciSlots>,
    pub(crate) memory: LateMemory,
}

impl Inventory {
    pub(crate) fn new(specs: Vec<Spec>, events: Option<Events>) -> Self {
        let state = State {
            is_making: false,
            specs,
            leaving: Vec::new(),
            cpus: BTreeMap::new(),
            handles: BTreeMap::new(),
            running: None,
            ending: None,
            events,
        };
        Self(Arc::new(Shared { state: Mutex::new(state), made: Condvar::new(), migrations: Migrations::default() }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Whole at every point where a thread could have panicked.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the VM is to go.
    pub(crate) fn migrations(&self) -> &Migrations {
        &self.0.migrations
    }

    /// All devices, those that are to go among them.
    pub(crate) fn specs(&self) -> Vec<Spec> {
        self.state().specs.clone()
    }

    /// The device of a name.
    pub(crate) fn find(&self, id: &str) -> Option<Spec> {
        self.state().specs.iter().find(|spec| spec.id == id).cloned()
    }

    /// The VM that there is now; waits for one that is being made, which takes no longer than the host does.
    pub(crate) fn running(&self) -> Option<Running> {
        self.made().running.clone()
    }

    /// The state when no VM is being made.
    fn made(&self) -> MutexGuard<'_, State> {
        let mut state = self.state();
        while state.is_making || state.ending == Some(Ending::Reset) {
            state = self.0.made.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state
    }

    /// A VM will be made, and either [`Self::attach`] is called or [`Self::give_up`].
    pub(crate) fn begin(&self) {
        self.state().is_making = true;
    }

    /// There will be no other VM.
    pub(crate) fn give_up(&self) {
        let mut state = self.state();
        (state.is_making, state.ending) = (false, state.ending.filter(|ending| *ending == Ending::Quit));
        drop(state);
        self.0.made.notify_all();
    }

    /// Keeps what belongs to a device.
    pub(crate) fn keep(&self, slot: Slot, handles: Handles) {
        if let (Some(balloon), Some(events)) = (&handles.balloon, self.events()) {
            let inventory = Arc::downgrade(&self.0);
            balloon.on_change(move |nr_pages| {
                let Some(state) = inventory.upgrade() else { return };
                let state = Self(state);
                let size = state.state().running.as_ref().and_then(|running| Some(running.memory.get()?.size_bytes()));
                let given = u64::from(nr_pages) * virtio::devices::PAGE_BYTES;
                events.send("BALLOON_CHANGE", json!({ "actual": size.unwrap_or(0).saturating_sub(given) }));
            });
        }
        self.state().handles.insert(slot, handles);
    }

    fn events(&self) -> Option<Events> {
        self.state().events.clone()
    }

    /// Does something with what belongs to the devices of the VM that there is now; waits as [`Self::running`] does.
    pub(crate) fn with_handles<T>(&self, look: impl FnMut(&Handles) -> Option<T>) -> Option<T> {
        self.made().handles.values().find_map(look)
    }

    /// The same for the device of a slot.
    pub(crate) fn with_handles_of<T>(&self, slot: Slot, look: impl FnOnce(&Handles) -> Option<T>) -> Option<T> {
        self.made().handles.get(&slot).and_then(look)
    }

    /// The VM is there; whether it may run, because nobody ended it before.
    pub(crate) fn attach(&self, running: Running) -> bool {
        let mut state = self.state();
        state.running = Some(running);
        state.is_making = false;
        let may_run = state.ending.is_none();
        drop(state);
        self.0.made.notify_all();
        may_run
    }

    /// The VM has ended: devices that were to go are gone with it. Why a control socket ended it, if one did.
    pub(crate) fn detach(&self) -> Option<Ending> {
        let handles = {
            let mut state = self.state();
            state.running = None;
            std::mem::take(&mut state.handles)
        };
        drop(handles);
        let leaving = std::mem::take(&mut self.state().leaving);
        for slot in leaving {
            self.remove(slot);
        }
        for (index, _) in self.cpus().into_iter().filter(|(index, _)| self.is_cpu_leaving(*index)) {
            self.remove_cpu(index);
        }
        // Under one lock, so that nobody finds neither this VM nor that another one is made.
        let mut state = self.state();
        let ending = state.ending.take();
        state.is_making = ending == Some(Ending::Reset);
        ending
    }

    /// The machine starts again.
    pub(crate) fn tell_reset(&self) {
        if let Some(events) = self.events() {
            events.send("RESET", json!({ "guest": false, "reason": "host-qmp-system-reset" }));
        }
    }

    /// The VM stands still, because it goes on elsewhere.
    pub(crate) fn tell_migrated(&self) {
        if let Some(events) = self.events() {
            events.send("STOP", json!({}));
        }
    }

    /// Ends the run for a reason.
    pub(crate) fn end(&self, ending: Ending) {
        let running = {
            let mut state = self.state();
            state.ending = Some(ending);
            state.running.clone()
        };
        self.0.made.notify_all();
        if let Some(running) = running {
            running.vm.stop();
        }
    }

    /// Waits until the end is asked for, at most until `deadline`.
    pub(crate) fn wait_for_end(&self, deadline: Option<Instant>) {
        let mut state = self.state();
        while state.ending.is_none() {
            let Some(deadline) = deadline else {
                state = self.0.made.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let rest = deadline.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                break;
            }
            state = self.0.made.wait_timeout(state, rest).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Whether the end was asked for.
    pub(crate) fn ending(&self) -> Option<Ending> {
        self.state().ending
    }

    /// Adds a device in a slot, or in the first free one.
    pub(crate) fn add(&self, id: &str, slot: Option<Slot>, kind: Kind) -> Result<Spec, String> {
        let mut state = self.state();
        let is_taken = |slot: Slot| state.specs.iter().any(|spec| spec.slot == slot);
        if state.has(id) {
            return Err(format!("there is a device '{id}' already"));
        }
        let slot = match slot {
            Some(slot) if is_taken(slot) => return Err(format!("slot {} is taken", slot.device())),
            Some(slot) => slot,
            None => (1..).map_while(Slot::new).find(|slot| !is_taken(*slot)).ok_or("all slots are taken")?,
        };
        let spec = Spec { id: id.to_owned(), slot, kind };
        state.specs.push(spec.clone());
        Ok(spec)
    }

    /// The name that a device is to have: the one that was asked for, or one that is free.
    ///
    /// # Errors
    /// If it is no name.
    pub(crate) fn name_for(&self, id: Option<String>) -> Result<String, String> {
        let state = self.state();
        let is_free = |id: &String| !state.has(id);
        let id = id.or_else(|| (0..).map(|number| format!("device{number}")).find(is_free)).unwrap_or_default();
        if is_name(&id) {
            return Ok(id);
        }
        Err(format!("'{id}' is no id: letters, digits, '-', '.' and '_', a letter first"))
    }

    /// A device was asked to go.
    pub(crate) fn set_leaving(&self, slot: Slot) {
        self.state().leaving.push(slot);
    }

    /// A device is gone. Told are those that had a name.
    pub(crate) fn remove(&self, slot: Slot) {
        let (gone, handles) = self.take(slot);
        drop(handles);
        if let (Some(Spec { id, .. }), Some(events)) = (gone, self.events()) {
            tell_deleted(&events, &id);
        }
    }

    /// A device that was added has no place.
    pub(crate) fn forget(&self, slot: Slot) {
        drop(self.take(slot));
    }

    fn take(&self, slot: Slot) -> (Option<Spec>, Option<Handles>) {
        let mut state = self.state();
        state.leaving.retain(|leaving| *leaving != slot);
        let at = state.specs.iter().position(|spec| spec.slot == slot);
        let gone = at.map(|at| state.specs.remove(at));
        (gone, state.handles.remove(&slot))
    }
}

fn tell_deleted(events: &Events, id: &str) {
    let path = format!("/machine/peripheral/{id}");
    events.send("DEVICE_DELETED", json!({ "device": id, "path": path }));
}

/// Whether a device may be called so (QEMU, "util/id.c", id_wellformed).
fn is_name(id: &str) -> bool {
    id.starts_with(|first: char| first.is_ascii_alphabetic())
        && id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'))
        && id.len() <= 128
}

#[cfg(test)]
mod tests;
