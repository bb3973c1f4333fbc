//! What can be wrong with messages whose form is right.

use crate::messages::Fault;
use case::message::Kind;

/// Something that no guest with our runtime sends over a transport that works.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolFault {
    /// It is no message.
    #[error(transparent)]
    Form(#[from] Fault),
    /// A message is missing or repeated.
    #[error("message {found} arrived where message {expected} was due")]
    Sequence {
        /// The number that was due.
        expected: u32,
        /// That of the message.
        found: u32,
    },
    /// Something follows the last message.
    #[error("a message of the kind {found:?} follows {last:?}, after which nothing may")]
    AfterLast {
        /// Kind of the last message.
        last: Kind,
        /// Kind of what follows.
        found: Kind,
    },
    /// There are more messages than any case needs.
    #[error("it sent more than {limit} messages")]
    TooMany {
        /// How many are taken.
        limit: usize,
    },
    /// The site is none of the image's.
    #[error("message {sequence} ({kind:?}) names the site {site:#x}, which the image does not have")]
    UnknownSite {
        /// The message's number.
        sequence: u32,
        /// Its kind.
        kind: Kind,
        /// What it names.
        site: u64,
    },
    /// The kind has no site or no row, but the message names one.
    #[error("message {sequence} ({kind:?}) names {what} {value:#x}, but one of its kind names none")]
    Superfluous {
        /// The message's number.
        sequence: u32,
        /// Its kind.
        kind: Kind,
        /// `the site` or `the row`.
        what: &'static str,
        /// What it names.
        value: u64,
    },
    /// The row is none of the site's table.
    #[error("message {sequence} names the row {row:#x} of `{site}`, which has {nr_rows}")]
    UnknownRow {
        /// The message's number.
        sequence: u32,
        /// What it names.
        row: u64,
        /// The site's text.
        site: String,
        /// Number of rows that it has.
        nr_rows: usize,
    },
    /// Two checks of the case, or two rows of one, cannot be told apart.
    #[error(
        "message {sequence} is a second check with the id `{id}`, at {source_line}; give the checks other texts, or the \
         rows other names"
    )]
    SharedId {
        /// The message's number.
        sequence: u32,
        /// What both are called.
        id: String,
        /// `file:line` of the second.
        source_line: String,
    },
    /// A record of a program in the run of a case.
    #[error("message {sequence} is a record of a program, but a case was asked for")]
    UnaskedRecord {
        /// The message's number.
        sequence: u32,
    },
    /// The answer to a probe in the run of a case.
    #[error("message {sequence} answers a probe, but a case was asked for")]
    UnaskedOffers {
        /// The message's number.
        sequence: u32,
    },
}
