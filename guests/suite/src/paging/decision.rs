//! What the manuals say about an access, as a function of the paging-structure entries and the mode: one model of every
//! paging mode.
//!
//! Sources: SDM vol. 3A, "32-Bit Paging", "PAE Paging", "4-Level Paging and 5-Level Paging", "Determination of Access
//! Rights", "Page-Fault Exceptions", "Protection Keys", "Accessed and Dirty Flags"; APM vol. 2, "Page-Protection Checks"
//! and "#PF—Page-Fault Exception (Vector 14)". It shares no code with what drives the accesses, and compiles for the
//! host, where `tests/paging.rs` proves that each of its inputs counts.

use case::message::outcome;

/// What is attempted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Read,
    Write,
    Fetch,
}

impl Operation {
    pub(crate) const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Fetch];
}

/// Bits of an entry. They are written here a second time, so that model and runtime do not err alike.
pub(crate) mod bit {
    pub(crate) const P: u64 = 1;
    pub(crate) const RW: u64 = 2;
    pub(crate) const US: u64 = 4;
    pub(crate) const PS: u64 = 0x80;
    pub(crate) const XD: u64 = 0x8000_0000_0000_0000;
    /// Where the protection key starts.
    pub(crate) const KEY_SHIFT: u32 = 59;
}

/// Bits of the error code.
pub(crate) mod error_code {
    /// The fault was not by an absent page.
    pub(crate) const P: u32 = 1 << 0;
    /// The access was a write.
    pub(crate) const W: u32 = 1 << 1;
    /// The access was made at CPL 3.
    pub(crate) const U: u32 = 1 << 2;
    /// A reserved bit was set.
    pub(crate) const RSVD: u32 = 1 << 3;
    /// The access was an instruction fetch.
    pub(crate) const I: u32 = 1 << 4;
    /// A protection key forbade it.
    pub(crate) const PK: u32 = 1 << 5;
}

/// The paging mode: the format of the entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// CR4.PAE clear.
    Bits32 {
        /// CR4.PSE.
        page_size_extensions: bool,
    },
    /// CR4.PAE set, outside of long mode. The PDPTEs are registers, and no part of the walk.
    Pae,
    /// Four levels.
    FourLevel,
    /// Five levels.
    FiveLevel,
}

impl Format {
    /// Number of levels of a walk that ends in a page of 4 KiB.
    pub(crate) const fn nr_levels(self) -> usize {
        match self {
            Self::Bits32 { .. } | Self::Pae => 2,
            Self::FourLevel => 4,
            Self::FiveLevel => 5,
        }
    }
}

/// What decides besides entries and operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mode {
    /// The paging mode.
    pub(crate) format: Format,
    /// MAXPHYADDR.
    pub(crate) physical_bits: u32,
    /// Pages of 1 GiB exist.
    pub(crate) has_page_1g: bool,
    /// CPL 3.
    pub(crate) user: bool,
    /// CR0.WP.
    pub(crate) write_protect: bool,
    /// IA32_EFER.NXE.
    pub(crate) execute_disable: bool,
    /// CR4.SMEP.
    pub(crate) smep: bool,
    /// CR4.SMAP.
    pub(crate) smap: bool,
    /// EFLAGS.AC.
    pub(crate) alignment_check: bool,
    /// PKRU, if CR4.PKE is set.
    pub(crate) user_keys: Option<u32>,
    /// IA32_PKRS, if CR4.PKS is set.
    pub(crate) supervisor_keys: Option<u32>,
}

impl Mode {
    /// CPL 0 as the runtime sets it up.
    pub(crate) const SUPERVISOR: Self = Self {
        format: Format::FourLevel,
        physical_bits: 52,
        has_page_1g: true,
        user: false,
        write_protect: true,
        execute_disable: false,
        smep: false,
        smap: false,
        alignment_check: false,
        user_keys: None,
        supervisor_keys: None,
    };
    /// CPL 3 as the runtime sets it up.
    pub(crate) const USER: Self = Self { user: true, ..Self::SUPERVISOR };
}

/// What an access leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    /// See [`case::message::outcome`].
    pub(crate) outcome: u64,
    /// Number of entries that the walk reads, from the root; the last one of them maps the page if it completes.
    pub(crate) nr_entries: usize,
}

/// Bits from `low` to `high`, both included; none if `low` is above `high`.
const fn bits(high: u32, low: u32) -> u64 {
    if low > high { 0 } else { (u64::MAX >> (63 - high)) & !((1 << low) - 1) }
}

/// Whether the entry at `level` (1: the page table) maps a page.
pub(crate) const fn is_leaf(entry: u64, level: usize, mode: &Mode) -> bool {
    match (mode.format, level) {
        (_, 1) => true,
        (Format::Bits32 { page_size_extensions }, 2) => page_size_extensions && entry & bit::PS != 0,
        (_, 2) => entry & bit::PS != 0,
        (Format::FourLevel | Format::FiveLevel, 3) => entry & bit::PS != 0,
        _ => false,
    }
}

/// The reserved bits of an entry at `level` (1: the page table).
///
/// Bit 8 of a PML4E and PML5E is ignored by Intel's manual and must be zero by AMD's: it counts as ignored here, and no
/// case sets it.
pub(crate) const fn reserved_bits(entry: u64, level: usize, mode: &Mode) -> u64 {
    let leaf = is_leaf(entry, level, mode);
    if let Format::Bits32 { .. } = mode.format {
        // With PSE-36 bits 20 to 13 are bits 39 to 32 of the address, as far as MAXPHYADDR goes; bit 21 is reserved.
        let width = if mode.physical_bits > 40 { 40 } else { mode.physical_bits };
        return if leaf && level == 2 { bits(21, width - 32 + 13) } else { 0 };
    }
    let top = if let Format::Pae = mode.format { 62 } else { 51 };
    let address = bits(top, mode.physical_bits);
    let execute = if mode.execute_disable { 0 } else { bit::XD };
    let size = match level {
        4 | 5 => bit::PS,
        3 if leaf && !mode.has_page_1g => bit::PS,
        3 if leaf => bits(29, 13),
        2 if leaf => bits(20, 13),
        _ => 0,
    };
    address | execute | size
}

/// Whether a protection key forbids a data access to this page.
const fn key_forbids(leaf: u64, user_page: bool, operation: Operation, mode: &Mode) -> bool {
    let keys = match (mode.format, user_page) {
        (Format::FourLevel | Format::FiveLevel, true) => mode.user_keys,
        (Format::FourLevel | Format::FiveLevel, false) => mode.supervisor_keys,
        _ => None,
    };
    let Some(keys) = keys else { return false };
    let key = (leaf >> bit::KEY_SHIFT & 15) as u32;
    let (access_disable, write_disable) = (keys >> (2 * key) & 1 != 0, keys >> (2 * key) & 2 != 0);
    match operation {
        Operation::Read => access_disable,
        Operation::Write => access_disable || write_disable && (mode.write_protect || mode.user),
        Operation::Fetch => false,
    }
}

/// What an access leads to that is translated through these entries, the root's first. Entries behind the one that maps a
/// page are not looked at.
pub(crate) const fn decide(entries: &[u64], operation: Operation, mode: &Mode) -> Decision {
    let is_wide = !matches!(mode.format, Format::Bits32 { .. });
    let fetch_is_told = mode.execute_disable && is_wide || mode.smep;
    let code = match operation {
        Operation::Read => 0,
        Operation::Write => error_code::W,
        Operation::Fetch if fetch_is_told => error_code::I,
        Operation::Fetch => 0,
    } | if mode.user { error_code::U } else { 0 };
    let (mut all, mut any, mut index) = (u64::MAX, 0, 0);
    let mut leaf = 0;
    while index < entries.len() {
        let (entry, level) = (entries[index], mode.format.nr_levels() - index);
        index += 1;
        if entry & bit::P == 0 {
            return Decision { outcome: outcome::exception(14, code), nr_entries: index };
        }
        if entry & reserved_bits(entry, level, mode) != 0 {
            let code = code | error_code::P | error_code::RSVD;
            return Decision { outcome: outcome::exception(14, code), nr_entries: index };
        }
        all &= entry;
        any |= entry;
        leaf = entry;
        if is_leaf(entry, level, mode) {
            break;
        }
    }
    let (user_page, writable) = (all & bit::US != 0, all & bit::RW != 0);
    let executable = any & bit::XD == 0 || !is_wide;
    let smap_allows = !(user_page && mode.smap) || mode.alignment_check;
    let allowed = match (operation, mode.user) {
        (Operation::Read, true) => user_page,
        (Operation::Write, true) => user_page && writable,
        (Operation::Fetch, true) => user_page && executable,
        (Operation::Read, false) => smap_allows,
        (Operation::Write, false) => smap_allows && (writable || !mode.write_protect),
        (Operation::Fetch, false) => executable && !(user_page && mode.smep),
    };
    let forbidden = key_forbids(leaf, user_page, operation, mode);
    let code = code | error_code::P | if forbidden { error_code::PK } else { 0 };
    let outcome = if allowed && !forbidden { outcome::COMPLETED } else { outcome::exception(14, code) };
    Decision { outcome, nr_entries: index }
}

/// Bits A and D of an entry.
pub(crate) const A: u64 = 0x20;
/// See [`A`].
pub(crate) const D: u64 = 0x40;

/// Whether entries that had neither A nor D may look like this after the access, which is what the manuals define of it.
///
/// Completed: A in each entry of the walk, D in the last one if it was a write. Not completed: D in none; A may be set in
/// those that were read. Other bits never change. A clear entry behind the walk stays as it was.
pub(crate) const fn flags_agree(before: &[u64], after: &[u64], operation: Operation, decision: &Decision) -> bool {
    let completed = decision.outcome == outcome::COMPLETED;
    let mut index = 0;
    while index < before.len() {
        let changed = before[index] ^ after[index];
        let in_walk = index < decision.nr_entries;
        let is_last = index + 1 == decision.nr_entries;
        let dirty = completed && is_last && matches!(operation, Operation::Write);
        let may_change = if !in_walk || before[index] & bit::P == 0 { 0 } else { A | if dirty { D } else { 0 } };
        let must_change = if completed { may_change } else { 0 };
        if changed & !may_change != 0 || must_change & !changed != 0 {
            return false;
        }
        index += 1;
    }
    true
}
