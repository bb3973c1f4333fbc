//! A virtio device behind memory-mapped registers.

mod saved;

use crate::{
    bus::{Device, FirmwareDevice, Flow, Location, Region},
    connection::Connection,
    devices::{QueueEvents, SYNCHRONOUS_TURNS},
    interrupts::{ControllerLine, InterruptLine},
    memory::GuestMemory,
    save::DeviceStateError,
    stop::StopReason,
    watch::Watch,
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use virtio::{VirtioDevice, mmio};

/// A virtio device with its registers, and an interrupt line.
pub struct VirtioMmio {
    address: u64,
    line: u32,
    device: Option<Box<dyn VirtioDevice>>,
    connected: Option<Arc<Connected>>,
}

struct Connected {
    state: Mutex<State>,
    line: ControllerLine,
}

struct State {
    mmio: mmio::Mmio,
    is_asserted: bool,
    /// Where notifications come as events.
    events: Option<QueueEvents>,
}

impl VirtioMmio {
    /// `device` with its registers at `address`, a page of guest physical addresses without memory, and with interrupt line
    /// `line`, which should be level-triggered. Without an I/O APIC the first interrupt ends the run.
    pub fn new(address: u64, line: u32, device: Box<dyn VirtioDevice>) -> Self {
        Self { address, line, device: Some(device), connected: None }
    }
}

impl Connected {
    fn state(&self) -> MutexGuard<'_, State> {
        // Models do not panic; if one did, the run ends by that.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the device, and sets the line as follows from it.
    fn access(&self, access: impl FnOnce(&mut mmio::Mmio)) -> Result<(), StopReason> {
        let mut state = self.state();
        access(&mut state.mmio);
        state.go_on();
        self.drive(&mut state)
    }

    fn drive(&self, state: &mut State) -> Result<(), StopReason> {
        let asserted = state.mmio.is_asserted();
        if asserted != state.is_asserted {
            state.is_asserted = asserted;
            // Under the lock, so that levels come in their order.
            self.line.set(asserted).map_err(|error| StopReason::DeviceStopped(error.to_string()))?;
        }
        Ok(())
    }
}

impl State {
    /// Looks after queues that the device did not come to the end of.
    fn go_on(&mut self) {
        for _ in 0..SYNCHRONOUS_TURNS {
            let queues = self.mmio.take_unfinished();
            match &self.events {
                _ if queues == 0 => return,
                // Others have their turn first.
                Some(events) => return events.signal(queues),
                None => (0..64).filter(|queue| queues >> queue & 1 != 0).for_each(|queue| self.mmio.notify(queue)),
            }
        }
    }
}

/// Who is told of a queue's notifications.
struct Notified {
    connected: Arc<Connected>,
    queue: usize,
}

impl Watch for Notified {
    fn ready(&self) -> Result<(), StopReason> {
        self.connected.access(|mmio| mmio.notify(self.queue))
    }
}

impl Watch for Connected {
    fn ready(&self) -> Result<(), StopReason> {
        self.access(mmio::Mmio::wake)
    }
}

impl Device for VirtioMmio {
    fn regions(&self) -> Vec<Region> {
        vec![Region::Memory { first: self.address, size_bytes: mmio::SIZE_BYTES }]
    }

    fn firmware_device(&self) -> Option<FirmwareDevice> {
        Some(FirmwareDevice::VirtioMmio { address: self.address, line: self.line })
    }

    fn connect(&mut self, connection: &mut Connection) {
        let Some(device) = self.device.take() else { return };
        let wake_ups = device.wake_ups();
        let mut events = connection.queue_events(device.queue_sizes().len());
        if let Some(events) = &mut events {
            events.set_values(self.address + mmio::QUEUE_NOTIFY);
        }
        let notified = events.as_ref().map(QueueEvents::descriptors).unwrap_or_default();
        let mut mmio = mmio::Mmio::new(device, connection.memory().shared());
        if let Some(fault) = connection.virtio_fault() {
            mmio.set_fault(fault);
        }
        let state = State { mmio, is_asserted: false, events };
        let line = connection.interrupts().line(self.line);
        let connected = Arc::new(Connected { state: Mutex::new(state), line });
        for descriptor in wake_ups {
            connection.watch(descriptor, connected.clone());
        }
        for (queue, descriptor) in notified.into_iter().enumerate() {
            connection.watch(descriptor, Arc::new(Notified { connected: connected.clone(), queue }));
        }
        self.connected = Some(connected);
    }

    fn read(&mut self, at: Location, data: &mut [u8]) -> Flow {
        self.access(|mmio| mmio.read(at.offset, data))
    }

    fn write(&mut self, at: Location, data: &[u8], _: &GuestMemory) -> Flow {
        self.access(|mmio| mmio.write(at.offset, data))
    }

    fn quiesce(&mut self) -> Result<(), DeviceStateError> {
        self.connected.as_ref().map_or(Ok(()), |connected| connected.quiesce())
    }

    fn save(&self) -> Result<Vec<u8>, DeviceStateError> {
        self.connected.as_ref().map_or(Err(DeviceStateError::Unsupported), |connected| connected.state().mmio.save())
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), DeviceStateError> {
        self.connected.as_ref().map_or(Err(DeviceStateError::Unsupported), |connected| connected.restore(state))
    }
}

impl VirtioMmio {
    fn access(&self, access: impl FnOnce(&mut mmio::Mmio)) -> Flow {
        match self.connected.as_ref().map(|connected| connected.access(access)) {
            Some(Err(reason)) => Flow::Stop(reason),
            Some(Ok(())) | None => Flow::Continue,
        }
    }
}
