//! The rules of the manual, one by one.

mod delivery;
mod hostile;
mod modes;
mod registers;
mod sending;
mod timer;

use super::*;
use crate::{
    message::{DeliveryMode, Trigger},
    model::Model,
};

/// A clock on which a tick is a nanosecond.
const GIGAHERTZ: u64 = 1_000_000_000;

const ID: u64 = 0x20;
const TPR: u64 = 0x80;
const PPR: u64 = 0xa0;
const EOI: u64 = 0xb0;
const LDR: u64 = 0xd0;
const DFR: u64 = 0xe0;
const SVR: u64 = 0xf0;
const ISR: u64 = 0x100;
const TMR: u64 = 0x180;
const IRR: u64 = 0x200;
const ESR: u64 = 0x280;
const CMCI: u64 = 0x2f0;
const ICR: u64 = 0x300;
const ICR_HIGH: u64 = 0x310;
const LVT_TIMER: u64 = 0x320;
const THERMAL: u64 = 0x330;
const PERFORMANCE: u64 = 0x340;
const LINT0: u64 = 0x350;
const LINT1: u64 = 0x360;
const ERROR: u64 = 0x370;
const INITIAL: u64 = 0x380;
const CURRENT: u64 = 0x390;
const DIVIDE: u64 = 0x3e0;

const MASKED: u64 = 1 << 16;
const X2APIC_BASE: u64 = DEFAULT_ADDRESS | 0xd00;

fn config() -> Config {
    Config {
        id: 2,
        bootstrap: true,
        x2apic: true,
        tsc_deadline: true,
        eoi_suppression: true,
        cmci: true,
        timer_frequency: GIGAHERTZ,
        tsc: TimeStampCounter { frequency: GIGAHERTZ, offset: 0 },
        physical_address_bits: 40,
    }
}

/// A local APIC that is enabled by software, at the time 0.
fn enabled() -> LocalApic {
    let mut apic = LocalApic::new(config());
    set(&mut apic, SVR, 0x1ff);
    apic
}

fn enabled_x2apic() -> LocalApic {
    let mut apic = enabled();
    apic.write_msr(0, MSR_APIC_BASE, X2APIC_BASE).expect("x2APIC mode can be entered from xAPIC mode");
    apic
}

fn get(apic: &mut LocalApic, offset: u64) -> u64 {
    apic.read(0, offset, 4)
}

fn set(apic: &mut LocalApic, offset: u64, value: u64) {
    apic.write(0, offset, 4, value);
}

const fn msr(offset: u64) -> u32 {
    MSR_X2APIC_FIRST + (offset / 16) as u32
}

fn interrupt(apic: &mut LocalApic, vector: u8, trigger: Trigger) {
    apic.deliver(0, DeliveryMode::Fixed, vector, trigger);
}

/// The errors since the last call.
fn errors(apic: &mut LocalApic) -> u64 {
    set(apic, ESR, 0);
    get(apic, ESR)
}
