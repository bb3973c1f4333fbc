//! What can be wrong with the form of a message.

use case::message::{Kind, MAX_VALUES, line, page};

/// Something that announced itself as a message and is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The kind is none of [`Kind::ALL`].
    #[error("message {sequence} is of the unknown kind {kind}")]
    UnknownKind {
        /// What it says.
        kind: u64,
        /// The message's number.
        sequence: u32,
    },
    /// The number of values does not fit the kind.
    #[error("message {sequence} carries {found} values, but one of the kind {kind:?} carries {expected}")]
    NrValues {
        /// Its kind.
        kind: Kind,
        /// The message's number.
        sequence: u32,
        /// How many there are.
        found: usize,
        /// How many there should be.
        expected: u8,
    },
    /// A message in the page says that it has more values than fit.
    #[error("message {sequence} says that it carries {found} values, but at most {MAX_VALUES} fit")]
    TooManyValues {
        /// The message's number.
        sequence: u32,
        /// What it says.
        found: u8,
    },
    /// A reserved field of a message in the page is not zero.
    #[error("message {sequence} has {value:#x} in its reserved field")]
    Reserved {
        /// The message's number.
        sequence: u32,
        /// What stands there.
        value: u16,
    },
    /// The counter of the shared pages is too large.
    #[error("the report pages say that they hold {count} messages, but at most {} fit", page::CAPACITY)]
    Count {
        /// What it says.
        count: u32,
    },
    /// A line holds something that belongs into none.
    #[error("a message on COM1 is torn: `{text}`")]
    Torn {
        /// Its last bytes, as far as they are kept, made printable.
        text: String,
    },
    /// A line goes on and on.
    #[error("a message on COM1 is longer than {} bytes: `{text}`", line::MAX_BYTES)]
    Overlong {
        /// Its last bytes, as far as they are kept, made printable.
        text: String,
    },
    /// A line is whole, but not what was sent.
    #[error("a message on COM1 is garbled: its checksum is {computed:x}, but it ends in {found:x}: `{text}`")]
    Checksum {
        /// The sum of what arrived.
        computed: u64,
        /// The sum that arrived.
        found: u64,
        /// Its last bytes, as far as they are kept, made printable.
        text: String,
    },
    /// The output ended in the middle of a line.
    #[error("the output on COM1 ends in the middle of a message: `{text}`")]
    Unfinished {
        /// Its last bytes, as far as they are kept, made printable.
        text: String,
    },
    /// Another part of the harness, which took the message, found it wrong.
    #[error("{text}")]
    Told {
        /// What it said.
        text: String,
    },
}

/// How many bytes of a line a fault shows.
const SHOWN_BYTES: usize = 48;

/// The last bytes of a line, made printable.
pub(super) fn shown(line: &[u8]) -> String {
    let start = line.len().saturating_sub(SHOWN_BYTES);
    let tail = line.get(start..).unwrap_or(line).escape_ascii();
    if start == 0 { tail.to_string() } else { format!("…{tail}") }
}
