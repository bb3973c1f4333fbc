//! A host bridge with its bus in a saved VM.

use super::{ADDRESS_MASK, Host};
use serde::{Deserialize, Serialize};
use vm_state::{
    DeviceStateError,
    value::{ensure, ensure_same},
};

/// A bus in a saved VM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostState {
    address: u32,
    /// Device numbers, and what their functions gave, in order.
    functions: Vec<(u8, Vec<u8>)>,
}

impl Host {
    /// Finishes what is under way: all of it is about to be saved.
    pub fn quiesce(&mut self) {
        self.functions.iter_mut().flatten().for_each(|function| function.quiesce());
    }

    /// What is kept of it in a saved VM.
    ///
    /// # Errors
    /// If one of the functions cannot be saved.
    pub fn save(&mut self) -> Result<HostState, DeviceStateError> {
        let mut functions = Vec::new();
        for (slot, function) in (0..).zip(&mut self.functions) {
            if let Some(function) = function {
                functions.push((slot, function.save()?));
            }
        }
        Ok(HostState { address: self.address, functions })
    }

    /// Takes it to a saved state.
    ///
    /// # Errors
    /// If functions are in other slots, or one of them is another.
    pub fn restore(&mut self, HostState { address, functions }: &HostState) -> Result<(), DeviceStateError> {
        ensure(address & !ADDRESS_MASK == 0)?;
        let mut here: Vec<_> = (0..).zip(&mut self.functions).filter(|(_, function)| function.is_some()).collect();
        let is_same = here.iter().map(|(slot, _)| *slot).eq(functions.iter().map(|(slot, _)| *slot));
        ensure_same(&is_same, &true, "set of PCI slots that are taken")?;
        for ((_, function), (_, state)) in here.iter_mut().zip(functions) {
            if let Some(function) = function {
                function.restore(state)?;
            }
        }
        self.address = *address;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Identity;

    const BRIDGE: Identity = Identity {
        vendor: 0x8086,
        device: 0x0d57,
        revision: 0,
        class: 0,
        subsystem_vendor: 0,
        subsystem: 0,
        interrupt_pin: 0,
    };

    #[test]
    fn the_address_register_and_the_bridge_come_back() {
        let mut before = Host::new(BRIDGE);
        before.write_port(0, &0x8000_0004_u32.to_le_bytes());
        before.write_port(4, &[4, 0]);
        let state = before.save().unwrap();
        let mut after = Host::new(BRIDGE);
        after.restore(&state).unwrap();
        let mut data = [0; 4];
        after.read_port(0, &mut data);
        assert_eq!(u32::from_le_bytes(data), 0x8000_0004);
        after.read_port(4, &mut data);
        assert_eq!(data[..2], [4, 0]);
        let mut other = Host::new(Identity { device: 0x29c0, ..BRIDGE });
        assert!(matches!(other.restore(&state), Err(DeviceStateError::Other { .. })));
        let refused = |change: fn(&mut HostState)| {
            let mut state = state.clone();
            change(&mut state);
            Host::new(BRIDGE).restore(&state).is_err()
        };
        assert!(refused(|state| state.address = 1) && refused(|state| state.functions.clear()));
        assert!(refused(|state| state.functions[0].0 = 1) && refused(|state| state.functions[0].1.truncate(3)));
    }
}
