//! A result set against a former one of the same case: the one comparison of gates, of `report diff` and of the history.

use crate::model::{Against, Case, Verdict};
use std::collections::BTreeSet;

/// The ids of the checks that fail.
pub fn failing(case: &Case) -> BTreeSet<&str> {
    case.checks.iter().filter(|check| check.verdict != Verdict::Pass).map(|check| check.id.as_str()).collect()
}

/// How failing checks stand against those that are known to fail, under the same verdict.
///
/// Fewer of the same are an improvement; any other is new, even if the known ones hold now.
pub fn compare_failing(known: &BTreeSet<&str>, now: &BTreeSet<&str>) -> Against {
    if now == known {
        Against::Expected
    } else if now.is_subset(known) {
        Against::Fixed
    } else {
        Against::Regressed
    }
}

/// How a result stands against the former one, if there was one. The verdict `error` says nothing, then or now: a former one
/// is as good as none, and whoever compares looks at a present one first.
pub fn compare(former: Option<&Case>, now: &Case) -> Against {
    // What the harness failed to run then is as unknown as what did not exist.
    let Some(former) = former.filter(|former| former.verdict != Verdict::Error) else { return Against::New };
    match (former.verdict, now.verdict) {
        (Verdict::Skip, Verdict::Pass) => Against::New,
        (before, after) if before == after => compare_failing(&failing(former), &failing(now)),
        (_, Verdict::Pass) => Against::Fixed,
        // Also a skip: a case that ran and does so no more has vanished.
        _ => Against::Regressed,
    }
}

#[cfg(test)]
mod tests {
    use super::compare;
    use crate::{
        example,
        model::{Against, Verdict},
    };

    #[test]
    fn every_pair_of_verdicts_is_one_of_the_table() {
        use Against::{Expected, Fixed, New, Regressed};
        // A row for each verdict before, a column for each now, in the order of `Verdict::ALL` without `error`.
        let table = [
            (Verdict::Pass, [Expected, Regressed, Regressed, Regressed, Regressed]),
            (Verdict::Fail, [Fixed, Expected, Regressed, Regressed, Regressed]),
            (Verdict::Crash, [Fixed, Regressed, Expected, Regressed, Regressed]),
            (Verdict::Hang, [Fixed, Regressed, Regressed, Expected, Regressed]),
            (Verdict::Skip, [New, Regressed, Regressed, Regressed, Expected]),
            (Verdict::Error, [New, New, New, New, New]),
        ];
        for (before, row) in table {
            let former = example::case("pio::in", "PortIo", before);
            for (&now, expected) in Verdict::ALL.iter().zip(row) {
                let against = compare(Some(&former), &example::case("pio::in", "PortIo", now));
                assert_eq!(against, expected, "{before:?} then {now:?}");
            }
        }
        assert_eq!(compare(None, &example::case("pio::in", "PortIo", Verdict::Pass)), New);
    }
}
