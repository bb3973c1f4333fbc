//! Configuration space in a saved VM.

use super::{Config, SIZE, header, status};
use serde::{Deserialize, Serialize};
use vm_state::{
    DeviceStateError,
    value::{ensure, ensure_same},
};

/// Configuration space in a saved VM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigState(Vec<u8>);

impl Config {
    /// What is kept of it in a saved VM.
    pub fn save(&self) -> ConfigState {
        ConfigState(self.bytes.to_vec())
    }

    /// Takes it, as it was made, to a saved state.
    ///
    /// # Errors
    /// If that differs in what no write changes: it is of another function.
    pub fn restore(&mut self, ConfigState(saved): &ConfigState) -> Result<(), DeviceStateError> {
        ensure(saved.len() == SIZE)?;
        for ((at, byte), saved) in self.bytes.iter_mut().enumerate().zip(saved) {
            let by_function = if at == header::STATUS { status::INTERRUPT as u8 } else { 0 };
            let fixed = !(self.writable[at] | by_function);
            ensure_same(&(saved & fixed), &(*byte & fixed), "identity or capability")?;
            *byte = *saved;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Bar, BarKind, Identity};

    const BAR: Bar = Bar { kind: BarKind::Memory64, size_bytes: 0x8000, prefetchable: true };

    fn config(device: u16) -> Config {
        Config::new(Identity { vendor: 0x1af4, device, ..Identity::default() }, &[(0, BAR)])
    }

    #[test]
    fn a_state_is_that_of_the_same_function() {
        let mut before = config(0x1042);
        before.write(0x10, &0x2345_8000_u32.to_le_bytes());
        before.write(4, &[6, 4]);
        before.set_interrupt_status(true);
        let state = before.save();
        let mut after = config(0x1042);
        after.restore(&state).unwrap();
        assert_eq!(after.bytes, before.bytes);
        assert!(matches!(config(0x1043).restore(&state), Err(DeviceStateError::Other { .. })));
        let short = ConfigState(state.0[1..].to_vec());
        assert_eq!(config(0x1042).restore(&short), Err(DeviceStateError::Contents));
    }
}
