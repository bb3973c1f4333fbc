//! What a virtualized local APIC makes of accesses and of interrupts. It compiles for the host too.
//!
//! Source: SDM vol. 3C, "Virtualizing Memory-Mapped APIC Accesses", "Evaluation and Delivery of Virtual Interrupts".

/// Secondary controls that decide; "use TPR shadow" and "virtualize APIC accesses" are on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Controls {
    /// "APIC-register virtualization".
    pub(crate) registers: bool,
    /// "Virtual-interrupt delivery".
    pub(crate) interrupts: bool,
}

/// What an access to the APIC-access page leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The virtual-APIC page takes it.
    Virtual,
    /// The virtual-APIC page takes it, and an APIC-write exit follows.
    WriteExit,
    /// An APIC-access exit comes instead.
    AccessExit,
}

/// Whether an access stays in the four bytes of a register.
const fn is_within(offset: u64, size: u64) -> bool {
    size <= 4 && (offset & 15) + size <= 4
}

/// What a read of so many bytes leads to.
pub(crate) const fn read(controls: Controls, offset: u64, size: u64) -> Answer {
    let is_known = match offset & !15 {
        0x80 => true,
        0x20 | 0x30 | 0xb0 | 0xd0 | 0xe0 | 0xf0 | 0x100..=0x280 | 0x300..=0x380 | 0x3e0 => controls.registers,
        _ => false,
    };
    if is_known && is_within(offset, size) { Answer::Virtual } else { Answer::AccessExit }
}

/// What a write of so many bytes leads to, of which `value` is what then stands in the register.
pub(crate) const fn write(controls: Controls, offset: u64, size: u64, value: u32) -> Answer {
    let Controls { registers, interrupts } = controls;
    let register = offset & !15;
    let is_known = match register {
        0x80 => true,
        0xb0 | 0x300 => registers || interrupts,
        0x20 | 0xd0 | 0xe0 | 0xf0 | 0x280 | 0x310..=0x380 | 0x3e0 => registers,
        _ => false,
    };
    if !is_known || !is_within(offset, size) {
        return Answer::AccessExit;
    }
    match register {
        0x80 | 0x310 => Answer::Virtual,
        0xb0 if interrupts => Answer::Virtual,
        0x300 if interrupts && is_self_ipi(value) => Answer::Virtual,
        _ => Answer::WriteExit,
    }
}

/// Whether the low half of the interrupt command is one that the processor sends by itself.
pub(crate) const fn is_self_ipi(command: u32) -> bool {
    // Reserved bits, the delivery status, the trigger mode and the delivery mode are 0; the shorthand is the sender's.
    const ZERO: u32 = 0xfff0_0000 | 3 << 16 | 1 << 13 | 1 << 12 | 1 << 15 | 7 << 8;
    command & ZERO == 0 && command >> 18 & 3 == 1 && command & 0xf0 != 0
}

/// Priorities of a virtual local APIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Priorities {
    /// Requesting virtual interrupt (RVI).
    pub(crate) requested: u8,
    /// Servicing virtual interrupt (SVI).
    pub(crate) serviced: u8,
    /// The virtual TPR.
    pub(crate) task: u8,
}

impl Priorities {
    /// The guest interrupt status.
    pub(crate) const fn status(self) -> u64 {
        (self.serviced as u64) << 8 | self.requested as u64
    }

    /// What PPR virtualization computes.
    pub(crate) const fn processor(self) -> u8 {
        if self.task >> 4 >= self.serviced >> 4 { self.task } else { self.serviced & 0xf0 }
    }

    /// Whether a virtual interrupt is recognized.
    pub(crate) const fn is_recognized(self) -> bool {
        self.requested >> 4 > self.processor() >> 4
    }
}
