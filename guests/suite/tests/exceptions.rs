//! The tables of exceptions hold what they claim, and each column of what they judge counts.

#[path = "../src/exceptions/alignment_model.rs"]
mod alignment_model;
#[path = "../src/hypercall/answer_model.rs"]
mod answer_model;
#[path = "../src/exceptions/breakpoint_model.rs"]
mod breakpoint_model;
#[path = "../src/exceptions/debug_model.rs"]
mod debug_model;
#[expect(dead_code, reason = "the cases use the rest")]
#[path = "../src/exceptions/delivery_model.rs"]
mod delivery_model;
#[path = "../src/exceptions/mode.rs"]
mod mode;
#[expect(dead_code, reason = "the cases use the rest")]
#[path = "../src/exceptions/shadow_model.rs"]
mod shadow_model;
#[expect(dead_code, reason = "the cases use the rest")]
#[path = "../src/exceptions/step_model.rs"]
mod step_model;
#[expect(dead_code, reason = "the cases use the rest")]
#[path = "../src/exceptions/vector_model.rs"]
mod vector_model;

use mode::Mode;
use vector_model::{Expected, INTERRUPTS, Observed, PRIVILEGED, RARE, Row, UNPRIVILEGED, columns, expected};

/// Every mode.
const MODES: [Mode; 10] = [
    Mode::Long0,
    Mode::Long3,
    Mode::Compatible0,
    Mode::Compatible3,
    Mode::Protected32,
    Mode::User32,
    Mode::Protected16,
    Mode::User16,
    Mode::Real,
    Mode::Virtual8086,
];

const UNMAPPED: u64 = 0x100_0000_0000;

fn vector_rows() -> Vec<&'static Row> {
    static ALL: [&[Row]; 4] = [&UNPRIVILEGED, &PRIVILEGED, &INTERRUPTS, &RARE];
    ALL.iter().flat_map(|rows| rows.iter()).collect()
}

fn as_seen(expected: &Expected) -> Observed {
    Observed {
        outcome: expected.outcome,
        ip: expected.ip,
        flags: expected.flags.unwrap_or(2),
        sp: 0,
        cr2: expected.cr2.unwrap_or(0),
    }
}

fn passes(pairs: &[Option<(u64, u64)>]) -> bool {
    pairs.iter().flatten().all(|(actual, expected)| actual == expected)
}

#[test]
fn every_column_of_every_row_of_the_vectors_counts() {
    let mut nr_judged = 0;
    for row in vector_rows() {
        for mode in MODES {
            let Some(expected) = expected(row, mode, UNMAPPED) else { continue };
            let right = as_seen(&expected);
            assert!(passes(&columns(&expected, &right)), "{} in {mode:?}", row.name);
            nr_judged += 1;
            let mut wrong = vec![
                Observed { outcome: right.outcome ^ 1, ..right },
                Observed { outcome: right.outcome ^ 1 << 33, ..right },
                Observed { ip: right.ip + 1, ..right },
            ];
            if expected.flags.is_some() {
                wrong.extend([
                    Observed { flags: right.flags ^ 1, ..right },
                    Observed { flags: right.flags ^ 1 << 9, ..right },
                    Observed { sp: 4, ..right },
                ]);
            }
            if expected.cr2.is_some() {
                wrong.push(Observed { cr2: right.cr2 + 1, ..right });
            }
            for observed in wrong {
                assert!(!passes(&columns(&expected, &observed)), "{} in {mode:?}: {observed:?}", row.name);
            }
        }
    }
    assert!(nr_judged > 500, "{nr_judged}");
}

#[test]
fn names_of_vectors_are_unique_and_programs_fit() {
    let mut names: Vec<_> = vector_rows().iter().map(|row| row.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), vector_rows().len());
    assert!(vector_rows().iter().all(|row| row.bytes.len() <= 28 && usize::from(row.start) < row.bytes.len()));
}

#[test]
fn mode_decides_known_outcomes() {
    let find = |name: &str| *vector_rows().iter().find(|row| row.name == name).expect("the row is there");
    let outcome = |name: &str, mode| expected(find(name), mode, UNMAPPED).map(|expected| expected.outcome);
    let exception = |vector, code| Some(case::message::outcome::exception(vector, code));
    assert_eq!(outcome("INT 5", Mode::User32), exception(13, 5 << 3 | 2));
    assert_eq!(outcome("INT 5", Mode::Protected32), exception(5, 0));
    assert_eq!(outcome("INT 5", Mode::Virtual8086), exception(13, 0));
    assert_eq!(outcome("INT 32", Mode::Long3), exception(13, 32 << 3 | 2));
    assert_eq!(outcome("INTO, OF set", Mode::Long0), exception(6, 0));
    assert_eq!(outcome("INTO, OF set", Mode::Compatible0), exception(4, 0));
    assert_eq!(outcome("LTR", Mode::Real), exception(6, 0));
    assert_eq!(outcome("LTR", Mode::Protected16), exception(13, 0x20));
    assert_eq!(outcome("LTR", Mode::User16), exception(13, 0));
    assert_eq!(outcome("CLI", Mode::Virtual8086), exception(13, 0));
    assert_eq!(outcome("CLI", Mode::Real), Some(0));
    assert_eq!(outcome("load, unmapped", Mode::Long3), exception(14, 4));
    assert_eq!(outcome("load, unmapped", Mode::Real), None);
    assert_eq!(outcome("load beyond SS", Mode::Protected32), Some(0));
    assert_eq!(outcome("load beyond SS", Mode::Real), exception(12, 0));
    assert_eq!(outcome("MOV to DS, no such segment", Mode::Compatible3), exception(13, 0x1f8));
}

#[test]
fn every_column_of_every_step_counts() {
    use step_model::{CALLS, Observed, PLAIN, Row, STACK_LOADS, SYSTEM, columns};
    static ALL: [&[Row]; 4] = [&PLAIN, &SYSTEM, &STACK_LOADS, &CALLS];
    let passes = |row, seen: &Observed| columns(row, seen).iter().all(|(actual, expected)| actual == expected);
    for row in ALL.iter().flat_map(|rows| rows.iter()) {
        let pairs = columns(row, &Observed { outcome: 0, ip: 0, flags: 0, dr6: 0 });
        let right = Observed { outcome: pairs[0].1, ip: pairs[1].1, flags: pairs[2].1, dr6: pairs[3].1 };
        assert!(passes(row, &right), "{}", row.name);
        for wrong in [
            Observed { outcome: right.outcome ^ 1 << 32, ..right },
            Observed { ip: right.ip + 1, ..right },
            Observed { flags: right.flags ^ 1 << 8, ..right },
            Observed { dr6: right.dr6 ^ 1 << 14, ..right },
            Observed { dr6: right.dr6 | 1, ..right },
        ] {
            assert!(!passes(row, &wrong), "{}: {wrong:?}", row.name);
        }
    }
}

#[test]
fn steps_apply_by_privilege() {
    use step_model::{PLAIN, STACK_LOADS, SYSTEM, applies};
    assert!(MODES.iter().all(|&mode| PLAIN.iter().chain(&STACK_LOADS).all(|row| applies(row, mode))));
    let count = |mode| SYSTEM.iter().filter(|row| applies(row, mode)).count();
    assert_eq!((count(Mode::Long0), count(Mode::Long3), count(Mode::Virtual8086)), (13, 5, 3));
}

#[test]
fn double_faults_are_those_of_the_manuals_table() {
    use delivery_model::{Class, is_double_fault};
    let classes = [Class::Benign, Class::Contributory, Class::PageFault];
    let table = classes.map(|first| classes.map(|second| is_double_fault(first, second)));
    assert_eq!(table, [[false, false, false], [false, true, false], [false, true, true]]);
}

#[test]
fn every_column_of_every_pair_of_exceptions_counts() {
    use delivery_model::{First, Observed, Obstacle, PROTECTED, PROTECTED_BENIGN, SUPERVISOR, USER, columns};
    let obstacles = [
        Obstacle::GateNotPresent,
        Obstacle::GateType,
        Obstacle::NullSegment,
        Obstacle::WrongSegment(0x10),
        Obstacle::SegmentNotPresent(0x68),
        Obstacle::StackNotCanonical,
        Obstacle::StackNotMapped,
    ];
    static ALL: [&[First]; 4] = [&USER, &SUPERVISOR, &PROTECTED, &PROTECTED_BENIGN];
    for first in ALL.iter().flat_map(|rows| rows.iter()) {
        for obstacle in obstacles {
            let judge = |seen: &Observed| columns(first, obstacle, seen);
            let [outcome, ip] = judge(&Observed { outcome: 0, ip: 0 });
            let outcome = outcome.expect("the outcome is always judged").1;
            let right = Observed { outcome, ip: 0 };
            assert!(passes(&judge(&right)), "{} {obstacle:?}", first.name);
            let mut wrong = vec![
                Observed { outcome: outcome ^ 1 << 33, ..right },
                Observed { outcome: outcome ^ 1 << 1, ..right },
                Observed { outcome: 0, ..right },
            ];
            if ip.is_some() {
                wrong.push(Observed { ip: 1, ..right });
            }
            if first.is_software {
                wrong.push(Observed { outcome: outcome | 1, ..right });
            }
            assert!(wrong.iter().all(|seen| !passes(&judge(seen))), "{} {obstacle:?}", first.name);
        }
    }
}

#[test]
fn breakpoints_match_by_overlap_and_kind() {
    use breakpoint_model::{SIZES, borders, expected, overlaps};
    for length in SIZES {
        for size in SIZES {
            let by_bytes = |offset: i64| (offset..offset + size as i64).any(|byte| (0..length as i64).contains(&byte));
            assert!((-10..10).all(|offset| overlaps(length, offset, size) == by_bytes(offset)), "{length} {size}");
            let [below, .., above] = borders(length, size);
            assert!(!by_bytes(below) && by_bytes(below + 1) && !by_bytes(above) && by_bytes(above - 1));
            assert_eq!(expected(length, size, false, true), 0b01110);
            assert_eq!(expected(length, size, true, false), 0b01110);
            assert_eq!(expected(length, size, true, true), 0b01110);
            assert_eq!(expected(length, size, false, false), 0);
        }
    }
}

#[test]
fn each_condition_of_an_alignment_check_counts() {
    use alignment_model::{Enabled, expected};
    let all = Enabled { mask: true, flag: true, is_user: true };
    assert_eq!([1, 2, 4, 8].map(|size| expected(all, size)), [0, 0b0_1010_1010, 0b0_1110_1110, 0b0_1111_1110]);
    for less in [Enabled { mask: false, ..all }, Enabled { flag: false, ..all }, Enabled { is_user: false, ..all }] {
        assert!([1, 2, 4, 8].into_iter().all(|size| expected(less, size) == 0), "{less:?}");
    }
}

#[test]
fn shutdowns_are_double_faults_that_cannot_be_delivered() {
    use delivery_model::{DIVIDE, INVALID, Obstacle, PAGE_FAULT, USER, is_shutdown};
    let gate = Obstacle::GateNotPresent;
    let pages = Obstacle::StackNotMapped;
    for third in [gate, pages, Obstacle::StackNotCanonical, Obstacle::GateType, Obstacle::NullSegment] {
        assert!(is_shutdown(&DIVIDE, gate, third) && is_shutdown(&PAGE_FAULT, gate, third));
        assert!(is_shutdown(&PAGE_FAULT, pages, third));
        // A page fault behind a contributory exception is delivered, and benign events are never the first of two.
        assert!(!is_shutdown(&DIVIDE, pages, third));
        assert!(!is_shutdown(&INVALID, gate, third) && !is_shutdown(&INVALID, pages, third));
        assert!(USER.iter().filter(|first| first.is_software).all(|first| !is_shutdown(first, gate, third)));
    }
}

#[test]
fn every_column_of_every_waiting_interrupt_counts() {
    use shadow_model::{Due, EVENTS, INTERRUPT_FLAG, OTHERS, Observed, Row, SET, STACK_LOADS, columns};
    static ALL: [&[Row]; 4] = [&SET, &EVENTS, &STACK_LOADS, &OTHERS];
    for row in ALL.iter().flat_map(|rows| rows.iter()) {
        let nothing = Observed { outcome: 0, ip: 99, flags: 0, is_requested: false, is_in_service: false };
        let [outcome, ip, flags, waiting] = columns(row, &nothing);
        let waiting = waiting.expect("it is always judged").1;
        let right = Observed {
            outcome: outcome.expect("it is always judged").1,
            ip: ip.expect("it is always judged").1,
            flags: flags.map_or(0, |(_, expected)| expected),
            is_requested: waiting & 1 != 0,
            is_in_service: waiting & 2 != 0,
        };
        assert!(passes(&columns(row, &right)), "{}", row.name);
        let mut wrong = vec![
            Observed { outcome: right.outcome ^ 1 << 32, ..right },
            Observed { outcome: right.outcome ^ 1 << 63, ..right },
            Observed { is_requested: !right.is_requested, ..right },
            Observed { is_in_service: !right.is_in_service, ..right },
            Observed { ip: 31, ..right },
            Observed { ip: 64, ..right },
        ];
        if let Due::Interrupt(offsets) = row.due {
            wrong.push(Observed { flags: right.flags ^ INTERRUPT_FLAG, ..right });
            // Each accepted place lies in the program or behind it, and no other is taken.
            assert!(offsets != 0 && offsets >> (row.bytes.len() + 1) == 0, "{}", row.name);
            for ip in 0..32_u64 {
                let seen = Observed { ip, ..right };
                assert_eq!(passes(&columns(row, &seen)), offsets >> ip & 1 != 0, "{} at {ip}", row.name);
            }
        } else {
            wrong.push(Observed { ip: right.ip + 1, ..right });
        }
        assert!(wrong.iter().all(|seen| !passes(&columns(row, seen))), "{}", row.name);
    }
}

#[test]
fn waiting_interrupts_apply_by_mode() {
    use shadow_model::{OTHERS, SET, STACK_LOADS, applies, privilege};
    let count = |mode| {
        let nr = |rows: &[shadow_model::Row]| rows.iter().filter(|row| applies(row, mode)).count();
        (nr(&SET), nr(&STACK_LOADS), nr(&OTHERS))
    };
    assert_eq!(count(Mode::Long0), (19, 3, 6));
    assert_eq!(count(Mode::Long3), (15, 3, 6));
    assert_eq!(count(Mode::Compatible3), (15, 5, 6));
    assert_eq!(count(Mode::Real), (19, 5, 3));
    assert_eq!(count(Mode::Virtual8086), (15, 5, 5));
    assert_eq!((privilege(&SET[0], Mode::Long3), privilege(&SET[0], Mode::Long0)), (3 << 12, 0));
    assert!(OTHERS.iter().any(|row| applies(row, Mode::Long3) && privilege(row, Mode::Long3) == 0));
}

/// All pairs are equal.
fn holds(pairs: &[(u64, u64)]) -> bool {
    pairs.iter().all(|(actual, expected)| actual == expected)
}

#[test]
fn every_column_of_the_debug_registers_counts() {
    use case::message::outcome::{COMPLETED, exception};
    use debug_model::{FIXED_OF_DR6, LATER_OF_DR6, WRITABLE_OF_DR6, access_at_cpl_3, alias, stay};
    let divide = exception(0, 0);
    for causes in [2, 1 << 14, 1 << 15, 9] {
        assert!(holds(&stay(causes, divide, FIXED_OF_DR6 | causes)));
        assert!(!holds(&stay(causes, COMPLETED, FIXED_OF_DR6 | causes)));
        assert!(!holds(&stay(causes, exception(6, 0), FIXED_OF_DR6 | causes)));
        for bit in (0..16).filter(|bit| WRITABLE_OF_DR6 >> bit & 1 != 0) {
            assert!(!holds(&stay(causes, divide, (FIXED_OF_DR6 | causes) ^ 1 << bit)), "{bit}");
        }
    }
    assert!(holds(&access_at_cpl_3(exception(13, 0), 0)));
    for (outcome, ip) in [(COMPLETED, 0), (exception(13, 1), 0), (exception(6, 0), 0), (exception(13, 0), 3)] {
        assert!(!holds(&access_at_cpl_3(outcome, ip)));
    }
    for number in [4, 5] {
        let value = if number == 4 { FIXED_OF_DR6 } else { 1 << 10 };
        assert!(passes(&alias(number, true, exception(6, 0), 0)));
        assert!(!passes(&alias(number, true, COMPLETED, value)) && !passes(&alias(number, true, exception(13, 0), 0)));
        assert!(passes(&alias(number, false, COMPLETED, value)));
        assert!(!passes(&alias(number, false, exception(6, 0), value)));
        let counting = (0..32).filter(|bit| number == 5 || LATER_OF_DR6 >> bit & 1 == 0);
        assert!(counting.into_iter().all(|bit| !passes(&alias(number, false, COMPLETED, value ^ 1 << bit))));
    }
    assert!(passes(&alias(4, false, COMPLETED, FIXED_OF_DR6 ^ LATER_OF_DR6)));
}

#[test]
fn every_column_of_data_breakpoints_counts() {
    use breakpoint_model::{SIZES, columns, expected, is_break};
    use case::message::outcome::{COMPLETED, exception};
    assert!(is_break(exception(1, 0), 2, 2));
    for (outcome, ip) in [(COMPLETED, 2), (exception(3, 0), 2), (exception(1, 0), 0), (exception(1, 0), 3)] {
        assert!(!is_break(outcome, ip, 2));
    }
    for number in 0..4 {
        for (length, size) in SIZES.into_iter().flat_map(|length| SIZES.map(|size| (length, size))) {
            let mask = expected(length, size, false, true);
            assert!(holds(&columns(mask, number, mask, 1 << number)));
            assert!((0..5).all(|border| !holds(&columns(mask, number, mask ^ 1 << border, 1 << number))));
            assert!((0..4).all(|cause| !holds(&columns(mask, number, mask, 1 << number ^ 1 << cause))));
        }
        assert!(holds(&columns(0, number, 0, 0)) && !holds(&columns(0, number, 0, 1 << number)));
        assert!(!holds(&columns(0, number, 2, 0)));
    }
}

#[test]
fn every_column_of_alignment_checks_counts() {
    use alignment_model::{Enabled, NR_OFFSETS, Seen, columns, expected};
    use case::message::outcome::{COMPLETED, exception};
    let all = Enabled { mask: true, flag: true, is_user: true };
    let check = exception(17, 0);
    for enabled in
        [all, Enabled { mask: false, ..all }, Enabled { flag: false, ..all }, Enabled { is_user: false, ..all }]
    {
        for size in [1, 2, 4, 8] {
            let walk = |wrong: Option<(u64, u64, u64)>| {
                let mut seen = Seen::NOTHING;
                for offset in 0..NR_OFFSETS {
                    let is_due = expected(enabled, size) >> offset & 1 != 0;
                    let (outcome, ip) = match wrong {
                        Some((at, outcome, ip)) if at == offset => (outcome, ip),
                        _ => (if is_due { check } else { COMPLETED }, 0),
                    };
                    seen.take(offset, outcome, ip);
                }
                holds(&columns(enabled, size, seen))
            };
            assert!(walk(None));
            for offset in 0..NR_OFFSETS {
                let other = if expected(enabled, size) >> offset & 1 != 0 { COMPLETED } else { check };
                for wrong in [(other, 0), (exception(17, 1), 0), (exception(14, 4), 0), (check, 2)] {
                    assert!(!walk(Some((offset, wrong.0, wrong.1))), "{enabled:?} {size} {offset} {wrong:?}");
                }
            }
        }
    }
}

#[test]
fn every_column_of_a_refused_hypercall_counts() {
    use answer_model::{NOT_PERMITTED, refused};
    use case::message::outcome::{COMPLETED, exception};
    assert!(holds(&refused(COMPLETED, NOT_PERMITTED)));
    assert!(!holds(&refused(exception(6, 0), NOT_PERMITTED)) && !holds(&refused(exception(13, 0), NOT_PERMITTED)));
    for rax in [0, -1000_i64 as u64, 0xffff_ffff, -95_i64 as u64] {
        assert!(!holds(&refused(COMPLETED, rax)));
    }
}

#[test]
fn every_column_of_a_hypercall_outside_of_64_bit_mode_counts() {
    use answer_model::{NUMBERS, narrow};
    use case::message::outcome::{COMPLETED, exception};
    for (_, answer) in NUMBERS {
        for is_user in [false, true] {
            let right = if is_user { 0xffff_ffff } else { answer & 0xffff_ffff };
            assert!(holds(&narrow(is_user, answer, COMPLETED, right, true)));
            assert!(holds(&narrow(is_user, answer, COMPLETED, right | 1 << 40, true)));
            assert!(!holds(&narrow(is_user, answer, exception(6, 0), right, true)));
            assert!(!holds(&narrow(is_user, answer, COMPLETED, right ^ 1, true)));
            assert!(!holds(&narrow(is_user, answer, COMPLETED, right, false)));
        }
    }
}
