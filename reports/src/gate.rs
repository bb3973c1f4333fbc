//! The exit status of a run: what a script or a CI job sees of a report.

use crate::{
    model::{Against, Report},
    standing::Standing,
};

/// Everything is as expected.
pub const AS_EXPECTED: u8 = 0;
/// Something regressed, or is better than an entry of the baseline that should now go.
pub const REGRESSED: u8 = 1;
/// The harness or the request failed: the report says nothing, or not everything, about the subject.
pub const HARNESS_FAILED: u8 = 2;

/// The exit status that a report calls for.
///
/// `had_baseline` says whether the run was compared with a baseline. Without one, the verdicts count by themselves and
/// what a case says about a baseline (of an earlier comparison, say) is not looked at.
///
/// The rules, the first that applies:
///
/// 1. any case with the verdict `error`: 2. A broken harness hides regressions, so this outweighs them, and no baseline
///    can excuse it;
/// 2. with a baseline, any case that `regressed`, or is `fixed` (the baseline is out of date, and would hide the next
///    regression): 1;
/// 3. with a baseline, any `fail`, `crash` or `hang` that is `new` or was not compared: 1. Nobody has accepted it;
/// 4. without a baseline, any `fail`, `crash` or `hang`: 1;
/// 5. else 0. A `pass` and a `skip` are never bad news by themselves, a `new` one included; a `skip` of a case that used
///    to pass is `regressed` by the comparison, not here. A report without cases is 0, too: whether an empty selection
///    is an error is for whoever selected.
pub fn exit_status(report: &Report, had_baseline: bool) -> u8 {
    let mut status = AS_EXPECTED;
    for case in report.subjects.iter().flat_map(|subject| &subject.cases) {
        let against: Option<Against> = if had_baseline { case.against_baseline } else { None };
        match Standing::new(case.verdict, against) {
            Standing::Broken => return HARNESS_FAILED,
            Standing::Unexpected => status = REGRESSED,
            Standing::Passed | Standing::Skipped | Standing::Known => (),
        }
    }
    status
}

#[cfg(test)]
mod tests {
    use super::exit_status;
    use crate::{
        example,
        model::{Against, Case, Report, Subject, Verdict},
    };

    fn report_of(cases: &[(Verdict, Option<Against>)]) -> Report {
        let cases = cases.iter().map(|&(verdict, against_baseline)| Case {
            against_baseline,
            ..example::case("pio::in", "PortIo", verdict)
        });
        let subject = Subject { id: "vmm".to_owned(), cases: cases.collect(), ..Subject::default() };
        Report { subjects: vec![subject], ..example::report() }
    }

    #[test]
    fn one_case_gives_the_status_of_the_truth_table() {
        use Against::{Expected, Fixed, New, Regressed};
        use Verdict::{Crash, Error, Fail, Hang, Pass, Skip};
        // Columns: without a baseline; with one: not compared, expected, regressed, fixed, new.
        #[rustfmt::skip]
        let table = [
            (Pass,  [0, 0, 0, 1, 1, 0]),
            (Fail,  [1, 1, 0, 1, 1, 1]),
            (Crash, [1, 1, 0, 1, 1, 1]),
            (Hang,  [1, 1, 0, 1, 1, 1]),
            (Skip,  [0, 0, 0, 1, 1, 0]),
            (Error, [2, 2, 2, 2, 2, 2]),
        ];
        assert_eq!(table.map(|(verdict, _)| verdict), Verdict::ALL);
        for (verdict, [without, with @ ..]) in table {
            let columns = [None, Some(Expected), Some(Regressed), Some(Fixed), Some(New)];
            for (against, status) in columns.into_iter().zip(with) {
                let report = report_of(&[(verdict, against)]);
                assert_eq!(exit_status(&report, true), status, "{verdict:?} {against:?} with a baseline");
                assert_eq!(exit_status(&report, false), without, "{verdict:?} {against:?} without a baseline");
            }
        }
    }

    #[test]
    fn an_error_outweighs_a_regression_in_either_order() {
        let error = (Verdict::Error, None);
        let regression = (Verdict::Fail, Some(Against::Regressed));
        assert_eq!(exit_status(&report_of(&[error, regression]), true), 2);
        assert_eq!(exit_status(&report_of(&[regression, error]), true), 2);
    }

    #[test]
    fn one_bad_case_on_any_subject_is_enough() {
        let mut report = report_of(&[(Verdict::Pass, Some(Against::Expected)); 3]);
        assert_eq!(exit_status(&report, true), 0);
        report.subjects.extend(report_of(&[(Verdict::Hang, Some(Against::New))]).subjects);
        assert_eq!(exit_status(&report, true), 1);
    }

    #[test]
    fn nothing_run_is_nothing_regressed() {
        assert_eq!(exit_status(&report_of(&[]), true), 0);
        assert_eq!(exit_status(&Report { subjects: Vec::new(), ..example::report() }, false), 0);
    }
}
