//! Port and memory-mapped I/O: which device answers an access.

use crate::{
    connection::Connection,
    faults::{BusFault, Direction, Fault, Space},
    memory::{GuestMemory, MemoryMap},
    save::DeviceStateError,
    stop::StopReason,
};
use serde::{Deserialize, Serialize};
use vm_device::bus::{self, Bus as RangeMap, BusRange, MmioAddress, PioAddress};

/// A range of addresses that a device answers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Region {
    /// I/O ports.
    Ports {
        /// The first.
        first: u16,
        /// How many.
        count: u16,
    },
    /// Guest physical addresses without memory.
    Memory {
        /// The first.
        first: u64,
        /// Size in bytes.
        size_bytes: u64,
    },
}

/// Where within a device an access goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location {
    /// Index of the region among those of [`Device::regions`].
    pub region: usize,
    /// Offset from the region's start.
    pub offset: u64,
}

/// What firmware tables tell of a device that a guest cannot find by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirmwareDevice {
    /// A PCI host bridge at the addresses of [`crate::layout::pci`].
    PciHost,
    /// The same, with the registers by which functions come and go.
    PciHostWithHotPlug,
    /// A virtio device with memory-mapped registers.
    VirtioMmio {
        /// Physical address of the registers.
        address: u64,
        /// Its interrupt line, level-triggered and active-high.
        line: u32,
    },
}

/// What follows an access.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Flow {
    /// The guest goes on.
    Continue,
    /// The guest goes on, and KVM is told that this vCPU was paused (KVM_KVMCLOCK_CTRL): the next time that it looks at its
    /// clock, it finds a flag. KVM refuses that of a vCPU whose clock is off, which is the guest's affair.
    TellPaused,
    /// The guest goes on, after pin LINT1 of this vCPU's local APIC was raised and lowered.
    PulseLint1,
    /// The run ends. A device of your own gives [`StopReason::DeviceStopped`].
    Stop(StopReason),
}

/// A device. It must not block, and must not grow with what a guest does.
pub trait Device: Send {
    /// What it answers to; asked once, when the VM is made.
    fn regions(&self) -> Vec<Region>;

    /// What the ACPI tables tell of it, if it is of a kind that is told of; asked once, when the VM is made.
    fn firmware_device(&self) -> Option<FirmwareDevice> {
        None
    }

    /// Gives it files that firmware asks for, with their names; once, when a VM that starts firmware is made.
    fn take_firmware_files(&mut self, _files: &[(&'static str, Vec<u8>)]) {}

    /// Tells it of interrupt controllers and memory, once, when the VM is made.
    fn connect(&mut self, _connection: &mut Connection) {}

    /// Fills `data`, which holds all ones, with what is read at `at`.
    fn read(&mut self, at: Location, data: &mut [u8]) -> Flow;

    /// Takes what is written at `at`.
    fn write(&mut self, at: Location, data: &[u8], memory: &GuestMemory) -> Flow;

    /// Finishes what is under way, because the VM is about to be saved and no vCPU runs: guest memory and interrupt controllers are
    /// saved later.
    ///
    /// # Errors
    /// If that cannot be done.
    fn quiesce(&mut self) -> Result<(), DeviceStateError> {
        Ok(())
    }

    /// What is kept of it when the VM is saved; no vCPU runs. What it has of the host, files for instance, is not.
    ///
    /// # Errors
    /// If it cannot be saved.
    fn save(&self) -> Result<Vec<u8>, DeviceStateError> {
        Err(DeviceStateError::Unsupported)
    }

    /// Takes it, new and connected, to a state that [`Self::save`] gave.
    ///
    /// # Errors
    /// If that is not the state of such a device.
    fn restore(&mut self, _state: &[u8]) -> Result<(), DeviceStateError> {
        Err(DeviceStateError::Unsupported)
    }
}

/// Why devices cannot stand together.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// A region is empty or reaches over the end of the address space, or another device has a part of it.
    #[error("a device's region {region:x?} cannot be used")]
    Region {
        /// The region.
        region: Region,
        /// Why.
        source: bus::Error,
    },
    /// A region of memory-mapped I/O lies where guest memory is.
    #[error("a device's region {region:x?} lies within guest memory")]
    WithinMemory {
        /// The region.
        region: Region,
    },
}

/// Index of a device, and of the region within it.
#[derive(Clone, Copy)]
struct Claim {
    device: usize,
    region: usize,
}

/// All devices of a VM, by address.
#[derive(Default)]
pub(crate) struct Bus {
    devices: Vec<Box<dyn Device>>,
    ports: RangeMap<PioAddress, Claim>,
    memory: RangeMap<MmioAddress, Claim>,
    /// Accesses that go wrong; taken out while they do.
    fault: Option<Box<BusFault>>,
}

impl Bus {
    /// A bus with `devices`; memory-mapped regions must not lie where `ram` is.
    pub(crate) fn new(devices: Vec<Box<dyn Device>>, ram: MemoryMap) -> Result<Self, BusError> {
        let mut bus = Self::default();
        for (device, regions) in devices.iter().map(|device| device.regions()).enumerate() {
            for (index, region) in regions.into_iter().enumerate() {
                bus.claim(region, Claim { device, region: index }, ram)?;
            }
        }
        bus.devices = devices;
        Ok(bus)
    }

    /// Gives every device the files that firmware asks for.
    pub(crate) fn give_firmware_files(&mut self, files: &[(&'static str, Vec<u8>)]) {
        self.devices.iter_mut().for_each(|device| device.take_firmware_files(files));
    }

    fn claim(&mut self, region: Region, claim: Claim, ram: MemoryMap) -> Result<(), BusError> {
        match region {
            Region::Ports { first, count } => {
                BusRange::new(PioAddress(first), count).and_then(|range| self.ports.register(range, claim))
            }
            Region::Memory { first, size_bytes } if ram.overlaps(first, size_bytes) => {
                return Err(BusError::WithinMemory { region });
            }
            Region::Memory { first, size_bytes } => {
                BusRange::new(MmioAddress(first), size_bytes).and_then(|range| self.memory.register(range, claim))
            }
        }
        .map_err(|source| BusError::Region { region, source })
    }

    /// Lets accesses go wrong from now on, if that is the fault.
    pub(crate) fn set_fault(&mut self, fault: Option<Fault>) {
        if let Some(Fault::Access(fault)) = fault {
            self.fault = Some(Box::new(BusFault::new(fault)));
        }
    }

    /// Makes an access that goes wrong; nothing if this one does not.
    fn faulty<T>(
        &mut self,
        concerned: (Space, Direction, u64, usize),
        access: impl FnOnce(&mut BusFault, &mut Self) -> T,
    ) -> Option<T> {
        let (space, direction, address, size) = concerned;
        let mut fault = self.fault.take_if(|fault| fault.concerns(space, direction, address, size))?;
        let result = access(&mut fault, self);
        self.fault = Some(fault);
        Some(result)
    }

    /// What firmware tables tell of the devices.
    pub(crate) fn firmware_devices(&self) -> Vec<FirmwareDevice> {
        self.devices.iter().filter_map(|device| device.firmware_device()).collect()
    }

    /// Whether a device answers at a port.
    pub(crate) fn has_port(&self, port: u16) -> bool {
        self.at_port(port, 1).is_some()
    }

    /// The devices, in the order in which they were given.
    pub(crate) fn devices(&self) -> &[Box<dyn Device>] {
        &self.devices
    }

    /// The same, to restore them.
    pub(crate) fn devices_mut(&mut self) -> &mut [Box<dyn Device>] {
        &mut self.devices
    }

    fn at_port(&self, port: u16, size: usize) -> Option<(usize, Location)> {
        let (range, claim) = self.ports.check_access(PioAddress(port), size).ok()?;
        Some((claim.device, Location { region: claim.region, offset: u64::from(port - range.base().0) }))
    }

    fn at_address(&self, address: u64, size: usize) -> Option<(usize, Location)> {
        let (range, claim) = self.memory.check_access(MmioAddress(address), size).ok()?;
        Some((claim.device, Location { region: claim.region, offset: address - range.base().0 }))
    }

    /// Reads a port once for every `size` bytes of `data`, as a string instruction does. What no device claims as a
    /// whole reads as all ones.
    pub(crate) fn read_port(&mut self, port: u16, size: usize, data: &mut [u8]) -> Flow {
        let concerned = (Space::Ports, Direction::Read, port.into(), size);
        if let Some(flow) = self.faulty(concerned, |fault, bus| fault.read(bus, Space::Ports, port.into(), size, data))
        {
            return flow;
        }
        data.fill(0xff);
        let Some((device, at)) = self.at_port(port, size) else { return Flow::Continue };
        let device = &mut self.devices[device];
        each(data.chunks_mut(size), |value| device.read(at, value))
    }

    /// Writes a port once for every `size` bytes of `data`. What no device claims as a whole is dropped.
    pub(crate) fn write_port(&mut self, port: u16, size: usize, data: &[u8], memory: &GuestMemory) -> Flow {
        let at = (Space::Ports, port.into(), size);
        if let Some(flow) =
            self.faulty((at.0, Direction::Write, at.1, size), |fault, bus| fault.write(bus, at, data, memory))
        {
            return flow;
        }
        let Some((device, at)) = self.at_port(port, size) else { return Flow::Continue };
        let device = &mut self.devices[device];
        each(data.chunks(size), |value| device.write(at, value, memory))
    }

    /// Reads `data` at `address`; all ones where no device claims it as a whole.
    pub(crate) fn read_memory(&mut self, address: u64, data: &mut [u8]) -> Flow {
        let (size, space) = (data.len(), Space::Memory);
        if let Some(flow) = self
            .faulty((space, Direction::Read, address, size), |fault, bus| fault.read(bus, space, address, size, data))
        {
            return flow;
        }
        data.fill(0xff);
        match self.at_address(address, data.len()) {
            Some((device, at)) => self.devices[device].read(at, data),
            None => Flow::Continue,
        }
    }

    /// Writes `data` at `address`; dropped where no device claims it as a whole.
    pub(crate) fn write_memory(&mut self, address: u64, data: &[u8], memory: &GuestMemory) -> Flow {
        let at = (Space::Memory, address, data.len());
        if let Some(flow) =
            self.faulty((at.0, Direction::Write, address, at.2), |fault, bus| fault.write(bus, at, data, memory))
        {
            return flow;
        }
        match self.at_address(address, data.len()) {
            Some((device, at)) => self.devices[device].write(at, data, memory),
            None => Flow::Continue,
        }
    }
}

/// Does all of the accesses, because the instruction did; the first that stops says how the run ends.
fn each<T>(values: impl Iterator<Item = T>, mut access: impl FnMut(T) -> Flow) -> Flow {
    values.fold(Flow::Continue, |flow, value| match access(value) {
        stop @ Flow::Stop(_) if !matches!(flow, Flow::Stop(_)) => stop,
        told @ (Flow::TellPaused | Flow::PulseLint1) if flow == Flow::Continue => told,
        _ => flow,
    })
}

#[cfg(test)]
mod tests;
