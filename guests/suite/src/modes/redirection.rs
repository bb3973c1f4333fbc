//! Virtual-8086 mode: virtual interrupts (CR4.VME), the interrupt redirection bitmap and the I/O permission bitmap.

use super::{
    redirection_model::{
        Flags, Frame, HANDLER, IF, INT, PROTECTED, Redirected, Refused, VIF, VIRTUAL_FLAG, VME, frame, input,
        protected, pushed, redirected, refused, virtual_flag, without_a_gate,
    },
    reporting::{report, report_once, sites},
};
use case::Needs;
use rt::{
    case, check_eq, check_outcome,
    excursion::{
        ARENA_SEGMENT, Arena, Arrival, EFLAGS_IOPL_3, Ending, Program, layout,
        register::*,
        tables::{self, tss_32},
    },
    machine_code, mmio, names,
    vocabulary::Text,
};

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
        let seen = Redirected {
            outcome: arrival.outcome().0,
            ip: arrival.registers.eip.into(),
            sp: arrival.registers.general[ESP].into(),
            saved_address: tables::read_u32(stack - 6).into(),
            saved_flags: u64::from(tables::read_u32(stack - 4) >> 16),
        };
        let sites = sites![&[]; Outcome "INT n", Hex "IP", Hex "SP", Hex "saved IP and CS", Hex "saved FLAGS"];
        report(sites, vector.into(), seen.beside(redirected()));
    }
}

fn left(arrival: &Arrival) -> Refused {
    Refused { outcome: arrival.outcome().0, ip: arrival.registers.eip.into() }
}

fn flags(arrival: &Arrival) -> Flags {
    let eflags = u64::from(arrival.registers.eflags);
    Flags { outcome: arrival.outcome().0, vif: eflags, interrupt: eflags, iopl: eflags }
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
        let columns = left(&arrival).beside(refused());
        report(sites![&[]; Outcome "INT n, IOPL 0", Hex "IP, IOPL 0"], vector.into(), columns);
        if u32::from(vector) >= tables::NR_VECTORS {
            let arrival = run_int(&arena, vector, VME, EFLAGS_IOPL_3);
            check_outcome!("INT n, IOPL 3", [&[]; vector], arrival.outcome(), without_a_gate(vector));
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
        report(sites![&[]; Outcome "INT n", Hex "IP"], vector.into(), left(&arrival).beside(refused()));
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
    let codes = [
        &REDIRECTION_CLI,
        &REDIRECTION_STI,
        &REDIRECTION_STI,
        &REDIRECTION_PUSHF,
        &REDIRECTION_PUSHF,
        &REDIRECTION_PUSHFD,
        &REDIRECTION_POPF_IF,
        &REDIRECTION_POPF_CLEAR,
        &REDIRECTION_POPF_IF,
        &REDIRECTION_POPF_TRAP,
        &REDIRECTION_POPFD,
        &REDIRECTION_IRET_IF,
        &REDIRECTION_IRET_IF,
    ];
    for iopl in 0..3 {
        for (row, (before, ..)) in VIRTUAL_FLAG.into_iter().enumerate() {
            let mut program = Program::VIRTUAL_8086;
            program.cr4 = VME;
            program.registers.eflags |= before | iopl << 12;
            let arrival = arena.run(&program, codes[row]);
            let columns = flags(&arrival).beside(virtual_flag(row, iopl));
            if iopl == 0 {
                report(sites![ROWS; Outcome "outcome", Hex "VIF", Hex "IF", Hex "IOPL"], row, columns);
                if matches!(row, 3 | 4) {
                    check_eq!("FLAGS pushed", [ROWS; row], arrival.registers.general[EAX], pushed(before));
                }
            } else {
                // The same rows again, by number.
                let sites = sites![&[]; Outcome "outcome", Hex "VIF", Hex "IF", Hex "IOPL"];
                report(sites, iopl as usize * 100 + row, columns);
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
    let codes = [&REDIRECTION_CLI_32, &REDIRECTION_STI_32, &REDIRECTION_PUSHFD_32];
    for (row, (code, cr4, before, ..)) in PROTECTED.into_iter().enumerate() {
        let mut program = Program::USER_32;
        program.cr4 = cr4;
        program.registers.eflags |= before;
        let arrival = arena.run(&program, codes[code]);
        let sites = sites![ROWS; Outcome "outcome", Hex "VIF", Hex "IF", Hex "IOPL"];
        report(sites, row, flags(&arrival).beside(protected(row)));
        if row == 3 {
            check_eq!("EFLAGS pushed", arrival.registers.general[EAX] & (IF | VIF), VIF);
        }
    }
}

/// IN and OUT in virtual-8086 mode ask the I/O permission bitmap, whatever IOPL is: each port of an access must be clear.
#[case(feature = Virtual8086, spec = [sdm3b("I/O-Port-Mapped I/O"), sdm1("I/O Permission Bit Map")])]
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
                let row = row as u32 | iopl << 4 | clear << 8;
                check_outcome!("IN", [&[]; row], arrival.outcome(), input(clear, size));
            }
        }
    }
    // A port beyond the limit of the TSS, and an access that reaches over it.
    for (row, port) in [0x80, 0x1000, 0xffff].into_iter().enumerate() {
        let arrival = arena.run(&Program::VIRTUAL_8086.with(&[(EDX, port)]), &REDIRECTION_OUT_WORD);
        check_outcome!("OUT beyond the bitmap", [&[]; row], arrival.outcome(), input(0, 2));
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
    let saved = |index: u32| u64::from(tables::read_u32(layout::STACK_0 - 36 + index * 4));
    let seen = Frame {
        eip: saved(0),
        cs: saved(1),
        eflags: saved(2),
        esp: saved(3),
        ss: saved(4),
        es: saved(5),
        ds: saved(6),
        fs: saved(7),
        gs: saved(8),
        handler_esp: arrival.handler_esp.into(),
        outcome: arrival.outcome().0,
    };
    let sites = sites![&[]; Hex "saved EIP", Hex "saved CS", Hex "saved EFLAGS", Hex "saved ESP", Hex "saved SS",
        Hex "saved ES", Hex "saved DS", Hex "saved FS", Hex "saved GS", Hex "ESP in the handler", Outcome "CLI"];
    report_once(sites, seen.beside(frame(&program.registers)));
}
