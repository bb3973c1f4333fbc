//! The virtual-APIC page and the APIC-access page of L2.

use super::apic_model::Priorities;
use rt::{
    mmio, paging,
    vmx::{
        Guest, Page,
        control::{pin, processor, secondary},
        field,
    },
};

/// Offsets of registers.
pub(super) mod offset {
    pub(in crate::vmx) const TPR: u64 = 0x80;
    pub(in crate::vmx) const PPR: u64 = 0xa0;
    pub(in crate::vmx) const EOI: u64 = 0xb0;
    /// The first of eight.
    pub(in crate::vmx) const ISR: u64 = 0x100;
    /// The first of eight.
    pub(in crate::vmx) const IRR: u64 = 0x200;
    pub(in crate::vmx) const ICR: u64 = 0x300;
}

/// The page of the window that maps the APIC-access page in a page of 4 KiB.
const PAGE: usize = 5;

/// Reads a register of the virtual-APIC page.
pub(super) fn register(offset: u64) -> u32 {
    mmio::read_u32(Page::VirtualApic.address() + offset)
}

/// Writes a register of the virtual-APIC page.
pub(super) fn set_register(offset: u64, value: u32) {
    mmio::write_u32(Page::VirtualApic.address() + offset, value);
}

/// One of 256 bits in eight registers.
pub(super) fn bit(first: u64, vector: u8) -> bool {
    register(first + u64::from(vector >> 5) * 16) >> (vector & 31) & 1 != 0
}

/// Sets one of 256 bits in eight registers.
pub(super) fn set_bit(first: u64, vector: u8) {
    let at = first + u64::from(vector >> 5) * 16;
    set_register(at, register(at) | 1 << (vector & 31));
}

/// Gives L2 an empty virtual-APIC page, until its reset.
pub(super) fn shadow(guest: &mut Guest) {
    Page::VirtualApic.fill(0);
    let _ = guest.set(field::VIRTUAL_APIC, Page::VirtualApic.address());
    let _ = guest.set(field::TPR_THRESHOLD, 0);
    let _ = guest.clear_bits(field::PROCESSOR_CONTROLS, (processor::CR8_LOAD | processor::CR8_STORE).into());
    let _ = guest.set_bits(field::PROCESSOR_CONTROLS, processor::TPR_SHADOW.into());
}

/// Virtualizes accesses to a page, and returns its linear address.
pub(super) fn map(guest: &mut Guest) -> u64 {
    let address = paging::map(PAGE, Page::ApicAccess.address(), paging::ALL_RIGHTS);
    let _ = guest.set(field::APIC_ACCESS, Page::ApicAccess.address());
    guest.activate(secondary::APIC_ACCESSES);
    address
}

/// Lets the processor deliver virtual interrupts, until L2's reset: with these priorities, which IRR and ISR agree with, and without exits
/// of ends of interrupts.
pub(super) fn deliver(guest: &mut Guest, priorities: Priorities) {
    shadow(guest);
    guest.activate(secondary::VIRTUAL_INTERRUPTS);
    let _ = guest.set_bits(field::PIN_CONTROLS, pin::EXTERNAL_INTERRUPT.into());
    for bitmap in [field::EOI_EXIT_0, field::EOI_EXIT_1, field::EOI_EXIT_2, field::EOI_EXIT_3] {
        let _ = guest.set(bitmap, 0);
    }
    let _ = guest.set(field::GUEST_INTERRUPT_STATUS, priorities.status());
    set_register(offset::TPR, priorities.task.into());
    if priorities.requested != 0 {
        set_bit(offset::IRR, priorities.requested);
    }
    if priorities.serviced != 0 {
        set_bit(offset::ISR, priorities.serviced);
    }
}

/// The guest interrupt status: what is requested, and what is serviced.
pub(super) fn status(guest: &Guest) -> u64 {
    guest.read(field::GUEST_INTERRUPT_STATUS)
}
