//! What is not as it was: against the baseline, and from run to run.

use super::{Segment, cases::anchors, segments};
use crate::{
    changes::{Changes, feature_name},
    history::History,
    model::Report,
    text::one_line,
};

/// Turns that are listed.
const MOST_TURNS: usize = 200;

/// A case that is not as the baseline says.
pub(super) struct ChangeView {
    pub(super) kind: &'static str,
    pub(super) case: String,
    pub(super) anchor: String,
    pub(super) subject: String,
    pub(super) feature: String,
    pub(super) clause: String,
    pub(super) verdict: &'static str,
    pub(super) verdicts: String,
}

/// The runs of one subject.
pub(super) struct HistoryView {
    pub(super) subject: String,
    pub(super) points: Vec<PointView>,
    /// Of the picture, in its own units.
    pub(super) width: usize,
}

pub(super) struct PointView {
    pub(super) label: String,
    pub(super) tally: String,
    pub(super) bar: Vec<Segment>,
    /// Pieces of a column of the picture from the bottom: verdict, top and height in percent of the tallest.
    pub(super) pieces: Vec<(&'static str, String, String)>,
    pub(super) left: usize,
}

pub(super) struct TurnView {
    pub(super) label: String,
    pub(super) kind: &'static str,
    pub(super) case: String,
    pub(super) anchor: String,
    pub(super) subject: String,
    pub(super) verdicts: String,
}

/// Distance of two columns of the picture.
const COLUMN: usize = 12;

pub(super) fn changes(report: &Report, changes: &Changes) -> Vec<ChangeView> {
    let anchors = anchors(report);
    let view = |change: &crate::changes::Change| ChangeView {
        kind: change.kind.name(),
        case: one_line(&change.case.id).into_owned(),
        anchor: anchors.get(change.case.id.as_str()).cloned().unwrap_or_default(),
        subject: one_line(&change.subject).into_owned(),
        feature: feature_name(&change.case.feature),
        clause: one_line(&change.case.spec).into_owned(),
        verdict: change.case.verdict.name(),
        verdicts: change.verdicts(),
    };
    changes.list.iter().map(view).collect()
}

pub(super) fn history(report: &Report, history: &History) -> Vec<HistoryView> {
    if history.is_empty() {
        return Vec::new();
    }
    let view = |subject: &crate::Subject| {
        let points = history.points(report, &subject.id);
        let most = points.iter().filter_map(|point| Some(point.tally?.total())).max().unwrap_or(0).max(1);
        let width = points.len() * COLUMN;
        let view = |(number, point): (usize, crate::history::Point)| {
            let bar = point.tally.map(segments).unwrap_or_default();
            PointView {
                label: one_line(&point.label).into_owned(),
                tally: point.tally.map_or_else(|| "not run".to_owned(), |tally| tally.to_string()),
                pieces: pieces(&bar, most),
                bar,
                left: number * COLUMN,
            }
        };
        HistoryView {
            subject: one_line(&subject.id).into_owned(),
            points: points.into_iter().enumerate().map(view).collect(),
            width,
        }
    };
    report.subjects.iter().map(view).collect()
}

/// The pieces of a column one upon the other.
fn pieces(bar: &[Segment], most: u32) -> Vec<(&'static str, String, String)> {
    let percent = |count: u32| 100.0 * f64::from(count) / f64::from(most);
    let mut below = 0.0;
    let mut pieces = Vec::new();
    for segment in bar {
        let height = percent(segment.total);
        below += height;
        pieces.push((segment.verdict, format!("{:.2}", 100.0 - below), format!("{height:.2}")));
    }
    pieces
}

pub(super) fn turns(report: &Report, history: &History) -> (Vec<TurnView>, usize) {
    if history.is_empty() {
        return (Vec::new(), 0);
    }
    let anchors = anchors(report);
    let turns = history.turns(report);
    let nr_more = turns.len().saturating_sub(MOST_TURNS);
    let view = |turn: crate::history::Turn| TurnView {
        label: one_line(&turn.label).into_owned(),
        kind: turn.kind.name(),
        anchor: anchors.get(turn.case.as_str()).cloned().unwrap_or_default(),
        case: one_line(&turn.case).into_owned(),
        subject: one_line(&turn.subject).into_owned(),
        verdicts: turn.verdicts,
    };
    (turns.into_iter().take(MOST_TURNS).map(view).collect(), nr_more)
}
