//! Feature bits of CPUID, each with instructions that exist if and only if it is set.
//!
//! Sources: SDM vol. 2, the pages of the instructions ("CPUID Feature Flag" and "Exceptions"); SDM vol. 2, "CPUID—CPU
//! Identification"; APM vol. 3, "Instruction Subsets and CPUID Feature Flags". The tests decode the bytes, and compare
//! instruction and feature with those of a decoder.

use super::model::{
    Absent::{Other, Ud, UdOnIntel},
    Levels::{Both, Supervisor},
    Row,
    State::{Avx, Avx512, None, Sse, Xsave},
    contradiction,
};
use crate::cpuid::bit::{
    Bit,
    Output::{Eax, Ebx, Ecx, Edx},
    bit,
};

const FPU: Bit = bit(1, 0, Edx, 0);
const TSC: Bit = bit(1, 0, Edx, 4);
const CX8: Bit = bit(1, 0, Edx, 8);
const CMOV: Bit = bit(1, 0, Edx, 15);
const CLFSH: Bit = bit(1, 0, Edx, 19);
const MMX: Bit = bit(1, 0, Edx, 23);
const FXSR: Bit = bit(1, 0, Edx, 24);
const SSE: Bit = bit(1, 0, Edx, 25);
const SSE2: Bit = bit(1, 0, Edx, 26);
const SSE3: Bit = bit(1, 0, Ecx, 0);
const PCLMULQDQ: Bit = bit(1, 0, Ecx, 1);
const SSSE3: Bit = bit(1, 0, Ecx, 9);
const FMA: Bit = bit(1, 0, Ecx, 12);
const CX16: Bit = bit(1, 0, Ecx, 13);
const SSE4_1: Bit = bit(1, 0, Ecx, 19);
const SSE4_2: Bit = bit(1, 0, Ecx, 20);
const MOVBE: Bit = bit(1, 0, Ecx, 22);
const POPCNT: Bit = bit(1, 0, Ecx, 23);
const AES: Bit = bit(1, 0, Ecx, 25);
const XSAVE: Bit = bit(1, 0, Ecx, 26);
const AVX: Bit = bit(1, 0, Ecx, 28);
const F16C: Bit = bit(1, 0, Ecx, 29);
const RDRAND: Bit = bit(1, 0, Ecx, 30);
const MONITOR: Bit = bit(1, 0, Ecx, 3);
const BMI1: Bit = bit(7, 0, Ebx, 3);
const AVX2: Bit = bit(7, 0, Ebx, 5);
const BMI2: Bit = bit(7, 0, Ebx, 8);
const INVPCID: Bit = bit(7, 0, Ebx, 10);
const RTM: Bit = bit(7, 0, Ebx, 11);
const AVX512F: Bit = bit(7, 0, Ebx, 16);
const AVX512DQ: Bit = bit(7, 0, Ebx, 17);
const RDSEED: Bit = bit(7, 0, Ebx, 18);
const ADX: Bit = bit(7, 0, Ebx, 19);
const SMAP: Bit = bit(7, 0, Ebx, 20);
const AVX512_IFMA: Bit = bit(7, 0, Ebx, 21);
const CLFLUSHOPT: Bit = bit(7, 0, Ebx, 23);
const CLWB: Bit = bit(7, 0, Ebx, 24);
const AVX512ER: Bit = bit(7, 0, Ebx, 27);
const AVX512CD: Bit = bit(7, 0, Ebx, 28);
const SHA: Bit = bit(7, 0, Ebx, 29);
const AVX512BW: Bit = bit(7, 0, Ebx, 30);
const AVX512VL: Bit = bit(7, 0, Ebx, 31);
const AVX512_VBMI: Bit = bit(7, 0, Ecx, 1);
const WAITPKG: Bit = bit(7, 0, Ecx, 5);
const AVX512_VBMI2: Bit = bit(7, 0, Ecx, 6);
const GFNI: Bit = bit(7, 0, Ecx, 8);
const VAES: Bit = bit(7, 0, Ecx, 9);
const VPCLMULQDQ: Bit = bit(7, 0, Ecx, 10);
const AVX512_VNNI: Bit = bit(7, 0, Ecx, 11);
const AVX512_BITALG: Bit = bit(7, 0, Ecx, 12);
const AVX512_VPOPCNTDQ: Bit = bit(7, 0, Ecx, 14);
const RDPID: Bit = bit(7, 0, Ecx, 22);
const CLDEMOTE: Bit = bit(7, 0, Ecx, 25);
const MOVDIRI: Bit = bit(7, 0, Ecx, 27);
const MOVDIR64B: Bit = bit(7, 0, Ecx, 28);
const AVX512_4VNNIW: Bit = bit(7, 0, Edx, 2);
const AVX512_4FMAPS: Bit = bit(7, 0, Edx, 3);
const AVX512_VP2INTERSECT: Bit = bit(7, 0, Edx, 8);
const SERIALIZE: Bit = bit(7, 0, Edx, 14);
const TSXLDTRK: Bit = bit(7, 0, Edx, 16);
const AVX512_FP16: Bit = bit(7, 0, Edx, 23);
const CET_IBT: Bit = bit(7, 0, Edx, 20);
const CET_SS: Bit = bit(7, 0, Ecx, 7);
const PREFETCHWT1: Bit = bit(7, 0, Ecx, 0);
const SHA512: Bit = bit(7, 1, Eax, 0);
const SM3: Bit = bit(7, 1, Eax, 1);
const SM4: Bit = bit(7, 1, Eax, 2);
const AVX_VNNI: Bit = bit(7, 1, Eax, 4);
const AVX512_BF16: Bit = bit(7, 1, Eax, 5);
const AVX_IFMA: Bit = bit(7, 1, Eax, 23);
const AVX_VNNI_INT8: Bit = bit(7, 1, Edx, 4);
const AVX_NE_CONVERT: Bit = bit(7, 1, Edx, 5);
const AVX_VNNI_INT16: Bit = bit(7, 1, Edx, 10);
const XSAVEOPT: Bit = bit(0xd, 1, Eax, 0);
const XSAVEC: Bit = bit(0xd, 1, Eax, 1);
const PTWRITE: Bit = bit(0x14, 0, Ebx, 4);
const LAHF64: Bit = bit(0x8000_0001, 0, Ecx, 0);
const LZCNT: Bit = bit(0x8000_0001, 0, Ecx, 5);
const SSE4A: Bit = bit(0x8000_0001, 0, Ecx, 6);
const PREFETCHW: Bit = bit(0x8000_0001, 0, Ecx, 8);
const XOP: Bit = bit(0x8000_0001, 0, Ecx, 11);
const FMA4: Bit = bit(0x8000_0001, 0, Ecx, 16);
const TBM: Bit = bit(0x8000_0001, 0, Ecx, 21);
const MONITORX: Bit = bit(0x8000_0001, 0, Ecx, 29);
const RDTSCP: Bit = bit(0x8000_0001, 0, Edx, 27);
const D3NOW: Bit = bit(0x8000_0001, 0, Edx, 31);
const D3NOWEXT: Bit = bit(0x8000_0001, 0, Edx, 30);
const CLZERO: Bit = bit(0x8000_0008, 0, Ebx, 0);
const RDPRU: Bit = bit(0x8000_0008, 0, Ebx, 4);
const WBNOINVD: Bit = bit(0x8000_0008, 0, Ebx, 9);

const fn row(name: &'static str, bytes: &'static [u8], features: &'static [Bit]) -> Row {
    Row { name, bytes, features, state: None, absent: Ud, levels: Both }
}

// The operands of XOP encodings are such that a processor which takes them for POP still comes to an end: what follows is
// CLC and NOP, INT3, or IN.

/// The table. RDI and RSI point to memory of their own, and RAX, RCX and RDX are 0; RAX is the address that CLZERO clears.
pub(crate) const ROWS: &[Row] = &[
    row("FNOP", &[0xd9, 0xd0], &[FPU]),
    row("RDTSC", &[0x0f, 0x31], &[TSC]),
    row("CMPXCHG8B [RDI]", &[0x0f, 0xc7, 0x0f], &[CX8]),
    row("CMOVE EAX, ECX", &[0x0f, 0x44, 0xc1], &[CMOV]),
    row("CLFLUSH [RDI]", &[0x0f, 0xae, 0x3f], &[CLFSH]),
    row("CMPXCHG16B [RDI]", &[0x48, 0x0f, 0xc7, 0x0f], &[CX16]),
    row("MOVBE EAX, [RDI]", &[0x0f, 0x38, 0xf0, 0x07], &[MOVBE]),
    row("MOVBE [RDI], RAX", &[0x48, 0x0f, 0x38, 0xf1, 0x07], &[MOVBE]),
    row("POPCNT EAX, ECX", &[0xf3, 0x0f, 0xb8, 0xc1], &[POPCNT]),
    row("POPCNT RAX, [RDI]", &[0xf3, 0x48, 0x0f, 0xb8, 0x07], &[POPCNT]),
    row("RDRAND EAX", &[0x0f, 0xc7, 0xf0], &[RDRAND]),
    row("RDRAND RAX", &[0x48, 0x0f, 0xc7, 0xf0], &[RDRAND]),
    row("RDSEED EAX", &[0x0f, 0xc7, 0xf8], &[RDSEED]),
    row("RDSEED RAX", &[0x48, 0x0f, 0xc7, 0xf8], &[RDSEED]),
    row("ANDN EAX, ECX, EDX", &[0xc4, 0xe2, 0x70, 0xf2, 0xc2], &[BMI1]),
    row("BEXTR EAX, ECX, EDX", &[0xc4, 0xe2, 0x68, 0xf7, 0xc1], &[BMI1]),
    row("BLSI RAX, RCX", &[0xc4, 0xe2, 0xf8, 0xf3, 0xd9], &[BMI1]),
    row("BLSMSK EAX, ECX", &[0xc4, 0xe2, 0x78, 0xf3, 0xd1], &[BMI1]),
    row("BLSR EAX, ECX", &[0xc4, 0xe2, 0x78, 0xf3, 0xc9], &[BMI1]),
    Row { absent: Other, ..row("TZCNT EAX, ECX", &[0xf3, 0x0f, 0xbc, 0xc1], &[BMI1]) },
    Row { absent: Other, ..row("LZCNT EAX, ECX", &[0xf3, 0x0f, 0xbd, 0xc1], &[LZCNT]) },
    row("BZHI EAX, ECX, EDX", &[0xc4, 0xe2, 0x68, 0xf5, 0xc1], &[BMI2]),
    row("MULX RAX, RCX, RDX", &[0xc4, 0xe2, 0xf3, 0xf6, 0xc2], &[BMI2]),
    row("PDEP EAX, ECX, EDX", &[0xc4, 0xe2, 0x73, 0xf5, 0xc2], &[BMI2]),
    row("PEXT EAX, ECX, EDX", &[0xc4, 0xe2, 0x72, 0xf5, 0xc2], &[BMI2]),
    row("SARX EAX, ECX, EDX", &[0xc4, 0xe2, 0x6a, 0xf7, 0xc1], &[BMI2]),
    row("SHLX EAX, ECX, EDX", &[0xc4, 0xe2, 0x69, 0xf7, 0xc1], &[BMI2]),
    row("SHRX RAX, RCX, RDX", &[0xc4, 0xe2, 0xeb, 0xf7, 0xc1], &[BMI2]),
    row("RORX EAX, ECX, 3", &[0xc4, 0xe3, 0x7b, 0xf0, 0xc1, 0x03], &[BMI2]),
    row("ADCX EAX, ECX", &[0x66, 0x0f, 0x38, 0xf6, 0xc1], &[ADX]),
    row("ADOX RAX, RCX", &[0xf3, 0x48, 0x0f, 0x38, 0xf6, 0xc1], &[ADX]),
    row("CLFLUSHOPT [RDI]", &[0x66, 0x0f, 0xae, 0x3f], &[CLFLUSHOPT]),
    row("CLWB [RDI]", &[0x66, 0x0f, 0xae, 0x37], &[CLWB]),
    Row { absent: Other, ..row("CLDEMOTE [RDI]", &[0x0f, 0x1c, 0x07], &[CLDEMOTE]) },
    Row { absent: Other, ..row("PREFETCHW [RDI]", &[0x0f, 0x0d, 0x0f], &[PREFETCHW]) },
    Row { absent: Other, ..row("PREFETCHWT1 [RDI]", &[0x0f, 0x0d, 0x17], &[PREFETCHWT1]) },
    row("MOVDIRI [RDI], EAX", &[0x0f, 0x38, 0xf9, 0x07], &[MOVDIRI]),
    row("MOVDIR64B RDI, [RSI]", &[0x66, 0x0f, 0x38, 0xf8, 0x3e], &[MOVDIR64B]),
    Row { absent: UdOnIntel, ..row("SERIALIZE", &[0x0f, 0x01, 0xe8], &[SERIALIZE]) },
    row("RDPID RAX", &[0xf3, 0x0f, 0xc7, 0xf8], &[RDPID]),
    row("RDTSCP", &[0x0f, 0x01, 0xf9], &[RDTSCP]),
    row("CLZERO RAX", &[0x0f, 0x01, 0xfc], &[CLZERO]),
    row("RDPRU", &[0x0f, 0x01, 0xfd], &[RDPRU]),
    Row { absent: UdOnIntel, ..row("TPAUSE ECX", &[0x66, 0x0f, 0xae, 0xf1], &[WAITPKG]) },
    Row { absent: UdOnIntel, ..row("UMONITOR RDI", &[0xf3, 0x0f, 0xae, 0xf7], &[WAITPKG]) },
    row("MONITORX RAX, ECX, EDX", &[0x0f, 0x01, 0xfa], &[MONITORX]),
    row("XTEST", &[0x0f, 0x01, 0xd6], &[RTM]),
    Row { absent: UdOnIntel, ..row("XSUSLDTRK", &[0xf2, 0x0f, 0x01, 0xe8], &[TSXLDTRK]) },
    row("PTWRITE EAX", &[0xf3, 0x0f, 0xae, 0xe0], &[PTWRITE]),
    row("LAHF", &[0x9f], &[LAHF64]),
    row("SAHF", &[0x9e], &[LAHF64]),
    Row { absent: Other, ..row("ENDBR64", &[0xf3, 0x0f, 0x1e, 0xfa], &[CET_IBT]) },
    Row { absent: Other, ..row("RDSSPQ RAX", &[0xf3, 0x48, 0x0f, 0x1e, 0xc8], &[CET_SS]) },
    Row { absent: Other, ..row("PAUSE", &[0xf3, 0x90], &[SSE2]) },
    row("BLCFILL EAX, ESP", &[0x8f, 0xe9, 0x78, 0x01, 0xcc], &[TBM]),
    row("TZMSK EAX, ESP", &[0x8f, 0xe9, 0x78, 0x01, 0xe4], &[TBM]),
    Row { state: Xsave, ..row("XGETBV", &[0x0f, 0x01, 0xd0], &[XSAVE]) },
    Row { state: Xsave, ..row("XSAVE [RDI]", &[0x0f, 0xae, 0x27], &[XSAVE]) },
    Row { state: Xsave, ..row("XSAVEOPT [RDI]", &[0x0f, 0xae, 0x37], &[XSAVE, XSAVEOPT]) },
    Row { state: Xsave, ..row("XSAVEC [RDI]", &[0x0f, 0xc7, 0x27], &[XSAVE, XSAVEC]) },
    row("PADDB MM0, MM1", &[0x0f, 0xfc, 0xc1], &[MMX]),
    row("PMADDUBSW MM0, MM1", &[0x0f, 0x38, 0x04, 0xc1], &[SSSE3]),
    row("PFADD MM0, MM1", &[0x0f, 0x0f, 0xc1, 0x9e], &[D3NOW]),
    row("PSWAPD MM0, MM1", &[0x0f, 0x0f, 0xc1, 0xbb], &[D3NOWEXT]),
    row("EMMS", &[0x0f, 0x77], &[MMX]),
    row("FXSAVE [RDI]", &[0x0f, 0xae, 0x07], &[FXSR]),
    Row { state: Sse, ..row("ADDPS XMM0, XMM1", &[0x0f, 0x58, 0xc1], &[SSE]) },
    Row { state: Sse, ..row("SQRTSS XMM0, XMM1", &[0xf3, 0x0f, 0x51, 0xc1], &[SSE]) },
    Row { state: Sse, ..row("SHUFPS XMM0, XMM1, 1", &[0x0f, 0xc6, 0xc1, 0x01], &[SSE]) },
    Row { state: Sse, ..row("MOVAPS XMM0, [RDI]", &[0x0f, 0x28, 0x07], &[SSE]) },
    Row { state: Sse, ..row("STMXCSR [RDI]", &[0x0f, 0xae, 0x1f], &[SSE]) },
    Row { state: Sse, ..row("ADDPD XMM0, XMM1", &[0x66, 0x0f, 0x58, 0xc1], &[SSE2]) },
    Row { state: Sse, ..row("PADDQ XMM0, XMM1", &[0x66, 0x0f, 0xd4, 0xc1], &[SSE2]) },
    Row { state: Sse, ..row("CVTDQ2PD XMM0, XMM1", &[0xf3, 0x0f, 0xe6, 0xc1], &[SSE2]) },
    Row { state: Sse, ..row("MOVDQA XMM0, [RDI]", &[0x66, 0x0f, 0x6f, 0x07], &[SSE2]) },
    Row { state: Sse, ..row("ADDSUBPS XMM0, XMM1", &[0xf2, 0x0f, 0xd0, 0xc1], &[SSE3]) },
    Row { state: Sse, ..row("HADDPD XMM0, XMM1", &[0x66, 0x0f, 0x7c, 0xc1], &[SSE3]) },
    Row { state: Sse, ..row("LDDQU XMM0, [RDI]", &[0xf2, 0x0f, 0xf0, 0x07], &[SSE3]) },
    Row { state: Sse, ..row("MOVDDUP XMM0, XMM1", &[0xf2, 0x0f, 0x12, 0xc1], &[SSE3]) },
    Row { state: Sse, ..row("PABSB XMM0, XMM1", &[0x66, 0x0f, 0x38, 0x1c, 0xc1], &[SSSE3]) },
    Row { state: Sse, ..row("PSHUFB XMM0, XMM1", &[0x66, 0x0f, 0x38, 0x00, 0xc1], &[SSSE3]) },
    Row { state: Sse, ..row("PALIGNR XMM0, XMM1, 1", &[0x66, 0x0f, 0x3a, 0x0f, 0xc1, 0x01], &[SSSE3]) },
    Row { state: Sse, ..row("PHADDW XMM0, XMM1", &[0x66, 0x0f, 0x38, 0x01, 0xc1], &[SSSE3]) },
    Row { state: Sse, ..row("BLENDPS XMM0, XMM1, 1", &[0x66, 0x0f, 0x3a, 0x0c, 0xc1, 0x01], &[SSE4_1]) },
    Row { state: Sse, ..row("DPPS XMM0, XMM1, 1", &[0x66, 0x0f, 0x3a, 0x40, 0xc1, 0x01], &[SSE4_1]) },
    Row { state: Sse, ..row("PMULLD XMM0, XMM1", &[0x66, 0x0f, 0x38, 0x40, 0xc1], &[SSE4_1]) },
    Row { state: Sse, ..row("PTEST XMM0, XMM1", &[0x66, 0x0f, 0x38, 0x17, 0xc1], &[SSE4_1]) },
    Row { state: Sse, ..row("ROUNDSD XMM0, XMM1, 1", &[0x66, 0x0f, 0x3a, 0x0b, 0xc1, 0x01], &[SSE4_1]) },
    Row { state: Sse, ..row("PEXTRD EAX, XMM1, 1", &[0x66, 0x0f, 0x3a, 0x16, 0xc8, 0x01], &[SSE4_1]) },
    Row { state: Sse, ..row("MOVNTDQA XMM0, [RDI]", &[0x66, 0x0f, 0x38, 0x2a, 0x07], &[SSE4_1]) },
    Row { state: Sse, ..row("PCMPGTQ XMM0, XMM1", &[0x66, 0x0f, 0x38, 0x37, 0xc1], &[SSE4_2]) },
    Row { state: Sse, ..row("PCMPESTRI XMM0, XMM1, 1", &[0x66, 0x0f, 0x3a, 0x61, 0xc1, 0x01], &[SSE4_2]) },
    Row { state: Sse, ..row("PCMPISTRM XMM0, XMM1, 1", &[0x66, 0x0f, 0x3a, 0x62, 0xc1, 0x01], &[SSE4_2]) },
    Row { state: Sse, ..row("AESENC XMM0, XMM1", &[0x66, 0x0f, 0x38, 0xdc, 0xc1], &[AES]) },
    Row { state: Sse, ..row("AESDECLAST XMM0, XMM1", &[0x66, 0x0f, 0x38, 0xdf, 0xc1], &[AES]) },
    Row { state: Sse, ..row("AESKEYGENASSIST XMM0, XMM1, 1", &[0x66, 0x0f, 0x3a, 0xdf, 0xc1, 0x01], &[AES]) },
    Row { state: Sse, ..row("AESIMC XMM0, XMM1", &[0x66, 0x0f, 0x38, 0xdb, 0xc1], &[AES]) },
    Row { state: Sse, ..row("PCLMULQDQ XMM0, XMM1, 1", &[0x66, 0x0f, 0x3a, 0x44, 0xc1, 0x01], &[PCLMULQDQ]) },
    Row { state: Sse, ..row("SHA1MSG1 XMM0, XMM1", &[0x0f, 0x38, 0xc9, 0xc1], &[SHA]) },
    Row { state: Sse, ..row("SHA1RNDS4 XMM0, XMM1, 1", &[0x0f, 0x3a, 0xcc, 0xc1, 0x01], &[SHA]) },
    Row { state: Sse, ..row("SHA256RNDS2 XMM1, XMM2", &[0x0f, 0x38, 0xcb, 0xca], &[SHA]) },
    Row { state: Sse, ..row("SHA256MSG2 XMM0, XMM1", &[0x0f, 0x38, 0xcd, 0xc1], &[SHA]) },
    Row { state: Sse, ..row("GF2P8MULB XMM0, XMM1", &[0x66, 0x0f, 0x38, 0xcf, 0xc1], &[GFNI]) },
    Row { state: Sse, ..row("GF2P8AFFINEQB XMM0, XMM1, 1", &[0x66, 0x0f, 0x3a, 0xce, 0xc1, 0x01], &[GFNI]) },
    Row { state: Sse, ..row("EXTRQ XMM0, XMM1", &[0x66, 0x0f, 0x79, 0xc1], &[SSE4A]) },
    Row { state: Sse, ..row("INSERTQ XMM0, XMM1", &[0xf2, 0x0f, 0x79, 0xc1], &[SSE4A]) },
    Row { state: Sse, ..row("MOVNTSD [RDI], XMM0", &[0xf2, 0x0f, 0x2b, 0x07], &[SSE4A]) },
    Row { state: Sse, ..row("MOVNTSS [RDI], XMM0", &[0xf3, 0x0f, 0x2b, 0x07], &[SSE4A]) },
    row("CRC32 EAX, ECX", &[0xf2, 0x0f, 0x38, 0xf1, 0xc1], &[SSE4_2]),
    Row { state: Avx, ..row("VADDPS XMM0, XMM1, XMM2", &[0xc5, 0xf0, 0x58, 0xc2], &[AVX]) },
    Row { state: Avx, ..row("VADDPD YMM0, YMM1, YMM2", &[0xc5, 0xf5, 0x58, 0xc2], &[AVX]) },
    Row { state: Avx, ..row("VBROADCASTSS YMM0, [RDI]", &[0xc4, 0xe2, 0x7d, 0x18, 0x07], &[AVX]) },
    Row { state: Avx, ..row("VPERM2F128 YMM0, YMM1, YMM2, 1", &[0xc4, 0xe3, 0x75, 0x06, 0xc2, 0x01], &[AVX]) },
    Row { state: Avx, ..row("VZEROUPPER", &[0xc5, 0xf8, 0x77], &[AVX]) },
    Row { state: Avx, ..row("VPADDB XMM0, XMM1, XMM2", &[0xc5, 0xf1, 0xfc, 0xc2], &[AVX]) },
    Row { state: Avx, ..row("VMASKMOVPS YMM0, YMM1, [RDI]", &[0xc4, 0xe2, 0x75, 0x2c, 0x07], &[AVX]) },
    Row { state: Avx, ..row("VPADDB YMM0, YMM1, YMM2", &[0xc5, 0xf5, 0xfc, 0xc2], &[AVX2]) },
    Row { state: Avx, ..row("VPERMQ YMM0, YMM1, 1", &[0xc4, 0xe3, 0xfd, 0x00, 0xc1, 0x01], &[AVX2]) },
    Row { state: Avx, ..row("VPBROADCASTB YMM0, XMM1", &[0xc4, 0xe2, 0x7d, 0x78, 0xc1], &[AVX2]) },
    Row { state: Avx, ..row("VPSLLVD XMM0, XMM1, XMM2", &[0xc4, 0xe2, 0x71, 0x47, 0xc2], &[AVX2]) },
    Row { state: Avx, ..row("VINSERTI128 YMM0, YMM1, XMM2, 1", &[0xc4, 0xe3, 0x75, 0x38, 0xc2, 0x01], &[AVX2]) },
    Row { state: Avx, ..row("VFMADD132PS XMM0, XMM1, XMM2", &[0xc4, 0xe2, 0x71, 0x98, 0xc2], &[FMA]) },
    Row { state: Avx, ..row("VFNMSUB231SD XMM0, XMM1, XMM2", &[0xc4, 0xe2, 0xf1, 0xbf, 0xc2], &[FMA]) },
    Row { state: Avx, ..row("VCVTPH2PS YMM0, XMM1", &[0xc4, 0xe2, 0x7d, 0x13, 0xc1], &[F16C]) },
    Row { state: Avx, ..row("VCVTPS2PH XMM0, YMM1, 1", &[0xc4, 0xe3, 0x7d, 0x1d, 0xc8, 0x01], &[F16C]) },
    Row { state: Avx, ..row("VAESENC XMM0, XMM1, XMM2", &[0xc4, 0xe2, 0x71, 0xdc, 0xc2], &[AVX, AES]) },
    Row { state: Avx, ..row("VAESENC YMM0, YMM1, YMM2", &[0xc4, 0xe2, 0x75, 0xdc, 0xc2], &[AVX, VAES]) },
    Row {
        state: Avx,
        ..row("VPCLMULQDQ XMM0, XMM1, XMM2, 1", &[0xc4, 0xe3, 0x71, 0x44, 0xc2, 0x01], &[AVX, PCLMULQDQ])
    },
    Row {
        state: Avx,
        ..row("VPCLMULQDQ YMM0, YMM1, YMM2, 1", &[0xc4, 0xe3, 0x75, 0x44, 0xc2, 0x01], &[AVX, VPCLMULQDQ])
    },
    Row { state: Avx, ..row("VGF2P8MULB YMM0, YMM1, YMM2", &[0xc4, 0xe2, 0x75, 0xcf, 0xc2], &[AVX, GFNI]) },
    Row { state: Avx, ..row("VPDPBUSD XMM0, XMM1, XMM2 (VEX)", &[0xc4, 0xe2, 0x71, 0x50, 0xc2], &[AVX_VNNI]) },
    Row { state: Avx, ..row("VFMADDPS XMM0, XMM1, XMM2, XMM3", &[0xc4, 0xe3, 0xf1, 0x68, 0xc3, 0x20], &[FMA4]) },
    Row { state: Avx, ..row("VPCMOV XMM7, XMM1, XMM0, XMM9", &[0x8f, 0xe8, 0x70, 0xa2, 0xf8, 0x90], &[XOP]) },
    Row { state: Avx, ..row("VPROTB XMM7, XMM0, 0X90", &[0x8f, 0xe8, 0x78, 0xc0, 0xf8, 0x90], &[XOP]) },
    Row { state: Avx, ..row("VSHA512MSG1 YMM1, XMM2", &[0xc4, 0xe2, 0x7f, 0xcc, 0xca], &[AVX, SHA512]) },
    Row { state: Avx, ..row("VSM3MSG1 XMM1, XMM2, XMM3", &[0xc4, 0xe2, 0x68, 0xda, 0xcb], &[AVX, SM3]) },
    Row { state: Avx, ..row("VSM4KEY4 XMM1, XMM2, XMM3", &[0xc4, 0xe2, 0x6a, 0xda, 0xcb], &[AVX, SM4]) },
    Row { state: Avx, ..row("VPMADD52LUQ XMM1, XMM2, XMM3", &[0xc4, 0xe2, 0xe9, 0xb4, 0xcb], &[AVX_IFMA]) },
    Row { state: Avx, ..row("VPDPBSSD XMM1, XMM2, XMM3", &[0xc4, 0xe2, 0x6b, 0x50, 0xcb], &[AVX_VNNI_INT8]) },
    Row { state: Avx, ..row("VPDPWUUD XMM1, XMM2, XMM3", &[0xc4, 0xe2, 0x68, 0xd2, 0xcb], &[AVX_VNNI_INT16]) },
    Row { state: Avx, ..row("VBCSTNEBF162PS XMM1, [RDI]", &[0xc4, 0xe2, 0x7a, 0xb1, 0x0f], &[AVX_NE_CONVERT]) },
    Row { state: Avx512, ..row("VADDPS ZMM0, ZMM1, ZMM2", &[0x62, 0xf1, 0x74, 0x48, 0x58, 0xc2], &[AVX512F]) },
    Row {
        state: Avx512,
        ..row("VPTERNLOGD ZMM0, ZMM1, ZMM2, 1", &[0x62, 0xf3, 0x75, 0x48, 0x25, 0xc2, 0x01], &[AVX512F])
    },
    Row { state: Avx512, ..row("KANDW K1, K2, K3", &[0xc5, 0xec, 0x41, 0xcb], &[AVX512F]) },
    Row { state: Avx512, ..row("VPERMD ZMM0, ZMM1, ZMM2", &[0x62, 0xf2, 0x75, 0x48, 0x36, 0xc2], &[AVX512F]) },
    Row { state: Avx512, ..row("VPORD XMM0, XMM1, XMM2", &[0x62, 0xf1, 0x75, 0x08, 0xeb, 0xc2], &[AVX512F, AVX512VL]) },
    Row { state: Avx512, ..row("VMOVDQA32 YMM0, YMM1", &[0x62, 0xf1, 0x7d, 0x28, 0x6f, 0xc1], &[AVX512F, AVX512VL]) },
    Row {
        state: Avx512,
        ..row("VADDPS YMM16, YMM17, YMM18", &[0x62, 0xa1, 0x74, 0x20, 0x58, 0xc2], &[AVX512F, AVX512VL])
    },
    Row { state: Avx512, ..row("VCVTQQ2PD ZMM0, ZMM1", &[0x62, 0xf1, 0xfe, 0x48, 0xe6, 0xc1], &[AVX512DQ]) },
    Row { state: Avx512, ..row("KANDB K1, K2, K3", &[0xc5, 0xed, 0x41, 0xcb], &[AVX512DQ]) },
    Row {
        state: Avx512,
        ..row("VPMULLQ XMM0, XMM1, XMM2", &[0x62, 0xf2, 0xf5, 0x08, 0x40, 0xc2], &[AVX512DQ, AVX512VL])
    },
    Row { state: Avx512, ..row("VPADDB ZMM0, ZMM1, ZMM2", &[0x62, 0xf1, 0x75, 0x48, 0xfc, 0xc2], &[AVX512BW]) },
    Row { state: Avx512, ..row("KANDD K1, K2, K3", &[0xc4, 0xe1, 0xed, 0x41, 0xcb], &[AVX512BW]) },
    Row { state: Avx512, ..row("VPERMW ZMM0, ZMM1, ZMM2", &[0x62, 0xf2, 0xf5, 0x48, 0x8d, 0xc2], &[AVX512BW]) },
    Row { state: Avx512, ..row("VPCONFLICTD ZMM0, ZMM1", &[0x62, 0xf2, 0x7d, 0x48, 0xc4, 0xc1], &[AVX512CD]) },
    Row { state: Avx512, ..row("VPLZCNTQ ZMM0, ZMM1", &[0x62, 0xf2, 0xfd, 0x48, 0x44, 0xc1], &[AVX512CD]) },
    Row { state: Avx512, ..row("VPMADD52LUQ ZMM0, ZMM1, ZMM2", &[0x62, 0xf2, 0xf5, 0x48, 0xb4, 0xc2], &[AVX512_IFMA]) },
    Row { state: Avx512, ..row("VPERMB ZMM0, ZMM1, ZMM2", &[0x62, 0xf2, 0x75, 0x48, 0x8d, 0xc2], &[AVX512_VBMI]) },
    Row { state: Avx512, ..row("VPERMI2B ZMM0, ZMM1, ZMM2", &[0x62, 0xf2, 0x75, 0x48, 0x75, 0xc2], &[AVX512_VBMI]) },
    Row { state: Avx512, ..row("VPCOMPRESSB ZMM0, ZMM1", &[0x62, 0xf2, 0x7d, 0x48, 0x63, 0xc8], &[AVX512_VBMI2]) },
    Row { state: Avx512, ..row("VPSHLDVD ZMM0, ZMM1, ZMM2", &[0x62, 0xf2, 0x75, 0x48, 0x71, 0xc2], &[AVX512_VBMI2]) },
    Row { state: Avx512, ..row("VPDPBUSD ZMM0, ZMM1, ZMM2", &[0x62, 0xf2, 0x75, 0x48, 0x50, 0xc2], &[AVX512_VNNI]) },
    Row { state: Avx512, ..row("VPDPWSSDS ZMM0, ZMM1, ZMM2", &[0x62, 0xf2, 0x75, 0x48, 0x53, 0xc2], &[AVX512_VNNI]) },
    Row { state: Avx512, ..row("VPOPCNTB ZMM0, ZMM1", &[0x62, 0xf2, 0x7d, 0x48, 0x54, 0xc1], &[AVX512_BITALG]) },
    Row {
        state: Avx512,
        ..row("VPSHUFBITQMB K1, ZMM1, ZMM2", &[0x62, 0xf2, 0x75, 0x48, 0x8f, 0xca], &[AVX512_BITALG])
    },
    Row { state: Avx512, ..row("VPOPCNTD ZMM0, ZMM1", &[0x62, 0xf2, 0x7d, 0x48, 0x55, 0xc1], &[AVX512_VPOPCNTDQ]) },
    Row { state: Avx512, ..row("VPOPCNTQ ZMM0, ZMM1", &[0x62, 0xf2, 0xfd, 0x48, 0x55, 0xc1], &[AVX512_VPOPCNTDQ]) },
    Row { state: Avx512, ..row("VDPBF16PS ZMM0, ZMM1, ZMM2", &[0x62, 0xf2, 0x76, 0x48, 0x52, 0xc2], &[AVX512_BF16]) },
    Row { state: Avx512, ..row("VCVTNEPS2BF16 YMM0, ZMM1", &[0x62, 0xf2, 0x7e, 0x48, 0x72, 0xc1], &[AVX512_BF16]) },
    Row { state: Avx512, ..row("VADDPH ZMM0, ZMM1, ZMM2", &[0x62, 0xf5, 0x74, 0x48, 0x58, 0xc2], &[AVX512_FP16]) },
    Row { state: Avx512, ..row("VFMADD132SH XMM0, XMM1, XMM2", &[0x62, 0xf6, 0x75, 0x08, 0x99, 0xc2], &[AVX512_FP16]) },
    Row {
        state: Avx512,
        ..row("VP2INTERSECTD K2, ZMM1, ZMM2", &[0x62, 0xf2, 0x77, 0x48, 0x68, 0xd2], &[AVX512_VP2INTERSECT])
    },
    Row { state: Avx512, ..row("VAESENC ZMM0, ZMM1, ZMM2", &[0x62, 0xf2, 0x75, 0x48, 0xdc, 0xc2], &[AVX512F, VAES]) },
    Row {
        state: Avx512,
        ..row("VPCLMULQDQ ZMM0, ZMM1, ZMM2, 1", &[0x62, 0xf3, 0x75, 0x48, 0x44, 0xc2, 0x01], &[AVX512F, VPCLMULQDQ])
    },
    Row {
        state: Avx512,
        ..row("VGF2P8MULB ZMM0, ZMM1, ZMM2", &[0x62, 0xf2, 0x75, 0x48, 0xcf, 0xc2], &[AVX512F, GFNI])
    },
    Row { state: Avx512, ..row("VEXP2PS ZMM0, ZMM1", &[0x62, 0xf2, 0x7d, 0x48, 0xc8, 0xc1], &[AVX512ER]) },
    Row { state: Avx512, ..row("VRCP28PD ZMM0, ZMM1", &[0x62, 0xf2, 0xfd, 0x48, 0xca, 0xc1], &[AVX512ER]) },
    Row {
        state: Avx512,
        ..row("V4FMADDPS ZMM0, ZMM4, [RDI]", &[0x62, 0xf2, 0x5f, 0x48, 0x9a, 0x07], &[AVX512_4FMAPS])
    },
    Row {
        state: Avx512,
        ..row("VP4DPWSSD ZMM0, ZMM4, [RDI]", &[0x62, 0xf2, 0x5f, 0x48, 0x52, 0x07], &[AVX512_4VNNIW])
    },
    Row { levels: Supervisor, ..row("INVPCID RCX, [RSI]", &[0x66, 0x0f, 0x38, 0x82, 0x0e], &[INVPCID]) },
    Row { levels: Supervisor, ..row("CLAC", &[0x0f, 0x01, 0xca], &[SMAP]) },
    Row { levels: Supervisor, ..row("STAC", &[0x0f, 0x01, 0xcb], &[SMAP]) },
    Row { absent: Other, levels: Supervisor, ..row("WBNOINVD", &[0xf3, 0x0f, 0x09], &[WBNOINVD]) },
    Row { levels: Supervisor, ..row("MONITOR", &[0x0f, 0x01, 0xc8], &[MONITOR]) },
];

const _: () = assert!(contradiction(ROWS).is_none(), "two rows contradict each other");
