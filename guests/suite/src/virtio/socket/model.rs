//! Packets of a socket device, and what makes sense of them.
//!
//! Source: VIRTIO, "Socket Device".

/// What a packet is for.
pub(crate) mod operation {
    pub(crate) const REQUEST: u16 = 1;
    pub(crate) const RESPONSE: u16 = 2;
    pub(crate) const RESET: u16 = 3;
    pub(crate) const SHUTDOWN: u16 = 4;
    pub(crate) const DATA: u16 = 5;
    pub(crate) const CREDIT_UPDATE: u16 = 6;
    pub(crate) const CREDIT_REQUEST: u16 = 7;
}

/// What the sender of SHUTDOWN does no more.
pub(crate) const NO_RECEIVE: u32 = 1;
pub(crate) const NO_SEND: u32 = 2;
/// Type of stream sockets.
pub(crate) const STREAM: u16 = 1;
/// The host's context identifier.
pub(crate) const HOST: u64 = 2;
/// Bytes of a header.
pub(crate) const HEADER_BYTES: u32 = 44;

/// A header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) source: u64,
    pub(crate) destination: u64,
    pub(crate) source_port: u32,
    pub(crate) destination_port: u32,
    /// Bytes that follow.
    pub(crate) size: u32,
    pub(crate) kind: u16,
    pub(crate) operation: u16,
    pub(crate) flags: u32,
    /// Bytes of the sender's buffer, and how many it took out of it.
    pub(crate) room: u32,
    pub(crate) taken: u32,
}

/// How many rules a packet keeps.
pub(crate) const NR_RULES: usize = 6;

impl Header {
    /// From its words in memory.
    pub(crate) fn from_words(words: [u32; 11]) -> Self {
        let wide = |index: usize| u64::from(words[index]) | u64::from(words[index + 1]) << 32;
        Self {
            source: wide(0),
            destination: wide(2),
            source_port: words[4],
            destination_port: words[5],
            size: words[6],
            kind: words[7] as u16,
            operation: (words[7] >> 16) as u16,
            flags: words[8],
            room: words[9],
            taken: words[10],
        }
    }

    /// As words in memory.
    pub(crate) fn to_words(self) -> [u32; 11] {
        [
            self.source as u32,
            (self.source >> 32) as u32,
            self.destination as u32,
            (self.destination >> 32) as u32,
            self.source_port,
            self.destination_port,
            self.size,
            u32::from(self.operation) << 16 | u32::from(self.kind),
            self.flags,
            self.room,
            self.taken,
        ]
    }

    /// Whether a packet of the device for the guest `cid`, in a buffer of which `written` bytes were written, keeps the rules: it
    /// is from the host, for the guest, for something; only data follow a header, and all of them; SHUTDOWN has flags that there
    /// are; who sends data or accepts a connection tells of its buffer.
    pub(crate) fn keeps(self, cid: u64, written: u32) -> [bool; NR_RULES] {
        let has_room = matches!(self.operation, operation::RESPONSE | operation::DATA | operation::CREDIT_UPDATE);
        [
            self.source == HOST,
            self.destination == cid,
            (operation::REQUEST..=operation::CREDIT_REQUEST).contains(&self.operation),
            (self.size == 0 || self.operation == operation::DATA)
                && self.size.checked_add(HEADER_BYTES) == Some(written),
            self.operation != operation::SHUTDOWN || matches!(self.flags, 1..=3),
            !has_room || self.room > 0,
        ]
    }

    /// Whether it goes back to where `other` came from.
    pub(crate) fn is_reply_to(self, other: Self) -> bool {
        (self.source_port, self.destination_port) == (other.destination_port, other.source_port)
    }
}

/// Bytes that may still be sent to who has a buffer of `room` bytes and took `taken` of the `sent` ones ("Buffer Space
/// Management"); none if there are more than fit.
pub(crate) const fn credit(room: u32, sent: u32, taken: u32) -> Option<u32> {
    room.checked_sub(sent.wrapping_sub(taken))
}
