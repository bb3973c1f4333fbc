//! Which instructions report an x87 exception that is pending, and which do not: a table of opcodes.
//!
//! Sources: SDM vol. 1, "x87 FPU Instruction Set" with its sections "Waiting vs. Non-waiting Instructions" and "x87 FPU
//! Control Instructions"; SDM vol. 3A, "Interrupt 16—x87 FPU Floating-Point Error (#MF)" and "The MMX Instruction Set and
//! Mixing"; SDM vol. 2, the pages of the instructions between MMX and XMM registers; APM vol. 2, "#MF—x87 Floating-Point
//! Exception-Pending (Vector 16)". The tests of the suite compile this for the host.

use case::{Text, message::outcome};

/// An instruction; memory operands are at RDI.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) bytes: &'static [u8],
    /// Whether it reports what is pending, before it does anything.
    pub(crate) waits: bool,
}

const fn waits(name: &'static str, bytes: &'static [u8]) -> Row {
    Row { name, bytes, waits: true }
}

const fn passes(name: &'static str, bytes: &'static [u8]) -> Row {
    Row { name, bytes, waits: false }
}

/// Opcodes D8H to DFH with a memory operand.
pub(crate) const MEMORY: [Row; 60] = [
    waits("FADD m32", &[0xd8, 0x07]),
    waits("FMUL m32", &[0xd8, 0x0f]),
    waits("FCOM m32", &[0xd8, 0x17]),
    waits("FCOMP m32", &[0xd8, 0x1f]),
    waits("FSUB m32", &[0xd8, 0x27]),
    waits("FSUBR m32", &[0xd8, 0x2f]),
    waits("FDIV m32", &[0xd8, 0x37]),
    waits("FDIVR m32", &[0xd8, 0x3f]),
    waits("FLD m32", &[0xd9, 0x07]),
    waits("FST m32", &[0xd9, 0x17]),
    waits("FSTP m32", &[0xd9, 0x1f]),
    waits("FLDENV", &[0xd9, 0x27]),
    waits("FLDCW", &[0xd9, 0x2f]),
    passes("FNSTENV", &[0xd9, 0x37]),
    passes("FNSTCW", &[0xd9, 0x3f]),
    waits("FIADD m32", &[0xda, 0x07]),
    waits("FIMUL m32", &[0xda, 0x0f]),
    waits("FICOM m32", &[0xda, 0x17]),
    waits("FICOMP m32", &[0xda, 0x1f]),
    waits("FISUB m32", &[0xda, 0x27]),
    waits("FISUBR m32", &[0xda, 0x2f]),
    waits("FIDIV m32", &[0xda, 0x37]),
    waits("FIDIVR m32", &[0xda, 0x3f]),
    waits("FILD m32", &[0xdb, 0x07]),
    waits("FISTTP m32", &[0xdb, 0x0f]),
    waits("FIST m32", &[0xdb, 0x17]),
    waits("FISTP m32", &[0xdb, 0x1f]),
    waits("FLD m80", &[0xdb, 0x2f]),
    waits("FSTP m80", &[0xdb, 0x3f]),
    waits("FADD m64", &[0xdc, 0x07]),
    waits("FMUL m64", &[0xdc, 0x0f]),
    waits("FCOM m64", &[0xdc, 0x17]),
    waits("FCOMP m64", &[0xdc, 0x1f]),
    waits("FSUB m64", &[0xdc, 0x27]),
    waits("FSUBR m64", &[0xdc, 0x2f]),
    waits("FDIV m64", &[0xdc, 0x37]),
    waits("FDIVR m64", &[0xdc, 0x3f]),
    waits("FLD m64", &[0xdd, 0x07]),
    waits("FISTTP m64", &[0xdd, 0x0f]),
    waits("FST m64", &[0xdd, 0x17]),
    waits("FSTP m64", &[0xdd, 0x1f]),
    waits("FRSTOR", &[0xdd, 0x27]),
    passes("FNSAVE", &[0xdd, 0x37]),
    passes("FNSTSW m16", &[0xdd, 0x3f]),
    waits("FIADD m16", &[0xde, 0x07]),
    waits("FIMUL m16", &[0xde, 0x0f]),
    waits("FICOM m16", &[0xde, 0x17]),
    waits("FICOMP m16", &[0xde, 0x1f]),
    waits("FISUB m16", &[0xde, 0x27]),
    waits("FISUBR m16", &[0xde, 0x2f]),
    waits("FIDIV m16", &[0xde, 0x37]),
    waits("FIDIVR m16", &[0xde, 0x3f]),
    waits("FILD m16", &[0xdf, 0x07]),
    waits("FISTTP m16", &[0xdf, 0x0f]),
    waits("FIST m16", &[0xdf, 0x17]),
    waits("FISTP m16", &[0xdf, 0x1f]),
    waits("FBLD", &[0xdf, 0x27]),
    waits("FILD m64", &[0xdf, 0x2f]),
    waits("FBSTP", &[0xdf, 0x37]),
    waits("FISTP m64", &[0xdf, 0x3f]),
];

/// Opcodes D8H to DFH without one. Undocumented aliases are left out.
pub(crate) const REGISTERS: [Row; 72] = [
    waits("FADD ST, ST(1)", &[0xd8, 0xc1]),
    waits("FMUL ST, ST(1)", &[0xd8, 0xc9]),
    waits("FCOM ST(1)", &[0xd8, 0xd1]),
    waits("FCOMP ST(1)", &[0xd8, 0xd9]),
    waits("FSUB ST, ST(1)", &[0xd8, 0xe1]),
    waits("FSUBR ST, ST(1)", &[0xd8, 0xe9]),
    waits("FDIV ST, ST(1)", &[0xd8, 0xf1]),
    waits("FDIVR ST, ST(1)", &[0xd8, 0xf9]),
    waits("FLD ST(1)", &[0xd9, 0xc1]),
    waits("FXCH ST(1)", &[0xd9, 0xc9]),
    waits("FNOP", &[0xd9, 0xd0]),
    waits("FCHS", &[0xd9, 0xe0]),
    waits("FABS", &[0xd9, 0xe1]),
    waits("FTST", &[0xd9, 0xe4]),
    waits("FXAM", &[0xd9, 0xe5]),
    waits("FLD1", &[0xd9, 0xe8]),
    waits("FLDL2T", &[0xd9, 0xe9]),
    waits("FLDL2E", &[0xd9, 0xea]),
    waits("FLDPI", &[0xd9, 0xeb]),
    waits("FLDLG2", &[0xd9, 0xec]),
    waits("FLDLN2", &[0xd9, 0xed]),
    waits("FLDZ", &[0xd9, 0xee]),
    waits("F2XM1", &[0xd9, 0xf0]),
    waits("FYL2X", &[0xd9, 0xf1]),
    waits("FPTAN", &[0xd9, 0xf2]),
    waits("FPATAN", &[0xd9, 0xf3]),
    waits("FXTRACT", &[0xd9, 0xf4]),
    waits("FPREM1", &[0xd9, 0xf5]),
    waits("FDECSTP", &[0xd9, 0xf6]),
    waits("FINCSTP", &[0xd9, 0xf7]),
    waits("FPREM", &[0xd9, 0xf8]),
    waits("FYL2XP1", &[0xd9, 0xf9]),
    waits("FSQRT", &[0xd9, 0xfa]),
    waits("FSINCOS", &[0xd9, 0xfb]),
    waits("FRNDINT", &[0xd9, 0xfc]),
    waits("FSCALE", &[0xd9, 0xfd]),
    waits("FSIN", &[0xd9, 0xfe]),
    waits("FCOS", &[0xd9, 0xff]),
    waits("FCMOVB ST, ST(1)", &[0xda, 0xc1]),
    waits("FCMOVE ST, ST(1)", &[0xda, 0xc9]),
    waits("FCMOVBE ST, ST(1)", &[0xda, 0xd1]),
    waits("FCMOVU ST, ST(1)", &[0xda, 0xd9]),
    waits("FUCOMPP", &[0xda, 0xe9]),
    waits("FCMOVNB ST, ST(1)", &[0xdb, 0xc1]),
    waits("FCMOVNE ST, ST(1)", &[0xdb, 0xc9]),
    waits("FCMOVNBE ST, ST(1)", &[0xdb, 0xd1]),
    waits("FCMOVNU ST, ST(1)", &[0xdb, 0xd9]),
    passes("FNCLEX", &[0xdb, 0xe2]),
    passes("FNINIT", &[0xdb, 0xe3]),
    waits("FUCOMI ST, ST(1)", &[0xdb, 0xe9]),
    waits("FCOMI ST, ST(1)", &[0xdb, 0xf1]),
    waits("FADD ST(1), ST", &[0xdc, 0xc1]),
    waits("FMUL ST(1), ST", &[0xdc, 0xc9]),
    waits("FSUBR ST(1), ST", &[0xdc, 0xe1]),
    waits("FSUB ST(1), ST", &[0xdc, 0xe9]),
    waits("FDIVR ST(1), ST", &[0xdc, 0xf1]),
    waits("FDIV ST(1), ST", &[0xdc, 0xf9]),
    waits("FFREE ST(1)", &[0xdd, 0xc1]),
    waits("FST ST(1)", &[0xdd, 0xd1]),
    waits("FSTP ST(1)", &[0xdd, 0xd9]),
    waits("FUCOM ST(1)", &[0xdd, 0xe1]),
    waits("FUCOMP ST(1)", &[0xdd, 0xe9]),
    waits("FADDP ST(1), ST", &[0xde, 0xc1]),
    waits("FMULP ST(1), ST", &[0xde, 0xc9]),
    waits("FCOMPP", &[0xde, 0xd9]),
    waits("FSUBRP ST(1), ST", &[0xde, 0xe1]),
    waits("FSUBP ST(1), ST", &[0xde, 0xe9]),
    waits("FDIVRP ST(1), ST", &[0xde, 0xf1]),
    waits("FDIVP ST(1), ST", &[0xde, 0xf9]),
    passes("FNSTSW AX", &[0xdf, 0xe0]),
    waits("FUCOMIP ST, ST(1)", &[0xdf, 0xe9]),
    waits("FCOMIP ST, ST(1)", &[0xdf, 0xf1]),
];

/// MMX instructions, and those between MMX and XMM registers.
pub(crate) const MMX: [Row; 43] = [
    waits("EMMS", &[0x0f, 0x77]),
    waits("MOVD mm, r32", &[0x0f, 0x6e, 0xc0]),
    waits("MOVD mm, m32", &[0x0f, 0x6e, 0x07]),
    waits("MOVD r32, mm", &[0x0f, 0x7e, 0xc0]),
    waits("MOVQ mm, r64", &[0x48, 0x0f, 0x6e, 0xc0]),
    waits("MOVQ mm, mm", &[0x0f, 0x6f, 0xc1]),
    waits("MOVQ mm, m64", &[0x0f, 0x6f, 0x07]),
    waits("MOVQ m64, mm", &[0x0f, 0x7f, 0x07]),
    waits("PADDB", &[0x0f, 0xfc, 0xc1]),
    waits("PADDQ", &[0x0f, 0xd4, 0xc1]),
    waits("PSUBD", &[0x0f, 0xfa, 0xc1]),
    waits("PMULLW", &[0x0f, 0xd5, 0xc1]),
    waits("PMADDWD", &[0x0f, 0xf5, 0xc1]),
    waits("PXOR", &[0x0f, 0xef, 0xc1]),
    waits("PAND m64", &[0x0f, 0xdb, 0x07]),
    waits("POR", &[0x0f, 0xeb, 0xc1]),
    waits("PANDN", &[0x0f, 0xdf, 0xc1]),
    waits("PCMPEQB", &[0x0f, 0x74, 0xc1]),
    waits("PCMPGTW", &[0x0f, 0x65, 0xc1]),
    waits("PACKSSWB", &[0x0f, 0x63, 0xc1]),
    waits("PUNPCKLBW", &[0x0f, 0x60, 0xc1]),
    waits("PSLLQ by 1", &[0x0f, 0x73, 0xf0, 0x01]),
    waits("PSRLW", &[0x0f, 0xd1, 0xc1]),
    waits("PSHUFW", &[0x0f, 0x70, 0xc1, 0x00]),
    waits("PMOVMSKB", &[0x0f, 0xd7, 0xc0]),
    waits("PINSRW", &[0x0f, 0xc4, 0xc0, 0x00]),
    waits("PEXTRW", &[0x0f, 0xc5, 0xc0, 0x00]),
    waits("PAVGB", &[0x0f, 0xe0, 0xc1]),
    waits("PSADBW", &[0x0f, 0xf6, 0xc1]),
    waits("PMULUDQ", &[0x0f, 0xf4, 0xc1]),
    waits("MOVNTQ", &[0x0f, 0xe7, 0x07]),
    waits("MASKMOVQ", &[0x0f, 0xf7, 0xc1]),
    waits("PSHUFB", &[0x0f, 0x38, 0x00, 0xc1]),
    waits("PABSD", &[0x0f, 0x38, 0x1e, 0xc1]),
    waits("PALIGNR", &[0x0f, 0x3a, 0x0f, 0xc1, 0x08]),
    waits("CVTPI2PS xmm, mm", &[0x0f, 0x2a, 0xc0]),
    waits("CVTPS2PI mm, xmm", &[0x0f, 0x2d, 0xc0]),
    waits("CVTTPS2PI mm, xmm", &[0x0f, 0x2c, 0xc0]),
    waits("CVTPD2PI mm, xmm", &[0x66, 0x0f, 0x2d, 0xc0]),
    waits("CVTTPD2PI mm, xmm", &[0x66, 0x0f, 0x2c, 0xc0]),
    waits("CVTPI2PD xmm, mm", &[0x66, 0x0f, 0x2a, 0xc0]),
    waits("MOVDQ2Q", &[0xf2, 0x0f, 0xd6, 0xc0]),
    waits("MOVQ2DQ", &[0xf3, 0x0f, 0xd6, 0xc0]),
];

/// WAIT, and instructions that have nothing to do with x87 state or only save and load it.
pub(crate) const OTHERS: [Row; 19] = [
    waits("WAIT", &[0x9b]),
    passes("FXSAVE", &[0x0f, 0xae, 0x07]),
    passes("FXRSTOR", &[0x0f, 0xae, 0x0f]),
    passes("MOVAPS", &[0x0f, 0x28, 0xc1]),
    passes("XORPS", &[0x0f, 0x57, 0xc0]),
    passes("ADDPS", &[0x0f, 0x58, 0xc1]),
    passes("DIVSD", &[0xf2, 0x0f, 0x5e, 0xc0]),
    passes("PXOR xmm", &[0x66, 0x0f, 0xef, 0xc1]),
    passes("MOVD xmm, r32", &[0x66, 0x0f, 0x6e, 0xc0]),
    passes("CVTSI2SD", &[0xf2, 0x0f, 0x2a, 0xc0]),
    passes("CVTPS2DQ", &[0x66, 0x0f, 0x5b, 0xc0]),
    passes("STMXCSR", &[0x0f, 0xae, 0x1f]),
    passes("LDMXCSR", &[0x0f, 0xae, 0x57, 0x18]),
    passes("NOP", &[0x90]),
    passes("MOV load", &[0x8b, 0x07]),
    passes("PREFETCHNTA", &[0x0f, 0x18, 0x07]),
    passes("LFENCE", &[0x0f, 0xae, 0xe8]),
    passes("MOVNTI", &[0x0f, 0xc3, 0x07]),
    passes("PAUSE", &[0xf3, 0x90]),
];

/// What stands in front of the instruction: FNINIT, FLDCW [RSI], and 1 divided by 0.
pub(crate) const PROLOGUE: [u8; 10] = [0xdb, 0xe3, 0xd9, 0x2e, 0xd9, 0xe8, 0xd9, 0xee, 0xde, 0xf9];
/// A control word that masks everything, and one that does not mask a division by zero.
pub(crate) const MASKED: u64 = 0x37f;
pub(crate) const UNMASKED: u64 = 0x37b;

/// What was seen of a program: its outcome, and the saved instruction pointer from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Observed {
    pub(crate) outcome: u64,
    pub(crate) ip: u64,
}

/// Actual and expected: outcome and saved instruction pointer, with an exception pending or without.
pub(crate) const fn columns(row: &Row, pending: bool, seen: Observed) -> [(u64, u64); 2] {
    let start = PROLOGUE.len() as u64;
    let (outcome, ip) = if pending && row.waits {
        (outcome::exception(16, 0), start)
    } else {
        (outcome::COMPLETED, start + row.bytes.len() as u64)
    };
    [(seen.outcome, outcome), (seen.ip, ip)]
}

/// The names of rows.
pub(crate) const fn names<const N: usize>(rows: &[Row; N]) -> [Text; N] {
    let mut names = [Text::new(""); N];
    let mut index = 0;
    while index < N {
        names[index] = Text::new(rows[index].name);
        index += 1;
    }
    names
}
