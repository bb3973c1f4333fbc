//! What a 32-bit task brings with it besides registers: its page tables and its I/O permission bitmap.

use super::{
    model::is_port_allowed,
    reporting::{report_once, sites},
    task_model::{self, OLD_CR3, PageTables, TASK, TASK_TSS},
};
use case::Text;
use rt::{
    Outcome, case, check_outcome,
    excursion::{
        ARENA, Arena, Code, EFLAGS_CLEAR, Program, layout,
        paging::Tables,
        register::EAX,
        tables::{self, access, segment, selector, tss_32},
    },
    machine_code, names,
};

const TASK_CODE: u32 = 0x3000;
const PAGING: u32 = 1 << 31;
const _: () = assert!(TASK == 0x58);

machine_code! {
    /// Far JMP to the task.
    32 STATE_JUMP = ".byte 0xea", ".long 0", ".word 0x58";
    /// Reads CR3 for all to see.
    32 STATE_CR3 = "mov eax, cr3", "ud2";
    /// IN from the port in DX, of each size.
    32 STATE_IN_1 = "in al, dx", "ud2";
    /// The same.
    32 STATE_IN_2 = "in ax, dx", "ud2";
    /// The same.
    32 STATE_IN_4 = "in eax, dx", "ud2";
}

/// Writes a task at [`TASK_CODE`] with this CPL.
fn put_task(cpl: u32, limit: u32) {
    for offset in (0..0x100).step_by(4) {
        tables::write_u32(TASK_TSS + offset, 0);
    }
    let (cs, ss) = if cpl == 0 {
        (selector::CODE_32, selector::DATA_32)
    } else {
        (selector::USER_CODE_32, selector::USER_DATA_32)
    };
    for (offset, word) in [
        (tss_32::ESP_0, ARENA + layout::STACK_1),
        (tss_32::SS_0, selector::DATA_32.into()),
        (tss_32::GENERAL + 16, ARENA + layout::STACK_2),
        (tss_32::EIP, ARENA + TASK_CODE),
        (tss_32::EFLAGS, EFLAGS_CLEAR),
        (tss_32::CS, cs.into()),
        (tss_32::SS, ss.into()),
        (tss_32::DS, ss.into()),
        (tss_32::ES, ss.into()),
    ] {
        tables::write_u32(TASK_TSS + offset, word);
    }
    tables::set_descriptor(TASK, segment(ARENA + TASK_TSS, limit, access::TSS_32, 0));
}

/// A task switch with paging on loads CR3 from the new TSS, and saves none in the old one.
#[case(feature = TaskSwitches, spec = [sdm3a("Task Switching"), sdm3a("Task Address Space"), apm2("Hardware Task-Management in Legacy Mode")])]
fn page_tables_of_a_task() {
    let arena = Arena::new();
    let (first, second) = (Tables::bits_32(0), Tables::bits_32(4));
    put_task(0, tss_32::SIZE - 1);
    tables::write_u32(TASK_TSS + tss_32::CR3, second.cr3);
    tables::write_u32(layout::TSS + tss_32::CR3, OLD_CR3);
    arena.put(TASK_CODE, &STATE_CR3);
    let mut program = Program::PROTECTED_32;
    program.cr0 |= PAGING;
    program.cr3 = first.cr3;
    let arrival = arena.run(&program, &STATE_JUMP);
    let seen = PageTables {
        outcome: arrival.outcome().0,
        cr3: arrival.registers.general[EAX].into(),
        tr: arrival.tr.into(),
        saved_cr3: tables::read_u32(layout::TSS + tss_32::CR3).into(),
    };
    let sites = sites![&[]; Outcome "what the task ends with", Hex "CR3", Hex "TR", Hex "CR3 in the old TSS"];
    report_once(sites, seen.beside(task_model::page_tables(second.cr3)));
}

/// A task at CPL 3 may use the ports whose bits in its own I/O permission bitmap are clear, if two bytes of it lie within
/// the limit.
#[case(feature = TaskSwitches, spec = [sdm1("I/O Permission Bit Map"), sdm3a("Task-State Segment (TSS)"), apm2("I/O-Permission Bitmap")])]
fn ports_of_a_task() {
    const NAMES: &[Text] = names!["80", "81", "82", "87", "88", "7f", "7e", "7d"];
    const PORTS: [u32; 8] = [0x80, 0x81, 0x82, 0x87, 0x88, 0x7f, 0x7e, 0x7d];
    const BASE: u32 = tss_32::SIZE;
    const DENIED: u32 = 0x81;
    let arena = Arena::new();
    let byte = |at: u32| if at == BASE + DENIED / 8 { 1 << (DENIED % 8) } else { 0 };
    // The byte with the bits of ports 88H to 8FH is the last, then the first that is missing.
    for limit in [BASE + 0x12, BASE + 0x11, BASE + 0x10] {
        for (row, port) in PORTS.into_iter().enumerate() {
            for (size, code) in [(1, &STATE_IN_1), (2, &STATE_IN_2), (4, &STATE_IN_4)] {
                if limit != BASE + 0x12 && size > 1 {
                    continue;
                }
                let actual = run_in(&arena, limit, port, code, byte);
                let expected = if is_port_allowed(BASE, limit, port, size, byte) { Outcome::UD } else { Outcome::GP };
                match (size, limit - BASE) {
                    (1, 0x12) => check_outcome!("byte", [NAMES; row], actual, expected),
                    (2, 0x12) => check_outcome!("word", [NAMES; row], actual, expected),
                    (4, 0x12) => check_outcome!("doubleword", [NAMES; row], actual, expected),
                    (_, 0x11) => check_outcome!("byte, map ends with port 8f", [NAMES; row], actual, expected),
                    _ => check_outcome!("byte, map ends with port 87", [NAMES; row], actual, expected),
                }
            }
        }
    }
}

fn run_in(arena: &Arena, limit: u32, port: u32, code: &Code, byte: impl Fn(u32) -> u8) -> Outcome {
    put_task(3, limit);
    tables::write_u32(TASK_TSS + tss_32::TRAP, tss_32::SIZE << 16);
    for at in (tss_32::SIZE..tss_32::SIZE + 0x20).step_by(4) {
        let word = (0..4).fold(0, |word, index| word | u32::from(byte(at + index)) << (8 * index));
        tables::write_u32(TASK_TSS + at, word);
    }
    tables::write_u32(TASK_TSS + tss_32::GENERAL + 8, port);
    arena.put(TASK_CODE, code);
    arena.run(&Program::PROTECTED_32, &STATE_JUMP).outcome()
}
