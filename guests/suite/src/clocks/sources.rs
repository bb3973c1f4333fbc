//! The clocks: how each is started, read and how fast it ought to be.

use super::model::{KNOWN, Rate, Reading, rate};
use rt::{
    clock,
    cpu::port,
    kvm_clock::{self, Clock},
    mmio, names, paging,
    pit::{self, Bytes, Channel, control_bits},
    signals,
    vocabulary::Text,
};

/// A clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Tsc,
    Pit,
    Hpet,
    PmTimer,
    KvmClock,
    Host,
}

/// Those of the board.
pub(super) const BOARD: [Source; 4] = [Source::Tsc, Source::Pit, Source::Hpet, Source::PmTimer];

const HPET: u64 = 0xfed0_0000;
const HPET_CONFIGURATION: u64 = HPET + 0x10;
const HPET_COUNTER: u64 = HPET + 0xf0;
const PM_TIMER: u16 = 0x608;
const PM_TIMER_HERTZ: u64 = 3_579_545;
/// The least that every ACPI timer counts with.
const PM_TIMER_MASK: u32 = 0xff_ffff;

impl Source {
    /// Counts in a second; 0 if it tells none.
    pub(super) fn hertz(self) -> u64 {
        match self {
            Self::Tsc => clock::tsc_khz() * 1_000,
            Self::Pit => pit::FREQUENCY,
            // The period in femtoseconds.
            Self::Hpet => 1_000_000_000_000_000_u64.checked_div(mmio::read_u64(HPET) >> 32).unwrap_or(0),
            Self::PmTimer => PM_TIMER_HERTZ,
            Self::KvmClock | Self::Host => 1_000_000_000,
        }
    }

    /// How many bits surely count. The 8254 starts anew for each span.
    pub(super) fn bits(self) -> u32 {
        match self {
            Self::PmTimer => 24,
            Self::Hpet => 32,
            _ => 64,
        }
    }

    /// For how long it surely does not go round, in microseconds.
    fn longest_micros(self) -> u64 {
        match self {
            Self::Pit => 50_000,
            // Half of 24 bits; the HPET has 32 at least, and at most 100 MHz in those that there are.
            _ => 2_000_000,
        }
    }

    /// Makes it count, from a value that it does not leave behind within a span.
    pub(super) fn start(self) {
        match self {
            Self::Pit => {
                pit::set_gate_2(true);
                Channel::Two.control(control_bits(Bytes::Both, 0, false));
                Channel::Two.write_count(Bytes::Both, 0);
            }
            Self::Hpet => mmio::write_u64(HPET_CONFIGURATION, 1),
            _ => {}
        }
    }

    fn read(self) -> Reading {
        let before = clock::now();
        match self {
            Self::Tsc => Reading { before, count: before, after: before },
            Self::Pit => {
                Channel::Two.latch();
                let after = clock::now();
                // A count that was just loaded reads as zero.
                let left = Channel::Two.read_count();
                Reading { before, count: u64::from(left.wrapping_neg()), after }
            }
            Self::Hpet => {
                let count = mmio::read_u64(HPET_COUNTER);
                Reading { before, count, after: clock::now() }
            }
            Self::PmTimer => {
                let count = u64::from(port::read_u32(PM_TIMER) & PM_TIMER_MASK);
                Reading { before, count, after: clock::now() }
            }
            Self::KvmClock => {
                // The structure is made anew, so that the host's time is read and not the counter's.
                let address = paging::frame(1);
                let clock = Clock::enable(address).ok();
                let read = kvm_clock::read_with(address, clock::now);
                let count = read.map_or(0, |(info, tsc)| info.at(tsc));
                drop(clock);
                Reading { before, count, after: clock::now() }
            }
            Self::Host => {
                let count = signals::host_nanoseconds();
                Reading { before, count, after: clock::now() }
            }
        }
    }

    /// Of several readings the one that took the shortest time.
    pub(super) fn read_closely(self) -> Reading {
        let mut best = self.read();
        for _ in 0..3 {
            let reading = self.read();
            if reading.after - reading.before < best.after - best.before {
                best = reading;
            }
        }
        best
    }
}

/// Spans that are measured at most.
const NR_SPANS: usize = 4;

/// What is known of a clock after some spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Its rate.
    Rate(Rate),
    /// It did not go on.
    Stands,
    /// Nothing: the host took so much time away that counters may have gone round.
    Nothing,
}

/// The rates of clocks over spans in which `wait` happens: of each the one that is known best.
pub(super) fn measure<const N: usize>(sources: [Source; N], mut wait: impl FnMut()) -> [Known; N] {
    let hertz = sources.map(Source::hertz);
    let longest = sources.map(|source| clock::ticks(source.longest_micros()));
    let mut rates = [Known::Nothing; N];
    for _ in 0..NR_SPANS {
        let begin = clock::now();
        for source in sources {
            source.start();
        }
        let first = sources.map(Source::read_closely);
        wait();
        let second = sources.map(Source::read_closely);
        let passed = clock::now() - begin;
        let mut is_known = true;
        for (index, known) in rates.iter_mut().enumerate() {
            let width = if let Known::Rate(known) = known { known.width() } else { u64::MAX };
            if passed <= longest[index] {
                match rate(first[index], second[index], hertz[index], sources[index].bits()) {
                    Some(measured) if measured.width() < width => *known = Known::Rate(measured),
                    Some(_) => {}
                    None => *known = Known::Stands,
                }
            }
            is_known &= matches!(known, Known::Rate(known) if known.width() <= KNOWN);
        }
        if is_known {
            break;
        }
    }
    rates
}

/// Names of pairs, by `6 * first + second`, the numbers of [`Source`].
pub(super) const PAIRS: &[Text] = names![
    "TSC, TSC",
    "TSC, 8254",
    "TSC, HPET",
    "TSC, ACPI timer",
    "TSC, KVM clock",
    "TSC, host",
    "8254, TSC",
    "8254, 8254",
    "8254, HPET",
    "8254, ACPI timer",
    "8254, KVM clock",
    "8254, host",
    "HPET, TSC",
    "HPET, 8254",
    "HPET, HPET",
    "HPET, ACPI timer",
    "HPET, KVM clock",
    "HPET, host",
    "ACPI timer, TSC",
    "ACPI timer, 8254",
    "ACPI timer, HPET",
    "ACPI timer, ACPI timer",
    "ACPI timer, KVM clock",
    "ACPI timer, host",
    "KVM clock, TSC",
    "KVM clock, 8254",
    "KVM clock, HPET",
    "KVM clock, ACPI timer",
    "KVM clock, KVM clock",
    "KVM clock, host"
];

/// Names of [`BOARD`] that the timer of the local APIC is set against.
pub(super) const WITH_LOCAL_TIMER: &[Text] =
    names!["APIC timer, TSC", "APIC timer, 8254", "APIC timer, HPET", "APIC timer, ACPI timer"];

/// Names of those that the real-time clock is set against: time-stamp counter, HPET, ACPI timer.
pub(super) const WITH_REAL_TIME: &[Text] = names!["RTC, TSC", "RTC, HPET", "RTC, ACPI timer"];

/// The name of a pair, as an index of [`PAIRS`].
pub(super) fn pair(first: Source, second: Source) -> usize {
    6 * first as usize + second as usize
}
