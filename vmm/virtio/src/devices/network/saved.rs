//! A network device in a saved VM.

use super::{FRAME_BYTES_MIN, HEADER_BYTES, MacAddress, Network, filter::FilterState};
use crate::{Chain, Memory, VirtioDevice, readiness::ShownState, ring::ChainState};
use serde::{Deserialize, Serialize};
use vm_state::{
    DeviceStateError,
    value::{self, ensure, ensure_same},
};

/// Frames that are taken from the link at most, because it would lose them; more are lost, as on every network.
const NR_FRAMES_MAX: usize = 64;

#[derive(Serialize, Deserialize)]
struct State {
    first_mac: MacAddress,
    mtu: u16,
    is_up: ShownState,
    /// Whether the driver is to be asked to announce itself, and whether it was.
    announcement: (bool, bool),
    features: u64,
    mac: MacAddress,
    filter: FilterState,
    output: Option<ChainState>,
    /// Frames for the driver.
    frames: Vec<Vec<u8>>,
    link: Vec<u8>,
}

impl Network {
    pub(super) fn give_bytes(&mut self) -> Result<Vec<u8>, DeviceStateError> {
        if let Some(size) = self.waiting.take() {
            self.early.push_front(self.incoming[HEADER_BYTES..HEADER_BYTES + size].to_vec());
        }
        while self.early.len() < NR_FRAMES_MAX {
            let Ok(size) = self.link.read_frame(&mut self.incoming[HEADER_BYTES..]) else { break };
            if (FRAME_BYTES_MIN..=self.frame_bytes_max()).contains(&size) {
                self.early.push_back(self.incoming[HEADER_BYTES..HEADER_BYTES + size].to_vec());
            }
        }
        let is_asked = self.announcement.was_set();
        if is_asked {
            // It stays so.
            self.announcement.set(1);
        }
        value::to_bytes(&State {
            first_mac: self.options.mac,
            mtu: self.options.mtu,
            is_up: self.state.save(),
            announcement: (is_asked, self.announces),
            features: self.features,
            mac: self.mac,
            filter: self.filter.save(),
            output: self.output.as_ref().map(Chain::save),
            frames: self.early.iter().cloned().collect(),
            link: self.link.save(),
        })
    }

    pub(super) fn take_bytes(&mut self, state: &[u8], memory: &Memory) -> Result<(), DeviceStateError> {
        let state: State = value::from_bytes(state)?;
        ensure_same(&state.first_mac, &self.options.mac, "address")?;
        ensure_same(&state.mtu, &self.options.mtu, "largest payload")?;
        let is_frame = |frame: &Vec<u8>| (FRAME_BYTES_MIN..=self.frame_bytes_max()).contains(&frame.len());
        // One may have waited besides.
        ensure(state.frames.len() <= NR_FRAMES_MAX + 1 && state.frames.iter().all(is_frame))?;
        ensure(state.mac[0] & 1 == 0)?;
        // Not only those that were settled: a driver that accepts what does not go together leaves them as well.
        self.accept(state.features);
        self.filter.restore(state.filter)?;
        self.output = state.output.map(|chain| Chain::restore(memory, &chain)).transpose()?;
        self.early = state.frames.into();
        self.link.restore(&state.link)?;
        self.state.restore(state.is_up);
        let (is_asked, announces) = state.announcement;
        if is_asked {
            self.announcement.set(1);
        }
        self.announces = announces;
        self.mac = state.mac;
        // The new link may have room, or frames.
        self.readiness.wake().map_err(|error| DeviceStateError::Host(error.kind()))
    }
}
