//! What extended page tables make of an access: the operations of the model of ordinary paging, and EPT's own entries. It compiles for
//! the host too, where each of its inputs is tried.
//!
//! Source: SDM vol. 3C, "EPT Translation Mechanism", "EPT-Induced VM Exits", "Accessed and Dirty Flags for EPT".

use crate::paging::decision::Operation;

/// Bits of an entry. They are written here a second time, so that model and runtime do not err alike.
pub(crate) mod bit {
    pub(crate) const R: u64 = 1;
    pub(crate) const W: u64 = 2;
    pub(crate) const X: u64 = 4;
    /// The entry maps a page.
    pub(crate) const PS: u64 = 0x80;
    pub(crate) const A: u64 = 0x100;
    pub(crate) const D: u64 = 0x200;
    /// A user may execute, with mode-based execute control.
    pub(crate) const XU: u64 = 0x400;
}

/// What decides besides entries and operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mode {
    /// MAXPHYADDR.
    pub(crate) physical_bits: u32,
    /// Pages may be executable alone.
    pub(crate) execute_only: bool,
    /// Pages of 2 MiB exist.
    pub(crate) page_2m: bool,
    /// Pages of 1 GiB exist.
    pub(crate) page_1g: bool,
    /// Bit 6 of the EPT pointer: accessed and dirty flags.
    pub(crate) flags: bool,
    /// "Mode-based execute control for EPT", and whether the linear address is a user's.
    pub(crate) mode_based: Option<bool>,
}

/// How an access ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Completes,
    Violation,
    Misconfiguration,
}

/// What an access leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    /// Its end.
    pub(crate) ending: Ending,
    /// The exit qualification of a violation, in those of [`QUALIFICATION`] that are defined; else 0.
    pub(crate) qualification: u64,
    /// Number of entries that the walk reads, from the root.
    pub(crate) nr_entries: usize,
}

/// Bits of the qualification that are judged: access, rights, a linear address that is valid, and that it was its translation.
pub(crate) const QUALIFICATION: u64 = 0x1bf;
/// The right of a user to execute, which is defined with mode-based execute control.
pub(crate) const USER_EXECUTE: u64 = 0x40;
/// The linear address is valid.
pub(crate) const LINEAR: u64 = 1 << 7;
/// The access was to what a linear address is translated to, not to an entry of the guest's own tables.
pub(crate) const TRANSLATED: u64 = 1 << 8;

/// Bits from `low` to `high`, both included; none if `low` is above `high`.
const fn bits(high: u32, low: u32) -> u64 {
    if low > high { 0 } else { (u64::MAX >> (63 - high)) & !((1 << low) - 1) }
}

/// Whether the entry at `level` (1: the page table) maps a page.
pub(crate) const fn is_leaf(entry: u64, level: usize) -> bool {
    level == 1 || level < 4 && entry & bit::PS != 0
}

/// The reserved bits of an entry at `level` (1: the page table).
pub(crate) const fn reserved_bits(entry: u64, level: usize, mode: &Mode) -> u64 {
    let own = match (level, is_leaf(entry, level)) {
        (1, _) => 0,
        (2, true) if mode.page_2m => bits(20, 12),
        (3, true) if mode.page_1g => bits(29, 12),
        (2 | 3, true) => bit::PS,
        (2 | 3, false) => bits(6, 3),
        _ => bits(7, 3),
    };
    own | bits(51, mode.physical_bits)
}

/// Whether an entry is present: it has some right.
pub(crate) const fn is_present(entry: u64, mode: &Mode) -> bool {
    let rights = bit::R | bit::W | bit::X | if mode.mode_based.is_some() { bit::XU } else { 0 };
    entry & rights != 0
}

/// Whether an entry that is present holds what it may not.
pub(crate) const fn is_misconfigured(entry: u64, level: usize, mode: &Mode) -> bool {
    let execute = bit::X | if mode.mode_based.is_some() { bit::XU } else { 0 };
    let type_is_illegal = is_leaf(entry, level) && matches!(entry >> 3 & 7, 2 | 3 | 7);
    let unreadable = entry & bit::R == 0;
    unreadable && entry & bit::W != 0
        || unreadable && entry & execute != 0 && !mode.execute_only
        || type_is_illegal
        || entry & reserved_bits(entry, level, mode) != 0
}

/// The right that an operation needs.
pub(crate) const fn right(operation: Operation, mode: &Mode) -> u64 {
    match (operation, mode.mode_based) {
        (Operation::Read, _) => bit::R,
        (Operation::Write, _) => bit::W,
        (Operation::Fetch, Some(true)) => bit::XU,
        (Operation::Fetch, _) => bit::X,
    }
}

/// Bits 2 to 0 of the qualification.
pub(crate) const fn access(operation: Operation) -> u64 {
    match operation {
        Operation::Read => 1,
        Operation::Write => 2,
        Operation::Fetch => 4,
    }
}

/// What an access by a linear address leads to whose guest-physical address is translated through these entries, the root's first.
pub(crate) const fn decide(entries: &[u64], operation: Operation, mode: &Mode) -> Decision {
    let (mut all, mut index) = (u64::MAX, 0);
    let told = access(operation) | LINEAR | TRANSLATED;
    while index < entries.len() {
        let (entry, level) = (entries[index], 4 - index);
        index += 1;
        if !is_present(entry, mode) {
            return Decision { ending: Ending::Violation, qualification: told, nr_entries: index };
        }
        if is_misconfigured(entry, level, mode) {
            return Decision { ending: Ending::Misconfiguration, qualification: 0, nr_entries: index };
        }
        all &= entry;
        if is_leaf(entry, level) {
            break;
        }
    }
    if all & right(operation, mode) != 0 {
        return Decision { ending: Ending::Completes, qualification: 0, nr_entries: index };
    }
    let user = if mode.mode_based.is_some() && all & bit::XU != 0 { USER_EXECUTE } else { 0 };
    let rights = (all & 7) << 3 | user;
    Decision { ending: Ending::Violation, qualification: told | rights, nr_entries: index }
}

/// Whether entries that had no flags may look like this after the access. Completed: accessed in each entry of the walk, dirty in the last one
/// if it was a write. Not completed: dirty in none; accessed may be set in those that were read. Without flags nothing changes.
pub(crate) const fn flags_agree(
    before: &[u64],
    after: &[u64],
    operation: Operation,
    decision: &Decision,
    mode: &Mode,
) -> bool {
    let completed = matches!(decision.ending, Ending::Completes);
    let mut index = 0;
    while index < before.len() {
        let changed = before[index] ^ after[index];
        let is_read = index < decision.nr_entries && is_present(before[index], mode) && mode.flags;
        let is_last = index + 1 == decision.nr_entries;
        let dirty = if completed && is_last && matches!(operation, Operation::Write) { bit::D } else { 0 };
        let may_change = if is_read { bit::A | dirty } else { 0 };
        let must_change = if completed { may_change } else { 0 };
        if changed & !may_change != 0 || must_change & !changed != 0 {
            return false;
        }
        index += 1;
    }
    true
}

/// Entries with the given rights at these levels: bit 3 is the PML4's.
pub(crate) const fn with_rights(all: [u64; 4], levels: u64, rights: u64) -> [u64; 4] {
    changed(all, levels, rights, bit::R | bit::W | bit::X)
}

/// Entries with bits cleared, and then bits set, at these levels: bit 3 is the PML4's.
pub(crate) const fn changed(all: [u64; 4], levels: u64, set: u64, clear: u64) -> [u64; 4] {
    let mut result = all;
    let mut index = 0;
    while index < 4 {
        if levels >> (3 - index) & 1 != 0 {
            result[index] = result[index] & !clear | set;
        }
        index += 1;
    }
    result
}
