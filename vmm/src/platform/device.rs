//! A model on the bus.

use super::{Platform, Target, general_events};
use crate::{
    bus::{Device, Flow, Location, Region},
    layout::pc,
    memory::GuestMemory,
    save::{self, DeviceStateError},
};
use ::platform::{hpet, io_apic, pic, pit, pm_timer, rtc};
use std::sync::Arc;

/// Where a part of a model stands on the bus, and the offset within the model that it begins with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    region: Region,
    offset: u64,
}

const fn ports(first: u16, count: u16, offset: u64) -> Place {
    Place { region: Region::Ports { first, count }, offset }
}

/// Both 8259As, and their edge/level control registers.
pub(super) const PIC: &[Place] = &[ports(pic::PORTS[0], 2, 0), ports(pic::PORTS[2], 2, 2), ports(pic::PORTS[4], 2, 4)];
/// The registers of the I/O APIC.
pub(super) const IO_APIC: &[Place] =
    &[Place { region: Region::Memory { first: io_apic::ADDRESS, size_bytes: io_apic::SIZE_BYTES }, offset: 0 }];
/// The registers of the HPET.
pub(super) const HPET: &[Place] =
    &[Place { region: Region::Memory { first: pc::HPET as u64, size_bytes: hpet::SIZE_BYTES }, offset: 0 }];
/// The PIT, and the port that gates and shows its channel 2.
pub(super) const PIT: &[Place] =
    &[ports(pit::BASE, pit::PORTS, 0), ports(pit::BASE + pit::SPEAKER_OFFSET as u16, 1, pit::SPEAKER_OFFSET)];
/// Index and data of the real-time clock.
pub(super) const RTC: &[Place] = &[ports(rtc::BASE, rtc::PORTS, 0)];
/// The PM1 registers and the PM timer, as one block.
pub(super) const POWER: &[Place] = &[ports(pc::PM1_EVENT, pm_timer::SIZE_BYTES as u16, 0)];

/// The general-purpose event block.
pub(super) const GENERAL_EVENTS: &[Place] = &[ports(pc::GENERAL_EVENTS, general_events::SIZE_BYTES, 0)];

const _: () = assert!(pc::GENERAL_EVENTS_SIZE_BYTES as u16 == general_events::SIZE_BYTES);
const _: () = assert!(pc::PM1_CONTROL as u64 == pc::PM1_EVENT as u64 + pm_timer::CONTROL_OFFSET);
const _: () = assert!(pc::PM_TIMER as u64 == pc::PM1_EVENT as u64 + pm_timer::TIMER_OFFSET);

/// The largest access in bytes.
const ACCESS_MAX: usize = 8;

pub(super) struct ModelDevice {
    platform: Arc<Platform>,
    target: Target,
    places: &'static [Place],
}

impl ModelDevice {
    pub(super) fn new(platform: Arc<Platform>, target: Target, places: &'static [Place]) -> Self {
        Self { platform, target, places }
    }

    fn offset(&self, at: Location) -> u64 {
        self.places.get(at.region).map_or(u64::MAX, |place| place.offset + at.offset)
    }
}

impl Device for ModelDevice {
    fn regions(&self) -> Vec<Region> {
        self.places.iter().map(|place| place.region).collect()
    }

    fn read(&mut self, at: Location, data: &mut [u8]) -> Flow {
        let size = data.len().min(ACCESS_MAX);
        match self.platform.read(self.target, self.offset(at), size as u8) {
            Ok(value) => {
                data[..size].copy_from_slice(&value.to_le_bytes()[..size]);
                Flow::Continue
            }
            Err(failure) => Flow::Stop(failure.into()),
        }
    }

    fn write(&mut self, at: Location, data: &[u8], _: &GuestMemory) -> Flow {
        let size = data.len().min(ACCESS_MAX);
        let mut value = [0; ACCESS_MAX];
        value[..size].copy_from_slice(&data[..size]);
        match self.platform.write(self.target, self.offset(at), size as u8, u64::from_le_bytes(value)) {
            Ok(()) => Flow::Continue,
            Err(failure) => Flow::Stop(failure.into()),
        }
    }

    fn save(&self) -> Result<Vec<u8>, DeviceStateError> {
        Ok(Vec::new())
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), DeviceStateError> {
        save::nothing(state)
    }
}
