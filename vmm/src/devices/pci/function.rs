//! A virtio device in a slot: after each call it sends the interrupts that are due.

mod saved;

use super::messages::Messages;
use crate::{
    devices::{QueueEvents, SYNCHRONOUS_TURNS},
    interrupts::{Interrupts, MsiMessage},
    layout::pci::{self as layout, FIRST_LINE},
    save::DeviceStateError,
    stop::StopReason,
    watch::Watch,
};
use ::pci::{Bar, Function, Slot};
use std::{
    os::fd::RawFd,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};
use virtio::pci::{NOTIFY_MULTIPLIER, VirtioFunction};

/// Interrupt lines of the bus, INTA# to INTD#.
pub(super) const NR_LINES: u8 = 4;

/// The four interrupt lines, each of which several slots share.
pub(super) struct Pins {
    interrupts: Interrupts,
    /// For each line, the slots that assert it.
    asserted: Mutex<[u32; NR_LINES as usize]>,
}

impl Pins {
    pub(super) fn new(interrupts: Interrupts) -> Self {
        Self { interrupts, asserted: Mutex::default() }
    }

    /// Sets what a slot does to its line: INTA# of each next device leads to the next line (PCI Local Bus Specification § 2.2.6).
    fn set(&self, slot: Slot, asserted: bool) -> Result<(), String> {
        let line = slot.device() % NR_LINES;
        let mut all = self.asserted.lock().unwrap_or_else(PoisonError::into_inner);
        let slots = &mut all[usize::from(line)];
        let before = *slots;
        *slots = if asserted { before | 1 << slot.device() } else { before & !(1 << slot.device()) };
        match (before != 0, *slots != 0) {
            (false, true) => self.interrupts.set_line(FIRST_LINE + u32::from(line), true),
            (true, false) => self.interrupts.set_line(FIRST_LINE + u32::from(line), false),
            _ => Ok(()),
        }
        .map_err(|error| error.to_string())
    }

    /// Lets go of the line of a slot that is empty now.
    pub(super) fn release(&self, slot: Slot) {
        // There is nobody left who could be told.
        let _ = self.set(slot, false);
    }
}

/// Why an interrupt could not be sent, until the run ends by it.
#[derive(Default)]
pub(super) struct Failures(Mutex<Option<String>>);

impl Failures {
    pub(super) fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn add(&self, failure: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
    }
}

/// A virtio device in its slot; a clone is another reference.
#[derive(Clone)]
pub(super) struct VirtioSlot {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    pins: Arc<Pins>,
    failures: Arc<Failures>,
    slot: OnceLock<Slot>,
}

struct State {
    function: VirtioFunction,
    messages: Messages,
    /// Where notifications come as events.
    events: Option<QueueEvents>,
}

impl VirtioSlot {
    pub(super) fn new(
        function: VirtioFunction,
        interrupts: Interrupts,
        pins: Arc<Pins>,
        failures: Arc<Failures>,
        events: Option<QueueEvents>,
    ) -> Self {
        // What is synchronous stays so all the way.
        let nr_routes = if events.is_some() { function.nr_vectors() } else { 0 };
        let state = State { function, messages: Messages::new(interrupts, nr_routes), events };
        Self { shared: Arc::new(Shared { state: Mutex::new(state), pins, failures, slot: OnceLock::new() }) }
    }

    pub(super) fn set_slot(&self, slot: Slot) {
        // It is called once.
        let _ = self.shared.slot.set(slot);
    }

    /// Who is told when the device's other side has something.
    pub(super) fn watch(&self) -> Arc<dyn Watch> {
        self.shared.clone()
    }

    /// The events of notifications, and who is told of each.
    pub(super) fn notified(&self) -> Vec<(RawFd, Arc<dyn Watch>)> {
        let descriptors = self.shared.state().events.as_ref().map(QueueEvents::descriptors).unwrap_or_default();
        let of_queue = |(queue, descriptor)| {
            let notified: Arc<dyn Watch> = Arc::new(Notified { shared: self.shared.clone(), queue });
            (descriptor, notified)
        };
        descriptors.into_iter().enumerate().map(of_queue).collect()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Models do not panic; if one did, the run ends by that.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn access<T>(&self, access: impl FnOnce(&mut VirtioFunction) -> T) -> T {
        let mut state = self.state();
        let result = access(&mut state.function);
        state.go_on();
        // Under the lock, so that levels come in their order.
        if let Err(failure) = self.send(&mut state) {
            self.failures.add(failure);
        }
        result
    }

    fn send(&self, State { function, messages, .. }: &mut State) -> Result<(), String> {
        let signals = function.take_signals();
        for message in signals.messages {
            let message = MsiMessage { address: message.address, data: message.data };
            messages.send(message).map_err(|error| error.to_string())?;
        }
        self.slot.get().map_or(Ok(()), |slot| self.pins.set(*slot, signals.pin))
    }

    fn told(&self) -> Result<(), StopReason> {
        self.failures.take().map_or(Ok(()), |failure| Err(StopReason::DeviceStopped(failure)))
    }
}

impl State {
    /// Looks after queues that the device did not come to the end of.
    fn go_on(&mut self) {
        for _ in 0..SYNCHRONOUS_TURNS {
            let queues = self.function.take_unfinished();
            match &self.events {
                _ if queues == 0 => return,
                // Others have their turn first.
                Some(events) => return events.signal(queues),
                None => (0..64).filter(|queue| queues >> queue & 1 != 0).for_each(|queue| self.function.notify(queue)),
            }
        }
    }

    /// Has notifications signal events where the function is now: elsewhere there may be memory, or another device.
    fn place_events(&mut self) {
        let Some(events) = &mut self.events else { return };
        let is_in_window =
            |address: &u64| WINDOWS.iter().any(|(first, size_bytes)| (*first..first + size_bytes).contains(address));
        let address = self.function.notify_address().filter(is_in_window);
        events.set_addresses(address, NOTIFY_MULTIPLIER.into());
    }
}

/// Where memory behind base address registers is found, each with its size in bytes.
const WINDOWS: [(u64, u64); 3] = [
    (layout::MEMORY_WINDOW, layout::MEMORY_WINDOW_SIZE),
    (layout::HIGH_WINDOW, layout::HIGH_WINDOW_SIZE),
    (layout::TOP_WINDOW, layout::TOP_WINDOW_SIZE),
];

impl Function for VirtioSlot {
    fn find(&self, address: u64, size: usize, is_io: bool) -> Option<(usize, u64)> {
        self.shared.state().function.find(address, size, is_io)
    }

    fn region(&self, bar: usize) -> Option<(Bar, Option<u64>)> {
        self.shared.state().function.region(bar)
    }

    fn read_config(&mut self, offset: u16, data: &mut [u8]) {
        self.shared.access(|function| function.read_config(offset, data));
    }

    fn write_config(&mut self, offset: u16, data: &[u8]) {
        self.shared.access(|function| function.write_config(offset, data));
        self.shared.state().place_events();
    }

    fn read_bar(&mut self, bar: usize, offset: u64, data: &mut [u8]) {
        self.shared.access(|function| function.read_bar(bar, offset, data));
    }

    fn write_bar(&mut self, bar: usize, offset: u64, data: &[u8]) {
        self.shared.access(|function| function.write_bar(bar, offset, data));
    }

    fn quiesce(&mut self) {
        self.shared.quiesce();
    }

    fn save(&mut self) -> Result<Vec<u8>, DeviceStateError> {
        self.shared.state().function.save()
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), DeviceStateError> {
        self.shared.restore(state)
    }
}

impl Watch for Shared {
    fn ready(&self) -> Result<(), StopReason> {
        self.access(VirtioFunction::wake);
        self.told()
    }
}

/// Who is told of a queue's notifications.
struct Notified {
    shared: Arc<Shared>,
    queue: usize,
}

impl Watch for Notified {
    fn ready(&self) -> Result<(), StopReason> {
        self.shared.access(|function| function.notify(self.queue));
        self.shared.told()
    }
}

impl Drop for VirtioSlot {
    fn drop(&mut self) {
        // Whoever plugged it has one as well, and drops it before the guest places anything: then it is the bus's that goes, and
        // the addresses are free.
        if let Some(events) = &mut self.shared.state().events {
            events.set_addresses(None, 0);
        }
    }
}
