//! A command descriptor block, and the buffers that come with it.

use super::sense::Sense;
use crate::{Chain, Memory};

/// Bytes of the longest command that is known; more are not looked at.
pub(super) const COMMAND_BYTES: usize = 32;

/// Why a command did not do what it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// Status CHECK CONDITION with this sense data.
    Check(Sense),
    /// More data than the buffers hold.
    Overrun,
}

impl From<Sense> for Failure {
    fn from(sense: Sense) -> Self {
        Self::Check(sense)
    }
}

/// A command descriptor block; what the driver did not give is zero.
#[derive(Clone, Copy, Debug)]
pub(super) struct Command(pub(super) [u8; COMMAND_BYTES]);

impl Command {
    pub(super) fn byte(&self, at: usize) -> u8 {
        self.0[at]
    }

    pub(super) fn bit(&self, at: usize, bit: u8) -> bool {
        self.0[at] >> bit & 1 != 0
    }

    /// A big-endian number of `size` bytes, at most eight.
    pub(super) fn number(&self, at: usize, size: usize) -> u64 {
        self.0[at..at + size].iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    /// The control byte, the last of the command (SAM-4 § 5.2): its place follows from the group.
    pub(super) fn control(&self) -> u8 {
        match self.0[0] >> 5 {
            0 => self.0[5],
            1 | 2 => self.0[9],
            4 => self.0[15],
            5 => self.0[11],
            _ => 0,
        }
    }
}

/// What a command's data are in.
#[derive(Clone, Copy)]
pub(super) struct Buffers<'a> {
    pub(super) chain: &'a Chain,
    pub(super) memory: &'a Memory,
    /// Offset among what can be read, and size, of the data for the disk.
    pub(super) out: (u64, u64),
    /// Offset among what can be written, and size, of the room for data from the disk.
    pub(super) room: (u64, u64),
}

impl Buffers<'_> {
    /// Gives `data`, as much of them as the command's allocation length allows, and how many bytes that were. § 5.6.6.1: it is an
    /// overrun if a command allows more than there is room for, however much of it would be used.
    pub(super) fn answer(&self, data: &[u8], allocated: u64) -> Result<u64, Failure> {
        let (at, room) = self.room;
        if allocated > room {
            return Err(Failure::Overrun);
        }
        let size = allocated.min(data.len() as u64);
        Ok(self.chain.write(self.memory, at, &data[..size as usize]) as u64)
    }
}
