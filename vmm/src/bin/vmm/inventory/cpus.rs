//! Processors that come and go.

use super::{Inventory, tell_deleted};
use qmp::json;
use std::ops::Range;
use vmm::{SpareEvent, VmHandle};

/// A processor that came later.
pub(super) struct Cpu {
    pub(super) id: String,
    /// Whether it was asked to go.
    is_leaving: bool,
}

impl Inventory {
    /// Processors that came later, with their names.
    pub(crate) fn cpus(&self) -> Vec<(u8, String)> {
        self.state().cpus.iter().map(|(index, cpu)| (*index, cpu.id.clone())).collect()
    }

    /// A processor comes.
    pub(crate) fn add_cpu(&self, id: &str, index: u8) -> Result<(), String> {
        let mut state = self.state();
        if state.has(id) {
            return Err(format!("there is a device '{id}' already"));
        }
        if state.cpus.contains_key(&index) {
            return Err(format!("processor {index} is there already"));
        }
        state.cpus.insert(index, Cpu { id: id.to_owned(), is_leaving: false });
        Ok(())
    }

    /// Names the processors of a VM from elsewhere that came later there: their names do not come along.
    pub(crate) fn find_cpus(&self, vm: &VmHandle, indices: Range<u8>) -> Result<(), String> {
        for index in indices.filter(|index| vm.has_spare_vcpu(*index)) {
            self.add_cpu(&self.name_for(None)?, index)?;
        }
        Ok(())
    }

    /// A processor that was to come did not.
    pub(crate) fn forget_cpu(&self, index: u8) {
        self.state().cpus.remove(&index);
    }

    /// A processor was asked to go.
    pub(crate) fn set_cpu_leaving(&self, index: u8) {
        if let Some(cpu) = self.state().cpus.get_mut(&index) {
            cpu.is_leaving = true;
        }
    }

    pub(super) fn is_cpu_leaving(&self, index: u8) -> bool {
        self.state().cpus.get(&index).is_some_and(|cpu| cpu.is_leaving)
    }

    /// The guest did something to a processor.
    pub(crate) fn cpu_event(&self, event: SpareEvent) {
        match event {
            SpareEvent::Ejected { index } => self.remove_cpu(index),
            SpareEvent::Status { index, event, status } => {
                let mut info =
                    json!({ "slot": index.to_string(), "slot-type": "CPU", "source": event, "status": status });
                let state = self.state();
                if let Some(cpu) = state.cpus.get(&index) {
                    info["device"] = cpu.id.as_str().into();
                }
                if let Some(events) = &state.events {
                    events.send("ACPI_DEVICE_OST", json!({ "info": info }));
                }
            }
        }
    }

    pub(super) fn remove_cpu(&self, index: u8) {
        let gone = self.state().cpus.remove(&index);
        if let (Some(Cpu { id, .. }), Some(events)) = (gone, self.events()) {
            tell_deleted(&events, &id);
        }
    }
}
