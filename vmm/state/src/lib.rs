//! The file that holds the state of a VM: a header, a table of named sections, and their contents, all under checksums.
//!
//! All numbers are little-endian.
//!
//! | offset | size | what |
//! |---|---|---|
//! | 0 | 8 | [`MAGIC`] |
//! | 8 | 4 | [`VERSION`] |
//! | 12 | 4 | number of sections, at most [`NR_SECTIONS_MAX`] |
//! | 16 | 8 | size of the whole file in bytes |
//! | 24 | 4 | CRC-32 of the table of sections |
//! | 28 | 4 | CRC-32 of the 28 bytes before |
//! | 32 | 64 each | the table of sections |
//! | then | | their contents, in the table's order, without gaps |
//!
//! An entry of the table:
//!
//! | offset | size | what |
//! |---|---|---|
//! | 0 | 40 | name, of printable ASCII characters, filled up with zeros |
//! | 40 | 8 | offset of the contents in the file |
//! | 48 | 8 | their size in bytes |
//! | 56 | 4 | their CRC-32 |
//! | 60 | 4 | zero |
//!
//! What a section holds is its writer's affair; [`memory`] is how memory is written, and [`value`] all else. A file is either taken as a whole or refused
//! with a reason: one that is foreign, of another version, too short, too long, or of which a bit has changed. The checksums are
//! against accidents; they are no proof of who wrote it.
//!
//! **Architecture Invariant**: reading allocates nothing in proportion to what a file claims: contents are borrowed from it.

#![forbid(unsafe_code)]

pub mod memory;
mod reader;
pub mod value;
mod writer;

pub use reader::{FormatError, Reader};
pub use value::DeviceStateError;
pub use writer::{Writer, WriterError};

/// What a state file begins with. The first byte is no text, and the last two find conversions of line ends.
pub const MAGIC: [u8; 8] = *b"\x89VMST\x1a\r\n";
/// The version that this crate writes, and the only one that it reads: another one for whatever changes in the file, or in what a
/// section holds.
pub const VERSION: u32 = 3;
/// How many sections a file has at most.
pub const NR_SECTIONS_MAX: usize = 1024;
/// How long a name is at most, in bytes.
pub const NAME_MAX_BYTES: usize = 40;

/// Size of the header in bytes.
const HEADER_SIZE: usize = 32;
/// Of which the last four are its checksum.
const HEADER_CHECKED: usize = 28;
/// Size of an entry of the table in bytes.
const ENTRY_SIZE: usize = 64;

/// Whether this can be the name of a section.
fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.len() <= NAME_MAX_BYTES && name.iter().all(u8::is_ascii_graphic)
}

#[cfg(test)]
mod tests;
