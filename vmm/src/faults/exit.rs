//! State that does not survive an exit.

use super::Change;
use crate::observer::Exit;

/// Which exits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitKind {
    /// Reads of a port.
    PortRead(u16),
    /// Writes of a port.
    PortWrite(u16),
    /// Reads of addresses without memory.
    MemoryRead,
    /// Writes of addresses without memory.
    MemoryWrite,
    /// HLT, where this VMM has the local APICs.
    Halt,
    /// All of those.
    Any,
}

/// What has changed after which exits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ExitFault {
    /// Which exits.
    pub kind: ExitKind,
    /// How many of them are without fault first.
    pub skipped: u32,
    /// What has changed.
    pub change: Change,
}

impl ExitKind {
    pub(super) fn includes(self, exit: &Exit<'_>) -> bool {
        match (self, exit) {
            (Self::PortRead(only), Exit::PioIn { port, .. }) => *port == only,
            (Self::PortWrite(only), Exit::PioOut { port, .. }) => *port == only,
            (Self::MemoryRead | Self::Any, Exit::MmioRead { .. }) => true,
            (Self::MemoryWrite | Self::Any, Exit::MmioWrite { .. }) => true,
            (Self::Halt | Self::Any, Exit::Hlt) => true,
            (Self::Any, Exit::PioIn { .. } | Exit::PioOut { .. }) => true,
            _ => false,
        }
    }
}
