//! virtio over PCI (§ 4.1 "Virtio Over PCI Bus"): a modern device, without the legacy interface.

mod layout;
mod registers;
mod saved;
mod wrong;

use crate::{Common, DeviceKind, Interrupts, Memory, VirtioDevice, fault::TransportFault, mmio::half};
use layout::{BAR, BAR_BYTES, CONFIGURATION, Part, add_capabilities, part_of};
pub use layout::{NOTIFY_MULTIPLIER, NOTIFY_OFFSET};
use pci::{Bar, BarKind, Config, Function, Identity, Message, MsiX};
use registers::Selectors;
use vm_state::DeviceStateError;

/// Vendor of all virtio devices.
const VENDOR: u16 = 0x1af4;
/// What is added to a kind's id to get the PCI device ID.
const DEVICE_BASE: u16 = 0x1040;
/// No vector (VIRTIO_MSI_NO_VECTOR).
pub const NO_VECTOR: u16 = 0xffff;
/// ISR status: a buffer was given back.
const QUEUE_INTERRUPT: u8 = 1;
/// ISR status: the configuration changed.
const CONFIGURATION_INTERRUPT: u8 = 2;

/// What the function wants sent; its host takes it after each call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Signals {
    /// Messages to send, in order.
    pub messages: Vec<Message>,
    /// Level of the interrupt pin.
    pub pin: bool,
}

/// A device as a PCI function.
pub struct VirtioFunction {
    common: Common,
    config: Config,
    msix: MsiX,
    selectors: Selectors,
    /// Vector of the configuration, then of each queue.
    vectors: Vec<u16>,
    isr: u8,
    messages: Vec<Message>,
    /// Offset of the window into the BAR in configuration space.
    window: usize,
    /// A rule to break.
    fault: Option<TransportFault>,
}

impl VirtioFunction {
    /// A device after reset, with one vector for each queue and one for its configuration.
    pub fn new(device: Box<dyn VirtioDevice>, memory: Memory) -> Self {
        let kind = device.kind();
        let nr_queues = device.queue_sizes().len();
        let common = Common::new(device, memory);
        let identity = Identity {
            vendor: VENDOR,
            device: DEVICE_BASE + kind.id(),
            // § 4.1.2.1: of a device that is not transitional.
            revision: 1,
            class: class(kind),
            subsystem_vendor: VENDOR,
            subsystem: 0x40 + kind.id(),
            interrupt_pin: 1,
        };
        let bar = Bar { kind: BarKind::Memory64, size_bytes: BAR_BYTES, prefetchable: false };
        let mut config = Config::new(identity, &[(BAR, bar)]);
        let window = add_capabilities(&mut config);
        let nr_vectors = nr_queues as u16 + 1;
        let msix = MsiX::new(&mut config, nr_vectors, BAR as u8, layout::TABLE as u32, layout::PENDING as u32);
        let vectors = vec![NO_VECTOR; nr_vectors.into()];
        let (selectors, messages) = (Selectors::default(), Vec::new());
        Self { common, config, msix, selectors, vectors, isr: 0, messages, window, fault: None }
    }

    /// The device behind the transport.
    pub fn common(&self) -> &Common {
        &self.common
    }

    /// The driver notified, by a way that is no access of the function.
    pub fn notify(&mut self, queue: usize) {
        self.common.notify(queue);
        self.collect();
    }

    /// The device's other side has something.
    pub fn wake(&mut self) {
        self.common.wake();
        self.collect();
    }

    /// As [`Common::take_unfinished`].
    pub fn take_unfinished(&mut self) -> u64 {
        self.common.take_unfinished()
    }

    /// How many vectors its MSI-X has.
    pub fn nr_vectors(&self) -> usize {
        self.vectors.len()
    }

    /// Where the register of [`Self::notify_offset`] 0 is as long as the function decodes memory.
    pub fn notify_address(&self) -> Option<u64> {
        self.config.mapped(BAR).map(|(base, _)| base.wrapping_add(NOTIFY_OFFSET))
    }

    /// What is to be sent now.
    pub fn take_signals(&mut self) -> Signals {
        Signals { messages: std::mem::take(&mut self.messages), pin: self.is_pin_asserted() }
    }

    /// Level of the interrupt pin.
    pub fn is_pin_asserted(&self) -> bool {
        let by_messages = self.msix.is_enabled(&self.config) && !self.is_set(TransportFault::PinBesideMessages);
        self.isr != 0 && !by_messages && self.config.may_interrupt()
    }

    /// Where a driver notifies `queue`, by offset in the BAR.
    pub const fn notify_offset(queue: u16) -> u64 {
        NOTIFY_OFFSET + queue as u64 * NOTIFY_MULTIPLIER as u64
    }

    fn collect(&mut self) {
        let Interrupts { queues, config } = self.common.take_interrupts();
        if self.msix.is_enabled(&self.config) {
            for index in 0..self.vectors.len() {
                // Several may share a vector, which then comes once for each: that is allowed, and they may tell them apart by order.
                let is_due = if index == 0 { config } else { queues >> (index - 1) & 1 != 0 };
                let of = if self.is_set(TransportFault::VectorOfConfiguration) { 0 } else { index };
                if is_due && let Some(message) = self.msix.signal(&self.config, self.vectors[of]) {
                    self.messages.push(message);
                }
            }
        }
        if !self.msix.is_enabled(&self.config) || self.is_set(TransportFault::PinBesideMessages) {
            self.isr |= if queues != 0 { QUEUE_INTERRUPT } else { 0 };
            self.isr |= if config { CONFIGURATION_INTERRUPT } else { 0 };
        }
        if self.fault.is_some() {
            self.change_isr();
        }
        self.messages.extend(self.msix.released(&self.config));
        self.config.set_interrupt_status(self.isr != 0);
    }

    /// Resets what belongs to the driver; MSI-X and configuration space stay (§ 4.1.4.3.2).
    fn set_status(&mut self, status: u8) {
        self.common.set_status(status);
        if status == 0 && !self.is_set(TransportFault::ResetKeepsInterruptStatus) {
            self.isr = 0;
        }
        if status == 0 && !self.is_set(TransportFault::ResetKeepsVectors) {
            self.vectors.fill(NO_VECTOR);
        }
    }

    fn read_part(&mut self, part: Part, offset: u64, data: &mut [u8]) {
        data.fill(0);
        match part {
            Part::Common => self.read_common(offset, data),
            Part::Isr => {
                // § 4.1.4.5: reading acknowledges.
                if offset == 0
                    && let Some(first) = data.first_mut()
                {
                    *first = self.isr;
                    self.isr = if self.is_set(TransportFault::InterruptStatusStays) { self.isr } else { 0 };
                }
            }
            Part::Device => self.common.read_config(offset as usize, data),
            Part::Table => self.msix.read_table(offset, data),
            Part::Pending => self.msix.read_pending(offset, data),
            Part::Notify => {}
        }
        self.collect();
    }

    fn write_part(&mut self, part: Part, offset: u64, data: &[u8]) {
        match part {
            Part::Common => self.write_common(offset, data),
            Part::Device => self.common.write_config(offset as usize, data),
            Part::Table => self.msix.write_table(offset, data),
            Part::Notify => self.common.notify((offset / u64::from(NOTIFY_MULTIPLIER)) as usize),
            Part::Isr | Part::Pending => {}
        }
        self.collect();
    }

    /// Offset in the BAR and size that the window in configuration space leads to.
    fn window(&self) -> Option<(u64, usize)> {
        let bar = self.config.u32_at(self.window + 4) & 0xff;
        let (offset, length) = (self.config.u32_at(self.window + 8), self.config.u32_at(self.window + 12));
        if self.is_set(TransportFault::WindowDead) {
            return None;
        }
        let is_valid = bar == BAR as u32 && matches!(length, 1 | 2 | 4) && offset.is_multiple_of(length);
        is_valid.then_some((offset.into(), length as usize))
    }
}

impl Function for VirtioFunction {
    fn find(&self, address: u64, size: usize, is_io: bool) -> Option<(usize, u64)> {
        self.config.find(address, size, is_io)
    }

    fn region(&self, bar: usize) -> Option<(Bar, Option<u64>)> {
        Some((self.config.bar(bar)?, self.config.mapped(bar).map(|(address, _)| address)))
    }

    fn read_config(&mut self, offset: u16, data: &mut [u8]) {
        let at = usize::from(offset);
        if at == self.window + CONFIGURATION
            && let Some((target, size)) = self.window()
        {
            let size = size.min(data.len());
            self.read_bar(BAR, target, &mut data[..size]);
            return;
        }
        self.config.read(offset, data);
    }

    fn write_config(&mut self, offset: u16, data: &[u8]) {
        self.config.write(offset, data);
        if usize::from(offset) == self.window + CONFIGURATION
            && let Some((target, size)) = self.window()
        {
            self.write_bar(BAR, target, &data[..size.min(data.len())]);
        }
        self.collect();
    }

    fn read_bar(&mut self, _: usize, offset: u64, data: &mut [u8]) {
        data.fill(0);
        if let Some((part, offset)) = part_of(offset) {
            self.read_part(part, offset, data);
        }
    }

    fn write_bar(&mut self, _: usize, offset: u64, data: &[u8]) {
        if let Some((part, offset)) = part_of(offset) {
            self.write_part(part, offset, data);
        }
    }

    fn save(&mut self) -> Result<Vec<u8>, DeviceStateError> {
        self.give_bytes()
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), DeviceStateError> {
        self.take_bytes(state)
    }
}

/// The class code of a kind (PCI-SIG, "PCI Code and ID Assignment Specification").
const fn class(kind: DeviceKind) -> u32 {
    match kind {
        DeviceKind::Network => 0x02_00_00,
        DeviceKind::Block | DeviceKind::Scsi => 0x01_00_00,
        DeviceKind::Console => 0x07_80_00,
        DeviceKind::Gpu => 0x03_80_00,
        DeviceKind::Socket => 0x02_80_00,
        DeviceKind::Entropy | DeviceKind::Balloon => 0x00_ff_00,
    }
}

#[cfg(test)]
mod tests;
