//! The catalog: which cases an image holds, read from its ELF file.
//!
//! The list comes from the very file that is run, stripped or not, so it can never differ from it. Records are read by
//! the offsets that `case` defines, field by field, and every address in them is followed with a check: no file makes
//! this panic.

pub(crate) mod elf;
mod error;
pub(crate) mod fields;
mod note;
mod record;
mod set_up;
mod site;
#[cfg(test)]
pub(crate) mod synthetic;
#[cfg(test)]
mod tests;

pub use error::{CatalogError, ImageError, RecordError};
pub use record::Case;
pub use set_up::{InterruptSetup, SEPARATOR, UnknownSetup, plain_id};
pub use site::Site;

use crate::symbols::Symbols;
use case::image::ImageNote;
use elf::Elf;
use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read},
    path::Path,
    sync::OnceLock,
};

/// Name and type of the note that holds the build id (System V ABI, "gABI note sections"; `ld --build-id`).
const BUILD_ID_NOTE: (&str, u32) = ("GNU", 3);

/// Name of the crate that holds the suite.
const SUITE: &str = "suite";

/// An image and its cases.
#[derive(Debug)]
pub struct Catalog {
    elf: Elf,
    note: ImageNote,
    build_id: String,
    cases: Vec<Case>,
    sites: BTreeMap<u64, Site>,
    /// Named when the first is asked for.
    symbols: OnceLock<Symbols>,
}

impl Catalog {
    /// Reads an image from its file.
    ///
    /// # Errors
    /// [`CatalogError`], which names the file, what is wrong with it and what to do.
    pub fn read(path: &Path) -> Result<Self, CatalogError> {
        read_whole(path)
            .and_then(Self::parse)
            .map_err(|problem| CatalogError { path: path.to_owned(), problem: Box::new(problem) })
    }

    /// Reads an image from the bytes of its file, which it keeps: whatever becomes of the file later, what is run is what
    /// was read.
    ///
    /// # Errors
    /// Each [`ImageError`] but [`ImageError::Read`].
    pub fn parse(bytes: Vec<u8>) -> Result<Self, ImageError> {
        let elf = Elf::parse(bytes)?;
        let note = note::read(&elf)?;
        let mut cases = record::read_all(&elf)?;
        // Of two cases with one id the first in the file comes first, whatever their sources are called.
        cases.sort_by(|left, right| left.id.cmp(&right.id));
        if let Some([first, second]) = cases.array_windows().find(|[first, second]| first.id == second.id) {
            return Err(ImageError::DuplicateId {
                id: first.id.clone(),
                first: first.source(),
                second: second.source(),
            });
        }
        let cases = cases.into_iter().flat_map(Case::in_each_setup).collect();
        let sites = site::read_all(&elf)?;
        let (name, n_type) = BUILD_ID_NOTE;
        let build_id = elf.note(name, n_type).unwrap_or_default().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { note, build_id, cases, sites, symbols: OnceLock::new(), elf })
    }

    /// The same image with nothing but the case whose record is at this address, none if there is none: what runs it needs no more,
    /// and another process has read it all.
    ///
    /// # Errors
    /// As [`Catalog::parse`].
    pub(crate) fn parse_one(bytes: Vec<u8>, record_address: u64) -> Result<Self, ImageError> {
        let elf = Elf::parse(bytes)?;
        let note = note::read(&elf)?;
        let cases = record::read_at(&elf, record_address)?.into_iter().flat_map(Case::in_each_setup).collect();
        let (build_id, sites) = (String::new(), BTreeMap::new());
        Ok(Self { note, build_id, cases, sites, symbols: OnceLock::new(), elf })
    }

    /// The whole file.
    pub fn bytes(&self) -> &[u8] {
        self.elf.bytes()
    }

    /// The image's note: entry, tables, report pages.
    pub fn note(&self) -> &ImageNote {
        &self.note
    }

    /// The linker's build id in hexadecimal; empty if it wrote none.
    pub fn build_id(&self) -> &str {
        &self.build_id
    }

    /// Every case, sorted by its id; one that wants interrupt controllers once for each set-up.
    pub fn cases(&self) -> &[Case] {
        &self.cases
    }

    /// Every case of the image and of the host once: of one that runs in several interrupt set-ups, that in the first.
    pub fn plain_cases(&self) -> impl Iterator<Item = &Case> + Clone {
        self.cases.iter().filter(|case| {
            case.interrupts.is_none_or(|interrupts| InterruptSetup::of(case.setup.irqchip).first() == Some(&interrupts))
        })
    }

    /// The same with cases that the host runs by itself, such as [`crate::emulation::cases`].
    #[must_use]
    pub fn with_host_cases(mut self, cases: impl IntoIterator<Item = Case>) -> Self {
        self.cases.extend(cases);
        self.cases.sort_by(|left, right| left.id.cmp(&right.id));
        self
    }

    /// Whether it holds cases of the suite, which the cases of the host are part of.
    pub fn is_suite(&self) -> bool {
        self.cases.iter().any(|case| case.module.split("::").next() == Some(SUITE))
    }

    /// The case with this id.
    pub fn case(&self, id: &str) -> Option<&Case> {
        let index = self.cases.binary_search_by(|case| case.id.as_str().cmp(id)).ok()?;
        self.cases.get(index)
    }

    /// The ids of a case in its set-ups, given its plain id; none if no case with set-ups has this plain id.
    pub fn in_setups(&self, plain_id: &str) -> Vec<String> {
        let is_meant = |case: &&Case| case.interrupts.is_some() && case.plain_id() == plain_id;
        self.cases.iter().filter(is_meant).map(|case| case.id.clone()).collect()
    }

    /// The site at a guest address, which must be exactly that of the site.
    pub fn site(&self, address: u64) -> Option<&Site> {
        self.sites.get(&address)
    }

    /// Every site with its guest address.
    pub fn sites(&self) -> impl Iterator<Item = (u64, &Site)> {
        self.sites.iter().map(|(&address, site)| (address, site))
    }

    /// The functions of the image.
    pub fn symbols(&self) -> &Symbols {
        self.symbols.get_or_init(|| Symbols::of(self.elf.code_symbols()))
    }

    /// `size` bytes that the file loads at a guest address.
    pub fn memory(&self, address: u64, size: u64) -> Option<&[u8]> {
        self.elf.memory(address, size)
    }

    /// Where a RIP stands: function, offset and instruction, as far as they can be told.
    ///
    /// The instruction is taken from the file; use [`Symbols::place`] with bytes of guest memory where they are at
    /// hand, because a guest may have written over its code.
    pub fn place(&self, rip: u64) -> String {
        self.symbols().place(rip, self.elf.memory_up_to(rip, crate::symbols::MAX_INSTRUCTION_BYTES))
    }
}

/// Reads a file that nobody writes to meanwhile.
fn read_whole(path: &Path) -> Result<Vec<u8>, ImageError> {
    let mut file = File::open(path).map_err(ImageError::Read)?;
    read_unchanged(&mut file, |file| {
        let metadata = file.metadata()?;
        Ok((metadata.len(), metadata.modified()?))
    })
}

/// Reads to the end; `state` must be the same before and behind it, or the bytes may be of two builds.
fn read_unchanged<F: Read, S: PartialEq>(
    file: &mut F,
    state: impl Fn(&F) -> io::Result<S>,
) -> Result<Vec<u8>, ImageError> {
    let before = state(file).map_err(ImageError::Read)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(ImageError::Read)?;
    let after = state(file).map_err(ImageError::Read)?;
    if before == after { Ok(bytes) } else { Err(ImageError::Changing) }
}
