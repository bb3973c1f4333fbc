//! What leaves must say of each other: pure functions of what CPUID told.

use crate::cpuid::bit::{Bit, Output, Processor, Vendor};

/// A feature that takes another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dependency {
    pub(crate) name: &'static str,
    pub(crate) feature: Bit,
    pub(crate) required: Bit,
}

/// Whether the dependency holds.
pub(crate) fn holds(dependency: &Dependency, processor: &impl Processor) -> bool {
    !processor.has(dependency.feature) || processor.has(dependency.required)
}

/// Bits of a register that are zero on processors of a vendor (of both, without one).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Zero {
    pub(crate) name: &'static str,
    pub(crate) leaf: u32,
    pub(crate) subleaf: u32,
    pub(crate) output: Output,
    pub(crate) mask: u32,
    pub(crate) vendor: Option<Vendor>,
}

/// Whether the row says something here: of this vendor, and of a leaf that exists.
pub(crate) fn is_due(row: &Zero, processor: &impl Processor) -> bool {
    row.vendor.is_none_or(|vendor| vendor == processor.vendor())
        && row.leaf <= processor.leaf(row.leaf & 0x8000_0000, 0)[0]
}

/// What XSETBV takes as XCR0, given the components that leaf 0DH tells of (SDM vol. 1, "Enabling the XSAVE Feature Set and
/// XSAVE-Enabled Features"; APM vol. 2, "XFEATURE_ENABLED_MASK Register (XCR0)").
pub(crate) fn is_legal_xcr0(value: u64, supported: u64) -> bool {
    const X87: u64 = 1;
    const SSE: u64 = 1 << 1;
    const AVX: u64 = 1 << 2;
    const MPX: u64 = 0b11 << 3;
    const AVX512: u64 = 0b111 << 5;
    const AMX: u64 = 0b11 << 17;
    let together = |mask: u64| value & mask == 0 || value & mask == mask;
    value & !supported == 0
        && value & X87 != 0
        && (value & AVX == 0 || value & SSE != 0)
        && together(MPX)
        && together(AVX512)
        && (value & AVX512 == 0 || value & AVX != 0)
        && together(AMX)
}

/// Size and place of a component of the XSAVE area, from its subleaf of leaf 0DH.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Component {
    pub(crate) size: u32,
    pub(crate) offset: u32,
    /// Begins at a multiple of 64 bytes in the compacted format.
    pub(crate) is_aligned: bool,
}

/// Bytes of the legacy area and the header.
pub(crate) const SMALLEST_AREA: u32 = 576;

/// Size of the area in the standard format: where the last of the components ends.
pub(crate) fn standard_size(components: &[Component], enabled: u64) -> u32 {
    let ends = (2..components.len()).filter(|index| enabled >> index & 1 != 0);
    ends.map(|index| components[index].offset + components[index].size).fold(SMALLEST_AREA, u32::max)
}

/// Size of the area in the compacted format: the components one after the other.
pub(crate) fn compacted_size(components: &[Component], enabled: u64) -> u32 {
    let mut size = SMALLEST_AREA;
    for index in (2..components.len()).filter(|index| enabled >> index & 1 != 0) {
        if components[index].is_aligned {
            size = size.next_multiple_of(64);
        }
        size += components[index].size;
    }
    size
}

/// Whether a byte may stand in the brand or signature string.
pub(crate) const fn is_printable(byte: u8) -> bool {
    matches!(byte, b' '..=b'~')
}

/// Bytes of a cache, from EBX and ECX of a subleaf of leaf 4 or 8000001DH: ways, partitions, line size, sets.
pub(crate) const fn cache_size(ebx: u32, ecx: u32) -> u64 {
    let (ways, partitions, line) = (ebx >> 22, ebx >> 12 & 0x3ff, ebx & 0xfff);
    (ways as u64 + 1) * (partitions as u64 + 1) * (line as u64 + 1) * (ecx as u64 + 1)
}
