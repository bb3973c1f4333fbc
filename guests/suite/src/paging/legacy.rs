//! Accesses in PAE and 32-bit paging, outside of long mode, by every combination of bits of PDE and PTE.
//!
//! Each attempt is an excursion, which enables paging anew, so nothing is cached from one to the next.

use super::{
    combinations::{NAMES, combination},
    decision::{Format, Mode, Operation, decide, flags_agree},
};
use rt::{
    Outcome, attempts, check, check_count, check_outcome,
    excursion::{
        Arena, Arrival, Code, Program,
        paging::Tables,
        register::{EAX, EBX},
    },
    machine_code, mmio,
    paging::frame,
    tables::page_bit::{PS, US},
};

machine_code! {
    /// Reads a byte.
    32 LEGACY_READ = "mov al, [ebx]";
    /// Writes a RET.
    32 LEGACY_WRITE = "mov byte ptr [ebx], 0xc3";
    /// Executes a RET.
    32 LEGACY_FETCH = "call ebx";
    /// Does nothing.
    32 LEGACY_NOTHING = "nop";
}

/// CR0.WP, CR0.PG.
const WP: u32 = 1 << 16;
const PG: u32 = 1 << 31;
/// CR4.PSE, CR4.PAE, CR4.SMEP, CR4.SMAP.
const PSE: u32 = 1 << 4;
const PAE: u32 = 1 << 5;
const SMEP: u32 = 1 << 20;
const SMAP: u32 = 1 << 21;
/// IA32_EFER.NXE.
const NXE: u32 = 1 << 11;
/// EFLAGS.AC.
const AC: u32 = 1 << 18;

/// The entry of the directory that is varied.
const DIRECTORY_INDEX: u32 = 5;
/// The entry of its page table that is varied.
const TABLE_INDEX: u32 = 7;

/// One paging mode with its tables: directory and table of the arena in frames 0 to 2, the table of the varied PDE in
/// frame 4, what it maps in frame 5.
pub(super) struct Machine {
    arena: Arena,
    tables: Tables,
    program: Program,
    mode: Mode,
}

impl Machine {
    /// Makes the tables, and checks that the mode can be entered at all; `None` if not.
    pub(super) fn new(mode: Mode) -> Option<Self> {
        let arena = Arena::new();
        let is_pae = mode.format == Format::Pae;
        let tables = if is_pae { Tables::pae(0) } else { Tables::bits_32(0) };
        let mut program = if mode.user { Program::USER_32 } else { Program::PROTECTED_32 };
        program.cr3 = tables.cr3;
        program.cr0 = program.cr0 & !WP | PG | if mode.write_protect { WP } else { 0 };
        let pse = if let Format::Bits32 { page_size_extensions: true } = mode.format { PSE } else { 0 };
        program.cr4 =
            pse | if is_pae { PAE } else { 0 } | if mode.smep { SMEP } else { 0 } | if mode.smap { SMAP } else { 0 };
        program.efer = if mode.execute_disable { NXE } else { 0 };
        program.registers.eflags |= if mode.alignment_check { AC } else { 0 };
        if mode.smep || mode.smap {
            // CPL 0 must be able to execute and use the arena.
            for page in 0x10..0x20 {
                tables.write_table(page, tables.table(page) & !US);
            }
        }
        mmio::write_u8(frame(5), attempts::RETURN);
        let machine = Self { arena, tables, program, mode };
        let arrival = machine.arena.run(&machine.program, &LEGACY_NOTHING);
        check_outcome!("the paging mode can be entered", arrival.outcome(), Outcome::COMPLETED);
        arrival.has_ended().then_some(machine)
    }

    fn is_pae(&self) -> bool {
        self.mode.format == Format::Pae
    }

    fn shift(&self) -> u32 {
        if self.is_pae() { 21 } else { 22 }
    }

    fn write_entry(&self, entry: u64) {
        if self.is_pae() {
            mmio::write_u64(frame(4) + u64::from(TABLE_INDEX) * 8, entry);
        } else {
            mmio::write_u32(frame(4) + u64::from(TABLE_INDEX) * 4, entry as u32);
        }
    }

    fn entry(&self) -> u64 {
        if self.is_pae() {
            mmio::read_u64(frame(4) + u64::from(TABLE_INDEX) * 8)
        } else {
            u64::from(mmio::read_u32(frame(4) + u64::from(TABLE_INDEX) * 4))
        }
    }

    /// Runs one attempt with these entries, and judges outcome, CR2, and flags.
    pub(super) fn attempt(&self, pde: u64, pte: u64, operation: Operation) -> Attempt {
        self.tables.write_directory(DIRECTORY_INDEX, pde);
        self.write_entry(pte);
        let is_large = super::decision::is_leaf(pde, 2, &self.mode);
        let low = if is_large { frame(5) as u32 & ((1 << self.shift()) - 1) } else { TABLE_INDEX << 12 };
        let address = DIRECTORY_INDEX << self.shift() | low;
        let code: &Code = match operation {
            Operation::Read => &LEGACY_READ,
            Operation::Write => &LEGACY_WRITE,
            Operation::Fetch => &LEGACY_FETCH,
        };
        let arrival: Arrival = self.arena.run(&self.program.with(&[(EBX, address)]), code);
        let (before, after) = ([pde, pte], [self.tables.directory(DIRECTORY_INDEX), self.entry()]);
        let decision = decide(&before, operation, &self.mode);
        let expected = Outcome(decision.outcome);
        let actual = arrival.outcome();
        Attempt {
            actual,
            expected,
            flags_agree: flags_agree(&before, &after, operation, &decision),
            cr2_is_address: actual == Outcome::COMPLETED || arrival.cr2 == address,
            read: arrival.registers.general[EAX] as u8,
        }
    }

    /// The PDE that refers to the varied page table.
    pub(super) fn table_entry(&self, bits: u64) -> u64 {
        frame(4) | bits
    }

    /// The PDE that maps a large page in which the target lies.
    pub(super) fn large_entry(&self, bits: u64) -> u64 {
        frame(5) & !((1 << self.shift()) - 1) | PS | bits
    }

    /// The PTE that maps the target.
    pub(super) fn page_entry(&self, bits: u64) -> u64 {
        frame(5) | bits
    }
}

/// What came of an attempt, and what should have.
pub(super) struct Attempt {
    pub(super) actual: Outcome,
    pub(super) expected: Outcome,
    pub(super) flags_agree: bool,
    pub(super) cr2_is_address: bool,
    /// What a read that completed read.
    pub(super) read: u8,
}

/// How PDE and PTE are varied.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Varied {
    /// PDE over PTE.
    Both,
    /// A PDE with PS set, alone.
    LargePde,
    /// A PDE with PS set over a PTE, while PS is ignored.
    IgnoredSize,
}

/// Attempts every combination with every operation; three checks for each.
pub(super) fn sweep(varied: Varied, mode: Mode) {
    let Some(machine) = Machine::new(mode) else { return };
    // Bit 2 of a nibble is XD, which 32-bit paging has no place for.
    let exists = |nibble: &usize| mode.format == Format::Pae || nibble & 4 == 0;
    let mut nr_wrong_addresses = 0;
    for upper in (0..16).filter(exists) {
        let rights = combination(upper);
        for lower in (0..16).filter(exists) {
            let pde = match varied {
                Varied::Both => machine.table_entry(rights),
                Varied::LargePde => machine.large_entry(rights),
                Varied::IgnoredSize => machine.table_entry(rights | PS),
            };
            if varied == Varied::LargePde && lower != 0 {
                continue;
            }
            let row = upper << 4 | lower;
            for operation in Operation::ALL {
                let attempt = machine.attempt(pde, machine.page_entry(combination(lower)), operation);
                let (actual, expected) = (attempt.actual, attempt.expected);
                match operation {
                    Operation::Read => check_outcome!("read", [&NAMES; row], actual, expected),
                    Operation::Write => check_outcome!("write", [&NAMES; row], actual, expected),
                    Operation::Fetch => check_outcome!("fetch", [&NAMES; row], actual, expected),
                }
                match operation {
                    Operation::Read => check!("flags after read", [&NAMES; row], attempt.flags_agree),
                    Operation::Write => check!("flags after write", [&NAMES; row], attempt.flags_agree),
                    Operation::Fetch => check!("flags after fetch", [&NAMES; row], attempt.flags_agree),
                }
                nr_wrong_addresses += usize::from(!attempt.cr2_is_address);
            }
        }
    }
    check_count!("faults whose CR2 is not the address", nr_wrong_addresses, 0);
}

/// Sets each bit in PDE and PTE in turn and reports reads: the row is the bit.
pub(super) fn sweep_bits(mode: Mode, is_large: bool, mask: u64) {
    const RIGHTS: u64 = 7;
    let Some(machine) = Machine::new(mode) else { return };
    for bit in (0..64).filter(|bit| mask >> bit & 1 != 0) {
        for in_pte in [false, true] {
            if is_large && in_pte {
                continue;
            }
            let set = |condition: bool| if condition { 1 << bit } else { 0 };
            let pde = if is_large { machine.large_entry(RIGHTS) } else { machine.table_entry(RIGHTS) };
            let pte = machine.page_entry(RIGHTS);
            let attempt = machine.attempt(pde ^ set(!in_pte), pte ^ set(in_pte), Operation::Write);
            if in_pte {
                check_outcome!("bit of PTE", [&[]; bit], attempt.actual, attempt.expected);
                check!("flags, bit of PTE", [&[]; bit], attempt.flags_agree);
            } else {
                check_outcome!("bit of PDE", [&[]; bit], attempt.actual, attempt.expected);
                check!("flags, bit of PDE", [&[]; bit], attempt.flags_agree);
            }
        }
    }
}
