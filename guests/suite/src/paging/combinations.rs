//! Sweeps over every combination of P, R/W, U/S and XD of two entries of a walk.
//!
//! One set of tables holds them all: each table has an entry for each combination, and all entries of a table lead to the
//! same next table. So the linear address alone chooses the combination at each level, and nothing is edited or
//! invalidated between two attempts.

use super::decision::{Mode, Operation, bit, decide};
use rt::{
    Outcome, attempts, check, check_count, check_outcome,
    cpu::{
        control::{self, cr0, cr4},
        msr::{self, efer, number},
    },
    layout,
    paging::{frame, supervisor::SupervisorRuntime, table},
    tables::page_bit::PS,
    user,
    vocabulary::Text,
};

/// Which entries are varied: the first over the second, which maps the page. The others allow everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    PdeOverPte,
    PdpteOverPte,
    Pml4eOverPte,
    PdpteOverLargePde,
    Pml4eOverLargePde,
    Pml4eOverLargePdpte,
    /// R/W and U/S of all four, to a page of 4 KiB.
    AllFour,
}

/// Number of combinations.
pub(super) const NR_ROWS: usize = 256;
/// A combination is a nibble of these bits.
const COMBINATION: [(usize, u64, u8); 4] =
    [(8, bit::P, b'P'), (1, bit::RW, b'W'), (2, bit::US, b'U'), (4, bit::XD, b'X')];
/// Present, writable, for user and supervisor, executable.
const EVERYTHING: usize = 8 | 1 | 2;
/// First index of the entries that map a large page; the others refer to a table.
const LARGE: usize = 16;
/// First entry of the PML4 that is used.
const FIRST: usize = 16;

pub(super) const fn combination(nibble: usize) -> u64 {
    let (mut index, mut result) = (0, 0);
    while index < COMBINATION.len() {
        if nibble & COMBINATION[index].0 != 0 {
            result |= COMBINATION[index].1;
        }
        index += 1;
    }
    result
}

const NAME_SIZE: usize = 14;

const NAME_BYTES: [[u8; NAME_SIZE]; NR_ROWS] = {
    let mut names = [*b"---- over ----"; NR_ROWS];
    let mut row = 0;
    while row < NR_ROWS {
        let mut index = 0;
        while index < COMBINATION.len() {
            let (mask, _, letter) = COMBINATION[index];
            if row >> 4 & mask != 0 {
                names[row][index] = letter;
            }
            if row & mask != 0 {
                names[row][10 + index] = letter;
            }
            index += 1;
        }
        row += 1;
    }
    names
};
static NAME_TEXT: [[u8; NAME_SIZE]; NR_ROWS] = NAME_BYTES;

const RIGHTS_SIZE: usize = 11;
static RIGHTS_TEXT: [[u8; RIGHTS_SIZE]; NR_ROWS] = {
    let mut names = [*b"--/--/--/--"; NR_ROWS];
    let mut row = 0;
    while row < NR_ROWS {
        let mut level = 0;
        while level < 4 {
            let rights = row >> (6 - 2 * level) & 3;
            if rights & 1 != 0 {
                names[row][level * 3] = b'W';
            }
            if rights & 2 != 0 {
                names[row][level * 3 + 1] = b'U';
            }
            level += 1;
        }
        row += 1;
    }
    names
};

const fn text(bytes: &'static [u8]) -> Text {
    match core::str::from_utf8(bytes) {
        Ok(text) => Text::new(text),
        Err(_) => panic!("names are ASCII"),
    }
}

/// "PWUX over PWUX": the bits of the upper and of the lower entry.
pub(super) static NAMES: [Text; NR_ROWS] = {
    let (mut names, mut row) = ([Text::EMPTY; NR_ROWS], 0);
    while row < NR_ROWS {
        names[row] = text(&NAME_TEXT[row]);
        row += 1;
    }
    names
};

/// "WU/WU/WU/WU": R/W and U/S of PML4E, PDPTE, PDE and PTE.
static RIGHTS: [Text; NR_ROWS] = {
    let (mut names, mut row) = ([Text::EMPTY; NR_ROWS], 0);
    while row < NR_ROWS {
        names[row] = text(&RIGHTS_TEXT[row]);
        row += 1;
    }
    names
};

/// The index at each level, and of how many levels the walk consists.
fn indices(shape: Shape, row: usize) -> ([usize; 4], usize) {
    let (upper, lower, all) = (row >> 4, row & 15, EVERYTHING);
    match shape {
        Shape::PdeOverPte => ([all, all, upper, lower], 4),
        Shape::PdpteOverPte => ([all, upper, all, lower], 4),
        Shape::Pml4eOverPte => ([upper, all, all, lower], 4),
        Shape::PdpteOverLargePde => ([all, upper, LARGE | lower, 0], 3),
        Shape::Pml4eOverLargePde => ([upper, all, LARGE | lower, 0], 3),
        Shape::Pml4eOverLargePdpte => ([upper, LARGE | lower, 0, 0], 2),
        Shape::AllFour => ([8 | row >> 6, 8 | row >> 4 & 3, 8 | row >> 2 & 3, 8 | row & 3], 4),
    }
}

/// Where the walk of a row leads: its linear address.
fn address(shape: Shape, row: usize) -> u64 {
    let ([pml4, pdpt, pd, pt], nr_levels) = indices(shape, row);
    let target = frame(0);
    let below = |shift: u32| (target >> shift & 511) as usize;
    let (pd, pt) = match nr_levels {
        2 => (below(21), below(12)),
        3 => (pd, below(12)),
        _ => (pd, pt),
    };
    table::linear_address([FIRST + pml4, pdpt, pd, pt], 0)
}

/// The bits of the entries of a row; their addresses do not matter to the model.
fn entries(shape: Shape, row: usize) -> ([u64; 4], usize) {
    let (indices, nr_levels) = indices(shape, row);
    let mut entries = [0; 4];
    for (level, index) in indices.into_iter().enumerate().take(nr_levels) {
        entries[level] = combination(index & 15) | if level < 3 && index & LARGE != 0 { PS } else { 0 };
    }
    (entries, nr_levels)
}

/// Builds the tables: frame 0 is what all lead to, frames 1 to 3 are page-directory-pointer table, directory and table.
pub(super) fn build(with_large_pdpte: bool) {
    let target = frame(0);
    rt::mmio::write_u8(target, attempts::RETURN);
    for nibble in 0..16 {
        let bits = combination(nibble);
        table::write(layout::PML4, FIRST + nibble, frame(1) | bits);
        table::write(frame(1), nibble, frame(2) | bits);
        table::write(frame(2), nibble, frame(3) | bits);
        table::write(frame(3), nibble, target | bits);
        table::write(frame(2), LARGE | nibble, target & !((2 << 20) - 1) | PS | bits);
        if with_large_pdpte {
            table::write(frame(1), LARGE | nibble, target & !((1 << 30) - 1) | PS | bits);
        }
    }
}

/// The row of the table of attempts that this operation has.
pub(super) const fn attempt(row: usize, operation: Operation) -> usize {
    row * 3 + operation as usize
}

pub(super) fn driven(operation: Operation) -> attempts::Operation {
    match operation {
        Operation::Read => attempts::Operation::Read,
        Operation::Write => attempts::Operation::Write,
        Operation::Fetch => attempts::Operation::Fetch,
    }
}

/// Attempts every row with every operation and reports one check for each.
pub(super) fn sweep(shape: Shape, mode: Mode) {
    let built = user::run(|| {
        build(shape == Shape::Pml4eOverLargePdpte);
        for row in 0..NR_ROWS {
            let address = address(shape, row);
            for operation in Operation::ALL {
                attempts::put(attempt(row, operation), address, driven(operation));
            }
        }
    });
    check_outcome!("tables built at CPL 3", built, Outcome::COMPLETED);
    let walked = with_mode(mode, || {
        table::reload_cr3();
        if mode.user {
            attempts::run_user(NR_ROWS * 3)
        } else {
            attempts::run_supervisor(NR_ROWS * 3, mode.alignment_check)
        }
    });
    check_outcome!("walk of the table", walked, Outcome::COMPLETED);
    let reported = user::run(|| report(shape, mode));
    check_outcome!("reported at CPL 3", reported, Outcome::COMPLETED);
}

fn report(shape: Shape, mode: Mode) {
    let mut nr_wrong_addresses = 0;
    for row in 0..NR_ROWS {
        let (entries, nr_levels) = entries(shape, row);
        let entries = entries.get(..nr_levels).unwrap_or(&entries);
        for operation in Operation::ALL {
            let index = attempt(row, operation);
            let (actual, expected) = (attempts::outcome(index), Outcome(decide(entries, operation, &mode).outcome));
            if shape == Shape::AllFour {
                match operation {
                    Operation::Read => check_outcome!("read", [&RIGHTS; row], actual, expected),
                    Operation::Write => check_outcome!("write", [&RIGHTS; row], actual, expected),
                    Operation::Fetch => check_outcome!("fetch", [&RIGHTS; row], actual, expected),
                }
            } else {
                match operation {
                    Operation::Read => check_outcome!("read", [&NAMES; row], actual, expected),
                    Operation::Write => check_outcome!("write", [&NAMES; row], actual, expected),
                    Operation::Fetch => check_outcome!("fetch", [&NAMES; row], actual, expected),
                }
            }
            let (cr2, address) = attempts::fault_address(index);
            nr_wrong_addresses += usize::from(actual != Outcome::COMPLETED && cr2 != address);
        }
    }
    check_count!("faults whose CR2 is not the address", nr_wrong_addresses, 0);
}

/// Calls `attempt` in this mode; the runtime's memory is the supervisor's if CR4.SMEP or CR4.SMAP is set.
pub(super) fn with_mode<T>(mode: Mode, attempt: impl FnOnce() -> T) -> T {
    let value = msr::read(number::IA32_EFER).unwrap_or(rt::boot::EFER | efer::LMA);
    let value = if mode.execute_disable { value | efer::NXE } else { value & !efer::NXE };
    let nxe = msr::With::value(number::IA32_EFER, value);
    let wp = control::With::cr0(bits(mode.write_protect, cr0::WP), bits(!mode.write_protect, cr0::WP));
    let _runtime = (mode.smep || mode.smap).then(SupervisorRuntime::new);
    let cr4 = bits(mode.smep, cr4::SMEP) | bits(mode.smap, cr4::SMAP);
    let cr4 = control::With::cr4(cr4, 0);
    check!("the mode can be set", nxe.is_ok() && wp.is_ok() && cr4.is_ok());
    attempt()
}

const fn bits(condition: bool, bits: u64) -> u64 {
    if condition { bits } else { 0 }
}
