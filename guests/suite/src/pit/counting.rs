//! Counting in each mode: count and output against the time that passed.

use super::model::{Clocks, Loaded, Seen};
use rt::{
    case, check, check_eq,
    clock::{self, now},
    interrupts::GENEROUS_MICROS,
    pit::{self, Bytes, Channel, ReadBack, control_bits, status},
    vocabulary::Needs,
};

/// A moment by the time-stamp counter, between two readings of it.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    before: u64,
    after: u64,
}

impl Moment {
    /// When `action` had its effect.
    pub(super) fn of(action: impl FnOnce()) -> Self {
        let before = now();
        action();
        Self { before, after: now() }
    }

    /// Bounds of the clocks from this moment to a later one.
    pub(super) fn until(self, later: Self) -> Clocks {
        Clocks::between(
            pit::clocks(later.before.saturating_sub(self.after)),
            pit::clocks(later.after.saturating_sub(self.before)) + 1,
        )
    }
}

/// Programs a channel; the moment is when counting began: with the last byte, or with the rising gate.
pub(super) fn start(channel: Channel, field: u8, loaded: Loaded) -> Moment {
    let is_triggered = matches!(loaded.mode, 1 | 5);
    if channel == Channel::Two {
        pit::set_gate_2(!is_triggered);
    }
    channel.control(control_bits(Bytes::Both, field, loaded.bcd));
    let [low, high] = loaded.count.to_le_bytes();
    channel.write(low);
    let written = Moment::of(|| channel.write(high));
    if is_triggered { Moment::of(|| pit::set_gate_2(true)) } else { written }
}

/// Count and output of one moment.
pub(super) fn sample(channel: Channel) -> (Moment, u8, u16) {
    let at = Moment::of(|| pit::read_back(channel.bit(), ReadBack { count: true, status: true }));
    let status = channel.read();
    (at, status, channel.read_count())
}

pub(super) fn seen(status: u8, count: u16) -> Seen {
    Seen { out: status & status::OUT != 0, count }
}

/// Clocks between samples: within the shorter counts and beyond them.
const WAITS: &[u64] = &[0, 60, 250, 500];
const COUNTS: &[u16] = &[0x0000, 0x8000, 0x2001, 0x0777, 0x0500, 0x0101];
/// These leave nothing to tell but that count and output stay within what there is.
const SHORT: &[u16] = &[0x0003, 0x0010];

/// The row is the count, the number of the sample above it, and BCD above that.
fn check_counting(channel: Channel, field: u8, mode: u8, counts: &[u16]) {
    // Asked for before channel 2 is in use, which may have to tell it.
    let _ = clock::tsc_khz();
    for bcd in [false, true] {
        for &count in counts {
            let loaded = Loaded { mode, bcd, count };
            let begin = start(channel, field, loaded);
            for (turn, &wait) in WAITS.iter().enumerate() {
                pit::pass(wait);
                let (at, status, value) = sample(channel);
                let row = u64::from(count) | (turn as u64) << 16 | u64::from(bcd) << 20;
                check!("count and output", [&[]; row], loaded.agrees(seen(status, value), begin.until(at)));
            }
        }
    }
}

macro_rules! counting {
    ($($(#[$doc:meta])* $name:ident $channel:ident $field:literal is $mode:literal $title:literal;)*) => {
        $(
            $(#[$doc])*
            #[case(feature = PitModes, spec = pit($title), needs = Needs::PIT, irqchip = Full)]
            fn $name() {
                check_counting(Channel::$channel, $field, $mode, COUNTS);
                check_counting(Channel::$channel, $field, $mode, SHORT);
            }
        )*
    };
}

counting! {
    /// Mode 0 counts down by one, its output rises at zero, and it counts on from the highest number.
    mode_0_of_channel_0_counts Zero 0 is 0 "Mode 0: Interrupt on Terminal Count";
    /// Mode 2 counts from the count down to 1, where its output is low, again and again.
    mode_2_of_channel_0_counts Zero 2 is 2 "Mode 2: Rate Generator";
    /// Mode 3 counts down by two with a high and then with a low output, an odd count with one clock more of the high one.
    mode_3_of_channel_0_counts Zero 3 is 3 "Mode 3: Square Wave Mode";
    /// Mode 4 counts down by one, its output is low at zero only, and it counts on from the highest number.
    mode_4_of_channel_0_counts Zero 4 is 4 "Mode 4: Software Triggered Strobe";
    /// Bit 2 of the mode is ignored in mode 2.
    mode_6_of_channel_0_counts_as_mode_2 Zero 6 is 2 "Control Word Format";
    /// Bit 2 of the mode is ignored in mode 3.
    mode_7_of_channel_0_counts_as_mode_3 Zero 7 is 3 "Control Word Format";
    /// Mode 0 on channel 2.
    mode_0_of_channel_2_counts Two 0 is 0 "Mode 0: Interrupt on Terminal Count";
    /// Mode 1 counts from the rising gate on; its output is low until zero.
    mode_1_of_channel_2_counts Two 1 is 1 "Mode 1: Hardware Retriggerable One-Shot";
    /// Mode 2 on channel 2.
    mode_2_of_channel_2_counts Two 2 is 2 "Mode 2: Rate Generator";
    /// Mode 3 on channel 2.
    mode_3_of_channel_2_counts Two 3 is 3 "Mode 3: Square Wave Mode";
    /// Mode 4 on channel 2.
    mode_4_of_channel_2_counts Two 4 is 4 "Mode 4: Software Triggered Strobe";
    /// Mode 5 counts from the rising gate on; its output is low at zero only.
    mode_5_of_channel_2_counts Two 5 is 5 "Mode 5: Hardware Triggered Strobe (Retriggerable)";
    /// Bit 2 of the mode is ignored in mode 2, on channel 2.
    mode_6_of_channel_2_counts_as_mode_2 Two 6 is 2 "Control Word Format";
    /// Bit 2 of the mode is ignored in mode 3, on channel 2.
    mode_7_of_channel_2_counts_as_mode_3 Two 7 is 3 "Control Word Format";
}

/// In mode 0 the output rises when the count is over and not before, and stays high until the next count is written.
#[case(feature = PitModes, spec = pit("Mode 0: Interrupt on Terminal Count"), needs = Needs::PIT, irqchip = Full)]
fn output_of_mode_0_rises_once() {
    let _ = clock::tsc_khz();
    for count in [1_u16, 2, 3, 10, 100, 1_000, 2_000] {
        let loaded = Loaded { mode: 0, bcd: false, count };
        let begin = start(Channel::Two, 0, loaded);
        let mut at = begin;
        let risen = clock::Deadline::after(GENEROUS_MICROS).wait(|| {
            let mut out = false;
            at = Moment::of(|| out = pit::out_2());
            out
        });
        check!("it rises", [&[]; count], risen);
        check!("not before", [&[]; count], begin.until(at).most >= u64::from(count));
        check!("it stays high", [&[]; count], pit::out_2());
        Channel::Two.write_count(Bytes::Both, 0x8000);
        check!("it falls with the next count", [&[]; count], !pit::out_2());
    }
}

/// In mode 0 the first of two bytes stops the count and lowers the output; the second one starts the new count.
#[case(feature = PitModes, spec = pit("Mode 0: Interrupt on Terminal Count"), needs = Needs::PIT, irqchip = Full)]
fn first_byte_of_mode_0_stops_the_count() {
    let _ = clock::tsc_khz();
    start(Channel::Two, 0, Loaded { mode: 0, bcd: false, count: 20 });
    pit::pass(22);
    check!("the output has risen", pit::out_2());
    Channel::Two.write(0);
    check!("the output falls with the first byte", !pit::out_2());
    let first = Channel::Two.read_count();
    pit::pass(50);
    check_eq!("the count stands still", Channel::Two.read_count(), first);
    let loaded = Loaded { mode: 0, bcd: false, count: 0x4000 };
    let begin = Moment::of(|| Channel::Two.write(0x40));
    let (at, status, value) = sample(Channel::Two);
    check!("the second byte starts the new count", loaded.agrees(seen(status, value), begin.until(at)));
}

/// A count that is written while another runs: modes 0 and 4 take it at once; modes 1 and 5 with the next trigger;
/// modes 2 and 3 behind the period, or the half of it.
#[case(feature = PitModes, spec = pit("Mode Definitions"), needs = Needs::PIT, irqchip = Full)]
fn new_count_is_taken_when_the_mode_says() {
    let _ = clock::tsc_khz();
    const OLD: u16 = 0xf000;
    const NEW: u16 = 0x4321;
    for mode in 0..6_u8 {
        let old = Loaded { mode, bcd: false, count: OLD };
        let begin = start(Channel::Two, mode, old);
        pit::pass(50);
        Channel::Two.write(NEW as u8);
        let written = Moment::of(|| Channel::Two.write((NEW >> 8) as u8));
        pit::pass(20);
        let (at, status, value) = sample(Channel::Two);
        let (expected, since) = match mode {
            0 | 4 => (Loaded { count: NEW, ..old }, written),
            _ => (old, begin),
        };
        check!("the count that runs", [&[]; mode], expected.agrees(seen(status, value), since.until(at)));
        let is_null = status & status::NULL_COUNT != 0;
        check_eq!("null count", [&[]; mode], is_null, !matches!(mode, 0 | 4));
        if matches!(mode, 1 | 2 | 3 | 5) {
            // "If a Counter is triggered, it will be loaded with the new count on the next CLK pulse."
            pit::set_gate_2(false);
            let begin = Moment::of(|| pit::set_gate_2(true));
            let (at, status, value) = sample(Channel::Two);
            let new = Loaded { count: NEW, ..old };
            check!("the new one after a trigger", [&[]; mode], new.agrees(seen(status, value), begin.until(at)));
        }
    }
}

/// In modes 2 and 3 a new count is taken behind the period, without a trigger.
#[case(
    feature = PitModes, spec = [pit("Mode 2: Rate Generator"), pit("Mode 3: Square Wave Mode")], needs = Needs::PIT,
    irqchip = Full
)]
fn new_count_of_a_periodic_mode_is_taken_behind_the_period() {
    let _ = clock::tsc_khz();
    for mode in [2, 3_u8] {
        start(Channel::Two, mode, Loaded { mode, bcd: false, count: 500 });
        Channel::Two.write_count(Bytes::Both, 0xf000);
        pit::pass(1_100);
        let (_, status, value) = sample(Channel::Two);
        check_eq!("null count", [&[]; mode], status & status::NULL_COUNT, 0);
        check!("the new count runs", [&[]; mode], value > 500 && value <= 0xf000);
    }
}
