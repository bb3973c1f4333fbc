//! The tables of single steps hold what they claim, and each column of what they judge counts.

#[expect(dead_code, reason = "the cases use the rest")]
#[path = "../src/exceptions/step_walk_model.rs"]
mod step_walk_model;

use iced_x86::{Decoder, DecoderOptions};
use step_walk_model::{FLOWS, MAX_STOPS, PORTS, REPEATS, Seen, Stop, TRAP_FLAG, columns};

fn passes(expected: &Seen, seen: &Seen) -> bool {
    columns(expected, seen).iter().all(|(actual, expected)| actual == expected)
}

fn every_column_counts(expected: &Seen, name: &str) {
    assert!(passes(expected, expected), "{name}");
    for shift in [0, 8] {
        for wrong in [
            Seen { kinds: expected.kinds ^ 0x82 << shift, ..*expected },
            Seen { ips: expected.ips ^ 1 << shift, ..*expected },
            Seen { counts: expected.counts ^ 1 << shift, ..*expected },
            Seen { accesses: expected.accesses ^ 1 << shift, ..*expected },
            Seen { flags: expected.flags ^ 1 << shift, ..*expected },
        ] {
            assert!(!passes(expected, &wrong), "{name}: {wrong:?}");
        }
    }
}

#[test]
fn every_column_of_every_walk_counts() {
    for row in REPEATS.iter().chain(&PORTS) {
        every_column_counts(&row.expected(1), row.name);
        assert!(row.iterations <= row.count && usize::from(row.iterations) + 2 <= MAX_STOPS, "{}", row.name);
    }
    for row in &FLOWS {
        every_column_counts(&row.expected(), row.name);
    }
}

#[test]
fn a_walk_of_three_iterations_is_known() {
    let row = REPEATS.iter().find(|row| row.name == "REP MOVSD, 3").expect("the row is there");
    let seen = row.expected(2);
    assert_eq!(seen.kinds, 0x86_01_01_01_01);
    assert_eq!(seen.ips, 0x03_03_02_00_00);
    assert_eq!(seen.counts, 0x00_00_00_01_02);
    assert_eq!(seen.accesses, 0x06_06_06_04_02);
    assert_eq!(seen.flags, 0x01_01_01_01_01);
}

#[test]
fn only_a_step_that_is_alone_lets_a_walk_go_on() {
    let step = Stop { vector: 1, dr6: 1 << 14 | 0xffff_0ff0, ip: 1, count: 0, accesses: 0, flags: TRAP_FLAG };
    let mut seen = Seen::NOTHING;
    assert!(seen.take(step));
    for other in [
        Stop { vector: 6, ..step },
        Stop { dr6: 0xffff_0ff0, ..step },
        Stop { dr6: 0xffff_4ff1, ..step },
        Stop { dr6: 0xffff_6ff0, ..step },
    ] {
        let mut seen = Seen::NOTHING;
        assert!(!seen.take(other) && seen.kinds & 0x80 != 0, "{other:?}");
    }
    let mut seen = Seen::NOTHING;
    let nr_stops = (0..).take_while(|_| seen.take(step)).count() + 1;
    assert_eq!(nr_stops, MAX_STOPS);
}

#[test]
fn steps_stand_at_borders_of_instructions() {
    for row in &FLOWS {
        let mut decoder = Decoder::new(64, row.bytes, DecoderOptions::NONE);
        let mut borders = vec![0];
        while decoder.can_decode() {
            assert!(!decoder.decode().is_invalid(), "{}", row.name);
            borders.push(decoder.position());
        }
        for &(_, ip, _) in row.stops {
            assert!(borders.contains(&usize::from(ip)), "{}: {ip}", row.name);
        }
        assert_eq!(
            row.stops.last().map(|&(is_step, ip, _)| (is_step, usize::from(ip))),
            Some((false, row.bytes.len()))
        );
    }
    for row in REPEATS.iter().chain(&PORTS) {
        let instruction = Decoder::new(64, row.bytes, DecoderOptions::NONE).decode();
        assert!(instruction.is_string_instruction() && instruction.len() == row.bytes.len(), "{}", row.name);
        let mnemonic = format!("{:?}", instruction.mnemonic()).to_uppercase();
        assert!(row.name.contains(&mnemonic), "{}: {mnemonic}", row.name);
    }
}
