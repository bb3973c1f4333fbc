//! The ELF file as the catalog needs it: sections by name, notes, and memory by address.
//!
//! goblin's complete parse also reads symbols and relocations, and refuses a file for any of them; here only headers
//! are read, and each of them is checked against the file when it is followed.

use super::error::{ImageError, RecordError};
use goblin::{
    container::{Container, Ctx},
    elf::{
        ProgramHeader, SectionHeader,
        header::{EM_X86_64, machine_to_str},
        note::NoteDataIterator,
        program_header::{PT_LOAD, PT_NOTE},
        section_header::{SHT_NOBITS, SHT_SYMTAB},
        sym::{STT_FUNC, STT_NOTYPE, Sym, sym64::SIZEOF_SYM},
    },
};

/// Length of an ELF file's identification, and what it starts with (System V ABI, "ELF Identification").
const IDENTIFICATION_SIZE: usize = 16;
const MAGIC: &[u8] = b"\x7fELF";
/// Offset of the class in it, and the class with 64-bit addresses.
const CLASS: usize = 4;
const CLASS_64: u8 = 2;
/// Offset of the byte order in it, and the little-endian one.
const BYTE_ORDER: usize = 5;
const LITTLE_ENDIAN: u8 = 1;
/// Offset of the machine.
const MACHINE: usize = 18;

const CONTEXT: Ctx = Ctx { container: Container::Big, le: goblin::container::Endian::Little };

/// The longest text that a record may name, in bytes: far above any, and a bound on what a damaged image costs.
const MAX_TEXT_BYTES: usize = 4096;

/// An ELF file for x86-64.
#[derive(Debug)]
pub(crate) struct Elf {
    bytes: Vec<u8>,
    program_headers: Vec<ProgramHeader>,
    section_headers: Vec<SectionHeader>,
    section_names: usize,
}

/// A section: where it is loaded, and its bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Section<'a> {
    pub(crate) address: u64,
    pub(crate) bytes: &'a [u8],
}

/// A symbol in an executable section.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CodeSymbol<'a> {
    /// As it stands in the file.
    pub(crate) name: &'a str,
    pub(crate) address: u64,
    /// Behind the last byte that can belong to it.
    pub(crate) end: u64,
}

impl Elf {
    /// Reads the headers.
    ///
    /// # Errors
    /// [`ImageError::NotElf`], [`ImageError::OtherMachine`], [`ImageError::Damaged`].
    pub(crate) fn parse(bytes: Vec<u8>) -> Result<Self, ImageError> {
        if bytes.len() < IDENTIFICATION_SIZE || !bytes.starts_with(MAGIC) {
            return Err(ImageError::NotElf);
        }
        let little = bytes.get(BYTE_ORDER) == Some(&LITTLE_ENDIAN);
        let wide = bytes.get(CLASS) == Some(&CLASS_64);
        let machine = bytes.get(MACHINE..MACHINE + 2).and_then(|field| <[u8; 2]>::try_from(field).ok());
        let machine = machine.map(if little { u16::from_le_bytes } else { u16::from_be_bytes }).unwrap_or_default();
        if !(little && wide && machine == EM_X86_64) {
            return Err(ImageError::OtherMachine {
                bits: if wide { 64 } else { 32 },
                order: if little { "little" } else { "big" },
                machine: machine_to_str(machine),
            });
        }
        let header = goblin::elf::Elf::parse_header(&bytes).map_err(ImageError::Damaged)?;
        let (offset, count) = (to_usize(header.e_phoff), usize::from(header.e_phnum));
        let program_headers = ProgramHeader::parse(&bytes, offset, count, CONTEXT).map_err(ImageError::Damaged)?;
        // A stripped file may have lost its section headers as well; their offset is 0 then, and there are none.
        let (offset, count) = (to_usize(header.e_shoff), usize::from(header.e_shnum));
        let section_headers = SectionHeader::parse(&bytes, offset, count, CONTEXT).map_err(ImageError::Damaged)?;
        Ok(Self { bytes, program_headers, section_headers, section_names: usize::from(header.e_shstrndx) })
    }

    /// The whole file.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes loaded at an address, if all of them stand in the file.
    pub(crate) fn memory(&self, address: u64, size: u64) -> Option<&[u8]> {
        self.program_headers.iter().filter(|header| header.p_type == PT_LOAD).find_map(|header| {
            let offset = address.checked_sub(header.p_vaddr)?;
            let end = offset.checked_add(size)?;
            if end > header.p_filesz { None } else { self.slice(header.p_offset.checked_add(offset)?, size) }
        })
    }

    /// The bytes loaded at an address, as far as they stand in the file, at most `size` of them.
    pub(crate) fn memory_up_to(&self, address: u64, size: u64) -> &[u8] {
        (1..=size).rev().find_map(|size| self.memory(address, size)).unwrap_or_default()
    }

    /// The section with this name; `None` if there is none.
    ///
    /// # Errors
    /// [`ImageError::SectionOutside`].
    pub(crate) fn section(&self, name: &'static str) -> Result<Option<Section<'_>>, ImageError> {
        let Some(header) = self.section_headers.iter().find(|header| self.is_named(header, name)) else {
            return Ok(None);
        };
        let bytes = self.content(header).ok_or(ImageError::SectionOutside { section: name })?;
        Ok(Some(Section { address: header.sh_addr, bytes }))
    }

    /// Descriptor of the note with this name and type. Damaged notes are passed over: they are not ours.
    pub(crate) fn note(&self, name: &str, n_type: u32) -> Option<&[u8]> {
        self.program_headers.iter().filter(|header| header.p_type == PT_NOTE).find_map(|header| {
            let data = self.slice(header.p_offset, header.p_filesz)?;
            let alignment = to_usize(header.p_align);
            NoteDataIterator { data, size: data.len(), offset: 0, ctx: (alignment, CONTEXT) }
                .map_while(Result::ok)
                .find(|note| note.name == name && note.n_type == n_type)
                .map(|note| note.desc)
        })
    }

    /// The functions and labels of code in the symbol table. Empty for a stripped file.
    pub(crate) fn code_symbols(&self) -> impl Iterator<Item = CodeSymbol<'_>> {
        let tables = self.section_headers.iter().filter(|header| header.sh_type == SHT_SYMTAB);
        tables.filter_map(|header| self.code_symbols_of(header)).flatten()
    }

    fn code_symbols_of(&self, table: &SectionHeader) -> Option<impl Iterator<Item = CodeSymbol<'_>>> {
        let count = self.content(table)?.len() / SIZEOF_SYM;
        let names = self.content(self.section_headers.get(usize::try_from(table.sh_link).ok()?)?)?;
        let symbols = Sym::parse(&self.bytes, to_usize(table.sh_offset), count, CONTEXT).ok()?;
        Some(symbols.into_iter().filter_map(move |symbol| {
            let section = self.section_headers.get(symbol.st_shndx)?;
            let name = std::str::from_utf8(string_at(names, symbol.st_name)?).ok()?;
            let is_code = section.is_executable() && matches!(symbol.st_type(), STT_FUNC | STT_NOTYPE);
            (is_code && !name.is_empty()).then(|| CodeSymbol {
                name,
                address: symbol.st_value,
                end: match symbol.st_size {
                    // Assembly does not say its size; it does not reach behind its section.
                    0 => section.sh_addr.saturating_add(section.sh_size),
                    size => symbol.st_value.saturating_add(size),
                },
            })
        }))
    }

    /// The text that the field `address, length` names.
    pub(crate) fn text(&self, field: &'static str, address: u64, length: u64) -> Result<&str, RecordError> {
        if length > MAX_TEXT_BYTES as u64 {
            return Err(RecordError::TooLong { field, length, limit: MAX_TEXT_BYTES });
        }
        if length == 0 {
            // An empty string's address is not a pointer into the image.
            return Ok("");
        }
        let bytes = self.memory(address, length).ok_or(RecordError::Outside { field, address, length })?;
        std::str::from_utf8(bytes).map_err(|_| RecordError::NotText { field, address })
    }

    fn slice(&self, offset: u64, size: u64) -> Option<&[u8]> {
        let start = usize::try_from(offset).ok()?;
        let end = start.checked_add(usize::try_from(size).ok()?)?;
        self.bytes.get(start..end)
    }

    fn content(&self, header: &SectionHeader) -> Option<&[u8]> {
        if header.sh_type == SHT_NOBITS { None } else { self.slice(header.sh_offset, header.sh_size) }
    }

    fn is_named(&self, header: &SectionHeader, name: &str) -> bool {
        let names = self.section_headers.get(self.section_names).and_then(|names| self.content(names));
        let offset = u32::try_from(header.sh_name);
        names.zip(offset.ok()).and_then(|(names, offset)| string_at(names, offset as usize)) == Some(name.as_bytes())
    }
}

/// The string at an offset into a table of strings, each ended by a zero byte.
fn string_at(table: &[u8], offset: usize) -> Option<&[u8]> {
    table.get(offset..)?.split(|&byte| byte == 0).next()
}

/// An offset too large for this machine becomes one that lies outside every file.
fn to_usize(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}
