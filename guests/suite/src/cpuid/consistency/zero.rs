//! Bits that are zero: reserved ones, those of the other vendor's features, and leaves that do not exist.
//!
//! Sources: SDM vol. 2, "CPUID—CPU Identification"; APM vol. 3, appendix E. Bits that editions of the last years have
//! given away one by one, such as those of leaf 7, are left out.

use super::model::Zero;
use crate::cpuid::bit::{
    Output::{self, Eax, Ebx, Ecx, Edx},
    Vendor,
};

const INTEL: Option<Vendor> = Some(Vendor::Intel);
const AMD: Option<Vendor> = Some(Vendor::Amd);

const fn zero(name: &'static str, leaf: u32, subleaf: u32, output: Output, mask: u32, vendor: Option<Vendor>) -> Zero {
    Zero { name, leaf, subleaf, output, mask, vendor }
}

macro_rules! whole {
    ($($leaf:literal $vendor:expr;)*) => {
        &[$(
            zero(concat!(stringify!($leaf), " EAX"), $leaf, 0, Eax, u32::MAX, $vendor),
            zero(concat!(stringify!($leaf), " EBX"), $leaf, 0, Ebx, u32::MAX, $vendor),
            zero(concat!(stringify!($leaf), " ECX"), $leaf, 0, Ecx, u32::MAX, $vendor),
            zero(concat!(stringify!($leaf), " EDX"), $leaf, 0, Edx, u32::MAX, $vendor),
        )*]
    };
}

/// Leaves that a vendor reserves, and that are zero in all registers.
pub(crate) const LEAVES: &[Zero] = whole! {
    0x0000_0008 None;
    0x0000_000c None;
    0x0000_000e None;
    0x0000_0011 None;
    0x0000_0002 AMD;
    0x0000_0003 AMD;
    0x0000_0004 AMD;
    0x0000_0009 AMD;
    0x0000_000a AMD;
    0x8000_0005 INTEL;
    0x8000_0009 None;
    0x8000_000b None;
    0x8000_000c None;
    0x8000_000d None;
    0x8000_000e None;
    0x8000_000f None;
    0x8000_0010 None;
};

/// Single registers.
pub(crate) const REGISTERS: &[Zero] = &[
    zero("00000001 EDX", 1, 0, Edx, 1 << 10 | 1 << 20, None),
    zero("00000001 EDX of AMD", 1, 0, Edx, 1 << 18 | 1 << 21 | 1 << 22 | 1 << 27 | 1 << 29 | 1 << 30 | 1 << 31, AMD),
    zero("00000001 ECX", 1, 0, Ecx, 1 << 16, None),
    zero("00000001 EAX", 1, 0, Eax, 0xf000_c000, None),
    zero("0000000B EAX", 0xb, 0, Eax, 0xffff_ffe0, None),
    zero("0000000B EBX", 0xb, 0, Ebx, 0xffff_0000, None),
    zero("0000000B ECX", 0xb, 0, Ecx, 0xffff_0000, None),
    zero("0000000D.1 EAX", 0xd, 1, Eax, 0xffff_ff00, None),
    zero("0000000D.2 ECX", 0xd, 2, Ecx, 0xffff_fff8, None),
    zero("0000000D.2 EDX", 0xd, 2, Edx, u32::MAX, None),
    zero("80000001 ECX of Intel", 0x8000_0001, 0, Ecx, !(1 | 1 << 5 | 1 << 8), INTEL),
    zero("80000001 EDX of Intel", 0x8000_0001, 0, Edx, !(1 << 11 | 1 << 20 | 1 << 26 | 1 << 27 | 1 << 29), INTEL),
    zero("80000001 EDX of AMD", 0x8000_0001, 0, Edx, 1 << 10 | 1 << 18 | 1 << 21 | 1 << 28, AMD),
    zero("80000006 EAX of Intel", 0x8000_0006, 0, Eax, u32::MAX, INTEL),
    zero("80000006 EBX of Intel", 0x8000_0006, 0, Ebx, u32::MAX, INTEL),
    zero("80000006 EDX of Intel", 0x8000_0006, 0, Edx, u32::MAX, INTEL),
    zero("80000007 EAX of Intel", 0x8000_0007, 0, Eax, u32::MAX, INTEL),
    zero("80000007 EBX of Intel", 0x8000_0007, 0, Ebx, u32::MAX, INTEL),
    zero("80000007 ECX of Intel", 0x8000_0007, 0, Ecx, u32::MAX, INTEL),
    zero("80000007 EDX of Intel", 0x8000_0007, 0, Edx, !(1 << 8), INTEL),
    zero("80000008 EAX", 0x8000_0008, 0, Eax, 0xff00_0000, None),
    zero("80000008 ECX of Intel", 0x8000_0008, 0, Ecx, u32::MAX, INTEL),
    zero("80000008 EDX of Intel", 0x8000_0008, 0, Edx, u32::MAX, INTEL),
];

/// Bits of leaf 1 EDX that AMD's leaf 80000001H EDX repeats.
pub(crate) const REPEATED: [u32; 18] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 14, 15, 16, 17, 23, 24];
