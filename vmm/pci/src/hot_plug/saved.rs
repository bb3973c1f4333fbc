//! The registers of hot plug in a saved VM.

use super::HotPlug;
use vm_state::{
    DeviceStateError,
    value::{ensure, ensure_same},
};

impl HotPlug {
    /// Takes them to what was saved.
    ///
    /// # Errors
    /// If the functions that can go are others.
    pub fn restore(&mut self, saved: Self) -> Result<(), DeviceStateError> {
        ensure_same(&saved.removable, &self.removable, "set of devices that can be unplugged")?;
        ensure((saved.up | saved.down) & !saved.removable == 0)?;
        *self = saved;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Slot;

    #[test]
    fn what_was_asked_for_is_still_asked_for_when_restored() {
        let slot = Slot::new(3).unwrap();
        let (mut before, mut after) = (HotPlug::new(), HotPlug::new());
        before.plugged(slot);
        before.request_removal(slot).unwrap();
        assert!(matches!(after.restore(before.clone()), Err(DeviceStateError::Other { .. })));
        after.add_removable(slot);
        after.restore(before.clone()).unwrap();
        assert_eq!(after, before);
        let senseless = HotPlug { down: 1 << 4, ..before };
        assert_eq!(after.restore(senseless), Err(DeviceStateError::Contents));
    }
}
