//! Time and date as the bytes of a real-time clock hold them, and how they go on.
//!
//! Source: MC146818 data sheet, "Time, Calendar, and Alarm Locations" and "Update Cycle".

use serde::{Deserialize, Serialize};

/// In which form bytes hold numbers, from register B.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Format {
    /// The bit DM: binary instead of BCD.
    pub(super) binary: bool,
    /// The bit 24/12: hours from 0 to 23 instead of 1 to 12 with a bit for the afternoon.
    pub(super) hours_24: bool,
}

const AFTERNOON: u8 = 1 << 7;

impl Format {
    /// A number below 100 as a byte.
    pub(super) const fn encode(self, number: u8) -> u8 {
        if self.binary { number } else { ((number / 10 % 10) << 4) | (number % 10) }
    }

    /// The number of a byte, of which no more is known than that it is below 256.
    const fn decode(self, byte: u8) -> u32 {
        if self.binary { byte as u32 } else { (byte >> 4) as u32 * 10 + (byte & 0xf) as u32 }
    }

    /// An hour from 0 to 23 as a byte.
    pub(super) const fn encode_hour(self, hour: u8) -> u8 {
        if self.hours_24 {
            return self.encode(hour);
        }
        let afternoon = if hour >= 12 { AFTERNOON } else { 0 };
        let hour = if hour.is_multiple_of(12) { 12 } else { hour % 12 };
        self.encode(hour) | afternoon
    }

    const fn decode_hour(self, byte: u8) -> u32 {
        if self.hours_24 {
            return self.decode(byte) % 24;
        }
        let afternoon = if byte & AFTERNOON != 0 { 12 } else { 0 };
        self.decode(byte & !AFTERNOON) % 12 + afternoon
    }
}

/// The bytes of time and date.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Bytes {
    pub(super) second: u8,
    pub(super) minute: u8,
    pub(super) hour: u8,
    pub(super) weekday: u8,
    pub(super) day: u8,
    pub(super) month: u8,
    pub(super) year: u8,
    pub(super) century: u8,
}

/// What they mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Calendar {
    /// Since midnight.
    pub(super) second_of_day: u32,
    /// Sunday is 1.
    weekday: u32,
    day: u32,
    month: u32,
    year: u32,
    century: u32,
}

pub(super) const SECONDS_PER_DAY: u32 = 86_400;
/// The chip takes each fourth year for a leap year.
const DAYS_PER_CENTURY: u64 = 36_525;

impl Calendar {
    /// The time so many seconds after 1970 began, in UTC.
    pub(super) const fn of_unix(seconds: u64) -> Self {
        let days = seconds / SECONDS_PER_DAY as u64;
        // Days are counted from 1 March of a year that divides by 400, so that leap days come last.
        const FROM_MARCH_0000: u64 = 719_468;
        const DAYS_PER_ERA: u64 = 146_097;
        let of_era = (days + FROM_MARCH_0000) % DAYS_PER_ERA;
        let era = (days + FROM_MARCH_0000) / DAYS_PER_ERA;
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * of_year + 2) / 153;
        let day = of_year - (153 * from_march + 2) / 5 + 1;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        let year = era * 400 + year_of_era + if month <= 2 { 1 } else { 0 };
        // 1 January 1970 was a Thursday.
        let weekday = (days + 4) % 7 + 1;
        Self {
            second_of_day: (seconds % SECONDS_PER_DAY as u64) as u32,
            weekday: weekday as u32,
            day: day as u32,
            month: month as u32,
            year: (year % 100) as u32,
            century: (year / 100 % 100) as u32,
        }
    }

    /// What bytes mean. Those that are out of range are taken into it: what a clock makes of them is not defined.
    pub(super) fn decode(bytes: &Bytes, format: Format) -> Self {
        let one_based = |byte, count| (format.decode(byte) + count - 1) % count + 1;
        let minutes = format.decode_hour(bytes.hour) * 60 + format.decode(bytes.minute) % 60;
        let mut calendar = Self {
            second_of_day: minutes * 60 + format.decode(bytes.second) % 60,
            weekday: one_based(bytes.weekday, 7),
            day: 1,
            month: one_based(bytes.month, 12),
            year: format.decode(bytes.year) % 100,
            century: format.decode(bytes.century) % 100,
        };
        calendar.day = one_based(bytes.day, calendar.days_of_month());
        calendar
    }

    pub(super) const fn encode(&self, format: Format) -> Bytes {
        // Each is below 100.
        Bytes {
            second: format.encode((self.second_of_day % 60) as u8),
            minute: format.encode((self.second_of_day / 60 % 60) as u8),
            hour: format.encode_hour((self.second_of_day / 3_600) as u8),
            weekday: format.encode(self.weekday as u8),
            day: format.encode(self.day as u8),
            month: format.encode(self.month as u8),
            year: format.encode(self.year as u8),
            century: format.encode(self.century as u8),
        }
    }

    pub(super) const fn is_of_same_century(&self, other: &Self) -> bool {
        self.century == other.century
    }

    /// Goes on from 29 February to 1 March.
    pub(super) const fn skip_leap_day(&mut self) {
        if self.month == 2 && self.day == 29 {
            (self.month, self.day) = (3, 1);
        }
    }

    /// Lets seconds pass.
    pub(super) fn add(&mut self, seconds: u64) {
        let total = u64::from(self.second_of_day) + seconds % u64::from(SECONDS_PER_DAY);
        let mut days = seconds / u64::from(SECONDS_PER_DAY) + total / u64::from(SECONDS_PER_DAY);
        self.second_of_day = (total % u64::from(SECONDS_PER_DAY)) as u32;
        self.weekday = ((u64::from(self.weekday) - 1 + days) % 7 + 1) as u32;
        self.century = ((u64::from(self.century) + days / DAYS_PER_CENTURY) % 100) as u32;
        days %= DAYS_PER_CENTURY;
        while days > 0 {
            let left = u64::from(self.days_of_month() - self.day);
            if days <= left {
                self.day += days as u32;
                return;
            }
            days -= left + 1;
            self.next_month();
        }
    }

    const fn next_month(&mut self) {
        self.day = 1;
        self.month = self.month % 12 + 1;
        if self.month == 1 {
            self.year = (self.year + 1) % 100;
            if self.year == 0 {
                self.century = (self.century + 1) % 100;
            }
        }
    }

    const fn days_of_month(&self) -> u32 {
        match self.month {
            4 | 6 | 9 | 11 => 30,
            2 if self.year.is_multiple_of(4) => 29,
            2 => 28,
            _ => 31,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BCD_24: Format = Format { binary: false, hours_24: true };
    const BINARY_12: Format = Format { binary: true, hours_24: false };

    #[test]
    fn unix_time_is_told_as_date() {
        // 21 November 2026, 11:53:52, a Saturday.
        let bytes = Calendar::of_unix(1_795_262_032).encode(BCD_24);
        let expected = Bytes {
            second: 0x52,
            minute: 0x53,
            hour: 0x11,
            weekday: 7,
            day: 0x21,
            month: 0x11,
            year: 0x26,
            century: 0x20,
        };
        assert_eq!(bytes, expected);
        assert_eq!(Calendar::of_unix(0).encode(BCD_24).weekday, 5);
    }

    #[test]
    fn hours_of_12_begin_with_12() {
        let bytes = [0, 1, 11, 12, 13, 23].map(|hour| BINARY_12.encode_hour(hour));
        assert_eq!(bytes, [12, 1, 11, 0x8c, 0x81, 0x8b]);
    }

    #[test]
    fn the_last_second_of_a_century_takes_everything_along() {
        // 31 December 2099, 23:59:59.
        let mut calendar = Calendar::of_unix(4_102_444_799);
        calendar.add(1);
        let bytes = calendar.encode(BCD_24);
        assert_eq!((bytes.century, bytes.year, bytes.month, bytes.day, bytes.hour), (0x21, 0, 1, 1, 0));
    }

    proptest! {
        #[test]
        fn bytes_mean_what_they_were_made_of(seconds in 0_u64..4_102_444_800, binary: bool, hours_24: bool) {
            let calendar = Calendar::of_unix(seconds);
            let format = Format { binary, hours_24 };
            prop_assert_eq!(Calendar::decode(&calendar.encode(format), format), calendar);
        }

        #[test]
        fn seconds_add_up_to_dates(start in 946_684_800_u64..4_102_444_800, seconds in 0_u64..3_000_000_000) {
            prop_assume!(start + seconds < 4_102_444_800);
            let mut calendar = Calendar::of_unix(start);
            calendar.add(seconds);
            prop_assert_eq!(calendar, Calendar::of_unix(start + seconds));
        }

        #[test]
        fn many_seconds_are_one_after_the_other(start in 0_u64..9_000_000_000, one: u32, other: u32) {
            let (mut at_once, mut apart) = (Calendar::of_unix(start), Calendar::of_unix(start));
            at_once.add(u64::from(one) + u64::from(other));
            apart.add(one.into());
            apart.add(other.into());
            prop_assert_eq!(at_once, apart);
        }
    }
}
