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

use goblin::elf::{
    Elf, SectionHeader,
    header::EM_X86_64,
    section_header::SHT_NOBITS,
    sym::{STT_FUNC, STT_NOTYPE},
};
use iced_x86::{
    CpuidFeature, Decoder, DecoderOptions, EncodingKind, FlowControl, Formatter, Instruction, InstructionInfoFactory,
    Mnemonic, NasmFormatter, OpKind, Register,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    ops::Range,
};

/// Code that only ring 3 executes; see `guests/rt/link.ld`.
const RING_3_SECTION: &str = ".text.user";
/// The stubs of the vectors, which no symbol names.
const VECTORS_SECTION: &str = ".vp.vectors";
/// Code for 32-bit mode, which no symbol table tells: see `guests/rt/src/boot.rs` and `unpaged.rs`.
const CODE_OF_32_BITS: &[&str] =
    &["pvh_entry", "unpaged_entry", "unpaged_fault", "unpaged_after", "paging_switch_32", "paging_switched"];

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

/// What of an image matters here.
#[derive(Debug, Default)]
struct Image {
    /// Functions that ring 0 may execute, by the address at which they start.
    functions: BTreeMap<u64, Function>,
    /// Where execution starts.
    entries: Vec<u64>,
    /// Addresses of functions that stand in data.
    pointers: BTreeSet<u64>,
}

#[derive(Debug)]
struct Function {
    name: String,
    code: Vec<u8>,
}

impl Function {
    /// Whether it is a function of `core`: by its path, or as an implementation for a type that no crate of ours defines.
    fn is_of_core(&self) -> bool {
        let implementor = self.name.strip_prefix('<').and_then(|rest| rest.split(" as ").next());
        let is_foreign = |name: &str| {
            let is_primitive = !name.contains("::") && name.starts_with(|first: char| first.is_ascii_lowercase());
            is_primitive || name.starts_with("core::") || name.starts_with(['&', '(', '[', '!'])
        };
        self.name.starts_with("core::") || implementor.is_some_and(is_foreign)
    }

    fn instructions(&self, start: u64) -> Vec<Instruction> {
        let bitness = if CODE_OF_32_BITS.contains(&self.name.as_str()) { 32 } else { 64 };
        Decoder::with_ip(bitness, &self.code, start, DecoderOptions::NONE).into_iter().collect()
    }
}

fn examine(image: &Image) -> Vec<Violation> {
    let mut reached_from: BTreeMap<u64, String> = BTreeMap::new();
    let mut waiting: Vec<(u64, String)> = image.entries.iter().map(|&entry| (entry, "an entry".to_owned())).collect();
    let in_data = image.pointers.iter().filter(|pointer| !image.is_core_function(**pointer));
    waiting.extend(in_data.map(|&pointer| (pointer, "a pointer in data".to_owned())));
    let mut found = Vec::new();
    while let Some((address, from)) = waiting.pop() {
        let Some(function) = image.functions.get(&address) else { continue };
        if reached_from.contains_key(&address) {
            continue;
        }
        let instructions = function.instructions(address);
        found.extend(broken_rules(function, &instructions, &from));
        waiting.extend(image.targets(&instructions).into_iter().map(|target| (target, function.name.clone())));
        reached_from.insert(address, from);
    }
    found.sort_by_key(|violation| (violation.address, violation.rule));
    found
}

impl Image {
    fn is_core_function(&self, address: u64) -> bool {
        self.functions.get(&address).is_some_and(Function::is_of_core)
    }

    /// The function that holds an address.
    fn function_of(&self, address: u64) -> Option<u64> {
        let (&start, function) = self.functions.range(..=address).next_back()?;
        (address - start < function.code.len() as u64).then_some(start)
    }

    /// The functions to which these instructions lead: by a branch, by falling through, or by their address.
    fn targets(&self, instructions: &[Instruction]) -> Vec<u64> {
        let mut targets = Vec::new();
        for instruction in instructions {
            if matches!(instruction.op0_kind(), OpKind::NearBranch16 | OpKind::NearBranch32 | OpKind::NearBranch64) {
                targets.extend(self.function_of(instruction.near_branch_target()));
            }
            targets.extend(
                addresses_in(instruction)
                    .into_iter()
                    .filter(|address| self.functions.contains_key(address) && !self.is_core_function(*address)),
            );
        }
        // A trap for the processor or filling behind the end is no way on; nothing of either is a call.
        let last = instructions.iter().rev().find(|instruction| !is_filling(instruction));
        if let Some(last) =
            last.filter(|last| matches!(last.flow_control(), FlowControl::Next | FlowControl::ConditionalBranch))
        {
            let behind = instructions.last().map_or(last.next_ip(), Instruction::next_ip);
            targets.extend(self.functions.contains_key(&behind).then_some(behind));
        }
        targets
    }
}

fn is_filling(instruction: &Instruction) -> bool {
    matches!(instruction.mnemonic(), Mnemonic::Nop | Mnemonic::Int3)
}

/// The addresses that an instruction names without going there.
fn addresses_in(instruction: &Instruction) -> Vec<u64> {
    (0..instruction.op_count())
        .filter_map(|operand| match instruction.op_kind(operand) {
            OpKind::Immediate32 | OpKind::Immediate64 | OpKind::Immediate32to64 => Some(instruction.immediate(operand)),
            OpKind::Memory if instruction.mnemonic() == Mnemonic::Lea => Some(instruction.memory_displacement64()),
            OpKind::FarBranch32 => Some(u64::from(instruction.far_branch32())),
            _ => None,
        })
        .collect()
}

fn broken_rules(function: &Function, instructions: &[Instruction], reached_from: &str) -> Vec<Violation> {
    let mut info = InstructionInfoFactory::new();
    let mut found = Vec::new();
    let mut depth = FrameDepth::default();
    let violation = |rule, instruction: &Instruction| Violation {
        function: function.name.clone(),
        address: instruction.ip(),
        rule,
        instruction: text(instruction),
        reached_from: reached_from.to_owned(),
    };
    if let Some(first) = instructions.first().filter(|_| function.name.contains("core::fmt::")) {
        found.push(violation(Rule::NoFormatting, first));
    }
    for instruction in instructions {
        if !is_plain(instruction, &mut info) {
            found.push(violation(Rule::PlainInstructions, instruction));
        }
        if depth.reaches_below_rsp(instruction) {
            found.push(violation(Rule::NoRedZone, instruction));
        }
    }
    found
}

fn text(instruction: &Instruction) -> String {
    let mut text = String::new();
    NasmFormatter::new().format(instruction, &mut text);
    text
}

/// Whether ring 0 may use it: it touches no register but general-purpose, segment, control and debug ones, and is not one
/// of the few others that a KVM does not interpret.
fn is_plain(instruction: &Instruction, info: &mut InstructionInfoFactory) -> bool {
    let is_extended = |register: Register| {
        register.is_vector_register() || register.is_mm() || register.is_st() || register.is_k() || register.is_tmm()
    };
    let touches_extended = info.info(instruction).used_registers().iter().any(|used| is_extended(used.register()));
    let is_x87 = instruction.cpuid_features().iter().any(|feature| {
        matches!(feature, CpuidFeature::FPU | CpuidFeature::FPU287 | CpuidFeature::FPU387 | CpuidFeature::MMX)
    });
    let is_unknown = matches!(instruction.mnemonic(), Mnemonic::Popcnt | Mnemonic::Lzcnt | Mnemonic::Crc32)
        || !matches!(instruction.encoding(), EncodingKind::Legacy);
    !(touches_extended || is_x87 || is_unknown)
}

/// How far a function's stack frame reaches, as far as its instructions tell in their order.
#[derive(Debug, Default)]
struct FrameDepth {
    /// The most that RSP has been below where RBP points; `None` while RBP is no frame pointer.
    below_rbp: Option<u64>,
}

impl FrameDepth {
    /// Whether the instruction accesses memory below RSP; to be asked of every instruction of a function in turn.
    fn reaches_below_rsp(&mut self, instruction: &Instruction) -> bool {
        let accesses_memory = (0..instruction.op_count()).any(|operand| instruction.op_kind(operand) == OpKind::Memory)
            && !matches!(
                instruction.mnemonic(),
                Mnemonic::Lea | Mnemonic::Nop | Mnemonic::Prefetchnta | Mnemonic::Invlpg
            );
        let below =
            (instruction.memory_displacement64() as i64).checked_neg().and_then(|below| u64::try_from(below).ok());
        // An index may lead upwards by more than the displacement leads down: an array that counts from one.
        let is_told = accesses_memory && instruction.memory_index() == Register::None;
        let reaches = match (is_told, instruction.memory_base(), below) {
            (true, Register::RSP, Some(below)) => below > 0,
            (true, Register::RBP, Some(below)) => self.below_rbp.is_some_and(|depth| below > depth),
            _ => false,
        };
        self.follow(instruction);
        reaches
    }

    fn follow(&mut self, instruction: &Instruction) {
        let (first, second) = (instruction.op0_register(), instruction.op1_register());
        match instruction.mnemonic() {
            Mnemonic::Mov if (first, second) == (Register::RBP, Register::RSP) => self.below_rbp = Some(0),
            // Any other use of RBP: it holds no frame that this can follow.
            Mnemonic::Mov | Mnemonic::Lea if first == Register::RBP => self.below_rbp = None,
            Mnemonic::Push => self.grow(8),
            Mnemonic::Sub if first == Register::RSP && second == Register::None => self.grow(instruction.immediate(1)),
            // RSP goes where no constant says.
            Mnemonic::Sub | Mnemonic::And | Mnemonic::Mov if first == Register::RSP => self.below_rbp = None,
            _ => {}
        }
    }

    fn grow(&mut self, bytes: u64) {
        // A path that leaves early shrinks the frame in between, so only growth is followed: too deep, never too shallow.
        self.below_rbp = self.below_rbp.map(|depth| depth.saturating_add(bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use iced_x86::code_asm::*;

    const START: u64 = 0x21_0000;
    /// Distance between the functions of a test's image.
    const STEP: u64 = 0x100;

    /// A function of an image: its name, and what writes it.
    type Written<'a> = (&'a str, &'a dyn Fn(&mut CodeAssembler));

    /// An image of functions, one each [`STEP`] bytes; the first is the entry.
    fn image(functions: &[Written<'_>]) -> Image {
        let mut image = Image { entries: vec![START], ..Image::default() };
        for (index, (name, write)) in functions.iter().enumerate() {
            let start = START + index as u64 * STEP;
            let mut assembler = CodeAssembler::new(64).unwrap();
            write(&mut assembler);
            let mut code = assembler.assemble(start).unwrap();
            code.resize(STEP as usize, 0xcc);
            image.functions.insert(start, Function { name: (*name).to_owned(), code });
        }
        image
    }

    fn function(index: u64) -> u64 {
        START + index * STEP
    }

    /// What is found: function, rule, instruction.
    fn found(image: &Image) -> Vec<(String, Rule, String)> {
        let found = examine(image);
        found.into_iter().map(|violation| (violation.function, violation.rule, violation.instruction)).collect()
    }

    fn found_in_one(write: &dyn Fn(&mut CodeAssembler)) -> Vec<Rule> {
        found(&image(&[("f", write)])).into_iter().map(|(_, rule, _)| rule).collect()
    }

    #[test]
    fn plain_code_breaks_no_rule() {
        let rules = found_in_one(&|a| {
            a.push(rbp).unwrap();
            a.mov(rbp, rsp).unwrap();
            a.sub(rsp, 0x20).unwrap();
            a.mov(qword_ptr(rbp - 0x20), rax).unwrap();
            a.mov(qword_ptr(rsp + 8), rax).unwrap();
            a.lea(rax, qword_ptr(rsp - 8)).unwrap();
            a.rep().movsq().unwrap();
            a.mov(cr3, rax).unwrap();
            a.tzcnt(rax, rcx).unwrap();
            a.sfence().unwrap();
            a.movnti(dword_ptr(rcx), eax).unwrap();
            a.ret().unwrap();
        });
        assert_eq!(rules, []);
    }

    #[test]
    fn each_kind_of_extended_state_is_found() {
        let table: [Written<'_>; 11] = [
            ("movaps", &|a| a.movaps(xmm0, xmm1).unwrap()),
            ("pxor", &|a| a.pxor(xmm2, xmm2).unwrap()),
            ("movq", &|a| a.movq(xmm0, rax).unwrap()),
            ("vpaddd", &|a| a.vpaddd(ymm0, ymm1, ymm2).unwrap()),
            ("kmovw", &|a| a.kmovw(k1, eax).unwrap()),
            ("paddb", &|a| a.paddb(mm0, mm1).unwrap()),
            ("fld1", &|a| a.fld1().unwrap()),
            ("fninit", &|a| a.fninit().unwrap()),
            ("popcnt", &|a| a.popcnt(rax, rcx).unwrap()),
            ("crc32", &|a| a.crc32(eax, ecx).unwrap()),
            ("andn", &|a| a.andn(rax, rcx, rdx).unwrap()),
        ];
        for (name, write) in table {
            let found = found(&image(&[("f", &|a| {
                write(a);
                a.ret().unwrap();
            })]));
            assert_eq!(found.len(), 1, "{name}: {found:?}");
            assert_eq!((found[0].1, found[0].2.starts_with(name)), (Rule::PlainInstructions, true), "{found:?}");
        }
    }

    #[test]
    fn red_zone_by_rsp_is_found() {
        assert_eq!(found_in_one(&|a| a.mov(qword_ptr(rsp - 8), rax).unwrap()), [Rule::NoRedZone]);
        assert_eq!(found_in_one(&|a| a.mov(rax, qword_ptr(rsp - 0x80)).unwrap()), [Rule::NoRedZone]);
        assert_eq!(found_in_one(&|a| a.mov(rax, qword_ptr(rsp + rdx * 8 - 8)).unwrap()), []);
        assert_eq!(found_in_one(&|a| a.mov(rax, qword_ptr(rsp)).unwrap()), []);
    }

    #[test]
    fn red_zone_by_frame_pointer_is_found() {
        let leaf = |frame: i32| {
            move |a: &mut CodeAssembler| {
                a.push(rbp).unwrap();
                a.mov(rbp, rsp).unwrap();
                if frame > 0 {
                    a.sub(rsp, frame).unwrap();
                }
                a.mov(qword_ptr(rbp - 0x10), rdi).unwrap();
                a.ret().unwrap();
            }
        };
        assert_eq!(found_in_one(&leaf(0)), [Rule::NoRedZone]);
        assert_eq!(found_in_one(&leaf(8)), [Rule::NoRedZone]);
        assert_eq!(found_in_one(&leaf(0x10)), []);
        // RBP as an ordinary register is no frame.
        assert_eq!(found_in_one(&|a| a.mov(qword_ptr(rbp - 0x10), rdi).unwrap()), []);
    }

    #[test]
    fn only_what_is_reached_counts() {
        let bad = |a: &mut CodeAssembler| {
            a.pxor(xmm0, xmm0).unwrap();
            a.ret().unwrap();
        };
        let unreached = image(&[("f", &|a| a.ret().unwrap()), ("g", &bad)]);
        assert_eq!(found(&unreached), []);
        let called = image(&[
            ("f", &|a| {
                a.call(function(1)).unwrap();
                a.ret().unwrap();
            }),
            ("g", &|a| a.jmp(function(2)).unwrap()),
            ("h", &bad),
        ]);
        let violations = examine(&called);
        assert_eq!(violations.len(), 1);
        assert_eq!((violations[0].function.as_str(), violations[0].reached_from.as_str()), ("h", "g"));
        assert!(violations[0].to_string().contains("in h (reached from g): `pxor xmm0,xmm0`"), "{}", violations[0]);
    }

    #[test]
    fn addresses_in_code_and_data_are_reached() {
        let bad = |a: &mut CodeAssembler| {
            a.pxor(xmm0, xmm0).unwrap();
            a.ret().unwrap();
        };
        let by_lea: &dyn Fn(&mut CodeAssembler) = &|a| {
            a.lea(rax, qword_ptr(function(1))).unwrap();
            a.ret().unwrap();
        };
        let by_immediate: &dyn Fn(&mut CodeAssembler) = &|a| {
            a.mov(edi, function(1) as u32).unwrap();
            a.ret().unwrap();
        };
        for first in [by_lea, by_immediate] {
            assert_eq!(found(&image(&[("f", first), ("g", &bad)])).len(), 1);
            // `core` takes addresses of its own to format a panic, which nobody formats.
            assert_eq!(found(&image(&[("f", first), ("core::fmt::num::f", &bad)])), []);
        }
        let mut by_data = image(&[("f", &|a| a.ret().unwrap()), ("g", &bad), ("core::str::h", &bad)]);
        by_data.pointers = BTreeSet::from([function(1), function(2)]);
        assert_eq!(found(&by_data).into_iter().map(|(name, ..)| name).collect::<Vec<_>>(), ["g"]);
    }

    #[test]
    fn functions_of_core_are_told_by_name() {
        let is_of_core = |name: &str| Function { name: name.to_owned(), code: Vec::new() }.is_of_core();
        for name in [
            "core::str::count",
            "<usize as core::fmt::Display>::fmt",
            "<&T as core::fmt::Debug>::fmt",
            "<core::fmt::Formatter>::pad",
        ] {
            assert!(is_of_core(name), "{name}");
        }
        for name in ["suite::mmio::width", "<rt::catch::Outcome as core::convert::From<T>>::from", "memcpy"] {
            assert!(!is_of_core(name), "{name}");
        }
    }

    #[test]
    fn falling_into_the_next_function_reaches_it() {
        let bad = |a: &mut CodeAssembler| a.pxor(xmm0, xmm0).unwrap();
        assert_eq!(found(&image(&[("f", &|a| a.pop(rdi).unwrap()), ("g", &bad)])).len(), 1);
        assert_eq!(found(&image(&[("f", &|a| a.ud2().unwrap()), ("g", &bad)])), []);
    }

    #[test]
    fn formatting_is_found_where_it_is_called() {
        let calls = image(&[("f", &|a| a.call(function(1)).unwrap()), ("core::fmt::write", &|a| a.ret().unwrap())]);
        assert_eq!(
            found(&calls).into_iter().map(|(name, rule, _)| (name, rule)).collect::<Vec<_>>(),
            [("core::fmt::write".to_owned(), Rule::NoFormatting)]
        );
    }

    #[test]
    fn code_of_32_bits_is_decoded_as_such() {
        let mut image = image(&[("pvh_entry", &|a| a.ret().unwrap())]);
        // INC ESI, then RET: in 64-bit mode the first byte would be a prefix.
        image.functions.get_mut(&START).unwrap().code = vec![0x46, 0xc3];
        let instructions = image.functions[&START].instructions(START);
        assert_eq!(instructions.iter().map(text).collect::<Vec<_>>(), ["inc esi", "ret"]);
    }

    #[test]
    fn what_is_no_image_is_an_error() {
        assert!(matches!(violations(b"text"), Err(ImageRulesError::Elf(_))));
        assert!(matches!(violations(&[]), Err(ImageRulesError::Elf(_))));
    }
}
