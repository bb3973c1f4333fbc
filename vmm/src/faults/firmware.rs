//! Firmware tables that tell of another machine.

use crate::firmware::Machine;

/// What the tables tell wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirmwareFault {
    /// A processor more than there are.
    ProcessorMore,
    /// A processor less than there are.
    ProcessorLess,
    /// No I/O APIC.
    NoIoApic,
    /// Another version of the I/O APIC.
    IoApicVersion,
    /// No 8259s.
    NoPics,
    /// No HPET.
    NoHpet,
    /// Another HPET.
    HpetId,
    /// No real-time clock.
    NoRtc,
    /// No fixed hardware.
    NoPower,
    /// A keyboard controller where there is none, or none where there is one.
    I8042,
    /// None of the devices on the bus.
    NoDevices,
}

impl FirmwareFault {
    /// What the tables are made of.
    pub(crate) fn told(self, told: Machine<'_>) -> Machine<'_> {
        match self {
            Self::ProcessorMore => Machine { nr_vcpus: told.nr_vcpus + 1, ..told },
            Self::ProcessorLess => Machine { nr_vcpus: told.nr_vcpus - 1, ..told },
            Self::NoIoApic => Machine { io_apic: None, ..told },
            Self::IoApicVersion => Machine { io_apic: told.io_apic.map(|version| version ^ 1), ..told },
            Self::NoPics => Machine { has_pics: !told.has_pics, ..told },
            Self::NoHpet => Machine { hpet: None, ..told },
            Self::HpetId => Machine { hpet: told.hpet.map(|id| id ^ 0x100), ..told },
            Self::NoRtc => Machine { has_rtc: !told.has_rtc, ..told },
            Self::NoPower => Machine { has_power: !told.has_power, ..told },
            Self::I8042 => Machine { has_i8042: !told.has_i8042, ..told },
            Self::NoDevices => Machine { devices: &[], ..told },
        }
    }
}
