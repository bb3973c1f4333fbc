//! How memory is written: its size in bytes, and each run of pages that are not zero.
//!
//! | size | what |
//! |---|---|
//! | 8 | size of the memory in bytes, a multiple of [`PAGE_SIZE`] |
//! | 8 | address of the first run, a multiple of that too |
//! | 8 | its size in bytes, likewise, and not 0 |
//! | | its contents |
//! | … | further runs, in the order of their addresses |

/// The unit in bytes.
pub const PAGE_SIZE: usize = 4096;
/// How much is looked at at once.
const CHUNK_PAGES: usize = 64;

/// Why a section does not hold memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MemoryError {
    /// It is cut off.
    #[error("the saved memory is cut off after {at} bytes")]
    Short {
        /// How far it is whole.
        at: usize,
    },
    /// A run is empty, not of whole pages, out of order, or behind the end.
    #[error("the saved memory has a run at {address:#x} of {size_bytes:#x} bytes, which makes no sense")]
    Run {
        /// Its address.
        address: u64,
        /// Its size.
        size_bytes: u64,
    },
}

/// Writes memory of `size_bytes`, which `read` copies from.
///
/// # Errors
/// Those of `read`.
pub fn write<E>(size_bytes: u64, mut read: impl FnMut(u64, &mut [u8]) -> Result<(), E>) -> Result<Vec<u8>, E> {
    let mut contents = size_bytes.to_le_bytes().to_vec();
    let mut chunk = vec![0; CHUNK_PAGES * PAGE_SIZE];
    // Where the size of the run that is open stands, and the address at which it would go on.
    let mut open: Option<(usize, u64)> = None;
    let mut at = 0;
    while at < size_bytes {
        let size = (size_bytes - at).min(chunk.len() as u64) as usize;
        read(at, &mut chunk[..size])?;
        for page in chunk[..size].chunks(PAGE_SIZE) {
            if !is_zero(page) {
                let place = match open {
                    Some((place, next)) if next == at => place,
                    _ => {
                        contents.extend(at.to_le_bytes());
                        contents.extend([0; 8]);
                        contents.len() - 8
                    }
                };
                contents.extend_from_slice(page);
                let length = (contents.len() - place - 8) as u64;
                contents[place..place + 8].copy_from_slice(&length.to_le_bytes());
                open = Some((place, at + page.len() as u64));
            }
            at += page.len() as u64;
        }
    }
    Ok(contents)
}

/// Whether a page holds nothing but zeros.
pub fn is_zero(page: &[u8]) -> bool {
    // By words: this looks at all of a VM's memory.
    page.chunks(64).all(|line| line.iter().fold(0, |all, byte| all | byte) == 0)
}

/// Memory as a section holds it.
#[derive(Clone, Debug)]
pub struct Saved<'a> {
    size_bytes: u64,
    runs: Vec<(u64, &'a [u8])>,
}

impl<'a> Saved<'a> {
    /// Reads a section.
    ///
    /// # Errors
    /// See [`MemoryError`].
    pub fn new(contents: &'a [u8]) -> Result<Self, MemoryError> {
        let (size_bytes, mut rest) = contents.split_first_chunk().ok_or(MemoryError::Short { at: 0 })?;
        let size_bytes = u64::from_le_bytes(*size_bytes);
        let mut end = 0;
        let mut runs = Vec::new();
        while !rest.is_empty() {
            let at = contents.len() - rest.len();
            let short = MemoryError::Short { at };
            let (address, after) = rest.split_first_chunk().ok_or(short)?;
            let (size, after) = after.split_first_chunk().ok_or(short)?;
            let (address, size) = (u64::from_le_bytes(*address), u64::from_le_bytes(*size));
            let is_aligned = address.is_multiple_of(PAGE_SIZE as u64) && size.is_multiple_of(PAGE_SIZE as u64);
            let run_end = address.checked_add(size).filter(|end| *end <= size_bytes);
            let Some(run_end) = run_end.filter(|_| is_aligned && size > 0 && address >= end) else {
                return Err(MemoryError::Run { address, size_bytes: size });
            };
            let length = usize::try_from(size).map_err(|_| short)?;
            runs.push((address, after.get(..length).ok_or(short)?));
            rest = &after[length..];
            end = run_end;
        }
        Ok(Self { size_bytes, runs })
    }

    /// Size of the memory in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// The runs of pages that are not zero: address and contents.
    pub fn runs(&self) -> &[(u64, &'a [u8])] {
        &self.runs
    }
}
