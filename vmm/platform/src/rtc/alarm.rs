//! When an alarm of a real-time clock comes.
//!
//! Source: MC146818 data sheet, "Time, Calendar, and Alarm Locations".

use super::calendar::{Format, SECONDS_PER_DAY};
use serde::{Deserialize, Serialize};

/// The bytes of the alarm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Alarm {
    pub(super) second: u8,
    pub(super) minute: u8,
    pub(super) hour: u8,
}

/// "The 'don't care' code is any hexadecimal byte from C0 to FF."
const DO_NOT_CARE: u8 = 0xc0;

/// The numbers below `count` whose byte the alarm has, a bit each.
fn matching(byte: u8, count: u8, encode: impl Fn(u8) -> u8) -> u64 {
    (0..count).filter(|number| byte >= DO_NOT_CARE || encode(*number) == byte).fold(0, |set, number| set | 1 << number)
}

/// The first number of a set from `from` on.
const fn first(set: u64, from: u32) -> Option<u32> {
    if from >= u64::BITS {
        return None;
    }
    let set = set >> from;
    if set == 0 { None } else { Some(from + set.trailing_zeros()) }
}

impl Alarm {
    /// Seconds from a second of the day until the next that the alarm is for, at least one and at most a day; nothing if
    /// it is for none.
    pub(super) fn until(&self, second_of_day: u32, format: Format) -> Option<u64> {
        let seconds = matching(self.second, 60, |number| format.encode(number));
        let minutes = matching(self.minute, 60, |number| format.encode(number));
        let hours = matching(self.hour, 24, |number| format.encode_hour(number));
        let (first_second, first_minute, first_hour) = (first(seconds, 0)?, first(minutes, 0)?, first(hours, 0)?);
        let from = second_of_day + 1;
        let (hour, minute, second) = (from / 3_600, from / 60 % 60, from % 60);
        let within_minute = || first(seconds, second).map(|second| (hour, minute, second));
        let within_hour = || first(minutes, minute + 1).map(|minute| (hour, minute, first_second));
        let later = |hour| first(hours, hour).map(|hour| (hour, first_minute, first_second));
        let today = if hours >> hour & 1 == 0 {
            later(hour)
        } else {
            let now = if minutes >> minute & 1 == 0 { None } else { within_minute() };
            now.or_else(within_hour).or_else(|| later(hour + 1))
        };
        let at = |(hour, minute, second): (u32, u32, u32)| (hour * 60 + minute) * 60 + second;
        let due = today.map_or_else(|| SECONDS_PER_DAY + at((first_hour, first_minute, first_second)), at);
        Some((due - second_of_day).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_next_alarm_is_the_first_second_whose_bytes_are_the_same(
            bytes in any::<[u8; 3]>(),
            free in any::<[bool; 3]>(),
            now in 0..SECONDS_PER_DAY,
            binary: bool,
            hours_24: bool,
        ) {
            let format = Format { binary, hours_24 };
            let byte = |index: usize, count: u8| if free[index] { 0xff } else { format.encode(bytes[index] % count) };
            let hour = if free[2] { 0xc0 } else { format.encode_hour(bytes[2] % 24) };
            let alarm = Alarm { second: byte(0, 60), minute: byte(1, 60), hour };
            let is_due = |second: u32| {
                let same = |alarm: u8, time: u8| alarm >= 0xc0 || alarm == time;
                same(alarm.second, format.encode((second % 60) as u8))
                    && same(alarm.minute, format.encode((second / 60 % 60) as u8))
                    && same(alarm.hour, format.encode_hour((second / 3_600) as u8))
            };
            let expected = (1..=SECONDS_PER_DAY).find(|ahead| is_due((now + ahead) % SECONDS_PER_DAY));
            prop_assert_eq!(alarm.until(now, format), expected.map(u64::from));
        }
    }

    #[test]
    fn bytes_that_no_time_has_never_match() {
        let format = Format { binary: false, hours_24: true };
        assert_eq!(Alarm { second: 0x60, minute: 0xff, hour: 0xff }.until(0, format), None);
        assert_eq!(Alarm { second: 0xff, minute: 0xff, hour: 0x24 }.until(0, format), None);
    }
}
