//! The local APIC in xAPIC mode, as far as interrupts to the processor itself need it.
//!
//! Source: SDM vol. 3A, "Local APIC".

use rt::mmio;

const BASE: u64 = 0xfee0_0000;
const ID: u64 = BASE + 0x20;
const TASK_PRIORITY: u64 = BASE + 0x80;
const END_OF_INTERRUPT: u64 = BASE + 0xb0;
const SPURIOUS_INTERRUPT_VECTOR: u64 = BASE + 0xf0;
const IN_SERVICE: u64 = BASE + 0x100;
const REQUEST: u64 = BASE + 0x200;
const COMMAND_LOW: u64 = BASE + 0x300;
const COMMAND_HIGH: u64 = BASE + 0x310;
const LINT0: u64 = BASE + 0x350;
const MASKED: u32 = 1 << 16;

/// Bits of the interrupt command register: delivery mode NMI, level assert, shorthand self.
const NMI: u32 = 4 << 8;
const ASSERT: u32 = 1 << 14;
const TO_SELF: u32 = 1 << 18;

/// The local APIC, enabled.
#[derive(Debug)]
pub(crate) struct LocalApic(());

impl LocalApic {
    /// Sets its software enable bit, and the task priority to 0. Masks LINT0, by which firmware may have left the 8259A and
    /// a running timer connected.
    pub(crate) fn new() -> Self {
        mmio::write_u32(SPURIOUS_INTERRUPT_VECTOR, 0x1ff);
        mmio::write_u32(LINT0, MASKED);
        mmio::write_u32(TASK_PRIORITY, 0);
        Self(())
    }

    /// Sends an interrupt to the processor itself.
    pub(crate) fn send(&self, vector: u8) {
        mmio::write_u32(COMMAND_LOW, u32::from(vector) | ASSERT | TO_SELF);
    }

    /// Sends an NMI to the processor itself. NMIs have no shorthand for it.
    pub(crate) fn send_nmi(&self) {
        mmio::write_u32(COMMAND_HIGH, mmio::read_u32(ID) & 0xff00_0000);
        mmio::write_u32(COMMAND_LOW, NMI | ASSERT);
    }

    /// Whether an interrupt waits.
    pub(crate) fn is_requested(&self, vector: u8) -> bool {
        bit(REQUEST, vector)
    }

    /// Whether an interrupt was delivered and not ended.
    pub(crate) fn is_in_service(&self, vector: u8) -> bool {
        bit(IN_SERVICE, vector)
    }

    /// Ends the interrupt in service.
    pub(crate) fn end_interrupt(&self) {
        mmio::write_u32(END_OF_INTERRUPT, 0);
    }

    /// Writes the task-priority register.
    pub(crate) fn set_task_priority(&self, class: u8) {
        mmio::write_u32(TASK_PRIORITY, u32::from(class) << 4);
    }

    /// Reads the class in it.
    pub(crate) fn task_priority(&self) -> u32 {
        mmio::read_u32(TASK_PRIORITY) >> 4
    }
}

/// 256 bits in eight registers, 16 bytes apart.
fn bit(registers: u64, vector: u8) -> bool {
    mmio::read_u32(registers + u64::from(vector >> 5) * 16) >> (vector & 31) & 1 != 0
}
