//! The tables of exceptions hold what they claim, and each column of what they judge counts.

#[path = "../src/exceptions/mode.rs"]
mod mode;
#[expect(dead_code, reason = "the cases use the rest")]
#[path = "../src/exceptions/step_model.rs"]
mod step_model;
#[expect(dead_code, reason = "the cases use the rest")]
#[path = "../src/exceptions/vector_model.rs"]
mod vector_model;

use mode::Mode;
use vector_model::{Expected, INTERRUPTS, Observed, PRIVILEGED, RARE, Row, UNPRIVILEGED, columns, expected};

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
        for mode in Mode::ALL {
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
    assert!(Mode::ALL.iter().all(|&mode| PLAIN.iter().chain(&STACK_LOADS).all(|row| applies(row, mode))));
    let count = |mode| SYSTEM.iter().filter(|row| applies(row, mode)).count();
    assert_eq!((count(Mode::Long0), count(Mode::Long3), count(Mode::Virtual8086)), (13, 5, 3));
}
