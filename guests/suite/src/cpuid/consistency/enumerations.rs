//! What the leaves from 14H on must say, of themselves and of each other: tracing, key locker, core types, target
//! identifiers, tiles, topology, history reset and AVX10.
//!
//! Sources: SDM vol. 2, "CPUID—CPU Identification": a leaf that exists and is not supported is zero in all registers; and
//! the notes of each leaf. The relations among the numbers of a palette of tiles: SDM vol. 1, "Programming With Intel
//! Advanced Matrix Extensions".

use crate::cpuid::bit::{
    Bit,
    Output::{Eax, Ebx, Ecx, Edx},
    Processor, Vendor, bit,
};

/// A rule among leaves.
#[derive(Clone, Copy)]
pub(crate) struct Enumeration {
    pub(crate) name: &'static str,
    /// The rule says nothing where the largest basic leaf is below this one.
    pub(crate) leaf: u32,
    /// Whose manual says it; both without one.
    pub(crate) vendor: Option<Vendor>,
    /// Whether it holds.
    pub(crate) holds: fn(&dyn Processor) -> bool,
}

/// Whether the rule holds; `None` if it says nothing about this processor.
pub(crate) fn judge(rule: &Enumeration, processor: &dyn Processor) -> Option<bool> {
    let is_due = rule.vendor.is_none_or(|vendor| vendor == processor.vendor())
        && rule.leaf <= processor.leaf(0, 0)[Eax as usize];
    is_due.then(|| (rule.holds)(processor))
}

const PROCESSOR_TRACE: Bit = bit(7, 0, Ebx, 25);
const KEY_LOCKER: Bit = bit(7, 0, Ecx, 23);
const HYBRID: Bit = bit(7, 0, Edx, 15);
const PCONFIG: Bit = bit(7, 0, Edx, 18);
const AMX_TILE: Bit = bit(7, 0, Edx, 24);
const HRESET: Bit = bit(7, 1, Eax, 22);
const AVX10: Bit = bit(7, 1, Edx, 19);
const AVX2: Bit = bit(7, 0, Ebx, 5);
const XCR0_OPMASK: Bit = bit(0xd, 0, Eax, 5);

/// The most levels or subleaves that are looked at.
const MAX_SUBLEAVES: u32 = 8;

fn is_zero(processor: &dyn Processor, leaf: u32, subleaf: u32) -> bool {
    processor.leaf(leaf, subleaf) == [0; 4]
}

/// A feature that is told has its leaf.
fn has_leaf(processor: &dyn Processor, feature: Bit, leaf: u32) -> bool {
    !processor.has(feature) || processor.leaf(0, 0)[0] >= leaf && !is_zero(processor, leaf, 0)
}

/// A leaf is zero where its feature is not told.
fn zero_without(processor: &dyn Processor, feature: Bit, leaf: u32) -> bool {
    processor.has(feature) || is_zero(processor, leaf, 0)
}

/// The subleaf behind the last one that subleaf 0 tells of in EAX is zero.
fn zero_beyond(processor: &dyn Processor, leaf: u32) -> bool {
    is_zero(processor, leaf, processor.leaf(leaf, 0)[0].saturating_add(1))
}

/// Bits from `low` on, `size` of them.
fn bits(value: u32, low: u32, size: u32) -> u32 {
    value >> low & (u32::MAX >> (32 - size))
}

fn has_topology(processor: &dyn Processor, leaf: u32) -> bool {
    processor.leaf(leaf, 0)[Ebx as usize] != 0
}

/// The levels of a topology leaf: type and shift of each. `None` if they do not end.
fn levels(processor: &dyn Processor, leaf: u32) -> Option<([(u32, u32); MAX_SUBLEAVES as usize], usize)> {
    let mut levels = [(0, 0); MAX_SUBLEAVES as usize];
    for subleaf in 0..MAX_SUBLEAVES {
        let [eax, _, ecx, _] = processor.leaf(leaf, subleaf);
        if bits(ecx, 8, 8) == 0 {
            return Some((levels, subleaf as usize));
        }
        levels[subleaf as usize] = (bits(ecx, 8, 8), bits(eax, 0, 5));
    }
    None
}

/// Whether `holds` says so of the levels of leaf 1FH; it may be absent.
fn of_levels(processor: &dyn Processor, holds: impl Fn(&[(u32, u32)]) -> bool) -> bool {
    if !has_topology(processor, 0x1f) {
        return true;
    }
    levels(processor, 0x1f).is_some_and(|(levels, nr)| nr != 0 && holds(&levels[..nr]))
}

fn last_shift(processor: &dyn Processor, leaf: u32) -> Option<u32> {
    let (levels, nr) = levels(processor, leaf)?;
    levels[..nr].last().map(|&(_, shift)| shift)
}

/// The palette of tiles, as its numbers, and those that other leaves tell of it.
struct Palette {
    total: u32,
    per_tile: u32,
    per_row: u32,
    nr_names: u32,
    nr_rows: u32,
}

fn of_palette(processor: &dyn Processor, holds: impl Fn(&Palette) -> bool) -> bool {
    let [eax, ebx, ecx, _] = processor.leaf(0x1d, 1);
    let palette = Palette {
        total: bits(eax, 0, 16),
        per_tile: bits(eax, 16, 16),
        per_row: bits(ebx, 0, 16),
        nr_names: bits(ebx, 16, 16),
        nr_rows: bits(ecx, 0, 16),
    };
    !processor.has(AMX_TILE) || holds(&palette)
}

const INTEL: Option<Vendor> = Some(Vendor::Intel);

macro_rules! enumerations {
    ($($name:literal $leaf:literal $vendor:expr, |$processor:ident| $holds:expr;)*) => {
        /// The table.
        pub(crate) const ENUMERATIONS: &[Enumeration] = &[$(Enumeration {
            name: $name,
            leaf: $leaf,
            vendor: $vendor,
            holds: |$processor| $holds,
        }),*];
    };
}

enumerations! {
    "tracing has leaf 14H" 0 None, |p| has_leaf(p, PROCESSOR_TRACE, 0x14);
    "key locker has leaf 19H" 0 None, |p| has_leaf(p, KEY_LOCKER, 0x19);
    "a hybrid processor has leaf 1AH" 0 None, |p| has_leaf(p, HYBRID, 0x1a);
    "PCONFIG has leaf 1BH" 0 None, |p| has_leaf(p, PCONFIG, 0x1b);
    "tiles have leaf 1DH" 0 None, |p| has_leaf(p, AMX_TILE, 0x1d);
    "tiles have leaf 1EH" 0 None, |p| has_leaf(p, AMX_TILE, 0x1e);
    "HRESET has leaf 20H" 0 None, |p| has_leaf(p, HRESET, 0x20);
    "AVX10 has leaf 24H" 0 None, |p| has_leaf(p, AVX10, 0x24);
    "AVX10 takes AVX2" 0 None, |p| !p.has(AVX10) || p.has(AVX2);
    "AVX10 takes opmask state" 0 None, |p| !p.has(AVX10) || p.has(XCR0_OPMASK);
    "14H is zero without tracing" 0x14 None, |p| zero_without(p, PROCESSOR_TRACE, 0x14);
    "19H is zero without key locker" 0x19 None, |p| zero_without(p, KEY_LOCKER, 0x19);
    "1BH is zero without PCONFIG" 0x1b None, |p| zero_without(p, PCONFIG, 0x1b);
    "1DH is zero without tiles" 0x1d None, |p| zero_without(p, AMX_TILE, 0x1d);
    "1DH.1 is zero without tiles" 0x1d None, |p| p.has(AMX_TILE) || is_zero(p, 0x1d, 1);
    "1EH is zero without tiles" 0x1e None, |p| zero_without(p, AMX_TILE, 0x1e);
    "20H is zero without HRESET" 0x20 None, |p| zero_without(p, HRESET, 0x20);
    "24H is zero without AVX10" 0x24 None, |p| zero_without(p, AVX10, 0x24);
    "07H is zero beyond its last subleaf" 7 INTEL, |p| zero_beyond(p, 7);
    "17H is zero beyond its last subleaf" 0x17 INTEL, |p| is_zero(p, 0x17, 0) || zero_beyond(p, 0x17);
    "18H is zero beyond its last subleaf" 0x18 INTEL, |p| zero_beyond(p, 0x18);
    "14H: tables of any number of entries are tables" 0x14 None, |p| {
        let ecx = p.leaf(0x14, 0)[Ecx as usize];
        ecx & 2 == 0 || ecx & 1 != 0
    };
    "14H: EDX is reserved" 0x14 None, |p| p.leaf(0x14, 0)[Edx as usize] == 0;
    "19H: EDX is reserved" 0x19 None, |p| p.leaf(0x19, 0)[Edx as usize] == 0;
    "1AH: EBX, ECX and EDX are reserved" 0x1a None, |p| p.leaf(0x1a, 0)[1..] == [0; 3];
    "1BH: a type is 0 or 1" 0x1b None, |p| {
        (0..MAX_SUBLEAVES).all(|subleaf| bits(p.leaf(0x1b, subleaf)[0], 0, 12) <= 1)
    };
    "1BH: no type follows an invalid one" 0x1b None, |p| {
        let mut types = (0..MAX_SUBLEAVES).map(|subleaf| bits(p.leaf(0x1b, subleaf)[0], 0, 12));
        types.find(|&kind| kind == 0).is_none() || types.all(|kind| kind == 0)
    };
    "1DH: there is a palette" 0x1d None, |p| !p.has(AMX_TILE) || p.leaf(0x1d, 0)[0] >= 1;
    "1DH: EBX, ECX and EDX are reserved" 0x1d None, |p| p.leaf(0x1d, 0)[1..] == [0; 3];
    "1DH.1: ECX bits 31 to 16 and EDX are reserved" 0x1d None, |p| {
        let [_, _, ecx, edx] = p.leaf(0x1d, 1);
        bits(ecx, 16, 16) | edx == 0
    };
    "1DH.1: a tile is of rows" 0x1d None, |p| of_palette(p, |it| it.per_tile == it.per_row * it.nr_rows);
    "1DH.1: the whole is of tiles" 0x1d None, |p| of_palette(p, |it| it.total == it.per_tile * it.nr_names);
    "1DH.1: it is not empty" 0x1d None, |p| of_palette(p, |it| it.total != 0);
    "0DH.17 is the size of a configuration" 0x1d None, |p| of_palette(p, |_| p.leaf(0xd, 17)[0] == 64);
    "0DH.18 is the size of the whole" 0x1d None, |p| of_palette(p, |it| p.leaf(0xd, 18)[0] == it.total);
    "1EH: as many rows as a tile" 0x1e None, |p| {
        of_palette(p, |it| bits(p.leaf(0x1e, 0)[Ebx as usize], 0, 8) == it.nr_rows)
    };
    "1EH: as many bytes as a row" 0x1e None, |p| {
        of_palette(p, |it| bits(p.leaf(0x1e, 0)[Ebx as usize], 8, 16) == it.per_row)
    };
    "1EH: EBX bits 31 to 24, ECX and EDX are reserved" 0x1e None, |p| {
        let [_, ebx, ecx, edx] = p.leaf(0x1e, 0);
        bits(ebx, 24, 8) | ecx | edx == 0
    };
    "1FH comes with 0BH" 0x1f None, |p| !has_topology(p, 0x1f) || has_topology(p, 0xb);
    "1FH: ECX repeats the subleaf" 0x1f None, |p| {
        !has_topology(p, 0x1f) || (0..2).all(|subleaf| bits(p.leaf(0x1f, subleaf)[Ecx as usize], 0, 8) == subleaf)
    };
    "1FH tells the APIC id of 0BH" 0x1f None, |p| {
        !has_topology(p, 0x1f) || p.leaf(0x1f, 0)[Edx as usize] == p.leaf(0xb, 0)[Edx as usize]
    };
    "1FH: the first level is of logical processors" 0x1f None, |p| of_levels(p, |levels| levels[0].0 == 1);
    "1FH: no type stands twice" 0x1f None, |p| {
        of_levels(p, |levels| (1..levels.len()).all(|at| levels[..at].iter().all(|before| before.0 != levels[at].0)))
    };
    "1FH: no shift is less than the one before" 0x1f None, |p| {
        of_levels(p, |levels| levels.is_sorted_by_key(|level| level.1))
    };
    "1FH: the first shift is that of 0BH" 0x1f None, |p| {
        of_levels(p, |levels| levels[0].1 == bits(p.leaf(0xb, 0)[0], 0, 5))
    };
    "1FH: the last shift is that of 0BH" 0x1f None, |p| {
        !has_topology(p, 0x1f) || last_shift(p, 0x1f) == last_shift(p, 0xb)
    };
    "1FH: the first number of processors is that of 0BH" 0x1f None, |p| {
        !has_topology(p, 0x1f)
            || bits(p.leaf(0x1f, 0)[Ebx as usize], 0, 16) == bits(p.leaf(0xb, 0)[Ebx as usize], 0, 16)
    };
    "1FH: EAX bits 31 to 5 are reserved" 0x1f None, |p| bits(p.leaf(0x1f, 0)[0], 5, 27) == 0;
    "20H: ECX and EDX are reserved" 0x20 None, |p| p.leaf(0x20, 0)[2..] == [0; 2];
    "24H: the version is not 0" 0x24 None, |p| !p.has(AVX10) || bits(p.leaf(0x24, 0)[Ebx as usize], 0, 8) != 0;
    "24H: 512 bits come with 256" 0x24 None, |p| {
        let ebx = p.leaf(0x24, 0)[Ebx as usize];
        ebx >> 18 & 1 == 0 || ebx >> 17 & 1 != 0
    };
}
