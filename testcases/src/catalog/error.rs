//! Why a file is no image that this program can run.

use std::{io, path::PathBuf};

/// A file that gives no catalog, and why.
#[derive(Debug)]
pub struct CatalogError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: Box<ImageError>,
}

impl std::fmt::Display for CatalogError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "guest image {}: {}", self.path.display(), self.problem)
    }
}

impl std::error::Error for CatalogError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        // The problem is part of the text, so the cause continues where the problem's own text ends.
        self.problem.source()
    }
}

/// What is wrong with an image. Each text says what to do, if the cause does not say it.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The file cannot be read.
    #[error("failed to read it")]
    Read(#[source] io::Error),
    /// Somebody writes to the file.
    #[error("it changed while it was read; run again once its build has ended")]
    Changing,
    /// The file does not start as an ELF file does.
    #[error("it is no ELF file; give an image as `cargo xtask image` builds it")]
    NotElf,
    /// The file is for another processor.
    #[error(
        "it is a {bits}-bit {order}-endian ELF file for {machine}, but a guest image is a 64-bit little-endian one for \
         x86-64"
    )]
    OtherMachine {
        /// Width of its addresses.
        bits: u8,
        /// `little` or `big`.
        order: &'static str,
        /// Name of the machine as ELF calls it.
        machine: &'static str,
    },
    /// The headers contradict the file.
    #[error("its ELF headers are damaged; build the image again")]
    Damaged(#[source] goblin::error::Error),
    /// It is some other program.
    #[error("it has no `vmproof` note, so it is no image of vmproof; give one as `cargo xtask image` builds it")]
    NoNote,
    /// The note is cut off.
    #[error("its `vmproof` note has {size} bytes instead of {expected}; rebuild the image")]
    NoteSize {
        /// Size of its descriptor in bytes.
        size: usize,
        /// What it should be.
        expected: usize,
    },
    /// The image was built from other sources than this program.
    #[error("it has format version {image}, but this program reads version {program}; rebuild the image")]
    FormatVersion {
        /// That of the image.
        image: u32,
        /// That of this program.
        program: u16,
    },
    /// There are no records.
    #[error(
        "it holds no case (its section `vmproof_cases` is {found}); the image's crate must name the crate of its cases \
         (`use suite as _;`), because a crate that nothing names is not linked"
    )]
    NoCases {
        /// `missing` or `empty`.
        found: &'static str,
    },
    /// A section's header points outside the file.
    #[error("its section `{section}` lies outside the file; rebuild the image")]
    SectionOutside {
        /// The section.
        section: &'static str,
    },
    /// A section holds a piece of a record.
    #[error("its section `{section}` has {size} bytes, no multiple of a record's {record_size}; rebuild the image")]
    SectionSize {
        /// The section.
        section: &'static str,
        /// Its size in bytes.
        size: usize,
        /// Size of what it should hold.
        record_size: usize,
    },
    /// A record or site is damaged.
    #[error("record {index} of its section `{section}` {problem}")]
    Record {
        /// The section.
        section: &'static str,
        /// The record's number, from 0.
        index: usize,
        /// What is wrong with it.
        problem: RecordError,
    },
    /// Two cases cannot be told apart.
    #[error("two cases are called `{id}`, at {first} and at {second}; rename one")]
    DuplicateId {
        /// The id.
        id: String,
        /// `file:line` of the one.
        first: String,
        /// `file:line` of the other.
        second: String,
    },
}

/// What is wrong with a record.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// It does not start with the magic number.
    #[error("starts with {found:#010x} instead of {expected:#010x}: the section is damaged or holds something else")]
    Magic {
        /// What stands there.
        found: u32,
        /// What should.
        expected: u32,
    },
    /// It was compiled from other sources than this program.
    #[error("has format version {record}, but this program reads version {program}; rebuild the image")]
    FormatVersion {
        /// That of the record.
        record: u16,
        /// That of this program.
        program: u16,
    },
    /// An address leads nowhere.
    #[error("has a {field} of {length} elements at {address:#x}, outside the file; rebuild the image")]
    Outside {
        /// The field.
        field: &'static str,
        /// Where it points.
        address: u64,
        /// How many elements (for a text, bytes) should be there.
        length: u64,
    },
    /// A length is absurd.
    #[error("has a {field} of {length} elements, more than {limit}; the record is damaged, rebuild the image")]
    TooLong {
        /// The field.
        field: &'static str,
        /// Its number of elements (for a text, bytes).
        length: u64,
        /// The most that are read.
        limit: usize,
    },
    /// A text is no text.
    #[error("has a {field} at {address:#x} that is not UTF-8; rebuild the image")]
    NotText {
        /// The field.
        field: &'static str,
        /// Where it points.
        address: u64,
    },
    /// The name could not stand on a command line.
    #[error("has the name `{name}`, which is no plain identifier; rename the case")]
    Name {
        /// The name.
        name: String,
    },
    /// The feature is not in this program's table.
    #[error("names the feature `{feature}`, which this program does not know; rebuild image and program together")]
    UnknownFeature {
        /// The feature's id.
        feature: String,
    },
    /// The case stands in the wrong folder.
    #[error(
        "(`{name}`) stands in `{module}`, but its feature {feature} belongs to the area `{area}`; move the case or \
         change its feature"
    )]
    Area {
        /// Name of the case.
        name: String,
        /// Its module path.
        module: String,
        /// Its feature's id.
        feature: &'static str,
        /// Its feature's area.
        area: &'static str,
    },
    /// A field has a value that this program does not know.
    #[error("has {value:#x} as its {field}, which this program does not know; rebuild image and program together")]
    UnknownValue {
        /// The field.
        field: &'static str,
        /// Its value; for a set, only the unknown bits.
        value: u128,
    },
    /// A field is zero, which makes no sense for it.
    #[error("has a {field} of 0; it must be at least 1")]
    Zero {
        /// The field.
        field: &'static str,
    },
    /// Two rows of a table cannot be told apart.
    #[error("(`{text}`, {source_line}) has two rows called `{row}`; rename one")]
    DuplicateRow {
        /// Text of the check.
        text: String,
        /// `file:line` of the check.
        source_line: String,
        /// What both rows are called.
        row: String,
    },
    /// It cites nothing.
    #[error("cites no clause; rebuild the image")]
    NoClause,
}
