//! Exits that need a state of their own: XSETBV, floating-point and alignment exceptions, task switches, exits in every mode.

use super::{end_of, ending::COMPLETED, start_of, with_svm};
use rt::{
    case, check, check_eq,
    cpu::control,
    mmio, names, paging,
    svm::{
        Guest,
        field::{self, INTERCEPTS_1, INTERCEPTS_2, exit, intercept_1, intercept_2, segment},
        mode::Mode,
    },
    user_code,
    vocabulary::{Needs, Text},
};

type Code = extern "C" fn(u64) -> u64;

const CR0_MP: u64 = 1 << 1;
const CR0_EM: u64 = 1 << 2;
const CR0_TS: u64 = 1 << 3;
const CR0_AM: u64 = 1 << 18;
const CR4_OSFXSR: u64 = 1 << 9;
const CR4_OSXMMEXCPT: u64 = 1 << 10;
const CR4_OSXSAVE: u64 = 1 << 18;
const AC: u64 = 1 << 18;

user_code!(xsetbv: "xsetbv", "vmmcall");

/// XSETBV exits where it is intercepted, and does not where it is not.
#[case(feature = SvmIntercepts, spec = [apm2("Instruction Intercepts"), apm3("XSETBV")], needs = Needs::SVM | Needs::XSAVE)]
fn xsetbv_exits() {
    with_svm(|| {
        for intercepted in [true, false] {
            let mut guest = Guest::new(xsetbv);
            guest.write_u64(field::CR4, guest.read_u64(field::CR4) | CR4_OSXSAVE);
            // XCR0 with x87 state alone, which it has after reset.
            guest.write_u64(field::RAX, 1);
            if intercepted {
                guest.intercept(INTERCEPTS_2, intercept_2::XSETBV);
            }
            let due = if intercepted { exit::VMRUN + u64::from(intercept_2::XSETBV) } else { COMPLETED };
            check_eq!("ending", [&[]; intercepted], end_of(guest.run()), due);
        }
    });
}

user_code!(x87: "fnop", "vmmcall");
user_code!(wait: "fwait", "vmmcall");
user_code!(divide_x87: "fninit", "push 0", "fldcw [rsp]", "fld1", "fldz", "fdivp", "fwait", "vmmcall");
user_code!(unaligned: "push 0", "popfq", "push 0x40002", "popfq", "mov eax, [rsp + 1]", "vmmcall");
user_code!(divide_sse: "push 0", "ldmxcsr [rsp]", "xorps xmm0, xmm0", "xorps xmm1, xmm1", "divss xmm0, xmm1", "vmmcall");

/// #NM, #MF, #AC and #XM exit by the bit of their vector.
#[case(feature = SvmExceptions, spec = apm2("Exception Intercepts"), needs = Needs::SVM)]
fn more_exceptions_exit() {
    const NAMES: &[Text] = names!["#NM by TS", "#NM by EM", "#NM of WAIT", "#MF", "#AC", "#XM"];
    // Code, bits of CR0 set, bits of CR4 set, vector.
    let rows: [(Code, u64, u64, u64); 6] = [
        (x87, CR0_TS, 0, 7),
        (x87, CR0_EM, 0, 7),
        (wait, CR0_TS | CR0_MP, 0, 7),
        (divide_x87, 0, 0, 16),
        (unaligned, CR0_AM, 0, 17),
        (divide_sse, 0, CR4_OSFXSR | CR4_OSXMMEXCPT, 19),
    ];
    with_svm(|| {
        for (row, (code, cr0, cr4, vector)) in rows.into_iter().enumerate() {
            for intercepted in [true, false] {
                let mut guest = Guest::new(code);
                let base = control::read_cr0() & !(CR0_TS | CR0_EM | CR0_AM) | 1 << 5;
                guest.write_u64(field::CR0, base | cr0);
                guest.write_u64(field::CR4, guest.read_u64(field::CR4) | cr4);
                if vector == 17 {
                    guest.start_in(Mode::User);
                    guest.write_u64(field::RFLAGS, 2 | AC);
                }
                guest.write_u32(field::EXCEPTIONS, if intercepted { 1 << vector } else { !(1 << vector) });
                let ending = end_of(guest.run());
                if intercepted {
                    check_eq!("ending", [NAMES; row], ending, exit::EXCEPTION + vector);
                } else {
                    // It is delivered then, and there is no gate for it: the fault of that exits.
                    check_eq!("ending without its bit", [NAMES; row], ending, exit::EXCEPTION + 13);
                }
            }
        }
    });
}

user_code!(cpuid: "cpuid", "vmmcall");

/// An exit in every mode: RIP is the offset in the code segment, and the segment is stored as it was.
#[case(feature = SvmState, spec = [apm2("#VMEXIT"), apm2("Instruction Intercepts")], needs = Needs::SVM)]
fn exits_in_every_mode() {
    const NAMES: &[Text] =
        names!["64-bit", "64-bit, CPL 3", "compatibility", "32-bit protected", "16-bit protected", "real"];
    let modes = [Mode::Long, Mode::User, Mode::Compatibility, Mode::Protected32, Mode::Protected16, Mode::Real];
    const FIELDS: [u64; 12] = [
        field::CS,
        field::CS + segment::BASE,
        field::SS,
        field::SS + segment::BASE,
        field::DS,
        field::DS + segment::BASE,
        field::ES,
        field::ES + segment::BASE,
        field::EFER,
        field::CR0,
        field::CR4,
        field::RSP,
    ];
    with_svm(|| {
        for (row, mode) in modes.into_iter().enumerate() {
            if mode == Mode::Real && rt::svm::features() & rt::svm::feature::NESTED_PAGING == 0 {
                continue;
            }
            let mut guest = Guest::new(cpuid);
            guest.start_in(mode);
            guest.intercept(INTERCEPTS_1, intercept_1::CPUID);
            let before = FIELDS.map(|at| guest.read_u64(at));
            let rip = guest.read_u64(field::RIP);
            let due = exit::INTR + u64::from(intercept_1::CPUID);
            check_eq!("ending", [NAMES; row], end_of(guest.run()), due);
            check_eq!("RIP", [NAMES; row], guest.read_u64(field::RIP), rip);
            // What a code segment's type is in real mode, is nowhere said.
            let skipped = usize::from(mode == Mode::Real);
            for (at, before) in FIELDS.into_iter().zip(before).skip(skipped) {
                check_eq!("field", [&[]; row as u64 * 0x1000 + at], guest.read_u64(at), before);
            }
            check_eq!("CPL", [NAMES; row], guest.read_u8(field::CPL), if mode == Mode::User { 3 } else { 0 });
            // Past the instruction it goes on.
            guest.write_u64(field::RIP, rip + 2);
            check_eq!("ending behind it", [NAMES; row], end_of(guest.run()), COMPLETED);
        }
    });
}

// JMP 40H:0 with a 32-bit offset, as 32-bit code has it.
user_code!(jump_to_task: ".byte 0xea", ".long 0", ".word 0x50", "vmmcall");
user_code!(call_task: ".byte 0x9a", ".long 0", ".word 0x50", "vmmcall");

/// A task switch exits where it is intercepted: EXITINFO1 tells the TSS, EXITINFO2 whether it is a jump.
#[case(feature = SvmIntercepts, spec = [apm2("Task Switch Intercept"), apm2("SVM Intercept Codes")], needs = Needs::SVM)]
fn task_switches_exit() {
    const TASK: u16 = 0x50;
    const NAMES: &[Text] = names!["JMP", "CALL"];
    /// Bit of EXITINFO2: the switch is by a far jump.
    const BY_JUMP: u64 = 1 << 38;
    /// Bit of EXITINFO2: the switch is by IRET.
    const BY_IRET: u64 = 1 << 36;
    let (table, task) = (paging::frame(4), paging::frame(5));
    for offset in (0..u64::from(rt::tables::GDT_LIMIT)).step_by(8) {
        mmio::write_u64(table + offset, mmio::read_u64(rt::layout::GDT + offset));
    }
    // An available 32-bit TSS.
    let low = 103 | (task & 0x00ff_ffff) << 16 | 0x89 << 40 | (task >> 24 & 0xff) << 56;
    mmio::write_u64(table + u64::from(TASK), low);
    let rows: [(Code, u64); 2] = [(jump_to_task, BY_JUMP), (call_task, 0)];
    with_svm(|| {
        for (row, (code, due)) in rows.into_iter().enumerate() {
            let mut guest = Guest::new(code);
            guest.start_in(Mode::Protected32);
            guest.write_u64(field::GDTR + segment::BASE, table);
            guest.write_u32(field::GDTR + segment::LIMIT, u32::from(TASK) + 7);
            guest.intercept(INTERCEPTS_1, intercept_1::TASK_SWITCH);
            let ran = guest.run();
            let (first, second, rip) = ran.as_ref().map_or((0, 0, 0), |exit| (exit.info_1, exit.info_2, exit.rip));
            let ending = end_of(ran);
            check_eq!("ending", [NAMES; row], ending, exit::TASK_SWITCH);
            if ending == exit::TASK_SWITCH {
                check_eq!("EXITINFO1", [NAMES; row], first & 0xffff, TASK);
                check_eq!("cause in EXITINFO2", [NAMES; row], second & (BY_JUMP | BY_IRET), due);
                check_eq!("RIP", [NAMES; row], rip, start_of(code));
                check!("the TSS is not busy yet", [NAMES; row], mmio::read_u64(table + u64::from(TASK)) >> 41 & 1 == 0);
            }
        }
    });
}
