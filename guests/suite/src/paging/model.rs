//! What the manuals say about an access, as a function of the paging-structure entries and the mode.
//!
//! Sources: SDM vol. 3A, "Determination of Access Rights" and "Page-Fault Exceptions"; APM vol. 2, "Page-Protection
//! Checks" and "#PF—Page-Fault Exception (Vector 14)". It shares no code with what drives the accesses.

use rt::{
    Outcome,
    tables::page_bit::{P, RW, US, XD},
};

/// What is attempted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Read,
    Write,
    Fetch,
}

/// All that decides besides the entries.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mode {
    /// CPL 3.
    pub(super) user: bool,
    /// CR0.WP.
    pub(super) write_protect: bool,
    /// IA32_EFER.NXE.
    pub(super) execute_disable: bool,
    /// CR4.SMEP.
    pub(super) smep: bool,
    /// CR4.SMAP.
    pub(super) smap: bool,
    /// EFLAGS.AC.
    pub(super) alignment_check: bool,
}

impl Mode {
    /// CPL 0 as the runtime sets it up.
    pub(super) const SUPERVISOR: Self = Self {
        user: false,
        write_protect: true,
        execute_disable: false,
        smep: false,
        smap: false,
        alignment_check: false,
    };
    /// CPL 3 as the runtime sets it up.
    pub(super) const USER: Self = Self { user: true, ..Self::SUPERVISOR };
}

/// Bits of the error code.
pub(super) mod error_code {
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

/// What an access leads to that is translated through these entries, the PML4's first. Without reserved bits.
pub(super) const fn predict(entries: &[u64], operation: Operation, mode: Mode) -> Outcome {
    let fetch_is_told = mode.execute_disable || mode.smep;
    let code = match operation {
        Operation::Read => 0,
        Operation::Write => error_code::W,
        Operation::Fetch if fetch_is_told => error_code::I,
        Operation::Fetch => 0,
    } | if mode.user { error_code::U } else { 0 };
    let (mut all, mut any, mut index) = (u64::MAX, 0, 0);
    while index < entries.len() {
        if entries[index] & P == 0 {
            return Outcome::pf(code);
        }
        all &= entries[index];
        any |= entries[index];
        index += 1;
    }
    let (user_page, writable, executable) = (all & US != 0, all & RW != 0, any & XD == 0 || !mode.execute_disable);
    let smap_allows = !(user_page && mode.smap) || mode.alignment_check;
    let allowed = match (operation, mode.user) {
        (Operation::Read, true) => user_page,
        (Operation::Write, true) => user_page && writable,
        (Operation::Fetch, true) => user_page && executable,
        (Operation::Read, false) => smap_allows,
        (Operation::Write, false) => smap_allows && (writable || !mode.write_protect),
        (Operation::Fetch, false) => executable && !(user_page && mode.smep),
    };
    if allowed { Outcome::COMPLETED } else { Outcome::pf(code | error_code::P) }
}
