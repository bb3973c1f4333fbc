//! PDPTEs of PAE paging, which are registers: when they are loaded, and what refuses to be.

use super::pointer_rules::{is_ignored, is_refusal, is_reserved};
use rt::{
    Outcome, case, check, check_eq, check_outcome,
    excursion::{
        Arena, Arrival, Code, Program,
        paging::Tables,
        register::{EAX, EBX, ECX, EDI, EDX, ESI},
    },
    machine_code, mmio, names,
    paging::{ALL_RIGHTS, frame, read_physical_address_bits, table},
    tables::page_bit::P,
    vocabulary::{Needs, Text},
};

machine_code! {
    /// MOV to CR3 of ECX, then a read at EBX.
    32 POINTERS_BY_CR3 = "mov cr3, ecx", "mov eax, [ebx]";
    /// MOV to CR0 of ECX, which enables paging, then a read at EBX.
    32 POINTERS_BY_CR0 = "mov cr0, ecx", "jmp 2f", "2:", "mov eax, [ebx]";
    /// Does nothing.
    32 POINTERS_ENTERED = "nop";
    /// MOV to CR3 of ECX alone.
    32 POINTERS_ALONE = "mov cr3, ecx";
    /// Reads at EBX to EAX, writes ECX to the PDPTE at EDI, INVLPG, reads to EDX, MOV to CR3, reads to ESI.
    32 POINTERS_IN_REGISTERS = "mov eax, [ebx]", "mov [edi], ecx", "invlpg [ebx]", "mov edx, [ebx]",
        "mov esi, cr3", "mov cr3, esi", "mov esi, [ebx]";
    /// Reads at EBX and writes at EDI.
    32 POINTERS_USER = "mov eax, [ebx]", "mov [edi], ecx";
}

/// CR0.PG; CR4.PAE.
const PG: u32 = 1 << 31;
const PAE: u32 = 1 << 5;

pub(super) const OLD: u32 = 0x01d0_01d0;
pub(super) const NEW: u32 = 0x4e44_4e44;
/// The address that the second PDPTE leads to: entry 0 of its page directory, entry 7 of its page table.
pub(super) const ADDRESS: u32 = 1 << 30 | 7 << 12;
/// Where the frame of the PDPTEs is mapped.
pub(super) const POINTERS_PAGE: u32 = 0x30;

/// By what PDPTEs are loaded.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Load {
    Cr3,
    Cr0,
}

/// Frames 0 to 2: tables of the arena. 3: other PDPTEs, of which the second is varied. 4 and 5: page directory and page
/// table that lead to the old number in frame 6; 7 and 8 to the new one in frame 9.
pub(super) struct Machine {
    pub(super) arena: Arena,
    pub(super) tables: Tables,
}

impl Machine {
    /// Makes the tables, and checks that the mode can be entered at all; `None` if not.
    pub(super) fn new() -> Option<Self> {
        let (arena, tables) = (Arena::new(), Tables::pae(0));
        tables.write_table(POINTERS_PAGE, frame(0) | ALL_RIGHTS);
        for (directory, number) in [(4, OLD), (7, NEW)] {
            table::write(frame(directory), 0, frame(directory + 1) | ALL_RIGHTS);
            table::write(frame(directory + 1), 7, frame(directory + 2) | ALL_RIGHTS);
            mmio::write_u32(frame(directory + 2), number);
        }
        tables.write_pointer(1, frame(4) | P);
        for index in 0..4 {
            table::write(frame(3), index, table::read(frame(0), index));
        }
        let machine = Self { arena, tables };
        let arrival = machine.arena.run(&machine.program(Program::PROTECTED_32), &POINTERS_ENTERED);
        check_outcome!("the paging mode can be entered", arrival.outcome(), Outcome::COMPLETED);
        arrival.has_ended().then_some(machine)
    }

    /// The program in PAE paging.
    pub(super) fn program(&self, mut program: Program) -> Program {
        program.cr0 |= PG;
        program.cr3 = self.tables.cr3;
        program.cr4 = PAE;
        program
    }

    /// Runs a program that loads these PDPTEs.
    fn load(&self, load: Load, pointer: u64) -> Arrival {
        table::write(frame(3), 1, pointer);
        let root = frame(3) as u32;
        let mut program = self.program(Program::PROTECTED_32);
        let (value, code): (u32, &Code) = match load {
            Load::Cr3 => (root, &POINTERS_BY_CR3),
            Load::Cr0 => {
                let enabled = program.cr0;
                program.cr0 &= !PG;
                program.cr3 = root;
                (enabled, &POINTERS_BY_CR0)
            }
        };
        self.arena.run(&program.with(&[(EBX, ADDRESS), (ECX, value)]), code)
    }
}

const LOADS: &[Text] = names!["MOV to CR3", "MOV to CR0"];

/// A present PDPTE with a reserved bit maps nothing: its load raises #GP(0), or its use #PF with the bit RSVD.
#[case(feature = PagingPae, spec = [sdm3a("PDPTE Registers"), apm2("Legacy-Mode Page Translation")])]
fn pae_pointers_with_reserved_bits_map_nothing() {
    let Some(machine) = Machine::new() else { return };
    let width = read_physical_address_bits();
    for bit in (1..63).filter(|&bit| is_reserved(bit, width)) {
        for load in [Load::Cr3, Load::Cr0] {
            let arrival = machine.load(load, frame(4) | P | 1 << bit);
            let actual = arrival.outcome();
            let expected = if is_refusal(actual.0) { actual } else { Outcome::GP };
            match load {
                Load::Cr3 => check_outcome!("read after MOV to CR3", [&[]; bit], actual, expected),
                Load::Cr0 => check_outcome!("read after MOV to CR0", [&[]; bit], actual, expected),
            }
        }
    }
}

/// On Intel processors MOV to CR3 or CR0 that loads a present PDPTE with a reserved bit raises #GP(0), although nothing
/// uses it.
#[case(feature = PagingPae, spec = sdm3a("PDPTE Registers"), needs = Needs::INTEL)]
fn pae_pointers_with_reserved_bits_are_not_loaded_on_intel() {
    let Some(machine) = Machine::new() else { return };
    let width = read_physical_address_bits();
    for bit in (1..63).filter(|&bit| is_reserved(bit, width)) {
        table::write(frame(3), 1, frame(4) | P | 1 << bit);
        let program = machine.program(Program::PROTECTED_32).with(&[(ECX, frame(3) as u32)]);
        check_outcome!("MOV to CR3", [&[]; bit], machine.arena.run(&program, &POINTERS_ALONE).outcome(), Outcome::GP);
        let arrival = machine.load(Load::Cr0, frame(4) | P | 1 << bit);
        check_outcome!("MOV to CR0", [&[]; bit], arrival.outcome(), Outcome::GP);
        check_eq!("CR0.PG after it", [&[]; bit], arrival.cr0 >> 31, 0);
    }
}

/// PWT, PCD and the bits for software of a PDPTE do not change what it maps.
#[case(feature = PagingPae, spec = [sdm3a("PDPTE Registers"), apm2("Legacy-Mode Page Translation")])]
fn pae_pointers_with_ignored_bits_map() {
    let Some(machine) = Machine::new() else { return };
    for bit in (0..64).filter(|&bit| is_ignored(bit)) {
        for load in [Load::Cr3, Load::Cr0] {
            let arrival = machine.load(load, frame(4) | P | 1 << bit);
            let is_right = arrival.has_ended() && arrival.registers.general[EAX] == OLD;
            match load {
                Load::Cr3 => check!("read after MOV to CR3", [&[]; bit], is_right),
                Load::Cr0 => check!("read after MOV to CR0", [&[]; bit], is_right),
            }
        }
    }
}

/// An access through a PDPTE that is not present raises #PF with the bit P clear.
#[case(feature = PagingPae, spec = [sdm3a("PAE Paging"), apm2("Legacy-Mode Page Translation")])]
fn pae_pointers_that_are_absent_map_nothing() {
    let Some(machine) = Machine::new() else { return };
    for (row, load) in [Load::Cr3, Load::Cr0].into_iter().enumerate() {
        let arrival = machine.load(load, 0);
        check_outcome!("read", [LOADS; row], arrival.outcome(), Outcome::pf(0));
        check_eq!("CR2", [LOADS; row], arrival.cr2, ADDRESS);
    }
}

/// In PAE paging R/W and U/S come from PDE and PTE alone: a PDPTE has no such bits, and takes none away.
#[case(feature = PagingPae, spec = [sdm3a("Determination of Access Rights"), apm2("Legacy-Mode Page Translation")])]
fn pae_pointers_take_no_rights_away() {
    let Some(machine) = Machine::new() else { return };
    let program = machine.program(Program::USER_32).with(&[(EBX, ADDRESS), (EDI, ADDRESS), (ECX, NEW)]);
    let arrival = machine.arena.run(&program, &POINTERS_USER);
    check_outcome!("read and write at CPL 3", arrival.outcome(), Outcome::COMPLETED);
    check_eq!("read", arrival.registers.general[EAX], OLD);
    check_eq!("written", mmio::read_u32(frame(6)), NEW);
}

/// On Intel processors PDPTEs are registers: one that changes in memory counts from the next MOV to CR3 on, whatever
/// INVLPG drops before.
#[case(feature = PagingPae, spec = sdm3a("PDPTE Registers"), needs = Needs::INTEL)]
fn pae_pointers_are_registers_on_intel() {
    let Some(machine) = Machine::new() else { return };
    let mut program =
        Program::PROTECTED_32.with(&[(EBX, ADDRESS), (ECX, (frame(7) | P) as u32), (EDI, POINTERS_PAGE << 12 | 8)]);
    program.cr0 |= PG;
    program.cr3 = machine.tables.cr3;
    program.cr4 = PAE;
    let arrival = machine.arena.run(&program, &POINTERS_IN_REGISTERS);
    check_outcome!("program", arrival.outcome(), Outcome::COMPLETED);
    check_eq!("before", arrival.registers.general[EAX], OLD);
    check_eq!("after the change and INVLPG", arrival.registers.general[EDX], OLD);
    check_eq!("after MOV to CR3", arrival.registers.general[ESI], NEW);
}
