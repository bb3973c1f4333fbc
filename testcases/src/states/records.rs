//! What the guest's records say, with the texts of the image.

use crate::{
    catalog::Catalog,
    judge::{ProtocolFault, Transcript, render},
    messages::Message,
};
use case::{fuzz::Tag, message::Kind};
use std::collections::BTreeSet;

/// A value of a rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Step {
    /// The case that tries the rule by itself.
    pub(super) case: String,
    /// What the value is called.
    pub(super) name: Option<String>,
    /// Number of the rule in the image.
    pub(super) rule: u64,
    /// Whether it is legal.
    pub(super) is_legal: bool,
}

impl Step {
    /// For people.
    pub(super) fn text(&self) -> String {
        let name = self.name.as_ref().map_or_else(String::new, |name| format!(" [{name}]"));
        format!("{}{name}, {}", self.case, if self.is_legal { "legal" } else { "illegal" })
    }
}

/// The value that a wrong answer is about: the first illegal one, or else the first.
pub(super) fn blamed(steps: &[Step]) -> Option<usize> {
    steps.iter().position(|step| !step.is_legal).or((!steps.is_empty()).then_some(0))
}

/// A wrong answer, shrunk by the guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    /// Number of the state.
    pub(super) number: u64,
    /// Text of the check, without the name of the value.
    pub(super) check: String,
    pub(super) expected: String,
    pub(super) actual: String,
    /// What it takes.
    pub(super) steps: Vec<Step>,
}

/// What one start of the guest said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// Rules with a legal value, with an illegal one, and in all.
    pub(super) rules: [u64; 3],
    /// Rules of which values were tried, each with whether these were legal.
    pub(super) touched: BTreeSet<(u64, bool)>,
    pub(super) wrong: Vec<Wrong>,
    /// The state that was announced last, with its steps if they were told.
    pub(super) state: Option<(u64, Vec<Step>)>,
    /// States that were tried and that were not, once all were.
    pub(super) summary: Option<(u64, u64)>,
}

/// Why records are of no use.
#[derive(Debug, thiserror::Error)]
pub(super) enum RecordsError {
    /// The messages are wrong.
    #[error("what the guest sent is broken")]
    Protocol(#[source] ProtocolFault),
    /// A check failed without which no state can be tried.
    #[error("the guest cannot try states: {text}: expected {expected}, but it is {actual}")]
    Check {
        /// The check.
        text: String,
        /// What it should be.
        expected: String,
        /// What it is.
        actual: String,
    },
    /// A message that no program of this kind sends.
    #[error("the guest sent a message of the kind {kind:?}; rebuild image and program together")]
    Kind {
        /// Its kind.
        kind: Kind,
    },
    /// A record makes no sense.
    #[error("record {sequence} of the guest makes no sense; rebuild image and program together")]
    Record {
        /// The message's number.
        sequence: u32,
    },
}

/// Reads what a start said, as far as it came.
pub(super) fn read(transcript: &Transcript, catalog: &Catalog) -> Result<Said, RecordsError> {
    if let Some(fault) = transcript.fault() {
        return Err(RecordsError::Protocol(fault.clone()));
    }
    let mut said = Said::default();
    for message in transcript.messages() {
        match message.kind {
            Kind::Record => {
                take(&mut said, message, catalog).ok_or(RecordsError::Record { sequence: message.sequence })?;
            }
            Kind::Check if message.value(0) != message.value(1) => {
                let site = catalog.site(message.site).ok_or(RecordsError::Record { sequence: message.sequence })?;
                let [actual, expected] = [0, 1].map(|index| render::value(site.style, message.value(index)));
                return Err(RecordsError::Check { text: site.text.clone(), expected, actual });
            }
            Kind::Check | Kind::Note => {}
            kind if kind.is_last() => {}
            kind => return Err(RecordsError::Kind { kind }),
        }
    }
    Ok(said)
}

fn take(said: &mut Said, message: &Message, catalog: &Catalog) -> Option<()> {
    let tag = Tag::ALL.into_iter().find(|tag| *tag as u64 == message.row)?;
    let [first, second, third] = [0, 1, 2].map(|index| message.value(index));
    match tag {
        Tag::Rules => said.rules = [first, second, third],
        Tag::State => said.state = Some((first, Vec::new())),
        Tag::Step => {
            let step = step(message, catalog)?;
            match (said.wrong.last_mut(), &mut said.state) {
                (Some(wrong), Some((state, _))) if wrong.number >= *state => wrong.steps.push(step),
                (_, Some((_, steps))) => steps.push(step),
                (Some(wrong), None) => wrong.steps.push(step),
                (None, None) => return None,
            }
        }
        Tag::Finding => {
            let site = catalog.site(message.site)?;
            let [actual, expected] = [second, third].map(|value| render::value(site.style, value));
            said.wrong.push(Wrong { number: first, check: site.text.clone(), expected, actual, steps: Vec::new() });
        }
        Tag::Touched => {
            let step = step(message, catalog)?;
            said.touched.insert((step.rule, step.is_legal));
        }
        Tag::Summary => said.summary = Some((first, second)),
    }
    Some(())
}

fn step(message: &Message, catalog: &Catalog) -> Option<Step> {
    let [case_address, case_length, address, length, rule] = [0, 1, 2, 3, 4].map(|index| message.value(index));
    let text = |address, length| {
        let bytes = catalog.memory(address, length)?;
        Some(std::str::from_utf8(bytes).ok()?.to_owned())
    };
    let name = match (address, length) {
        (0, 0) => None,
        (0, number) => Some((number - 1).to_string()),
        (address, length) => Some(text(address, length)?),
    };
    Some(Step { case: text(case_address, case_length)?, name, rule: rule >> 1, is_legal: rule & 1 != 0 })
}
