//! Which frames a driver wants, in a saved VM.

use super::{ADDRESSES_MAX, Filter, MacAddress, NO_BROADCAST, VLANS};
use serde::{Deserialize, Serialize};
use vm_state::{DeviceStateError, value::ensure};

/// A filter in a saved VM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::devices::network) struct FilterState {
    modes: u8,
    unicast: Option<Vec<MacAddress>>,
    multicast: Option<Vec<MacAddress>>,
    vlans: Option<Vec<u64>>,
}

impl Filter {
    pub(in crate::devices::network) fn save(&self) -> FilterState {
        FilterState {
            modes: self.modes,
            unicast: self.unicast.clone(),
            multicast: self.multicast.clone(),
            vlans: self.vlans.as_ref().map(|vlans| vlans.to_vec()),
        }
    }

    /// Takes it to a saved state, after features were accepted: these say whether VLANs are filtered.
    pub(in crate::devices::network) fn restore(&mut self, state: FilterState) -> Result<(), DeviceStateError> {
        let is_table =
            |table: &Option<Vec<MacAddress>>| table.as_ref().is_none_or(|table| table.len() <= ADDRESSES_MAX);
        ensure(state.modes >> (NO_BROADCAST + 1) == 0 && is_table(&state.unicast) && is_table(&state.multicast))?;
        ensure(state.vlans.is_some() == self.vlans.is_some())?;
        self.vlans = match state.vlans {
            Some(vlans) => {
                let all: [u64; VLANS as usize / 64] = vlans.try_into().map_err(|_| DeviceStateError::Contents)?;
                Some(Box::new(all))
            }
            None => None,
        };
        (self.modes, self.unicast, self.multicast) = (state.modes, state.unicast, state.multicast);
        Ok(())
    }
}
