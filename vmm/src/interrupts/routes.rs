//! The routes of a VM: which interrupt controller or message each number (GSI) leads to.
//!
//! KVM takes all routes at once, so that whoever adds one has to know the others.

use super::{InterruptError, MsiMessage, refused};
use crate::{
    config::Irqchip,
    firmware::{PIT_IRQ, PIT_PIN},
};
use kvm_bindings::{
    KVM_IRQ_ROUTING_IRQCHIP, KVM_IRQ_ROUTING_MSI, KVM_IRQCHIP_IOAPIC, KVM_IRQCHIP_PIC_MASTER, KVM_IRQCHIP_PIC_SLAVE,
    KvmIrqRouting, kvm_irq_routing_entry, kvm_irq_routing_irqchip, kvm_irq_routing_msi,
};
use kvm_ioctls::VmFd;

/// Pins of an I/O APIC; numbers from here on are free for messages.
pub(crate) const NR_PINS: u32 = 24;
/// Pins of both 8259s, eight each.
const NR_PIC_PINS: u32 = 16;
const NR_PINS_OF_A_PIC: u32 = 8;
/// How many messages can have a route: a bound that is far below KVM's 4096.
const NR_MESSAGES_MAX: usize = 1024;

/// What KVM is told next; nothing is, until the first change.
#[derive(Debug)]
pub(super) struct Routes {
    irqchip: Irqchip,
    pit_pin: u8,
    /// Of the pins of an I/O APIC in user space.
    pins: Vec<(u32, MsiMessage)>,
    /// By number less [`NR_PINS`].
    messages: Vec<Option<MsiMessage>>,
}

impl Routes {
    pub(super) fn new(irqchip: Irqchip) -> Self {
        // As KVM routes it by itself.
        Self { irqchip, pit_pin: PIT_IRQ, pins: Vec::new(), messages: Vec::new() }
    }

    pub(super) fn add(&mut self, message: MsiMessage) -> Result<u32, InterruptError> {
        let nr_routes = self.messages.len();
        let index = match self.messages.iter().position(Option::is_none) {
            Some(free) => free,
            None if nr_routes < NR_MESSAGES_MAX => {
                self.messages.push(None);
                nr_routes
            }
            None => return Err(InterruptError::NoRoute { nr_routes }),
        };
        self.messages[index] = Some(message);
        Ok(NR_PINS + index as u32)
    }

    pub(super) fn remove(&mut self, gsi: u32) {
        let index = gsi.checked_sub(NR_PINS).map(|index| index as usize);
        if let Some(message) = index.and_then(|index| self.messages.get_mut(index)) {
            *message = None;
        }
    }

    pub(super) fn set_pins(&mut self, pins: impl IntoIterator<Item = (u32, MsiMessage)>) {
        self.pins.clear();
        self.pins.extend(pins.into_iter().filter(|(pin, _)| *pin < NR_PINS));
    }

    pub(super) fn override_pit(&mut self) {
        self.pit_pin = PIT_PIN;
    }

    pub(super) fn tell(&self, vm: &VmFd) -> Result<(), InterruptError> {
        let entries = self.entries();
        let routing =
            KvmIrqRouting::from_entries(&entries).map_err(|_| InterruptError::NoRoute { nr_routes: entries.len() })?;
        vm.set_gsi_routing(&routing).map_err(refused("KVM_SET_GSI_ROUTING"))
    }

    fn entries(&self) -> Vec<kvm_irq_routing_entry> {
        let mut entries = Vec::new();
        if self.irqchip == Irqchip::Kernel {
            entries.extend((0..NR_PIC_PINS).map(|irq| {
                let chip = if irq < NR_PINS_OF_A_PIC { KVM_IRQCHIP_PIC_MASTER } else { KVM_IRQCHIP_PIC_SLAVE };
                controller(irq, chip, irq % NR_PINS_OF_A_PIC)
            }));
            entries.extend((0..NR_PINS).filter_map(|irq| match irq {
                _ if irq == u32::from(PIT_IRQ) => Some(controller(irq, KVM_IRQCHIP_IOAPIC, self.pit_pin.into())),
                // One line a pin.
                _ if irq == u32::from(self.pit_pin) => None,
                _ => Some(controller(irq, KVM_IRQCHIP_IOAPIC, irq)),
            }));
        }
        entries.extend(self.pins.iter().map(|(pin, to)| message(*pin, *to)));
        let messages = (NR_PINS..).zip(&self.messages);
        entries.extend(messages.filter_map(|(gsi, to)| to.map(|to| message(gsi, to))));
        entries
    }
}

fn controller(gsi: u32, irqchip: u32, pin: u32) -> kvm_irq_routing_entry {
    let mut entry = kvm_irq_routing_entry { gsi, type_: KVM_IRQ_ROUTING_IRQCHIP, ..Default::default() };
    entry.u.irqchip = kvm_irq_routing_irqchip { irqchip, pin };
    entry
}

fn message(gsi: u32, to: MsiMessage) -> kvm_irq_routing_entry {
    let mut entry = kvm_irq_routing_entry { gsi, type_: KVM_IRQ_ROUTING_MSI, ..Default::default() };
    entry.u.msi = kvm_irq_routing_msi {
        address_lo: to.address as u32,
        address_hi: (to.address >> 32) as u32,
        data: to.data,
        ..Default::default()
    };
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: MsiMessage = MsiMessage::fixed(0, 0x40);

    fn numbers(routes: &Routes) -> Vec<u32> {
        routes.entries().iter().map(|entry| entry.gsi).collect()
    }

    #[test]
    fn messages_take_the_first_free_number() {
        let mut routes = Routes::new(Irqchip::Split);
        assert_eq!([(); 3].map(|()| routes.add(MESSAGE).unwrap()), [24, 25, 26]);
        routes.remove(25);
        assert_eq!(numbers(&routes), [24, 26]);
        assert_eq!(routes.add(MESSAGE).unwrap(), 25);
        // Not ours, and not there.
        routes.remove(3);
        routes.remove(u32::MAX);
        assert_eq!(numbers(&routes), [24, 25, 26]);
    }

    #[test]
    fn there_is_an_end_to_messages() {
        let mut routes = Routes::new(Irqchip::Split);
        let nr = (0..).take_while(|_| routes.add(MESSAGE).is_ok()).count();
        assert_eq!(nr, NR_MESSAGES_MAX);
    }

    #[test]
    fn routes_of_the_in_kernel_irqchip_are_kept() {
        let mut routes = Routes::new(Irqchip::Kernel);
        routes.add(MESSAGE).unwrap();
        // Line 2 is that of pin 2 until the PIT has it.
        assert_eq!(numbers(&routes), (0..16).chain(0..2).chain(2..25).collect::<Vec<_>>());
        routes.override_pit();
        assert_eq!(numbers(&routes), (0..16).chain(0..2).chain(3..25).collect::<Vec<_>>());
    }

    #[test]
    fn pins_replace_those_before() {
        let mut routes = Routes::new(Irqchip::Split);
        routes.set_pins([(1, MESSAGE), (NR_PINS, MESSAGE)]);
        assert_eq!(numbers(&routes), [1]);
        routes.set_pins([(9, MESSAGE)]);
        assert_eq!(numbers(&routes), [9]);
    }
}
