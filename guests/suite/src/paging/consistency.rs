//! Random edits of live paging structures, each followed by a flush, against a walk of the tables in memory.
//!
//! A few frames are tables and data at once: some are tables at two levels, some are tables that other tables map as
//! data, and what is written through the pages lands in tables, in entries that no walk uses. Every walk stays within
//! the frames, so that whatever an edit leads to harms nothing:
//!
//! | frame | is | its entries lead to |
//! |---|---|---|
//! | 1 | page-directory-pointer table, page table | 2 to 4 |
//! | 2 | page-directory-pointer table, directory | 4 to 7 |
//! | 3 | directory, never a page table | 4 to 7, or 2 MiB in which frames 8 to 11 lie |
//! | 4 | directory, page table | 5 to 11 |
//! | 5 to 7 | page table, directory | 1, 2, 4 to 11 |
//! | 8 to 11 | data | |

use super::{
    combinations::driven,
    decision::{Mode, Operation, bit, decide, is_leaf},
};
use rt::{
    Outcome, attempts, check_count, check_outcome,
    cpu::control::{self, cr4},
    layout, mmio,
    paging::{self, five_level::toggle_paging, frame, table},
    tables::page_bit::{ADDRESS, PS},
    user,
    vocabulary::message::outcome,
};

/// A generator of numbers that depend on the seed alone: xorshift64*.
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % limit
    }
}

/// How cached translations are dropped.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Flush {
    /// INVLPG for every address that the round uses.
    Invlpg,
    /// MOV to CR3 of what it holds.
    Cr3,
    /// A change of CR4.PGE and back.
    Pge,
    /// A change of CR4.PSE and back.
    Pse,
    /// CR0.PG cleared and set.
    Pg,
    /// INVPCID of all contexts.
    Invpcid,
    /// None: rights are only raised, and an access that faults is tried a second time.
    None,
}

/// CR4.PSE.
const PSE: u64 = 1 << 4;

/// Entries of the PML4 that are used.
const ROOTS: [usize; 2] = [40, 41];
/// Offset of the access in a page: an entry that no walk uses, 511.
const OFFSET: u64 = 0xff8;
/// Offset of the number of the frame, twice it: entry 510, never present.
const TAG: u64 = 0xff0;
/// First frame of data.
const DATA: usize = 8;
/// Accesses of a round.
const NR_ACCESSES: usize = 20;
/// Most edits of a round.
const NR_EDITS: usize = 8;

/// Indices that entries have in upper tables, and in page tables: those of frames 8 to 11 in 2 MiB.
fn page_index(number: u64) -> usize {
    (frame(DATA + number as usize % 4) >> 12 & 511) as usize
}

fn target(of: usize, random: &mut Random) -> u64 {
    const LOW: [u64; 10] = [1, 2, 4, 5, 6, 7, 8, 9, 10, 11];
    let number = match of {
        1 => 2 + random.below(3),
        2 | 3 => 4 + random.below(4),
        4 => 5 + random.below(7),
        _ => LOW[random.below(10) as usize],
    };
    frame(number as usize)
}

fn rights(random: &mut Random) -> u64 {
    let mut bits = bit::P | bit::RW | bit::US;
    for right in [bit::P, bit::RW, bit::US] {
        if random.below(10) == 0 {
            bits &= !right;
        }
    }
    bits
}

/// What is to be written: table, index and entry.
type Edit = (u64, usize, u64);

/// Draws an edit of one entry of one table.
fn draw(random: &mut Random) -> Edit {
    let of = random.below(8) as usize;
    if of == 0 {
        let root = ROOTS[random.below(2) as usize];
        return (layout::PML4, root, frame(1 + random.below(2) as usize) | rights(random));
    }
    let index = if random.below(2) == 0 { random.below(2) as usize } else { page_index(random.below(4)) };
    let entry = if of == 3 && random.below(3) == 0 {
        frame(DATA) & !((2 << 20) - 1) | PS | rights(random)
    } else {
        target(of, random) | rights(random)
    };
    (frame(of), index, entry)
}

/// Draws an edit that gives one entry rights that it lacks, and takes none.
fn draw_raised(random: &mut Random) -> Edit {
    let of = random.below(8) as usize;
    let (table, index) = if of == 0 {
        (layout::PML4, ROOTS[random.below(2) as usize])
    } else if random.below(2) == 0 {
        (frame(of), random.below(2) as usize)
    } else {
        (frame(of), page_index(random.below(4)))
    };
    let entry = table::read(table, index);
    let raised = if entry & ADDRESS == 0 { entry } else { entry | bit::P | bit::RW | bit::US };
    (table, index, raised)
}

fn fill(random: &mut Random) {
    for number in 1..12 {
        mmio::write_u64(frame(number) + TAG, number as u64 * 2);
        mmio::write_u64(frame(number) + OFFSET, u64::from(attempts::RETURN));
    }
    for root in ROOTS {
        table::write(layout::PML4, root, frame(1 + random.below(2) as usize) | rights(random));
    }
    for of in 1..8 {
        for index in [0, 1, page_index(0), page_index(1), page_index(2), page_index(3)] {
            table::write(frame(of), index, target(of, random) | rights(random));
        }
    }
}

fn address(choice: u64) -> u64 {
    let [root, pointer, directory] = [choice & 1, choice >> 1 & 1, choice >> 2 & 1].map(|index| index as usize);
    table::linear_address([ROOTS[root], pointer, directory, page_index(choice >> 3)], OFFSET)
}

/// Number of addresses that are used.
const NR_ADDRESSES: u64 = 32;

/// The entries that translate the address as they stand in memory, and where the last one leads.
fn walk(address: u64, mode: &Mode) -> ([u64; 4], u64) {
    let mut entries = [0; 4];
    let mut table = layout::PML4;
    for (step, entry) in entries.iter_mut().enumerate() {
        let level = 4 - step;
        let shift = 12 + 9 * (level as u32 - 1);
        *entry = table::read(table, (address >> shift & 511) as usize);
        if *entry & bit::P == 0 {
            break;
        }
        table = *entry & ADDRESS;
        if is_leaf(*entry, level, mode) {
            let offset = address & ((1 << shift) - 1);
            return (entries, (table & !((1 << shift) - 1)) + offset);
        }
    }
    (entries, 0)
}

/// Drops translations: by INVLPG those of the addresses that the round uses, told as bits.
fn flush(method: Flush, used: u32) -> Outcome {
    match method {
        Flush::Invlpg => {
            for choice in (0..NR_ADDRESSES).filter(|choice| used >> choice & 1 != 0) {
                paging::invalidate(address(choice));
            }
        }
        Flush::Cr3 => table::reload_cr3(),
        Flush::Pge => drop(control::With::cr4(cr4::PGE, 0)),
        Flush::Pse => drop(control::With::cr4(PSE, 0)),
        Flush::Pg => toggle_paging(),
        Flush::Invpcid => {
            const ALL_WITH_GLOBAL: u64 = 2;
            let descriptor = [0_u64; 2];
            return Outcome::from(rt::instruction!("invpcid {0}, [{1}]", in(reg) ALL_WITH_GLOBAL,
                                                  in(reg) &raw const descriptor));
        }
        Flush::None => {}
    }
    Outcome::COMPLETED
}

/// Where edits are made and where accesses are.
#[derive(Clone, Copy)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) flush: Flush,
    /// Edits are made at CPL 3, else at CPL 0.
    pub(super) edits_as_user: bool,
    /// Accesses are made at CPL 3, else at CPL 0.
    pub(super) accesses_as_user: bool,
    pub(super) nr_rounds: usize,
}

/// Counts the accesses of a round whose outcome or frame is not what the tables say.
fn judge(choices: &[u64; NR_ACCESSES], operations: &[Operation; NR_ACCESSES], mode: &Mode) -> usize {
    let mut nr_wrong = 0;
    for (row, (&choice, &operation)) in choices.iter().zip(operations).enumerate() {
        let address = address(choice);
        let (entries, physical) = walk(address, mode);
        let decision = decide(&entries, operation, mode);
        let readable = decide(&entries, Operation::Read, mode).outcome == outcome::COMPLETED;
        if attempts::outcome(row).0 != decision.outcome {
            nr_wrong += 1;
        } else if mode.user && readable && operation == Operation::Read {
            let tag = address - OFFSET + TAG;
            nr_wrong += usize::from(mmio::read_u64(tag) != mmio::read_u64(physical - OFFSET + TAG));
        }
    }
    nr_wrong
}

/// Runs a plan; one check for each round.
///
/// CPL 0 may cost a microsecond an instruction, so all but the edits that it has to make, flushes and its own accesses is
/// done at CPL 3, in one visit for each round.
pub(super) fn run(plan: Plan) {
    let mode = if plan.accesses_as_user { Mode::USER } else { Mode::SUPERVISOR };
    let mut random = Random::new(plan.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut choices = [0; NR_ACCESSES];
    let mut operations = [Operation::Read; NR_ACCESSES];
    let mut edits: [Edit; NR_EDITS] = [(0, 0, 0); NR_EDITS];
    let mut is_due = false;
    for round in 0..=plan.nr_rounds {
        let is_last = round == plan.nr_rounds;
        // Raised rights would soon allow everything: start anew.
        let is_new = round == 0 || plan.flush == Flush::None && round % NR_RAISED_ROUNDS == 0;
        let (mut nr_edits, mut used) = (0, 0_u32);
        let prepared = user::run(|| {
            if is_due {
                let nr_wrong = judge(&choices, &operations, &mode);
                check_count!("accesses against the tables", [&[]; round - 1], nr_wrong, 0);
            }
            if is_last {
                return;
            }
            if is_new {
                fill(&mut random);
                return;
            }
            nr_edits = 2 + random.below(NR_EDITS as u64 - 1) as usize;
            for edit in edits.iter_mut().take(nr_edits) {
                *edit = if plan.flush == Flush::None { draw_raised(&mut random) } else { draw(&mut random) };
                if plan.edits_as_user {
                    table::write(edit.0, edit.1, edit.2);
                }
            }
            for (row, (choice, operation)) in choices.iter_mut().zip(operations.iter_mut()).enumerate() {
                *choice = random.below(NR_ADDRESSES);
                *operation = Operation::ALL[random.below(3) as usize];
                used |= 1 << *choice;
                attempts::put(row, address(*choice), driven(*operation));
            }
        });
        if is_last || is_new {
            is_due = false;
            report_trouble(round, [prepared.into(), Outcome::COMPLETED, Outcome::COMPLETED]);
            table::reload_cr3();
            continue;
        }
        if !plan.edits_as_user {
            for &(table, index, entry) in edits.iter().take(nr_edits) {
                table::write(table, index, entry);
            }
        }
        let flushed = flush(plan.flush, used);
        let go = || {
            if mode.user { attempts::run_user(NR_ACCESSES) } else { attempts::run_supervisor(NR_ACCESSES, false) }
        };
        if plan.flush == Flush::None {
            // A fault drops the translations of its address, so the second attempt counts.
            let _ = go();
        }
        let walked = go();
        is_due = true;
        report_trouble(round, [prepared.into(), flushed, walked.into()]);
    }
}

/// Rounds of raised rights between fresh tables.
const NR_RAISED_ROUNDS: usize = 8;

/// Says what kept a round from being one.
fn report_trouble(round: usize, results: [Outcome; 3]) {
    for result in results.into_iter().filter(|&result| result != Outcome::COMPLETED) {
        check_outcome!("a round ran", [&[]; round], result, Outcome::COMPLETED);
    }
}
