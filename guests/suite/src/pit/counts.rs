//! Counts that stand still, because the gate is low: written and read back in every way.

use super::model;
use rt::{
    case, check_eq,
    pit::{self, Bytes, Channel, ReadBack, control_bits, status},
    vocabulary::Needs,
};

/// Counts whose digits are decimal, so that they are legal in BCD too.
const COUNTS: &[u16] = &[
    0x0001, 0x0002, 0x0009, 0x0010, 0x0055, 0x0080, 0x0099, 0x0100, 0x0101, 0x0199, 0x0200, 0x0900, 0x1000, 0x1234,
    0x4321, 0x5000, 0x5555, 0x7777, 0x8000, 0x8001, 0x9000, 0x9876, 0x9998, 0x9999, 0x0000,
];
const BINARY_COUNTS: &[u16] = &[
    0x000a, 0x000f, 0x00ff, 0x0fff, 0x7fff, 0x80ff, 0xa5a5, 0xaa55, 0xabcd, 0xbfff, 0xc000, 0xdead, 0xff00, 0xff01,
    0xfffe, 0xffff,
];
const BYTES: [Bytes; 3] = [Bytes::Low, Bytes::High, Bytes::Both];

/// Reads what the field RW tells, in as many bytes.
fn read(bytes: Bytes) -> u16 {
    if bytes == Bytes::Both { Channel::Two.read_count() } else { Channel::Two.read().into() }
}

/// Modes 0 and 4 load a count with the next clock though the gate is low, and then stand still.
fn check_counts(mode: u8, bcd: bool, counts: &[u16]) {
    pit::set_gate_2(false);
    for bytes in BYTES {
        for &count in counts {
            Channel::Two.control(control_bits(bytes, mode, bcd));
            Channel::Two.write_count(bytes, count);
            pit::pass(1);
            let row = u64::from(count) | (bytes as u64) << 16;
            let expected = model::read_back(bytes as u8, count);
            check_eq!("read", [&[]; row], read(bytes), expected);
            Channel::Two.latch();
            check_eq!("latched", [&[]; row], read(bytes), expected);
            pit::read_back(Channel::Two.bit(), ReadBack { count: true, status: false });
            check_eq!("read back", [&[]; row], read(bytes), expected);
            check_eq!("null count", [&[]; row], Channel::Two.status() & status::NULL_COUNT, 0);
        }
    }
}

/// A count in mode 0 is loaded though the gate is low, and reads back: row is RW and the count.
#[case(feature = PitReadBack, spec = [pit("Mode Definitions"), pit("Read Operations")], needs = Needs::PIT, irqchip = Full)]
fn counts_of_mode_0_read_back_while_the_gate_is_low() {
    check_counts(0, false, COUNTS);
    check_counts(0, false, BINARY_COUNTS);
}

/// The same in BCD.
#[case(feature = PitReadBack, spec = [pit("Mode Definitions"), pit("Read Operations")], needs = Needs::PIT, irqchip = Full)]
fn decimal_counts_of_mode_0_read_back_while_the_gate_is_low() {
    check_counts(0, true, COUNTS);
}

/// The same of mode 4, which loads "on the next CLK pulse" too.
#[case(feature = PitReadBack, spec = [pit("Mode Definitions"), pit("Read Operations")], needs = Needs::PIT, irqchip = Full)]
fn counts_of_mode_4_read_back_while_the_gate_is_low() {
    check_counts(4, false, COUNTS);
}

/// Half of a count changes nothing but what "mode 0" tells; the read of two bytes is not disturbed by one write.
#[case(feature = PitReadBack, spec = [pit("Write Operations"), pit("Read Operations")], needs = Needs::PIT, irqchip = Full)]
fn reads_and_writes_of_two_bytes_interleave() {
    pit::set_gate_2(false);
    for (row, count) in [0x1234_u16, 0x8001, 0x00ff, 0xff00].into_iter().enumerate() {
        let [old_low, old_high] = 0xa55a_u16.to_le_bytes();
        let [low, high] = count.to_le_bytes();
        Channel::Two.control(control_bits(Bytes::Both, 0, false));
        Channel::Two.write_count(Bytes::Both, u16::from_le_bytes([old_low, old_high]));
        pit::pass(1);
        // "1. Read least significant byte. 2. Write new least significant byte. 3. Read most significant byte. 4. Write new
        // most significant byte."
        check_eq!("least significant byte", [&[]; row], Channel::Two.read(), old_low);
        Channel::Two.write(low);
        check_eq!("most significant byte", [&[]; row], Channel::Two.read(), old_high);
        Channel::Two.write(high);
        pit::pass(1);
        check_eq!("the new count", [&[]; row], Channel::Two.read_count(), count);
    }
}

/// A second latch command before the count is read is ignored, though another count was loaded meanwhile.
#[case(feature = PitReadBack, spec = pit("Counter Latch Command"), needs = Needs::PIT, irqchip = Full)]
fn second_latch_is_ignored() {
    pit::set_gate_2(false);
    for command in 0..2_u64 {
        Channel::Two.control(control_bits(Bytes::Both, 0, false));
        Channel::Two.write_count(Bytes::Both, 0x1111);
        pit::pass(1);
        Channel::Two.latch();
        Channel::Two.write_count(Bytes::Both, 0x2222);
        pit::pass(1);
        match command {
            0 => Channel::Two.latch(),
            _ => pit::read_back(Channel::Two.bit(), ReadBack { count: true, status: false }),
        }
        check_eq!("the count latched first", [&[]; command], Channel::Two.read_count(), 0x1111);
        check_eq!("then the count of now", [&[]; command], Channel::Two.read_count(), 0x2222);
    }
}

/// A latched count is held "until the Counter is reprogrammed": a control word releases it.
#[case(feature = PitReadBack, spec = pit("Counter Latch Command"), needs = Needs::PIT, irqchip = Full)]
fn control_word_releases_a_latch() {
    pit::set_gate_2(false);
    Channel::Two.control(control_bits(Bytes::Both, 0, false));
    Channel::Two.write_count(Bytes::Both, 0x1111);
    pit::pass(1);
    Channel::Two.latch();
    Channel::Two.control(control_bits(Bytes::Both, 0, false));
    Channel::Two.write_count(Bytes::Both, 0x3333);
    pit::pass(1);
    check_eq!("the new count", Channel::Two.read_count(), 0x3333);
}

/// A control word begins with the first byte again, of reads and of writes.
#[case(feature = PitReadBack, spec = pit("Control Word Format"), needs = Needs::PIT, irqchip = Full)]
fn control_word_begins_with_the_first_byte() {
    pit::set_gate_2(false);
    Channel::Two.control(control_bits(Bytes::Both, 0, false));
    Channel::Two.write(0x77);
    Channel::Two.control(control_bits(Bytes::Both, 0, false));
    Channel::Two.write_count(Bytes::Both, 0x4567);
    pit::pass(1);
    check_eq!("after half a count was written", Channel::Two.read_count(), 0x4567);
    let _ = Channel::Two.read();
    Channel::Two.control(control_bits(Bytes::Both, 0, false));
    Channel::Two.write_count(Bytes::Both, 0x89ab);
    pit::pass(1);
    check_eq!("after half a count was read", Channel::Two.read_count(), 0x89ab);
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
