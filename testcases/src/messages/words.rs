//! Messages as plain numbers, for a way between two parts of the harness.

use super::{Fault, Message};

impl Message {
    /// Kind, number, site, row and the values.
    pub(crate) fn words(&self) -> Vec<u64> {
        let head = [self.kind as u64, u64::from(self.sequence), self.site, self.row];
        [&head, self.values()].concat()
    }

    /// The message that these words are.
    ///
    /// # Errors
    /// [`Fault::UnknownKind`], [`Fault::NrValues`], [`Fault::Told`] if there are too few words.
    pub(crate) fn from_words(words: &[u64]) -> Result<Self, Fault> {
        let torn = || Fault::Told { text: format!("a message has only {} words", words.len()) };
        let Some(([kind, sequence, site, row], values)) = words.split_first_chunk() else { return Err(torn()) };
        let sequence = u32::try_from(*sequence).map_err(|_| torn())?;
        Self::new(*kind, sequence, *site, *row, values)
    }
}
