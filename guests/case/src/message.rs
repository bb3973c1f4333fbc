//! The messages a guest sends: fixed-size binary records that only the host formats.
//!
//! On our own VMM they stand in shared pages (see [`page`]), announced by a write to a doorbell port. Elsewhere
//! each is one line of text on COM1 (see [`line`]), found among whatever else stands there.

use core::mem::{offset_of, size_of};

/// What a message says. The meaning of its values is given with each kind.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A check was made: `[actual, expected]`. It passed if and only if both are equal; the host decides.
    Check = 1,
    /// The case cannot decide here, for the reason that is the site's text: `[]`.
    Skip = 2,
    /// A value worth telling, under the name that is the site's text: `[value]`.
    Note = 3,
    /// The case returned: `[number of checks it made]`. The last message of a run.
    Done = 4,
    /// A panic: `[address of the file's name, its length, line]`. The last message of a run; its site is 0.
    Panic = 5,
    /// An exception that nothing expected: `[vector, error code, RIP, CR2, RSP]`. The last message of a run; its
    /// site is 0.
    Exception = 6,
    /// Answer to the probe: `[low half of Needs, CPUID.0:EBX, CPUID.0:EDX, CPUID.0:ECX, high half of Needs]`. Its site is 0;
    /// `Done` follows.
    Offers = 7,
    /// The command line names no case of this image: `[]`. The last message of a run; its site is 0.
    NoSuchCase = 8,
    /// From here on the processor must shut down, by a triple fault: `[]`. The site's text says why. It is announced at once,
    /// and the run passes only if nothing follows it and the virtual machine ends in a shutdown.
    ShutdownDue = 9,
    /// What a program that is no case found: see [`crate::fuzz::Tag`], which stands in the row and says what the values are.
    Record = 10,
    /// An interrupt came again before the first instruction of its handler, where IF is clear: `[vector]`. The last message of
    /// a run; its site is 0.
    Redelivered = 11,
}

impl Kind {
    /// Every kind.
    pub const ALL: &[Self] = &[
        Self::Check,
        Self::Skip,
        Self::Note,
        Self::Done,
        Self::Panic,
        Self::Exception,
        Self::Offers,
        Self::NoSuchCase,
        Self::ShutdownDue,
        Self::Record,
        Self::Redelivered,
    ];

    /// Number of values that a message of this kind carries.
    pub const fn nr_values(self) -> u8 {
        match self {
            Self::Skip | Self::NoSuchCase | Self::ShutdownDue => 0,
            Self::Note | Self::Done | Self::Redelivered => 1,
            Self::Check => 2,
            Self::Panic => 3,
            Self::Offers | Self::Exception | Self::Record => 5,
        }
    }

    /// Whether nothing may follow it.
    pub const fn is_last(self) -> bool {
        matches!(self, Self::Done | Self::Panic | Self::Exception | Self::NoSuchCase | Self::Redelivered)
    }
}

/// The most values that a message carries.
pub const MAX_VALUES: usize = 5;

/// A message as it stands in memory.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// A [`Kind`].
    pub kind: u8,
    /// How many of `values` count: [`Kind::nr_values`].
    pub nr_values: u8,
    /// Zero.
    pub reserved: u16,
    /// 0, 1, 2 … within one run: a lost or repeated message shows.
    pub sequence: u32,
    /// Address of the static [`crate::Site`], or 0.
    pub site: u64,
    /// Row of the site's table, or [`NO_ROW`].
    pub row: u64,
    /// The values.
    pub values: [u64; MAX_VALUES],
}

/// `row` of a message that belongs to no table.
pub const NO_ROW: u64 = u64::MAX;

const _: () =
    assert!(size_of::<Message>() == 64 && offset_of!(Message, site) == 8 && offset_of!(Message, values) == 24);

/// The shared pages: a header of 64 bytes, then messages.
///
/// The guest writes messages from slot 0 upwards and the number of them into the header, then writes to the doorbell
/// port; the host reads them before the guest continues, and the guest starts again at slot 0. There is room for all
/// that a case says, so that it writes to the port when it is at CPL 0 again: not every subject lets CPL 3 do so.
pub mod page {
    /// Size of the pages in bytes.
    pub const SIZE: usize = 32 * 4096;
    /// Offset of the `u32` that counts the messages in the pages.
    pub const COUNT: usize = 0;
    /// Offset of the first message.
    pub const FIRST: usize = 64;
    /// How many messages fit.
    pub const CAPACITY: usize = (SIZE - FIRST) / size_of::<super::Message>();
}

/// The same message as a line of text.
///
/// `\n` [`line::PREFIX`] and then, in lower-case hexadecimal without leading zeros and with one comma between:
/// kind, sequence, site, row, each value, and the [`checksum`](super::message::checksum) of them all; `;` ends it.
pub mod line {
    /// What a line starts with.
    pub const PREFIX: &str = "~vp:";
    /// What a message ends with.
    pub const END: u8 = b';';
    /// The longest message in bytes, prefix and end included.
    pub const MAX_BYTES: usize = PREFIX.len() + 2 + (MAX_WORDS + 1) * 17;
    /// Kind, sequence, site, row and the values.
    pub const MAX_WORDS: usize = 4 + super::MAX_VALUES;
}

/// Checksum of a message on a line: FNV-1a over 64-bit words.
pub fn checksum(words: &[u64]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for word in words {
        hash = (hash ^ word).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash
}

/// What an attempt led to, as one value: it completed, or it raised an exception.
pub mod outcome {
    /// It completed.
    pub const COMPLETED: u64 = 0;
    const EXCEPTION: u64 = 1 << 63;

    /// It raised this exception.
    pub const fn exception(vector: u8, error_code: u32) -> u64 {
        EXCEPTION | (vector as u64) << 32 | error_code as u64
    }

    const VMX_FAILURE: u64 = 1 << 62;

    /// An instruction of VMX ended with VMfailInvalid.
    pub const VM_FAIL_INVALID: u64 = VMX_FAILURE;

    /// An instruction of VMX ended with VMfailValid and this number of an error, which is not 0.
    pub const fn vm_fail_valid(number: u32) -> u64 {
        VMX_FAILURE | 1 << 32 | number as u64
    }

    /// An instruction of VMX ended with status flags that mean nothing.
    pub const fn vmx_flags(flags: u64) -> u64 {
        VMX_FAILURE | 2 << 32 | flags & 0xffff_ffff
    }

    /// Vector and error code, or `None` if it completed.
    pub const fn decode(value: u64) -> Option<(u8, u32)> {
        if value & EXCEPTION == 0 { None } else { Some(((value >> 32) as u8, value as u32)) }
    }
}
