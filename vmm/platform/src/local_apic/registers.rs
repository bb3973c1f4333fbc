//! The registers: which there are in which mode, and which of their bits can be written.

use super::{Config, Mode};

/// A register by bits 9:4 of its offset, which are also its MSR's distance from 800H.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Register(pub(super) u8);

impl Register {
    pub(super) const ID: Self = Self(0x02);
    pub(super) const VERSION: Self = Self(0x03);
    pub(super) const TPR: Self = Self(0x08);
    pub(super) const APR: Self = Self(0x09);
    pub(super) const PPR: Self = Self(0x0a);
    pub(super) const EOI: Self = Self(0x0b);
    pub(super) const RRD: Self = Self(0x0c);
    pub(super) const LDR: Self = Self(0x0d);
    pub(super) const DFR: Self = Self(0x0e);
    pub(super) const SVR: Self = Self(0x0f);
    pub(super) const ISR: u8 = 0x10;
    pub(super) const TMR: u8 = 0x18;
    pub(super) const IRR: u8 = 0x20;
    pub(super) const IRR_LAST: u8 = 0x27;
    pub(super) const ESR: Self = Self(0x28);
    pub(super) const LVT_CMCI: Self = Self(0x2f);
    pub(super) const ICR: Self = Self(0x30);
    pub(super) const ICR_HIGH: Self = Self(0x31);
    pub(super) const LVT_TIMER: Self = Self(0x32);
    pub(super) const LVT_THERMAL: Self = Self(0x33);
    pub(super) const LVT_PERFORMANCE: Self = Self(0x34);
    pub(super) const LVT_LINT0: Self = Self(0x35);
    pub(super) const LVT_LINT1: Self = Self(0x36);
    pub(super) const LVT_ERROR: Self = Self(0x37);
    pub(super) const INITIAL_COUNT: Self = Self(0x38);
    pub(super) const CURRENT_COUNT: Self = Self(0x39);
    pub(super) const DIVIDE: Self = Self(0x3e);
    pub(super) const SELF_IPI: Self = Self(0x3f);
}

/// SVR: the local APIC is enabled by software.
pub(super) const SVR_ENABLE: u32 = 1 << 8;
/// SVR: ends of level-triggered interrupts are not broadcast.
pub(super) const SVR_SUPPRESS_BROADCAST: u32 = 1 << 12;

pub(super) const LVT_DELIVERY_STATUS: u32 = 1 << 12;
pub(super) const LVT_ACTIVE_LOW: u32 = 1 << 13;
pub(super) const LVT_REMOTE_IRR: u32 = 1 << 14;
pub(super) const LVT_LEVEL: u32 = 1 << 15;
pub(super) const LVT_MASK: u32 = 1 << 16;
pub(super) const LVT_TIMER_DEADLINE: u32 = 1 << 18;

/// Bits 31:20, 17:16 and 13. Bit 12, the delivery status of xAPIC mode, stands in the manual as reserved also; processors
/// take it and read it as zero.
const X2APIC_ICR_RESERVED: u32 = 0xfff3_2000;
const XAPIC_ICR: u32 = 0x000c_cfff;

/// What can be done with a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) readable: bool,
    /// The bits that can be written; nothing if the register is read-only.
    pub(super) writable: Option<u32>,
    /// Bits of a writable register that are read-only, so that writing them is no error.
    pub(super) ignored: u32,
}

const READ: Rule = Rule { readable: true, writable: None, ignored: 0 };

const fn read_write(writable: u32) -> Rule {
    Rule { readable: true, writable: Some(writable), ignored: 0 }
}

const fn write(writable: u32) -> Rule {
    Rule { readable: false, writable: Some(writable), ignored: 0 }
}

const fn lvt(writable: u32, ignored: u32) -> Rule {
    Rule { readable: true, writable: Some(writable | LVT_MASK | 0xff), ignored: ignored | LVT_DELIVERY_STATUS }
}

/// What can be done with a register in a mode; nothing if there is none.
pub(super) fn rule(config: &Config, mode: Mode, register: Register) -> Option<Rule> {
    let xapic = match mode {
        Mode::Disabled => return None,
        Mode::XApic => true,
        Mode::X2Apic => false,
    };
    Some(match register {
        Register::ID | Register::VERSION | Register::PPR | Register::CURRENT_COUNT => READ,
        Register(Register::ISR..=Register::IRR_LAST) => READ,
        Register::APR | Register::RRD if xapic => READ,
        Register::TPR => read_write(0xff),
        Register::EOI => write(0),
        Register::LDR if xapic => read_write(0xff << 24),
        Register::LDR => READ,
        Register::DFR if xapic => read_write(0xf << 28),
        Register::SVR => {
            read_write(0xff | SVR_ENABLE | if config.eoi_suppression { SVR_SUPPRESS_BROADCAST } else { 0 })
        }
        Register::ESR => read_write(0),
        Register::ICR if xapic => read_write(XAPIC_ICR),
        Register::ICR => Rule { ignored: LVT_DELIVERY_STATUS, ..read_write(!X2APIC_ICR_RESERVED & !(1 << 12)) },
        Register::ICR_HIGH if xapic => read_write(0xff << 24),
        Register::LVT_CMCI if config.cmci => lvt(7 << 8, 0),
        Register::LVT_TIMER => lvt(1 << 17 | if config.tsc_deadline { LVT_TIMER_DEADLINE } else { 0 }, 0),
        Register::LVT_THERMAL | Register::LVT_PERFORMANCE => lvt(7 << 8, 0),
        Register::LVT_LINT0 | Register::LVT_LINT1 => lvt(7 << 8 | LVT_ACTIVE_LOW | LVT_LEVEL, LVT_REMOTE_IRR),
        Register::LVT_ERROR => lvt(0, 0),
        Register::INITIAL_COUNT => read_write(u32::MAX),
        Register::DIVIDE => read_write(0b1011),
        Register::SELF_IPI if !xapic => write(0xff),
        _ => return None,
    })
}
