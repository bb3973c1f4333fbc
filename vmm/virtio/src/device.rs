//! What a kind of device does: its configuration, and what becomes of the buffers in its queues.

use crate::{Chain, Memory, Ring, RingError};
use std::os::fd::RawFd;
use vm_state::DeviceStateError;

/// Kinds of devices, by their id (§ 5 "Device Types").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum DeviceKind {
    /// § 5.1.
    Network = 1,
    /// § 5.2.
    Block = 2,
    /// § 5.3.
    Console = 3,
    /// § 5.4.
    Entropy = 4,
    /// § 5.5.
    Balloon = 5,
    /// § 5.6.
    Scsi = 8,
    /// § 5.7.
    Gpu = 16,
    /// § 5.10.
    Socket = 19,
}

impl DeviceKind {
    /// Its id.
    pub const fn id(self) -> u16 {
        self as u16
    }
}

/// A kind of device behind a transport. None of its functions may block, panic, or grow with what a driver does.
pub trait VirtioDevice: Send {
    /// What it is.
    fn kind(&self) -> DeviceKind;

    /// The largest size of each of its queues.
    fn queue_sizes(&self) -> &[u16];

    /// Feature bits of its kind that it offers; those of [`crate::Features`] come with the transport.
    fn features(&self) -> u64 {
        0
    }

    /// Takes the feature bits that the driver accepted, all of them offered, and says whether it works with them.
    fn accept(&mut self, _features: u64) -> bool {
        true
    }

    /// Fills `data`, which holds zeros, from `offset` of its configuration; what lies behind the end stays zero.
    fn read_config(&self, _offset: usize, _data: &mut [u8]) {}

    /// Takes what is written at `offset` of its configuration.
    fn write_config(&mut self, _offset: usize, _data: &[u8], _io: &mut Io<'_>) {}

    /// Forgets everything that the driver told it.
    fn reset(&mut self) {}

    /// Forgets the buffers of `queue` that it holds: the driver takes the queue out of use.
    fn reset_queue(&mut self, _queue: usize) {}

    /// The driver set DRIVER_OK: buffers may be used.
    ///
    /// # Errors
    /// What the driver did wrong.
    fn start(&mut self, _io: &mut Io<'_>) -> Result<(), RingError> {
        Ok(())
    }

    /// There may be buffers in `queue`.
    ///
    /// # Errors
    /// What the driver did wrong: the device asks for a reset then.
    fn notified(&mut self, queue: usize, io: &mut Io<'_>) -> Result<(), RingError>;

    /// File descriptors of its other side that it waits for.
    fn wake_ups(&self) -> Vec<RawFd> {
        Vec::new()
    }

    /// One of [`Self::wake_ups`] is readable.
    ///
    /// # Errors
    /// What the driver did wrong.
    fn woken(&mut self, _io: &mut Io<'_>) -> Result<(), RingError> {
        Ok(())
    }

    /// What is kept of it in a saved VM; it may go on afterwards. What of the other side would be lost, because that is opened anew,
    /// is taken in. Status, features and queues are kept without it.
    ///
    /// # Errors
    /// If it cannot be saved, or its data could not be written.
    fn save(&mut self) -> Result<Vec<u8>, DeviceStateError> {
        Err(DeviceStateError::Unsupported)
    }

    /// Takes it, as it was made, to a state that [`Self::save`] gave. Features were accepted before if there are any. After an
    /// error it is of no use.
    ///
    /// # Errors
    /// If that is not the state of such a device, or one that it cannot be in.
    fn restore(&mut self, _state: &[u8], _memory: &Memory) -> Result<(), DeviceStateError> {
        Err(DeviceStateError::Unsupported)
    }
}

/// What a device works with while it is called.
pub struct Io<'a> {
    /// Guest memory.
    pub memory: &'a Memory,
    rings: &'a mut [Option<Ring>],
    outcome: &'a mut Outcome,
}

/// What a call of a device leaves to be done; queues are a bit each.
#[derive(Default)]
pub(crate) struct Outcome {
    /// Buffers were given back.
    pub(crate) used: u64,
    /// It took all buffers that there were, and wants to hear of more.
    pub(crate) waits: u64,
    /// It is to be called again.
    pub(crate) again: u64,
    /// The configuration changed.
    pub(crate) config_changed: bool,
}

impl<'a> Io<'a> {
    pub(crate) fn new(memory: &'a Memory, rings: &'a mut [Option<Ring>], outcome: &'a mut Outcome) -> Self {
        Self { memory, rings, outcome }
    }

    /// Whether the driver set `queue` up.
    pub fn has_queue(&self, queue: usize) -> bool {
        self.ring(queue).is_some()
    }

    fn ring(&self, queue: usize) -> Option<&Ring> {
        self.rings.get(queue).and_then(Option::as_ref)
    }

    /// The next buffer of `queue`, if there is one.
    ///
    /// # Errors
    /// What the driver did wrong.
    pub fn pop(&mut self, queue: usize) -> Result<Option<Chain>, RingError> {
        match self.rings.get_mut(queue) {
            Some(Some(ring)) => {
                let chain = ring.pop(self.memory)?;
                if chain.is_none() {
                    self.outcome.waits |= 1 << queue;
                }
                Ok(chain)
            }
            _ => Ok(None),
        }
    }

    /// Gives a buffer of `queue` back, with the number of bytes that were written from its start on.
    ///
    /// # Errors
    /// If the ring is not within guest memory.
    pub fn complete(&mut self, queue: usize, chain: &Chain, written_bytes: u32) -> Result<(), RingError> {
        match self.rings.get_mut(queue) {
            Some(Some(ring)) => {
                self.outcome.used |= 1 << queue;
                ring.complete(self.memory, chain, written_bytes)
            }
            _ => Ok(()),
        }
    }

    /// Handles all buffers of `queue`: `handle` says how many bytes it wrote.
    ///
    /// # Errors
    /// What the driver did wrong.
    pub fn each(
        &mut self,
        queue: usize,
        mut handle: impl FnMut(&Chain, &Memory) -> Result<u32, RingError>,
    ) -> Result<(), RingError> {
        // A driver on another vCPU could add buffers for ever: no more than a queue holds are handled at once.
        for _ in 0..crate::ring::QUEUE_SIZE_MAX {
            let Some(chain) = self.pop(queue)? else { return Ok(()) };
            let written = handle(&chain, self.memory)?;
            self.complete(queue, &chain, written)?;
        }
        self.call_again(queue);
        Ok(())
    }

    /// Calls the device again for `queue`, as if it were notified: it stops now only in order not to take too long.
    pub fn call_again(&mut self, queue: usize) {
        self.outcome.again |= 1 << queue;
    }

    /// Its configuration is another now: the driver is told.
    pub fn change_config(&mut self) {
        self.outcome.config_changed = true;
    }
}
