//! The accessed and dirty flags after every combination of bits of two entries; see [`super::combinations`].
//!
//! The upper entry is one, and for each of its combinations a table has an entry for each combination of the lower one
//! and each operation, so that no two accesses share an entry that may become dirty.

use super::{
    combinations::{NAMES, attempt, combination, driven, with_mode},
    decision::{A, D, Decision, Mode, Operation, bit, decide, flags_agree},
};
use rt::{
    Outcome, attempts, case, check, check_outcome, layout,
    paging::{frame, table},
    tables::page_bit::PS,
    user,
    vocabulary::{Needs, message::outcome},
};

/// CPL 3 with execute-disable.
const USER: Mode = Mode { execute_disable: true, ..Mode::USER };
/// CPL 0 with execute-disable.
const SUPERVISOR: Mode = Mode { execute_disable: true, ..Mode::SUPERVISOR };

/// Combinations of one entry.
const NR: usize = 16;
/// First entry of the table that is used: those in front of it lead to the window's other tables.
const FIRST: usize = 16;

/// The entries above the upper one, the upper and the lower table, and what the lower one's entries map.
struct Walk {
    above: [(u64, usize); 2],
    nr_above: usize,
    upper: (u64, usize),
    lower: u64,
    is_large: bool,
}

const RIGHTS: u64 = bit::P | bit::RW | bit::US;

impl Walk {
    /// PDE over PTE, or PDPTE over a PDE that maps 2 MiB.
    const fn new(is_large: bool) -> Self {
        let above = [(layout::PML4, 1), (layout::WINDOW_PDPT, 0)];
        if is_large {
            Self { above, nr_above: 1, upper: (layout::WINDOW_PDPT, 0), lower: layout::WINDOW_PD, is_large }
        } else {
            Self { above, nr_above: 2, upper: (layout::WINDOW_PD, 0), lower: layout::WINDOW_PT, is_large }
        }
    }

    fn clean(&self, entry: (u64, usize), bits: u64) {
        let address = table::read(entry.0, entry.1) & rt::tables::page_bit::ADDRESS;
        table::write(entry.0, entry.1, address | bits);
    }

    fn lower_entry(&self, nibble: usize) -> u64 {
        let (base, size) = if self.is_large { (frame(0) & !((2 << 20) - 1), PS) } else { (frame(0), 0) };
        base | combination(nibble) | size
    }

    fn address(&self, slot: usize) -> u64 {
        if self.is_large {
            table::linear_address([1, 0, FIRST + slot, (frame(0) >> 12 & 511) as usize], 0)
        } else {
            table::linear_address([1, 0, 0, FIRST + slot], 0)
        }
    }

    /// Puts in all entries with A and D clear, and the attempts.
    fn prepare(&self, upper: usize) {
        rt::mmio::write_u8(frame(0), attempts::RETURN);
        for &entry in &self.above[..self.nr_above] {
            self.clean(entry, RIGHTS);
        }
        self.clean(self.upper, combination(upper));
        for lower in 0..NR {
            for operation in Operation::ALL {
                let slot = attempt(lower, operation);
                table::write(self.lower, FIRST + slot, self.lower_entry(lower));
                attempts::put(slot, self.address(slot), driven(operation));
            }
        }
    }

    fn report(&self, upper: usize, mode: Mode) {
        let upper_bits = combination(upper);
        let mut any_completed = false;
        for lower in 0..NR {
            let row = upper << 4 | lower;
            for operation in Operation::ALL {
                let slot = attempt(lower, operation);
                let before = self.lower_entry(lower);
                let entries = [RIGHTS, RIGHTS, upper_bits, before];
                let entries = &entries[2 - self.nr_above..];
                let decision = decide(entries, operation, &mode);
                let reached = decision.nr_entries == entries.len();
                any_completed |= decision.outcome == outcome::COMPLETED;
                let own = Decision { nr_entries: usize::from(reached), ..decision };
                let after = table::read(self.lower, FIRST + slot);
                let agrees =
                    attempts::outcome(slot).0 == decision.outcome && flags_agree(&[before], &[after], operation, &own);
                match operation {
                    Operation::Read => check!("flags after read", [&NAMES; row], agrees),
                    Operation::Write => check!("flags after write", [&NAMES; row], agrees),
                    Operation::Fetch => check!("flags after fetch", [&NAMES; row], agrees),
                }
            }
        }
        // The entries above are shared by the accesses: A if one of them completed, and never D.
        let outcome = if any_completed { outcome::COMPLETED } else { outcome::exception(14, 0) };
        let walk = Decision { outcome, nr_entries: 4 };
        let mut agree = true;
        for &(table, index) in &self.above[..self.nr_above] {
            let after = table::read(table, index);
            agree &= flags_agree(&[after & !(A | D)], &[after], Operation::Read, &walk);
        }
        let after = table::read(self.upper.0, self.upper.1);
        agree &= flags_agree(&[after & !(A | D)], &[after], Operation::Read, &walk);
        check!("flags of the entries above", [&NAMES; upper << 4], agree);
    }
}

fn sweep(is_large: bool, mode: Mode) {
    let walk = Walk::new(is_large);
    for upper in 0..NR {
        let prepared = user::run(|| walk.prepare(upper));
        let walked = with_mode(mode, || {
            table::reload_cr3();
            if mode.user { attempts::run_user(NR * 3) } else { attempts::run_supervisor(NR * 3, false) }
        });
        let reported = user::run(|| walk.report(upper, mode));
        for (row, result) in [prepared, walked, reported].into_iter().enumerate() {
            check_outcome!("run", [rt::names!["prepare", "walk", "report"]; row], result, Outcome::COMPLETED);
        }
    }
}

/// Accesses at CPL 3 set A and D as they should for every combination of bits of PDE and PTE.
#[case(feature = PagingEveryCombination, spec = sdm3a("Accessed and Dirty Flags"), needs = Needs::NX)]
fn flags_user_pde_over_pte() {
    sweep(false, USER);
}

/// Accesses at CPL 3 set A and D as they should for every combination of bits of PDPTE and a PDE that maps 2 MiB.
#[case(feature = PagingEveryCombination, spec = sdm3a("Accessed and Dirty Flags"), needs = Needs::NX)]
fn flags_user_pdpte_over_large_pde() {
    sweep(true, USER);
}

/// Accesses at CPL 0 set A and D as they should for every combination of bits of PDE and PTE.
#[case(feature = PagingEveryCombination, spec = sdm3a("Accessed and Dirty Flags"), needs = Needs::NX)]
fn flags_supervisor_pde_over_pte() {
    sweep(false, SUPERVISOR);
}

/// Accesses at CPL 0 set A and D as they should for every combination of bits of PDPTE and a PDE that maps 2 MiB.
#[case(feature = PagingEveryCombination, spec = sdm3a("Accessed and Dirty Flags"), needs = Needs::NX)]
fn flags_supervisor_pdpte_over_large_pde() {
    sweep(true, SUPERVISOR);
}

/// Accesses at CPL 0 set A and D as they should with CR0.WP clear for every combination of bits of PDE and PTE.
#[case(feature = PagingEveryCombination, spec = sdm3a("Accessed and Dirty Flags"), needs = Needs::NX)]
fn flags_without_wp_pde_over_pte() {
    sweep(false, Mode { write_protect: false, ..SUPERVISOR });
}
