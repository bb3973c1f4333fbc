//! A balloon in a saved VM.

use super::{Balloon, NR_STATISTICS_MAX};
use crate::{Chain, Memory, readiness::ShownState, ring::ChainState};
use serde::{Deserialize, Serialize};
use std::sync::{PoisonError, atomic::Ordering};
use vm_state::{
    DeviceStateError,
    value::{self, ensure},
};

#[derive(Serialize, Deserialize)]
struct State {
    target: ShownState,
    actual: u32,
    features: u64,
    /// What the guest said last.
    statistics: Vec<(u16, u64)>,
    /// The buffer by which it is asked.
    buffer: Option<ChainState>,
    is_asked: bool,
}

impl Balloon {
    pub(super) fn give_bytes(&self) -> Result<Vec<u8>, DeviceStateError> {
        value::to_bytes(&State {
            target: self.target.save(),
            actual: self.control.actual(),
            features: self.features,
            statistics: self.control.statistics(),
            buffer: self.statistics.as_ref().map(Chain::save),
            is_asked: self.is_asked,
        })
    }

    pub(super) fn take_bytes(&mut self, state: &[u8], memory: &Memory) -> Result<(), DeviceStateError> {
        let state: State = value::from_bytes(state)?;
        ensure(state.statistics.len() <= NR_STATISTICS_MAX)?;
        let buffer = state.buffer.map(|chain| Chain::restore(memory, &chain)).transpose()?;
        (self.statistics, self.features, self.is_asked) = (buffer, state.features, state.is_asked);
        self.target.restore(state.target);
        let shared = &self.control.0;
        shared.actual.store(state.actual, Ordering::Release);
        *shared.statistics.lock().unwrap_or_else(PoisonError::into_inner) = state.statistics;
        Ok(())
    }
}
