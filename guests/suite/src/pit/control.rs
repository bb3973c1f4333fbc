//! Control words and what the read-back command shows of them.

use super::{
    counting::{Moment, count_at},
    model::{self, Loaded},
};
use rt::{
    case, check, check_eq, clock,
    interrupts::GENEROUS_MICROS,
    pit::{self, Bytes, Channel, ReadBack, control_bits, status},
    vocabulary::Needs,
};

/// Bits 5:0 of every control word of a mode as the field M holds it, 0 to 7: RW is not zero, which would be a latch command.
fn control_words(field: u8) -> impl Iterator<Item = u8> {
    [Bytes::Low, Bytes::High, Bytes::Both]
        .into_iter()
        .flat_map(move |bytes| [false, true].map(|bcd| control_bits(bytes, field, bcd)))
}

/// What is seen behind a control word that is written while a count of mode 0 runs for long, so that each comes to the same state of
/// the channel. Where the host takes a quarter of that count away, another one is begun: a wrong channel may go on with it.
fn settled<T>(channel: Channel, control: u8, see: impl Fn() -> T) -> T {
    let _ = clock::tsc_khz();
    let (_, seen) = clock::undisturbed(|| {
        let begin = clock::now();
        channel.control(control_bits(Bytes::Both, 0, false));
        channel.write_count(Bytes::Both, 0);
        channel.control(control);
        let seen = see();
        (pit::clocks(clock::now() - begin) < 0x4000, seen)
    });
    seen
}

/// The status after each control word of a mode, and that control word.
fn statuses(channel: Channel, field: u8) -> impl Iterator<Item = (u8, u8)> {
    control_words(field).map(move |bits| (bits, settled(channel, bits, || channel.status())))
}

/// The rows are control words.
fn check_control_words(channel: Channel) {
    for field in 0..8_u8 {
        for (bits, status) in statuses(channel, field) {
            check_eq!("control word in the status", [&[]; bits], status & 0x3f, bits);
        }
    }
}

/// The rows are fields M.
fn check_outputs(channel: Channel) {
    for field in 0..8_u8 {
        let is_right = |(bits, status): (u8, u8)| (status ^ model::status_after_control(bits)) & status::OUT == 0;
        check!("output", [&[]; field], statuses(channel, field).all(is_right));
    }
}

fn check_null_counts(channel: Channel) {
    let is_null = |(_, status): (u8, u8)| status & status::NULL_COUNT != 0;
    check!("null count", (0..8).all(|field| statuses(channel, field).all(is_null)));
}

macro_rules! statuses {
    ($($(#[$doc:meta])* $name:ident $how:ident $channel:ident;)*) => {
        $(
            $(#[$doc])*
            #[case(
                feature = PitReadBack, spec = [pit("Read-Back Command"), pit("Mode Definitions")], needs = Needs::PIT,
                irqchip = Full
            )]
            fn $name() {
                // Of channel 2.
                pit::set_gate_2(false);
                $how(Channel::$channel);
            }
        )*
    };
}

statuses! {
    /// The status holds the control word "exactly as written".
    status_of_channel_0_is_the_control_word check_control_words Zero;
    /// The same of channel 2.
    status_of_channel_2_is_the_control_word check_control_words Two;
    /// The status holds the output that the mode of a control word begins with.
    status_of_channel_0_shows_the_output check_outputs Zero;
    /// The same of channel 2.
    status_of_channel_2_shows_the_output check_outputs Two;
    /// A control word sets null count.
    control_word_of_channel_0_sets_null_count check_null_counts Zero;
    /// The same of channel 2.
    control_word_of_channel_2_sets_null_count check_null_counts Two;
}

/// Bit 5 of port 61H shows the output that each control word begins with, whatever the gate is.
#[case(
    feature = PitGate, spec = [pit("Mode Definitions"), ich9("NMI_SC—NMI Status and Control Register")],
    needs = Needs::PIT, irqchip = Full
)]
fn port_61_shows_the_output_after_a_control_word() {
    for gate in [false, true] {
        pit::set_gate_2(gate);
        for field in 0..8_u8 {
            let is_right = control_words(field).all(|bits| {
                let out = settled(Channel::Two, bits, pit::out_2);
                out == (model::status_after_control(bits) & status::OUT != 0)
            });
            if gate {
                check!("output, gate high", [&[]; field], is_right);
            } else {
                check!("output, gate low", [&[]; field], is_right);
            }
        }
    }
}

/// A control word of mode 0 lowers an output that is high.
#[case(feature = PitModes, spec = pit("Mode 0: Interrupt on Terminal Count"), needs = Needs::PIT, irqchip = Full)]
fn control_word_of_mode_0_lowers_the_output() {
    pit::set_gate_2(true);
    Channel::Two.control(control_bits(Bytes::Both, 0, false));
    Channel::Two.write_count(Bytes::Both, 2);
    check!("the output rises", clock::Deadline::after(GENEROUS_MICROS).wait(pit::out_2));
    Channel::Two.control(control_bits(Bytes::Both, 0, false));
    check!("it falls", !pit::out_2());
}

/// A read-back command latches the channels that it names, and no other.
#[case(feature = PitReadBack, spec = pit("Read-Back Command"), needs = Needs::PIT, irqchip = Full)]
fn read_back_latches_the_channels_that_it_names() {
    let _ = clock::tsc_khz();
    pit::set_gate_2(true);
    for selection in 0..8_u8 {
        let loaded = Loaded { mode: 0, bcd: false, count: 0xe000 };
        Channel::Zero.control(control_bits(Bytes::Low, 1, false));
        Channel::Two.control(control_bits(Bytes::Both, 0, false));
        let begin = Moment::of(|| Channel::Two.write_count(Bytes::Both, loaded.count));
        pit::read_back(selection, ReadBack { count: false, status: true });
        if selection & Channel::Zero.bit() != 0 {
            check_eq!("status of channel 0", [&[]; selection], Channel::Zero.read() & 0x3f, 0x12);
        }
        if selection & Channel::Two.bit() != 0 {
            check_eq!("status of channel 2", [&[]; selection], Channel::Two.read() & 0x3f, 0x30);
        }
        let (at, count) = count_at(Channel::Two);
        check!("count of channel 2", [&[]; selection], loaded.counts(count, begin.until(at)));
    }
}

/// A status that is latched stays until it is read, though the output changes; a second latch command is ignored.
#[case(feature = PitReadBack, spec = pit("Read-Back Command"), needs = Needs::PIT, irqchip = Full)]
fn latched_status_stays() {
    let only_status = ReadBack { count: false, status: true };
    pit::set_gate_2(true);
    let mode_0 = control_bits(Bytes::Both, 0, false);
    settled(Channel::Two, mode_0, || pit::read_back(Channel::Two.bit(), only_status));
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
    let _ = clock::tsc_khz();
    pit::set_gate_2(true);
    for (row, both) in [true, false].into_iter().enumerate() {
        let loaded = Loaded { mode: 0, bcd: false, count: 0xd234 };
        Channel::Two.control(control_bits(Bytes::Both, 0, false));
        let begin = Moment::of(|| Channel::Two.write_count(Bytes::Both, loaded.count));
        let at = Moment::of(|| {
            if both {
                pit::read_back(Channel::Two.bit(), ReadBack { count: true, status: true });
            } else {
                Channel::Two.latch();
                pit::read_back(Channel::Two.bit(), ReadBack { count: false, status: true });
            }
        });
        check_eq!("status", [&[]; row], Channel::Two.read() & 0x3f, 0x30);
        check!("count", [&[]; row], loaded.counts(Channel::Two.read_count(), begin.until(at)));
    }
}
