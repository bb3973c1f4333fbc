//! What the x87 environment tells of the last instruction: its address, its operand's and its opcode, in each format.
//!
//! Sources: SDM vol. 1, "x87 FPU Instruction and Data (Operand) Pointers", "Last Instruction Opcode", "Saving the x87 FPU's
//! State with FSTENV/FNSTENV and FSAVE/FNSAVE"; SDM vol. 2, "FXSAVE—Save x87 FPU, MMX Technology, and SSE State"; APM vol. 2,
//! "FSAVE/FNSAVE and FRSTOR Instructions", "FXSAVE and FXRSTOR Instructions". The tests of the suite compile this for the
//! host.

/// How the environment stands in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// FNSTENV with 32-bit operands, where segments have descriptors: 28 bytes.
    Protected32,
    /// The same with 16-bit operands: 14 bytes.
    Protected16,
    /// FNSTENV with 32-bit operands in real or virtual-8086 mode.
    Real32,
    /// The same with 16-bit operands.
    Real16,
    /// FXSAVE: offsets of 32 bits and selectors.
    Fxsave,
    /// The same in 16-bit code, where the upper halves of offsets are reserved.
    Fxsave16,
    /// FXSAVE with REX.W: addresses of 64 bits.
    Fxsave64,
}

/// The environment's pointers; selectors are 0 where the format has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Environment {
    pub(crate) instruction: u64,
    pub(crate) instruction_selector: u64,
    pub(crate) data: u64,
    pub(crate) data_selector: u64,
    pub(crate) opcode: u64,
}

/// Takes the environment out of the first 32 bytes in memory.
pub(crate) const fn parse(format: Format, memory: &[u64; 4]) -> Environment {
    const fn word(memory: &[u64; 4], offset: usize) -> u64 {
        memory[offset / 8] >> (offset % 8 * 8) & 0xffff
    }
    const fn doubleword(memory: &[u64; 4], offset: usize) -> u64 {
        memory[offset / 8] >> (offset % 8 * 8) & 0xffff_ffff
    }
    match format {
        Format::Protected32 => Environment {
            instruction: doubleword(memory, 12),
            instruction_selector: word(memory, 16),
            opcode: word(memory, 18) & 0x7ff,
            data: doubleword(memory, 20),
            data_selector: word(memory, 24),
        },
        Format::Protected16 => Environment {
            instruction: word(memory, 6),
            instruction_selector: word(memory, 8),
            opcode: 0,
            data: word(memory, 10),
            data_selector: word(memory, 12),
        },
        Format::Real32 => Environment {
            instruction: word(memory, 12) | (doubleword(memory, 16) >> 12 & 0xffff) << 16,
            instruction_selector: 0,
            opcode: word(memory, 16) & 0x7ff,
            data: word(memory, 20) | (doubleword(memory, 24) >> 12 & 0xffff) << 16,
            data_selector: 0,
        },
        Format::Real16 => Environment {
            instruction: word(memory, 6) | (word(memory, 8) >> 12) << 16,
            instruction_selector: 0,
            opcode: word(memory, 8) & 0x7ff,
            data: word(memory, 10) | (word(memory, 12) >> 12) << 16,
            data_selector: 0,
        },
        Format::Fxsave | Format::Fxsave16 => Environment {
            instruction: doubleword(memory, 8),
            instruction_selector: word(memory, 12),
            opcode: word(memory, 6) & 0x7ff,
            data: doubleword(memory, 16),
            data_selector: word(memory, 20),
        },
        Format::Fxsave64 => Environment {
            instruction: memory[1],
            instruction_selector: 0,
            opcode: word(memory, 6) & 0x7ff,
            data: memory[2],
            data_selector: 0,
        },
    }
}

impl Format {
    /// Whether it has selectors.
    pub(crate) const fn has_selectors(self) -> bool {
        matches!(self, Self::Protected32 | Self::Protected16 | Self::Fxsave | Self::Fxsave16)
    }

    /// Whether it has an opcode.
    pub(crate) const fn has_opcode(self) -> bool {
        !matches!(self, Self::Protected16)
    }

    /// The bits of an address that it has.
    pub(crate) const fn address_mask(self) -> u64 {
        match self {
            Self::Protected16 | Self::Fxsave16 => 0xffff,
            Self::Real16 => 0xf_ffff,
            Self::Protected32 | Self::Real32 | Self::Fxsave => 0xffff_ffff,
            Self::Fxsave64 => u64::MAX,
        }
    }
}

/// A program of x87 instructions behind FNINIT and FLDCW, which unmasks a division by zero in rows that want it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) bytes: &'static [u8],
    /// Where in the bytes the last instruction starts that is no control instruction; nothing if the pointers are cleared.
    pub(crate) last: Option<u8>,
    /// Its opcode: low bits of the first byte, and the second.
    pub(crate) opcode: u64,
    /// Whether it has an operand in memory, at RDI.
    pub(crate) has_operand: bool,
    /// Whether it raises an exception that is not masked.
    pub(crate) faults: bool,
}

const fn row(name: &'static str, bytes: &'static [u8], last: u8, opcode: u64) -> Row {
    Row { name, bytes, last: Some(last), opcode, has_operand: true, faults: false }
}

/// The programs. Memory at RDI is 0, which every format of numbers reads as zero.
pub(crate) const ROWS: [Row; 13] = [
    row("FADD m32", &[0xd9, 0xe8, 0xd8, 0x07], 2, 0x007),
    row("FADD m64", &[0xd9, 0xe8, 0xdc, 0x07], 2, 0x407),
    row("FIADD m16", &[0xd9, 0xe8, 0xde, 0x07], 2, 0x607),
    row("FLD m32", &[0xd9, 0x07], 0, 0x107),
    row("FILD m64", &[0xdf, 0x2f], 0, 0x72f),
    row("prefix, FADD m32", &[0xd9, 0xe8, 0x3e, 0xd8, 0x07], 2, 0x007),
    // FNCLEX, FNSTSW AX, FNCLEX.
    row("FADD m32, control instructions", &[0xd9, 0xe8, 0xd8, 0x07, 0xdb, 0xe2, 0xdf, 0xe0, 0xdb, 0xe2], 2, 0x007),
    Row { has_operand: false, ..row("FCHS", &[0xd9, 0xe8, 0xd9, 0xe0], 2, 0x1e0) },
    Row { last: None, ..row("FADD m32, FNINIT", &[0xd9, 0xe8, 0xd8, 0x07, 0xdb, 0xe3], 0, 0) },
    Row { faults: true, ..row("FDIV m32 by 0", &[0xd9, 0xe8, 0xd8, 0x37], 2, 0x037) },
    Row { faults: true, ..row("FDIV m64 by 0", &[0xd9, 0xe8, 0xdc, 0x37], 2, 0x437) },
    Row { faults: true, ..row("FIDIV m16 by 0", &[0xd9, 0xe8, 0xde, 0x37], 2, 0x637) },
    Row { faults: true, ..row("FDIV m32 by 0, FNSTSW", &[0xd9, 0xe8, 0xd8, 0x37, 0xdf, 0xe0], 2, 0x037) },
];

/// What of a processor decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Processor {
    /// CS and DS are not saved (CPUID leaf 7, EBX bit 13).
    pub(crate) deprecates_selectors: bool,
    /// The data pointer follows exceptions alone (CPUID leaf 7, EBX bit 6).
    pub(crate) data_on_exceptions: bool,
    /// FXSAVE and its kin need not save or restore pointers but while an exception is pending: AMD, where they may write
    /// zeroes or nothing. RstrFpErrPtrs (leaf 80000008H, EBX bit 2) does not change that: processors with it write zeroes.
    pub(crate) saves_on_exceptions: bool,
}

/// Where program and operand stand, as the environment has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Places {
    /// Address of the row's first byte.
    pub(crate) code: u64,
    /// CS, where it is judged.
    pub(crate) code_selector: Option<u64>,
    /// Address of the operand.
    pub(crate) data: u64,
    /// DS, where it is judged.
    pub(crate) data_selector: Option<u64>,
}

/// Actual and expected: instruction pointer, its selector, data pointer, its selector, opcode; `None` where nothing is due.
pub(crate) const fn columns(
    row: &Row,
    format: Format,
    processor: Processor,
    places: Places,
    seen: &Environment,
) -> [Option<(u64, u64)>; 5] {
    let is_saved = row.faults
        || !processor.saves_on_exceptions
        || !matches!(format, Format::Fxsave | Format::Fxsave16 | Format::Fxsave64);
    if !is_saved {
        return [None; 5];
    }
    let mask = format.address_mask();
    // Both pointers are made of segment and offset here. Where processors have no FCS and FDS, no manual tells whether the base is
    // in them: the low bits are those of the offset either way, since bases are multiples of 64 KiB.
    let is_base_open = processor.deprecates_selectors && matches!(format, Format::Real32 | Format::Real16);
    let judged = if is_base_open { 0xffff } else { mask };
    let Some(last) = row.last else {
        return [
            Some((seen.instruction & mask, 0)),
            if format.has_selectors() { Some((seen.instruction_selector, 0)) } else { None },
            Some((seen.data & mask, 0)),
            if format.has_selectors() { Some((seen.data_selector, 0)) } else { None },
            if format.has_opcode() { Some((seen.opcode, 0)) } else { None },
        ];
    };
    let has_data = row.has_operand && (row.faults || !processor.data_on_exceptions);
    // Intel's processors update the opcode at exceptions that are not masked alone, since long.
    let opcode = if !row.faults && seen.opcode == 0 { 0 } else { row.opcode };
    [
        Some((seen.instruction & judged, (places.code + last as u64) & judged)),
        selector(format, processor, places.code_selector, seen.instruction_selector),
        if has_data { Some((seen.data & judged, places.data & judged)) } else { None },
        if has_data { selector(format, processor, places.data_selector, seen.data_selector) } else { None },
        if format.has_opcode() { Some((seen.opcode, opcode)) } else { None },
    ]
}

const fn selector(format: Format, processor: Processor, expected: Option<u64>, seen: u64) -> Option<(u64, u64)> {
    match expected {
        Some(_) if !format.has_selectors() => None,
        Some(_) if processor.deprecates_selectors => Some((seen, 0)),
        Some(expected) => Some((seen, expected)),
        None => None,
    }
}

/// An image for XRSTOR: FCW, FSW, FOP, then both pointers, of which the narrow format has 32 bits and selectors above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Image {
    pub(crate) name: &'static str,
    pub(crate) control: u16,
    pub(crate) status: u16,
    pub(crate) environment: Environment,
}

const fn image(name: &'static str, is_pending: bool, seed: u64) -> Image {
    Image {
        name,
        control: if is_pending { 0x37b } else { 0x37f },
        // ZE, ES and B.
        status: if is_pending { 0x8084 } else { 0 },
        environment: Environment {
            instruction: (seed * 0x0123_4567_89ab) & 0x7fff_ffff_ffff,
            instruction_selector: (seed * 0x1357) & 0xffff,
            data: (seed * 0x0fed_cba9_8765) & 0x7fff_ffff_ffff,
            data_selector: (seed * 0x2468) & 0xffff,
            opcode: (seed * 0x155) & 0x7ff,
        },
    }
}

/// The images.
pub(crate) const IMAGES: [Image; 6] = [
    image("nothing pending", false, 1),
    image("nothing pending, other pointers", false, 0x35),
    image("nothing pending, pointers clear", false, 0),
    image("pending", true, 3),
    image("pending, other pointers", true, 0x1d),
    image("pending, pointers clear", true, 0),
];

impl Image {
    /// The first 24 bytes of an XSAVE area in a format of FXSAVE, in quadwords.
    pub(crate) const fn quadwords(&self, format: Format) -> [u64; 3] {
        let Environment { instruction, instruction_selector, data, data_selector, opcode } = self.environment;
        let head = self.control as u64 | (self.status as u64) << 16 | opcode << 48;
        if matches!(format, Format::Fxsave64) {
            [head, instruction, data]
        } else {
            let narrow = [instruction & 0xffff_ffff, data & 0xffff_ffff];
            [head, narrow[0] | instruction_selector << 32, narrow[1] | data_selector << 32]
        }
    }
}

/// The same columns as [`columns`] of what was restored and saved again.
pub(crate) const fn restored_columns(
    image: &Image,
    format: Format,
    processor: Processor,
    seen: &Environment,
) -> [Option<(u64, u64)>; 5] {
    if processor.saves_on_exceptions && image.status == 0 {
        return [None; 5];
    }
    let (mask, due) = (format.address_mask(), &image.environment);
    [
        Some((seen.instruction & mask, due.instruction & mask)),
        selector(format, processor, Some(due.instruction_selector), seen.instruction_selector),
        Some((seen.data & mask, due.data & mask)),
        selector(format, processor, Some(due.data_selector), seen.data_selector),
        Some((seen.opcode, due.opcode)),
    ]
}
