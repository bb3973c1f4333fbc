//! What a channel of an 8254 shows after so many clocks, and whether what was seen agrees with it.
//!
//! A guest knows only bounds of the clocks that passed, so a count and an output agree if they belong to any number of clocks
//! within them. A host that takes time away makes the bounds wider, and never a right timer wrong.
//!
//! Source: 8254, "Mode Definitions", "Operation Common to All Modes".

/// A counter that was loaded: mode 0 to 5, and the count as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Loaded {
    pub(crate) mode: u8,
    pub(crate) bcd: bool,
    pub(crate) count: u16,
}

/// What is seen of it at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) out: bool,
    pub(crate) count: u16,
}

/// Bounds of the clocks that it counted since it was loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Clocks {
    pub(crate) least: u64,
    pub(crate) most: u64,
}

/// Clocks that a bound is moved apart by: the load takes one, and one may pass on either side.
const SLACK: u64 = 3;
/// And the share of the time by which two quartzes and the measurement of the time-stamp counter may differ: 1 / 256.
const RATE_SHIFT: u32 = 8;

impl Clocks {
    /// The bounds for a wait that took at least and at most so many clocks by another clock.
    pub(crate) const fn between(least: u64, most: u64) -> Self {
        Self {
            least: least.saturating_sub(SLACK + (least >> RATE_SHIFT)),
            most: most.saturating_add(SLACK + (most >> RATE_SHIFT)),
        }
    }
}

impl Loaded {
    /// How many counts there are: 65,536, or 10,000 in BCD.
    pub(crate) const fn range(self) -> u64 {
        if self.bcd { 10_000 } else { 0x1_0000 }
    }

    /// The number that is counted down from: zero stands for the whole range ("0 is equivalent to 2^16 for binary counting and
    /// 10^4 for BCD counting").
    pub(crate) const fn initial(self) -> u64 {
        match self.number(self.count) {
            Some(0) | None => self.range(),
            Some(number) => number,
        }
    }

    /// The number that a count reads as; `None` for what is no decimal number in BCD.
    pub(crate) const fn number(self, count: u16) -> Option<u64> {
        if !self.bcd {
            return Some(count as u64);
        }
        let (mut shift, mut number) = (16, 0);
        while shift > 0 {
            shift -= 4;
            let digit = count as u64 >> shift & 0xf;
            if digit > 9 {
                return None;
            }
            number = number * 10 + digit;
        }
        Some(number)
    }

    const fn is_periodic(self) -> bool {
        self.mode == 2 || self.mode == 3
    }

    /// Whether the output is high when so many clocks were counted since the load.
    pub(crate) const fn out(self, clocks: u64) -> bool {
        let initial = self.initial();
        match self.mode {
            0 | 1 => clocks >= initial,
            2 => clocks % initial != initial - 1,
            3 => clocks % initial < initial.div_ceil(2),
            _ => clocks != initial,
        }
    }

    /// The number that reads back after so many clocks.
    pub(crate) const fn value(self, clocks: u64) -> u64 {
        let (initial, range) = (self.initial(), self.range());
        let value = match self.mode {
            2 => initial - clocks % initial,
            3 => {
                let (phase, high) = (clocks % initial, initial.div_ceil(2));
                // "The initial count minus one (an even number) is loaded" for odd counts.
                (initial & !1) - 2 * (if phase < high { phase } else { phase - high })
            }
            _ => initial + range - clocks % range,
        };
        value % range
    }

    /// Whether a count and an output of one moment belong to a number of clocks within the bounds.
    pub(crate) const fn agrees(self, seen: Seen, clocks: Clocks) -> bool {
        let Some(number) = self.number(seen.count) else { return false };
        let (initial, range) = (self.initial(), self.range());
        let (first, period) = if self.is_periodic() {
            // The range reads as zero, and a square wave of an odd count goes down to zero by itself.
            let down = if self.mode == 3 { initial & !1 } else { initial };
            let left = if number == 0 && !(self.mode == 3 && initial % 2 == 1) { range } else { number };
            if left > down || (self.mode == 3 && left % 2 == 1) {
                return false;
            }
            match self.mode {
                2 => (down - left, initial),
                _ if seen.out => ((down - left) / 2, initial),
                _ => (initial.div_ceil(2) + (down - left) / 2, initial),
            }
        } else {
            ((initial + range - number) % range, range)
        };
        // The first clock within the bounds that has this count, and the one after it, which may have another output.
        let skipped = clocks.least.saturating_sub(first).div_ceil(period);
        let mut at = first + skipped * period;
        let mut turn = 0;
        while turn < 2 && at <= clocks.most {
            if self.value(at) == number && self.out(at) == seen.out {
                return true;
            }
            at += period;
            turn += 1;
        }
        false
    }
}

/// So many clocks between the bounds that the low byte of a count says nothing.
const BYTE: u64 = 0xff;

impl Loaded {
    /// Whether a count belongs to a number of clocks within the bounds, whatever the output.
    pub(crate) const fn counts(self, count: u16, clocks: Clocks) -> bool {
        self.agrees(Seen { out: false, count }, clocks) || self.agrees(Seen { out: true, count }, clocks)
    }

    /// Whether an output belongs to a number of clocks within the bounds, whatever the count.
    pub(crate) const fn outputs(self, out: bool, clocks: Clocks) -> bool {
        let initial = self.initial();
        // Clocks at which the output may change, within a period that begins with the load.
        let (changes, period) = match self.mode {
            0 | 1 => ([0, initial], u64::MAX),
            2 => ([0, initial - 1], initial),
            3 => ([0, initial.div_ceil(2)], initial),
            _ => ([initial, initial + 1], u64::MAX),
        };
        let mut turn = 0;
        while turn < 2 {
            let skipped = clocks.least.saturating_sub(changes[turn]).div_ceil(period);
            let at = if skipped == 0 || period != u64::MAX { changes[turn] + skipped * period } else { clocks.least };
            if at <= clocks.most && self.out(at) == out {
                return true;
            }
            turn += 1;
        }
        self.out(clocks.least) == out
    }

    /// Whether a byte of a count in mode 0 that is not over belongs to a number of clocks within the bounds. What bounds that
    /// are far apart leave open agrees.
    pub(crate) const fn byte_agrees(self, is_high: bool, byte: u8, clocks: Clocks) -> bool {
        let (most, least) = (self.initial().saturating_sub(clocks.least), self.initial().saturating_sub(clocks.most));
        if clocks.most >= self.initial() {
            return true;
        }
        if is_high {
            // A count of the whole range reads as zero.
            let byte = byte as u64;
            (least >> 8 <= byte && byte <= most >> 8) || (byte == 0 && most == self.range())
        } else {
            let below = (most as u8).wrapping_sub(byte) as u64;
            below <= most - least || most - least >= BYTE
        }
    }
}

/// What a channel shows right behind a control word and before any count: status bits 7 and 6 are the output of the mode
/// and "null count", the others the control word's.
pub(crate) const fn status_after_control(bits: u8) -> u8 {
    let mode = bits >> 1 & 7;
    0x40 | bits & 0x3f | if mode == 0 { 0 } else { 0x80 }
}

/// The count that reads back of one that was written and not counted, with the field RW (1 low byte, 2 high byte, 3 both).
pub(crate) const fn read_back(bytes: u8, count: u16) -> u16 {
    match bytes {
        1 => count & 0xff,
        2 => count >> 8,
        _ => count,
    }
}
