//! Counts of one byte and of two: written, latched and read, while they stand still and while they run.

use super::{
    counting::{Moment, count_at},
    model::{self, Loaded},
};
use rt::{
    case, check, check_eq, clock,
    pit::{self, Bytes, Channel, ReadBack, control_bits, status},
    vocabulary::Needs,
};

/// Counts whose digits are decimal, so that they are legal in BCD too.
const COUNTS: &[u16] = &[0x0001, 0x0010, 0x0099, 0x0100, 0x0101, 0x1000, 0x4321, 0x8000, 0x9999, 0x0000];
const BINARY_COUNTS: &[u16] = &[0x000a, 0x00ff, 0x7fff, 0xa5a5, 0xff00, 0xffff];
const BYTES: [Bytes; 3] = [Bytes::Low, Bytes::High, Bytes::Both];

/// Reads what the field RW tells, in as many bytes.
fn read(bytes: Bytes) -> u16 {
    if bytes == Bytes::Both { Channel::Two.read_count() } else { Channel::Two.read().into() }
}

/// Modes 0 and 4 load a count with the next clock though the gate is low, and then stand still. One check for each way of
/// reading and each RW: a timer whose gate stops nothing has moved on in some of the rows, which ones its clock decides.
fn check_still_counts(mode: u8, bcd: bool) {
    pit::set_gate_2(false);
    for bytes in BYTES {
        let mut are_right = [true; 3];
        let mut nr_null = 0;
        let binary = if bcd { &[] } else { BINARY_COUNTS };
        for &count in COUNTS.iter().chain(binary) {
            Channel::Two.control(control_bits(bytes, mode, bcd));
            Channel::Two.write_count(bytes, count);
            pit::pass(1);
            let expected = model::read_back(bytes as u8, count);
            are_right[0] &= read(bytes) == expected;
            Channel::Two.latch();
            are_right[1] &= read(bytes) == expected;
            pit::read_back(Channel::Two.bit(), ReadBack { count: true, status: false });
            are_right[2] &= read(bytes) == expected;
            nr_null += u64::from(Channel::Two.status() & status::NULL_COUNT != 0);
        }
        let row = bytes as u8;
        check!("read", [&[]; row], are_right[0]);
        check!("latched", [&[]; row], are_right[1]);
        check!("read back", [&[]; row], are_right[2]);
        check_eq!("null counts", [&[]; row], nr_null, 0);
    }
}

/// A count in mode 0 is loaded though the gate is low, stands still, and reads back: the row is RW.
#[case(feature = PitReadBack, spec = [pit("Mode Definitions"), pit("Read Operations")], needs = Needs::PIT, irqchip = Full)]
fn counts_of_mode_0_stand_while_the_gate_is_low() {
    check_still_counts(0, false);
}

/// The same in BCD.
#[case(feature = PitReadBack, spec = [pit("Mode Definitions"), pit("Read Operations")], needs = Needs::PIT, irqchip = Full)]
fn decimal_counts_of_mode_0_stand_while_the_gate_is_low() {
    check_still_counts(0, true);
}

/// The same of mode 4, which loads "on the next CLK pulse" too.
#[case(feature = PitReadBack, spec = [pit("Mode Definitions"), pit("Read Operations")], needs = Needs::PIT, irqchip = Full)]
fn counts_of_mode_4_stand_while_the_gate_is_low() {
    check_still_counts(4, false);
}

/// Programs channel 2 in mode 0 with two bytes; the moment is that of the last byte.
fn run(count: u16) -> (Loaded, Moment) {
    Channel::Two.control(control_bits(Bytes::Both, 0, false));
    let [low, high] = count.to_le_bytes();
    Channel::Two.write(low);
    (Loaded { mode: 0, bcd: false, count }, Moment::of(|| Channel::Two.write(high)))
}

/// Counts that run, written and read in one byte: RW chooses the byte, and the other one of what is written is zero.
#[case(feature = PitReadBack, spec = [pit("Write Operations"), pit("Read Operations")], needs = Needs::PIT, irqchip = Full)]
fn one_byte_of_a_running_count() {
    let _ = clock::tsc_khz();
    pit::set_gate_2(true);
    for byte in [0x10_u8, 0x55, 0x80, 0xa5, 0xff] {
        for (bytes, count) in [(Bytes::Low, u16::from(byte)), (Bytes::High, u16::from(byte) << 8)] {
            let loaded = Loaded { mode: 0, bcd: false, count };
            Channel::Two.control(control_bits(bytes, 0, false));
            let begin = Moment::of(|| Channel::Two.write(byte));
            let mut read = 0;
            let at = Moment::of(|| read = Channel::Two.read());
            let is_right = loaded.byte_agrees(bytes == Bytes::High, read, begin.until(at));
            let at = Moment::of(|| Channel::Two.latch());
            let latched = Channel::Two.read();
            let is_latched_right = loaded.byte_agrees(bytes == Bytes::High, latched, begin.until(at));
            let row = u64::from(byte) | (bytes as u64) << 8;
            check!("read", [&[]; row], is_right);
            check!("latched", [&[]; row], is_latched_right);
        }
    }
}

/// Reads and writes of two bytes may be interleaved: the latched count is the old one, and a trigger takes the new one.
#[case(feature = PitReadBack, spec = [pit("Write Operations"), pit("Read Operations")], needs = Needs::PIT, irqchip = Full)]
fn reads_and_writes_of_two_bytes_interleave() {
    let _ = clock::tsc_khz();
    let old = Loaded { mode: 2, bcd: false, count: 0xc55a };
    for (row, count) in [0x9234_u16, 0x8001, 0x40ff, 0xff00].into_iter().enumerate() {
        let new = Loaded { count, ..old };
        let [low, high] = count.to_le_bytes();
        pit::set_gate_2(true);
        Channel::Two.control(control_bits(Bytes::Both, 2, false));
        let begin = Moment::of(|| Channel::Two.write_count(Bytes::Both, old.count));
        pit::pass(2);
        let at = Moment::of(|| Channel::Two.latch());
        // "1. Read least significant byte. 2. Write new least significant byte. 3. Read most significant byte. 4. Write new
        // most significant byte."
        let read_low = Channel::Two.read();
        Channel::Two.write(low);
        let read_high = Channel::Two.read();
        Channel::Two.write(high);
        let latched = u16::from_le_bytes([read_low, read_high]);
        check!("the latched count", [&[]; row], old.counts(latched, begin.until(at)));
        pit::set_gate_2(false);
        let begin = Moment::of(|| pit::set_gate_2(true));
        let (at, value) = count_at(Channel::Two);
        check!("the new count", [&[]; row], new.counts(value, begin.until(at)));
    }
}

/// A second latch command before the count is read is ignored, though another count was loaded meanwhile.
#[case(feature = PitReadBack, spec = pit("Counter Latch Command"), needs = Needs::PIT, irqchip = Full)]
fn second_latch_is_ignored() {
    let _ = clock::tsc_khz();
    pit::set_gate_2(true);
    for command in 0..2_u64 {
        let (first, begin) = run(0x5111);
        let latched_at = Moment::of(|| Channel::Two.latch());
        let (second, again) = {
            Channel::Two.write(0x22);
            let written = Moment::of(|| Channel::Two.write(0xe2));
            (Loaded { count: 0xe222, ..first }, written)
        };
        match command {
            0 => Channel::Two.latch(),
            _ => pit::read_back(Channel::Two.bit(), ReadBack { count: true, status: false }),
        }
        let latched = Channel::Two.read_count();
        check!("the count latched first", [&[]; command], first.counts(latched, begin.until(latched_at)));
        let (at, now) = count_at(Channel::Two);
        check!("then the count of now", [&[]; command], second.counts(now, again.until(at)));
    }
}

/// A latched count is held "until the Counter is reprogrammed": a control word releases it.
#[case(feature = PitReadBack, spec = pit("Counter Latch Command"), needs = Needs::PIT, irqchip = Full)]
fn control_word_releases_a_latch() {
    let _ = clock::tsc_khz();
    pit::set_gate_2(true);
    let _ = run(0x5111);
    Channel::Two.latch();
    let (loaded, begin) = run(0xe333);
    let (at, value) = count_at(Channel::Two);
    check!("the new count", loaded.counts(value, begin.until(at)));
}

/// A control word begins with the first byte again, of reads and of writes.
#[case(feature = PitReadBack, spec = pit("Control Word Format"), needs = Needs::PIT, irqchip = Full)]
fn control_word_begins_with_the_first_byte() {
    let _ = clock::tsc_khz();
    pit::set_gate_2(true);
    Channel::Two.control(control_bits(Bytes::Both, 0, false));
    Channel::Two.write(0x77);
    let (loaded, begin) = run(0xa567);
    let (at, value) = count_at(Channel::Two);
    check!("after half a count was written", loaded.counts(value, begin.until(at)));
    let _ = Channel::Two.read();
    let (loaded, begin) = run(0xc9ab);
    let (at, value) = count_at(Channel::Two);
    check!("after half a count was read", loaded.counts(value, begin.until(at)));
}

/// In modes 1 and 5 a count waits for the gate: null count stays set, and is cleared by the rising gate.
#[case(feature = PitReadBack, spec = [pit("Read-Back Command"), pit("Mode Definitions")], needs = Needs::PIT, irqchip = Full)]
fn null_count_waits_for_the_trigger() {
    for mode in [1, 5_u8] {
        pit::set_gate_2(false);
        Channel::Two.control(control_bits(Bytes::Both, mode, false));
        Channel::Two.write_count(Bytes::Both, 0x8000);
        pit::pass(1);
        check_eq!("before the trigger", [&[]; mode], Channel::Two.status() & status::NULL_COUNT, status::NULL_COUNT);
        pit::set_gate_2(true);
        pit::pass(1);
        check_eq!("after the trigger", [&[]; mode], Channel::Two.status() & status::NULL_COUNT, 0);
    }
}

/// In modes 2 and 3 a count that waits behind the period sets null count; in modes 0 and 4 it does not wait.
#[case(feature = PitReadBack, spec = [pit("Read-Back Command"), pit("Mode Definitions")], needs = Needs::PIT, irqchip = Full)]
fn null_count_waits_for_the_period() {
    pit::set_gate_2(true);
    for mode in [0, 2, 3, 4_u8] {
        let _ = clock::tsc_khz();
        let old = Loaded { mode, bcd: false, count: 0xf000 };
        let (was_in_time, is_null) = clock::undisturbed(|| {
            Channel::Two.control(control_bits(Bytes::Both, mode, false));
            let begin = Moment::of(|| Channel::Two.write_count(Bytes::Both, old.count));
            pit::pass(10);
            Channel::Two.write_count(Bytes::Both, 0x8000);
            pit::pass(2);
            let mut status = 0;
            let at = Moment::of(|| status = Channel::Two.status());
            // Half of the period: a host that takes it away leaves nothing to tell.
            (begin.until(at).most < u64::from(old.count) / 2, status & status::NULL_COUNT != 0)
        });
        check!("null count", [&[]; mode], is_null == matches!(mode, 2 | 3) || !was_in_time);
    }
}
