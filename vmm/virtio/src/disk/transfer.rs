//! Copies between a disk and a buffer, in bounded pieces.

use super::Disk;
use crate::{Chain, Memory};
use std::io;

/// The most bytes on their way at once: a request may be of gigabytes.
const PIECE_BYTES: usize = 1 << 17;

/// Room for what is on its way, used by one request after another.
pub(crate) struct Transfer {
    piece: Box<[u8]>,
}

impl Default for Transfer {
    fn default() -> Self {
        Self { piece: vec![0; PIECE_BYTES].into() }
    }
}

impl Transfer {
    /// Copies `size_bytes` from the disk to what can be written of `chain` from `at` on, and gives how many there were before
    /// an error.
    pub(crate) fn read(
        &mut self,
        disk: &mut dyn Disk,
        offset: u64,
        size_bytes: u64,
        (chain, memory, at): (&Chain, &Memory, u64),
    ) -> (u64, io::Result<()>) {
        let mut done = 0;
        while done < size_bytes {
            let size = (size_bytes - done).min(PIECE_BYTES as u64) as usize;
            let piece = &mut self.piece[..size];
            if let Err(error) = disk.read_at(offset + done, piece) {
                return (done, Err(error));
            }
            if chain.write(memory, at + done, piece) < size {
                return (done, Err(io::ErrorKind::UnexpectedEof.into()));
            }
            done += size as u64;
        }
        (done, Ok(()))
    }

    /// Copies `size_bytes` of what can be read of `chain` from `at` on to the disk.
    pub(crate) fn write(
        &mut self,
        disk: &mut dyn Disk,
        offset: u64,
        size_bytes: u64,
        (chain, memory, at): (&Chain, &Memory, u64),
    ) -> io::Result<()> {
        let mut done = 0;
        while done < size_bytes {
            let size = (size_bytes - done).min(PIECE_BYTES as u64) as usize;
            let piece = &mut self.piece[..size];
            if chain.read(memory, at + done, piece) < size {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            disk.write_at(offset + done, piece)?;
            done += size as u64;
        }
        Ok(())
    }

    /// Writes zeros to what can be written of `chain` from `from` to `to`, whatever of it there is.
    pub(crate) fn clear(&mut self, from: u64, to: u64, chain: &Chain, memory: &Memory) {
        if from >= to {
            return;
        }
        let first = (to - from).min(PIECE_BYTES as u64) as usize;
        self.piece[..first].fill(0);
        let mut at = from;
        while at < to {
            let size = (to - at).min(PIECE_BYTES as u64) as usize;
            if chain.write(memory, at, &self.piece[..size]) < size {
                return;
            }
            at += size as u64;
        }
    }
}
