//! A virtio device in a slot: after each call it sends the interrupts that are due.

use crate::{
    interrupts::{Interrupts, MsiMessage},
    layout::pci::FIRST_LINE,
    stop::StopReason,
    watch::Watch,
};
use ::pci::{Function, Slot};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use virtio::pci::VirtioFunction;

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
    function: Mutex<VirtioFunction>,
    interrupts: Interrupts,
    pins: Arc<Pins>,
    failures: Arc<Failures>,
    slot: OnceLock<Slot>,
}

impl VirtioSlot {
    pub(super) fn new(
        function: VirtioFunction,
        interrupts: Interrupts,
        pins: Arc<Pins>,
        failures: Arc<Failures>,
    ) -> Self {
        let shared = Shared { function: Mutex::new(function), interrupts, pins, failures, slot: OnceLock::new() };
        Self { shared: Arc::new(shared) }
    }

    pub(super) fn set_slot(&self, slot: Slot) {
        // It is called once.
        let _ = self.shared.slot.set(slot);
    }

    /// Who is told when the device's other side has something.
    pub(super) fn watch(&self) -> Arc<dyn Watch> {
        self.shared.clone()
    }
}

impl Shared {
    fn function(&self) -> MutexGuard<'_, VirtioFunction> {
        // Models do not panic; if one did, the run ends by that.
        self.function.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn access<T>(&self, access: impl FnOnce(&mut VirtioFunction) -> T) -> T {
        let mut function = self.function();
        let result = access(&mut function);
        // Under the lock, so that levels come in their order.
        if let Err(failure) = self.send(&mut function) {
            self.failures.add(failure);
        }
        result
    }

    fn send(&self, function: &mut VirtioFunction) -> Result<(), String> {
        let signals = function.take_signals();
        for message in signals.messages {
            let message = MsiMessage { address: message.address, data: message.data };
            // Whether somebody takes it is the guest's affair.
            self.interrupts.signal_msi(message).map_err(|error| error.to_string())?;
        }
        self.slot.get().map_or(Ok(()), |slot| self.pins.set(*slot, signals.pin))
    }
}

impl Function for VirtioSlot {
    fn find(&self, address: u64, size: usize, is_io: bool) -> Option<(usize, u64)> {
        self.shared.function().find(address, size, is_io)
    }

    fn read_config(&mut self, offset: u16, data: &mut [u8]) {
        self.shared.access(|function| function.read_config(offset, data));
    }

    fn write_config(&mut self, offset: u16, data: &[u8]) {
        self.shared.access(|function| function.write_config(offset, data));
    }

    fn read_bar(&mut self, bar: usize, offset: u64, data: &mut [u8]) {
        self.shared.access(|function| function.read_bar(bar, offset, data));
    }

    fn write_bar(&mut self, bar: usize, offset: u64, data: &[u8]) {
        self.shared.access(|function| function.write_bar(bar, offset, data));
    }
}

impl Watch for Shared {
    fn ready(&self) -> Result<(), StopReason> {
        self.access(VirtioFunction::wake);
        self.failures.take().map_or(Ok(()), |failure| Err(StopReason::DeviceStopped(failure)))
    }
}
