//! Control words and what the read-back command shows of them.

use super::model;
use rt::{
    case, check, check_eq,
    pit::{self, Bytes, Channel, ReadBack, control_bits, status},
    vocabulary::Needs,
};

/// Bits 5:0 of every control word, in the order of their value; RW is not zero, which would be a latch command.
fn control_words() -> impl Iterator<Item = u8> {
    0x10..0x40
}

fn check_statuses(channel: Channel) {
    for bits in control_words() {
        channel.control(bits);
        let expected = model::status_after_control(bits);
        let actual = channel.status();
        check_eq!("control word in the status", [&[]; bits], actual & 0x3f, expected & 0x3f);
        check_eq!("output", [&[]; bits], actual & status::OUT, expected & status::OUT);
        check_eq!("null count", [&[]; bits], actual & status::NULL_COUNT, expected & status::NULL_COUNT);
    }
}

/// The status holds the control word as it was written, the output that its mode begins with, and a null count.
#[case(
    feature = PitReadBack, spec = [pit("Read-Back Command"), pit("Mode Definitions")], needs = Needs::PIT, irqchip = Full
)]
fn status_of_channel_0_is_the_control_word() {
    check_statuses(Channel::Zero);
}

/// The same of channel 2, whose gate is low.
#[case(
    feature = PitReadBack, spec = [pit("Read-Back Command"), pit("Mode Definitions")], needs = Needs::PIT, irqchip = Full
)]
fn status_of_channel_2_is_the_control_word() {
    pit::set_gate_2(false);
    check_statuses(Channel::Two);
}

/// Bit 5 of port 61H shows the output that each control word begins with, whatever the gate is.
#[case(
    feature = PitGate, spec = [pit("Mode Definitions"), ich9("NMI_SC—NMI Status and Control Register")],
    needs = Needs::PIT, irqchip = Full
)]
fn port_61_shows_the_output_after_a_control_word() {
    for gate in [false, true] {
        pit::set_gate_2(gate);
        for bits in control_words() {
            Channel::Two.control(bits);
            let expected = model::status_after_control(bits) & status::OUT != 0;
            let actual = pit::out_2();
            if gate {
                check_eq!("output, gate high", [&[]; bits], actual, expected);
            } else {
                check_eq!("output, gate low", [&[]; bits], actual, expected);
            }
        }
    }
}

/// A read-back command latches the channels that it names, and no other.
#[case(feature = PitReadBack, spec = pit("Read-Back Command"), needs = Needs::PIT, irqchip = Full)]
fn read_back_latches_the_channels_that_it_names() {
    pit::set_gate_2(false);
    let channels = [Channel::Zero, Channel::Two];
    for selection in 0..8_u8 {
        // The count of channel 2 stands still, and is no value of a status.
        Channel::Zero.control(control_bits(Bytes::Low, 1, false));
        Channel::Two.control(control_bits(Bytes::Low, 0, false));
        Channel::Two.write(0x5a);
        pit::pass(2);
        pit::read_back(selection, ReadBack { count: false, status: true });
        for channel in channels {
            let is_named = selection & channel.bit() != 0;
            let byte = channel.read();
            match (channel, is_named) {
                (Channel::Two, true) => check_eq!("status of channel 2", [&[]; selection], byte & 0x3f, 0x10),
                (Channel::Two, false) => check_eq!("count of channel 2", [&[]; selection], byte, 0x5a),
                (_, true) => check_eq!("status of channel 0", [&[]; selection], byte & 0x3f, 0x12),
                (_, false) => {}
            }
        }
        check_eq!("then the count of channel 2", [&[]; selection], Channel::Two.read(), 0x5a);
    }
}

/// A status that is latched stays until it is read, though the output changes; a second latch command is ignored.
#[case(feature = PitReadBack, spec = pit("Read-Back Command"), needs = Needs::PIT, irqchip = Full)]
fn latched_status_stays() {
    let only_status = ReadBack { count: false, status: true };
    pit::set_gate_2(true);
    Channel::Two.control(control_bits(Bytes::Both, 0, false));
    pit::read_back(Channel::Two.bit(), only_status);
    Channel::Two.write_count(Bytes::Both, 10);
    pit::pass(12);
    check!("the output has risen", pit::out_2());
    pit::read_back(Channel::Two.bit(), only_status);
    let latched = Channel::Two.read();
    check_eq!("output in the latched status", latched & status::OUT, 0);
    check_eq!("null count in the latched status", latched & status::NULL_COUNT, status::NULL_COUNT);
    let fresh = Channel::Two.status();
    check_eq!("output in a status of now", fresh & status::OUT, status::OUT);
    check_eq!("null count in a status of now", fresh & status::NULL_COUNT, 0);
}

/// Status and count that are latched both are read in that order, by whatever commands they were latched.
#[case(feature = PitReadBack, spec = pit("Read-Back Command"), needs = Needs::PIT, irqchip = Full)]
fn status_is_read_before_the_count() {
    pit::set_gate_2(false);
    for (row, both) in [true, false].into_iter().enumerate() {
        Channel::Two.control(control_bits(Bytes::Both, 0, false));
        Channel::Two.write_count(Bytes::Both, 0x1234);
        pit::pass(2);
        if both {
            pit::read_back(Channel::Two.bit(), ReadBack { count: true, status: true });
        } else {
            Channel::Two.latch();
            pit::read_back(Channel::Two.bit(), ReadBack { count: false, status: true });
        }
        check_eq!("status", [&[]; row], Channel::Two.read() & 0x3f, 0x30);
        check_eq!("count", [&[]; row], Channel::Two.read_count(), 0x1234);
    }
}
