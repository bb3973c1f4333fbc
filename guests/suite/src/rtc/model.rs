//! What the registers of a real-time clock read as, its calendar, and whether what was seen agrees. It compiles for the host too.
//!
//! Source: MC146818A, "Registers", "Time, Calendar, and Alarm Locations", "Update Cycle", "Periodic Interrupt Selection".

const SET: u8 = 1 << 7;
const UPDATED: u8 = 1 << 4;
const FLAGS: u8 = 0x70;
const REQUEST: u8 = 1 << 7;

/// What register B reads as after a write; `None` where editions of the chip differ: the update-ended interrupt is enabled
/// while SET stays.
pub(crate) const fn register_b(before: u8, written: u8) -> Option<u8> {
    if written & SET == 0 {
        return Some(written);
    }
    if before & SET == 0 {
        // "The UIE bit is cleared [...] or the SET bit going high."
        return Some(written & !UPDATED);
    }
    if written & UPDATED != 0 { None } else { Some(written) }
}

/// Whether a byte of register C can be: IRQF is set if and only if an enabled flag is, the low bits are zero, and of the flags
/// those are set that must, and none that must not.
pub(crate) const fn agrees(register_c: u8, enabled: u8, must: u8, must_not: u8) -> bool {
    let is_requested = register_c & enabled & FLAGS != 0;
    (register_c & REQUEST != 0) == is_requested
        && register_c & 0xf == 0
        && register_c & must == must
        && register_c & must_not == 0
}

/// Ticks of 32,768 Hz in a period of each rate of register A; 0 for none.
pub(crate) const fn period(rate: u8) -> u32 {
    match rate & 0xf {
        0 => 0,
        // "1 [...] 3.90625 ms, 2 [...] 7.8125 ms": as of 8 and 9.
        rate @ 1..=2 => 1 << (rate + 6),
        rate => 1 << (rate - 1),
    }
}

/// The form of the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Format {
    pub(crate) binary: bool,
    pub(crate) hours_24: bool,
}

impl Format {
    /// All four; the index is bits 2:1 of register B, shifted down.
    pub(crate) const ALL: [Self; 4] = [
        Self { binary: false, hours_24: false },
        Self { binary: false, hours_24: true },
        Self { binary: true, hours_24: false },
        Self { binary: true, hours_24: true },
    ];

    /// Its bits of register B.
    pub(crate) const fn bits(self) -> u8 {
        (self.binary as u8) << 2 | (self.hours_24 as u8) << 1
    }

    /// A number below 100.
    pub(crate) const fn number(self, number: u8) -> u8 {
        if self.binary { number } else { ((number / 10) << 4) | (number % 10) }
    }

    /// An hour from 0 to 23.
    pub(crate) const fn hour(self, hour: u8) -> u8 {
        if self.hours_24 {
            return self.number(hour);
        }
        let twelfth = if hour.is_multiple_of(12) { 12 } else { hour % 12 };
        self.number(twelfth) | if hour >= 12 { 0x80 } else { 0 }
    }

    /// The bytes of second, minute, hour, day of the week, day, month, year.
    pub(crate) const fn encode(self, moment: Moment) -> [u8; 7] {
        let Moment { second, minute, hour, weekday, day, month, year } = moment;
        [
            self.number(second),
            self.number(minute),
            self.hour(hour),
            self.number(weekday),
            self.number(day),
            self.number(month),
            self.number(year),
        ]
    }
}

/// A second of a century; Sunday is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) year: u8,
    pub(crate) month: u8,
    pub(crate) day: u8,
    pub(crate) weekday: u8,
    pub(crate) hour: u8,
    pub(crate) minute: u8,
    pub(crate) second: u8,
}

const fn days(year: u8, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) => 29,
        2 => 28,
        _ => 31,
    }
}

impl Moment {
    /// The last second of a day.
    pub(crate) const fn end_of(year: u8, month: u8, day: u8, weekday: u8) -> Self {
        Self { year, month, day, weekday, hour: 23, minute: 59, second: 59 }
    }

    /// One second later.
    pub(crate) const fn next(mut self) -> Self {
        self.second = (self.second + 1) % 60;
        if self.second != 0 {
            return self;
        }
        self.minute = (self.minute + 1) % 60;
        if self.minute != 0 {
            return self;
        }
        self.hour = (self.hour + 1) % 24;
        if self.hour != 0 {
            return self;
        }
        self.weekday = self.weekday % 7 + 1;
        self.day += 1;
        if self.day > days(self.year, self.month) {
            self.day = 1;
            self.month = self.month % 12 + 1;
            if self.month == 1 {
                self.year = (self.year + 1) % 100;
            }
        }
        self
    }
}

/// Whether an alarm is for a moment: second, minute and hour are the same or, from C0H on, do not care.
pub(crate) const fn is_due(alarm: [u8; 3], time: [u8; 7]) -> bool {
    let mut index = 0;
    while index < 3 {
        if alarm[index] < 0xc0 && alarm[index] != time[index] {
            return false;
        }
        index += 1;
    }
    true
}

/// Microseconds from the release of the divider to the first update: half a second, and the update cycle, whose beginning or
/// end an implementation may show.
const FIRST_UPDATE: core::ops::Range<u64> = 500_000..502_015;

/// Whether an update that came between so many microseconds behind the release of the divider can be the first, within 0.3 %.
/// Time that a host takes away only puts the bounds apart.
pub(crate) const fn is_first_update(least: u64, most: u64) -> bool {
    least * 1_000 <= FIRST_UPDATE.end * 1_003 && most * 1_000 >= FIRST_UPDATE.start * 997
}

/// What is wrong with the bytes of a time, a bit each in the order of [`Format::encode`]: there is no such number.
pub(crate) fn wrong_bytes(bytes: [u8; 7], format: Format) -> u8 {
    let number = |first: u8, last: u8| move |byte: u8| (first..=last).any(|number| format.number(number) == byte);
    let hour = |byte: u8| (0..24).any(|hour| format.hour(hour) == byte);
    let [second, minute, hours, weekday, day, month, year] = bytes;
    let right = [
        number(0, 59)(second),
        number(0, 59)(minute),
        hour(hours),
        number(1, 7)(weekday),
        number(1, 31)(day),
        number(1, 12)(month),
        number(0, 99)(year),
    ];
    right.iter().enumerate().fold(0, |wrong, (bit, right)| wrong | u8::from(!right) << bit)
}

/// Seconds since 1970 began of a time in the years 2000 to 2099, in BCD and 24 hours.
pub(crate) fn unix(bytes: [u8; 7]) -> u64 {
    let [second, minute, hour, _, day, month, year] = bytes.map(|byte| (byte >> 4) * 10 + (byte & 0xf));
    let of_years: u64 = (0..year).map(|year| 365 + u64::from(year.is_multiple_of(4))).sum();
    let of_months: u64 = (1..month).map(|month| u64::from(days(year, month))).sum();
    // 2000 began 10,957 days later.
    let days = 10_957 + of_years + of_months + u64::from(day) - 1;
    ((days * 24 + u64::from(hour)) * 60 + u64::from(minute)) * 60 + u64::from(second)
}

/// A look at UIP and then at the time: ticks before the one and behind the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    pub(crate) before: u64,
    pub(crate) is_updating: bool,
    pub(crate) has_changed: bool,
    pub(crate) after: u64,
}

/// Looks around an update, and whether UIP kept its promise: when it is clear, the time stays for 244 µs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Watch {
    /// The tick before the latest look that saw UIP clear.
    clear: Option<u64>,
    /// The time changed although UIP had been clear less than 244 µs before.
    pub(crate) is_broken: bool,
}

impl Watch {
    /// Takes a look; `promise` is 244 µs in ticks. True when the time has changed. Looks that a host holds apart prove nothing.
    pub(crate) fn add(&mut self, look: Look, promise: u64) -> bool {
        if look.has_changed {
            // UIP of this look may be that of behind the update.
            self.is_broken |= self.clear.is_some_and(|clear| look.after.saturating_sub(clear) < promise);
        } else if !look.is_updating {
            self.clear = Some(look.before);
        }
        look.has_changed
    }
}
