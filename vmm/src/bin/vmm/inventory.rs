//! What the machine consists of now, for the thread that runs it and for the one that controls it.
//!
//! **Architecture Invariant**: nothing is called under its lock that could wait for a vCPU, because vCPUs take it.

use crate::devices::{Handles, Kind, LateMemory, Spec};
use pci::Slot;
use qmp::{Events, json};
use std::{
    collections::BTreeMap,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
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
}

struct State {
    /// Whether a VM is being made.
    is_making: bool,
    specs: Vec<Spec>,
    /// Slots whose device was asked to go.
    leaving: Vec<Slot>,
    handles: BTreeMap<Slot, Handles>,
    running: Option<Running>,
    ending: Option<Ending>,
    events: Option<Events>,
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
            handles: BTreeMap::new(),
            running: None,
            ending: None,
            events,
        };
        Self(Arc::new(Shared { state: Mutex::new(state), made: Condvar::new() }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Whole at every point where a thread could have panicked.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
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
        let mut state = self.state();
        while state.is_making || state.ending == Some(Ending::Reset) {
            state = self.0.made.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.running.clone()
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

    /// Does something with what belongs to the devices.
    pub(crate) fn with_handles<T>(&self, look: impl FnMut(&Handles) -> Option<T>) -> Option<T> {
        self.state().handles.values().find_map(look)
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

    /// Ends the run for a reason.
    pub(crate) fn end(&self, ending: Ending) {
        let running = {
            let mut state = self.state();
            state.ending = Some(ending);
            state.running.clone()
        };
        if let Some(running) = running {
            running.vm.stop();
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
        if state.specs.iter().any(|spec| spec.id == id) {
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

    /// A device was asked to go.
    pub(crate) fn set_leaving(&self, slot: Slot) {
        self.state().leaving.push(slot);
    }

    /// A device is gone. Told are those that had a name.
    pub(crate) fn remove(&self, slot: Slot) {
        let (gone, handles) = self.take(slot);
        drop(handles);
        if let (Some(Spec { id, .. }), Some(events)) = (gone, self.events()) {
            let path = format!("/machine/peripheral/{id}");
            events.send("DEVICE_DELETED", json!({ "device": id, "path": path }));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_slots_are_taken_once() {
        let inventory = Inventory::new(Vec::new(), None);
        let slot = |device| Slot::new(device).unwrap();
        assert_eq!(inventory.add("a", None, Kind::Random).unwrap().slot, slot(1));
        assert_eq!(inventory.add("b", Some(slot(3)), Kind::Random).unwrap().slot, slot(3));
        assert!(inventory.add("a", None, Kind::Random).unwrap_err().contains("'a' already"));
        assert!(inventory.add("c", Some(slot(3)), Kind::Random).unwrap_err().contains("slot 3"));
        assert_eq!(inventory.add("c", None, Kind::Random).unwrap().slot, slot(2));
        inventory.remove(slot(1));
        assert_eq!((inventory.find("a"), inventory.add("d", None, Kind::Random).unwrap().slot), (None, slot(1)));
        for _ in 0..28 {
            let id = format!("x{}", inventory.specs().len());
            inventory.add(&id, None, Kind::Random).unwrap();
        }
        assert_eq!(inventory.add("last", None, Kind::Random), Err("all slots are taken".into()));
    }

    #[test]
    fn what_was_to_go_is_gone_with_the_vm() {
        let inventory = Inventory::new(Vec::new(), None);
        let spec = inventory.add("a", None, Kind::Random).unwrap();
        inventory.add("b", None, Kind::Random).unwrap();
        inventory.set_leaving(spec.slot);
        inventory.end(Ending::Reset);
        assert_eq!((inventory.detach(), inventory.detach()), (Some(Ending::Reset), None));
        assert_eq!(inventory.specs().len(), 1);
    }
}
