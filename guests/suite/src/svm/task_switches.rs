//! Task switches that an intercept takes: by IRET, and by an interrupt or exception through a task gate.

use super::{end_of, start_of, with_svm};
use rt::{
    case, check_eq, mmio, names, paging,
    svm::{
        Guest,
        field::{self, EVENT_INJECTION, INTERCEPTS_1, event, exit, intercept_1, segment},
        mode::Mode,
    },
    user_code,
    vocabulary::{Needs, Text},
};

type Code = extern "C" fn(u64) -> u64;

/// Bits of EXITINFO2.
mod by {
    pub(super) const IRET: u64 = 1 << 36;
    pub(super) const JUMP: u64 = 1 << 38;
    pub(super) const HAS_ERROR_CODE: u64 = 1 << 44;
}

const TASK: u16 = 0x50;
const BAD_SELECTOR: u16 = 0xfff8;
const NT: u64 = 1 << 14;

user_code!(interrupt_return: "iretd", "vmmcall");
user_code!(invalid_opcode: "ud2", "vmmcall");
// MOV DS, EBX in 32-bit code.
user_code!(bad_selector: ".byte 0x8e, 0xdb", "vmmcall");
user_code!(software_interrupt: ".byte 0xcd, 0x40", "vmmcall");
user_code!(end: "vmmcall");

/// L2 in 32-bit mode with a TSS to switch to, of this type, and an IDT of task gates.
fn guest(code: Code, access: u64) -> Guest {
    let (table, task, gates) = (paging::frame(4), paging::frame(5), paging::frame(6));
    for offset in (0..u64::from(rt::tables::GDT_LIMIT)).step_by(8) {
        mmio::write_u64(table + offset, mmio::read_u64(rt::layout::GDT + offset));
    }
    let low = 103 | (task & 0x00ff_ffff) << 16 | access << 40 | (task >> 24 & 0xff) << 56;
    mmio::write_u64(table + u64::from(TASK), low);
    for vector in 0..256 {
        mmio::write_u64(gates + vector * 8, u64::from(TASK) << 16 | 0xe5 << 40);
    }
    let mut guest = Guest::new(code);
    guest.start_in(Mode::Protected32);
    guest.write_u64(field::GDTR + segment::BASE, table);
    guest.write_u32(field::GDTR + segment::LIMIT, u32::from(TASK) + 7);
    guest.write_u64(field::IDTR + segment::BASE, gates);
    guest.write_u32(field::IDTR + segment::LIMIT, 256 * 8 - 1);
    guest.write_u32(field::EXCEPTIONS, 0);
    guest.intercept(INTERCEPTS_1, intercept_1::TASK_SWITCH);
    guest.registers.rbx = BAD_SELECTOR.into();
    guest
}

/// IRET with NT goes back to the task that the TSS names, and exits as such.
#[case(feature = SvmIntercepts, spec = [apm2("Task Switch Intercept"), apm2("SVM Intercept Codes")], needs = Needs::SVM)]
fn task_switch_by_iret() {
    const BUSY: u64 = 0x8b;
    with_svm(|| {
        let mut guest = guest(interrupt_return, BUSY);
        guest.write_u64(field::RFLAGS, 2 | NT);
        let link = guest.read_u64(field::TR + segment::BASE);
        mmio::write_u16(link, TASK);
        let ran = guest.run();
        mmio::write_u16(link, 0);
        let (first, second, rip) = ran.as_ref().map_or((0, 0, 0), |exit| (exit.info_1, exit.info_2, exit.rip));
        check_eq!("ending", end_of(ran), exit::TASK_SWITCH);
        check_eq!("EXITINFO1", first & 0xffff, TASK);
        check_eq!("cause in EXITINFO2", second & (by::IRET | by::JUMP), by::IRET);
        check_eq!("RIP", rip, start_of(interrupt_return));
    });
}

/// A task gate exits with the TSS, the error code if there is one, and in EXITINTINFO what was delivered.
#[case(feature = SvmIntercepts, spec = [apm2("Task Switch Intercept"), apm2("Interrupts during Event Delivery")], needs = Needs::SVM)]
fn task_switch_by_a_gate() {
    const AVAILABLE: u64 = 0x89;
    const NAMES: &[Text] =
        names!["UD2", "bad selector", "INT 40H", "interrupt 40H that is injected", "NMI that is injected"];
    let rows: [(Code, u64, Option<u16>, u64); 5] = [
        (invalid_opcode, 0, None, event::of(event::EXCEPTION, 6)),
        (bad_selector, 0, Some(BAD_SELECTOR), event::with_error_code(event::EXCEPTION, 13, BAD_SELECTOR as u32)),
        (software_interrupt, 0, None, event::of(event::SOFTWARE, 0x40)),
        (end, event::of(event::INTERRUPT, 0x40), None, event::of(event::INTERRUPT, 0x40)),
        (end, event::of(event::NMI, 2), None, event::of(event::NMI, 2)),
    ];
    with_svm(|| {
        for (row, (code, injected, error_code, delivered)) in rows.into_iter().enumerate() {
            let mut guest = guest(code, AVAILABLE);
            guest.write_u64(EVENT_INJECTION, injected);
            let ran = guest.run();
            let (first, second) = ran.as_ref().map_or((0, 0), |exit| (exit.info_1, exit.info_2));
            let (info, rip) = ran.as_ref().map_or((0, 0), |exit| (exit.interrupt_info, exit.rip));
            let ending = end_of(ran);
            check_eq!("ending", [NAMES; row], ending, exit::TASK_SWITCH);
            if ending != exit::TASK_SWITCH {
                continue;
            }
            check_eq!("EXITINFO1", [NAMES; row], first & 0xffff, TASK);
            check_eq!("cause in EXITINFO2", [NAMES; row], second & (by::IRET | by::JUMP), 0);
            let due = error_code.map_or(0, |code| by::HAS_ERROR_CODE | u64::from(code));
            let mask = by::HAS_ERROR_CODE | if error_code.is_some() { 0xffff_ffff } else { 0 };
            check_eq!("error code in EXITINFO2", [NAMES; row], second & mask, due);
            check_eq!("EXITINTINFO", [NAMES; row], info, delivered);
            check_eq!("RIP", [NAMES; row], rip, start_of(code));
        }
    });
}
