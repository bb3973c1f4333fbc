//! The registers by their numbers, and the bits of those that have fields. It compiles for the host too.

/// A register: bits 9:4 of its offset in memory, which is its MSR's distance from 800H.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Register(pub u8);

impl Register {
    #![expect(missing_docs, reason = "the manual's own names")]
    pub const ID: Self = Self(0x02);
    pub const VERSION: Self = Self(0x03);
    pub const TPR: Self = Self(0x08);
    pub const APR: Self = Self(0x09);
    pub const PPR: Self = Self(0x0a);
    pub const EOI: Self = Self(0x0b);
    pub const RRD: Self = Self(0x0c);
    pub const LDR: Self = Self(0x0d);
    pub const DFR: Self = Self(0x0e);
    pub const SVR: Self = Self(0x0f);
    /// The first of eight.
    pub const ISR: Self = Self(0x10);
    /// The first of eight.
    pub const TMR: Self = Self(0x18);
    /// The first of eight.
    pub const IRR: Self = Self(0x20);
    pub const ESR: Self = Self(0x28);
    pub const LVT_CMCI: Self = Self(0x2f);
    pub const ICR: Self = Self(0x30);
    /// In xAPIC mode only.
    pub const ICR_HIGH: Self = Self(0x31);
    pub const LVT_TIMER: Self = Self(0x32);
    pub const LVT_THERMAL: Self = Self(0x33);
    pub const LVT_PERFORMANCE: Self = Self(0x34);
    pub const LVT_LINT0: Self = Self(0x35);
    pub const LVT_LINT1: Self = Self(0x36);
    pub const LVT_ERROR: Self = Self(0x37);
    pub const INITIAL_COUNT: Self = Self(0x38);
    pub const CURRENT_COUNT: Self = Self(0x39);
    pub const DIVIDE: Self = Self(0x3e);
    /// In x2APIC mode only.
    pub const SELF_IPI: Self = Self(0x3f);

    /// Offset in the page of registers.
    pub const fn offset(self) -> u64 {
        self.0 as u64 * 16
    }

    /// Number of the MSR in x2APIC mode.
    pub const fn msr(self) -> u32 {
        super::X2APIC_FIRST + self.0 as u32
    }
}

/// Bits of the interrupt command register's low half ("Interrupt Command Register (ICR)").
pub mod icr {
    #![expect(missing_docs, reason = "the manual's own names")]
    pub const FIXED: u32 = 0;
    pub const LOWEST_PRIORITY: u32 = 1 << 8;
    pub const SMI: u32 = 2 << 8;
    pub const NMI: u32 = 4 << 8;
    pub const INIT: u32 = 5 << 8;
    pub const START_UP: u32 = 6 << 8;
    /// The destination is logical.
    pub const LOGICAL: u32 = 1 << 11;
    /// Delivery status: not sent yet. In xAPIC mode only.
    pub const PENDING: u32 = 1 << 12;
    /// Level assert: to be set for everything but INIT level de-assert.
    pub const ASSERT: u32 = 1 << 14;
    /// Level-triggered.
    pub const LEVEL: u32 = 1 << 15;
    pub const TO_SELF: u32 = 1 << 18;
    pub const TO_ALL: u32 = 2 << 18;
    pub const TO_OTHERS: u32 = 3 << 18;
}

/// Bits of the spurious-interrupt vector register ("Spurious Interrupt").
pub mod svr {
    /// The local APIC is enabled by software.
    pub const ENABLED: u32 = 1 << 8;
    /// Ends of level-triggered interrupts are not broadcast.
    pub const SUPPRESS_BROADCAST: u32 = 1 << 12;
}

/// Bits of the local vector table ("Local Vector Table").
pub mod lvt {
    #![expect(missing_docs, reason = "the manual's own names")]
    pub const FIXED: u32 = 0;
    pub const SMI: u32 = 2 << 8;
    pub const NMI: u32 = 4 << 8;
    pub const INIT: u32 = 5 << 8;
    pub const EXT_INT: u32 = 7 << 8;
    /// Delivery status: not accepted yet. Read-only.
    pub const PENDING: u32 = 1 << 12;
    pub const ACTIVE_LOW: u32 = 1 << 13;
    /// Remote IRR of a level-triggered pin. Read-only.
    pub const REMOTE_IRR: u32 = 1 << 14;
    pub const LEVEL: u32 = 1 << 15;
    pub const MASKED: u32 = 1 << 16;
    /// Timer: periodic.
    pub const PERIODIC: u32 = 1 << 17;
    /// Timer: TSC deadline.
    pub const DEADLINE: u32 = 2 << 17;
    /// The bits that cannot be written.
    pub const READ_ONLY: u32 = PENDING | REMOTE_IRR;
}

/// Bits of the error status register ("Error Handling").
pub mod esr {
    #![expect(missing_docs, reason = "the manual's own names")]
    pub const SEND_ILLEGAL_VECTOR: u32 = 1 << 5;
    pub const RECEIVE_ILLEGAL_VECTOR: u32 = 1 << 6;
    pub const ILLEGAL_REGISTER_ADDRESS: u32 = 1 << 7;
}
