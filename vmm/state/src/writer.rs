//! Writing a state file.

use crate::{ENTRY_SIZE, HEADER_CHECKED, HEADER_SIZE, MAGIC, NAME_MAX_BYTES, NR_SECTIONS_MAX, VERSION, is_name};

/// Why a section cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriterError {
    /// The name is empty, too long, not printable ASCII, or taken.
    #[error(
        "{name:?} cannot be the name of a section: 1 to {NAME_MAX_BYTES} printable ASCII characters, each name once"
    )]
    Name {
        /// The name.
        name: String,
    },
    /// There are too many sections.
    #[error("a state file has at most {NR_SECTIONS_MAX} sections")]
    TooMany,
}

/// Collects sections.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    sections: Vec<(String, Vec<u8>)>,
}

impl Writer {
    /// One without sections.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a section.
    ///
    /// # Errors
    /// See [`WriterError`].
    pub fn add(&mut self, name: impl Into<String>, contents: Vec<u8>) -> Result<(), WriterError> {
        let name = name.into();
        if !is_name(name.as_bytes()) || self.sections.iter().any(|(taken, _)| *taken == name) {
            return Err(WriterError::Name { name });
        }
        if self.sections.len() == NR_SECTIONS_MAX {
            return Err(WriterError::TooMany);
        }
        self.sections.push((name, contents));
        Ok(())
    }

    /// The file.
    pub fn finish(self) -> Vec<u8> {
        let mut offset = HEADER_SIZE + ENTRY_SIZE * self.sections.len();
        let size: usize = offset + self.sections.iter().map(|(_, contents)| contents.len()).sum::<usize>();
        let mut table = Vec::with_capacity(offset - HEADER_SIZE);
        for (name, contents) in &self.sections {
            let mut entry = [0; ENTRY_SIZE];
            entry[..name.len()].copy_from_slice(name.as_bytes());
            entry[40..48].copy_from_slice(&(offset as u64).to_le_bytes());
            entry[48..56].copy_from_slice(&(contents.len() as u64).to_le_bytes());
            entry[56..60].copy_from_slice(&crc32fast::hash(contents).to_le_bytes());
            table.extend(entry);
            offset += contents.len();
        }
        let mut file = Vec::with_capacity(size);
        file.extend(MAGIC);
        file.extend(VERSION.to_le_bytes());
        file.extend((self.sections.len() as u32).to_le_bytes());
        file.extend((size as u64).to_le_bytes());
        file.extend(crc32fast::hash(&table).to_le_bytes());
        let checksum = crc32fast::hash(&file[..HEADER_CHECKED]);
        file.extend(checksum.to_le_bytes());
        file.extend(table);
        self.sections.iter().for_each(|(_, contents)| file.extend_from_slice(contents));
        file
    }
}
