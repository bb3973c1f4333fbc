//! What a session led to, for a person and for a gate.

use super::Flake;
use reports::{
    gate,
    model::Report,
    terminal::{self, Style},
};

/// Exit status when something regressed.
const REGRESSED: u8 = 1;
/// Exit status when the harness or the request failed.
const FAILED: u8 = 2;

/// The results of a session.
#[derive(Debug)]
pub struct Outcome {
    /// Everything that was run, of the first round.
    pub report: Report,
    /// Cases whose verdict differed between the rounds.
    pub flakes: Vec<Flake>,
    /// Whether every subject had a baseline.
    pub had_baseline: bool,
    /// If it was interrupted: how many runs of a case were finished, and how many were asked for.
    pub interrupted: Option<(usize, usize)>,
}

impl Outcome {
    /// 0 if everything was as expected, 1 if something regressed or flaked, 2 if the harness failed or was interrupted.
    pub fn exit_status(&self) -> u8 {
        let status = gate::exit_status(&self.report, self.had_baseline);
        if self.interrupted.is_some() {
            FAILED
        } else if self.flakes.is_empty() {
            status
        } else {
            status.max(REGRESSED)
        }
    }

    /// The table by feature, what was not expected, flakes, and one line a subject.
    pub fn summary(&self, style: Style, width: u16) -> String {
        let mut text = terminal::write(&self.report, style, width);
        for flake in &self.flakes {
            text += &format!("flake: {flake}\n");
        }
        if let Some((done, asked)) = self.interrupted {
            text += &format!("interrupted: {done} of {asked} runs finished\n");
        }
        text
    }
}
