//! The instruction information of an exit, and the qualification of a memory operand. It compiles for the host too.
//!
//! Source: SDM vol. 3C, "Information for VM Exits Due to Instruction Execution".

/// A memory operand, as an instruction encodes it. Registers have the numbers of their encoding.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operand {
    base: Option<u8>,
    /// The index with the exponent of its scale.
    index: Option<(u8, u8)>,
    segment: u8,
    /// 0, 1 and 2: 16, 32 and 64 bits.
    address_size: u8,
    displacement: i32,
    is_rip_relative: bool,
}

/// Numbers of segment registers.
pub(crate) mod segment {
    pub(crate) const SS: u8 = 2;
    pub(crate) const DS: u8 = 3;
    pub(crate) const FS: u8 = 4;
    pub(crate) const GS: u8 = 5;
}

impl Operand {
    /// An operand without registers, in DS, with addresses of 64 bits.
    pub(crate) const NONE: Self = Self {
        base: None,
        index: None,
        segment: segment::DS,
        address_size: 2,
        displacement: 0,
        is_rip_relative: false,
    };

    /// One with this base; RSP and RBP come with SS.
    pub(crate) const fn based(register: u8) -> Self {
        let segment = if matches!(register, 4 | 5) { segment::SS } else { segment::DS };
        Self { base: Some(register), segment, ..Self::NONE }
    }

    /// One whose address counts from the next instruction.
    pub(crate) const fn from_rip(displacement: i32) -> Self {
        Self { is_rip_relative: true, displacement, ..Self::NONE }
    }

    pub(crate) const fn plus(self, displacement: i32) -> Self {
        Self { displacement, ..self }
    }

    /// The index, with the exponent of its scale.
    pub(crate) const fn indexed(self, register: u8, exponent: u8) -> Self {
        Self { index: Some((register, exponent)), ..self }
    }

    pub(crate) const fn of_segment(self, segment: u8) -> Self {
        Self { segment, ..self }
    }

    pub(crate) const fn with_address_size(self, address_size: u8) -> Self {
        Self { address_size, ..self }
    }

    /// The exit qualification: the displacement, or the address where it counts from `next_rip`.
    pub(crate) const fn qualification(&self, next_rip: u64) -> u64 {
        let displacement = self.displacement as i64 as u64;
        if self.is_rip_relative { next_rip.wrapping_add(displacement) } else { displacement }
    }

    /// The linear address in 64-bit mode, with these registers and bases of FS and GS.
    pub(crate) fn linear_address(&self, registers: &[u64; 16], next_rip: u64, fs: u64, gs: u64) -> u64 {
        let base = self.base.map_or(0, |register| registers[usize::from(register)]);
        let index = self.index.map_or(0, |(register, exponent)| registers[usize::from(register)] << exponent);
        let offset = base.wrapping_add(index).wrapping_add(self.qualification(next_rip));
        let offset = if self.address_size == 1 { offset & 0xffff_ffff } else { offset };
        match self.segment {
            segment::FS => offset.wrapping_add(fs),
            segment::GS => offset.wrapping_add(gs),
            _ => offset,
        }
    }

    /// What the instruction information tells of it.
    pub(crate) const fn information(&self) -> Word {
        let mut word = Word::NONE.with(7, 3, self.address_size as u32).with(10, 1, 0).with(15, 3, self.segment as u32);
        word = word.with(22, 1, self.index.is_none() as u32).with(27, 1, self.base.is_none() as u32);
        if let Some((register, exponent)) = self.index {
            word = word.with(0, 2, exponent as u32).with(18, 4, register as u32);
        }
        match self.base {
            Some(register) => word.with(23, 4, register as u32),
            None => word,
        }
    }
}

/// Instruction information, of which not all bits are defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) value: u32,
    pub(crate) defined: u32,
}

impl Word {
    /// No bit is defined.
    pub(crate) const NONE: Self = Self { value: 0, defined: 0 };

    /// The same with this field.
    pub(crate) const fn with(self, first: u32, width: u32, value: u32) -> Self {
        let mask = ((1 << width) - 1) << first;
        Self { value: self.value & !mask | value << first & mask, defined: self.defined | mask }
    }

    /// The register of the operand that may be in memory.
    pub(crate) const fn register_1(self, register: u8) -> Self {
        self.with(3, 4, register as u32).with(10, 1, 1)
    }

    /// The register of an instruction that has one operand.
    pub(crate) const fn only_register(self, register: u8, operand_size: u8) -> Self {
        self.with(3, 4, register as u32).with(11, 2, operand_size as u32)
    }

    /// The other register.
    pub(crate) const fn register_2(self, register: u8) -> Self {
        self.with(28, 4, register as u32)
    }

    /// Which of four instructions it is.
    pub(crate) const fn identity(self, number: u32) -> Self {
        self.with(28, 2, number)
    }

    /// What an exit shows of the bits that are defined.
    pub(crate) const fn seen(&self, information: u64) -> u32 {
        information as u32 & self.defined
    }
}
