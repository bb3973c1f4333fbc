//! The instruction forms that have a memory operand.

use crate::registers::Bitness;
use iced_x86::{Code, CpuidFeature, EncodingKind, OpCodeOperandKind};

/// How a form is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Encoding {
    /// Neither of the others; MMX and SSE without a VEX prefix are among them.
    Legacy,
    /// x87: opcodes D8H to DFH.
    X87,
    /// VEX prefix.
    Vex,
    /// EVEX prefix.
    Evex,
    /// XOP prefix.
    Xop,
    /// 3DNow!: an opcode behind the operand.
    D3Now,
    /// MVEX prefix (Knights Corner).
    Mvex,
}

/// One line of the manual's instruction tables in one mode, such as `ADD r/m32, r32` in 64-bit mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Form {
    /// What iced-x86 calls it.
    pub code: Code,
    /// The mode.
    pub bitness: Bitness,
}

impl Form {
    /// The form of that name, if the mode has it and if it has a memory operand.
    pub fn by_name(name: &str, bitness: Bitness) -> Option<Self> {
        forms(bitness).into_iter().find(|form| form.name() == name)
    }

    /// A name that does not change: mnemonic and operands joined by `_`, such as `Add_rm32_r32`.
    pub fn name(self) -> String {
        format!("{:?}", self.code)
    }

    /// How it is encoded.
    pub fn encoding(self) -> Encoding {
        match self.code.encoding() {
            EncodingKind::VEX => Encoding::Vex,
            EncodingKind::EVEX => Encoding::Evex,
            EncodingKind::XOP => Encoding::Xop,
            EncodingKind::D3NOW => Encoding::D3Now,
            EncodingKind::MVEX => Encoding::Mvex,
            _ if is_x87(self.code) => Encoding::X87,
            _ => Encoding::Legacy,
        }
    }

    /// Operand size of general registers in bits: 16, 32 or 64, or 0 for forms whose size no prefix changes.
    pub fn operand_size_bits(self) -> u32 {
        self.code.op_code().operand_size()
    }

    /// Size of the memory operand in bytes without broadcast; 0 if it is not one size (XSAVE) or none (LEA).
    pub fn memory_size_bytes(self) -> usize {
        self.code.op_code().memory_size().size()
    }

    /// All features that a processor must have to execute it (the names are those of iced-x86).
    pub fn features(self) -> &'static [CpuidFeature] {
        self.code.cpuid_features()
    }

    /// Whether the operand is addressed by a ModR/M byte, in contrast to string instructions, XLAT and `MOV moffs`.
    pub fn has_modrm_operand(self) -> bool {
        self.code.op_code().op_kinds().iter().any(|&kind| is_modrm_memory(kind))
    }
}

/// All forms of a mode that name memory among their operands, in the order of [`Code`].
///
/// A form counts if it is an instruction (not data), if its opcode is valid in the mode and if one operand may be memory:
/// by ModR/M, by an offset (`MOV moffs`), or by the registers that it implies (string instructions, XLAT, MASKMOVDQU).
/// Instructions that only use the stack (PUSH of a register, CALL of a label) name no memory and do not count.
pub fn forms(bitness: Bitness) -> Vec<Form> {
    Code::values().filter(|&code| has_memory_operand(code, bitness)).map(|code| Form { code, bitness }).collect()
}

/// Whether a code belongs to the forms of a mode.
pub(crate) fn has_memory_operand(code: Code, bitness: Bitness) -> bool {
    let op_code = code.op_code();
    op_code.is_instruction()
        && op_code.is_available_in_mode(bitness.bits())
        && op_code.op_kinds().iter().any(|&kind| is_modrm_memory(kind) || is_implied_memory(kind))
}

/// Whether the opcode is one of D8H to DFH.
pub(crate) fn is_x87(code: Code) -> bool {
    let op_code = code.op_code();
    op_code.table() == iced_x86::OpCodeTableKind::Normal
        && matches!(op_code.op_code() >> (8 * (op_code.op_code_len() - 1)), 0xd8..=0xdf)
}

fn is_implied_memory(kind: OpCodeOperandKind) -> bool {
    use OpCodeOperandKind as Kind;
    matches!(kind, Kind::mem_offs | Kind::seg_rSI | Kind::es_rDI | Kind::seg_rDI | Kind::seg_rBX_al)
}

fn is_modrm_memory(kind: OpCodeOperandKind) -> bool {
    use OpCodeOperandKind as Kind;
    is_vector_indexed(kind)
        || matches!(
            kind,
            Kind::mem
                | Kind::mem_mpx
                | Kind::mem_mib
                | Kind::sibmem
                | Kind::r8_or_mem
                | Kind::r16_or_mem
                | Kind::r32_or_mem
                | Kind::r32_or_mem_mpx
                | Kind::r64_or_mem
                | Kind::r64_or_mem_mpx
                | Kind::mm_or_mem
                | Kind::xmm_or_mem
                | Kind::ymm_or_mem
                | Kind::zmm_or_mem
                | Kind::bnd_or_mem_mpx
                | Kind::k_or_mem
        )
}

/// Whether an operand is addressed by a vector of indices.
pub(crate) fn is_vector_indexed(kind: OpCodeOperandKind) -> bool {
    use OpCodeOperandKind as Kind;
    matches!(
        kind,
        Kind::mem_vsib32x
            | Kind::mem_vsib64x
            | Kind::mem_vsib32y
            | Kind::mem_vsib64y
            | Kind::mem_vsib32z
            | Kind::mem_vsib64z
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_forms_are_those_of_iced() {
        let counts = [Bitness::Bits64, Bitness::Bits32, Bitness::Bits16].map(|bitness| forms(bitness).len());
        assert_eq!(counts, [3758, 3491, 3491]);
    }

    #[test]
    fn stack_alone_is_no_memory_operand() {
        assert!(!has_memory_operand(Code::Push_r64, Bitness::Bits64));
        assert!(has_memory_operand(Code::Push_rm64, Bitness::Bits64));
        assert!(!has_memory_operand(Code::Push_rm64, Bitness::Bits32));
        assert!(has_memory_operand(Code::Movsb_m8_m8, Bitness::Bits16));
    }

    #[test]
    fn names_lead_back_to_forms() {
        let form = Form::by_name("Add_rm32_r32", Bitness::Bits64).unwrap();
        assert_eq!((form.code, form.operand_size_bits(), form.memory_size_bytes()), (Code::Add_rm32_r32, 32, 4));
        assert_eq!(Form::by_name("Add_r32_rm32_", Bitness::Bits64), None);
    }

    #[test]
    fn encodings_are_told_apart() {
        let encoding = |code| Form { code, bitness: Bitness::Bits64 }.encoding();
        assert_eq!(encoding(Code::Fadd_m32fp), Encoding::X87);
        assert_eq!(encoding(Code::Fnsave_m108byte), Encoding::X87);
        assert_eq!(encoding(Code::Fxsave_m512byte), Encoding::Legacy);
        assert_eq!(encoding(Code::Movaps_xmm_xmmm128), Encoding::Legacy);
        assert_eq!(encoding(Code::VEX_Vmovaps_xmm_xmmm128), Encoding::Vex);
        assert_eq!(encoding(Code::EVEX_Vmovaps_zmm_k1z_zmmm512), Encoding::Evex);
        assert_eq!(encoding(Code::D3NOW_Pfadd_mm_mmm64), Encoding::D3Now);
    }
}
