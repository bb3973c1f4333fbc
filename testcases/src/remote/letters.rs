//! What stands in the frames: requests of the harness, and the agent's answers.

use crate::{
    catalog::InterruptSetup,
    judge::{Ending, Run, Transcript},
    messages::{Fault, Message},
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What the agent says first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Greeting {
    /// Its version and that of KVM under it, as the subject `vmm` tells them.
    pub version: String,
    /// What could not be used and is not needed, such as the other vendor's module.
    pub remarks: Vec<String>,
}

/// What the harness asks for. A case is named by its id, which the same image gives on both sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Run the probe, in the interrupt set-up of this name if there is one.
    Probe {
        /// The set-up.
        setup: Option<String>,
        /// Time limit in milliseconds.
        limit_ms: u64,
    },
    /// Run a case.
    Case {
        /// Its id.
        id: String,
        /// Words of the command line before those that choose it.
        words: String,
        /// Time limit in milliseconds.
        limit_ms: u64,
    },
    /// Run a program that is no case.
    Other {
        /// The words of the command line that choose it.
        words: String,
        /// Time limit in milliseconds.
        limit_ms: u64,
    },
    /// Run a case of the host.
    HostCase {
        /// Its id.
        id: String,
    },
}

impl Request {
    /// The set-up of a probe from its name; nothing for another name.
    pub(super) fn setup(name: Option<&str>) -> Result<Option<InterruptSetup>, crate::catalog::UnknownSetup> {
        name.map(str::parse).transpose()
    }
}

/// What the agent answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// It is there.
    Greeting(Greeting),
    /// What came of a probe or a case.
    Run(Said),
    /// What came of a case of the host.
    HostCase(Box<reports::model::Case>),
    /// It cannot do what it was asked for, or cannot start at all.
    Failed {
        /// Why.
        text: String,
    },
}

/// What a guest said, as it is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Words {
    /// The messages, each as its words.
    messages: Vec<Vec<u64>>,
    /// What was wrong with the next.
    fault: Option<String>,
}

/// A run, as it is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    words: Words,
    ending: Ending,
    duration_us: u64,
}

/// What arrived whole, but is no answer: harness and agent are not of one build.
#[derive(Debug, thiserror::Error)]
pub enum Undecodable {
    /// It is no letter.
    #[error("it is not understood")]
    Form(#[from] serde_json::Error),
    /// A message in it is none.
    #[error("a message in it is wrong")]
    Message(#[from] Fault),
}

impl From<&Transcript> for Words {
    fn from(transcript: &Transcript) -> Self {
        Self {
            messages: transcript.messages().iter().map(Message::words).collect(),
            fault: transcript.fault().map(ToString::to_string),
        }
    }
}

impl Words {
    /// The transcript again.
    ///
    /// # Errors
    /// [`Undecodable::Message`].
    pub fn into_transcript(self) -> Result<Transcript, Undecodable> {
        let mut transcript = Transcript::default();
        for words in &self.messages {
            transcript.take(Ok(Message::from_words(words)?));
        }
        if let Some(text) = self.fault {
            transcript.take(Err(Fault::Told { text }));
        }
        Ok(transcript)
    }
}

impl From<Run> for Said {
    fn from(run: Run) -> Self {
        Self {
            words: (&run.transcript).into(),
            ending: run.ending,
            duration_us: u64::try_from(run.duration.as_micros()).unwrap_or(u64::MAX),
        }
    }
}

impl Said {
    /// The run again.
    ///
    /// # Errors
    /// [`Undecodable::Message`].
    pub fn into_run(self) -> Result<Run, Undecodable> {
        let Self { words, ending, duration_us } = self;
        Ok(Run { transcript: words.into_transcript()?, ending, duration: Duration::from_micros(duration_us) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::testing::any_message;
    use proptest::prelude::*;

    fn there_and_back(run: Run) -> Run {
        let text = serde_json::to_string(&Answer::Run(run.into())).unwrap();
        match serde_json::from_str(&text).unwrap() {
            Answer::Run(said) => said.into_run().unwrap(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_fault_arrives_with_its_words() {
        let mut transcript = Transcript::default();
        transcript.take(Err(Fault::Count { count: 77 }));
        let before = transcript.fault().unwrap().to_string();
        let ending = Ending::Died { text: "why".to_owned() };
        let run = there_and_back(Run { transcript, ending: ending.clone(), duration: Duration::from_millis(3) });
        assert_eq!(run.transcript.fault().unwrap().to_string(), before);
        assert_eq!((run.ending, run.duration), (ending, Duration::from_millis(3)));
    }

    #[test]
    fn a_message_that_is_none_is_refused() {
        let said =
            Said { words: Words { messages: vec![vec![99, 0]], fault: None }, ending: Ending::Reset, duration_us: 0 };
        assert!(said.into_run().is_err());
    }

    proptest! {
        #[test]
        fn messages_arrive_as_they_were(messages in prop::collection::vec(any_message(), 0..20)) {
            let mut transcript = Transcript::default();
            messages.iter().for_each(|message| transcript.take(Ok(*message)));
            let run = Run { transcript: transcript.clone(), ending: Ending::Reported, duration: Duration::ZERO };
            let arrived = there_and_back(run);
            prop_assert_eq!(arrived.transcript.messages(), transcript.messages());
        }
    }
}
