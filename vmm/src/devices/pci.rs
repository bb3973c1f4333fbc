//! A PCI host bridge with its bus, and virtio devices on it.

mod function;
mod hot_plug;
mod messages;
mod q35;
mod saved;

use crate::{
    bus::{Device, FirmwareDevice, Flow, Location, Region},
    connection::Connection,
    layout::pci as layout,
    memory::GuestMemory,
    save::DeviceStateError,
    stop::StopReason,
};
use ::pci::{Function, HOT_PLUG_BYTES, Host, Identity, PlaceError, Slot};
use function::{Failures, Pins, VirtioSlot};
pub(crate) use hot_plug::EVENT as HOT_PLUG_EVENT;
pub use hot_plug::{HotPlugError, PciSlots};
use hot_plug::{OnEjected, Plugger};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use virtio::{VirtioDevice, pci::VirtioFunction};

/// What the bridge says it is: the host bridge of QEMU's generic PCI Express machines, which needs no driver of its own.
const BRIDGE: Identity = Identity {
    vendor: 0x1b36,
    device: 0x0008,
    revision: 0,
    class: 0,
    subsystem_vendor: 0x1af4,
    subsystem: 0x1100,
    interrupt_pin: 0,
};

/// What the bridge answers to: the two ways into configuration space, then the windows of base address registers; last what
/// only one with hot plug has.
const REGIONS: [Region; 7] = [
    Region::Ports { first: layout::CONFIG_ADDRESS, count: 8 },
    Region::Memory { first: layout::MAPPED_CONFIG, size_bytes: layout::MAPPED_CONFIG_SIZE },
    Region::Ports { first: layout::IO_WINDOW, count: layout::IO_WINDOW_SIZE },
    Region::Memory { first: layout::MEMORY_WINDOW, size_bytes: layout::MEMORY_WINDOW_SIZE },
    Region::Memory { first: layout::HIGH_WINDOW, size_bytes: layout::HIGH_WINDOW_SIZE },
    Region::Memory { first: layout::TOP_WINDOW, size_bytes: layout::TOP_WINDOW_SIZE },
    Region::Ports { first: layout::HOT_PLUG, count: HOT_PLUG_BYTES },
];
/// Indices of the first two, and of the last.
mod region {
    pub(super) const PORTS: usize = 0;
    pub(super) const CONFIG: usize = 1;
    pub(super) const HOT_PLUG: usize = 6;
    pub(super) const Q35_CONFIG: usize = super::REGIONS.len();
}

/// The bus, by any thread; a clone is another reference.
#[derive(Clone)]
pub struct PciBus {
    shared: Arc<Shared>,
}

struct Shared {
    host: Mutex<Host>,
    pins: Arc<Pins>,
    failures: Arc<Failures>,
}

impl PciBus {
    fn host(&self) -> MutexGuard<'_, Host> {
        // Models do not panic; if one did, the run ends by that.
        self.shared.host.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a function into a slot, or into the first free one.
    ///
    /// # Errors
    /// If it is taken, or if all are.
    pub fn plug(&self, slot: Option<Slot>, function: Box<dyn Function>) -> Result<Slot, PlaceError> {
        self.host().plug(slot, function)
    }

    /// Takes a function out of its slot.
    ///
    /// # Errors
    /// If none is there, and for the bridge.
    pub fn unplug(&self, slot: Slot) -> Result<(), PlaceError> {
        let function = self.host().unplug(slot)?;
        drop(function);
        self.shared.pins.release(slot);
        Ok(())
    }

    fn plug_virtio(
        &self,
        slot: Option<Slot>,
        device: Box<dyn VirtioDevice>,
        connection: &mut Connection,
    ) -> Result<Slot, PlaceError> {
        let wake_ups = device.wake_ups();
        let events = connection.queue_events(device.queue_sizes().len());
        let mut function = VirtioFunction::new(device, connection.memory().shared());
        if let Some(fault) = connection.virtio_fault() {
            function.set_fault(fault);
        }
        let interrupts = connection.interrupts().clone();
        let Shared { pins, failures, .. } = &*self.shared;
        let slot_of = VirtioSlot::new(function, interrupts, pins.clone(), failures.clone(), events);
        let slot = self.plug(slot, Box::new(slot_of.clone()))?;
        slot_of.set_slot(slot);
        for descriptor in wake_ups {
            connection.watch(descriptor, slot_of.watch());
        }
        for (descriptor, watch) in slot_of.notified() {
            connection.watch(descriptor, watch);
        }
        Ok(slot)
    }
}

/// A host bridge at the ports and addresses of [`crate::layout::pci`], with bus 0.
pub struct PciHost {
    /// Devices that take their slots when the VM is made.
    devices: Vec<(Option<Slot>, Box<dyn VirtioDevice>)>,
    bus: Option<PciBus>,
    hot_plug: Option<(PciSlots, Option<OnEjected>)>,
    is_q35: bool,
}

impl PciHost {
    /// One with an empty bus.
    #[expect(clippy::new_without_default, reason = "a bus without devices is nothing that is meant by default")]
    pub fn new() -> Self {
        Self { devices: Vec::new(), bus: None, hot_plug: None, is_q35: false }
    }

    /// Adds a virtio device, in a slot of its own choice or in the first free one. What finds no place is left out.
    #[must_use]
    pub fn with(mut self, slot: Option<Slot>, device: Box<dyn VirtioDevice>) -> Self {
        self.devices.push((slot, device));
        self
    }

    /// Lets devices come and go while the guest runs, which needs [`crate::Chipset::power`]; also gives the way to do that.
    /// `on_ejected` is told of a device that the guest ejected: it is gone then. It is called on the thread of a vCPU.
    #[must_use]
    pub fn with_hot_plug(self, on_ejected: impl Fn(Slot) + Send + Sync + 'static) -> (Self, PciSlots) {
        let slots = PciSlots(Arc::default());
        (Self { hot_plug: Some((slots.clone(), Some(Box::new(on_ejected)))), ..self }, slots)
    }

    fn plugger(&self) -> Option<&Plugger> {
        self.hot_plug.as_ref().and_then(|(slots, _)| slots.0.get())
    }

    /// Shows firmware what it knows of QEMU's q35 machine: the host bridge and the bridge to the ISA bus. Guest memory ends below
    /// [`crate::layout::pci::Q35_MAPPED_CONFIG`] then.
    #[must_use]
    pub fn like_q35(self) -> Self {
        Self { is_q35: true, ..self }
    }

    /// The place of an access where all regions there may be are counted.
    fn counted(&self, at: Location) -> Location {
        let is_behind = self.hot_plug.is_none() && at.region >= region::HOT_PLUG;
        Location { region: at.region + usize::from(is_behind), ..at }
    }

    /// Does something with the bus, and ends the run if an interrupt that followed could not be sent.
    fn access(&self, access: impl FnOnce(&mut Host)) -> Flow {
        let Some(bus) = &self.bus else { return Flow::Continue };
        access(&mut bus.host());
        match bus.shared.failures.take() {
            Some(reason) => Flow::Stop(StopReason::DeviceStopped(reason)),
            None => Flow::Continue,
        }
    }
}

impl Device for PciHost {
    fn regions(&self) -> Vec<Region> {
        let nr = if self.hot_plug.is_some() { REGIONS.len() } else { region::HOT_PLUG };
        let more = if self.is_q35 { &q35::REGIONS[..] } else { &[] };
        [&REGIONS[..nr], more].concat()
    }

    fn firmware_device(&self) -> Option<FirmwareDevice> {
        Some(if self.hot_plug.is_some() { FirmwareDevice::PciHostWithHotPlug } else { FirmwareDevice::PciHost })
    }

    fn connect(&mut self, connection: &mut Connection) {
        let pins = Arc::new(Pins::new(connection.interrupts().clone()));
        let mut host = Host::new(if self.is_q35 { q35::BRIDGE } else { BRIDGE });
        if self.is_q35 {
            // The slot is free: nothing else is there yet.
            let _ = host.plug(q35::ISA_SLOT, Box::new(q35::IsaBridge::new()));
        }
        let shared = Shared { host: Mutex::new(host), pins, failures: Arc::default() };
        let bus = PciBus { shared: Arc::new(shared) };
        if let Some((slots, on_ejected)) = &mut self.hot_plug
            && let Some(on_ejected) = on_ejected.take()
            && let Ok(plugger) = Plugger::new(bus.clone(), connection, on_ejected)
        {
            // It is called once; without descriptors the VM is made without hot plug, and says so when a device comes.
            let _ = slots.0.set(plugger);
        }
        let devices: Vec<_> = self.devices.drain(..).collect();
        for (slot, device) in devices {
            // The documentation of `with` says what becomes of what finds no place.
            match (self.plugger(), slot) {
                (Some(plugger), Some(slot)) => drop(plugger.add_first(slot, device)),
                _ => drop(bus.plug_virtio(slot, device, connection)),
            }
        }
        self.bus = Some(bus);
    }

    fn read(&mut self, at: Location, data: &mut [u8]) -> Flow {
        let at = self.counted(at);
        if at.region == region::HOT_PLUG {
            if let Some(plugger) = self.plugger() {
                plugger.read(at.offset, data);
            }
            return Flow::Continue;
        }
        self.access(|host| match at.region {
            region::PORTS => host.read_port(at.offset, data),
            region::CONFIG | region::Q35_CONFIG => host.read_mapped_config(at.offset, data),
            index => {
                let (address, is_io) = address(index, at.offset);
                host.read(address, is_io, data);
            }
        })
    }

    fn write(&mut self, at: Location, data: &[u8], _: &GuestMemory) -> Flow {
        let at = self.counted(at);
        if at.region == region::HOT_PLUG {
            if let Some(plugger) = self.plugger() {
                plugger.write(at.offset, data);
            }
            return Flow::Continue;
        }
        self.access(|host| match at.region {
            region::PORTS => host.write_port(at.offset, data),
            region::CONFIG | region::Q35_CONFIG => host.write_mapped_config(at.offset, data),
            index => {
                let (address, is_io) = address(index, at.offset);
                host.write(address, is_io, data);
            }
        })
    }

    fn quiesce(&mut self) -> Result<(), DeviceStateError> {
        self.quiesce_all()
    }

    fn save(&self) -> Result<Vec<u8>, DeviceStateError> {
        self.to_bytes()
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), DeviceStateError> {
        self.take_bytes(state)
    }
}

/// The address of an offset in one of the windows, and whether it is a port.
fn address(region: usize, offset: u64) -> (u64, bool) {
    let of_q35 = region.checked_sub(REGIONS.len());
    match of_q35.map_or_else(|| REGIONS[region], |index| q35::REGIONS[index]) {
        Region::Ports { first, .. } => (u64::from(first) + offset, true),
        Region::Memory { first, .. } => (first + offset, false),
    }
}
