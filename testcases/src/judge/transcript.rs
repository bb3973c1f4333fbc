//! What a guest said in one run.

use super::ProtocolFault;
use crate::messages::{Fault, Message, Received};

/// How many messages are taken of one run.
pub const MAX_MESSAGES: usize = 65_536;

/// The messages of one run, in their order, up to the first that is wrong. Its memory is bounded.
#[derive(Clone, Debug, Default)]
pub struct Transcript {
    messages: Vec<Message>,
    fault: Option<ProtocolFault>,
    unfinished: Option<Fault>,
}

impl Transcript {
    /// Takes the next thing that arrived. After the first fault nothing is taken any more.
    pub fn take(&mut self, received: Received) {
        if self.fault.is_some() {
            return;
        }
        match received {
            Ok(message) => match self.check(&message) {
                Ok(()) => self.messages.push(message),
                Err(fault) => self.fault = Some(fault),
            },
            // A guest that dies while it speaks breaks no rule: how it died tells more.
            Err(fault @ Fault::Unfinished { .. }) => self.unfinished = Some(fault),
            Err(fault) => self.fault = Some(fault.into()),
        }
    }

    fn check(&self, message: &Message) -> Result<(), ProtocolFault> {
        if let Some(last) = self.last() {
            return Err(ProtocolFault::AfterLast { last: last.kind, found: message.kind });
        }
        if self.messages.len() >= MAX_MESSAGES {
            return Err(ProtocolFault::TooMany { limit: MAX_MESSAGES });
        }
        // The limit above fits into 32 bits.
        let expected = self.messages.len() as u32;
        if message.sequence != expected {
            return Err(ProtocolFault::Sequence { expected, found: message.sequence });
        }
        Ok(())
    }

    /// Whether nothing that could still arrive would change the verdict, so that the virtual machine may be ended.
    pub fn is_complete(&self) -> bool {
        self.fault.is_some() || self.last().is_some()
    }

    /// The messages before the first fault.
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// The first fault.
    pub fn fault(&self) -> Option<&ProtocolFault> {
        self.fault.as_ref()
    }

    /// The message that had begun when the output ended.
    pub fn unfinished(&self) -> Option<&Fault> {
        self.unfinished.as_ref()
    }

    /// The message after which nothing may follow, if it has arrived.
    pub fn last(&self) -> Option<&Message> {
        self.messages.last().filter(|message| message.kind.is_last())
    }
}
