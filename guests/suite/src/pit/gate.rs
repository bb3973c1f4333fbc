//! The gate of channel 2: what it stops, what it starts again, and what port 61H keeps.

use super::{
    counting::{Moment, count_at, start},
    model::{Clocks, Loaded},
};
use rt::{
    case, check, check_eq, clock,
    cpu::port,
    pit::{self, Bytes, Channel, PORT_61, control_bits, status},
    vocabulary::Needs,
};

const COUNT: u16 = 0xf000;
/// Clocks in the millisecond that the gate is low for.
const LOW_CLOCKS: u64 = 1_193;

/// A low gate stops modes 0, 2, 3 and 4, where they are; modes 1 and 5 go on.
#[case(feature = PitGate, spec = pit("Gate"), needs = Needs::PIT, irqchip = Full)]
fn low_gate_stops_four_modes() {
    let _ = clock::tsc_khz();
    for mode in 0..6_u8 {
        let loaded = Loaded { mode, bcd: false, count: COUNT };
        let begin = start(Channel::Two, mode, loaded);
        pit::pass(200);
        let stopped = Moment::of(|| pit::set_gate_2(false));
        let (_, first) = count_at(Channel::Two);
        pit::pass(500);
        let (at, second) = count_at(Channel::Two);
        if matches!(mode, 1 | 5) {
            check!("it goes on", [&[]; mode], loaded.counts(second, begin.until(at)));
        } else {
            let stands = first == second && loaded.counts(second, begin.until(stopped));
            check!("it stands still where it was", [&[]; mode], stands);
        }
    }
}

/// A rising gate goes on with the count in modes 0 and 4, and begins it again in the others.
#[case(feature = PitGate, spec = pit("Gate"), needs = Needs::PIT, irqchip = Full)]
fn rising_gate_goes_on_or_begins_again() {
    let _ = clock::tsc_khz();
    for mode in 0..6_u8 {
        let loaded = Loaded { mode, bcd: false, count: COUNT };
        let mut holds = true;
        clock::undisturbed(|| {
            let begin = start(Channel::Two, mode, loaded);
            pit::pass(1_000);
            let low = Moment::of(|| pit::set_gate_2(false));
            pit::pass(1_000);
            let high = Moment::of(|| pit::set_gate_2(true));
            let (at, value) = count_at(Channel::Two);
            let clocks = match mode {
                0 | 4 => {
                    let (first, second) = (begin.until(low), high.until(at));
                    Clocks { least: first.least + second.least, most: first.most + second.most }
                }
                _ => high.until(at),
            };
            holds &= loaded.counts(value, clocks);
            // A host that takes time away makes the bounds wide: another rule's count could lie between them.
            (clocks.most - clocks.least < LOW_CLOCKS / 2, ())
        });
        check!("count", [&[]; mode], holds);
    }
}

/// In modes 2 and 3 a low gate sets the output high at once; in the others it changes nothing.
#[case(feature = PitGate, spec = pit("Gate"), needs = Needs::PIT, irqchip = Full)]
fn low_gate_raises_the_output_of_periodic_modes() {
    let _ = clock::tsc_khz();
    // Mode 3 with 24,000: 10 ms high, then 10 ms low, so the wait ends early in the low half.
    let loaded = Loaded { mode: 3, bcd: false, count: 24_000 };
    let (mut is_low, mut is_high) = (true, true);
    clock::undisturbed(|| {
        let begin = start(Channel::Two, 3, loaded);
        pit::pass(12_500);
        let (mut before, mut after) = (true, true);
        let at = Moment::of(|| before = pit::out_2());
        is_low &= loaded.outputs(before, begin.until(at));
        let at = Moment::of(|| {
            pit::set_gate_2(false);
            after = pit::out_2();
        });
        // A host that takes time away may end it in a high half, where a gate that does nothing is not seen: then the other half is
        // looked at, too.
        let is_seen = !loaded.outputs(true, begin.until(at));
        if !is_seen {
            pit::pass(12_000);
        }
        is_high &= after && pit::out_2();
        (is_seen, ())
    });
    check!("the low half", is_low);
    check!("the output in mode 3", is_high);
    // The output of mode 0 is low while it counts.
    let loaded = Loaded { mode: 0, bcd: false, count: COUNT };
    let begin = start(Channel::Two, 0, loaded);
    let mut out = true;
    let at = Moment::of(|| out = pit::out_2());
    check!("the output of mode 0", loaded.outputs(out, begin.until(at)));
    let at = Moment::of(|| pit::set_gate_2(false));
    check!("and with a low gate", loaded.outputs(pit::out_2(), begin.until(at)));
}

/// In mode 1 a trigger during the pulse begins it again, and one after it lowers the output anew.
#[case(feature = PitGate, spec = pit("Mode 1: Hardware Retriggerable One-Shot"), needs = Needs::PIT, irqchip = Full)]
fn one_shot_can_be_triggered_again() {
    let _ = clock::tsc_khz();
    start(Channel::Two, 1, Loaded { mode: 1, bcd: false, count: 300 });
    pit::pass(320);
    check!("the pulse is over", pit::out_2());
    pit::set_gate_2(false);
    check!("a falling gate changes nothing", pit::out_2());
    Channel::Two.write_count(Bytes::Both, COUNT);
    pit::pass(2);
    check!("nor does a count", pit::out_2());
    let loaded = Loaded { mode: 1, bcd: false, count: COUNT };
    let begin = Moment::of(|| pit::set_gate_2(true));
    pit::pass(2);
    let mut out = true;
    let at = Moment::of(|| out = pit::out_2());
    check!("a rising gate lowers the output", loaded.outputs(out, begin.until(at)));
}

/// Before a trigger the output of modes 1 and 5 is high, with a count or without.
#[case(feature = PitGate, spec = pit("Mode Definitions"), needs = Needs::PIT, irqchip = Full)]
fn triggered_modes_wait_for_the_gate() {
    for mode in [1, 5_u8] {
        for gate in [false, true] {
            pit::set_gate_2(gate);
            Channel::Two.control(control_bits(Bytes::Both, mode, false));
            Channel::Two.write_count(Bytes::Both, 100);
            pit::pass(120);
            let row = u64::from(mode) | u64::from(gate) << 4;
            let status = Channel::Two.status();
            check_eq!("output", [&[]; row], status & status::OUT, status::OUT);
        }
    }
}

/// Bits 3:0 of port 61H keep what was written; bits 7:6 are zero where no error is pending; bit 4 toggles.
#[case(feature = PitGate, spec = ich9("NMI_SC—NMI Status and Control Register"), needs = Needs::PIT, irqchip = Full)]
fn port_61_keeps_its_low_bits() {
    let before = port::read_u8(PORT_61);
    for value in 0..16_u8 {
        port::write_u8(PORT_61, value);
        let read = port::read_u8(PORT_61);
        check_eq!("bits 3:0", [&[]; value], read & 0xf, value);
        check_eq!("bits 7:6", [&[]; value], read >> 6, 0);
    }
    port::write_u8(PORT_61, before & 0xf);
    let mut seen = [false; 2];
    let both = clock::Deadline::after(rt::interrupts::GENEROUS_MICROS).wait(|| {
        seen[usize::from(port::read_u8(PORT_61) >> 4 & 1)] = true;
        seen == [true; 2]
    });
    check!("bit 4 toggles", both);
}
