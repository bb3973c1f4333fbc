//! A device as a PCI function in a saved VM.

use super::{CONFIGURATION_INTERRUPT, NO_VECTOR, QUEUE_INTERRUPT, Selectors, VirtioFunction};
use crate::common::CommonState;
use pci::{ConfigState, MsiXState};
use serde::{Deserialize, Serialize};
use vm_state::{
    DeviceStateError,
    value::{self, ensure},
};

#[derive(Serialize, Deserialize)]
struct State {
    config: ConfigState,
    msix: MsiXState,
    selectors: Selectors,
    vectors: Vec<u16>,
    isr: u8,
    common: CommonState,
}

impl VirtioFunction {
    /// As [`crate::Common::quiesce`].
    pub fn quiesce_queues(&mut self, queues: u64) {
        self.common.quiesce(queues);
        self.collect();
    }

    pub(super) fn give_bytes(&mut self) -> Result<Vec<u8>, DeviceStateError> {
        value::to_bytes(&State {
            config: self.config.save(),
            msix: self.msix.save(),
            selectors: self.selectors,
            vectors: self.vectors.clone(),
            isr: self.isr,
            common: self.common.save()?,
        })
    }

    pub(super) fn take_bytes(&mut self, state: &[u8]) -> Result<(), DeviceStateError> {
        let State { config, msix, selectors, vectors, isr, common } = value::from_bytes(state)?;
        let nr_vectors = self.msix.nr_vectors();
        let is_vector = |vector: &u16| *vector < nr_vectors || *vector == NO_VECTOR;
        ensure(vectors.len() == self.vectors.len() && vectors.iter().all(is_vector))?;
        ensure(isr & !(QUEUE_INTERRUPT | CONFIGURATION_INTERRUPT) == 0)?;
        self.config.restore(&config)?;
        self.msix.restore(msix)?;
        (self.selectors, self.vectors, self.isr) = (selectors, vectors, isr);
        self.common.restore(&common)
    }
}
