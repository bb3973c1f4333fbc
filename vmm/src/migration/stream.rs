//! What goes from one VMM to the other, and back.
//!
//! All numbers are little-endian. A stream begins with a header:
//!
//! | size | what |
//! |---|---|
//! | 8 | [`MAGIC`] |
//! | 4 | [`VERSION`] |
//! | 4 | zero |
//! | 8 | size of guest memory in bytes |
//!
//! Records follow, each of 24 bytes and its contents:
//!
//! | size | what |
//! |---|---|
//! | 4 | its kind, see [`Kind`] |
//! | 4 | CRC-32 of the other 20 bytes of this head with the contents behind |
//! | 8 | address, for memory; else 0 |
//! | 8 | size of the memory or of the contents in bytes |
//!
//! The destination says nothing until it has the state. Then it sends one record of its own, of the kind [`Kind::Restored`] or
//! [`Kind::Refused`].

use std::io::{self, Read, Write};

/// What a stream begins with.
const MAGIC: [u8; 8] = *b"\x89VMMG\x1a\r\n";
/// The version that is written, and the only one that is read.
const VERSION: u32 = 1;
/// Size of the head of a record in bytes.
const HEAD_SIZE: usize = 24;
/// Contents of a record of memory in bytes, at most.
pub(super) const MEMORY_MAX: u64 = 1 << 20;
/// Contents of other records in bytes, at most. A state is some ten kilobytes, and some more with screens.
const OTHERS_MAX: u64 = 256 << 20;

/// Why a stream makes no sense.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// It could not be read or written.
    #[error("the connection failed")]
    Connection(#[source] io::Error),
    /// It is of something else.
    #[error("what came is no migration of this VMM")]
    Foreign,
    /// It is of another version.
    #[error("the migration is of version {version}, and this VMM knows {VERSION}")]
    Version {
        /// What it says.
        version: u32,
    },
    /// A record was changed on its way.
    #[error("a record of the migration has a wrong checksum")]
    Checksum,
    /// A record cannot be.
    #[error(
        "the migration has a record of kind {kind} for {size_bytes:#x} bytes at {address:#x}, which makes no sense"
    )]
    Record {
        /// Its kind.
        kind: u32,
        /// Its address.
        address: u64,
        /// Its size.
        size_bytes: u64,
    },
}

impl From<io::Error> for StreamError {
    fn from(error: io::Error) -> Self {
        Self::Connection(error)
    }
}

/// Kinds of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Memory as in the contents.
    Memory = 1,
    /// Memory of zeros; there are no contents.
    Zeros = 2,
    /// All else, as a state file without memory. The last record.
    State = 3,
    /// The VM stands at the destination.
    Restored = 4,
    /// It does not, and the contents say why.
    Refused = 5,
}

impl Kind {
    const ALL: [Self; 5] = [Self::Memory, Self::Zeros, Self::State, Self::Restored, Self::Refused];
}

/// A record that was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) kind: Kind,
    pub(super) address: u64,
    pub(super) size_bytes: u64,
    pub(super) contents: Vec<u8>,
}

pub(super) fn write_header(stream: &mut impl Write, memory_bytes: u64) -> Result<(), StreamError> {
    let mut header = MAGIC.to_vec();
    header.extend(VERSION.to_le_bytes());
    header.extend([0; 4]);
    header.extend(memory_bytes.to_le_bytes());
    Ok(stream.write_all(&header)?)
}

/// Gives the size of the memory.
pub(super) fn read_header(stream: &mut impl Read) -> Result<u64, StreamError> {
    if read_array(stream)? != MAGIC {
        return Err(StreamError::Foreign);
    }
    let version = u32::from_le_bytes(read_array(stream)?);
    if version != VERSION {
        return Err(StreamError::Version { version });
    }
    if read_array(stream)? != [0; 4] {
        return Err(StreamError::Foreign);
    }
    Ok(u64::from_le_bytes(read_array(stream)?))
}

fn read_array<const N: usize>(stream: &mut impl Read) -> Result<[u8; N], StreamError> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn checksum(kind: u32, address: u64, size_bytes: u64, contents: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&kind.to_le_bytes());
    hasher.update(&address.to_le_bytes());
    hasher.update(&size_bytes.to_le_bytes());
    hasher.update(contents);
    hasher.finalize()
}

/// Writes a record; zeros have no contents, and others have so many.
pub(super) fn write_record(
    stream: &mut impl Write,
    kind: Kind,
    (address, size_bytes): (u64, u64),
    contents: &[u8],
) -> Result<(), StreamError> {
    let mut head = Vec::with_capacity(HEAD_SIZE);
    head.extend((kind as u32).to_le_bytes());
    head.extend(checksum(kind as u32, address, size_bytes, contents).to_le_bytes());
    head.extend(address.to_le_bytes());
    head.extend(size_bytes.to_le_bytes());
    stream.write_all(&head)?;
    Ok(stream.write_all(contents)?)
}

/// Reads a record. Memory is allocated for what came, not for what is claimed.
pub(super) fn read_record(stream: &mut impl Read) -> Result<Record, StreamError> {
    let number = u32::from_le_bytes(read_array(stream)?);
    let claimed = u32::from_le_bytes(read_array(stream)?);
    let address = u64::from_le_bytes(read_array(stream)?);
    let size_bytes = u64::from_le_bytes(read_array(stream)?);
    let senseless = StreamError::Record { kind: number, address, size_bytes };
    let Some(kind) = Kind::ALL.into_iter().find(|kind| *kind as u32 == number) else { return Err(senseless) };
    let length = match kind {
        Kind::Zeros => 0,
        _ => size_bytes,
    };
    if length > if kind == Kind::Memory { MEMORY_MAX } else { OTHERS_MAX } {
        return Err(senseless);
    }
    let mut contents = Vec::new();
    stream.take(length).read_to_end(&mut contents)?;
    if contents.len() as u64 != length {
        return Err(StreamError::Connection(io::ErrorKind::UnexpectedEof.into()));
    }
    if checksum(number, address, size_bytes, &contents) != claimed {
        return Err(StreamError::Checksum);
    }
    Ok(Record { kind, address, size_bytes, contents })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written() -> Vec<u8> {
        let mut stream = Vec::new();
        write_header(&mut stream, 1 << 20).unwrap();
        write_record(&mut stream, Kind::Memory, (0x1000, 3), b"abc").unwrap();
        write_record(&mut stream, Kind::Zeros, (0x2000, 0x1000), &[]).unwrap();
        stream
    }

    fn read(mut stream: &[u8]) -> Result<Vec<Record>, StreamError> {
        assert_eq!(read_header(&mut stream)?, 1 << 20);
        (0..2).map(|_| read_record(&mut stream)).collect()
    }

    #[test]
    fn records_are_read_as_they_are_written() {
        let records = read(&written()).unwrap();
        let expected = [
            Record { kind: Kind::Memory, address: 0x1000, size_bytes: 3, contents: b"abc".to_vec() },
            Record { kind: Kind::Zeros, address: 0x2000, size_bytes: 0x1000, contents: Vec::new() },
        ];
        assert_eq!(records, expected);
    }

    #[test]
    fn a_stream_that_is_cut_off_or_changed_is_refused() {
        let whole = written();
        for length in 0..whole.len() {
            assert!(matches!(read(&whole[..length]), Err(StreamError::Connection(_))), "{length}");
        }
        // Of the header only what is checked by itself: the size of the memory is its reader's affair.
        for bit in (0..16 * 8).chain(24 * 8..whole.len() * 8) {
            let mut changed = whole.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(read(&changed).is_err(), "{bit}");
        }
        let mut newer = whole;
        newer[8] = 2;
        assert!(matches!(read(&newer), Err(StreamError::Version { version: 2 })));
    }
}
