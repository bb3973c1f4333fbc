//! What UEFI firmware looks for on the bus of QEMU's q35 machine: its host bridge, and the bridge to the ISA bus.
//!
//! OVMF knows where the PM timer, mapped configuration space and the windows of base address registers are by the identity of
//! the host bridge, and finds the serial port behind the other. Not completely as there: registers that place something can be written
//! and change nothing, because all of it is where OVMF and SeaBIOS place it.
//!
//! Sources: Intel, "3 Series Express Chipset Family Datasheet", § "DRAM Controller Registers"; Intel, "I/O Controller Hub 9 (ICH9)
//! Family Datasheet", § "LPC Interface Bridge Registers (D31:F0)", PMBASE and ACPI_CNTL; OVMF, "OvmfPkg/Include/IndustryStandard/Q35MchIch9.h"
//! and "OvmfPkg/PlatformPei".

use crate::{
    bus::Region,
    layout::{pc, pci as layout},
    save::{self, DeviceStateError},
};
use ::pci::{Config, Function, Identity, Slot};

/// The host bridge.
pub(super) const BRIDGE: Identity = Identity {
    vendor: 0x8086,
    device: 0x29c0,
    revision: 0,
    class: 0,
    subsystem_vendor: 0x1af4,
    subsystem: 0x1100,
    interrupt_pin: 0,
};

/// What the bridge answers to besides.
pub(super) const REGIONS: [Region; 2] = [
    Region::Memory { first: layout::Q35_MAPPED_CONFIG, size_bytes: layout::Q35_MAPPED_CONFIG_SIZE },
    Region::Memory { first: layout::LOW_WINDOW, size_bytes: layout::LOW_WINDOW_SIZE },
];

/// Where the bridge to the ISA bus is.
pub(super) const ISA_SLOT: Option<Slot> = Slot::new(31);
/// Base class 06H, sub-class 01H: a bridge to an ISA bus.
const ISA_CLASS: u32 = 0x06_01_00;

/// The low byte of the command register: ports, memory and bus mastering cannot be switched off ("PCICMD—PCI Command Register"). OVMF
/// uses what is behind the bridge only if they can be on.
const COMMAND: (u16, u8) = (0x04, 0b111);
/// PMBASE: the PM registers are at these ports (bit 0 says that they are ports).
const PM_BASE: (u16, u32) = (0x40, pc::PM1_EVENT as u32 | 1);
/// ACPI_CNTL: they are switched on, and the SCI is interrupt 9.
const ACPI_CONTROL: (u16, u32) = (0x44, 1 << 7);

/// The bridge to the ISA bus.
pub(super) struct IsaBridge(Config);

impl IsaBridge {
    pub(super) fn new() -> Self {
        let identity = Identity { device: 0x2918, revision: 2, class: ISA_CLASS, ..BRIDGE };
        Self(Config::new(identity, &[]))
    }
}

impl Function for IsaBridge {
    fn find(&self, _: u64, _: usize, _: bool) -> Option<(usize, u64)> {
        None
    }

    fn read_config(&mut self, offset: u16, data: &mut [u8]) {
        self.0.read(offset, data);
        if let (true, Some(byte)) = (offset == COMMAND.0, data.first_mut()) {
            *byte |= COMMAND.1;
        }
        for (register, value) in [PM_BASE, ACPI_CONTROL] {
            if let Some(start) = offset.checked_sub(register).map(usize::from).filter(|start| *start < 4) {
                // An access lies within one doubleword.
                data.iter_mut().zip(&value.to_le_bytes()[start..]).for_each(|(to, from)| *to = *from);
            }
        }
    }

    fn write_config(&mut self, offset: u16, data: &[u8]) {
        self.0.write(offset, data);
    }

    fn read_bar(&mut self, _: usize, _: u64, _: &mut [u8]) {}

    fn write_bar(&mut self, _: usize, _: u64, _: &[u8]) {}

    fn save(&mut self) -> Result<Vec<u8>, DeviceStateError> {
        save::to_bytes(&self.0.save())
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), DeviceStateError> {
        self.0.restore(&save::from_bytes(state)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pm_registers_are_told_where_they_are_and_stay_there() {
        let bridge = &mut IsaBridge::new();
        let read = |bridge: &mut IsaBridge, offset: u16, size: usize| {
            let mut data = vec![0xee; size];
            bridge.read_config(offset, &mut data);
            data
        };
        bridge.write_config(0x40, &[0, 0, 0, 0]);
        assert_eq!(read(bridge, 0x40, 4), [1, 6, 0, 0]);
        assert_eq!((read(bridge, 0x41, 1), read(bridge, 0x42, 2)), (vec![6], vec![0, 0]));
        assert_eq!((read(bridge, 0x44, 1), read(bridge, 0x3c, 4)[0]), (vec![0x80], 0));
        bridge.write_config(4, &[0, 0]);
        assert_eq!(read(bridge, 4, 2), [7, 0]);
        assert_eq!((read(bridge, 0, 4), read(bridge, 10, 2)), (vec![0x86, 0x80, 0x18, 0x29], vec![1, 6]));
    }
}
