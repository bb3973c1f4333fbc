//! MSI-X in a saved VM.

use super::{Entry, MASK, MsiX};
use serde::{Deserialize, Serialize};
use vm_state::{DeviceStateError, value::ensure};

/// Table and pending bits in a saved VM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MsiXState {
    entries: Vec<[u32; 4]>,
    pending: Vec<u64>,
}

impl MsiX {
    /// What is kept of it in a saved VM; its control is in configuration space.
    pub fn save(&self) -> MsiXState {
        MsiXState { entries: self.entries.iter().map(|entry| entry.0).collect(), pending: self.pending.clone() }
    }

    /// Takes it to a saved state.
    ///
    /// # Errors
    /// If that has another number of vectors, or bits that none has.
    pub fn restore(&mut self, MsiXState { entries, pending }: MsiXState) -> Result<(), DeviceStateError> {
        let is_entry = |entry: &[u32; 4]| entry[0] & 3 == 0 && entry[3] & !MASK == 0;
        ensure(entries.len() == self.entries.len() && entries.iter().all(is_entry))?;
        ensure(pending.len() == self.pending.len())?;
        let is_beyond = |(word, bits): (usize, &u64)| {
            let nr_vectors = entries.len() - 64 * word;
            nr_vectors < 64 && bits >> nr_vectors != 0
        };
        ensure(!pending.iter().enumerate().any(is_beyond))?;
        (self.entries, self.pending) = (entries.into_iter().map(Entry).collect(), pending);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, Identity};

    /// With a vector that is masked and pending.
    fn function() -> (Config, MsiX) {
        let mut config = Config::new(Identity::default(), &[]);
        let msix = MsiX::new(&mut config, 70, 0, 0x1000, 0x2000);
        config.write(4, &4_u16.to_le_bytes());
        config.write(0x42, &0x8000_u16.to_le_bytes());
        (config, msix)
    }

    #[test]
    fn what_is_pending_is_still_so_when_restored() {
        let (config, mut msix) = function();
        assert_eq!(msix.signal(&config, 69), None);
        let state = msix.save();
        let (_, mut other) = function();
        other.restore(state).unwrap();
        assert_eq!(other.released(&config), []);
        other.write_table(16 * 69 + 12, &[0; 4]);
        assert_eq!(other.released(&config).len(), 1);
    }

    #[test]
    fn bits_that_no_vector_has_are_refused() {
        let refused = |change: fn(&mut MsiXState)| {
            let (_, mut msix) = function();
            let mut state = msix.save();
            change(&mut state);
            msix.restore(state) == Err(DeviceStateError::Contents)
        };
        assert!(!refused(|state| state.pending[1] |= 1 << 5));
        assert!(refused(|state| state.pending[1] |= 1 << 6) && refused(|state| state.pending.truncate(1)));
        assert!(refused(|state| state.entries[0][0] |= 1) && refused(|state| state.entries[0][3] |= 2));
        assert!(refused(|state| state.entries.truncate(69)));
    }
}
