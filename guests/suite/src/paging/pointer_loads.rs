//! Writes of CR0 and CR4 that load PDPTEs, and writes that do not.
//!
//! The PDPTEs change in memory, one bit of the register changes, and a read shows which of them count.

use super::{
    legacy_pointers::{ADDRESS, Machine, NEW, OLD, POINTERS_PAGE},
    mode_switches::POINTERS,
    pointer_rules::{Register, SMEP, WRITES, Write, expected_number, expected_outcome},
};
use rt::{
    Outcome, case, check_eq, check_outcome,
    cpu::control::{cr0, cr4},
    excursion::{
        Arena, Arrival, Code, Program,
        register::{EAX, EBP, EBX, ECX, EDI, EDX},
    },
    machine_code, mmio, names,
    paging::{ALL_RIGHTS, frame, table},
    tables::page_bit::{P, US},
    vocabulary::{Needs, Text},
};

machine_code! {
    /// Reads at EBX to EAX, writes ECX to the PDPTE at EDI, changes the bits EBP of CR0, reads to EDX.
    32 CHANGE_CR0 = "mov eax, [ebx]", "mov [edi], ecx", "mov esi, cr0", "xor esi, ebp", "mov cr0, esi", "mov edx, [ebx]";
    /// The same with CR4.
    32 CHANGE_CR4 = "mov eax, [ebx]", "mov [edi], ecx", "mov esi, cr4", "xor esi, ebp", "mov cr4, esi", "mov edx, [ebx]";
    /// Reads at EBX to EAX, clears CR4.PAE, writes ECX to the PDPTE at EDI, sets CR4.PAE, reads to EDX.
    32 CHANGE_PAE = "mov eax, [ebx]", "mov esi, cr4", "xor esi, 0x20", "mov cr4, esi", "mov [edi], ecx",
        "xor esi, 0x20", "mov cr4, esi", "mov edx, [ebx]";
}

const NAMES: &[Text] = &{
    let mut names = [Text::EMPTY; WRITES.len()];
    let mut index = 0;
    while index < names.len() {
        names[index] = Text::new(WRITES[index].name);
        index += 1;
    }
    names
};

/// Runs the write; `pointer` is the lower half of what the PDPTE becomes in memory before.
fn run(machine: &Machine, write: &Write, pointer: u64) -> Arrival {
    machine.tables.write_pointer(1, frame(4) | P);
    let mut program = machine.program(Program::PROTECTED_32).with(&[
        (EBX, ADDRESS),
        (ECX, pointer as u32),
        (EDI, POINTERS_PAGE << 12 | 8),
        (EBP, 1 << write.bit),
    ]);
    let code: &Code = match write.register {
        Register::Cr0 => {
            program.cr0 = program.cr0 & !(1 << write.bit) | write.before;
            &CHANGE_CR0
        }
        Register::Cr4 => {
            program.cr4 = program.cr4 & !(1 << write.bit) | write.before;
            &CHANGE_CR4
        }
    };
    machine.arena.run(&program, code)
}

/// The rows that this processor has, with their index. CPL 0 executes the arena, so with CR4.SMEP it is no user memory.
fn writes(machine: &Machine) -> impl Iterator<Item = (usize, &'static Write)> + use<> {
    for page in 0x10..0x20 {
        machine.tables.write_table(page, machine.tables.table(page) & !US);
    }
    let has_smep = rt::cpu::cpuid::read_leaf(7, 0).ebx >> 7 & 1 != 0;
    WRITES.iter().enumerate().filter(move |(_, write)| has_smep || write.register != Register::Cr4 || write.bit != SMEP)
}

/// On Intel processors, a MOV to CR0 or CR4 in PAE paging that changes CD, NW, PGE, PSE or SMEP loads the PDPTEs, and one
/// that changes none of these nor PG nor PAE does not.
#[case(feature = PagingPae, spec = [sdm3a("PDPTE Registers"), sdm2("MOV—Move to/from Control Registers")], needs = Needs::INTEL)]
fn control_register_writes_load_pae_pointers_on_intel() {
    let Some(machine) = Machine::new() else { return };
    for (row, write) in writes(&machine) {
        let arrival = run(&machine, write, frame(7) | P);
        check_outcome!("program", [NAMES; row], arrival.outcome(), Outcome::COMPLETED);
        check_eq!("before", [NAMES; row], arrival.registers.general[EAX], OLD);
        check_eq!("after", [NAMES; row], arrival.registers.general[EDX], expected_number(write, OLD, NEW));
    }
}

/// On Intel processors, a MOV to CR0 or CR4 that loads PDPTEs raises #GP(0) if a present one has a reserved bit, and
/// leaves CR0 alone; one that loads none completes.
#[case(feature = PagingPae, spec = [sdm3a("PDPTE Registers"), sdm2("MOV—Move to/from Control Registers")], needs = Needs::INTEL)]
fn control_register_writes_refuse_reserved_bits_of_pae_pointers_on_intel() {
    /// R/W, which a PDPTE has not.
    const RESERVED: u64 = 1 << 1;
    let Some(machine) = Machine::new() else { return };
    for (row, write) in writes(&machine) {
        let arrival = run(&machine, write, frame(7) | P | RESERVED);
        let expected = Outcome(expected_outcome(write));
        check_outcome!("write", [NAMES; row], arrival.outcome(), expected);
        if expected == Outcome::GP && write.register == Register::Cr0 {
            let bit = arrival.cr0 >> write.bit & 1;
            check_eq!("the bit of CR0 after it", [NAMES; row], bit, write.before >> write.bit & 1);
        }
    }
}

/// Entering PAE paging by CR4.PAE, while paging is on, loads the PDPTEs that stand in memory then.
#[case(feature = PagingPae, spec = [sdm3a("PDPTE Registers"), sdm3a("Paging-Mode Enabling")])]
fn setting_pae_loads_pointers() {
    let arena = Arena::new();
    // One frame is page directory and PDPT; see the case of changes of CR4.PAE among the switches of modes.
    let root = frame(0);
    let pointers = root + POINTERS;
    table::write(root, 0, frame(1) | ALL_RIGHTS);
    table::write(pointers, 0, frame(1) | P);
    table::write(frame(1), 0, frame(2) | ALL_RIGHTS);
    for page in (0x10..0x20).chain([u64::from(POINTERS_PAGE)]) {
        let target = if page == u64::from(POINTERS_PAGE) { root } else { page << 12 };
        mmio::write_u32(frame(1) + page * 4, (target | ALL_RIGHTS) as u32);
        table::write(frame(2), page as usize, target | ALL_RIGHTS);
    }
    for (directory, number) in [(4, OLD), (7, NEW)] {
        table::write(frame(directory), 0, frame(directory + 1) | ALL_RIGHTS);
        table::write(frame(directory + 1), 7, frame(directory + 2) | ALL_RIGHTS);
        mmio::write_u32(frame(directory + 2), number);
    }
    for (row, (first, second)) in [(4, 7), (7, 4)].into_iter().enumerate() {
        const ROWS: &[Text] = names!["to the new number", "to the old number"];
        table::write(pointers, 1, frame(first) | P);
        let mut program = Program::PROTECTED_32.with(&[
            (EBX, ADDRESS),
            (ECX, (frame(second) | P) as u32),
            (EDI, POINTERS_PAGE << 12 | POINTERS as u32 | 8),
        ]);
        program.cr3 = pointers as u32;
        program.cr0 |= cr0::PG as u32;
        program.cr4 = cr4::PAE as u32;
        let arrival = arena.run(&program, &CHANGE_PAE);
        let number = |directory| if directory == 4 { OLD } else { NEW };
        check_outcome!("program", [ROWS; row], arrival.outcome(), Outcome::COMPLETED);
        check_eq!("before", [ROWS; row], arrival.registers.general[EAX], number(first));
        check_eq!("after", [ROWS; row], arrival.registers.general[EDX], number(second));
    }
}
