//! The rules of the data sheet, one by one.

use super::*;
use crate::hostile;
use proptest::prelude::*;

const FIRST: u16 = 0x20;
const SECOND: u16 = 0xa0;
const EOI: u8 = 0x20;
const READ_IRR: u8 = 0x0a;
const READ_ISR: u8 = 0x0b;
const POLL: u8 = 0x0c;

/// A pair at vectors 30H and 38H, with an ICW4 each.
fn pair_with(icw4: [u8; 2]) -> Pic {
    let mut pic = Pic::new();
    for (port, base, icw3, icw4) in [(FIRST, 0x30, 1 << CASCADE, icw4[0]), (SECOND, 0x38, CASCADE, icw4[1])] {
        pic.write_port(port, 0x11);
        for value in [base, icw3, icw4] {
            pic.write_port(port + 1, value);
        }
    }
    pic
}

fn pair() -> Pic {
    pair_with([1, 1])
}

fn ask(pic: &mut Pic, port: u16, command: u8) -> u8 {
    pic.write_port(port, command);
    pic.read_port(port)
}

#[test]
fn an_edge_is_one_request() {
    let mut pic = pair();
    pic.set_line(3, true);
    assert!(pic.output());
    assert_eq!(ask(&mut pic, FIRST, READ_IRR), 1 << 3);
    assert_eq!(pic.acknowledge(), 0x33);
    assert_eq!((ask(&mut pic, FIRST, READ_IRR), ask(&mut pic, FIRST, READ_ISR)), (0, 1 << 3));
    pic.write_port(FIRST, EOI);
    assert!(!pic.output(), "the line is still high, but there was no edge");
    pic.set_line(3, false);
    pic.set_line(3, true);
    assert!(pic.output());
}

#[test]
fn a_level_requests_as_long_as_it_is_high() {
    let mut pic = pair();
    pic.write_port(0x4d0, 0xff);
    pic.write_port(0x4d1, 0xff);
    assert_eq!((pic.read_port(0x4d0), pic.read_port(0x4d1)), (0xf8, 0xde));
    pic.set_line(5, true);
    assert_eq!(pic.acknowledge(), 0x35);
    assert_eq!(ask(&mut pic, FIRST, READ_IRR), 1 << 5);
    assert!(!pic.output());
    pic.write_port(FIRST, EOI);
    assert!(pic.output());
    pic.set_line(5, false);
    assert!(!pic.output());
}

#[test]
fn withdrawn_requests_are_spurious_and_not_in_service() {
    let mut pic = pair();
    pic.set_line(3, true);
    pic.set_line(3, false);
    assert_eq!(pic.acknowledge(), 0x37);
    assert_eq!(ask(&mut pic, FIRST, READ_ISR), 0);
}

#[test]
fn withdrawn_requests_of_the_second_leave_the_first_in_service() {
    let mut pic = pair();
    pic.set_line(9, true);
    assert!(pic.output());
    // The fall is seen by the first also, as it is by the real pair when there is time before the acknowledge; so the
    // second is masked between both cycles, which only a poll of the first can do.
    assert_eq!(ask(&mut pic, FIRST, POLL), 0x80 | CASCADE);
    pic.set_line(9, false);
    assert_eq!(ask(&mut pic, SECOND, POLL), 0x07);
    assert_eq!((ask(&mut pic, FIRST, READ_ISR), ask(&mut pic, SECOND, READ_ISR)), (1 << CASCADE, 0));
}

#[test]
fn a_pulse_lasts_until_it_is_acknowledged() {
    let mut pic = pair();
    pic.pulse(0);
    assert_eq!(pic.acknowledge(), 0x30);
    pic.write_port(FIRST, EOI);
    assert!(!pic.output());
}

#[test]
fn inputs_are_served_by_priority_and_nest() {
    let mut pic = pair();
    pic.set_line(4, true);
    pic.set_line(6, true);
    assert_eq!(pic.acknowledge(), 0x34);
    assert!(!pic.output());
    pic.set_line(1, true);
    assert_eq!(pic.acknowledge(), 0x31);
    pic.write_port(FIRST, EOI);
    assert_eq!(ask(&mut pic, FIRST, READ_ISR), 1 << 4);
    pic.write_port(FIRST, EOI);
    assert_eq!(pic.acknowledge(), 0x36);
}

#[test]
fn the_mask_holds_requests_back() {
    let mut pic = pair();
    pic.write_port(FIRST + 1, 1 << 3);
    assert_eq!(pic.read_port(FIRST + 1), 1 << 3);
    pic.set_line(3, true);
    assert!(!pic.output());
    assert_eq!(ask(&mut pic, FIRST, READ_IRR), 1 << 3);
    pic.write_port(FIRST + 1, 0);
    assert_eq!(pic.acknowledge(), 0x33);
}

#[test]
fn the_second_is_between_inputs_1_and_3() {
    let mut pic = pair();
    pic.set_line(3, true);
    pic.set_line(15, true);
    assert_eq!(pic.acknowledge(), 0x3f);
    assert_eq!((ask(&mut pic, FIRST, READ_ISR), ask(&mut pic, SECOND, READ_ISR)), (1 << CASCADE, 1 << 7));
    pic.write_port(SECOND, EOI);
    assert!(!pic.output(), "the first still serves the second");
    pic.write_port(FIRST, EOI);
    assert_eq!(pic.acknowledge(), 0x33);
}

#[test]
fn several_requests_of_the_second_come_one_after_the_other() {
    let mut pic = pair();
    pic.set_line(8, true);
    pic.set_line(12, true);
    for vector in [0x38, 0x3c] {
        assert_eq!(pic.acknowledge(), vector);
        pic.write_port(SECOND, EOI);
        pic.write_port(FIRST, EOI);
    }
    assert!(!pic.output());
}

#[test]
fn special_fully_nested_mode_lets_the_second_interrupt_itself() {
    for (icw4, nested) in [(0x01, false), (0x11, true)] {
        let mut pic = pair_with([icw4, 1]);
        pic.set_line(12, true);
        assert_eq!(pic.acknowledge(), 0x3c);
        pic.set_line(9, true);
        assert_eq!(pic.output(), nested);
        pic.set_line(3, true);
        assert_eq!(pic.output(), nested, "what is less urgent than the cascade is still locked out");
    }
}

#[test]
fn the_second_answers_only_to_its_identity() {
    let mut pic = pair();
    pic.write_port(SECOND, 0x11);
    for value in [0x38, 5, 1] {
        pic.write_port(SECOND + 1, value);
    }
    pic.set_line(9, true);
    assert_eq!(pic.acknowledge(), FLOATING);
    let mut pic = pair();
    pic.write_port(FIRST, 0x13);
    pic.write_port(FIRST + 1, 0x30);
    pic.write_port(FIRST + 1, 1);
    pic.set_line(9, true);
    assert_eq!(pic.acknowledge(), 0x32, "a single controller has no cascade");
}

#[test]
fn specific_end_of_interrupt_names_the_input() {
    let mut pic = pair();
    pic.set_line(5, true);
    pic.acknowledge();
    pic.set_line(1, true);
    pic.acknowledge();
    pic.write_port(FIRST, 0x60 | 5);
    assert_eq!(ask(&mut pic, FIRST, READ_ISR), 1 << 1);
}

#[test]
fn priorities_rotate() {
    // The commands, the input whose service they end, and the inputs by priority afterwards.
    for (command, in_service, order) in [
        (0xa0, 0, [5, 6, 7, 0, 1, 3, 4]),
        (0xe0 | 4, 0, [5, 6, 7, 0, 1, 3, 4]),
        (0xc0 | 6, 1 << 4, [7, 0, 1, 3, 4, 5, 6]),
        (0x40, 1 << 4, [0, 1, 3, 4, 5, 6, 7]),
    ] {
        let mut pic = pair();
        pic.set_line(4, true);
        pic.acknowledge();
        pic.set_line(4, false);
        pic.write_port(FIRST, command);
        assert_eq!(ask(&mut pic, FIRST, READ_ISR), in_service, "{command:#x}");
        pic.write_port(FIRST, 0x60 | 4);
        for input in [0, 1, 3, 4, 5, 6, 7] {
            pic.set_line(input, true);
        }
        for input in order {
            assert_eq!(pic.acknowledge(), 0x30 | input, "{command:#x}");
            pic.write_port(FIRST, 0x60 | input);
        }
    }
}

#[test]
fn automatic_end_of_interrupt_leaves_nothing_in_service_and_rotates_if_told() {
    let mut pic = pair_with([3, 1]);
    // The command before, and which of inputs 1 and 5 is the more urgent after input 3 was acknowledged.
    for (command, expected) in [(None, [1, 5]), (Some(0x80), [5, 1]), (Some(0x00), [1, 5])] {
        if let Some(command) = command {
            pic.write_port(FIRST, command);
        }
        pic.set_line(3, true);
        assert_eq!(pic.acknowledge(), 0x33);
        assert_eq!(ask(&mut pic, FIRST, READ_ISR), 0);
        pic.set_line(1, true);
        pic.set_line(5, true);
        assert_eq!([(); 2].map(|()| pic.acknowledge() & 7), expected, "after {command:?}");
        for input in [1, 3, 5] {
            pic.set_line(input, false);
        }
        // Input 7 is the lowest again.
        pic.write_port(FIRST, 0xc7);
    }
}

#[test]
fn special_mask_mode_lets_all_unmasked_inputs_through() {
    let mut pic = pair();
    pic.set_line(1, true);
    pic.acknowledge();
    pic.write_port(FIRST + 1, 1 << 1);
    pic.set_line(6, true);
    assert!(!pic.output());
    pic.write_port(FIRST, 0x68);
    assert_eq!(pic.acknowledge(), 0x36);
    pic.write_port(FIRST, EOI);
    pic.write_port(FIRST, EOI);
    assert_eq!(ask(&mut pic, FIRST, READ_ISR), 1 << 1, "masked: only a specific command ends it");
    pic.write_port(FIRST, 0x48);
    pic.write_port(FIRST, EOI);
    assert_eq!(ask(&mut pic, FIRST, READ_ISR), 0);
}

#[test]
fn a_poll_acknowledges_and_tells_the_input() {
    let mut pic = pair();
    assert_eq!(ask(&mut pic, FIRST, POLL), 0x07);
    pic.set_line(3, true);
    assert_eq!(ask(&mut pic, FIRST, POLL), 0x83);
    assert!(!pic.output());
    assert_eq!(pic.read_port(FIRST), 0, "only the next read is a poll");
    assert_eq!(ask(&mut pic, FIRST, READ_ISR), 1 << 3);
}

#[test]
fn initialisation_forgets_edges_mask_and_modes() {
    let mut pic = pair();
    pic.write_port(FIRST + 1, 0xf0);
    pic.write_port(FIRST, 0x68);
    pic.write_port(FIRST, READ_ISR);
    pic.write_port(FIRST, 0xc0 | 3);
    pic.set_line(3, true);
    pic.write_port(FIRST, 0x11);
    pic.set_line(4, true);
    assert!(!pic.output(), "not ready before the last word");
    for value in [0x40, 4, 1] {
        pic.write_port(FIRST + 1, value);
    }
    assert_eq!(pic.read_port(FIRST + 1), 0);
    assert_eq!(pic.read_port(FIRST), 1 << 4, "the rise before ICW1 is forgotten, and reads give the requests again");
    pic.set_line(0, true);
    assert_eq!(pic.acknowledge(), 0x40, "input 7 is the lowest again");
}

#[test]
fn without_icw4_its_modes_are_off() {
    let mut pic = pair_with([0x13, 1]);
    pic.write_port(FIRST, 0x10);
    pic.write_port(FIRST + 1, 0x30);
    pic.write_port(FIRST + 1, 4);
    pic.set_line(0, true);
    pic.acknowledge();
    assert_eq!(ask(&mut pic, FIRST, READ_ISR), 1);
}

#[test]
fn nothing_is_requested_before_the_first_initialisation() {
    let mut pic = Pic::new();
    pic.set_line(1, true);
    assert!(!pic.output());
}

#[test]
fn lines_that_are_none_are_ignored() {
    let mut pic = pair();
    for line in [CASCADE, NR_INPUTS, u8::MAX] {
        pic.set_line(line, true);
        pic.pulse(line);
    }
    assert!(!pic.output());
}

#[test]
fn the_output_is_told_as_a_pin() {
    let mut pic = pair();
    pic.set_line(3, true);
    assert_eq!(pic.take(), Some(Signal { pin: INT, rises: 1, high: true }));
    pic.acknowledge();
    assert_eq!(pic.take(), Some(Signal { pin: INT, rises: 0, high: false }));
    assert_eq!(pic.take(), None);
}

#[test]
fn wide_accesses_reach_one_port_after_the_other() {
    let mut pic = pair();
    pic.write(0, 4, 2, 0xffff);
    assert_eq!(pic.read(0, 4, 4), 0xffff_def8);
}

#[test]
fn a_second_that_never_stops_requesting_makes_a_new_edge_each_time() {
    let acknowledge: fn(&mut Pic) -> u8 = Pic::acknowledge;
    let polls: fn(&mut Pic) -> u8 = |pic| {
        assert_eq!(ask(pic, FIRST, POLL), 0x80 | CASCADE);
        0x38 | ask(pic, SECOND, POLL) & 7
    };
    for take in [acknowledge, polls] {
        let mut pic = pair_with([1, 3]);
        pic.set_line(8, true);
        pic.set_line(12, true);
        for vector in [0x38, 0x3c] {
            assert!(pic.output());
            assert_eq!(take(&mut pic), vector);
            pic.write_port(FIRST, EOI);
        }
        assert!(!pic.output());
    }
}

#[test]
fn a_poll_of_the_first_leaves_the_request_of_the_second() {
    let mut pic = pair();
    pic.set_line(9, true);
    ask(&mut pic, FIRST, POLL);
    pic.write_port(FIRST, EOI);
    assert_eq!(ask(&mut pic, FIRST, READ_IRR), 0, "no edge until the second is acknowledged");
}

#[test]
fn pulses_do_not_push_each_other_out() {
    let mut pic = pair();
    pic.pulse(3);
    pic.pulse(4);
    assert_eq!(pic.take().map(|signal| signal.high), Some(true));
    assert_eq!((pic.acknowledge(), ask(&mut pic, FIRST, READ_IRR)), (0x33, 1 << 4));
}

#[test]
fn what_is_no_register_takes_nothing() {
    let mut pic = pair();
    let before = pic.clone();
    for offset in [6, 7, u64::MAX] {
        pic.write(0, offset, 1, 0xff);
        assert_eq!(pic.read(0, offset, 1), 0xff);
    }
    pic.write_port(0x22, 0xff);
    assert_eq!((pic.read_port(0x22), pic), (0xff, before));
}

#[test]
fn a_devices_pin_requests_by_its_rises() {
    for (high_before, rises, high, requested) in [
        (false, 0, false, false),
        (false, 1, true, true),
        (false, 1, false, true),
        (true, 0, true, false),
        (true, 0, false, false),
        (true, 2, true, true),
        (true, 2, false, true),
    ] {
        let mut pic = pair();
        if high_before {
            pic.set_line(3, true);
            pic.acknowledge();
            pic.write_port(FIRST, EOI);
        }
        pic.follow(3, Signal { pin: 0, rises, high });
        assert_eq!(pic.output(), requested, "{high_before} {rises} {high}");
        let asserted = pic.output();
        pic.set_line(3, true);
        assert_eq!(pic.output(), asserted || !high, "the line is left at its level");
    }
}

proptest! {
    #[test]
    fn hostile_accesses_do_no_harm(steps in hostile::strategy::steps(6)) {
        hostile::survive(Pic::new(), &steps);
    }

    #[test]
    fn hostile_commands_and_lines_do_no_harm(
        steps in proptest::collection::vec((0..6_usize, any::<u8>(), any::<u8>(), any::<bool>()), 0..200),
    ) {
        let mut pic = pair();
        for (offset, value, line, high) in steps {
            pic.write_port(PORTS[offset], value);
            pic.set_line(line % 20, high);
            pic.read_port(PORTS[usize::from(value) % 6]);
            let (requested, before) = (pic.output(), pic.clone());
            pic.acknowledge();
            prop_assert!(requested || pic == before, "a spurious acknowledge changes nothing");
        }
    }
}
