//! What a guest sends, decoded: messages, and faults where there should have been one.
//!
//! Two transports bring the same messages: the shared pages ([`page::decode`]) and lines on COM1 ([`line::LineDecoder`]).
//! What arrives was written by a guest that may be broken, over a device that may be broken: every byte is doubted,
//! nothing panics, and memory is bounded.

mod fault;
pub mod line;
pub mod page;
#[cfg(test)]
pub(crate) mod testing;
mod words;

pub use fault::Fault;

use case::message::{Kind, MAX_VALUES};

/// A message whose form is right. Whether it makes sense is judged later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// What it says.
    pub kind: Kind,
    /// Its number within the run.
    pub sequence: u32,
    /// Guest address of the site, or 0.
    pub site: u64,
    /// Row of the site's table, or [`case::message::NO_ROW`].
    pub row: u64,
    values: [u64; MAX_VALUES],
}

impl Message {
    /// Its values, [`Kind::nr_values`] of them.
    pub fn values(&self) -> &[u64] {
        self.values.get(..usize::from(self.kind.nr_values())).unwrap_or(&self.values)
    }

    /// The value at an index; 0 if the kind carries no such value.
    pub fn value(&self, index: usize) -> u64 {
        self.values().get(index).copied().unwrap_or(0)
    }

    /// Makes a message from its parts, of which `values` must be as many as the kind carries.
    fn new(kind: u64, sequence: u32, site: u64, row: u64, given: &[u64]) -> Result<Self, Fault> {
        let known = Kind::ALL.iter().copied().find(|&known| known as u64 == kind);
        let kind = known.ok_or(Fault::UnknownKind { kind, sequence })?;
        if given.len() != usize::from(kind.nr_values()) {
            return Err(Fault::NrValues { kind, sequence, found: given.len(), expected: kind.nr_values() });
        }
        let mut values = [0; MAX_VALUES];
        for (value, &given) in values.iter_mut().zip(given) {
            *value = given;
        }
        Ok(Self { kind, sequence, site, row, values })
    }
}

/// What was found where a message was announced.
pub type Received = Result<Message, Fault>;
