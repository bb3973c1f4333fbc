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

/// The count of one moment, by a latch command.
pub(super) fn count_at(channel: Channel) -> (Moment, u16) {
    let at = Moment::of(|| channel.latch());
    (at, channel.read_count())
}

/// Clocks between samples: within the shorter counts and beyond them.
const WAITS: &[u64] = &[0, 60, 400];
const EVEN: &[u16] = &[0x0000, 0x8000, 0x0776, 0x0102];
const ODD: &[u16] = &[0x2001, 0x0777, 0x0101];
/// Legal in BCD; the last ones leave nothing to tell but that count and output stay within what there is.
const DECIMAL: &[u16] = &[0x0000, 0x8001, 0x0777, 0x0010];

/// Whether count and output of all samples were right. A sample says little where the host took time away before it, so that
/// all of them are one answer, and what is wrong is found whatever the load.
fn run_count(channel: Channel, field: u8, loaded: Loaded) -> (bool, bool) {
    // Asked for before channel 2 is in use, which may have to tell it.
    let _ = clock::tsc_khz();
    let begin = start(channel, field, loaded);
    let (mut counts, mut outputs) = (true, true);
    for &wait in WAITS {
        pit::pass(wait);
        let (at, status, value) = sample(channel);
        let clocks = begin.until(at);
        counts &= loaded.counts(value, clocks);
        outputs &= loaded.outputs(status & status::OUT != 0, clocks);
    }
    (counts, outputs)
}

fn check_counts(channel: Channel, field: u8, mode: u8, numbers: &[u16]) {
    let (mut counts, mut outputs) = (true, true);
    for &count in numbers {
        let right = run_count(channel, field, Loaded { mode, bcd: false, count });
        counts &= right.0;
        outputs &= right.1;
    }
    check!("counts", counts);
    check!("outputs", outputs);
}

/// Even counts: one check of all.
fn check_counting(channel: Channel, field: u8, mode: u8) {
    check_counts(channel, field, mode, EVEN);
}

/// Odd counts: one check of all.
fn check_odd(channel: Channel, field: u8, mode: u8) {
    check_counts(channel, field, mode, ODD);
}

/// Decimal counts: one check of all.
fn check_decimal(channel: Channel, field: u8, mode: u8) {
    let are_right =
        DECIMAL.iter().all(|&count| run_count(channel, field, Loaded { mode, bcd: true, count }) == (true, true));
    check!("counts and outputs", are_right);
}

macro_rules! counting {
    ($($(#[$doc:meta])* $name:ident $how:ident $channel:ident $field:literal is $mode:literal $title:literal;)*) => {
        $(
            $(#[$doc])*
            #[case(feature = PitModes, spec = pit($title), needs = Needs::PIT, irqchip = Full)]
            fn $name() {
                $how(Channel::$channel, $field, $mode);
            }
        )*
    };
}

counting! {
    /// Mode 0 counts down by one, its output rises at zero, and it counts on from the highest number.
    mode_0_of_channel_0_counts check_counting Zero 0 is 0 "Mode 0: Interrupt on Terminal Count";
    /// Mode 2 counts from the count down to 1, where its output is low, again and again.
    mode_2_of_channel_0_counts check_counting Zero 2 is 2 "Mode 2: Rate Generator";
    /// Mode 3 counts down by two with a high and then with a low output.
    mode_3_of_channel_0_counts check_counting Zero 3 is 3 "Mode 3: Square Wave Mode";
    /// Mode 4 counts down by one, its output is low at zero only, and it counts on from the highest number.
    mode_4_of_channel_0_counts check_counting Zero 4 is 4 "Mode 4: Software Triggered Strobe";
    /// Bit 2 of the mode is ignored in mode 2.
    mode_6_of_channel_0_counts_as_mode_2 check_counting Zero 6 is 2 "Control Word Format";
    /// Bit 2 of the mode is ignored in mode 3.
    mode_7_of_channel_0_counts_as_mode_3 check_counting Zero 7 is 3 "Control Word Format";
    /// Mode 0 on channel 2.
    mode_0_of_channel_2_counts check_counting Two 0 is 0 "Mode 0: Interrupt on Terminal Count";
    /// Mode 1 counts from the rising gate on; its output is low until zero.
    mode_1_of_channel_2_counts check_counting Two 1 is 1 "Mode 1: Hardware Retriggerable One-Shot";
    /// Mode 2 on channel 2.
    mode_2_of_channel_2_counts check_counting Two 2 is 2 "Mode 2: Rate Generator";
    /// Mode 3 on channel 2.
    mode_3_of_channel_2_counts check_counting Two 3 is 3 "Mode 3: Square Wave Mode";
    /// Mode 4 on channel 2.
    mode_4_of_channel_2_counts check_counting Two 4 is 4 "Mode 4: Software Triggered Strobe";
    /// Mode 5 counts from the rising gate on; its output is low at zero only.
    mode_5_of_channel_2_counts check_counting Two 5 is 5 "Mode 5: Hardware Triggered Strobe (Retriggerable)";
    /// Bit 2 of the mode is ignored in mode 2, on channel 2.
    mode_6_of_channel_2_counts_as_mode_2 check_counting Two 6 is 2 "Control Word Format";
    /// Bit 2 of the mode is ignored in mode 3, on channel 2.
    mode_7_of_channel_2_counts_as_mode_3 check_counting Two 7 is 3 "Control Word Format";
    /// Odd counts in mode 0.
    odd_counts_of_mode_0 check_odd Two 0 is 0 "Mode 0: Interrupt on Terminal Count";
    /// Odd counts in mode 2.
    odd_counts_of_mode_2 check_odd Two 2 is 2 "Mode 2: Rate Generator";
    /// An odd count of mode 3 is loaded less one, and its high half has one clock more.
    odd_counts_of_mode_3 check_odd Two 3 is 3 "Mode 3: Square Wave Mode";
    /// Odd counts in mode 4.
    odd_counts_of_mode_4 check_odd Two 4 is 4 "Mode 4: Software Triggered Strobe";
    /// Mode 0 counts in decimal digits.
    decimal_counts_of_mode_0 check_decimal Two 0 is 0 "Control Word Format";
    /// Mode 1 counts in decimal digits.
    decimal_counts_of_mode_1 check_decimal Two 1 is 1 "Control Word Format";
    /// Mode 2 counts in decimal digits.
    decimal_counts_of_mode_2 check_decimal Two 2 is 2 "Control Word Format";
    /// Mode 3 counts in decimal digits.
    decimal_counts_of_mode_3 check_decimal Two 3 is 3 "Control Word Format";
    /// Mode 4 counts in decimal digits.
    decimal_counts_of_mode_4 check_decimal Two 4 is 4 "Control Word Format";
    /// Mode 5 counts in decimal digits.
    decimal_counts_of_mode_5 check_decimal Two 5 is 5 "Control Word Format";
    /// Channel 0 counts in decimal digits as well.
    decimal_counts_of_channel_0 check_decimal Zero 2 is 2 "Control Word Format";
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
        let next = Loaded { count: 0x8000, ..loaded };
        let begin = Moment::of(|| Channel::Two.write_count(Bytes::Both, next.count));
        let mut out = true;
        let at = Moment::of(|| out = pit::out_2());
        check!("it falls with the next count", [&[]; count], next.outputs(out, begin.until(at)));
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
    const NEW: u16 = 0x4320;
    for mode in 0..6_u8 {
        let old = Loaded { mode, bcd: false, count: OLD };
        let (was_in_time, holds) = clock::undisturbed(|| {
            let begin = start(Channel::Two, mode, old);
            pit::pass(50);
            Channel::Two.write(NEW as u8);
            let written = Moment::of(|| Channel::Two.write((NEW >> 8) as u8));
            pit::pass(20);
            let (at, value) = count_at(Channel::Two);
            let (expected, since) = match mode {
                0 | 4 => (Loaded { count: NEW, ..old }, written),
                _ => (old, begin),
            };
            // Within a tenth of the period nothing but the old count runs, and bounds are near each other.
            (begin.until(at).most < u64::from(OLD) / 10, expected.counts(value, since.until(at)))
        });
        check!("the count that runs", [&[]; mode], holds || !was_in_time);
        if matches!(mode, 1 | 2 | 3 | 5) {
            // "If a Counter is triggered, it will be loaded with the new count on the next CLK pulse."
            pit::set_gate_2(false);
            let begin = Moment::of(|| pit::set_gate_2(true));
            let (at, value) = count_at(Channel::Two);
            let new = Loaded { count: NEW, ..old };
            check!("the new one after a trigger", [&[]; mode], new.counts(value, begin.until(at)));
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
        let (was_in_time, (status, value)) = clock::undisturbed(|| {
            start(Channel::Two, mode, Loaded { mode, bcd: false, count: 500 });
            let begin = Moment::of(|| Channel::Two.write_count(Bytes::Both, 0xf000));
            pit::pass(1_100);
            let (at, status, value) = sample(Channel::Two);
            // A host that takes away half of the new period leaves nothing to tell.
            (begin.until(at).most <= 0x7000, (status, value))
        });
        check_eq!("null count", [&[]; mode], status & status::NULL_COUNT, 0);
        check!("the new count runs", [&[]; mode], value > 500 && value <= 0xf000 || !was_in_time);
    }
}
