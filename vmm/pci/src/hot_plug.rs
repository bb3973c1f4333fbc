//! The registers by which ACPI learns of functions that come and go, and ejects them.
//!
//! | offset | access | what |
//! |---|---|---|
//! | 0 | read | slots with a function that came, a bit each; reading forgets them |
//! | 4 | read | slots whose function is to go, until it is ejected |
//! | 8 | read | features: none |
//! | 8 | write | ejects the functions of these slots |
//! | 12 | read | slots whose function can go |
//! | 16 | read, write | the bus that the others are about; there is bus 0 alone |
//!
//! Accesses are of four bytes; others read as zero and are dropped.
//!
//! Source: QEMU, "docs/specs/acpi_pci_hotplug.rst".

mod saved;

use crate::Slot;
use serde::{Deserialize, Serialize};

/// How many bytes of ports the registers take.
pub const HOT_PLUG_BYTES: u16 = 20;

/// Offsets of the registers.
mod register {
    pub(super) const UP: u64 = 0;
    pub(super) const DOWN: u64 = 4;
    pub(super) const EJECT: u64 = 8;
    pub(super) const REMOVABLE: u64 = 12;
    pub(super) const BUS: u64 = 16;
}

/// Why a function cannot be asked to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RemovalError {
    /// It cannot go, or there is none.
    #[error("slot {0} has nothing that can be removed")]
    NotRemovable(u8),
    /// It was asked already, and the guest has not ejected it yet.
    #[error("what is in slot {0} has been asked to go already")]
    Pending(u8),
}

/// The registers. Slots are a bit each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HotPlug {
    up: u32,
    down: u32,
    removable: u32,
    bus: u32,
}

impl HotPlug {
    /// Nothing can go, and nothing came.
    pub const fn new() -> Self {
        Self { up: 0, down: 0, removable: 0, bus: 0 }
    }

    /// A function is in a slot from the start, and may go.
    pub fn add_removable(&mut self, slot: Slot) {
        self.removable |= bit(slot);
    }

    /// A function came while the guest runs: its event is due.
    pub fn plugged(&mut self, slot: Slot) {
        self.removable |= bit(slot);
        self.up |= bit(slot);
        self.down &= !bit(slot);
    }

    /// A function is to go: if there is no error, the guest's event is due.
    ///
    /// # Errors
    /// If it cannot, or is to go already.
    pub fn request_removal(&mut self, slot: Slot) -> Result<(), RemovalError> {
        if self.removable & bit(slot) == 0 {
            return Err(RemovalError::NotRemovable(slot.device()));
        }
        if self.down & bit(slot) != 0 {
            return Err(RemovalError::Pending(slot.device()));
        }
        self.down |= bit(slot);
        Ok(())
    }

    /// Fills `data` from an offset.
    pub fn read(&mut self, offset: u64, data: &mut [u8]) {
        data.fill(0);
        let Ok(data) = <&mut [u8; 4]>::try_from(data) else { return };
        let is_here = self.bus == 0;
        let value = match offset {
            register::BUS => self.bus,
            register::UP if is_here => std::mem::take(&mut self.up),
            register::DOWN if is_here => self.down,
            register::REMOVABLE if is_here => self.removable,
            _ => 0,
        };
        *data = value.to_le_bytes();
    }

    /// Takes what is written, and gives the slots that are ejected: their functions are to be taken out.
    #[must_use]
    pub fn write(&mut self, offset: u64, data: &[u8]) -> Vec<Slot> {
        let Ok(data) = <[u8; 4]>::try_from(data) else { return Vec::new() };
        let value = u32::from_le_bytes(data);
        match offset {
            register::BUS => self.bus = value,
            register::EJECT if self.bus == 0 => {
                let ejected = value & self.removable;
                (self.up, self.down, self.removable) =
                    (self.up & !ejected, self.down & !ejected, self.removable & !ejected);
                return (0..Slot::COUNT as u8).filter_map(Slot::new).filter(|slot| ejected & bit(*slot) != 0).collect();
            }
            _ => {}
        }
        Vec::new()
    }
}

const fn bit(slot: Slot) -> u32 {
    1 << slot.device()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn slot(device: u8) -> Slot {
        Slot::new(device).unwrap()
    }

    fn read(registers: &mut HotPlug, offset: u64) -> u32 {
        let mut data = [0xff; 4];
        registers.read(offset, &mut data);
        u32::from_le_bytes(data)
    }

    #[test]
    fn what_came_is_told_once() {
        let mut registers = HotPlug::new();
        registers.plugged(slot(3));
        registers.plugged(slot(31));
        assert_eq!(read(&mut registers, 0), 1 << 3 | 1 << 31);
        assert_eq!([0, 4, 8, 12].map(|offset| read(&mut registers, offset)), [0, 0, 0, 1 << 3 | 1 << 31]);
    }

    #[test]
    fn what_is_to_go_is_told_until_it_is_ejected() {
        let mut registers = HotPlug::new();
        registers.add_removable(slot(2));
        registers.request_removal(slot(2)).unwrap();
        assert_eq!([read(&mut registers, 4), read(&mut registers, 4)], [4, 4]);
        assert_eq!(registers.request_removal(slot(2)), Err(RemovalError::Pending(2)));
        assert_eq!(registers.write(8, &u32::MAX.to_le_bytes()), [slot(2)]);
        assert_eq!((read(&mut registers, 4), read(&mut registers, 12)), (0, 0));
        assert_eq!(registers.request_removal(slot(2)), Err(RemovalError::NotRemovable(2)));
        assert_eq!(registers.write(8, &4_u32.to_le_bytes()), []);
    }

    #[test]
    fn a_guest_may_eject_without_being_asked_but_not_what_cannot_go() {
        let mut registers = HotPlug::new();
        registers.plugged(slot(5));
        assert_eq!(registers.write(8, &(1_u32 << 5 | 1 << 0).to_le_bytes()), [slot(5)]);
        assert_eq!(read(&mut registers, 0), 0);
    }

    #[test]
    fn other_buses_and_sizes_have_nothing() {
        let mut registers = HotPlug::new();
        registers.plugged(slot(1));
        assert_eq!(registers.write(16, &1_u32.to_le_bytes()), []);
        assert_eq!([0, 4, 12, 16].map(|offset| read(&mut registers, offset)), [0, 0, 0, 1]);
        assert_eq!(registers.write(8, &2_u32.to_le_bytes()), []);
        assert_eq!(registers.write(16, &0_u32.to_le_bytes()), []);
        for size in [1, 2, 3, 8] {
            let mut data = vec![0xff; size];
            registers.read(0, &mut data);
            assert_eq!(data, vec![0; size]);
            assert_eq!(registers.write(8, &vec![0xff; size]), []);
        }
        assert_eq!(read(&mut registers, 0), 2);
    }

    proptest! {
        #[test]
        fn only_what_can_go_is_ejected(steps in proptest::collection::vec((0_u8..4, 0_u64..24, any::<u32>()), 0..64)) {
            let mut registers = HotPlug::new();
            let mut present = 0_u32;
            for (kind, offset, value) in steps {
                let any = slot((value % 32) as u8);
                match kind {
                    0 => { registers.plugged(any); present |= bit(any); }
                    1 => prop_assert_eq!(registers.request_removal(any).is_ok() && present & bit(any) == 0, false),
                    2 => { read(&mut registers, offset); }
                    _ => for ejected in registers.write(offset, &value.to_le_bytes()) {
                        prop_assert!(present & bit(ejected) != 0);
                        present &= !bit(ejected);
                    }
                }
            }
        }
    }
}
