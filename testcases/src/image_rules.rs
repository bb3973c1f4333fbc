//! What code of a guest image must not do where it may run in ring 0.
//!
//! Guests are built for a target whose prebuilt `core` uses SSE and the red zone. A KVM that interprets ring 0 knows hardly
//! any instruction of SSE, AVX, x87 or MMX, nor POPCNT and CRC32, and ends the virtual machine at the first; and the red
//! zone is lost wherever an interrupt is taken on the same stack. The compiler's switches keep both out of our own code,
//! so what is left to find is prebuilt functions that something calls.
//!
//! [`violations`] follows the calls from every place at which ring 0 can start, and disassembles what it reaches. What it
//! cannot see is a call through a pointer that is computed: a pointer that stands in code or data counts as called, but
//! not one to a function of `core` itself. `core` takes such pointers to format the text of a panic, which our panic
//! handler never does; to make up for that, any function of `core::fmt` that is called directly is a violation too.

mod reach;
mod ring_0;

use goblin::elf::{
    Elf, SectionHeader,
    header::EM_X86_64,
    section_header::SHT_NOBITS,
    sym::{STT_FUNC, STT_NOTYPE},
};
use iced_x86::Instruction;
use reach::{Function, Image, examine};
use std::{collections::BTreeMap, fmt, ops::Range};

/// Code that only ring 3 executes; see `guests/rt/link.ld`.
const RING_3_SECTION: &str = ".text.user";
/// The stubs of the vectors, which no symbol names.
const VECTORS_SECTION: &str = ".vp.vectors";

/// A rule of this module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// No instruction of SSE, AVX, x87 or MMX, no POPCNT, LZCNT or CRC32.
    PlainInstructions,
    /// No access below RSP.
    NoRedZone,
    /// No call of `core::fmt`.
    NoFormatting,
}

/// Code that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// The function, demangled.
    pub function: String,
    /// Address of the instruction.
    pub address: u64,
    /// The rule.
    pub rule: Rule,
    /// The instruction, in NASM's syntax.
    pub instruction: String,
    /// A caller through which ring 0 gets there, or what else makes it reachable.
    pub reached_from: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { function, address, instruction, reached_from, .. } = self;
        let what = match self.rule {
            Rule::PlainInstructions => "is no instruction for ring 0",
            Rule::NoRedZone => "is below RSP: the red zone is used",
            Rule::NoFormatting => "formats text in ring 0",
        };
        write!(f, "{address:#x} in {function} (reached from {reached_from}): `{instruction}` {what}")
    }
}

/// Why an image cannot be examined.
#[derive(Debug, thiserror::Error)]
pub enum ImageRulesError {
    /// It is no ELF file that goblin can read.
    #[error("failed to read the guest image")]
    Elf(#[source] goblin::error::Error),
    /// It is an ELF file for another machine.
    #[error("the guest image is for machine {0}, not for x86-64")]
    OtherMachine(u16),
    /// It has no symbols of code, or it was stripped: nothing would be found.
    #[error("the guest image has no symbols of code; examine it before it is stripped")]
    NoSymbols,
    /// A section does not lie in the file.
    #[error("section {0} lies outside of the guest image")]
    Section(String),
}

/// Finds everything in an image that breaks a rule, by address.
///
/// # Errors
/// The image cannot be read, or has no symbols.
pub fn violations(elf_bytes: &[u8]) -> Result<Vec<Violation>, ImageRulesError> {
    let elf = Elf::parse(elf_bytes).map_err(ImageRulesError::Elf)?;
    if elf.header.e_machine != EM_X86_64 {
        return Err(ImageRulesError::OtherMachine(elf.header.e_machine));
    }
    let mut image = Image { entries: vec![elf.entry], ..Image::default() };
    let mut data = Vec::new();
    for (index, header) in elf.section_headers.iter().enumerate() {
        let name = elf.shdr_strtab.get_at(header.sh_name).unwrap_or_default();
        if !header.is_alloc() || header.sh_type == SHT_NOBITS || header.sh_size == 0 {
            continue;
        }
        let bytes = header.file_range().and_then(|range| elf_bytes.get(range));
        let bytes = bytes.ok_or_else(|| ImageRulesError::Section(name.to_owned()))?;
        if !header.is_executable() {
            data.push(bytes);
        } else if name != RING_3_SECTION {
            let mut functions = functions_of(&elf, index, header);
            if name == VECTORS_SECTION {
                functions.insert(header.sh_addr, VECTORS_SECTION);
                image.entries.push(header.sh_addr);
            }
            for (start, (name, range)) in ranges(&functions, header) {
                let code = bytes.get(range).unwrap_or_default().to_vec();
                image.functions.insert(start, Function { name: format!("{:#}", rustc_demangle::demangle(name)), code });
            }
        }
    }
    if image.functions.keys().all(|start| image.entries.contains(start)) {
        return Err(ImageRulesError::NoSymbols);
    }
    let quadwords = data.iter().flat_map(|bytes| bytes.windows(8));
    image.pointers = quadwords
        .filter_map(|window| Some(u64::from_le_bytes(window.try_into().ok()?)))
        .filter(|pointer| image.functions.contains_key(pointer))
        .collect();
    Ok(examine(&image))
}

/// The functions of a section that symbols tell, by their address.
fn functions_of<'a>(elf: &Elf<'a>, index: usize, header: &SectionHeader) -> BTreeMap<u64, &'a str> {
    elf.syms
        .iter()
        .filter(|symbol| symbol.st_shndx == index && matches!(symbol.st_type(), STT_FUNC | STT_NOTYPE))
        .filter_map(|symbol| Some((symbol.st_value, elf.strtab.get_at(symbol.st_name)?)))
        .filter(|(address, name)| !name.is_empty() && header.vm_range().contains(&(*address as usize)))
        .collect()
}

/// Start and name of each function, and where it lies in its section: it ends where the next one starts.
fn ranges<'a>(
    functions: &BTreeMap<u64, &'a str>,
    header: &SectionHeader,
) -> impl Iterator<Item = (u64, (&'a str, Range<usize>))> {
    let ends = functions.keys().skip(1).copied().chain([header.sh_addr + header.sh_size]);
    let offset = |address: u64| (address - header.sh_addr) as usize;
    functions.iter().zip(ends).map(move |((&start, &name), end)| (start, (name, offset(start)..offset(end))))
}

/// Where in the file each instruction of an image stands that is meant, of all code or of that for ring 3 alone.
///
/// # Errors
/// The image cannot be read.
pub(crate) fn instructions(
    elf_bytes: &[u8],
    in_ring_3: bool,
    is_meant: impl Fn(&Instruction) -> bool,
) -> Result<Vec<Range<usize>>, ImageRulesError> {
    let elf = Elf::parse(elf_bytes).map_err(ImageRulesError::Elf)?;
    let mut places = Vec::new();
    for (index, header) in elf.section_headers.iter().enumerate().filter(|(_, header)| header.is_executable()) {
        let name = elf.shdr_strtab.get_at(header.sh_name).unwrap_or_default();
        let section = header.file_range().filter(|_| !in_ring_3 || name == RING_3_SECTION);
        let Some(section) = section else { continue };
        for (start, (name, range)) in ranges(&functions_of(&elf, index, header), header) {
            let first = section.start + range.start;
            let code = elf_bytes.get(first..section.start + range.end);
            let code = code.ok_or_else(|| ImageRulesError::Section(name.to_owned()))?.to_vec();
            let meant = Function { name: name.to_owned(), code }.instructions(start).into_iter();
            places.extend(meant.filter(|instruction| is_meant(instruction)).map(|instruction| {
                let at = first + (instruction.ip() - start) as usize;
                at..at + instruction.len()
            }));
        }
    }
    Ok(places)
}

#[cfg(test)]
mod tests;
