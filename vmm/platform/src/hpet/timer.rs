//! One timer of an HPET: its configuration, its comparator and when the two make an interrupt.
//!
//! Source: IA-PC HPET Specification 1.0a, "Timer N Configuration and Capabilities Register", "Timer N Comparator Register"
//! and "Timer Operation".

use crate::fault::HpetFault;
use serde::{Deserialize, Serialize};

/// What a timer can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// It can be periodic.
    pub periodic: bool,
    /// It compares 64 bits, unless software forces it to 32.
    pub wide: bool,
    /// The inputs of I/O APICs that its interrupt can be routed to, a bit each.
    pub routes: u32,
}

/// When a timer fires again that breaks the rule that it does not: after a millisecond.
const ONE_SHOT_REPEATS_TICKS: u64 = 100_000;

/// Bits of the configuration.
const LEVEL: u64 = 1 << 1;
const ENABLE: u64 = 1 << 2;
const PERIODIC: u64 = 1 << 3;
const PERIODIC_CAPABLE: u64 = 1 << 4;
const WIDE_CAPABLE: u64 = 1 << 5;
const SET_VALUE: u64 = 1 << 6;
const FORCE_32: u64 = 1 << 8;
const ROUTE_SHIFT: u32 = 9;
const ROUTE: u64 = 0x1f << ROUTE_SHIFT;
const ROUTES_SHIFT: u32 = 32;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Timer {
    capabilities: Capabilities,
    /// Those bits of the configuration that can be written and stay.
    configuration: u64,
    /// The next write of the comparator sets the accumulator too.
    set_value: bool,
    comparator: u64,
    /// What software last wrote to the comparator: the period, where there is one.
    written: u64,
    #[serde(skip)]
    pub(super) fault: Option<HpetFault>,
}

/// Timers of a saved state, of which there are not more than a block has.
pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Timer>, D::Error> {
    let timers = Vec::<Timer>::deserialize(deserializer)?;
    match timers.len() {
        1..=super::MAX_TIMERS => Ok(timers),
        length => Err(serde::de::Error::invalid_length(length, &"1 to 32 timers")),
    }
}

impl Timer {
    pub(super) const fn new(capabilities: Capabilities) -> Self {
        // "The default value for this register is all 1's" in the comparator.
        let all = if capabilities.wide { u64::MAX } else { u32::MAX as u64 };
        Self { capabilities, configuration: 0, set_value: false, comparator: all, written: all, fault: None }
    }

    const fn breaks(&self, fault: HpetFault) -> bool {
        fault.is_set(self.fault)
    }

    /// Breaks a rule from now on.
    pub(super) fn set_fault(&mut self, fault: HpetFault) {
        self.fault = Some(fault);
        if fault == HpetFault::ComparatorsBeginAtZero {
            self.comparator = 0;
        }
    }

    pub(super) fn configuration(&self) -> u64 {
        let capable = |has: bool, bit| if has { bit } else { 0 };
        self.configuration
            | capable(self.capabilities.periodic, PERIODIC_CAPABLE)
            | capable(self.capabilities.wide, WIDE_CAPABLE)
            | u64::from(self.capabilities.routes) << ROUTES_SHIFT
    }

    /// Writes the bits of `mask`.
    pub(super) fn configure(&mut self, value: u64, mask: u64) {
        let mut writable = LEVEL | ENABLE | ROUTE;
        if self.capabilities.periodic || self.breaks(HpetFault::PeriodicBitWritable) {
            writable |= PERIODIC;
        }
        if self.capabilities.wide {
            writable |= FORCE_32;
        }
        // "If the value is not supported by this particular timer, then the value read back will not match what is
        // written": the old one stays.
        let route = (value & ROUTE) >> ROUTE_SHIFT;
        let has_route = self.capabilities.routes >> route & 1 != 0 || self.breaks(HpetFault::AnyRoute);
        if !has_route || self.breaks(HpetFault::RouteFixed) {
            writable &= !ROUTE;
        }
        writable &= mask;
        self.configuration = self.configuration & !writable | value & writable;
        if mask & SET_VALUE != 0 {
            self.set_value = value & SET_VALUE != 0 && !self.breaks(HpetFault::SetValueIgnored);
        }
        if !self.is_wide() {
            self.comparator &= u64::from(u32::MAX);
            self.written &= u64::from(u32::MAX);
        }
    }

    pub(super) const fn comparator(&self) -> u64 {
        self.comparator
    }

    /// Writes the bits of `mask` of the comparator. In periodic mode they are the period, and what the counter is compared
    /// with only after the bit of the configuration that says so, which "automatically clears".
    pub(super) fn compare(&mut self, value: u64, mask: u64) {
        let mask = if self.is_wide() { mask } else { mask & u64::from(u32::MAX) };
        self.written = self.written & !mask | value & mask;
        if !self.is_periodic() || self.set_value {
            self.comparator = self.comparator & !mask | value & mask;
        }
        self.set_value &= self.breaks(HpetFault::SetValueStays);
    }

    pub(super) const fn is_level(&self) -> bool {
        self.configuration & LEVEL != 0
    }

    pub(super) const fn is_enabled(&self) -> bool {
        self.configuration & ENABLE != 0
    }

    /// The input of an I/O APIC it is routed to, if it can be.
    pub(super) const fn route(&self) -> Option<u8> {
        let route = (self.configuration & ROUTE) >> ROUTE_SHIFT;
        if self.capabilities.routes >> route & 1 != 0 { Some(route as u8) } else { None }
    }

    const fn is_periodic(&self) -> bool {
        self.configuration & PERIODIC != 0
    }

    const fn is_wide(&self) -> bool {
        self.capabilities.wide && (self.configuration & FORCE_32 == 0 || self.breaks(HpetFault::Force32Ignored))
    }

    /// How many values the bits compared have.
    const fn range(&self) -> u128 {
        if self.is_wide() { 1 << 64 } else { 1 << 32 }
    }

    /// Ticks from one match to the next: the period, or until the counter wraps around.
    const fn period(&self) -> u128 {
        let is_periodic = self.is_periodic() && !self.breaks(HpetFault::PeriodicFiresOnce);
        if is_periodic && self.written != 0 { self.written as u128 } else { self.range() }
    }

    /// Ticks until the main counter, now at `counter`, comes to match.
    pub(super) const fn until_match(&self, counter: u64) -> u128 {
        let distance = self.comparator.wrapping_sub(counter) as u128 % self.range();
        if distance == 0 { self.range() } else { distance }
    }

    /// Lets the main counter go on by some ticks from `counter`. Returns how often it matched.
    pub(super) const fn count(&mut self, counter: u64, ticks: u64) -> u64 {
        let first = self.until_match(counter);
        let ticks = ticks as u128;
        if ticks < first {
            return 0;
        }
        let matches = 1 + (ticks - first) / self.period();
        if self.breaks(HpetFault::OneShotRepeats) && !self.is_periodic() {
            self.comparator = self.comparator.wrapping_add(ONE_SHOT_REPEATS_TICKS);
        }
        if self.is_periodic() {
            // The sum has up to 129 bits; only the low ones matter.
            let sum = (self.comparator as u128).wrapping_add(matches.wrapping_mul(self.period()));
            self.comparator = (sum % self.range()) as u64;
        }
        matches as u64
    }
}
