//! A disk in a saved VM: what stays where it is, and what does not.

use super::Disk;
use serde::{Deserialize, Serialize};
use vm_state::{
    DeviceStateError,
    value::{ensure, ensure_same},
};

/// A disk in a saved VM. What is in a file stays there, and must be the same when the VM is restored; what is in memory is kept, and
/// how much it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DiskState {
    size_bytes: u64,
    is_read_only: bool,
    /// All of it, where it would be lost otherwise.
    contents: Option<Vec<u8>>,
}

impl DiskState {
    /// That of a disk, all of whose data are stable then: another process may open it.
    pub(crate) fn of(disk: &mut (impl Disk + ?Sized)) -> Result<Self, DeviceStateError> {
        if !disk.is_read_only() {
            disk.flush().map_err(|error| DeviceStateError::Host(error.kind()))?;
        }
        let contents = disk.contents().map(<[u8]>::to_vec);
        Ok(Self { size_bytes: disk.size_bytes(), is_read_only: disk.is_read_only(), contents })
    }

    /// Takes another disk to it.
    pub(crate) fn restore(&self, disk: &mut (impl Disk + ?Sized)) -> Result<(), DeviceStateError> {
        ensure_same(&self.is_read_only, &disk.is_read_only(), "disk: only one of both can be written")?;
        ensure_same(&self.contents.is_some(), &disk.contents().is_some(), "disk: only one of both is in memory")?;
        match &self.contents {
            Some(contents) => {
                ensure(self.size_bytes == contents.len() as u64)?;
                disk.set_contents(contents).map_err(|error| DeviceStateError::Host(error.kind()))
            }
            None => ensure_same(&self.size_bytes, &disk.size_bytes(), "size of its disk"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{MemoryDisk, RawDisk};

    #[test]
    fn what_is_in_memory_is_kept_and_what_is_in_a_file_stays_there() {
        let mut written = MemoryDisk::new(vec![0; 1024], false);
        written.write_at(512, &[7; 512]).unwrap();
        let state = DiskState::of(&mut written).unwrap();
        // That of the other one was changed meanwhile.
        let mut other = MemoryDisk::new(vec![0; 512], false);
        state.restore(&mut other).unwrap();
        assert_eq!(other.size_bytes(), 1024);
        let mut sector = [0; 512];
        other.read_at(512, &mut sector).unwrap();
        assert_eq!(sector, [7; 512]);
        let refused = |disk: &mut dyn Disk| matches!(state.restore(disk), Err(DeviceStateError::Other { .. }));
        assert!(refused(&mut MemoryDisk::new(vec![0; 1024], true)));
        for (size_bytes, size) in [(512, 1024), (500, 500)] {
            let wrong = DiskState { size_bytes, contents: Some(vec![0; size]), ..state.clone() };
            assert!(wrong.restore(&mut other).is_err(), "{size_bytes} {size}");
        }
        let file = tempfile::tempfile().unwrap();
        file.set_len(1024).unwrap();
        let mut raw = RawDisk::new(file, false).unwrap();
        assert!(refused(&mut raw));
        let in_file = DiskState::of(&mut raw).unwrap();
        assert_eq!(in_file.contents, None);
        raw.resize(512).unwrap();
        assert!(matches!(in_file.restore(&mut raw), Err(DeviceStateError::Other { .. })));
    }
}
