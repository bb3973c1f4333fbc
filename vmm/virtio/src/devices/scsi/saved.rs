//! A host of SCSI disks in a saved VM.

use super::{CDB_SIZE_MAX, SENSE_SIZE_MAX, Scsi, sense::Sense, target::Target};
use crate::disk::DiskState;
use serde::{Deserialize, Serialize};
use vm_state::{
    DeviceStateError,
    value::{self, ensure, ensure_same},
};

#[derive(Serialize, Deserialize)]
struct State {
    sense_size: u32,
    cdb_size: u32,
    missed: bool,
    targets: Vec<Option<TargetState>>,
}

#[derive(Serialize, Deserialize)]
struct TargetState {
    serial: String,
    attention: Option<Attention>,
    disk: DiskState,
}

/// What a target can have to tell its next command.
#[derive(Clone, Copy, Serialize, Deserialize)]
enum Attention {
    PowerOn,
    Reset,
    CapacityChanged,
}

impl Attention {
    fn of(sense: Sense) -> Self {
        match sense {
            Sense::RESET => Self::Reset,
            Sense::CAPACITY_CHANGED => Self::CapacityChanged,
            _ => Self::PowerOn,
        }
    }

    fn sense(self) -> Sense {
        match self {
            Self::PowerOn => Sense::POWER_ON,
            Self::Reset => Sense::RESET,
            Self::CapacityChanged => Sense::CAPACITY_CHANGED,
        }
    }
}

impl Scsi {
    pub(super) fn give_bytes(&mut self) -> Result<Vec<u8>, DeviceStateError> {
        // What is due now has no time to be told: the driver hears that something was not.
        let changes = self.take_changes();
        self.missed |= changes.iter().any(|change| self.is_wanted(change));
        let of_target = |target: &mut Target| {
            let disk = DiskState::of(&mut **target.disk.lock())?;
            Ok(TargetState { serial: target.serial.clone(), attention: target.attention.map(Attention::of), disk })
        };
        let targets = self.targets.iter_mut().map(|target| target.as_mut().map(of_target).transpose());
        let targets = targets.collect::<Result<_, DeviceStateError>>()?;
        let (sense_size, cdb_size, missed) = (self.sense_size, self.cdb_size, self.missed);
        value::to_bytes(&State { sense_size, cdb_size, missed, targets })
    }

    pub(super) fn take_bytes(&mut self, state: &[u8]) -> Result<(), DeviceStateError> {
        let state: State = value::from_bytes(state)?;
        ensure(state.sense_size <= SENSE_SIZE_MAX && state.cdb_size <= CDB_SIZE_MAX)?;
        // Those that the device was made with.
        self.take_changes();
        let here = self.targets.iter().map(Option::is_some);
        ensure_same(&here.eq(state.targets.iter().map(Option::is_some)), &true, "set of targets with disks")?;
        for (target, saved) in self.targets.iter_mut().flatten().zip(state.targets.iter().flatten()) {
            ensure_same(&saved.serial, &target.serial, "serial number of a disk")?;
            let disk = &mut **target.disk.lock();
            saved.disk.restore(disk)?;
            target.size_bytes = disk.size_bytes();
            target.attention = saved.attention.map(Attention::sense);
        }
        (self.sense_size, self.cdb_size, self.missed) = (state.sense_size, state.cdb_size, state.missed);
        Ok(())
    }
}
