//! A disk with its one logical unit, and the commands that it knows (SPC-4 § 6, SBC-3 § 5).

use super::{
    command::{Buffers, Command, Failure},
    inquiry::{self, Unit},
    mode,
    sense::{self, Sense},
};
use crate::disk::{Disk, SECTOR_BYTES, SharedDisk, Transfer};

/// The most sectors of one command.
pub(super) const SECTORS_MAX: u32 = 0xffff;

/// Operation codes.
pub(super) mod opcode {
    pub(crate) const TEST_UNIT_READY: u8 = 0x00;
    pub(crate) const REQUEST_SENSE: u8 = 0x03;
    pub(crate) const READ_6: u8 = 0x08;
    pub(crate) const WRITE_6: u8 = 0x0a;
    pub(crate) const INQUIRY: u8 = 0x12;
    pub(crate) const MODE_SENSE_6: u8 = 0x1a;
    pub(crate) const READ_CAPACITY_10: u8 = 0x25;
    pub(crate) const READ_10: u8 = 0x28;
    pub(crate) const WRITE_10: u8 = 0x2a;
    pub(crate) const SYNCHRONIZE_CACHE_10: u8 = 0x35;
    pub(crate) const MODE_SENSE_10: u8 = 0x5a;
    pub(crate) const READ_16: u8 = 0x88;
    pub(crate) const WRITE_16: u8 = 0x8a;
    pub(crate) const SYNCHRONIZE_CACHE_16: u8 = 0x91;
    pub(crate) const SERVICE_ACTION_IN_16: u8 = 0x9e;
    pub(crate) const REPORT_LUNS: u8 = 0xa0;
    pub(crate) const READ_12: u8 = 0xa8;
    pub(crate) const WRITE_12: u8 = 0xaa;
}

/// READ CAPACITY (16), a service action.
const READ_CAPACITY_16: u8 = 0x10;

/// A disk.
pub(super) struct Target {
    pub(super) disk: SharedDisk,
    /// Size as the driver was told, in bytes: that of the disk can be another one for a while.
    pub(super) size_bytes: u64,
    pub(super) serial: String,
    /// What the next command is told instead of being done (SAM-4 § 5.14 "Unit attention condition").
    pub(super) attention: Option<Sense>,
}

impl Target {
    pub(super) fn new(disk: SharedDisk, serial: String) -> Self {
        let size_bytes = disk.lock().size_bytes();
        Self { disk, size_bytes, serial, attention: Some(Sense::POWER_ON) }
    }

    /// Tells the next command that there was a reset.
    pub(super) fn reset(&mut self, sense: Sense) {
        self.attention = Some(sense);
    }

    /// Takes over the size that the disk has, of which the next command is told (SBC-3 § 4.6 "Capacity data"); whether it is another one.
    pub(super) fn take_size(&mut self) -> bool {
        let before = std::mem::replace(&mut self.size_bytes, self.disk.lock().size_bytes());
        let is_another = before != self.size_bytes;
        if is_another {
            // After a reset everything is asked for anew.
            self.attention.get_or_insert(Sense::CAPACITY_CHANGED);
        }
        is_another
    }

    /// Does a command, and gives how many bytes it moved.
    pub(super) fn execute(
        &mut self,
        command: &Command,
        buffers: &Buffers<'_>,
        transfer: &mut Transfer,
    ) -> Result<u64, Failure> {
        let code = command.byte(0);
        if !matches!(code, opcode::INQUIRY | opcode::REPORT_LUNS | opcode::REQUEST_SENSE)
            && let Some(attention) = self.attention.take()
        {
            return Err(attention.into());
        }
        // NACA, without which standard INQUIRY data say there is no ACA.
        if command.control() & 1 << 2 != 0 {
            return Err(Sense::INVALID_FIELD.into());
        }
        // It has one size for as long as the command is under way.
        let disk = self.disk.clone();
        let disk = &mut **disk.lock();
        match code {
            opcode::TEST_UNIT_READY => Ok(0),
            opcode::REQUEST_SENSE => self.request_sense(command, buffers),
            opcode::INQUIRY => inquiry::inquiry(Unit::Disk, &self.serial, SECTORS_MAX, command, buffers),
            opcode::MODE_SENSE_6 | opcode::MODE_SENSE_10 => {
                let is_read_only = disk.is_read_only();
                mode::mode_sense(code == opcode::MODE_SENSE_10, self.size_bytes, is_read_only, command, buffers)
            }
            opcode::READ_CAPACITY_10 => self.read_capacity_10(command, buffers),
            opcode::SERVICE_ACTION_IN_16 if command.byte(1) & 0x1f == READ_CAPACITY_16 => {
                self.read_capacity_16(command, buffers)
            }
            opcode::SYNCHRONIZE_CACHE_10 => self.synchronize(disk, command.number(2, 4), command.number(7, 2)),
            opcode::SYNCHRONIZE_CACHE_16 => self.synchronize(disk, command.number(2, 8), command.number(10, 4)),
            opcode::READ_6 | opcode::READ_10 | opcode::READ_12 | opcode::READ_16 => {
                self.read(disk, command, buffers, transfer)
            }
            opcode::WRITE_6 | opcode::WRITE_10 | opcode::WRITE_12 | opcode::WRITE_16 => {
                self.write(disk, command, buffers, transfer)
            }
            opcode::REPORT_LUNS => report_luns(&[[0; 8]], command, buffers),
            _ => Err(Sense::INVALID_OPCODE.into()),
        }
    }

    fn request_sense(&mut self, command: &Command, buffers: &Buffers<'_>) -> Result<u64, Failure> {
        // DESC: the other format is not known here.
        if command.bit(1, 0) {
            return Err(Sense::INVALID_FIELD.into());
        }
        let sense = self.attention.take().unwrap_or(Sense::NONE);
        buffers.answer(&sense.bytes(), command.number(4, 1))
    }

    fn last_block(&self) -> u64 {
        (self.size_bytes / SECTOR_BYTES).saturating_sub(1)
    }

    fn read_capacity_10(&self, command: &Command, buffers: &Buffers<'_>) -> Result<u64, Failure> {
        // Without PMI, the address must be zero.
        if !command.bit(8, 0) && command.number(2, 4) != 0 {
            return Err(Sense::INVALID_FIELD.into());
        }
        let last = u32::try_from(self.last_block()).unwrap_or(u32::MAX);
        buffers.answer(&[last.to_be_bytes(), (SECTOR_BYTES as u32).to_be_bytes()].concat(), 8)
    }

    fn read_capacity_16(&self, command: &Command, buffers: &Buffers<'_>) -> Result<u64, Failure> {
        let mut data = [0; 32];
        data[..8].copy_from_slice(&self.last_block().to_be_bytes());
        data[8..12].copy_from_slice(&(SECTOR_BYTES as u32).to_be_bytes());
        // Eight logical blocks in a physical one, as a power of two.
        data[13] = 3;
        buffers.answer(&data, command.number(10, 4))
    }

    /// Makes everything stable, whatever range was asked for.
    fn synchronize(&self, disk: &mut dyn Disk, block: u64, nr_blocks: u64) -> Result<u64, Failure> {
        self.offset(disk, block, nr_blocks)?;
        disk.flush().map(|()| 0).map_err(|error| sense::of_write(&error).into())
    }

    /// Offset of the first byte of blocks, all of which the disk has and the driver knows of.
    fn offset(&self, disk: &dyn Disk, block: u64, nr_blocks: u64) -> Result<u64, Failure> {
        let nr = self.size_bytes.min(disk.size_bytes()) / SECTOR_BYTES;
        let is_within = block.checked_add(nr_blocks).is_some_and(|end| end <= nr);
        if is_within { Ok(block * SECTOR_BYTES) } else { Err(Sense::OUT_OF_RANGE.into()) }
    }

    /// Offset and size in bytes of what READ or WRITE is about, and whether it is to be stable.
    fn range(&self, disk: &dyn Disk, command: &Command) -> Result<(u64, u64, bool), Failure> {
        let (block, nr_blocks, is_six) = match command.byte(0) >> 5 {
            // Zero stands for 256.
            0 => (command.number(1, 3) & 0x1f_ffff, (command.number(4, 1) + 255) % 256 + 1, true),
            4 => (command.number(2, 8), command.number(10, 4), false),
            5 => (command.number(2, 4), command.number(6, 4), false),
            _ => (command.number(2, 4), command.number(7, 2), false),
        };
        // Protection information: there is none.
        if !is_six && command.byte(1) >> 5 != 0 || nr_blocks > SECTORS_MAX.into() {
            return Err(Sense::INVALID_FIELD.into());
        }
        Ok((self.offset(disk, block, nr_blocks)?, nr_blocks * SECTOR_BYTES, !is_six && command.bit(1, 3)))
    }

    fn read(
        &self,
        disk: &mut dyn Disk,
        command: &Command,
        buffers: &Buffers<'_>,
        transfer: &mut Transfer,
    ) -> Result<u64, Failure> {
        let (offset, size_bytes, from_medium) = self.range(disk, command)?;
        let (at, room) = buffers.room;
        if size_bytes > room {
            return Err(Failure::Overrun);
        }
        if from_medium {
            disk.flush().map_err(|error| sense::of_write(&error))?;
        }
        let chain = (buffers.chain, buffers.memory, at);
        let (done, result) = transfer.read(disk, offset, size_bytes, chain);
        result.map(|()| done).map_err(|_| Sense::READ_ERROR.into())
    }

    fn write(
        &self,
        disk: &mut dyn Disk,
        command: &Command,
        buffers: &Buffers<'_>,
        transfer: &mut Transfer,
    ) -> Result<u64, Failure> {
        let (offset, size_bytes, to_medium) = self.range(disk, command)?;
        if disk.is_read_only() {
            return Err(Sense::WRITE_PROTECTED.into());
        }
        let (at, given) = buffers.out;
        if size_bytes > given {
            return Err(Failure::Overrun);
        }
        let chain = (buffers.chain, buffers.memory, at);
        let mut result = transfer.write(disk, offset, size_bytes, chain);
        if to_medium && result.is_ok() {
            result = disk.flush();
        }
        result.map(|()| size_bytes).map_err(|error| sense::of_write(&error).into())
    }
}

/// Answers REPORT LUNS (SPC-4 § 6.33) with these numbers of units, which are no well-known ones.
pub(super) fn report_luns(luns: &[[u8; 8]], command: &Command, buffers: &Buffers<'_>) -> Result<u64, Failure> {
    let allocated = command.number(6, 4);
    let luns = match command.byte(2) {
        0 | 2 => luns,
        // Only well-known ones.
        1 => &[],
        _ => return Err(Sense::INVALID_FIELD.into()),
    };
    if allocated < 16 {
        return Err(Sense::INVALID_FIELD.into());
    }
    let size = (8 * luns.len()) as u32;
    buffers.answer(&[&size.to_be_bytes()[..], &[0; 4], luns.as_flattened()].concat(), allocated)
}
