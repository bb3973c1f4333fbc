//! The local vector table: interrupts that come from the processor itself and from its pins.

use super::{
    LocalApic,
    errors::RECEIVE_ILLEGAL_VECTOR,
    registers::{LVT_ACTIVE_LOW, LVT_LEVEL, LVT_MASK, LVT_REMOTE_IRR, Register, SVR_ENABLE},
    timer::TimerMode,
};
use crate::{
    fault::LocalApicFault,
    message::{DeliveryMode, Trigger},
    time::Nanoseconds,
};
use serde::{Deserialize, Serialize};

/// What the processor interrupts itself for; the timer and errors do so by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalSource {
    /// A corrected machine check.
    CorrectedMachineCheck,
    /// The thermal sensor.
    ThermalSensor,
    /// A performance counter overflowed.
    PerformanceCounter,
}

/// An entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Cmci,
    Timer,
    Thermal,
    Performance,
    Lint0,
    Lint1,
    Error,
}

impl Entry {
    pub(super) const fn of(register: Register) -> Option<Self> {
        Some(match register {
            Register::LVT_CMCI => Self::Cmci,
            Register::LVT_TIMER => Self::Timer,
            Register::LVT_THERMAL => Self::Thermal,
            Register::LVT_PERFORMANCE => Self::Performance,
            Register::LVT_LINT0 => Self::Lint0,
            Register::LVT_LINT1 => Self::Lint1,
            Register::LVT_ERROR => Self::Error,
            _ => return None,
        })
    }
}

/// The pins, by their number.
const PINS: [Entry; 2] = [Entry::Lint0, Entry::Lint1];

/// The entries by [`Entry`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Table([u32; 7]);

impl Table {
    pub(super) const fn new() -> Self {
        Self([LVT_MASK; 7])
    }

    /// What a broken one has after reset.
    pub(super) const fn unmasked() -> Self {
        Self([0; 7])
    }

    pub(super) const fn get(&self, entry: Entry) -> u32 {
        self.0[entry as usize]
    }

    const fn entry(&mut self, entry: Entry) -> &mut u32 {
        &mut self.0[entry as usize]
    }

    /// "The mask bits for all the LVT entries are set" ("Local APIC State After It Has Been Software Disabled").
    pub(super) fn mask_all(&mut self) {
        for entry in &mut self.0 {
            *entry |= LVT_MASK;
        }
    }
}

impl LocalApic {
    /// Takes the writable bits of an entry. While the local APIC is disabled by software, "attempts to reset these bits will
    /// be ignored".
    pub(super) fn write_lvt(&mut self, entry: Entry, bits: u32) {
        let old = self.lvt.get(entry);
        let mask = if self.svr & SVR_ENABLE == 0 { LVT_MASK } else { 0 };
        let mut new = bits | mask | old & LVT_REMOTE_IRR;
        if !is_level(entry, new) {
            new &= !LVT_REMOTE_IRR;
        }
        *self.lvt.entry(entry) = new;
        match entry {
            Entry::Timer => self.timer.change_mode(old, new),
            Entry::Lint0 => self.settle_level(),
            _ => {}
        }
    }

    pub(super) const fn timer_mode(&self) -> TimerMode {
        TimerMode::of(self.lvt.get(Entry::Timer))
    }

    /// The processor has something to interrupt itself for.
    pub fn signal(&mut self, now: Nanoseconds, source: LocalSource) {
        self.catch_up(now);
        match source {
            LocalSource::CorrectedMachineCheck => self.fire(Entry::Cmci),
            LocalSource::ThermalSensor => self.fire(Entry::Thermal),
            LocalSource::PerformanceCounter => {
                self.fire(Entry::Performance);
                // A delivered interrupt of a performance counter masks the next ("Performance Monitoring Interrupt").
                *self.lvt.entry(Entry::Performance) |= LVT_MASK;
            }
        }
    }

    /// Takes pin LINT0 or LINT1, by its number, to an electrical level; others are ignored.
    ///
    /// LINT1 knows edges only, whatever its entry says. A globally disabled local APIC takes LINT0 as INTR and LINT1 as NMI.
    pub fn set_pin(&mut self, now: Nanoseconds, pin: u8, high: bool) {
        self.catch_up(now);
        let Some(entry) = PINS.get(usize::from(pin)).copied() else { return };
        let before = self.is_asserted(entry);
        self.pins[usize::from(pin)] = high;
        let rose = self.is_asserted(entry) && !before;
        if self.identity().is_none() {
            self.requests.nmi |= rose && entry == Entry::Lint1;
        } else if is_level(entry, self.lvt.get(entry)) {
            self.settle_level();
        } else if rose {
            self.fire(entry);
        }
    }

    fn is_asserted(&self, pin: Entry) -> bool {
        self.pins[usize::from(pin == Entry::Lint1)] != (self.lvt.get(pin) & LVT_ACTIVE_LOW != 0)
    }

    /// Whether an 8259A asks for an acknowledge: by a message, or by a pin that is programmed for that, which is LINT0 on a
    /// PC. It does not pass by the priorities; the processor's IF decides.
    pub fn ext_int_pending(&self) -> bool {
        if self.identity().is_none() {
            return self.pins[0];
        }
        self.requests.ext_int
            || PINS.into_iter().any(|pin| {
                let lvt = self.lvt.get(pin);
                lvt & LVT_MASK == 0 && delivery(lvt) == Some(DeliveryMode::ExtInt) && self.is_asserted(pin)
            })
    }

    /// The processor acknowledges what [`LocalApic::ext_int_pending`] told; the vector comes from the 8259A.
    pub const fn acknowledge_ext_int(&mut self) {
        self.requests.ext_int = false;
    }

    /// An interrupt of the table, unless it is masked.
    pub(super) fn fire(&mut self, entry: Entry) {
        let lvt = self.lvt.get(entry);
        let is_fired = entry == Entry::Timer && self.breaks(LocalApicFault::MaskedTimerFires);
        if lvt & LVT_MASK != 0 && !is_fired {
            return;
        }
        let pin = PINS.contains(&entry);
        match delivery(lvt) {
            Some(DeliveryMode::Fixed) => self.post(lvt as u8, Trigger::Edge),
            Some(DeliveryMode::Smi) => self.requests.smi = true,
            Some(DeliveryMode::Nmi) => self.requests.nmi = true,
            // CMCI, thermal sensor and performance counters do not know INIT ("Local Vector Table").
            Some(DeliveryMode::Init) if pin => self.request_init(),
            // ExtINT goes by the level of the pin; the others are reserved.
            _ => {}
        }
    }

    /// Takes the level of LINT0, unless that was taken and has not ended.
    fn settle_level(&mut self) {
        let lvt = self.lvt.get(Entry::Lint0);
        if is_level(Entry::Lint0, lvt) && lvt & (LVT_MASK | LVT_REMOTE_IRR) == 0 && self.is_asserted(Entry::Lint0) {
            if lvt & 0xf0 == 0 {
                self.detect(RECEIVE_ILLEGAL_VECTOR);
                return;
            }
            if !self.breaks(LocalApicFault::PinWithoutRemoteIrr) {
                *self.lvt.entry(Entry::Lint0) |= LVT_REMOTE_IRR;
            }
            self.post(lvt as u8, Trigger::Level);
        }
    }

    /// The end of a level-triggered interrupt, which may have been that of LINT0.
    pub(super) fn end_level(&mut self, vector: u8) {
        let lvt = self.lvt.entry(Entry::Lint0);
        if *lvt & LVT_REMOTE_IRR != 0 && *lvt as u8 == vector {
            *lvt &= !LVT_REMOTE_IRR;
            self.settle_level();
        }
    }

    /// Notes an error, and interrupts for it.
    pub(super) fn detect(&mut self, error: u8) {
        if self.breaks(LocalApicFault::NoErrors) {
            return;
        }
        if self.errors.detect(error, self.lvt.get(Entry::Error) & LVT_MASK != 0) {
            self.fire(Entry::Error);
        }
    }
}

const fn delivery(lvt: u32) -> Option<DeliveryMode> {
    DeliveryMode::from_bits(lvt >> 8)
}

/// "This flag is only used when the delivery mode is Fixed", and "software should always set the trigger mode in the LVT
/// LINT1 register to 0" ("Local Vector Table").
fn is_level(entry: Entry, lvt: u32) -> bool {
    entry == Entry::Lint0 && lvt & LVT_LEVEL != 0 && delivery(lvt) == Some(DeliveryMode::Fixed)
}
