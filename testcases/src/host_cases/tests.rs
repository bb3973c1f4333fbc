//! A right state passes, and a wrong value in any field of any table is caught.

use super::{reset::Expect, *};

const SIGNATURE: u64 = 0x00a2_0f12;

/// States before and after that a table accepts.
fn right(rows: &[Row]) -> (Fields, Fields) {
    let mut before = Fields::new();
    let mut after = vec![("signature".to_owned(), SIGNATURE)];
    for row in rows {
        let value = match &row.expect {
            Expect::OneOf(values) => values[0],
            Expect::Unchanged => 0x5a5a & row.mask,
            Expect::Started | Expect::WentOn => 0x77,
            Expect::Signature => SIGNATURE,
        };
        before.push((row.field.clone(), value));
        match after.iter_mut().find(|(name, _)| *name == row.field) {
            Some((_, former)) => *former |= value,
            None => after.push((row.field.clone(), value)),
        }
    }
    (before, after)
}

fn cases() -> impl Iterator<Item = (Case, Vec<Row>)> {
    all().into_iter().zip(CASES).map(|(case, host_case)| (case, (host_case.rows)()))
}

#[test]
fn a_right_state_passes() {
    for (case, rows) in cases() {
        let (before, after) = right(&rows);
        let result = judge(&case, &rows, Some(&before), &after);
        assert_eq!(
            (result.verdict, result.checks.len()),
            (Verdict::Pass, rows.len()),
            "{} {:?}",
            case.id,
            result.reason
        );
    }
}

#[test]
fn a_wrong_value_in_any_field_is_caught() {
    for (case, rows) in cases() {
        let (before, after) = right(&rows);
        for row in &rows {
            let mut wrong = after.clone();
            for (name, value) in &mut wrong {
                if *name == row.field {
                    // The lowest and the highest bit that count.
                    *value ^= 1 << row.mask.trailing_zeros() | 1 << row.mask.ilog2();
                }
            }
            let result = judge(&case, &rows, Some(&before), &wrong);
            let failing: Vec<_> =
                result.checks.iter().filter(|check| check.verdict == Verdict::Fail).map(|check| &check.id).collect();
            assert!(failing.contains(&&row.id()), "{}: {}", case.id, row.field);
        }
    }
}

#[test]
fn a_field_that_was_not_read_is_an_error() {
    for (case, rows) in cases() {
        let (before, mut after) = right(&rows);
        after.pop();
        assert_eq!(judge(&case, &rows, Some(&before), &after).verdict, Verdict::Error, "{}", case.id);
    }
}

#[test]
fn a_field_that_a_processor_may_lack_is_left_out() {
    for (case, rows) in cases() {
        let optional = rows.iter().filter(|row| row.is_optional).count();
        let (before, mut after) = right(&rows);
        after.retain(|(name, _)| !rows.iter().any(|row| row.is_optional && row.field == *name));
        let result = judge(&case, &rows, Some(&before), &after);
        assert_eq!((result.verdict, result.checks.len()), (Verdict::Pass, rows.len() - optional), "{}", case.id);
    }
}

#[test]
fn a_counter_starts_from_zero_and_goes_on() {
    let started = reset::time_behind_reset().pop().unwrap();
    assert!(started.accepts(0, None, 0) && started.accepts(1 << 39, None, 0) && !started.accepts(1 << 40, None, 0));
    let went_on = reset::time_behind_init().pop().unwrap();
    assert!(went_on.accepts(1 << 50, Some(1 << 50), 0) && went_on.accepts(1 << 50 | 5, Some(1 << 50), 0));
    assert!(!went_on.accepts(5, Some(1 << 50), 0) && !went_on.accepts((1 << 50) - 1, Some(1 << 50), 0));
    assert!(!went_on.accepts(1 << 51, Some(1 << 50), 0) && !went_on.accepts(5, None, 0));
}

#[test]
fn checks_have_ids_of_their_own() {
    for (case, rows) in cases() {
        let ids: std::collections::BTreeSet<_> = rows.iter().map(Row::id).collect();
        assert_eq!(ids.len(), rows.len(), "{}", case.id);
    }
}

#[test]
fn a_signature_is_that_of_cpuid_or_of_the_manual() {
    let row = reset::processor_behind_reset().into_iter().find(|row| row.expect == Expect::Signature).unwrap();
    assert!(row.accepts(SIGNATURE, None, SIGNATURE) && row.accepts(0x000a_06c3, None, SIGNATURE));
    assert!(!row.accepts(0, None, SIGNATURE) && !row.accepts(0x700, None, SIGNATURE));
}
