//! Reading a state file, or refusing it.

use crate::{ENTRY_SIZE, HEADER_CHECKED, HEADER_SIZE, MAGIC, NAME_MAX_BYTES, NR_SECTIONS_MAX, VERSION, is_name};

/// Why something is not a state file that can be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// It is something else.
    #[error("this is no state file: it begins with other bytes")]
    Foreign,
    /// It is of another version of the format.
    #[error("the state file has version {version}, and this program reads only version {VERSION}")]
    Version {
        /// Its version.
        version: u32,
    },
    /// It ends too early, or goes on after its end.
    #[error(
        "the state file has {size_bytes} bytes and should have {expected}: it was cut off or something was appended"
    )]
    Size {
        /// Its size.
        size_bytes: u64,
        /// What it should be, as far as that is known.
        expected: u64,
    },
    /// A checksum is wrong.
    #[error("the checksum of {what} is wrong: the state file was damaged")]
    Checksum {
        /// Of the header, the table, or a section.
        what: String,
    },
    /// The checksums are right, but the table makes no sense.
    #[error("entry {index} of the state file's table of sections makes no sense")]
    Entry {
        /// Its number.
        index: usize,
    },
    /// A section is missing.
    #[error("the state file has no section {name:?}")]
    Missing {
        /// Its name.
        name: String,
    },
}

/// A state file, all of whose checksums are right.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    sections: Vec<(&'a str, &'a [u8])>,
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

fn check(what: impl Into<String>, bytes: &[u8], checksum: u32) -> Result<(), FormatError> {
    match crc32fast::hash(bytes) == checksum {
        true => Ok(()),
        false => Err(FormatError::Checksum { what: what.into() }),
    }
}

impl<'a> Reader<'a> {
    /// Reads a file.
    ///
    /// # Errors
    /// See [`FormatError`].
    pub fn new(file: &'a [u8]) -> Result<Self, FormatError> {
        let size = |expected: usize| FormatError::Size { size_bytes: file.len() as u64, expected: expected as u64 };
        let known = file.len().min(MAGIC.len());
        if file[..known] != MAGIC[..known] {
            return Err(FormatError::Foreign);
        }
        let header = file.get(..HEADER_SIZE).ok_or_else(|| size(HEADER_SIZE))?;
        // Before the checksum, which another version may have elsewhere.
        let version = u32_at(header, 8);
        if version != VERSION {
            return Err(FormatError::Version { version });
        }
        check("the header", &header[..HEADER_CHECKED], u32_at(header, HEADER_CHECKED))?;
        let expected = u64_at(header, 16);
        if expected != file.len() as u64 {
            return Err(FormatError::Size { size_bytes: file.len() as u64, expected });
        }
        let nr_sections = u32_at(header, 12) as usize;
        if nr_sections > NR_SECTIONS_MAX {
            return Err(FormatError::Entry { index: NR_SECTIONS_MAX });
        }
        let mut end = HEADER_SIZE + nr_sections * ENTRY_SIZE;
        let table = file.get(HEADER_SIZE..end).ok_or_else(|| size(end))?;
        check("the table of sections", table, u32_at(header, 24))?;
        let mut sections: Vec<(&str, &[u8])> = Vec::with_capacity(nr_sections);
        for (index, entry) in table.chunks_exact(ENTRY_SIZE).enumerate() {
            let senseless = FormatError::Entry { index };
            let padded = &entry[..NAME_MAX_BYTES];
            let length = padded.iter().position(|byte| *byte == 0).unwrap_or(NAME_MAX_BYTES);
            let (name, padding) = padded.split_at(length);
            let contents = usize::try_from(u64_at(entry, 48))
                .ok()
                .filter(|_| u64_at(entry, 40) == end as u64 && u32_at(entry, 60) == 0)
                .and_then(|size| file.get(end..end.checked_add(size)?));
            let name = std::str::from_utf8(name).ok().filter(|name| is_name(name.as_bytes()));
            let (Some(contents), Some(name)) = (contents, name) else { return Err(senseless) };
            if padding.iter().any(|byte| *byte != 0) || sections.iter().any(|(taken, _)| *taken == name) {
                return Err(senseless);
            }
            check(format!("section {name:?}"), contents, u32_at(entry, 56))?;
            end += contents.len();
            sections.push((name, contents));
        }
        if end != file.len() {
            return Err(size(end));
        }
        Ok(Self { sections })
    }

    /// The contents of a section.
    ///
    /// # Errors
    /// [`FormatError::Missing`].
    pub fn section(&self, name: &str) -> Result<&'a [u8], FormatError> {
        let found = self.sections.iter().find(|(other, _)| *other == name);
        found.map(|(_, contents)| *contents).ok_or_else(|| FormatError::Missing { name: name.to_owned() })
    }

    /// The names of all sections, in their order.
    pub fn names(&self) -> impl Iterator<Item = &'a str> {
        self.sections.iter().map(|(name, _)| *name)
    }
}
