//! Virtual-8086 mode: virtual interrupts (CR4.VME), the interrupt redirection bitmap and the I/O permission bitmap.

use case::Needs;
use rt::{
    Outcome, case, check_eq, check_outcome,
    excursion::{
        ARENA, ARENA_SEGMENT, Arena, Arrival, EFLAGS_IOPL_3, Ending, Program, layout,
        register::*,
        tables::{self, tss_32},
    },
    machine_code, mmio, names,
    vocabulary::Text,
};

/// CR4.VME.
const VME: u32 = 1 << 0;
/// CR4.PVI.
const PVI: u32 = 1 << 1;
const IF: u32 = 1 << 9;
const VIF: u32 = 1 << 19;
const VIP: u32 = 1 << 20;
/// Offset of the handler of a redirected interrupt, where a HLT stands, and of the INT instruction.
const HANDLER: u32 = 0x4800;
const INT: u32 = 0x4900;

machine_code! {
    /// Nothing.
    16 REDIRECTION_NOP = "nop";
    16 REDIRECTION_CLI = "cli";
    16 REDIRECTION_STI = "sti";
    16 REDIRECTION_PUSHF = "pushf", "pop ax";
    16 REDIRECTION_PUSHFD = "pushfd", "pop eax";
    16 REDIRECTION_POPF_IF = "push 0x0202", "popf";
    16 REDIRECTION_POPF_CLEAR = "push 2", "popf";
    16 REDIRECTION_POPF_TRAP = "push 0x0102", "popf", "nop";
    16 REDIRECTION_POPFD = "pushfd", "popfd";
    16 REDIRECTION_IRET_IF = "push 0x0202", "push cs", "push 0x400b", "iret", "nop", "nop", "nop", "nop";
    16 REDIRECTION_IN = "in al, dx";
    16 REDIRECTION_OUT_WORD = "out dx, ax";
    16 REDIRECTION_IN_DWORD = "in eax, dx";
    32 REDIRECTION_CLI_32 = "cli";
    32 REDIRECTION_STI_32 = "sti";
    32 REDIRECTION_PUSHFD_32 = "pushfd", "pop eax";
}

/// Places the bitmap of ports behind the redirection bitmap, every bit of both set.
fn with_bitmaps() -> Arena {
    let arena = Arena::new();
    let start = layout::TSS + tss_32::SIZE;
    for offset in (0..tables::REDIRECTION_SIZE + 16).step_by(4) {
        tables::write_u32(start + offset, u32::MAX);
    }
    tables::write_u32(layout::TSS + tss_32::TRAP, (tss_32::SIZE + tables::REDIRECTION_SIZE) << 16);
    arena
}

fn redirect(vector: u8, to_program: bool) {
    let offset = layout::TSS + tss_32::SIZE + u32::from(vector) / 32 * 4;
    let bit = 1 << (vector % 32);
    let word = tables::read_u32(offset);
    tables::write_u32(offset, if to_program { word & !bit } else { word | bit });
}

/// Executes INT `vector` in virtual-8086 mode; its entry in the interrupt vector table at linear address 0 leads to
/// [`HANDLER`] meanwhile.
fn run_int(arena: &Arena, vector: u8, cr4: u32, eflags: u32) -> Arrival {
    let entry = u64::from(vector) * 4;
    let before = mmio::read_u32(entry);
    mmio::write_u32(entry, ARENA_SEGMENT << 16 | HANDLER);
    // HLT; INT with its vector, HLT behind it.
    tables::write_u32(HANDLER, 0xf4f4_f4f4);
    tables::write_u32(INT, 0xf4f4_00cd | u32::from(vector) << 8);
    let mut program = Program::VIRTUAL_8086;
    program.cr4 = cr4;
    program.registers.eip = INT;
    program.registers.eflags |= eflags;
    program.ending = Ending::Nothing;
    let arrival = arena.run(&program, &REDIRECTION_NOP);
    mmio::write_u32(entry, before);
    arrival
}

/// Vector by vector: where a redirected INT goes.
fn check_redirected(iopl: u32) {
    let arena = with_bitmaps();
    for vector in 0..=u8::MAX {
        redirect(vector, true);
        let arrival = run_int(&arena, vector, VME, iopl << 12);
        redirect(vector, false);
        let stack = layout::STACK;
        check_outcome!("INT n", [&[]; vector], arrival.outcome(), Outcome::GP);
        check_eq!("IP", [&[]; vector], arrival.registers.eip, HANDLER);
        check_eq!("SP", [&[]; vector], arrival.registers.general[ESP], stack - 6);
        check_eq!("saved IP and CS", [&[]; vector], tables::read_u32(stack - 6), ARENA_SEGMENT << 16 | (INT + 2));
        // IOPL reads as 3 below 3, and IF as VIF, which is clear.
        check_eq!("saved FLAGS", [&[]; vector], tables::read_u32(stack - 4) >> 16, 0x3002);
    }
}

/// With CR4.VME set and IOPL 0, INT n whose bit of the redirection bitmap is clear calls the program's own handler.
#[case(feature = Virtual8086, spec = [sdm3b("Method 5: Software Interrupt Handling"), sdm3b("Class 3—Software Interrupt Handling in Virtual-8086 Mode")], needs = Needs::VME)]
fn redirection_iopl_0() {
    check_redirected(0);
}

/// The same with IOPL 3.
#[case(feature = Virtual8086, spec = sdm3b("Class 3—Software Interrupt Handling in Virtual-8086 Mode"), needs = Needs::VME)]
fn redirection_iopl_3() {
    check_redirected(3);
}

/// With its bit set, INT n raises #GP(0) below IOPL 3, and goes through the IDT with IOPL 3: without a gate that is
/// #GP(8n + 2).
#[case(feature = Virtual8086, spec = [sdm3b("Method 2: Software Interrupt Handling"), sdm3b("Method 4: Software Interrupt Handling")], needs = Needs::VME)]
fn redirection_off() {
    let arena = with_bitmaps();
    for vector in 0..=u8::MAX {
        // All other bits are clear, so a neighbour's bit is seen.
        for other in 0..8 {
            tables::write_u32(layout::TSS + tss_32::SIZE + other * 4, 0);
        }
        redirect(vector, false);
        let arrival = run_int(&arena, vector, VME, 0);
        check_outcome!("INT n, IOPL 0", [&[]; vector], arrival.outcome(), Outcome::GP);
        check_eq!("IP, IOPL 0", [&[]; vector], arrival.registers.eip, INT);
        if u32::from(vector) >= tables::NR_VECTORS {
            let arrival = run_int(&arena, vector, VME, EFLAGS_IOPL_3);
            let expected = Outcome::gp(u32::from(vector) * 8 + 2);
            check_outcome!("INT n, IOPL 3", [&[]; vector], arrival.outcome(), expected);
        }
    }
}

/// With CR4.VME clear the redirection bitmap means nothing: INT n raises #GP(0) below IOPL 3.
#[case(feature = Virtual8086, spec = sdm3b("Method 1: Software Interrupt Handling"))]
fn redirection_without_vme() {
    let arena = with_bitmaps();
    for vector in (0..=u8::MAX).step_by(17) {
        redirect(vector, true);
        let arrival = run_int(&arena, vector, 0, 0);
        check_outcome!("INT n", [&[]; vector], arrival.outcome(), Outcome::GP);
        check_eq!("IP", [&[]; vector], arrival.registers.eip, INT);
    }
}

/// With CR4.VME set and IOPL below 3, CLI, STI, PUSHF, POPF and IRET of 16 bits work on VIF instead of IF; with VIP set,
/// what would set VIF raises #GP(0), as does TF in POPF; 32-bit forms raise #GP(0).
#[case(feature = Virtual8086, spec = [sdm3b("Interrupt and Exception Handling in Virtual-8086 Mode"), sdm2("CLI—Clear Interrupt Flag"), sdm2("POPF/POPFD/POPFQ—Pop Stack Into EFLAGS Register")], needs = Needs::VME)]
fn redirection_virtual_interrupt_flag() {
    const ROWS: &[Text] = names![
        "CLI",
        "STI",
        "STI with VIP",
        "PUSHF, VIF clear",
        "PUSHF, VIF set",
        "PUSHFD",
        "POPF that sets IF",
        "POPF that clears IF",
        "POPF that sets IF, with VIP",
        "POPF that sets TF",
        "POPFD",
        "IRET that sets IF",
        "IRET that sets IF, with VIP",
    ];
    let arena = with_bitmaps();
    let done = Outcome::COMPLETED;
    // Code, VIF and VIP before, outcome, VIF after.
    let table = [
        (&REDIRECTION_CLI, VIF, done, 0),
        (&REDIRECTION_STI, 0, done, VIF),
        (&REDIRECTION_STI, VIP, Outcome::GP, 0),
        (&REDIRECTION_PUSHF, 0, done, 0),
        (&REDIRECTION_PUSHF, VIF, done, VIF),
        (&REDIRECTION_PUSHFD, VIF, Outcome::GP, VIF),
        (&REDIRECTION_POPF_IF, 0, done, VIF),
        (&REDIRECTION_POPF_CLEAR, VIF, done, 0),
        (&REDIRECTION_POPF_IF, VIP, Outcome::GP, 0),
        (&REDIRECTION_POPF_TRAP, 0, Outcome::GP, 0),
        (&REDIRECTION_POPFD, 0, Outcome::GP, 0),
        (&REDIRECTION_IRET_IF, 0, done, VIF),
        (&REDIRECTION_IRET_IF, VIP, Outcome::GP, 0),
    ];
    for iopl in 0..3 {
        for (row, (code, flags, outcome, vif)) in table.into_iter().enumerate() {
            let mut program = Program::VIRTUAL_8086;
            program.cr4 = VME;
            program.registers.eflags |= flags | iopl << 12;
            let arrival = arena.run(&program, code);
            let row = row as u32;
            macro_rules! check_row {
                ($names:expr, $row:expr) => {
                    check_outcome!("outcome", [$names; $row], arrival.outcome(), outcome);
                    check_eq!("VIF", [$names; $row], arrival.registers.eflags & VIF, vif);
                    check_eq!("IF", [$names; $row], arrival.registers.eflags & IF, 0);
                    check_eq!("IOPL", [$names; $row], arrival.registers.eflags >> 12 & 3, iopl);
                };
            }
            match iopl {
                0 => {
                    check_row!(ROWS, row);
                    if matches!(row, 3 | 4) {
                        let expected = 0x3002 | if flags & VIF != 0 { IF } else { 0 };
                        check_eq!("FLAGS pushed", [ROWS; row], arrival.registers.general[EAX], expected);
                    }
                }
                // The same rows again, by number.
                _ => {
                    check_row!(&[], iopl * 100 + row);
                }
            }
        }
    }
}

/// With CR4.PVI set, CLI and STI at CPL 3 of protected mode with IOPL below 3 work on VIF; PUSHFD tells IF as it is.
#[case(feature = ProtectedMode32, spec = sdm3b("Protected-Mode Virtual Interrupts"), needs = Needs::VME)]
fn virtual_interrupts_of_protected_mode() {
    const ROWS: &[Text] =
        names!["CLI", "STI", "STI with VIP", "PUSHFD", "CLI, PVI clear", "STI, PVI clear", "CLI with VME alone"];
    let arena = Arena::new();
    let done = Outcome::COMPLETED;
    let table = [
        (&REDIRECTION_CLI_32, PVI, VIF, done, 0),
        (&REDIRECTION_STI_32, PVI, 0, done, VIF),
        (&REDIRECTION_STI_32, PVI, VIP, Outcome::GP, 0),
        (&REDIRECTION_PUSHFD_32, PVI, VIF, done, VIF),
        (&REDIRECTION_CLI_32, 0, VIF, Outcome::GP, VIF),
        (&REDIRECTION_STI_32, 0, 0, Outcome::GP, 0),
        (&REDIRECTION_CLI_32, VME, VIF, Outcome::GP, VIF),
    ];
    for (row, (code, cr4, flags, outcome, vif)) in table.into_iter().enumerate() {
        let mut program = Program::USER_32;
        program.cr4 = cr4;
        program.registers.eflags |= flags;
        let arrival = arena.run(&program, code);
        check_outcome!("outcome", [ROWS; row], arrival.outcome(), outcome);
        check_eq!("VIF", [ROWS; row], arrival.registers.eflags & VIF, vif);
        check_eq!("IF", [ROWS; row], arrival.registers.eflags & IF, 0);
        if row == 3 {
            check_eq!("EFLAGS pushed", arrival.registers.general[EAX] & (IF | VIF), VIF);
        }
    }
}

/// IN and OUT in virtual-8086 mode ask the I/O permission bitmap, whatever IOPL is: each port of an access must be clear.
#[case(feature = Virtual8086, spec = [sdm3a("Protecting I/O Ports"), sdm1("I/O Permission Bit Map")])]
fn redirection_io_bitmap() {
    let arena = with_bitmaps();
    let bitmap = layout::TSS + tss_32::SIZE + tables::REDIRECTION_SIZE;
    // Ports 70H to 7FH hold nothing that a read changes on any board, and the last lie at the end of the bitmap.
    for iopl in [0, 3] {
        for clear in [0_u32, 0x0001, 0x0003, 0x000f, 0x000e, 0x0007, 0x0008] {
            tables::write_u32(bitmap + 12, !(clear << 20));
            for (row, (code, size)) in [(&REDIRECTION_IN, 1_u32), (&REDIRECTION_IN_DWORD, 4)].into_iter().enumerate() {
                let mut program = Program::VIRTUAL_8086.with(&[(EDX, 0x74)]);
                program.registers.eflags |= iopl << 12;
                let arrival = arena.run(&program, code);
                let needed = (1 << size) - 1;
                let expected = if clear & needed == needed { Outcome::COMPLETED } else { Outcome::GP };
                let row = row as u32 | iopl << 4 | clear << 8;
                check_outcome!("IN", [&[]; row], arrival.outcome(), expected);
            }
        }
    }
    // A port beyond the limit of the TSS, and an access that reaches over it.
    for (row, port) in [0x80, 0x1000, 0xffff].into_iter().enumerate() {
        let arrival = arena.run(&Program::VIRTUAL_8086.with(&[(EDX, port)]), &REDIRECTION_OUT_WORD);
        check_outcome!("OUT beyond the bitmap", [&[]; row], arrival.outcome(), Outcome::GP);
    }
}

/// The frame of an exception in virtual-8086 mode holds GS, FS, DS, ES, SS, ESP, EFLAGS, CS and EIP, and the handler has
/// null data segments.
#[case(feature = Virtual8086, spec = [sdm3b("Leaving Virtual-8086 Mode"), sdm3b("Interrupt and Exception Handling in Virtual-8086 Mode")])]
fn redirection_stack_frame() {
    let arena = with_bitmaps();
    let mut program = Program::VIRTUAL_8086.with(&[(ESP, 0x7ffb_e000)]);
    let registers = &mut program.registers;
    (registers.es, registers.ds, registers.fs, registers.gs) = (0x1111, 0x1222, 0x1333, 0x1444);
    program.ending = Ending::Nothing;
    let arrival = arena.run(&program, &REDIRECTION_CLI);
    check_outcome!("CLI", arrival.outcome(), Outcome::GP);
    let top = ARENA + layout::STACK_0;
    check_eq!("ESP in the handler", arrival.handler_esp, top - 36);
    for (row, expected) in [
        layout::CODE,
        ARENA_SEGMENT,
        program.registers.eflags,
        0x7ffb_e000,
        ARENA_SEGMENT,
        0x1111,
        0x1222,
        0x1333,
        0x1444,
    ]
    .into_iter()
    .enumerate()
    {
        const FIELDS: &[Text] = names!["EIP", "CS", "EFLAGS", "ESP", "SS", "ES", "DS", "FS", "GS"];
        let at = layout::STACK_0 - 36 + row as u32 * 4;
        // RF is set in the image of a fault; the upper halves of selectors are not defined.
        let mask = match row {
            2 => !(1 << 16),
            1 | 4.. => 0xffff,
            _ => u32::MAX,
        };
        check_eq!("frame", [FIELDS; row], tables::read_u32(at) & mask, expected & mask);
    }
}
