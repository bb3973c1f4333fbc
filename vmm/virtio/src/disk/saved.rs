//! A disk in a saved VM: what stays where it is, and what does not.

use super::Disk;
use serde::{Deserialize, Serialize};
use vm_state::{DeviceStateError, value::ensure_same};

/// A disk in a saved VM. What is in a file stays there, and must be the same when the VM is restored.
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
        ensure_same(&self.size_bytes, &disk.size_bytes(), "size of its disk")?;
        ensure_same(&self.is_read_only, &disk.is_read_only(), "disk: only one of both can be written")?;
        ensure_same(
            &self.contents.as_ref().map(Vec::len),
            &disk.contents().map(<[u8]>::len),
            "disk: only one of both is in memory",
        )?;
        match &self.contents {
            Some(contents) => disk.set_contents(contents).map_err(|error| DeviceStateError::Host(error.kind())),
            None => Ok(()),
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
        let mut other = MemoryDisk::new(vec![0; 1024], false);
        state.restore(&mut other).unwrap();
        let mut sector = [0; 512];
        other.read_at(512, &mut sector).unwrap();
        assert_eq!(sector, [7; 512]);
        let refused = |disk: &mut dyn Disk| matches!(state.restore(disk), Err(DeviceStateError::Other { .. }));
        assert!(
            refused(&mut MemoryDisk::new(vec![0; 512], false)) && refused(&mut MemoryDisk::new(vec![0; 1024], true))
        );
        let file = tempfile::tempfile().unwrap();
        file.set_len(1024).unwrap();
        let mut raw = RawDisk::new(file, false).unwrap();
        assert!(refused(&mut raw));
        assert_eq!(DiskState::of(&mut raw).unwrap().contents, None);
    }
}
